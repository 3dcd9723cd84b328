//! What expires, in the order of its time: one row for each thing that goes by itself.

use super::super::StoreError;
use super::rows::{BagItemRow, BagRow, BlobRow, Hash, ItemRow, Kind, decode, engine, key};
use super::{Txn, blobs, mailboxes};

/// How many rows one step removes, so that a writer waits for milliseconds only.
const STEP: u64 = 256;

/// What a step of the sweep did.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) removed: u64,
    /// Blobs whose files can go now.
    pub(super) blobs: Vec<Hash>,
    pub(super) finished: bool,
}

/// Notes that the row goes at `time`.
pub(super) fn expires(txn: &mut Txn<'_>, time: u64, row: &[u8]) {
    txn.put_raw(&key(Kind::Expiry, &[&time.to_be_bytes(), row]), &[]);
}

/// Takes the note back.
pub(super) fn no_longer_expires(txn: &mut Txn<'_>, time: u64, row: &[u8]) {
    txn.remove(&key(Kind::Expiry, &[&time.to_be_bytes(), row]));
}

/// Removes the oldest expired rows.
pub(super) fn sweep_step(txn: &mut Txn<'_>) -> Result<Step, StoreError> {
    let mut step = Step {
        finished: true,
        ..Step::default()
    };
    let first = key(Kind::Expiry, &[]);
    let end = key(Kind::Expiry, &[&txn.now.saturating_add(1).to_be_bytes()]);
    // Rows of one box change its counts several times in one batch.
    let mut boxes = std::collections::HashMap::<Vec<u8>, super::rows::BoxRow>::new();
    let mut bags = std::collections::HashMap::<Vec<u8>, BagRow>::new();
    let mut owners = blobs::Owners::default();
    for row in txn.tree().range(first..end) {
        let (expiry_key, _) = row.map_err(engine)?;
        if step.removed >= STEP {
            step.finished = false;
            break;
        }
        step.removed += 1;
        txn.remove(&expiry_key);
        let row_key = &expiry_key[9..];
        let Some(value) = txn.tree().get(row_key).map_err(engine)? else {
            continue;
        };
        match row_key.first() {
            Some(&kind) if kind == Kind::Item as u8 => {
                let mailbox = row_key[1..33].to_vec();
                if !boxes.contains_key(&mailbox) {
                    let counts = mailboxes::counts(txn, &mailbox)?;
                    boxes.insert(mailbox.clone(), counts);
                }
                let item: ItemRow = decode(&value)?;
                if let Some(counts) = boxes.get_mut(&mailbox) {
                    mailboxes::remove_item(txn, row_key, &item, counts);
                }
            }
            Some(&kind) if kind == Kind::BagItem as u8 => {
                let bag = row_key[1..33].to_vec();
                if !bags.contains_key(&bag) {
                    let row = txn.row(&key(Kind::Bag, &[&bag]))?.unwrap_or_default();
                    bags.insert(bag.clone(), row);
                }
                let item: BagItemRow = decode(&value)?;
                item.body.remove(txn, row_key);
                txn.remove(row_key);
                if let Some(bag) = bags.get_mut(&bag) {
                    bag.waiting = bag.waiting.saturating_sub(1);
                }
            }
            Some(&kind) if kind == Kind::Blob as u8 => {
                let blob: BlobRow = decode(&value)?;
                owners.give_back(txn, &blob)?;
                txn.remove(row_key);
                step.blobs.extend(Hash::try_from(&row_key[1..]));
            }
            // Fates and seen keys: nothing else depends on them.
            _ => txn.remove(row_key),
        }
    }
    for (mailbox, counts) in boxes {
        txn.put(&key(Kind::Box, &[&mailbox]), &counts)?;
    }
    for (bag, row) in bags {
        txn.put(&key(Kind::Bag, &[&bag]), &row)?;
    }
    owners.put(txn)?;
    Ok(step)
}
