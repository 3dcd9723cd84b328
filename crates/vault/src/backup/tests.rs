#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
use super::content::{CARRIED, OPENED};
use crate::rows::{PrekeySecret, Row as _};
use crate::trees::{self, INBOX_PLACES, LANES, PLACED, SEALED, SENT_PLACES, UNOPENED};

#[test]
fn every_tree_comes_into_a_backup_or_follows_from_what_does() {
    let follow = [INBOX_PLACES, SENT_PLACES, PLACED, UNOPENED];
    // A backup brings back nothing that was destroyed.
    let left_out = [PrekeySecret::TREE];
    let opened: Vec<&str> = OPENED.iter().map(|(tree, _)| *tree).collect();
    let mut known: Vec<&str> = [opened.as_slice(), CARRIED, &follow, &left_out].concat();
    let mut there: Vec<&str> = [SEALED, trees::CARRIED].concat();
    there.retain(|tree| *tree != LANES);
    known.sort_unstable();
    there.sort_unstable();
    assert_eq!(known, there);
}
