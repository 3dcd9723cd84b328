//! The attachments of one store as they lie there: each sealed once more, under the store's key.
//!
//! ```text
//! <store>/files/<att_id>            be16(n) || header, n bytes || stream   (waxwing_crypto::vault_header::FileHeader)
//! <store>/files/<att_id>.sealing    being written
//! ```
//! Inside are the bytes that others know (docs/protocol.md section 5), unchanged. The key belongs to
//! the root key, and stays in memory while the vault is locked: what it opens is ciphertext, which
//! must be able to leave.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rand_core::CryptoRng;
use waxwing_crypto::stream::{HEADER_LEN, Opener, Plan, SEGMENT_LEN, Sealer, StreamError, Ticket};
use waxwing_crypto::vault_header::{FileHeader, FilesKey, HeaderError, MAX_FILE_HEADER_LEN};
use waxwing_wire::ids::AttachmentId;

use super::Draft;
use crate::VaultError;

/// The ending of what is being written.
const DRAFT: &str = "sealing";

/// The files of one store.
pub(crate) struct AtRest {
    dir: PathBuf,
    store: u32,
    /// Given at the first unlock.
    key: OnceLock<FilesKey>,
}

impl AtRest {
    pub(crate) fn new(dir: PathBuf, store: u32) -> Self {
        let key = OnceLock::new();
        Self { dir, store, key }
    }

    /// Gives the key; only the first counts, since a store has one.
    pub(crate) fn unlock(&self, key: FilesKey) {
        let _ = self.key.set(key);
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn path(&self, id: AttachmentId) -> PathBuf {
        self.dir.join(id.to_string())
    }

    pub(crate) fn draft_path(&self, id: AttachmentId) -> PathBuf {
        self.path(id).with_extension(DRAFT)
    }

    pub(crate) fn has(&self, id: AttachmentId) -> bool {
        self.path(id).exists()
    }

    /// What is here whole. What is being written has an ending behind its id.
    pub(crate) fn ids(&self) -> Result<Vec<AttachmentId>, VaultError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            found.extend(
                name.to_str()
                    .and_then(|name| name.parse::<AttachmentId>().ok()),
            );
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Removes drafts that a crash left. Nobody else may write here.
    pub(crate) fn clear_drafts(&self) -> Result<(), VaultError> {
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == DRAFT) {
                super::remove(&path)?;
            }
        }
        Ok(())
    }

    /// Bytes of the files that are here, drafts among them.
    pub(crate) fn size_on_disk(&self) -> Result<u64, VaultError> {
        let mut size = 0;
        for entry in fs::read_dir(&self.dir)? {
            size += match entry?.metadata() {
                // Removed just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                metadata => metadata?.len(),
            };
        }
        Ok(size)
    }

    /// What a file says of itself and how long it is inside; needs no key.
    ///
    /// # Errors
    /// [`VaultError::Missing`]; [`VaultError::Corrupt`] when it has another form, or is of another
    /// store or attachment; errors of the disk.
    pub(crate) fn look(&self, id: AttachmentId) -> Result<Found, VaultError> {
        self.look_at(id, &self.path(id))
    }

    /// Opens a file that is here whole.
    ///
    /// # Errors
    /// As [`look`](Self::look), and [`VaultError::Locked`] before the first unlock.
    pub(crate) fn open(&self, id: AttachmentId) -> Result<Reader, VaultError> {
        self.read(self.look(id)?)
    }

    /// Opens a draft of this store.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn open_draft(&self, id: AttachmentId, draft: &Draft) -> Result<Reader, VaultError> {
        self.read(self.look_at(id, draft.path())?)
    }

    /// Begins to write an attachment of `length` sealed bytes. `sealing` is the name that what is
    /// sealed anew keeps.
    ///
    /// # Errors
    /// [`VaultError::Locked`] before the first unlock; errors of the disk.
    pub(crate) fn write<R: CryptoRng + ?Sized>(
        &self,
        id: AttachmentId,
        sealing: [u8; 16],
        length: u64,
        rng: &mut R,
    ) -> Result<Writer, VaultError> {
        let key = self.key.get().ok_or(VaultError::Locked)?;
        let header = FileHeader {
            store: self.store,
            id,
            sealing,
        };
        let sealer = key.sealer(&header, length, rng)?;
        let header = header.encode();
        let count = u16::try_from(header.len()).map_err(|_| VaultError::Corrupt("file header"))?;
        let mut draft = Draft::new(self.draft_path(id))?;
        draft.file.write_all(&count.to_be_bytes())?;
        draft.file.write_all(&header)?;
        draft.file.write_all(sealer.header())?;
        Ok(Writer::new(draft, sealer))
    }

    fn look_at(&self, id: AttachmentId, path: &Path) -> Result<Found, VaultError> {
        let mut file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(VaultError::Missing("files"));
            }
            file => file?,
        };
        let header = read_header(&mut file)?;
        if (header.store, header.id) != (self.store, id) {
            return Err(VaultError::Corrupt("a file of another store"));
        }
        let begin = file.stream_position()?;
        let sealed_length = file.metadata()?.len().saturating_sub(begin);
        Ok(Found {
            length: Plan::of_sealed(sealed_length)?.length(),
            file,
            header,
            begin,
            sealed_length,
        })
    }

    fn read(&self, mut found: Found) -> Result<Reader, VaultError> {
        let key = self.key.get().ok_or(VaultError::Locked)?;
        let mut begin = [0; HEADER_LEN];
        found.file.read_exact(&mut begin)?;
        Ok(Reader {
            opener: key.opener(&found.header, &begin, found.sealed_length)?,
            found,
            buffer: Vec::new(),
            at: 0,
            next: 0,
        })
    }
}

/// The header of a file, which stands behind it.
fn read_header(file: &mut File) -> Result<FileHeader, VaultError> {
    const UNKNOWN: VaultError = VaultError::Corrupt("a file of an unknown form");
    let mut count = [0; 2];
    let mut bytes = [0; MAX_FILE_HEADER_LEN];
    let read = file.read_exact(&mut count).and_then(|()| {
        let bytes = bytes.get_mut(..usize::from(u16::from_be_bytes(count)));
        let bytes = bytes.ok_or(io::ErrorKind::UnexpectedEof)?;
        file.read_exact(bytes)?;
        Ok(&*bytes)
    });
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(UNKNOWN),
        Err(error) => Err(error.into()),
        Ok(bytes) => FileHeader::decode(bytes).map_err(|error| match error {
            HeaderError::UnknownVersion => VaultError::Newer,
            _ => UNKNOWN,
        }),
    }
}

/// A file that is there, held open.
pub(crate) struct Found {
    file: File,
    header: FileHeader,
    /// Where the stream begins.
    begin: u64,
    sealed_length: u64,
    /// Length of what is inside.
    pub(crate) length: u64,
}

impl Found {
    /// Random name of what is inside.
    pub(crate) fn sealing(&self) -> [u8; 16] {
        self.header.sealing
    }
}

/// Reads the bytes inside, from any place on. Removing the file meanwhile does no harm.
pub(crate) struct Reader {
    found: Found,
    opener: Opener,
    buffer: Vec<u8>,
    at: usize,
    next: u32,
}

impl Reader {
    /// Length of what is inside.
    pub(crate) fn length(&self) -> u64 {
        self.found.length
    }

    /// Random name of what is inside.
    pub(crate) fn sealing(&self) -> [u8; 16] {
        self.found.sealing()
    }

    /// Goes on at `offset`; at or behind the end there is nothing to read.
    pub(crate) fn seek(&mut self, offset: u64) -> Result<(), VaultError> {
        self.buffer.clear();
        self.at = 0;
        self.next = self.opener.plan().segments();
        if offset < self.length() {
            self.next = self.opener.plan().segment_of(offset);
            let before = offset - self.opener.plan().plain_range(self.next).start;
            self.segment()?;
            // Within a segment of 1 MiB.
            self.at = usize::try_from(before).unwrap_or(self.buffer.len());
        }
        Ok(())
    }

    /// Adds the next bytes to `to`: `most`, or less at the end; answers how many.
    ///
    /// # Errors
    /// [`VaultError::Stream`] when a segment does not open; errors of the disk.
    pub(crate) fn read(&mut self, most: usize, to: &mut Vec<u8>) -> Result<usize, VaultError> {
        let mut left = most;
        while left > 0 {
            let there = self.buffer.get(self.at..).unwrap_or_default();
            if there.is_empty() {
                if self.next >= self.opener.plan().segments() {
                    break;
                }
                self.segment()?;
                continue;
            }
            let some = there.get(..left).unwrap_or(there);
            to.extend_from_slice(some);
            self.at += some.len();
            left -= some.len();
        }
        Ok(most - left)
    }

    /// As [`read`](Self::read), but all of `to` or an error.
    pub(crate) fn read_exact(&mut self, to: &mut [u8]) -> Result<(), VaultError> {
        let mut bytes = Vec::with_capacity(to.len());
        if self.read(to.len(), &mut bytes)? != to.len() {
            return Err(StreamError::WrongLength.into());
        }
        to.copy_from_slice(&bytes);
        Ok(())
    }

    fn segment(&mut self) -> Result<(), VaultError> {
        let range = self.opener.plan().sealed_range(self.next);
        self.buffer.clear();
        self.at = 0;
        self.buffer.reserve_exact(SEGMENT_LEN);
        let file = &mut self.found.file;
        file.seek(SeekFrom::Start(self.found.begin + range.start))?;
        file.take(range.end - range.start)
            .read_to_end(&mut self.buffer)?;
        self.opener.open_segment(self.next, &mut self.buffer)?;
        self.next += 1;
        Ok(())
    }
}

/// Writes the bytes inside, in order.
pub(crate) struct Writer {
    draft: Draft,
    sealer: Sealer,
    ticket: Option<Ticket>,
    buffer: Vec<u8>,
}

impl Writer {
    fn new(draft: Draft, mut sealer: Sealer) -> Self {
        Self {
            draft,
            ticket: sealer.next_ticket(),
            sealer,
            buffer: Vec::with_capacity(SEGMENT_LEN),
        }
    }

    /// # Errors
    /// [`VaultError::Stream`] when it is more than was foretold; errors of the disk.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<(), VaultError> {
        while !bytes.is_empty() {
            let ticket = self.ticket.as_ref().ok_or(StreamError::WrongLength)?;
            let lacks = ticket.true_bytes().saturating_sub(self.buffer.len());
            let (now, later) = bytes.split_at(lacks.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if now.len() == lacks {
                self.seal()?;
            }
        }
        Ok(())
    }

    /// Makes it durable, under the name of a draft.
    ///
    /// # Errors
    /// [`VaultError::Stream`] when it is less than was foretold; errors of the disk.
    pub(crate) fn finish(self) -> Result<Draft, VaultError> {
        if self.ticket.is_some() {
            return Err(StreamError::WrongLength.into());
        }
        self.draft.file.sync_all()?;
        Ok(self.draft)
    }

    fn seal(&mut self) -> Result<(), VaultError> {
        if let Some(ticket) = self.ticket.take() {
            ticket.seal(&mut self.buffer)?;
            self.draft.file.write_all(&self.buffer)?;
            self.buffer.clear();
            self.ticket = self.sealer.next_ticket();
        }
        Ok(())
    }
}
