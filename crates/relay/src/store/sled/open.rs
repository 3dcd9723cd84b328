//! Opening the folder, and repairing what a crash may have left in it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, RwLock};

use super::rows::{Kind, key};
use super::{Shared, SledOptions, blobs};
use crate::store::wake::Hub;

/// The form of the rows; a folder of another form is refused.
const FORM: &[u8] = &[1];
const FORM_KEY: &[u8] = b"V";

/// How long sled may take to let go of its file.
const LOCK_TIME: Duration = Duration::from_secs(5);

/// Why the folder could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenStoreError {
    /// Another process has it open.
    #[error("another process uses this folder")]
    InUse,
    /// It was written by a later version.
    #[error("the folder was written by a later version")]
    LaterVersion,
    /// The disk refused.
    #[error("the folder cannot be used: {0}")]
    Disk(#[source] io::Error),
    /// sled refused.
    #[error("the store cannot be opened: {0}")]
    Engine(#[source] ::sled::Error),
}

pub(super) fn open(options: &SledOptions) -> Result<Shared, OpenStoreError> {
    let folder = &options.folder;
    make_private(folder)?;
    let lock = lock(folder)?;
    make_private(&blobs::folder(folder))?;
    let engine = folder.join("engine");
    make_private(&engine)?;

    let db = open_engine(&engine, options)?;
    match db.get(FORM_KEY).map_err(OpenStoreError::Engine)? {
        Some(form) if &*form == FORM => {}
        Some(_) => return Err(OpenStoreError::LaterVersion),
        None => drop(db.insert(FORM_KEY, FORM).map_err(OpenStoreError::Engine)?),
    }
    db.flush().map_err(OpenStoreError::Engine)?;
    // Writable, because Windows syncs no file that is open for reading only.
    let log = OpenOptions::new()
        .read(true)
        .write(true)
        .open(engine.join("db"))
        .map_err(OpenStoreError::Disk)?;
    log.sync_all().map_err(OpenStoreError::Disk)?;
    for dir in [&engine, folder] {
        sync_folder(dir).map_err(OpenStoreError::Disk)?;
    }
    blobs::remove_orphans(folder, |name| {
        db.contains_key(key(Kind::Blob, &[name])).unwrap_or(true)
    })
    .map_err(OpenStoreError::Disk)?;

    Ok(Shared {
        db,
        log,
        folder: folder.clone(),
        reserve_bytes: options.reserve_bytes,
        clock: Arc::clone(&options.clock),
        hub: Arc::new(Hub::default()),
        gate: Arc::new(RwLock::new(())),
        uploads: (0..256).map(|_| Arc::new(Mutex::new(()))).collect(),
        _lock: lock,
    })
}

fn open_engine(engine: &Path, options: &SledOptions) -> Result<::sled::Db, OpenStoreError> {
    let config = ::sled::Config::new()
        .path(engine)
        .cache_capacity(options.cache_bytes)
        .flush_every_ms(None)
        .mode(::sled::Mode::HighThroughput);
    // A snapshot that was being written when the process died stops sled from opening.
    move_snapshots(engine, |name| name.ends_with(".generating"), None)
        .map_err(OpenStoreError::Disk)?;
    match open_free(&config) {
        Err(::sled::Error::Corruption { .. }) => {
            // Snapshots only save time: sled rebuilds its map from the log without them.
            tracing::warn!("the snapshot is damaged: rebuilding from the log");
            let aside = engine.join("aside");
            fs::create_dir_all(&aside).map_err(OpenStoreError::Disk)?;
            move_snapshots(engine, |_| true, Some(&aside)).map_err(OpenStoreError::Disk)?;
            open_free(&config).map_err(OpenStoreError::Engine)
        }
        other => other.map_err(OpenStoreError::Engine),
    }
}

/// Opens sled, waiting while threads of a store that this process has just closed still hold
/// sled's own lock. No other process can: the folder's lock is ours.
fn open_free(config: &::sled::Config) -> ::sled::Result<::sled::Db> {
    let patience = Instant::now();
    loop {
        match config.open() {
            Err(::sled::Error::Io(error))
                if error.to_string().contains("acquire lock") && patience.elapsed() < LOCK_TIME =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

/// Moves the chosen `snap.*` files into `aside`, or deletes them.
fn move_snapshots(
    engine: &Path,
    chosen: impl Fn(&str) -> bool,
    aside: Option<&Path>,
) -> io::Result<()> {
    for entry in fs::read_dir(engine)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(text) = name.to_str() else { continue };
        if text.starts_with("snap.") && chosen(text) {
            match aside {
                Some(aside) => fs::rename(entry.path(), aside.join(&name))?,
                None => fs::remove_file(entry.path())?,
            }
        }
    }
    Ok(())
}

fn lock(folder: &Path) -> Result<File, OpenStoreError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("lock"))
        .map_err(OpenStoreError::Disk)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenStoreError::InUse),
        Err(TryLockError::Error(error)) => Err(OpenStoreError::Disk(error)),
    }
}

/// Makes the folder, for its owner alone where the system knows owners.
fn make_private(folder: &Path) -> Result<(), OpenStoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(OpenStoreError::Disk)
}

/// Makes the names in a folder durable (Windows does so by itself and opens no folder).
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}
