// One folder of envelopes: the rows that are loaded, and a search over exactly those.
import type { EnvelopeRow, Folder, Port } from "../ipc";
import { Paged } from "./paged.svelte";

export class FolderState extends Paged<EnvelopeRow> {
  query = $state("");
  readonly folder: Folder;

  constructor(port: Port, folder: Folder) {
    super((cursor, limit) => port.envelopes(folder, cursor, limit));
    this.folder = folder;
  }

  readonly shown = $derived.by(() => {
    const words = this.query.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    if (words.length === 0) return this.rows;
    return this.rows.filter((row) => {
      const text = searchable(row);
      return words.every((word) => text.includes(word));
    });
  });

  override clear(): void {
    super.clear();
    this.query = "";
  }
}

function searchable(row: EnvelopeRow): string {
  const parties = row.from ? [row.from] : row.to.map((to) => to.party);
  const names = parties.map((party) => `${party.name} ${party.address}`).join(" ");
  const drop = row.drop ? `${row.drop.name} ${row.drop.receipt} ${row.drop.reach ?? ""}` : "";
  return `${names} ${drop} ${row.subject} ${row.preview}`.toLocaleLowerCase();
}
