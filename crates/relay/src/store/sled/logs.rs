//! Family 4 on sled: logs.

use async_trait::async_trait;
use bytes::Bytes;

use super::super::{Appended, Direction, Logs, Seq, StoreError};
use super::SledStore;
use super::rows::{Body, Kind, decode, engine, hash, key, trailing_number};

#[async_trait]
impl Logs for SledStore {
    async fn add(&self, log: &[u8], entry_key: &[u8], body: Bytes) -> Result<Appended, StoreError> {
        let log = hash(log);
        let seen_key = key(Kind::LogSeen, &[&log, &hash(entry_key)]);
        self.writer
            .write(move |txn| {
                if let Some(seq) = txn.row(&seen_key)? {
                    return Ok(Appended {
                        seq,
                        repeated: true,
                    });
                }
                txn.need_room()?;
                let log_key = key(Kind::Log, &[&log]);
                let seq: Seq = txn.row::<Seq>(&log_key)?.unwrap_or(0) + 1;
                let row_key = key(Kind::LogEntry, &[&log, &seq.to_be_bytes()]);
                let body = Body::put(txn, &row_key, &body);
                txn.put(&row_key, &body)?;
                txn.put(&seen_key, &seq)?;
                txn.put(&log_key, &seq)?;
                Ok(Appended {
                    seq,
                    repeated: false,
                })
            })
            .await
    }

    async fn page(
        &self,
        log: &[u8],
        from: Option<Seq>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<(Seq, Bytes)>, StoreError> {
        let log = hash(log);
        self.reading(move |shared| {
            let at = |seq: Seq| key(Kind::LogEntry, &[&log, &seq.to_be_bytes()]);
            let load = |row: ::sled::Result<(::sled::IVec, ::sled::IVec)>| {
                let (row_key, value) = row.map_err(engine)?;
                Ok((
                    trailing_number(&row_key),
                    decode::<Body>(&value)?.load(&shared.db, &row_key)?,
                ))
            };
            match direction {
                Direction::Forwards => shared
                    .db
                    .range(at(from.unwrap_or(0))..=at(Seq::MAX))
                    .take(limit)
                    .map(load)
                    .collect(),
                Direction::Backwards => shared
                    .db
                    .range(at(0)..=at(from.unwrap_or(Seq::MAX)))
                    .rev()
                    .take(limit)
                    .map(load)
                    .collect(),
            }
        })
        .await
    }
}
