// What the fake shell keeps: the same nouns as the vault, with lively contents.
import type { ActivityLine, BackupRow, BackupWork, ChosenBackup, Contact, Device, Draft, DropBox, EnvelopeView, KeyRenewal, History, LinkStatus, Me, OutgoingState, Party, QrComparison, RekeyStatus, Settings, Stage, Status, VaultKeys } from "../port";

export interface World {
  stage: Stage;
  me: Me;
  passphrase: string;
  recoveryWords: string[];
  contacts: Contact[];
  envelopes: EnvelopeView[];
  drafts: Draft[];
  boxes: DropBox[];
  settings: Settings;
  status: Status;
  vaultKeys: VaultKeys;
  rekey: RekeyStatus | null;
  /** What will open the vault once it is finished. */
  rekeyTo: { passphrase: string; words: string[]; confirmed: boolean } | null;
  activity: ActivityLine[];
  /** What the next picture of a QR code says. */
  qr: QrComparison;
  renewal: KeyRenewal | null;
  devices: Device[];
  link: LinkStatus;
  histories: History[];
  backups: BackupRow[];
  backupWork: BackupWork | null;
  /** What the person picks in the system's dialog. */
  chosen: ChosenBackup | null;
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

/** The link of a drop box, of the length that links have. */
export const linkOf = (seed: number): string => `http://127.0.0.1:4710/drop/${hex(seed, 16)}#${hex(seed + 900, 22).slice(0, 43)}`;

export function keyCode(seed: number): string[] {
  const from = numbers(seed * 104729 + 5);
  return Array.from({ length: 12 }, () => String((from.next().value >>> 8) % 100_000).padStart(5, "0"));
}

/** A pattern that looks like a QR code: three corners to find it by, and noise. */
export function qrRows(side = 41): string[] {
  const from = numbers(4711);
  const corners: [number, number][] = [[3, 3], [side - 4, 3], [3, side - 4]];
  return Array.from({ length: side }, (_, y) =>
    Array.from({ length: side }, (_, x) => {
      const noise = from.next().value >>> 31;
      const near = corners.map(([cx, cy]) => Math.max(Math.abs(x - cx), Math.abs(y - cy))).find((far) => far <= 4);
      return near === undefined ? noise : Number(near <= 1 || near === 3);
    }).join(""),
  );
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
