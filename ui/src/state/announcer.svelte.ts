// What the polite live region says. Nothing pops up: a change is seen in its place, and said here once.

export class Announcer {
  said = $state("");

  say(sentence: string): void {
    // The same sentence twice is two events: a trailing no-break space makes screen readers say it again.
    this.said = this.said === sentence ? `${sentence}\u00a0` : sentence;
  }

  clear(): void {
    this.said = "";
  }
}
