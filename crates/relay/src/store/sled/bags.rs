//! Family 3 on sled: one-time bags.

use std::collections::HashSet;

use async_trait::async_trait;
use bytes::Bytes;

use super::super::{BagItem, Bags, StoreError};
use super::expiry::{expires, no_longer_expires};
use super::rows::{BagItemRow, BagRow, Body, Kind, decode, engine, hash, key};
use super::{SledStore, Txn};

#[async_trait]
impl Bags for SledStore {
    async fn fill(&self, bag: &[u8], items: Vec<BagItem>, most: u64) -> Result<u64, StoreError> {
        let bag = hash(bag);
        self.writer
            .write(move |txn| {
                let bag_key = key(Kind::Bag, &[&bag]);
                let mut row: BagRow = txn.row(&bag_key)?.unwrap_or_default();
                // What the sweep has not come to yet must not take a new item's place.
                for entry in txn.tree().scan_prefix(key(Kind::BagItem, &[&bag])) {
                    let (item_key, value) = entry.map_err(engine)?;
                    let item: BagItemRow = decode(&value)?;
                    if item.expires_at <= txn.now {
                        remove_item(txn, &item_key, &item, &mut row);
                    }
                }
                let before = row.waiting;
                let mut now_seen = HashSet::new();
                for item in items {
                    let seen_key = key(Kind::BagSeen, &[&bag, &hash(&item.key)]);
                    let seen = txn.tree().contains_key(&seen_key).map_err(engine)?;
                    // What is over already could never be popped, only fill the bag.
                    if seen || item.expires_at <= txn.now || !now_seen.insert(item.key) {
                        continue;
                    }
                    let item_key = key(Kind::BagItem, &[&bag, &row.next.to_be_bytes()]);
                    let body = Body::put(txn, &item_key, &item.body);
                    txn.put(
                        &item_key,
                        &BagItemRow {
                            expires_at: item.expires_at,
                            body,
                        },
                    )?;
                    txn.put_raw(&seen_key, &[]);
                    expires(txn, item.expires_at, &item_key);
                    expires(txn, item.expires_at, &seen_key);
                    row.next += 1;
                    row.waiting += 1;
                }
                if row.waiting > before {
                    txn.need_room()?;
                    if row.waiting > most {
                        return Err(StoreError::QuotaFull);
                    }
                }
                txn.put(&bag_key, &row)?;
                Ok(row.waiting)
            })
            .await
    }

    async fn pop(&self, bag: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let bag = hash(bag);
        self.writer
            .write(move |txn| {
                let bag_key = key(Kind::Bag, &[&bag]);
                let mut row: BagRow = txn.row(&bag_key)?.unwrap_or_default();
                let mut popped = None;
                for entry in txn.tree().scan_prefix(key(Kind::BagItem, &[&bag])) {
                    let (item_key, value) = entry.map_err(engine)?;
                    let item: BagItemRow = decode(&value)?;
                    remove_item(txn, &item_key, &item, &mut row);
                    if item.expires_at > txn.now {
                        popped = Some(item.body.load(txn.tree(), &item_key)?);
                        break;
                    }
                }
                txn.put(&bag_key, &row)?;
                Ok(popped)
            })
            .await
    }

    async fn waiting(&self, bag: &[u8]) -> Result<u64, StoreError> {
        let bag = hash(bag);
        self.reading(move |shared| {
            let now = shared.now();
            let mut waiting = 0;
            for entry in shared.db.scan_prefix(key(Kind::BagItem, &[&bag])) {
                let (_, value) = entry.map_err(engine)?;
                waiting += u64::from(decode::<BagItemRow>(&value)?.expires_at > now);
            }
            Ok(waiting)
        })
        .await
    }
}

/// Removes an item's row, parts and place in the expiry order, and counts it out.
fn remove_item(txn: &mut Txn<'_>, item_key: &[u8], item: &BagItemRow, row: &mut BagRow) {
    item.body.remove(txn, item_key);
    txn.remove(item_key);
    no_longer_expires(txn, item.expires_at, item_key);
    row.waiting = row.waiting.saturating_sub(1);
}
