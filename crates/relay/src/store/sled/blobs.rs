//! Family 5 on sled: blobs as files, their rows in sled.
//!
//! Order: bytes are synced before the row says they are there; a row is removed before its
//! file. So a crash leaves at most bytes beyond the offset or a file without a row, which the
//! next append overwrites and the next opening removes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};

use super::super::{BlobState, Blobs, NewBlob, Quota, StoreError};
use super::expiry::{expires, no_longer_expires};
use super::open::sync_folder;
use super::rows::{BlobRow, Hash, Kind, OwnerRow, decode, engine, hash, key};
use super::{SledStore, Txn};

#[async_trait]
impl Blobs for SledStore {
    async fn create_blob(&self, blob: NewBlob, quota: Quota) -> Result<bool, StoreError> {
        let name = hash(&blob.id);
        let empty = blob.length == 0;
        if empty && blob.sha256 != <[u8; 32]>::from(Sha256::digest([])) {
            return Err(StoreError::DigestMismatch);
        }
        let _one = Arc::clone(&self.shared.uploads[usize::from(name[0])])
            .lock_owned()
            .await;
        // The row's going must not leave an older file's bytes behind it.
        let expired = self
            .writer
            .write(move |txn| {
                let row_key = key(Kind::Blob, &[&name]);
                let old: Option<BlobRow> = txn.row(&row_key)?;
                let mut owners = Owners::default();
                if let Some(old) = &old {
                    let same = old.owner[..] == blob.owner[..]
                        && (old.length, old.sha256) == (blob.length, blob.sha256);
                    if old.expires_at > txn.now {
                        if !same {
                            return Err(StoreError::BlobDiffers);
                        }
                        if blob.expires_at > old.expires_at {
                            no_longer_expires(txn, old.expires_at, &row_key);
                            expires(txn, blob.expires_at, &row_key);
                            let later = BlobRow {
                                expires_at: blob.expires_at,
                                ..old.clone()
                            };
                            txn.put(&row_key, &later)?;
                        }
                        return Ok(None);
                    }
                    owners.give_back(txn, old)?;
                    no_longer_expires(txn, old.expires_at, &row_key);
                }
                txn.need_room()?;
                owners.take(txn, &blob, quota)?;
                owners.put(txn)?;
                expires(txn, blob.expires_at, &row_key);
                let row = BlobRow {
                    owner: ByteBuf::from(blob.owner.to_vec()),
                    length: blob.length,
                    offset: 0,
                    sha256: blob.sha256,
                    expires_at: blob.expires_at,
                    complete: empty,
                };
                txn.put(&row_key, &row)?;
                Ok(Some(old.is_some()))
            })
            .await?;
        if expired == Some(true) {
            remove_file(&self.shared.folder, &name).await;
        }
        Ok(expired.is_some())
    }

    async fn stat_blob(&self, id: &[u8]) -> Result<Option<BlobState>, StoreError> {
        let row_key = key(Kind::Blob, &[&hash(id)]);
        self.reading(move |shared| {
            let row = shared.db.get(row_key).map_err(engine)?;
            let row: Option<BlobRow> = row.map(|value| decode(&value)).transpose()?;
            Ok(row
                .filter(|row| row.expires_at > shared.now())
                .map(BlobState::from))
        })
        .await
    }

    async fn append_blob(
        &self,
        id: &[u8],
        offset: u64,
        chunk: Bytes,
    ) -> Result<BlobState, StoreError> {
        let store = self.clone();
        let id = Bytes::copy_from_slice(id);
        // A caller that goes away must not leave the file half written beside a free lock.
        tokio::spawn(async move { append(&store, &id, offset, chunk).await })
            .await
            .map_err(|_| StoreError::Unavailable)?
    }

    async fn read_blob(&self, id: &[u8], offset: u64, length: usize) -> Result<Bytes, StoreError> {
        let state = self.stat_blob(id).await?.ok_or(StoreError::NoBlob)?;
        if !state.complete {
            return Err(StoreError::BlobIncomplete);
        }
        let rest = usize::try_from(state.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = length.min(rest);
        if length == 0 {
            return Ok(Bytes::new());
        }
        let path = path(&self.shared.folder, &hash(id));
        blocking(move || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = vec![0; length];
            file.read_exact(&mut bytes)?;
            Ok(Bytes::from(bytes))
        })
        .await?
        .map_err(|error: io::Error| match error.kind() {
            // Deleted between the row and the file.
            io::ErrorKind::NotFound => StoreError::NoBlob,
            _ => disk(&error),
        })
    }

    async fn delete_blob(&self, id: &[u8]) -> Result<bool, StoreError> {
        let name = hash(id);
        let _one = Arc::clone(&self.shared.uploads[usize::from(name[0])])
            .lock_owned()
            .await;
        let was = self
            .writer
            .write(move |txn| {
                let row_key = key(Kind::Blob, &[&name]);
                let Some(row) = txn.row::<BlobRow>(&row_key)? else {
                    return Ok(false);
                };
                let mut owners = Owners::default();
                owners.give_back(txn, &row)?;
                owners.put(txn)?;
                txn.remove(&row_key);
                no_longer_expires(txn, row.expires_at, &row_key);
                Ok(row.expires_at > txn.now)
            })
            .await?;
        remove_file(&self.shared.folder, &name).await;
        Ok(was)
    }
}

async fn append(
    store: &SledStore,
    id: &Bytes,
    offset: u64,
    chunk: Bytes,
) -> Result<BlobState, StoreError> {
    let name = hash(id);
    let _one = Arc::clone(&store.shared.uploads[usize::from(name[0])])
        .lock_owned()
        .await;
    let state = store.stat_blob(id).await?.ok_or(StoreError::NoBlob)?;
    let end = offset.saturating_add(chunk.len() as u64);
    if offset != state.offset || end > state.length {
        return Err(StoreError::OffsetMismatch {
            offset: state.offset,
        });
    }
    if chunk.is_empty() {
        return Ok(state);
    }
    let folder = store.shared.folder.clone();
    let last = end == state.length;
    let digest = blocking(move || write_chunk(&folder, &name, offset, &chunk, last))
        .await?
        .map_err(|error| disk(&error))?;
    let whole = digest.is_none_or(|digest| digest == state.sha256);
    store
        .writer
        .write(move |txn| {
            let row_key = key(Kind::Blob, &[&name]);
            let row: BlobRow = txn.row(&row_key)?.ok_or(StoreError::NoBlob)?;
            let row = if whole {
                BlobRow {
                    offset: end,
                    complete: last,
                    ..row
                }
            } else {
                BlobRow { offset: 0, ..row }
            };
            txn.put(&row_key, &row)?;
            Ok(BlobState::from(row))
        })
        .await
        .and_then(|state| {
            if whole {
                Ok(state)
            } else {
                Err(StoreError::DigestMismatch)
            }
        })
}

/// Writes and syncs a chunk; answers the digest of the whole file after the last one.
fn write_chunk(
    folder: &Path,
    name: &Hash,
    offset: u64,
    chunk: &[u8],
    last: bool,
) -> io::Result<Option<[u8; 32]>> {
    let path = path(folder, name);
    let new = !path.exists();
    if let (true, Some(parent)) = (new, path.parent()) {
        fs::create_dir_all(parent)?;
    }
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)?;
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(chunk)?;
    // Bytes beyond are from an append whose row was never written.
    file.set_len(offset + chunk.len() as u64)?;
    file.sync_data()?;
    if let (true, Some(parent)) = (new, path.parent()) {
        sync_folder(parent)?;
        sync_folder(&self::folder(folder))?;
    }
    if !last {
        return Ok(None);
    }
    let mut hasher = Sha256::new();
    file.seek(SeekFrom::Start(0))?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Some(hasher.finalize().into())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// What owners hold, while one batch changes it several times.
#[derive(Debug, Default)]
pub(super) struct Owners(HashMap<Hash, OwnerRow>);

impl Owners {
    fn row(&mut self, txn: &Txn<'_>, owner: &[u8]) -> Result<&mut OwnerRow, StoreError> {
        let owner = hash(owner);
        match self.0.entry(owner) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let row = txn.row(&key(Kind::Owner, &[&owner]))?.unwrap_or_default();
                Ok(place.insert(row))
            }
        }
    }

    fn take(&mut self, txn: &Txn<'_>, blob: &NewBlob, quota: Quota) -> Result<(), StoreError> {
        let row = self.row(txn, &blob.owner)?;
        row.items += 1;
        row.bytes = row.bytes.saturating_add(blob.length);
        if row.items > quota.items || row.bytes > quota.bytes {
            Err(StoreError::QuotaFull)
        } else {
            Ok(())
        }
    }

    /// Counts a blob out that goes.
    pub(super) fn give_back(&mut self, txn: &Txn<'_>, blob: &BlobRow) -> Result<(), StoreError> {
        let row = self.row(txn, &blob.owner)?;
        row.items = row.items.saturating_sub(1);
        row.bytes = row.bytes.saturating_sub(blob.length);
        Ok(())
    }

    /// Puts what changed into the batch.
    pub(super) fn put(self, txn: &mut Txn<'_>) -> Result<(), StoreError> {
        for (owner, row) in self.0 {
            txn.put(&key(Kind::Owner, &[&owner]), &row)?;
        }
        Ok(())
    }
}

impl From<BlobRow> for BlobState {
    fn from(row: BlobRow) -> Self {
        Self {
            owner: Bytes::from(row.owner.into_vec()),
            length: row.length,
            offset: if row.complete { row.length } else { row.offset },
            sha256: row.sha256,
            expires_at: row.expires_at,
            complete: row.complete,
        }
    }
}

/// The folder of all blobs.
pub(super) fn folder(store: &Path) -> PathBuf {
    store.join("blobs")
}

fn path(store: &Path, name: &Hash) -> PathBuf {
    let name = hex::encode(name);
    folder(store).join(&name[..2]).join(name)
}

/// Removes a blob's file; one that stays is removed at the next opening.
pub(super) async fn remove_file(store: &Path, name: &Hash) {
    let path = path(store, name);
    if let Ok(Err(error)) = blocking(move || fs::remove_file(path)).await
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(error = %error, "a blob's file stays behind");
    }
}

/// Removes the files that no row knows.
pub(super) fn remove_orphans(store: &Path, known: impl Fn(&[u8]) -> bool) -> io::Result<()> {
    for group in fs::read_dir(folder(store))? {
        let group = group?;
        if !group.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(group.path())? {
            let file = file?;
            let name = file
                .file_name()
                .to_str()
                .and_then(|name| hex::decode(name).ok());
            if name.is_some_and(|name| !known(&name)) {
                fs::remove_file(file.path())?;
            }
        }
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| StoreError::Unavailable)
}

fn disk(error: &io::Error) -> StoreError {
    tracing::error!(error = %error, "the disk refused");
    if error.kind() == io::ErrorKind::StorageFull {
        StoreError::DiskFull
    } else {
        StoreError::Unavailable
    }
}
