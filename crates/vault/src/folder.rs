//! The folder of one profile, held by one process at a time.
//!
//! ```text
//! <dir>/vault.cbor   the header (docs/protocol.md section 6)
//! <dir>/store/       the store, and in store/files/ its sealed attachments; after a re-key store-1/,
//!                    store-2/ and so on, the header says which
//! <dir>/files/       attachments that are being fetched
//! <dir>/lock         held for the life of the process
//! ```
//! Only the owner may read it: folders 0700, files 0600. The header is replaced by
//! `vault.tmp` → write → fsync → read back → rename → fsync(folder), so that a crash at any point
//! leaves the old or the new file, both valid. Nothing here deletes a vault. While a re-key is under
//! way there is a second store, with a file `unfinished` in it: without that mark no store with a
//! higher number than the header's is ever removed, because an old header may have been put back.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use waxwing_crypto::vault_header::MAX_HEADER_LEN;

use crate::VaultError;
use crate::files::AtRest;
use crate::steps::{Step, reached};

const HEADER: &str = "vault.cbor";
const HEADER_DRAFT: &str = "vault.tmp";
const STORE: &str = "store";
const UNFINISHED: &str = "unfinished";
const FILES: &str = "files";
const LOCK: &str = "lock";

/// A profile folder that this process holds.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    /// The lock ends when this is dropped, also by `kill -9`.
    _lock: File,
}

impl Folder {
    /// Takes hold of `dir`, making it when it is not there.
    ///
    /// # Errors
    /// [`VaultError::InUse`] when another process, or another part of this one, holds it.
    pub(crate) fn hold(dir: &Path) -> Result<Self, VaultError> {
        make_private_dir(dir)?;
        let lock = private_options().truncate(false).open(dir.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                dir: dir.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(VaultError::InUse),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a store lives.
    pub(crate) fn store(&self, number: u32) -> PathBuf {
        match number {
            0 => self.dir.join(STORE),
            number => self.dir.join(format!("{STORE}-{number}")),
        }
    }

    /// Where a store lives; made when it is not there.
    pub(crate) fn make_store(&self, number: u32) -> Result<PathBuf, VaultError> {
        let path = self.store(number);
        make_private_dir(&path)?;
        make_private_dir(&path.join(FILES))?;
        Ok(path)
    }

    /// Where the sealed attachments of a store live.
    pub(crate) fn files(&self, number: u32) -> AtRest {
        AtRest::new(self.store(number).join(FILES), number)
    }

    /// The numbers of the stores that are here, also of those that do not count.
    pub(crate) fn stores(&self) -> Result<Vec<u32>, VaultError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            match name.strip_prefix(STORE) {
                Some("") => found.push(0),
                Some(rest) => found.extend(
                    rest.strip_prefix('-')
                        .and_then(|number| number.parse::<u32>().ok())
                        .filter(|number| *number > 0 && rest == format!("-{number}")),
                ),
                None => {}
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    pub(crate) fn has_store(&self, number: u32) -> bool {
        self.store(number).join("db").exists()
    }

    /// Makes an empty store with the mark of one that is being filled.
    pub(crate) fn begin_store(&self, number: u32) -> Result<(), VaultError> {
        let path = self.store(number);
        make_private_dir(&path)?;
        let mark = private_options()
            .truncate(true)
            .open(path.join(UNFINISHED))?;
        mark.sync_all()?;
        make_private_dir(&path.join(FILES))?;
        sync_dir(&path)?;
        Ok(sync_dir(&self.dir)?)
    }

    pub(crate) fn is_unfinished(&self, number: u32) -> bool {
        self.store(number).join(UNFINISHED).exists()
    }

    /// Removes the mark of a store that is being filled.
    pub(crate) fn finish_store(&self, number: u32) -> Result<(), VaultError> {
        let path = self.store(number);
        match fs::remove_file(path.join(UNFINISHED)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        Ok(sync_dir(&path)?)
    }

    /// Marks a vault that is being restored: it counts as nothing while it has the mark.
    pub(crate) fn begin_restoring(&self) -> Result<(), VaultError> {
        let mark = private_options()
            .truncate(true)
            .open(self.dir.join(UNFINISHED))?;
        mark.sync_all()?;
        Ok(sync_dir(&self.dir)?)
    }

    /// Takes the mark away: the vault is whole.
    pub(crate) fn finish_restoring(&self) -> Result<(), VaultError> {
        fs::remove_file(self.dir.join(UNFINISHED))?;
        Ok(sync_dir(&self.dir)?)
    }

    /// Whether this is a vault that was restored to the end.
    pub(crate) fn is_restored(&self) -> bool {
        self.dir.join(HEADER).exists() && !self.dir.join(UNFINISHED).exists()
    }

    /// Makes what was renamed and removed in the folder survive a power cut.
    pub(crate) fn sync(&self) -> Result<(), VaultError> {
        Ok(sync_dir(&self.dir)?)
    }

    /// Where attachments arrive that are being fetched; made when it is not there.
    pub(crate) fn arriving(&self) -> Result<PathBuf, VaultError> {
        let path = self.dir.join(FILES);
        make_private_dir(&path)?;
        Ok(path)
    }

    /// The header's bytes, `None` when there is none.
    pub(crate) fn load_header(&self) -> Result<Option<Vec<u8>>, VaultError> {
        load_bounded(&self.dir.join(HEADER))
    }

    /// Writes a header beside the one that counts. `check` sees the bytes as they were read back from
    /// the disk.
    pub(crate) fn draft_header(
        &self,
        bytes: &[u8],
        check: impl FnOnce(&[u8]) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let draft = self.dir.join(HEADER_DRAFT);
        let mut file = private_options().truncate(true).open(&draft)?;
        reached(Step::DraftOpened);
        file.write_all(bytes)?;
        reached(Step::DraftWritten);
        file.sync_all()?;
        reached(Step::DraftSynced);
        drop(file);
        let read_back = load_bounded(&draft)?.unwrap_or_default();
        if read_back != bytes {
            return Err(VaultError::Corrupt("header read back differs"));
        }
        check(&read_back)?;
        reached(Step::DraftChecked);
        Ok(())
    }

    /// Puts the draft in the place of the header that counts.
    ///
    /// # Errors
    /// Then the old header stands.
    pub(crate) fn place_header(&self) -> Result<Placed, VaultError> {
        fs::rename(self.dir.join(HEADER_DRAFT), self.dir.join(HEADER))?;
        reached(Step::HeaderRenamed);
        let placed = match sync_dir(&self.dir).or_else(|_| sync_dir(&self.dir)) {
            Ok(()) => Placed::Durable,
            Err(_) => Placed::Standing,
        };
        reached(Step::HeaderSynced);
        Ok(placed)
    }

    /// Removes a draft that was never put in its place.
    pub(crate) fn remove_draft(&self) -> Result<(), VaultError> {
        match fs::remove_file(self.dir.join(HEADER_DRAFT)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Replaces the header. `check` sees the bytes as they were read back from the disk, before the
    /// old header is given up; when it fails, the old header stays.
    pub(crate) fn save_header(
        &self,
        bytes: &[u8],
        check: impl FnOnce(&[u8]) -> Result<(), VaultError>,
    ) -> Result<Placed, VaultError> {
        self.draft_header(bytes, check)?;
        self.place_header()
    }
}

/// How sure a new header is. It counts either way: it is what every later start reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    /// It survives a power cut.
    Durable,
    /// The disk did not confirm it: a power cut may bring the old one back.
    Standing,
}

/// Whether a file or folder of this name is part of a vault.
pub(crate) fn is_of_vault(name: &str) -> bool {
    name == HEADER || name.starts_with(STORE)
}

/// Removes the folder of a store that does not count. The mark of one that is being filled goes last:
/// what is cut off here is still known for what it is.
pub(crate) fn remove_store(folder: &Path) -> io::Result<()> {
    let remove = || {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else if entry.file_name() != UNFINISHED {
                fs::remove_file(entry.path())?;
            }
        }
        sync_dir(folder)?;
        fs::remove_dir_all(folder)
    };
    // A thread of sled may yet put a last file into it.
    match remove().or_else(|_| remove()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => folder.parent().map_or(Ok(()), sync_dir),
    }
}

/// Renames the folder to `<dir>-<mark>`, with a number behind it when that is taken, and answers
/// where it went.
pub(crate) fn set_aside(dir: &Path, mark: &str) -> Result<PathBuf, VaultError> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let free = (1..=u32::MAX)
        .map(|n| match n {
            1 => format!("{name}-{mark}"),
            n => format!("{name}-{mark}-{n}"),
        })
        .map(|name| dir.with_file_name(name))
        .find(|path| !path.exists())
        .ok_or(VaultError::AlreadyThere)?;
    fs::rename(dir, &free)?;
    if let Some(parent) = free.parent() {
        sync_dir(parent)?;
    }
    Ok(free)
}

fn load_bounded(path: &Path) -> Result<Option<Vec<u8>>, VaultError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_HEADER_LEN as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Options that make a file which only its owner can read.
pub(crate) fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

fn make_private_dir(path: &Path) -> Result<(), VaultError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Makes renames and new files in `dir` survive a power cut.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    // Windows has no such thing as opening a folder to sync it.
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}
