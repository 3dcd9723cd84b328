//! The folder of one profile, held by one process at a time.
//!
//! ```text
//! <dir>/vault.cbor   the header (docs/protocol.md section 6)
//! <dir>/store/       the store
//! <dir>/files/       sealed attachments, on their way out or in
//! <dir>/lock         held for the life of the process
//! ```
//! Only the owner may read it: folders 0700, files 0600. The header is replaced by
//! `vault.tmp` → write → fsync → read back → rename → fsync(folder), so that a crash at any point
//! leaves the old or the new file, both valid. Nothing here deletes a vault.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use waxwing_crypto::vault_header::MAX_HEADER_LEN;

use crate::VaultError;

const HEADER: &str = "vault.cbor";
const HEADER_DRAFT: &str = "vault.tmp";
const STORE: &str = "store";
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

    /// Where the store lives; made when it is not there.
    pub(crate) fn store(&self) -> Result<PathBuf, VaultError> {
        let path = self.dir.join(STORE);
        make_private_dir(&path)?;
        Ok(path)
    }

    pub(crate) fn has_store(&self) -> bool {
        self.dir.join(STORE).join("db").exists()
    }

    /// Where sealed attachments live; made when it is not there.
    pub(crate) fn files(&self) -> Result<PathBuf, VaultError> {
        let path = self.dir.join(FILES);
        make_private_dir(&path)?;
        Ok(path)
    }

    /// The header's bytes, `None` when there is none.
    pub(crate) fn load_header(&self) -> Result<Option<Vec<u8>>, VaultError> {
        load_bounded(&self.dir.join(HEADER))
    }

    /// Replaces the header. `check` sees the bytes as they were read back from the disk, before the
    /// old header is given up; when it fails, the old header stays.
    pub(crate) fn save_header(
        &self,
        bytes: &[u8],
        check: impl FnOnce(&[u8]) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let draft = self.dir.join(HEADER_DRAFT);
        let mut file = private_options().truncate(true).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        let read_back = load_bounded(&draft)?.unwrap_or_default();
        if read_back != bytes {
            return Err(VaultError::Corrupt("header read back differs"));
        }
        check(&read_back)?;
        fs::rename(&draft, self.dir.join(HEADER))?;
        sync_dir(&self.dir)?;
        Ok(())
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
