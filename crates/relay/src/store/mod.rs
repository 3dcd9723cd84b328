//! Where the relay keeps what it holds: five small families of operations behind one trait.
//!
//! The relay's HTTP side knows only [`Store`]. The embedded engine is [`SledStore`]; a
//! distributed engine implements the same families and runs the same conformance cases
//! (feature `conformance`) without any change to a caller.
//!
//! The contract, for every backend:
//! - every `Ok` of a write is durable, and nothing is readable before it is durable;
//! - sequence numbers rise strictly within a box or log (gaps allowed) and are never used again;
//! - an append with a key that was seen is repeated, not stored again, as long as its fate is kept;
//! - what was acknowledged or withdrawn is never read again;
//! - compare-and-swap is linearizable for each key;
//! - a bag gives each item at most once, ever;
//! - what has expired is never returned;
//! - a refusal for want of room never loses older items;
//! - ids are opaque bytes of any length, including none.

mod sled;
mod wake;

#[cfg(feature = "conformance")]
pub mod conformance;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

pub use self::sled::{OpenStoreError, SledOptions, SledStore};
pub use self::wake::{Topic, Wake};

/// A sequence number within one box or log; the first one is 1.
pub type Seq = u64;

/// Everything the relay needs of a backend.
pub trait Store: Mailboxes + Versioned + Bags + Logs + Blobs + Upkeep {}
impl<T: Mailboxes + Versioned + Bags + Logs + Blobs + Upkeep> Store for T {}

/// A store that is shared by all requests.
pub type AnyStore = Arc<dyn Store>;

/// Why a store refused or failed. Carries no content, so it is safe to log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The box, bag or owner holds as much as it may; nothing older was lost.
    #[error("the quota is reached")]
    QuotaFull,
    /// Compare-and-swap met another version (`None`: the key is absent).
    #[error("another version is stored")]
    Conflict {
        /// The version that is stored now.
        current: Option<u64>,
    },
    /// The idempotency key was used with another body.
    #[error("the key was used with another body")]
    BodyDiffers,
    /// A blob with this id exists and was described differently.
    #[error("the blob exists with another description")]
    BlobDiffers,
    /// No blob with this id, or it has expired.
    #[error("no such blob")]
    NoBlob,
    /// The blob is not complete yet.
    #[error("the blob is not complete")]
    BlobIncomplete,
    /// The chunk does not begin where the blob ends.
    #[error("the blob ends at another offset")]
    OffsetMismatch {
        /// Where the next chunk must begin.
        offset: u64,
    },
    /// The complete blob has another SHA-256; it starts again at offset 0.
    #[error("the blob has another digest")]
    DigestMismatch,
    /// The disk has less room than the configured reserve.
    #[error("the disk is full")]
    DiskFull,
    /// The engine failed or is closed; the details are in the log.
    #[error("the storage does not answer")]
    Unavailable,
}

/// What a store may hold for one box or owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The greatest number of items.
    pub items: u64,
    /// The greatest sum of their sizes in bytes.
    pub bytes: u64,
}

impl Quota {
    /// No limit.
    pub const NONE: Self = Self {
        items: u64::MAX,
        bytes: u64::MAX,
    };
}

/// One item to put into a mailbox.
#[derive(Debug, Clone)]
pub struct Append {
    /// The mailbox.
    pub mailbox: Bytes,
    /// The idempotency key: a second append with it changes nothing.
    pub key: Bytes,
    /// The content.
    pub body: Bytes,
    /// From this time (Unix seconds) on it is not returned.
    pub expires_at: u64,
    /// Until this time the fate is kept and the key is remembered; not before `expires_at`.
    pub remember_until: u64,
    /// What the mailbox may hold with this item in it.
    pub quota: Quota,
}

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The item's sequence number.
    pub seq: Seq,
    /// The key had been seen: nothing was stored now.
    pub repeated: bool,
}

/// One item of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its place.
    pub seq: Seq,
    /// When the store took it (Unix seconds).
    pub received_at: u64,
    /// When it stops being returned (Unix seconds).
    pub expires_at: u64,
    /// Its content.
    pub body: Bytes,
}

/// One acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// Which item.
    pub seq: Seq,
    /// A note for whoever asks for the item's fate.
    pub note: Option<Bytes>,
}

/// What became of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It waits in the mailbox.
    Waiting,
    /// The reader has it.
    Acked {
        /// The reader's note, when one was left.
        note: Option<Bytes>,
    },
    /// It was taken back before the reader had acknowledged it.
    Withdrawn,
    /// Nobody took it in time.
    Expired,
}

/// Family 1: mailboxes. Items wait in order until their reader acknowledges them.
#[async_trait]
pub trait Mailboxes: Send + Sync + 'static {
    /// Puts an item at the end, or finds it there.
    ///
    /// # Errors
    /// [`StoreError::BodyDiffers`], [`StoreError::QuotaFull`], [`StoreError::DiskFull`],
    /// [`StoreError::Unavailable`].
    async fn append(&self, item: Append) -> Result<Appended, StoreError>;

    /// The waiting items after `after`, oldest first: at most `limit`, and no more than
    /// `max_bytes` of bodies unless the first alone is larger.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn read(
        &self,
        mailbox: &[u8],
        after: Seq,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Item>, StoreError>;

    /// Removes items that the reader has; numbers that are not there are passed over.
    /// Answers how many were removed now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn ack(&self, mailbox: &[u8], acks: Vec<Ack>) -> Result<u64, StoreError>;

    /// Leaves a note at an item that its reader has already acknowledged without one; answers
    /// whether it was left now.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`], [`StoreError::Unavailable`].
    async fn annotate(&self, mailbox: &[u8], key: &[u8], note: Bytes) -> Result<bool, StoreError>;

    /// Takes an item back if it still waits; answers its fate after that (`None`: never seen
    /// or forgotten).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn withdraw(&self, mailbox: &[u8], key: &[u8]) -> Result<Option<Fate>, StoreError>;

    /// What became of an item (`None`: never seen or forgotten).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn fate(&self, mailbox: &[u8], key: &[u8]) -> Result<Option<Fate>, StoreError>;

    /// A hint that something changed since this call. It may come too often and, from a
    /// backend with several nodes, not at all: correctness comes from reading alone.
    fn wake(&self, topic: Topic) -> Wake;
}

/// Separate name spaces of the versioned family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Space {
    /// Current cards by account.
    Cards = 1,
    /// The account of a name.
    Names = 2,
    /// The names of an account.
    NamesOf = 3,
    /// The device of a mailbox.
    Mailboxes = 4,
    /// Signed prekeys by device.
    SignedPrekeys = 5,
    /// The probe of readiness.
    Probe = 6,
    /// The revocations of an account.
    Revocations = 7,
    /// Drop boxes.
    Drops = 16,
    /// The drop boxes of an account.
    DropsOf = 17,
}

/// A value with the store's own version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Rises with every save of this key; also across a delete.
    pub version: u64,
    /// The value.
    pub value: Bytes,
}

/// What must be true for a save to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Any,
    /// The key is absent.
    Absent,
    /// The key has this version.
    Version(u64),
}

/// Family 2: a key-value map with compare-and-swap.
#[async_trait]
pub trait Versioned: Send + Sync + 'static {
    /// The value of a key.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn load(&self, space: Space, key: &[u8]) -> Result<Option<Stored>, StoreError>;

    /// Saves (`Some`) or deletes (`None`) a value; answers the new version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`], [`StoreError::DiskFull`], [`StoreError::Unavailable`].
    async fn save(
        &self,
        space: Space,
        key: &[u8],
        value: Option<Bytes>,
        expect: Expect,
    ) -> Result<u64, StoreError>;
}

/// One item of a bag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BagItem {
    /// The idempotency key: remembered until `expires_at`, also after the item was popped.
    pub key: Bytes,
    /// The content.
    pub body: Bytes,
    /// From this time (Unix seconds) on it is not popped.
    pub expires_at: u64,
}

/// Family 3: one-time bags. Each item leaves at most once, ever.
#[async_trait]
pub trait Bags: Send + Sync + 'static {
    /// Puts items in, passing over keys that were seen; answers how many wait now.
    /// All or none.
    ///
    /// # Errors
    /// [`StoreError::QuotaFull`] when more than `most` would wait, [`StoreError::DiskFull`],
    /// [`StoreError::Unavailable`].
    async fn fill(&self, bag: &[u8], items: Vec<BagItem>, most: u64) -> Result<u64, StoreError>;

    /// Takes the oldest item out. When the answer is lost, so is the item.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn pop(&self, bag: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// How many items wait.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn waiting(&self, bag: &[u8]) -> Result<u64, StoreError>;
}

/// Which way a log is paged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first.
    Forwards,
    /// Newest first.
    Backwards,
}

/// Family 4: logs, which only grow.
#[async_trait]
pub trait Logs: Send + Sync + 'static {
    /// Adds an entry, or finds it there by its key.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`], [`StoreError::Unavailable`].
    async fn add(&self, log: &[u8], key: &[u8], body: Bytes) -> Result<Appended, StoreError>;

    /// At most `limit` entries, beginning with `from` itself when it is there
    /// (`None`: from the end that the direction begins with).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn page(
        &self,
        log: &[u8],
        from: Option<Seq>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<(Seq, Bytes)>, StoreError>;
}

/// What a blob will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBlob {
    /// Its id.
    pub id: Bytes,
    /// Whose quota it counts against, and who may delete it.
    pub owner: Bytes,
    /// Its length in bytes.
    pub length: u64,
    /// The SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// From this time (Unix seconds) on it is gone.
    pub expires_at: u64,
}

/// What a blob is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobState {
    /// Whose it is.
    pub owner: Bytes,
    /// Its length when complete.
    pub length: u64,
    /// How many bytes are stored.
    pub offset: u64,
    /// The SHA-256 it must have.
    pub sha256: [u8; 32],
    /// When it goes (Unix seconds).
    pub expires_at: u64,
    /// All bytes are there and the digest was verified.
    pub complete: bool,
}

/// Family 5: blobs, uploaded in pieces.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Announces a blob; `Ok(false)` when the same one was announced before: it is then kept until
    /// the later of the two times. An empty blob is complete at once.
    ///
    /// # Errors
    /// [`StoreError::BlobDiffers`], [`StoreError::QuotaFull`] over the owner's blobs,
    /// [`StoreError::DigestMismatch`] for an empty one, [`StoreError::DiskFull`],
    /// [`StoreError::Unavailable`].
    async fn create_blob(&self, blob: NewBlob, quota: Quota) -> Result<bool, StoreError>;

    /// What is known of a blob (`None`: not there or expired).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn stat_blob(&self, id: &[u8]) -> Result<Option<BlobState>, StoreError>;

    /// Adds a chunk at `offset`; answers the state after it. The chunk that reaches the length
    /// is answered after the digest was verified.
    ///
    /// # Errors
    /// [`StoreError::NoBlob`], [`StoreError::OffsetMismatch`] (also for a chunk beyond the
    /// length), [`StoreError::DigestMismatch`], [`StoreError::DiskFull`],
    /// [`StoreError::Unavailable`].
    async fn append_blob(
        &self,
        id: &[u8],
        offset: u64,
        chunk: Bytes,
    ) -> Result<BlobState, StoreError>;

    /// Bytes of a complete blob: at most `length` from `offset`, fewer only at its end.
    ///
    /// # Errors
    /// [`StoreError::NoBlob`], [`StoreError::BlobIncomplete`], [`StoreError::Unavailable`].
    async fn read_blob(&self, id: &[u8], offset: u64, length: usize) -> Result<Bytes, StoreError>;

    /// Deletes a blob; `Ok(false)` when there was none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn delete_blob(&self, id: &[u8]) -> Result<bool, StoreError>;
}

/// What a backend needs of its host from time to time.
#[async_trait]
pub trait Upkeep: Send + Sync + 'static {
    /// Removes what has expired, in steps that do not hold up writers; answers how much.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn sweep(&self) -> Result<u64, StoreError>;

    /// Writes, and answers when the write is durable.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`], [`StoreError::Unavailable`].
    async fn probe(&self) -> Result<(), StoreError>;

    /// Finishes the writes that were accepted and lets go of the files. Later calls fail.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn close(&self) -> Result<(), StoreError>;
}
