// What screens may use of the state, and the nouns they show.
export { provideFace, provideFrame, provideKeys, useFace, useFrame, useKeys } from "./context";
export { Face } from "./face.svelte";
export { keysSections, type Keys, type KeysSection } from "./keys.svelte";
export type { Frame } from "./frame.svelte";
export type { BoxesState } from "./boxes.svelte";
export type { ContactsState } from "./contacts.svelte";
export type { ActivityFilter } from "./activity.svelte";
export { Writing } from "./drafts.svelte";
export { fileNow } from "./opened.svelte";
export type { BackupsState } from "./backups.svelte";
export { sections, type Asking, type Detail, type Section } from "./place.svelte";
export { worst } from "./worst";
export type { FolderState } from "./folder.svelte";
export type {
  ActivityLine,
  BackupCode,
  BackupRow,
  BackupWork,
  ComparedState,
  BurnRule,
  Contact,
  Device,
  Draft,
  DropBox,
  EnvelopeRow,
  EnvelopeView,
  EvidenceKind,
  Failure,
  FileView,
  Folder,
  IncomingState,
  History,
  LinkStatus,
  OnboardingStep,
  OutgoingState,
  Party,
  QrComparison,
  KeyRenewal,
  Preflight,
  Reason,
  RekeyStatus,
  RelayChoice,
  RelayShows,
  RelayState,
  RenewalKind,
  Settings,
  Stage,
  Status,
  ToldState,
  Strength,
  UnlockTime,
  Unopenable,
} from "../ipc";
