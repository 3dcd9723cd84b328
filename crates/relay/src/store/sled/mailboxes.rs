//! Family 1 on sled: mailboxes.
//!
//! A fate row stands for each key until `remember_until`: it is the idempotency memory and the
//! answer to "what became of it" in one, changed in the same batch as the item.

use async_trait::async_trait;
use bytes::Bytes;
use serde_bytes::ByteBuf;

use super::super::{Ack, Append, Appended, Fate, Item, Mailboxes, Seq, StoreError, Topic, Wake};
use super::expiry::{expires, no_longer_expires};
use super::rows::{
    Body, BoxRow, FateRow, FateState, Hash, ItemRow, Kind, decode, engine, hash, key,
    trailing_number,
};
use super::{SledStore, Txn};

#[async_trait]
impl Mailboxes for SledStore {
    async fn append(&self, item: Append) -> Result<Appended, StoreError> {
        self.writer.write(move |txn| append(txn, &item)).await?
    }

    async fn read(
        &self,
        mailbox: &[u8],
        after: Seq,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Item>, StoreError> {
        let mailbox = hash(mailbox);
        self.reading(move |shared| {
            let now = shared.now();
            let mut items = Vec::new();
            let mut bytes = 0_usize;
            let first = key(
                Kind::Item,
                &[&mailbox, &after.saturating_add(1).to_be_bytes()],
            );
            let last = key(Kind::Item, &[&mailbox, &u64::MAX.to_be_bytes()]);
            for row in shared.db.range(first..=last) {
                let (row_key, value) = row.map_err(engine)?;
                let row: ItemRow = decode(&value)?;
                if row.expires_at <= now {
                    continue;
                }
                bytes = bytes.saturating_add(usize::try_from(row.body.len()).unwrap_or(usize::MAX));
                if items.len() >= limit || (bytes > max_bytes && !items.is_empty()) {
                    break;
                }
                items.push(Item {
                    seq: trailing_number(&row_key),
                    received_at: row.received_at,
                    expires_at: row.expires_at,
                    body: row.body.load(&shared.db, &row_key)?,
                });
            }
            Ok(items)
        })
        .await
    }

    async fn ack(&self, mailbox: &[u8], mut acks: Vec<Ack>) -> Result<u64, StoreError> {
        let id = Bytes::copy_from_slice(mailbox);
        acks.sort_by_key(|ack| ack.seq);
        acks.dedup_by_key(|ack| ack.seq);
        self.writer
            .write(move |txn| {
                let mailbox = hash(&id);
                let mut counts = counts(txn, &mailbox)?;
                let mut removed = 0;
                for ack in acks {
                    let row_key = key(Kind::Item, &[&mailbox, &ack.seq.to_be_bytes()]);
                    let Some(item) = txn.row::<ItemRow>(&row_key)? else {
                        continue;
                    };
                    remove_item(txn, &row_key, &item, &mut counts);
                    let note = ack.note.map(|note| ByteBuf::from(note.to_vec()));
                    settle(txn, &mailbox, &item.key, FateState::Acked(note))?;
                    removed += 1;
                }
                if removed > 0 {
                    txn.put(&key(Kind::Box, &[&mailbox]), &counts)?;
                    txn.wake(Topic::Settled(id));
                }
                Ok(removed)
            })
            .await
    }

    async fn annotate(
        &self,
        mailbox: &[u8],
        item_key: &[u8],
        note: Bytes,
    ) -> Result<bool, StoreError> {
        let id = Bytes::copy_from_slice(mailbox);
        let item_key = hash(item_key);
        self.writer
            .write(move |txn| {
                let mailbox = hash(&id);
                let fate: Option<FateRow> = txn.row(&key(Kind::Fate, &[&mailbox, &item_key]))?;
                let bare = |fate: &FateRow| matches!(fate.state, FateState::Acked(None));
                if !fate.is_some_and(|fate| bare(&fate) && fate.remember_until > txn.now) {
                    return Ok(false);
                }
                txn.need_room()?;
                let state = FateState::Acked(Some(ByteBuf::from(note.to_vec())));
                settle(txn, &mailbox, &item_key, state)?;
                txn.wake(Topic::Settled(id));
                Ok(true)
            })
            .await
    }

    async fn withdraw(&self, mailbox: &[u8], item_key: &[u8]) -> Result<Option<Fate>, StoreError> {
        let id = Bytes::copy_from_slice(mailbox);
        let item_key = hash(item_key);
        self.writer
            .write(move |txn| {
                let mailbox = hash(&id);
                let Some(fate) = txn.row::<FateRow>(&key(Kind::Fate, &[&mailbox, &item_key]))?
                else {
                    return Ok(None);
                };
                if !matches!(fate.state, FateState::Waiting) || fate.expires_at <= txn.now {
                    return Ok(told(fate, txn.now));
                }
                let row_key = key(Kind::Item, &[&mailbox, &fate.seq.to_be_bytes()]);
                if let Some(item) = txn.row::<ItemRow>(&row_key)? {
                    let mut counts = counts(txn, &mailbox)?;
                    remove_item(txn, &row_key, &item, &mut counts);
                    txn.put(&key(Kind::Box, &[&mailbox]), &counts)?;
                }
                settle(txn, &mailbox, &item_key, FateState::Withdrawn)?;
                txn.wake(Topic::Settled(id));
                Ok(Some(Fate::Withdrawn))
            })
            .await
    }

    async fn fate(&self, mailbox: &[u8], item_key: &[u8]) -> Result<Option<Fate>, StoreError> {
        let row_key = key(Kind::Fate, &[&hash(mailbox), &hash(item_key)]);
        self.reading(move |shared| {
            let row = shared.db.get(row_key).map_err(engine)?;
            let row: Option<FateRow> = row.map(|value| decode(&value)).transpose()?;
            Ok(row.and_then(|row| told(row, shared.now())))
        })
        .await
    }

    fn wake(&self, topic: Topic) -> Wake {
        self.shared.hub.subscribe(topic)
    }
}

/// The inner refusal keeps what was tidied on the way to it.
fn append(txn: &mut Txn<'_>, new: &Append) -> Result<Result<Appended, StoreError>, StoreError> {
    let mailbox = hash(&new.mailbox);
    let item_key = hash(&new.key);
    let fate_key = key(Kind::Fate, &[&mailbox, &item_key]);
    let body_hash = hash(&new.body);
    let old: Option<FateRow> = txn.row(&fate_key)?;
    if let Some(old) = &old {
        if old.remember_until > txn.now {
            return Ok(if old.body == body_hash {
                Ok(Appended {
                    seq: old.seq,
                    repeated: true,
                })
            } else {
                Err(StoreError::BodyDiffers)
            });
        }
        no_longer_expires(txn, old.remember_until, &fate_key);
    }
    txn.need_room()?;
    let mut counts = counts(txn, &mailbox)?;
    let size = new.body.len() as u64;
    if !fits(&counts, size, new) {
        if counts.earliest <= txn.now {
            remove_expired(txn, &mailbox, &mut counts)?;
            txn.put(&key(Kind::Box, &[&mailbox]), &counts)?;
        }
        if !fits(&counts, size, new) {
            return Ok(Err(StoreError::QuotaFull));
        }
    }
    let seq = counts.last_seq + 1;
    let row_key = key(Kind::Item, &[&mailbox, &seq.to_be_bytes()]);
    let body = Body::put(txn, &row_key, &new.body);
    txn.put(
        &row_key,
        &ItemRow {
            received_at: txn.now,
            expires_at: new.expires_at,
            key: item_key,
            body,
        },
    )?;
    let remember_until = new.remember_until.max(new.expires_at);
    let state = FateState::Waiting;
    txn.put(
        &fate_key,
        &FateRow {
            seq,
            expires_at: new.expires_at,
            remember_until,
            body: body_hash,
            state,
        },
    )?;
    counts.last_seq = seq;
    counts.earliest = if counts.items == 0 {
        new.expires_at
    } else {
        counts.earliest.min(new.expires_at)
    };
    counts.items += 1;
    counts.bytes = counts.bytes.saturating_add(size);
    txn.put(&key(Kind::Box, &[&mailbox]), &counts)?;
    expires(txn, new.expires_at, &row_key);
    expires(txn, remember_until, &fate_key);
    txn.wake(Topic::Arrived(new.mailbox.clone()));
    Ok(Ok(Appended {
        seq,
        repeated: false,
    }))
}

fn fits(counts: &BoxRow, size: u64, new: &Append) -> bool {
    counts.items < new.quota.items && counts.bytes.saturating_add(size) <= new.quota.bytes
}

/// What the sweep has not come to yet must not cost a sender his place.
fn remove_expired(
    txn: &mut Txn<'_>,
    mailbox: &Hash,
    counts: &mut BoxRow,
) -> Result<(), StoreError> {
    counts.earliest = u64::MAX;
    for row in txn.tree().scan_prefix(key(Kind::Item, &[mailbox])) {
        let (row_key, value) = row.map_err(engine)?;
        let item: ItemRow = decode(&value)?;
        if item.expires_at <= txn.now {
            remove_item(txn, &row_key, &item, counts);
        } else {
            counts.earliest = counts.earliest.min(item.expires_at);
        }
    }
    Ok(())
}

/// Removes an item's row, parts and place in the expiry order, and counts it out.
pub(super) fn remove_item(txn: &mut Txn<'_>, row_key: &[u8], item: &ItemRow, counts: &mut BoxRow) {
    item.body.remove(txn, row_key);
    txn.remove(row_key);
    no_longer_expires(txn, item.expires_at, row_key);
    counts.items = counts.items.saturating_sub(1);
    counts.bytes = counts.bytes.saturating_sub(item.body.len());
}

/// The counts of a mailbox.
pub(super) fn counts(txn: &Txn<'_>, mailbox: &[u8]) -> Result<BoxRow, StoreError> {
    Ok(txn.row(&key(Kind::Box, &[mailbox]))?.unwrap_or_default())
}

fn settle(
    txn: &mut Txn<'_>,
    mailbox: &Hash,
    item_key: &Hash,
    state: FateState,
) -> Result<(), StoreError> {
    let fate_key = key(Kind::Fate, &[mailbox, item_key]);
    if let Some(row) = txn.row::<FateRow>(&fate_key)? {
        txn.put(&fate_key, &FateRow { state, ..row })?;
    }
    Ok(())
}

fn told(row: FateRow, now: u64) -> Option<Fate> {
    if row.remember_until <= now {
        return None;
    }
    Some(match row.state {
        FateState::Waiting if row.expires_at <= now => Fate::Expired,
        FateState::Waiting => Fate::Waiting,
        FateState::Acked(note) => Fate::Acked {
            note: note.map(|note| Bytes::from(note.into_vec())),
        },
        FateState::Withdrawn => Fate::Withdrawn,
    })
}
