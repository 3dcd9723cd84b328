// Where the person is: the section in the rail, and what the detail pane shows in each section.

export type Section = "inbox" | "outbox" | "sent" | "drafts" | "contacts" | "boxes" | "settings";
export type Detail =
  | { kind: "envelope"; id: string }
  | { kind: "draft"; id: string }
  | { kind: "contact"; account: string }
  | { kind: "addContact" }
  | { kind: "box"; id: string }
  | { kind: "makeBox" };

/** A question or an overview that is open over the window; at most one. */
export type Asking = "deleteEnvelope" | "discardDraft" | "palette" | "sheet";

export const sections: readonly Section[] = ["inbox", "outbox", "sent", "drafts", "contacts", "boxes", "settings"];

export class Place {
  section = $state<Section>("inbox");
  asking = $state<Asking | null>(null);
  #details = $state.raw<Partial<Record<Section, Detail | null>>>({});
  /** What was shown before the composer opened over it. */
  #before: Detail | null = null;

  get detail(): Detail | null {
    return this.#details[this.section] ?? null;
  }

  go(section: Section): void {
    this.section = section;
  }

  show(detail: Detail | null): void {
    const now = this.detail;
    this.#before = detail?.kind === "draft" && now?.kind === "envelope" ? now : null;
    this.#set(detail);
  }

  /** Closes the detail pane: back to what the composer covered, else to the list. */
  back(): void {
    const before = this.#before;
    this.#before = null;
    this.#set(before);
  }

  clear(): void {
    this.section = "inbox";
    this.asking = null;
    this.#details = {};
    this.#before = null;
  }

  #set(detail: Detail | null): void {
    this.#details = { ...this.#details, [this.section]: detail };
  }
}
