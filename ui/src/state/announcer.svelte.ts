// What the polite live region says. Nothing pops up: a change is seen in its place, and said here once.
import { untrack } from "svelte";

export class Announcer {
  said = $state("");

  say(sentence: string): void {
    // The same sentence twice is two events: a trailing no-break space makes screen readers say it again.
    // Untracked, so that an effect that says something does not run again because it was said.
    this.said = untrack(() => this.said) === sentence ? `${sentence}\u00a0` : sentence;
  }

  clear(): void {
    this.said = "";
  }
}
