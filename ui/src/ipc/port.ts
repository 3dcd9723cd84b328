// The one door between the face and the shell. Screens and state know this interface and nothing of Tauri; `real.ts`
// carries it out over IPC and `fake/` in memory, so that every screen can be looked at in a plain browser.
//
// ask: a noun · do: a verb · hear: past tense, carrying only which thing changed. After an event, the face asks again.

import type {
  Folder,
  Stage,
  OnboardingStep,
  RelayChoice,
  Status,
  RelayState,
  Reason,
  OutgoingState,
  IncomingState,
  Unopenable,
  Party,
  ComparedState,
  EnvelopeRow,
  Page,
  EnvelopeView,
  FileState,
  FileView,
  Draft,
  DraftText,
  BurnRule,
  DropBox,
  DropSource,
  Contact,
  EvidenceKind,
  Qr,
  QrComparison,
  Me,
  Settings,
  Strength,
  UnlockTime,
  VaultKeys,
  RekeyState,
  RekeyStatus,
  ToldState,
  RenewalState,
  RenewalKind,
  Device,
  LinkInvitation,
  LinkStatus,
  History,
  RelayShows,
  PreflightCheck,
  Preflight,
  KeyRenewal,
  ActivityKind,
  ActivityLine,
  BackupCode,
  BackupRow,
  BackupWork,
  ChosenBackup,
  Failure,
} from "./bindings";

export type {
  Folder,
  Stage,
  OnboardingStep,
  RelayChoice,
  Status,
  RelayState,
  Reason,
  OutgoingState,
  IncomingState,
  Unopenable,
  Party,
  ComparedState,
  EnvelopeRow,
  Page,
  EnvelopeView,
  FileState,
  FileView,
  Draft,
  DraftText,
  BurnRule,
  DropBox,
  DropSource,
  Contact,
  EvidenceKind,
  Qr,
  QrComparison,
  Me,
  Settings,
  Strength,
  UnlockTime,
  VaultKeys,
  RekeyState,
  RekeyStatus,
  ToldState,
  RenewalState,
  RenewalKind,
  Device,
  LinkInvitation,
  LinkStatus,
  History,
  RelayShows,
  PreflightCheck,
  Preflight,
  KeyRenewal,
  ActivityKind,
  ActivityLine,
  BackupCode,
  BackupRow,
  BackupWork,
  ChosenBackup,
  Failure,
};

/** What every command answers: the data, or a small tagged code that `text/` turns into a sentence. */
export type Result<T> = { status: "ok"; data: T } | { status: "error"; error: Failure };

/** What the shell tells, and only which thing changed. */
export interface Events {
  stageChanged: Record<string, never>;
  statusChanged: Record<string, never>;
  envelopesChanged: { folder: Folder; id: string | null };
  draftsChanged: { id: string | null };
  contactsChanged: { account: string | null };
  dropBoxesChanged: Record<string, never>;           // the list, or what came through them
  settingsChanged: Record<string, never>;
  backupChanged: Record<string, never>;              // one began, moved on or ended, or the list changed
  transferChanged: { owner: string; file: string; done: number; total: number }; // owner: draft or envelope id
  filesDropped: { draft: string; failure: Failure | null }; // Rust attached dropped files to the draft being edited
  rekeyChanged: Record<string, never>;                // began, moved on by a percent, stopped or ended
  linkChanged: Record<string, never>;                // a link moved on, or the list of the account's computers changed
  renewalChanged: Record<string, never>;             // a new account key moved on, or somebody picked it up
  reopened: Record<string, never>;                    // started again for this profile; this window came to the front
}

export type Unlisten = () => void;

export interface Port {

  // ask
  stage(): Promise<Result<Stage>>;
  status(): Promise<Result<Status>>;
  me(): Promise<Result<Me>>;
  envelopes(folder: Folder, cursor: string | null, limit: number): Promise<Result<Page<EnvelopeRow>>>;
  envelope(id: string): Promise<Result<EnvelopeView>>; // also marks an inbox envelope opened
  drafts(cursor: string | null, limit: number): Promise<Result<Page<Draft>>>;
  draft(id: string): Promise<Result<Draft>>;
  contacts(): Promise<Result<Contact[]>>; // strangers too: everybody who is known
  contact(account: string): Promise<Result<Contact>>;
  settings(): Promise<Result<Settings>>;
  suggestPassphrase(): Promise<Result<string>>; // seven words
  passphraseStrength(passphrase: string): Promise<Result<Strength>>;
  unlockTime(): Promise<Result<UnlockTime>>; // measured on this computer
  wordList(): Promise<Result<string[]>>; // all words that a recovery code is made of
  backupProgress(): Promise<Result<BackupWork | null>>;

  // do: onboarding
  chooseIdentity(name: string, relay: RelayChoice): Promise<Result<Stage>>; // persisted; quitting and coming back continues
  createVault(passphrase: string): Promise<Result<Stage>>; // ~1 s; then step "recovery"
  recoveryCode(): Promise<Result<string[]>>; // 24 words, shown in 6 groups of 4; after a restart at this step a NEW code is made
  confirmRecovery(groups: [number, string][]): Promise<Result<Stage>>; // e.g. [[2,"w w w w"],[5,"w w w w"]]; registers at the relay; step "done"
  finishOnboarding(sendTest: boolean): Promise<Result<Stage>>;
  backToIdentity(): Promise<Result<Stage>>;
  beginLink(relay: RelayChoice, name: string): Promise<Result<LinkInvitation>>; // what the other computer is to read; five minutes
  linkStatus(): Promise<Result<LinkStatus>>; // on either side
  cancelLink(): Promise<Result<null>>; // on either side
  finishLink(passphrase: string): Promise<Result<Stage>>; // makes the vault; then step "recovery"

  // do: vault
  unlock(passphrase: string): Promise<Result<Stage>>;
  lock(): Promise<Result<Stage>>;
  recover(words: string, newPassphrase: string): Promise<Result<Stage>>; // recovery code sets a new passphrase
  startOver(): Promise<Result<Stage>>; // renames the old vault folder, never deletes
  chooseBackup(): Promise<Result<ChosenBackup | null>>; // opens the system's file picker in Rust; null = cancelled
  restoreBackup(words: string, newPassphrase: string, althoughWeak: boolean): Promise<Result<Stage>>; // renames the vault that is there
  cancelBackup(): Promise<Result<null>>; // stops writing or restoring
  stillHere(): Promise<Result<null>>; // activity, resets auto-lock (send at most every 10 s)

  // do: messages
  newDraft(inReplyTo: string | null): Promise<Result<Draft>>; // the id of the row that is answered; the draft names its message
  saveDraft(id: string, text: DraftText): Promise<Result<null>>;
  discardDraft(id: string): Promise<Result<null>>;
  attachFiles(id: string): Promise<Result<Draft>>; // opens the system's file picker in Rust
  detachFile(id: string, file: string): Promise<Result<Draft>>;
  sendDraft(id: string, text: DraftText): Promise<Result<string>>; // → envelope id; sealed and queued when this returns
  cancelSend(id: string): Promise<Result<string>>; // an outbox envelope back to a draft → draft id
  recall(id: string): Promise<Result<null>>; // while still at the relay
  tryNow(id: string | null): Promise<Result<null>>;
  deleteEnvelope(id: string): Promise<Result<null>>;
  saveFile(envelope: string, file: string): Promise<Result<FileView>>; // into Downloads, never overwriting
  saveFileAs(envelope: string, file: string): Promise<Result<FileView | null>>; // picker; null = cancelled
  cancelTransfer(file: string): Promise<Result<null>>;

  // do: contacts
  addContact(address: string): Promise<Result<Contact>>; // a stranger becomes a contact
  renameContact(account: string, name: string): Promise<Result<Contact>>;
  removeContact(account: string): Promise<Result<null>>; // a contact becomes a stranger
  markCompared(account: string, same: boolean): Promise<Result<Contact>>;
  acceptChange(account: string): Promise<Result<Contact>>; // after an unexplained change
  ownQr(): Promise<Result<Qr>>; // for the keys window alone
  contactQr(account: string): Promise<Result<Qr>>;
  compareQrFile(account: string): Promise<Result<QrComparison | null>>; // picker; null = cancelled; the same marks as compared
  compareQrClipboard(account: string): Promise<Result<QrComparison>>;
  copyText(text: string): Promise<Result<null>>; // clipboard in Rust
  copySecret(text: string): Promise<Result<number>>; // taken away again after so many seconds

  // do: drop boxes
  dropBoxes(): Promise<Result<DropBox[]>>; // newest first
  makeDropBox(name: string, days: number, burn: BurnRule): Promise<Result<DropBox>>;
  removeDropBox(id: string): Promise<Result<null>>; // for good; what waits in it is never opened
  dropBoxQr(id: string): Promise<Result<Qr>>; // of its link

  // do: settings
  saveSettings(settings: Settings): Promise<Result<Settings>>;
  setLocalRelay(running: boolean): Promise<Result<Status>>;

  // the keys window; the main window has only the first of these
  openKeys(): Promise<Result<null>>; // opens it or brings it to the front
  vaultKeys(): Promise<Result<VaultKeys>>;
  changePassphrase(current: string, newPassphrase: string, althoughWeak: boolean): Promise<Result<VaultKeys>>; // about three unlock times
  strengthen(passphrase: string): Promise<Result<VaultKeys>>; // unlocking costs more here afterwards
  testRecovery(words: string): Promise<Result<VaultKeys>>; // changes nothing but the date of the test
  rekey(): Promise<Result<RekeyStatus | null>>; // null: none is under way
  beginRekey(current: string, newPassphrase: string, althoughWeak: boolean, renewal: RenewalKind | null): Promise<Result<string[]>>; // the 24 words of the new code
  rekeyCode(): Promise<Result<string[]>>; // notFound once they were typed back
  confirmRekeyCode(groups: [number, string][]): Promise<Result<RekeyStatus | null>>;
  pauseRekey(): Promise<Result<RekeyStatus | null>>;
  resumeRekey(): Promise<Result<RekeyStatus | null>>; // notFound after a lock or a start: then continueRekey
  continueRekey(newPassphrase: string, words: string | null): Promise<Result<RekeyStatus | null>>; // without words, a new code
  undoRekey(): Promise<Result<null>>;
  renewalPreflight(): Promise<Result<Preflight[]>>; // asks the relay
  keyRenewal(): Promise<Result<KeyRenewal | null>>; // null: the key was never replaced here
  rotateKey(passphrase: string): Promise<Result<null>>; // goes on by itself afterwards
  resetKey(passphrase: string): Promise<Result<null>>;
  revokeKey(passphrase: string, lastFour: string): Promise<Result<null>>; // for good
  revocationStatement(passphrase: string): Promise<Result<string>>;
  publishRevocation(text: string): Promise<Result<null>>;
  exportCard(): Promise<Result<string>>;
  devices(): Promise<Result<Device[]>>; // this one first; asks the relay when each was seen
  acceptLink(text: string): Promise<Result<LinkStatus>>;
  acceptLinkFile(): Promise<Result<LinkStatus | null>>; // picker; null = cancelled
  acceptLinkClipboard(): Promise<Result<LinkStatus>>;
  confirmLink(code: string, passphrase: string): Promise<Result<LinkStatus>>; // three tries
  removeDevice(id: string, passphrase: string): Promise<Result<Device[]>>;
  renameDevice(id: string, name: string): Promise<Result<Device[]>>;
  histories(): Promise<Result<History[]>>; // what goes to and comes from the account's other computers; after linkChanged
  giveHistory(device: string): Promise<Result<History[]>>; // once more, from the beginning
  activity(cursor: string | null, limit: number): Promise<Result<Page<ActivityLine>>>; // newest first
  backups(): Promise<Result<BackupRow[]>>; // newest first
  writeBackup(): Promise<Result<BackupRow[] | null>>; // save dialog in Rust; null = cancelled there; answers when it was read back and counted
  forgetBackup(id: string): Promise<Result<BackupRow[]>>; // off the list; the file stays

  // hear
  /** Where dropped files go: the draft being edited, or nowhere. Rust reads the files itself. */
  setDropTarget(draft: string | null): Promise<Result<null>>;
  /** Calls `heard` for every such event until the returned function is called. */
  listen<K extends keyof Events>(event: K, heard: (payload: Events[K]) => void): Promise<Unlisten>;
}
