// What the fake shell keeps: the same nouns as the vault, with lively contents.
import type { ActivityLine, Contact, Draft, EnvelopeView, Me, OutgoingState, Party, RekeyStatus, Settings, Stage, Status, VaultKeys } from "../port";

export interface World {
  stage: Stage;
  me: Me;
  passphrase: string;
  recoveryWords: string[];
  contacts: Contact[];
  envelopes: EnvelopeView[];
  drafts: Draft[];
  settings: Settings;
  status: Status;
  vaultKeys: VaultKeys;
  rekey: RekeyStatus | null;
  /** What will open the vault once it is finished. */
  rekeyTo: { passphrase: string; words: string[]; confirmed: boolean } | null;
  activity: ActivityLine[];
}

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Digits and ids that look random and are the same on every run. */
export function* numbers(seed: number): Generator<number, never> {
  let state = seed >>> 0;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state;
  }
}

export function hex(seed: number, bytes: number): string {
  const from = numbers(seed * 7919 + 17);
  return Array.from({ length: bytes }, () => (from.next().value >>> 24).toString(16).padStart(2, "0")).join("");
}

export function keyCode(seed: number): string[] {
  const from = numbers(seed * 104729 + 5);
  return Array.from({ length: 12 }, () => String((from.next().value >>> 8) % 100_000).padStart(5, "0"));
}

export function partyOf(contact: Contact): Party {
  return { account: contact.account, name: contact.name, address: contact.address, compared: contact.compared };
}

/** As the shell names them: an account id cut short, and no address of one's own. */
export function youOf(me: Me): Party {
  return { account: me.account, name: me.account.slice(0, 8), address: "", compared: "you" };
}

/** The message of a row; that the two look alike is the fake's own affair. */
export function messageOf(row: string): string {
  return row.replace(/^\w+-/, "");
}

export function leftTheOutbox(states: OutgoingState[]): boolean {
  return states.every((state) => state.kind === "atRelay" || state.kind === "fetched" || state.kind === "recalled");
}
