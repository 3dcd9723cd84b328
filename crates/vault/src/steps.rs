//! The named moments of a change of the vault's or the account's keys, so that a test can stop the process at each.
//!
//! Only with the feature `steps` does anybody hear of them; without it every call is empty.

/// A moment between two acts on the disk, named by what was just done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Header: the draft is open and empty.
    DraftOpened,
    /// Header: the draft is written.
    DraftWritten,
    /// Header: the draft is on the disk.
    DraftSynced,
    /// Header: the draft was read back and opened.
    DraftChecked,
    /// Header: the draft has the header's name.
    HeaderRenamed,
    /// Header: the name is on the disk.
    HeaderSynced,
    /// Re-key: the next store's folder is made.
    NextMade,
    /// Re-key: the header with the next root key stands.
    Begun,
    /// Re-key: changes of the old store are noted from here on.
    Noting,
    /// Re-key: rows are in the next store, not yet on the disk.
    RowsCopied,
    /// Re-key: these rows are on the disk.
    RowsSynced,
    /// Re-key: an attachment is in the next store under the name of a draft, not yet on the disk.
    FileCopied,
    /// Re-key: this draft is on the disk.
    FileSynced,
    /// Re-key: this attachment has its name in the next store.
    FilePlaced,
    /// Re-key: noted changes are in the next store and on the disk.
    NotesFollowed,
    /// Re-key: these notes are removed.
    NotesRemoved,
    /// Re-key: nobody else may write.
    WriterStopped,
    /// Re-key: every change is in the next store.
    AllFollowed,
    /// Re-key: every attachment is in the next store, counted and compared.
    AllFilesCopied,
    /// Re-key: the outbox is in the next store.
    OutboxCopied,
    /// Re-key: the next store is on the disk, counted and sampled.
    Verified,
    /// Re-key: the header names the next store.
    Committed,
    /// Re-key: all handles have the next store.
    Exchanged,
    /// Re-key: the old store is gone from the folder.
    OldStoreRemoved,
    /// Re-key: nothing of it is left to clear.
    Cleared,
    /// Undoing: the header has no next root key any more.
    Undone,
    /// Undoing: the next store is gone from the folder.
    NextRemoved,
    /// Renewal: the wish is kept.
    RenewalWanted,
    /// Renewal: the revocation of the present key is kept.
    RevocationKept,
    /// Renewal: the relay has the revocation.
    RevocationOut,
    /// Renewal: the new keys stand beside the present ones in the keyring.
    KeysStaged,
    /// Renewal: the card under the new keys is signed and kept.
    CardStaged,
    /// Renewal: the relay has that card.
    CardOut,
    /// Renewal: the new keys took the place of the old ones.
    KeysSwapped,
    /// Renewal: the card is this account's own.
    CardAdopted,
    /// Renewal: a lane of the outbox is sealed again.
    LaneSealedAgain,
    /// Renewal: an envelope is taken back from the relay.
    TakenBack,
    /// Renewal: what was taken back is sealed again.
    SealedAgain,
    /// Renewal: somebody's notice is sealed.
    NoticeSealed,
    /// Backup: all is in the file that has no name yet, and on the disk.
    BackupWritten,
    /// Backup: the file was read back and counted.
    BackupChecked,
    /// Backup: the file has its name.
    BackupPlaced,
    /// Restoring: the folder beside is made and marked.
    RestoreBegun,
    /// Restoring: rows and attachments are on the disk.
    RestoreFilled,
    /// Restoring: the header stands.
    RestoreHeaded,
    /// Restoring: the vault was opened anew and counted, and has no mark.
    RestoreChecked,
    /// Restoring: what was in its place is renamed.
    OldSetAside,
    /// Restoring: it stands in its place.
    RestoredPlaced,
}

/// Every step of a change of keys, in the order in which a person's change comes by it.
#[cfg(feature = "steps")]
pub const ALL: [Step; 39] = [
    Step::DraftOpened,
    Step::DraftWritten,
    Step::DraftSynced,
    Step::DraftChecked,
    Step::HeaderRenamed,
    Step::HeaderSynced,
    Step::NextMade,
    Step::Begun,
    Step::Noting,
    Step::RowsCopied,
    Step::RowsSynced,
    Step::FileCopied,
    Step::FileSynced,
    Step::FilePlaced,
    Step::NotesFollowed,
    Step::NotesRemoved,
    Step::WriterStopped,
    Step::AllFollowed,
    Step::AllFilesCopied,
    Step::OutboxCopied,
    Step::Verified,
    Step::Committed,
    Step::Exchanged,
    Step::OldStoreRemoved,
    Step::Cleared,
    Step::Undone,
    Step::NextRemoved,
    Step::RenewalWanted,
    Step::RevocationKept,
    Step::RevocationOut,
    Step::KeysStaged,
    Step::CardStaged,
    Step::CardOut,
    Step::KeysSwapped,
    Step::CardAdopted,
    Step::LaneSealedAgain,
    Step::TakenBack,
    Step::SealedAgain,
    Step::NoticeSealed,
];

/// Every step of a backup that is written, in order.
#[cfg(feature = "steps")]
pub const BACKUP: [Step; 3] = [Step::BackupWritten, Step::BackupChecked, Step::BackupPlaced];

/// Every step of a vault that is restored, in order; a header is written between two of them.
#[cfg(feature = "steps")]
pub const RESTORE: [Step; 6] = [
    Step::RestoreBegun,
    Step::RestoreFilled,
    Step::RestoreHeaded,
    Step::RestoreChecked,
    Step::OldSetAside,
    Step::RestoredPlaced,
];

#[cfg(feature = "steps")]
static WATCHER: std::sync::OnceLock<fn(Step)> = std::sync::OnceLock::new();

/// Calls `watcher` at every step from now on, on the thread that takes it. The first caller stays.
#[cfg(feature = "steps")]
pub fn watch(watcher: fn(Step)) {
    let _ = WATCHER.set(watcher);
}

/// Says that a step was taken.
pub fn reached(step: Step) {
    #[cfg(feature = "steps")]
    if let Some(watcher) = WATCHER.get() {
        watcher(step);
    }
    #[cfg(not(feature = "steps"))]
    let _ = step;
}
