// From codes to sentences. Every map is total: a code without a sentence does not compile.
import type { ActivityKind, ActivityLine, ComparedState, Failure, FileState, IncomingState, OutgoingState, Reason, RelayShows, Unopenable } from "../ipc";
import { m } from "./generated/messages.js";
import { bytes, clockTime, percent } from "./format";

export const reasons: Record<Reason, () => string> = {
  relayRefused: m.why_relayRefused,
  relayUnreachable: m.why_relayUnreachable,
  nameNotFound: m.why_nameNotFound,
  timedOut: m.why_timedOut,
  tlsFailed: m.why_tlsFailed,
  clockDiffers: m.why_clockDiffers,
  mailboxFull: m.why_mailboxFull,
  quotaFull: m.why_quotaFull,
  tooLarge: m.why_tooLarge,
  relayFull: m.why_relayFull,
  relayError: m.why_relayError,
  recipientGone: m.why_recipientGone,
  recipientChanged: m.why_recipientChanged,
  recipientDiffers: m.why_recipientDiffers,
  recipientKeysMissing: m.why_recipientKeysMissing,
  expired: m.why_expired,
  attachmentMissing: m.why_attachmentMissing,
  fileUnreadable: m.why_fileUnreadable,
  diskFull: m.why_diskFull,
  rejected: m.why_rejected,
  locked: m.why_locked,
};

export const unopenables: Record<Unopenable, () => string> = {
  unknownKey: m.un_unknownKey,
  damaged: m.un_damaged,
  unknownSender: m.un_unknownSender,
  senderChanged: m.un_senderChanged,
  notForMe: m.un_notForMe,
  expired: m.un_expired,
};

export const trusts: Record<ComparedState, () => string> = {
  notCompared: m.trust_notCompared,
  compared: m.trust_compared,
  changedSigned: m.trust_changedSigned,
  changedUnexplained: m.trust_changedUnexplained,
  differs: m.trust_differs,
  revoked: m.trust_revoked,
  you: m.trust_you,
};

export const relayShows: Record<RelayShows, () => string> = {
  notAsked: m.set_published_unknown,
  nothing: m.shows_nothing,
  agrees: m.set_published_agrees,
  older: m.shows_older,
  newer: m.shows_newer,
  differentKey: m.set_published_differs,
};

export const activities: Record<ActivityKind, (about: string) => string> = {
  created: m.did_created,
  unlocked: m.did_unlocked,
  unlockedByRecovery: m.did_unlockedByRecovery,
  unlockFailed: (about) => m.did_unlockFailed({ count: Number(about) }),
  locked: m.did_locked,
  passphraseChanged: m.did_passphraseChanged,
  lockStrengthened: m.did_lockStrengthened,
  recoveryReplaced: m.did_recoveryReplaced,
  recoveryTested: m.did_recoveryTested,
  cardPublished: m.did_cardPublished,
  keyRotated: m.did_keyRotated,
  revoked: m.did_revoked,
  deviceLinked: m.did_deviceLinked,
  deviceRemoved: m.did_deviceRemoved,
  cardExported: m.did_cardExported,
  backupWritten: m.did_backupWritten,
  backupRestored: m.did_backupRestored,
  contactCompared: m.did_contactCompared,
  contactAccepted: m.did_contactAccepted,
  contactChanged: m.did_contactChanged,
  rekeyBegun: m.did_rekeyBegun,
  rekeyFinished: m.did_rekeyFinished,
  rekeyUndone: m.did_rekeyUndone,
  keyReset: m.did_keyReset,
  renewalLost: m.did_renewalLost,
  revocationExported: m.did_revocationExported,
  historyGiven: m.did_historyGiven,
  historyTaken: m.did_historyTaken,
};

type Of<U, K> = Extract<U, { kind: K }>;
type Says<U extends { kind: string }> = { [K in U["kind"]]: (it: Of<U, K>) => string };

export const failures: Says<Failure> = {
  wrongPassphrase: () => m.fail_wrongPassphrase(),
  notEnoughMemory: () => m.fail_notEnoughMemory(),
  locked: () => m.fail_locked(),
  inUse: () => m.fail_inUse(),
  weakPassphrase: () => m.fail_weakPassphrase(),
  samePassphrase: () => m.fail_samePassphrase(),
  rekeyUnderWay: () => m.fail_rekeyUnderWay(),
  renewalUnderWay: () => m.fail_renewalUnderWay(),
  keyRevoked: () => m.fail_keyRevoked(),
  keyCodeDiffers: () => m.fail_keyCodeDiffers(),
  revocationInvalid: () => m.fail_revocationInvalid(),
  backupUnderWay: () => m.fail_backupUnderWay(),
  placeUnwritable: () => m.fail_placeUnwritable(),
  notABackup: () => m.fail_notABackup(),
  backupDamaged: () => m.fail_backupDamaged(),
  backupNewer: () => m.fail_backupNewer(),
  // Groups are counted from 0 on the wire and from 1 on paper.
  recoveryMismatch: ({ group }) => m.fail_recoveryMismatch({ group: group + 1 }),
  recoveryMistyped: () => m.fail_recoveryMistyped(),
  recoveryOther: () => m.fail_recoveryOther(),
  nameInvalid: () => m.fail_nameInvalid(),
  nameTaken: () => m.fail_nameTaken(),
  addressInvalid: () => m.fail_addressInvalid(),
  addressUnknown: () => m.fail_addressUnknown(),
  addressElsewhere: ({ relay }) => m.fail_addressElsewhere({ relay }),
  contactExists: () => m.fail_contactExists(),
  contactHeld: () => m.fail_contactHeld(),
  noRecipients: () => m.fail_noRecipients(),
  emptyMessage: () => m.fail_emptyMessage(),
  tooManyRecipients: ({ limit }) => m.fail_tooManyRecipients({ limit }),
  tooManyFiles: ({ limit }) => m.fail_tooManyFiles({ limit }),
  fileUnreadable: ({ name }) => m.fail_fileUnreadable({ name }),
  fileTooLarge: ({ name, limit }) => m.fail_fileTooLarge({ name, limit: bytes(limit) }),
  linkInvalid: () => m.fail_linkInvalid(),
  linkOver: () => m.fail_linkOver(),
  linkEnded: () => m.fail_linkEnded(),
  linkUsed: () => m.fail_linkUsed(),
  linkChanged: () => m.fail_linkChanged(),
  linkCode: ({ tries }) => (tries > 0 ? m.fail_linkCode({ tries }) : m.fail_linkCode_last()),
  deviceNameInvalid: () => m.fail_deviceNameInvalid(),
  deviceRemoved: () => m.fail_deviceRemoved(),
  tooManyDevices: ({ limit }) => m.fail_tooManyDevices({ limit }),
  dropNameInvalid: () => m.fail_dropNameInvalid(),
  tooManyDropBoxes: () => m.fail_tooManyDropBoxes(),
  pictureUnreadable: () => m.fail_pictureUnreadable(),
  noPictureCopied: () => m.fail_noPictureCopied(),
  noKeyCode: () => m.fail_noKeyCode(),
  noLinkCode: () => m.fail_noLinkCode(),
  relay: ({ reason }) => m.fail_relay({ reason: reasons[reason]() }),
  diskFull: () => m.fail_diskFull(),
  corrupt: () => m.fail_corrupt(),
  notFound: () => m.fail_notFound(),
  cancelled: () => m.fail_cancelled(),
  internal: ({ code }) => m.fail_internal({ code }),
};

export const outgoings: Says<OutgoingState> = {
  sealed: () => m.out_sealed(),
  queued: ({ behind }) => (behind ? m.out_behind() : m.out_queued()),
  sending: ({ done, total }) => m.out_sending({ percent: percent(done, total) }),
  retrying: ({ reason, nextTry }) =>
    m.out_with_reason({ state: m.out_retrying({ time: clockTime(nextTry) }), reason: reasons[reason]() }),
  needsYou: ({ reason }) => m.out_with_reason({ state: m.out_needsYou(), reason: reasons[reason]() }),
  atRelay: () => m.out_atRelay(),
  fetched: () => m.out_fetched(),
  expired: () => m.out_expired(),
  recalled: () => m.out_recalled(),
  elsewhere: () => m.out_elsewhere(),
};

export const incomings: Says<IncomingState> = {
  waiting: () => m.in_waiting(),
  opened: () => m.in_opened(),
  unopenable: () => m.in_unopenable(),
};

/** What is happening to a file; nothing while it only lies there. */
export function sayFile(state: FileState): string | undefined {
  switch (state.kind) {
    case "saved":
      return m.file_saved({ path: state.path });
    case "transferring":
      return percent(state.done, state.total);
    case "failed":
      return m.file_failed({ reason: reasons[state.reason]() });
    default:
      return undefined;
  }
}

/** What was done, and to what or whom when the line says so. */
export function sayActivity({ kind, about }: ActivityLine): string {
  const what = activities[kind](about);
  return about === "" || kind === "unlockFailed" ? what : m.did_about({ what, about });
}

export const sayFailure = (failure: Failure): string => say(failures, failure);
export const sayOutgoing = (state: OutgoingState): string => say(outgoings, state);
export const sayIncoming = (state: IncomingState): string => say(incomings, state);

function say<U extends { kind: string }>(says: Says<U>, it: U): string {
  return (says[it.kind as U["kind"]] as (it: U) => string)(it);
}

/** What the estimator warns of, by its own names, all of them. */
export const warnings = {
  StraightRowsOfKeysAreEasyToGuess: m.warn_pattern,
  ShortKeyboardPatternsAreEasyToGuess: m.warn_pattern,
  RepeatsLikeAaaAreEasyToGuess: m.warn_pattern,
  RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess: m.warn_pattern,
  SequencesLikeAbcAreEasyToGuess: m.warn_pattern,
  ThisIsATop10Password: m.warn_common,
  ThisIsATop100Password: m.warn_common,
  ThisIsACommonPassword: m.warn_common,
  ThisIsSimilarToACommonlyUsedPassword: m.warn_common,
  AWordByItselfIsEasyToGuess: m.warn_words,
  NamesAndSurnamesByThemselvesAreEasyToGuess: m.warn_words,
  CommonNamesAndSurnamesAreEasyToGuess: m.warn_words,
  RecentYearsAreEasyToGuess: m.warn_dates,
  DatesAreOftenEasyToGuess: m.warn_dates,
};

/** A name that a later estimator brings still gets a sentence. */
export function sayWarning(warning: string): string {
  return Object.hasOwn(warnings, warning) ? warnings[warning as keyof typeof warnings]() : m.warn_other();
}
