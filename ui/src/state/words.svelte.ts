// The words that a recovery code is made of, asked for once: what is typed is completed here and goes nowhere.
import type { Port } from "../ipc";

const OFFERED = 6;

export class WordList {
  #words = $state.raw<string[]>([]);
  #asked = false;

  readonly #port: Port;

  constructor(port: Port) {
    this.#port = port;
  }

  async read(): Promise<void> {
    if (this.#asked) return;
    this.#asked = true;
    const answer = await this.#port.wordList();
    if (answer.status === "ok") this.#words = answer.data;
    else this.#asked = false;
  }

  /** The words that begin so and go on, at most a few. */
  beginning(typed: string): string[] {
    const begun = typed.toLowerCase();
    if (begun === "") return [];
    return this.#words.filter((word) => word !== begun && word.startsWith(begun)).slice(0, OFFERED);
  }
}
