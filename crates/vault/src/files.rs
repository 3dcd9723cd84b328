//! Sealed attachments as files: sealed once, sent in pieces, fetched in pieces, opened when whole.
//!
//! Sealing and opening run in a pipeline of constant memory, see `files/pipeline.rs`.
//! Carries out docs/protocol.md section 5.
//!
//! Invariants:
//! * plaintext is never written into the profile folder;
//! * a file that was not sealed or opened to the end is not left behind under its final name;
//! * a fetched file counts as whole only after its digest was checked;
//! * opened bytes are written only after their segment verified, and get their final name only after
//!   all segments did.

mod pipeline;

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};
use waxwing_crypto::stream::{AttachmentKey, HEADER_LEN, Opener, SEGMENT_LEN, Sealer, StreamError};
use waxwing_wire::ids::{AttachmentId, Digest};
use zeroize::Zeroizing;

use crate::VaultError;
use crate::folder::{private_options, sync_dir};

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
        let source = File::open(source)?;
        let length = source.metadata()?.len();
        let sealer = Sealer::new(key, &id, length, rng)?;
        let plan = *sealer.plan();
        let draft = Draft::new(self.path(id, "sealing"))?;
        let sha256 = pipeline::seal(&source, sealer, &draft.file, progress)?;
        draft.keep(&self.path(id, ""))?;
        Ok(SealedFile {
            id,
            length,
            sealed_length: plan.sealed_length(),
            sha256,
        })
    }

    /// Seals bytes in memory into this folder, under `key`, and makes them durable. A file of this id
    /// that was not sealed to its end is written over.
    ///
    /// # Errors
    /// [`VaultError::Stream`] when they are too long; errors of the disk. Nothing is left behind then.
    pub fn seal_bytes<R: CryptoRng + ?Sized>(
        &self,
        bytes: &[u8],
        id: AttachmentId,
        key: &AttachmentKey,
        rng: &mut R,
    ) -> Result<SealedFile, VaultError> {
        let length = bytes.len() as u64;
        let mut sealer = Sealer::new(key, &id, length, rng)?;
        let sealed_length = sealer.plan().sealed_length();
        let mut draft = Draft::new(self.path(id, "sealing"))?;
        let mut hash = Sha256::new();
        hash.update(sealer.header());
        draft.file.write_all(sealer.header())?;
        let mut rest = bytes;
        let mut buffer = Vec::with_capacity(SEGMENT_LEN);
        while let Some(ticket) = sealer.next_ticket() {
            let (now, later) = rest
                .split_at_checked(ticket.true_bytes())
                .ok_or(StreamError::WrongLength)?;
            rest = later;
            buffer.clear();
            buffer.extend_from_slice(now);
            ticket.seal(&mut buffer)?;
            hash.update(&buffer);
            draft.file.write_all(&buffer)?;
        }
        draft.keep(&self.path(id, ""))?;
        Ok(SealedFile {
            id,
            length,
            sealed_length,
            sha256: Digest::new(hash.finalize().into()),
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
    /// here whole; [`VaultError::Cancelled`]; errors of the disk. Nothing is left behind then.
    pub fn open(
        &self,
        sealed: &SealedFile,
        key: &AttachmentKey,
        target: &Path,
        progress: Progress<'_>,
    ) -> Result<(), VaultError> {
        let (source, opener) = self.opener(sealed, key)?;
        let mut part = target.as_os_str().to_owned();
        part.push(".waxwing-part");
        let draft = Draft::new(part.into())?;
        pipeline::open(&source, &opener, &draft.file, progress)?;
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
        source.seek(SeekFrom::Start(range.start))?;
        source
            .take(range.end - range.start)
            .read_to_end(&mut buffer)?;
        opener.open_segment(index, &mut buffer)?;
        Ok(buffer)
    }

    /// At most `most` bytes of ciphertext from `offset`, for an upload. One segment, 1 MiB, is the
    /// unit of resuming.
    ///
    /// # Errors
    /// [`VaultError::Missing`] when it is not here; errors of the disk.
    pub fn read(&self, id: AttachmentId, offset: u64, most: usize) -> Result<Vec<u8>, VaultError> {
        let mut file = self.whole(id)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::with_capacity(most.min(SEGMENT_LEN));
        file.take(most as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Bytes of a fetched file that are here already: where to fetch on.
    ///
    /// # Errors
    /// Errors of the disk.
    pub fn fetched_length(&self, id: AttachmentId) -> Result<u64, VaultError> {
        for path in [self.path(id, ""), self.path(id, "part")] {
            match fs::metadata(path) {
                Ok(there) => return Ok(there.len()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(0)
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
        let mut file = private_options()
            .truncate(false)
            .open(self.path(id, "part"))?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file.write_all(bytes)?)
    }

    /// Checks length and digest of what was fetched, and keeps it as whole. When they differ, what
    /// was fetched is removed, so that it can be fetched again.
    ///
    /// # Errors
    /// [`VaultError::Stream`] when they differ; errors of the disk.
    pub fn finish_fetched(&self, sealed: &SealedFile) -> Result<(), VaultError> {
        if self.has(sealed.id) {
            return Ok(());
        }
        let part = self.path(sealed.id, "part");
        let mut file = File::open(&part)?;
        let right_length = file.metadata()?.len() == sealed.sealed_length;
        if !right_length || digest(&mut file)? != sealed.sha256 {
            fs::remove_file(&part)?;
            return Err(StreamError::WrongLength.into());
        }
        file.sync_all()?;
        fs::rename(&part, self.path(sealed.id, ""))?;
        Ok(sync_dir(&self.dir)?)
    }

    /// Whether the sealed file is here whole.
    pub fn has(&self, id: AttachmentId) -> bool {
        self.path(id, "").exists()
    }

    /// Removes a sealed file and anything fetched of it. Nothing happens when it is not here.
    ///
    /// # Errors
    /// Errors of the disk.
    pub fn remove(&self, id: AttachmentId) -> Result<(), VaultError> {
        for suffix in ["", "part", "sealing"] {
            match fs::remove_file(self.path(id, suffix)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn path(&self, id: AttachmentId, suffix: &str) -> PathBuf {
        self.dir.join(id.to_string()).with_extension(suffix)
    }

    fn whole(&self, id: AttachmentId) -> Result<File, VaultError> {
        match File::open(self.path(id, "")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(VaultError::Missing("files"))
            }
            file => Ok(file?),
        }
    }

    fn opener(
        &self,
        sealed: &SealedFile,
        key: &AttachmentKey,
    ) -> Result<(File, Opener), VaultError> {
        let mut file = self.whole(sealed.id)?;
        if file.metadata()?.len() != sealed.sealed_length {
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

/// SHA-256 of a file from where it stands.
fn digest(file: &mut File) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; SEGMENT_LEN];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest::new(hash.finalize().into())),
            read => hash.update(&buffer[..read]),
        }
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
