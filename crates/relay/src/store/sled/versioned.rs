//! Family 2 on sled: a versioned key-value map with compare-and-swap.

use async_trait::async_trait;
use bytes::Bytes;

use super::super::{Expect, Space, StoreError, Stored, Versioned};
use super::SledStore;
use super::rows::{Body, Kind, VersionedRow, decode, engine, hash, key};

fn row_key(space: Space, name: &[u8]) -> Vec<u8> {
    key(Kind::Versioned, &[&[space as u8], &hash(name)])
}

#[async_trait]
impl Versioned for SledStore {
    async fn load(&self, space: Space, name: &[u8]) -> Result<Option<Stored>, StoreError> {
        let row_key = row_key(space, name);
        self.reading(move |shared| {
            let Some(value) = shared.db.get(&row_key).map_err(engine)? else {
                return Ok(None);
            };
            let row: VersionedRow = decode(&value)?;
            row.value
                .map(|body| {
                    Ok(Stored {
                        version: row.version,
                        value: body.load(&shared.db, &row_key)?,
                    })
                })
                .transpose()
        })
        .await
    }

    async fn save(
        &self,
        space: Space,
        name: &[u8],
        value: Option<Bytes>,
        expect: Expect,
    ) -> Result<u64, StoreError> {
        let row_key = row_key(space, name);
        self.writer
            .write(move |txn| {
                let old: Option<VersionedRow> = txn.row(&row_key)?;
                let current = old
                    .as_ref()
                    .filter(|row| row.value.is_some())
                    .map(|row| row.version);
                let met = match expect {
                    Expect::Any => true,
                    Expect::Absent => current.is_none(),
                    Expect::Version(version) => current == Some(version),
                };
                if !met {
                    return Err(StoreError::Conflict { current });
                }
                if value.is_some() {
                    txn.need_room()?;
                }
                let version = old.as_ref().map_or(0, |row| row.version) + 1;
                if let Some(old) = old.and_then(|row| row.value) {
                    old.remove(txn, &row_key);
                }
                let value = value.map(|value| Body::put(txn, &row_key, &value));
                txn.put(&row_key, &VersionedRow { version, value })?;
                Ok(version)
            })
            .await
    }
}
