//! Sealed attachments as files: sealed once, sent in pieces, fetched in pieces, opened when whole.
//!
//! Sealing and opening run in a pipeline of constant memory, see `files/pipeline.rs`. At rest each is
//! sealed once more under a key of its store, see `files/rest.rs`; nobody outside of this crate sees
//! that. What is being fetched lies in a folder of the profile as the relay has it, until it is whole.
//! Carries out docs/protocol.md sections 5 and 6, "Files".
//!
//! Invariants:
//! * plaintext is never written into the profile folder;
//! * a file that was not sealed or opened to the end is not left behind under its final name;
//! * a fetched file counts as whole only after its digest was checked;
//! * opened bytes are written only after their segment verified, and get their final name only after
//!   all segments did;
//! * a file gets its name in the store that counts at that moment, also when a re-key was finished
//!   while it was sealed.

mod pipeline;
mod rest;

use std::fs::{self, File};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};
use waxwing_crypto::stream::{AttachmentKey, HEADER_LEN, Opener, SEGMENT_LEN, Sealer, StreamError};
use waxwing_wire::ids::{AttachmentId, Digest};
use zeroize::Zeroizing;

use crate::VaultError;
use crate::folder::{private_options, sync_dir};
use crate::shared::{Current, Shared};
pub(crate) use rest::{AtRest, Reader, Writer};

/// The sealed attachments of a profile; a cheap handle, usable while locked. Before the first unlock
/// of a process it can only say what is here, take in what is fetched, and remove.
#[derive(Clone)]
pub struct Files {
    shared: Arc<Shared>,
    /// What is being fetched.
    arriving: PathBuf,
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
    pub(crate) fn new(shared: Arc<Shared>) -> Result<Self, VaultError> {
        let arriving = shared.folder.arriving()?;
        Ok(Self { shared, arriving })
    }

    /// Seals the file `source` into this profile, under `key`, and makes it durable.
    ///
    /// # Errors
    /// [`VaultError::Cancelled`] when `progress` says so; [`VaultError::Stream`] when the file's
    /// length changed meanwhile; [`VaultError::Locked`] before the first unlock; errors of the disk.
    /// Nothing is left behind then.
    pub fn seal<R: CryptoRng + ?Sized>(
        &self,
        source: &Path,
        id: AttachmentId,
        key: &AttachmentKey,
        progress: Progress<'_>,
        rng: &mut R,
    ) -> Result<SealedFile, VaultError> {
        let source = File::open(source)?;
        let length = source.metadata()?.len();
        self.seal_from(source, length, id, key, progress, rng)
    }

    /// Seals bytes in memory into this profile, under `key`, and makes them durable. A file of this id
    /// that was not sealed to its end is written over.
    ///
    /// # Errors
    /// [`VaultError::Stream`] when they are too long; [`VaultError::Locked`] before the first unlock;
    /// errors of the disk. Nothing is left behind then.
    pub fn seal_bytes<R: CryptoRng + ?Sized>(
        &self,
        bytes: &[u8],
        id: AttachmentId,
        key: &AttachmentKey,
        rng: &mut R,
    ) -> Result<SealedFile, VaultError> {
        self.seal_from(bytes, bytes.len() as u64, id, key, &mut |_, _| true, rng)
    }

    fn seal_from<R: CryptoRng + ?Sized>(
        &self,
        source: impl Read + Send,
        length: u64,
        id: AttachmentId,
        key: &AttachmentKey,
        progress: Progress<'_>,
        rng: &mut R,
    ) -> Result<SealedFile, VaultError> {
        let sealer = Sealer::new(key, &id, length, rng)?;
        let plan = *sealer.plan();
        let current = self.shared.current();
        let sealing = random(rng);
        let mut to = current
            .files
            .write(id, sealing, plan.sealed_length(), rng)?;
        let sha256 = pipeline::seal(source, sealer, &mut to, progress)?;
        self.place(current, to.finish()?, id, rng)?;
        Ok(SealedFile {
            id,
            length,
            sealed_length: plan.sealed_length(),
            sha256,
        })
    }

    /// Opens a sealed file that is here whole into memory.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`VaultError::Stream`] also when it is longer than `most`.
    pub fn open_bytes(
        &self,
        sealed: &SealedFile,
        key: &AttachmentKey,
        most: u64,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let length = usize::try_from(sealed.length.min(most)).unwrap_or(0);
        if sealed.length > most {
            return Err(StreamError::TooLong.into());
        }
        let (_, opener) = self.opener(sealed, key)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        for index in 0..opener.plan().segments() {
            let plain = Zeroizing::new(self.open_segment(sealed, key, index)?);
            let rest = length - bytes.len().min(length);
            bytes.extend_from_slice(plain.get(..rest).unwrap_or(&plain));
        }
        Ok(bytes)
    }

    /// Opens a sealed file that is here whole into `target`, replacing a file of that name.
    ///
    /// # Errors
    /// [`VaultError::Stream`] when anything does not verify, [`VaultError::Missing`] when it is not
    /// here whole; [`VaultError::Corrupt`] when it lies here in another form;
    /// [`VaultError::Cancelled`]; [`VaultError::Locked`] before the first unlock; errors of the disk.
    /// Nothing is left behind then.
    pub fn open(
        &self,
        sealed: &SealedFile,
        key: &AttachmentKey,
        target: &Path,
        progress: Progress<'_>,
    ) -> Result<(), VaultError> {
        let (mut source, opener) = self.opener(sealed, key)?;
        let mut part = target.as_os_str().to_owned();
        part.push(".waxwing-part");
        let draft = Draft::new(part.into())?;
        pipeline::open(&mut source, &opener, &draft.file, progress)?;
        draft.keep(target)
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
        let (mut source, opener) = self.opener(sealed, key)?;
        if index >= opener.plan().segments() {
            return Err(StreamError::NoSuchSegment.into());
        }
        let range = opener.plan().sealed_range(index);
        let mut buffer = Vec::with_capacity(SEGMENT_LEN);
        source.seek(range.start)?;
        // A segment is at most 1 MiB.
        let length = usize::try_from(range.end - range.start).unwrap_or(SEGMENT_LEN);
        source.read(length, &mut buffer)?;
        opener.open_segment(index, &mut buffer)?;
        Ok(buffer)
    }

    /// At most `most` bytes of ciphertext from `offset`, for an upload. One segment, 1 MiB, is the
    /// unit of resuming.
    ///
    /// # Errors
    /// [`VaultError::Missing`] when it is not here; [`VaultError::Stream`], [`VaultError::Corrupt`]
    /// when it is damaged; [`VaultError::Locked`] before the first unlock; errors of the disk.
    pub fn read(&self, id: AttachmentId, offset: u64, most: usize) -> Result<Vec<u8>, VaultError> {
        let mut file = self.whole(id)?;
        let mut bytes = Vec::with_capacity(most.min(SEGMENT_LEN));
        file.seek(offset)?;
        file.read(most, &mut bytes)?;
        Ok(bytes)
    }

    /// Bytes of a fetched file that are here already: where to fetch on.
    ///
    /// # Errors
    /// [`VaultError::Corrupt`] when it lies here in another form; errors of the disk.
    pub fn fetched_length(&self, id: AttachmentId) -> Result<u64, VaultError> {
        match self.shared.current().files.look(id) {
            Err(VaultError::Missing(_)) => {}
            found => return Ok(found?.length),
        }
        match fs::metadata(self.part(id)) {
            Ok(there) => Ok(there.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error.into()),
        }
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
        if self.has(id) || self.fetched_length(id)? != offset {
            return Err(StreamError::WrongLength.into());
        }
        let mut file = private_options().truncate(false).open(self.part(id))?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file.write_all(bytes)?)
    }

    /// Checks length and digest of what was fetched, and keeps it as whole. When they differ, what
    /// was fetched is removed, so that it can be fetched again.
    ///
    /// # Errors
    /// [`VaultError::Stream`] when they differ; [`VaultError::Locked`] before the first unlock; errors
    /// of the disk.
    pub fn finish_fetched<R: CryptoRng + ?Sized>(
        &self,
        sealed: &SealedFile,
        rng: &mut R,
    ) -> Result<(), VaultError> {
        let part = self.part(sealed.id);
        // One at a time: two who save the same file would write the same draft.
        let _finishing = self.shared.arrival();
        if self.has(sealed.id) {
            return remove(&part);
        }
        let mut file = File::open(&part)?;
        let current = self.shared.current();
        let sealing = random(rng);
        let mut to = (current.files).write(sealed.id, sealing, sealed.sealed_length, rng)?;
        let is_right = file.metadata()?.len() == sealed.sealed_length
            && seal_on(&mut file, &mut to)? == sealed.sha256;
        if !is_right {
            remove(&part)?;
            return Err(StreamError::WrongLength.into());
        }
        self.place(current, to.finish()?, sealed.id, rng)?;
        remove(&part)
    }

    /// Whether the sealed file is here whole.
    pub fn has(&self, id: AttachmentId) -> bool {
        self.shared.current().files.has(id)
    }

    /// Removes a sealed file and anything fetched of it. Nothing happens when it is not here.
    ///
    /// # Errors
    /// Errors of the disk.
    pub fn remove(&self, id: AttachmentId) -> Result<(), VaultError> {
        let _placing = self.shared.placing();
        let files = &self.shared.current().files;
        remove(&files.path(id))?;
        remove(&files.draft_path(id))?;
        remove(&self.part(id))
    }

    /// Gives a draft that was made for `made_for` its name in the store that counts now, which is
    /// another one when a re-key was finished meanwhile: then it is sealed anew.
    fn place<R: CryptoRng + ?Sized>(
        &self,
        mut made_for: Arc<Current>,
        mut draft: Draft,
        id: AttachmentId,
        rng: &mut R,
    ) -> Result<(), VaultError> {
        loop {
            let now = {
                let _placing = self.shared.placing();
                let now = self.shared.current();
                if Arc::ptr_eq(&now, &made_for) {
                    return draft.keep(&now.files.path(id));
                }
                now
            };
            let mut from = made_for.files.open_draft(id, &draft)?;
            let mut to = (now.files).write(id, from.sealing(), from.length(), rng)?;
            let mut piece = Vec::with_capacity(SEGMENT_LEN);
            while from.read(SEGMENT_LEN, &mut piece)? > 0 {
                to.write(&piece)?;
                piece.clear();
            }
            draft = to.finish()?;
            made_for = now;
        }
    }

    fn part(&self, id: AttachmentId) -> PathBuf {
        part(&self.arriving, id)
    }

    fn whole(&self, id: AttachmentId) -> Result<Reader, VaultError> {
        match self.shared.current().files.open(id) {
            // Before files were sealed once more they lay there.
            Err(VaultError::Missing(_)) if self.arriving.join(id.to_string()).exists() => {
                Err(VaultError::Corrupt("a file of an unknown form"))
            }
            file => file,
        }
    }

    fn opener(
        &self,
        sealed: &SealedFile,
        key: &AttachmentKey,
    ) -> Result<(Reader, Opener), VaultError> {
        let mut file = self.whole(sealed.id)?;
        if file.length() != sealed.sealed_length {
            return Err(StreamError::WrongLength.into());
        }
        let mut header = [0; HEADER_LEN];
        file.read_exact(&mut header)?;
        let opener = Opener::new(
            key,
            &sealed.id,
            &header,
            sealed.length,
            sealed.sealed_length,
        )?;
        Ok((file, opener))
    }
}

impl core::fmt::Debug for Files {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Files")
    }
}

/// Removes what was fetched of files that are whole: a crash may leave it.
pub(crate) fn clear_arrived(arriving: &Path, files: &AtRest) -> Result<(), VaultError> {
    for id in files.ids()? {
        remove(&part(arriving, id))?;
    }
    Ok(())
}

fn part(arriving: &Path, id: AttachmentId) -> PathBuf {
    arriving.join(id.to_string()).with_extension("part")
}

/// The name of a new sealing.
pub(crate) fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> [u8; 16] {
    let mut name = [0; 16];
    rng.fill_bytes(&mut name);
    name
}

/// Seals a file from where it stands; answers its SHA-256.
fn seal_on(from: &mut File, to: &mut Writer) -> Result<Digest, VaultError> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; SEGMENT_LEN];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(Digest::new(hash.finalize().into()));
        }
        let bytes = buffer.get(..read).unwrap_or_default();
        hash.update(bytes);
        to.write(bytes)?;
    }
}

pub(crate) fn remove(path: &Path) -> Result<(), VaultError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// A file being written, removed unless it is kept.
pub(crate) struct Draft {
    pub(crate) file: File,
    path: PathBuf,
    kept: bool,
}

impl Draft {
    pub(crate) fn new(path: PathBuf) -> Result<Self, VaultError> {
        let file = private_options().truncate(true).open(&path)?;
        Ok(Self {
            file,
            path,
            kept: false,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it durable under its final name.
    pub(crate) fn keep(mut self, name: &Path) -> Result<(), VaultError> {
        self.file.sync_all()?;
        fs::rename(&self.path, name)?;
        self.kept = true;
        if let Some(dir) = name.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            sync_dir(dir)?;
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            // Best effort: the error that brought us here is the one to tell.
            let _ = fs::remove_file(&self.path);
        }
    }
}
