// The bindings between the face and the shell, in the shape that is generated from Rust (camelCase fields, unions tagged
// by `kind`). Times are milliseconds since the Unix epoch, sizes are bytes, ids are hex strings.
import { invoke as TAURI_INVOKE } from "@tauri-apps/api/core";
import * as TAURI_API_EVENT from "@tauri-apps/api/event";

/* Commands */
export const commands = {
  stage: () => typedError<Stage>(TAURI_INVOKE("stage")),
  status: () => typedError<Status>(TAURI_INVOKE("status")),
  me: () => typedError<Me>(TAURI_INVOKE("me")),
  envelopes: (folder: Folder, cursor: string | null, limit: number) => typedError<Page<EnvelopeRow>>(TAURI_INVOKE("envelopes", { folder, cursor, limit })),
  envelope: (id: string) => typedError<EnvelopeView>(TAURI_INVOKE("envelope", { id })),
  drafts: (cursor: string | null, limit: number) => typedError<Page<Draft>>(TAURI_INVOKE("drafts", { cursor, limit })),
  draft: (id: string) => typedError<Draft>(TAURI_INVOKE("draft", { id })),
  contacts: () => typedError<Contact[]>(TAURI_INVOKE("contacts")),
  contact: (account: string) => typedError<Contact>(TAURI_INVOKE("contact", { account })),
  settings: () => typedError<Settings>(TAURI_INVOKE("settings")),
  suggestPassphrase: () => typedError<string>(TAURI_INVOKE("suggest_passphrase")),
  passphraseStrength: (passphrase: string) => typedError<Strength>(TAURI_INVOKE("passphrase_strength", { passphrase })),
  unlockTime: () => typedError<UnlockTime>(TAURI_INVOKE("unlock_time")),
  chooseIdentity: (name: string, relay: RelayChoice) => typedError<Stage>(TAURI_INVOKE("choose_identity", { name, relay })),
  createVault: (passphrase: string) => typedError<Stage>(TAURI_INVOKE("create_vault", { passphrase })),
  recoveryCode: () => typedError<string[]>(TAURI_INVOKE("recovery_code")),
  confirmRecovery: (groups: [number, string][]) => typedError<Stage>(TAURI_INVOKE("confirm_recovery", { groups })),
  finishOnboarding: (sendTest: boolean) => typedError<Stage>(TAURI_INVOKE("finish_onboarding", { sendTest })),
  backToIdentity: () => typedError<Stage>(TAURI_INVOKE("back_to_identity")),
  unlock: (passphrase: string) => typedError<Stage>(TAURI_INVOKE("unlock", { passphrase })),
  lock: () => typedError<Stage>(TAURI_INVOKE("lock")),
  recover: (words: string, newPassphrase: string) => typedError<Stage>(TAURI_INVOKE("recover", { words, newPassphrase })),
  startOver: () => typedError<Stage>(TAURI_INVOKE("start_over")),
  stillHere: () => typedError<null>(TAURI_INVOKE("still_here")),
  newDraft: (inReplyTo: string | null) => typedError<Draft>(TAURI_INVOKE("new_draft", { inReplyTo })),
  saveDraft: (id: string, text: DraftText) => typedError<null>(TAURI_INVOKE("save_draft", { id, text })),
  discardDraft: (id: string) => typedError<null>(TAURI_INVOKE("discard_draft", { id })),
  attachFiles: (id: string) => typedError<Draft>(TAURI_INVOKE("attach_files", { id })),
  detachFile: (id: string, file: string) => typedError<Draft>(TAURI_INVOKE("detach_file", { id, file })),
  sendDraft: (id: string, text: DraftText) => typedError<string>(TAURI_INVOKE("send_draft", { id, text })),
  cancelSend: (id: string) => typedError<string>(TAURI_INVOKE("cancel_send", { id })),
  recall: (id: string) => typedError<null>(TAURI_INVOKE("recall", { id })),
  tryNow: (id: string | null) => typedError<null>(TAURI_INVOKE("try_now", { id })),
  deleteEnvelope: (id: string) => typedError<null>(TAURI_INVOKE("delete_envelope", { id })),
  saveFile: (envelope: string, file: string) => typedError<FileView>(TAURI_INVOKE("save_file", { envelope, file })),
  saveFileAs: (envelope: string, file: string) => typedError<FileView | null>(TAURI_INVOKE("save_file_as", { envelope, file })),
  cancelTransfer: (file: string) => typedError<null>(TAURI_INVOKE("cancel_transfer", { file })),
  addContact: (address: string) => typedError<Contact>(TAURI_INVOKE("add_contact", { address })),
  renameContact: (account: string, name: string) => typedError<Contact>(TAURI_INVOKE("rename_contact", { account, name })),
  removeContact: (account: string) => typedError<null>(TAURI_INVOKE("remove_contact", { account })),
  markCompared: (account: string, same: boolean) => typedError<Contact>(TAURI_INVOKE("mark_compared", { account, same })),
  acceptChange: (account: string) => typedError<Contact>(TAURI_INVOKE("accept_change", { account })),
  copyText: (text: string) => typedError<null>(TAURI_INVOKE("copy_text", { text })),
  saveSettings: (settings: Settings) => typedError<Settings>(TAURI_INVOKE("save_settings", { settings })),
  setLocalRelay: (running: boolean) => typedError<Status>(TAURI_INVOKE("set_local_relay", { running })),
  setDropTarget: (draft: string | null) => typedError<null>(TAURI_INVOKE("set_drop_target", { draft })),
};

/* Events */
export const events = {
  stageChanged: makeEvent<StageChanged>("stage-changed"),
  statusChanged: makeEvent<StatusChanged>("status-changed"),
  envelopesChanged: makeEvent<EnvelopesChanged>("envelopes-changed"),
  draftsChanged: makeEvent<DraftsChanged>("drafts-changed"),
  contactsChanged: makeEvent<ContactsChanged>("contacts-changed"),
  settingsChanged: makeEvent<SettingsChanged>("settings-changed"),
  transferChanged: makeEvent<TransferChanged>("transfer-changed"),
  filesDropped: makeEvent<FilesDropped>("files-dropped"),
};

/* Types */
export type StageChanged = Record<string, never>;
export type StatusChanged = Record<string, never>;
export type EnvelopesChanged = { folder: Folder; id: string | null };
export type DraftsChanged = { id: string | null };
export type ContactsChanged = { account: string | null };
export type SettingsChanged = Record<string, never>;
export type TransferChanged = { owner: string; file: string; done: number; total: number };
export type FilesDropped = { draft: string };

export type Folder = "inbox" | "outbox" | "sent";           // drafts have their own calls

// ---- the whole window's stage
export type Stage =
  | { kind: "welcome" }                                      // no vault, nothing begun
  | { kind: "onboarding"; step: OnboardingStep; name: string | null; relay: RelayChoice }
  | { kind: "locked"; waiting: number; outbox: number; afterStart: boolean } // afterStart: not yet unlocked in this process, so nothing is delivered until then
  | { kind: "inUse" }                                        // another process holds this vault
  | { kind: "corrupt"; reason: string }                      // code; nothing is deleted
  | { kind: "open" };
export type OnboardingStep = "identity" | "passphrase" | "recovery" | "done";
export type RelayChoice = { kind: "thisComputer" } | { kind: "address"; url: string };

export type Status = {
  profile: string;                  // "default", "second"
  relay: RelayState;
  outbox: number;                   // envelopes not yet at the relay
  waiting: number;                  // fetched and not yet opened by the person
  drafts: number;
  nextTry: number | null;           // time of the next outbox try
  lockAt: number | null;            // when auto-lock will happen
  localRelay: "running" | "elsewhere" | "stopped" | "notUsed"; // "the relay on this computer": run by this window, by another window, stopped, or not chosen
};
export type RelayState =
  | { kind: "online"; name: string }
  | { kind: "connecting" }
  | { kind: "offline"; reason: Reason; nextTry: number | null };

// Reasons are codes with a total map to sentences in ui/src/text
export type Reason =
  | "relayRefused" | "relayUnreachable" | "nameNotFound" | "timedOut" | "tlsFailed" | "clockDiffers"
  | "mailboxFull" | "quotaFull" | "tooLarge" | "relayFull" | "relayError" | "recipientGone" | "recipientChanged"
  | "recipientKeysMissing" | "expired" | "attachmentMissing" | "rejected" | "locked";

// ---- envelopes
export type OutgoingState =
  | { kind: "sealed" } | { kind: "queued"; behind: boolean }  // behind: an earlier one in the same lane blocks it
  | { kind: "sending"; done: number; total: number }
  | { kind: "retrying"; reason: Reason; nextTry: number }
  | { kind: "needsYou"; reason: Reason }
  | { kind: "atRelay" } | { kind: "fetched" } | { kind: "expired" } | { kind: "recalled" };
export type IncomingState = { kind: "waiting" } | { kind: "opened" } | { kind: "unopenable"; reason: Unopenable };
export type Unopenable = "unknownKey" | "damaged" | "unknownSender" | "senderChanged" | "notForMe" | "expired";

export type Party = { account: string; name: string; address: string; compared: ComparedState };
export type ComparedState = "notCompared" | "compared" | "changedSigned" | "changedUnexplained" | "you";

export type EnvelopeRow = {
  id: string; folder: Folder;
  from: Party | null;                // inbox; null when it cannot be opened
  to: { party: Party; state: OutgoingState }[]; // outbox and sent; the row's state is the worst
  incoming: IncomingState | null;
  subject: string; preview: string;
  at: number;                        // inbox: received by the relay; else: sent time
  claimedAt: number | null;          // sender's claimed time when it disagrees by more than 2 minutes
  attachments: number;
};
export type Page<T> = { items: T[]; next: string | null; total: number };

export type EnvelopeView = {
  row: EnvelopeRow;
  body: string;                      // plain text
  files: FileView[];
  inReplyTo: string | null;
  missingBefore: number;             // messages of this conversation that never arrived before this one (0 = none known)
};
export type FileView = {
  id: string; name: string; size: number; type: string;
  state: { kind: "atRelay" } | { kind: "transferring"; done: number; total: number } | { kind: "saved"; path: string } | { kind: "failed"; reason: Reason } | { kind: "here" };
};

export type Draft = {
  id: string; to: string[];          // account ids of chosen contacts
  subject: string; body: string; inReplyTo: string | null;
  files: FileView[];                 // state "here" or "transferring" while being sealed
  savedAt: number;
};
export type DraftText = { to: string[]; subject: string; body: string; inReplyTo: string | null };

export type Contact = {
  account: string; name: string; address: string; addedAt: number;
  compared: ComparedState; comparedAt: number | null;
  keyCode: string[];                 // 12 groups of 5 digits: the 60 digits both people see
  evidence: { at: number; version: number; kind: "first" | "renewed" | "signedChange" | "unexplainedChange" | "compared" | "accepted" }[];
  held: boolean;                     // sending held until decided (unexplained change)
};
export type Me = { name: string; address: string; account: string; ownCode: string[]; createdAt: number; relayAgrees: boolean | null };

export type Settings = {
  relay: RelayChoice;
  lockAfterMinutes: number | null;   // null = only by hand
  theme: "system" | "light" | "dark";
  language: "system" | "en" | "de";
  notifications: "none" | "count" | "sender"; // default "count": no sender, no text
  closeToTray: boolean;
};

export type Strength = { score: 0 | 1 | 2 | 3 | 4; warning: string | null; guessesLog10: number };
export type UnlockTime = { milliseconds: number; memoryMiB: number };

// Errors: a small tagged code; the face has a total map to sentences.
export type Failure =
  | { kind: "wrongPassphrase" } | { kind: "notEnoughMemory" } | { kind: "locked" } | { kind: "inUse" }
  | { kind: "weakPassphrase"; score: number } | { kind: "recoveryMismatch"; group: number }
  | { kind: "nameInvalid" } | { kind: "nameTaken" } | { kind: "addressInvalid" } | { kind: "addressUnknown" } | { kind: "addressElsewhere"; relay: string }
  | { kind: "contactExists" } | { kind: "contactHeld"; account: string } | { kind: "noRecipients" } | { kind: "emptyMessage" }
  | { kind: "tooManyRecipients"; limit: number } | { kind: "fileUnreadable"; name: string } | { kind: "fileTooLarge"; name: string; limit: number }
  | { kind: "relay"; reason: Reason } | { kind: "diskFull" } | { kind: "corrupt" } | { kind: "notFound" } | { kind: "cancelled" } | { kind: "internal"; code: string };

/* Glue */
type Outcome<T> = { status: "ok"; data: T } | { status: "error"; error: Failure };

async function typedError<T>(result: Promise<unknown>): Promise<Outcome<T>> {
  try {
    return { status: "ok", data: (await result) as T };
  } catch (error) {
    if (error instanceof Error) throw error;
    return { status: "error", error: error as Failure };
  }
}

function makeEvent<T>(name: string) {
  return {
    listen: (cb: TAURI_API_EVENT.EventCallback<T>) => TAURI_API_EVENT.listen<T>(name, cb),
    once: (cb: TAURI_API_EVENT.EventCallback<T>) => TAURI_API_EVENT.once<T>(name, cb),
    emit: (payload: T) => TAURI_API_EVENT.emit(name, payload),
  };
}
