// One folder of envelopes: the rows that are loaded, in the shell's order, and a search over exactly those.
import type { EnvelopeRow, Failure, Folder, Port } from "../ipc";
import { Reread } from "./reread";

const PAGE = 200;

type Read = { rows: EnvelopeRow[]; next: string | null; total: number } | { failure: Failure };

export class FolderState {
  rows = $state.raw<EnvelopeRow[]>([]);
  total = $state(0);
  loaded = $state(false);
  loadingMore = $state(false);
  failure = $state.raw<Failure | null>(null);
  query = $state("");

  readonly folder: Folder;
  readonly #port: Port;
  readonly #reread: Reread<Read>;
  #next: string | null = null;
  #wanted = PAGE;

  constructor(port: Port, folder: Folder) {
    this.#port = port;
    this.folder = folder;
    this.#reread = new Reread(
      () => this.#load(),
      (read) => this.#take(read),
    );
  }

  readonly shown = $derived.by(() => {
    const words = this.query.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    if (words.length === 0) return this.rows;
    return this.rows.filter((row) => {
      const text = searchable(row);
      return words.every((word) => text.includes(word));
    });
  });

  get complete(): boolean {
    return this.rows.length >= this.total;
  }

  read = () => this.#reread.now();

  /** Loads the next page; called when the end of the list comes near. */
  more = () => this.#grow(this.rows.length + PAGE);

  /** Loads the rest, so that the search covers the whole folder. */
  all = () => this.#grow(this.total);

  clear(): void {
    this.#reread.forget();
    this.rows = [];
    this.total = 0;
    this.loaded = false;
    this.failure = null;
    this.query = "";
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

  async #load(): Promise<Read> {
    const rows: EnvelopeRow[] = [];
    let next: string | null = null;
    let total = 0;
    do {
      const answer = await this.#port.envelopes(this.folder, next, PAGE);
      if (answer.status === "error") return { failure: answer.error };
      rows.push(...answer.data.items);
      next = answer.data.next;
      total = answer.data.total;
    } while (next !== null && rows.length < this.#wanted);
    return { rows, next, total };
  }

  #take(read: Read): void {
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

function searchable(row: EnvelopeRow): string {
  const parties = row.from ? [row.from] : row.to.map((to) => to.party);
  const names = parties.map((party) => `${party.name} ${party.address}`).join(" ");
  return `${names} ${row.subject} ${row.preview}`.toLocaleLowerCase();
}
