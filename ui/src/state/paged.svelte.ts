// A list that the shell gives by pages, in the shell's order: what is loaded of it is read anew, and more is loaded on asking.
import type { Failure, Page, Result } from "../ipc";
import { Reread } from "./reread";

const PAGE = 200;

type Read<T> = { rows: T[]; next: string | null; total: number } | { failure: Failure };

export class Paged<T> {
  rows = $state.raw<T[]>([]);
  total = $state(0);
  loaded = $state(false);
  loadingMore = $state(false);
  failure = $state.raw<Failure | null>(null);

  readonly #page: (cursor: string | null, limit: number) => Promise<Result<Page<T>>>;
  readonly #reread: Reread<Read<T>>;
  #next: string | null = null;
  #wanted = PAGE;
  /** Something changed: what is loaded is read anew. Else only what is missing is read. */
  #stale = true;

  constructor(page: (cursor: string | null, limit: number) => Promise<Result<Page<T>>>) {
    this.#page = page;
    this.#reread = new Reread(
      () => this.#load(),
      (read) => this.#take(read),
    );
  }

  get complete(): boolean {
    return this.rows.length >= this.total;
  }

  read = (): Promise<void> => {
    this.#stale = true;
    return this.#reread.now();
  };

  /** Loads the next page; called when the end of the list comes near. */
  more = () => this.#grow(this.rows.length + PAGE);

  /** Loads the rest, so that what looks for something covers the whole. */
  all = () => this.#grow(this.total);

  clear(): void {
    this.#reread.forget();
    this.rows = [];
    this.total = 0;
    this.loaded = false;
    this.failure = null;
    this.#next = null;
    this.#wanted = PAGE;
  }

  async #grow(wanted: number): Promise<void> {
    if (this.#next === null || this.loadingMore) return;
    this.loadingMore = true;
    this.#wanted = wanted;
    await this.#reread.now();
    this.loadingMore = false;
  }

  async #load(): Promise<Read<T>> {
    const anew = this.#stale || !this.loaded;
    this.#stale = false;
    const rows = anew ? [] : [...this.rows];
    let next = anew ? null : this.#next;
    let total = 0;
    do {
      const answer = await this.#page(next, PAGE);
      if (answer.status === "error") {
        this.#stale = true;
        return { failure: answer.error };
      }
      rows.push(...answer.data.items);
      next = answer.data.next;
      total = answer.data.total;
    } while (next !== null && rows.length < this.#wanted);
    return { rows, next, total };
  }

  #take(read: Read<T>): void {
    this.loaded = true;
    if ("failure" in read) {
      this.failure = read.failure;
      return;
    }
    this.failure = null;
    this.rows = read.rows;
    this.total = read.total;
    this.#next = read.next;
  }
}
