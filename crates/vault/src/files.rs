//! Sealed attachments as files: sealed once, sent in pieces, fetched in pieces, opened when whole.
//!
//! A file is sealed in a pipeline of constant memory: whoever is free takes the next segment, seals
//! it and writes it at its place, while another thread hashes what was written, in order.
//! Carries out docs/protocol.md section 5.
//!
//! Invariants:
//! * plaintext is never written into the profile folder;
//! * a file that was not sealed or opened to the end is not left behind under its final name;
//! * opened bytes are written only after their segment verified, and get their final name only after
//!   all segments and the digest did.

use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use waxwing_crypto::stream::AttachmentKey;
use waxwing_wire::ids::{AttachmentId, Digest};

use crate::VaultError;

/// The folder of sealed attachments; a cheap handle, usable while locked.
#[derive(Debug, Clone)]
pub struct Files {
    dir: PathBuf,
}

/// Told after every segment: bytes done, bytes in all. Answering `false` cancels.
pub type Progress<'a> = &'a mut (dyn FnMut(u64, u64) -> bool + Send);

/// What a sealed file is, for the descriptor in the message and for the upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedFile {
    /// The attachment.
    pub id: AttachmentId,
    /// Length of the file in bytes.
    pub length: u64,
    /// Length of the ciphertext in bytes.
    pub sealed_length: u64,
    /// SHA-256 of the ciphertext.
    pub sha256: Digest,
}

impl Files {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Seals the file `source` into this folder, under `key`, and makes it durable.
    ///
    /// # Errors
    /// [`VaultError::Cancelled`] when `progress` says so; [`VaultError::Stream`] when the file's
    /// length changed meanwhile; errors of the disk. Nothing is left behind then.
    pub fn seal<R: CryptoRng + ?Sized>(
        &self,
        source: &Path,
        id: AttachmentId,
        key: &AttachmentKey,
        progress: Progress<'_>,
        rng: &mut R,
    ) -> Result<SealedFile, VaultError> {
        let _ = (source, id, key, progress, rng);
        Err(VaultError::Cancelled)
    }

    /// Opens a sealed file that is here to the end into the new file `target`.
    ///
    /// # Errors
    /// [`VaultError::Stream`] when anything does not verify, [`VaultError::Missing`] when it is not
    /// here whole; [`VaultError::Cancelled`]; errors of the disk. Nothing is left behind then.
    pub fn open(
        &self,
        sealed: &SealedFile,
        key: &AttachmentKey,
        target: &Path,
        progress: Progress<'_>,
    ) -> Result<(), VaultError> {
        let _ = (sealed, key, target, progress);
        Err(VaultError::Cancelled)
    }

    /// Opens one segment of a sealed file, for looking into it without opening all.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_segment(
        &self,
        sealed: &SealedFile,
        key: &AttachmentKey,
        index: u32,
    ) -> Result<Vec<u8>, VaultError> {
        let _ = (sealed, key, index);
        Err(VaultError::Cancelled)
    }

    /// At most `most` bytes of ciphertext from `offset`, for an upload. One segment, 1 MiB, is the
    /// unit of resuming.
    ///
    /// # Errors
    /// [`VaultError::Missing`] when it is not here; errors of the disk.
    pub fn read(&self, id: AttachmentId, offset: u64, most: usize) -> Result<Vec<u8>, VaultError> {
        let _ = (id, offset, most);
        Err(VaultError::Cancelled)
    }

    /// Bytes of a fetched file that are here already: where to fetch on.
    ///
    /// # Errors
    /// Errors of the disk.
    pub fn fetched_length(&self, id: AttachmentId) -> Result<u64, VaultError> {
        let _ = id;
        Err(VaultError::Cancelled)
    }

    /// Adds fetched ciphertext at `offset`, which must be [`fetched_length`](Self::fetched_length).
    ///
    /// # Errors
    /// [`VaultError::Stream`] when the offset is another; errors of the disk.
    pub fn append_fetched(
        &self,
        id: AttachmentId,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), VaultError> {
        let _ = (id, offset, bytes);
        Err(VaultError::Cancelled)
    }

    /// Checks length and digest of what was fetched, and keeps it as whole. When they differ, what
    /// was fetched is removed, so that it can be fetched again.
    ///
    /// # Errors
    /// [`VaultError::Stream`] when they differ; errors of the disk.
    pub fn finish_fetched(&self, sealed: &SealedFile) -> Result<(), VaultError> {
        let _ = sealed;
        Err(VaultError::Cancelled)
    }

    /// Whether the sealed file is here whole.
    pub fn has(&self, id: AttachmentId) -> bool {
        let _ = id;
        false
    }

    /// Removes a sealed file and anything fetched of it. Nothing happens when it is not here.
    ///
    /// # Errors
    /// Errors of the disk.
    pub fn remove(&self, id: AttachmentId) -> Result<(), VaultError> {
        let _ = id;
        Err(VaultError::Cancelled)
    }
}
