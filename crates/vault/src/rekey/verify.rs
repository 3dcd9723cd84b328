//! Before the commit: the next store is counted against the old one and sample-read.

use rand_core::CryptoRng;

use super::copy::{Under, may_lack};
use super::mirror::{Mirror, OldRow};
use super::trees::{DERIVED, FOLLOWED, LAST};
use crate::VaultError;
use crate::engine::{Change, Op, Order};
use crate::keys::Opened;
use crate::lists;
use crate::rows::{PrekeySecret, Row as _};

/// Rows from either end of every tree. Keys are hashes for the most part, so these are drawn by lot.
const SAMPLE: usize = 16;

const DIFFERS: VaultError = VaultError::Corrupt("the next store differs from the old one");

/// Nobody else may write meanwhile.
pub(super) fn check(
    under: &Under,
    old: &Opened,
    rng: &mut dyn CryptoRng,
) -> Result<(), VaultError> {
    let (from, to) = (&old.current.engine, &under.next.engine);
    for tree in [FOLLOWED, DERIVED, LAST].concat() {
        let (there, here) = (from.count(tree, &[])?, to.count(tree, &[])?);
        let is_right = match tree {
            PrekeySecret::TREE => {
                let rows = crate::engine::all_rows(from.as_ref(), tree)?;
                let live = rows.iter().filter(|(_, row)| old.keys.has_epoch_of(row));
                live.count() as u64 == here
            }
            tree if may_lack(tree, &under.mark) => here <= there,
            _ => here == there,
        };
        if !is_right {
            return Err(DIFFERS);
        }
    }
    for tree in FOLLOWED {
        for order in [Order::OldestFirst, Order::NewestFirst] {
            let mut mirror = Mirror::new(from.as_ref(), &old.keys, &under.keys, rng);
            for (key, value) in from.page(tree, &[], None, order, SAMPLE)? {
                mirror.row(OldRow {
                    tree,
                    key: &key,
                    now: Some(&value),
                    before: None,
                })?;
            }
            for op in mirror.into_ops() {
                compare(under, &op)?;
            }
        }
    }
    Ok(())
}

/// What a row would be made once more is what stands in the next store.
fn compare(under: &Under, op: &Op) -> Result<(), VaultError> {
    let there = under.next.engine.load(op.tree, &op.key)?;
    let is_same = match (&op.change, there) {
        (Change::Delete, there) => there.is_none(),
        (Change::Put(_) | Change::Create(_), None) => false,
        (Change::Put(wanted) | Change::Create(wanted), Some(there)) => {
            plain(under, op, wanted)? == plain(under, op, &there)?
        }
    };
    if is_same { Ok(()) } else { Err(DIFFERS) }
}

fn plain(under: &Under, op: &Op, stored: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, VaultError> {
    match op.tree {
        PrekeySecret::TREE => {
            let place = (op.tree, PrekeySecret::SCHEMA, op.key.as_slice());
            under.keys.open_in_epoch(place, stored)
        }
        tree if crate::trees::SEALED.contains(&tree) => {
            // Every sealed tree has this schema so far; another would not open, and be noticed.
            under.keys.open(tree, lists::SCHEMA, &op.key, stored)
        }
        _ => Ok(stored.to_vec().into()),
    }
}
