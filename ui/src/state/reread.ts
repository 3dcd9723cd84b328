// Re-reading after events: at most one read runs, asks during it lead to exactly one more, and nothing is kept from a
// read that began before `forget`, so an answer that arrives after locking cannot bring content back.

export class Reread<T> {
  #epoch = 0;
  #running: Promise<void> | null = null;
  #again = false;
  readonly #read: () => Promise<T>;
  readonly #keep: (read: T) => void;

  constructor(read: () => Promise<T>, keep: (read: T) => void) {
    this.#read = read;
    this.#keep = keep;
  }

  /** Resolves when what is shown is at least as new as this call. */
  now(): Promise<void> {
    if (this.#running) {
      this.#again = true;
      return this.#running;
    }
    this.#running = this.#run().finally(() => (this.#running = null));
    return this.#running;
  }

  forget(): void {
    this.#epoch += 1;
    this.#again = false;
  }

  async #run(): Promise<void> {
    do {
      this.#again = false;
      const epoch = this.#epoch;
      const read = await this.#read();
      if (epoch === this.#epoch) this.#keep(read);
    } while (this.#again);
  }
}
