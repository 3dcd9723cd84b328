//! Which tree comes into the next store how.

use crate::rows::{
    Activity, Backup, Contact, Device, Draft, DropBox, History, Message, OwnCard, PrekeySecret,
    Renewal, Replay, Row, Thread,
};
use crate::trees::{
    ENVELOPES, FETCHED, INBOX_PLACES, INCOMING, OUTBOX, OWED, PLACED, PLAIN, SENT_PLACES,
    SUBMISSIONS, UNOPENED, WATCH,
};

/// Trees whose rows are copied one by one, and whose changes are noted meanwhile, in this order.
pub(super) const FOLLOWED: &[&str] = &[
    Contact::TREE,
    Device::TREE,
    OwnCard::TREE,
    Thread::TREE,
    Renewal::TREE,
    History::TREE,
    Replay::TREE,
    Draft::TREE,
    DropBox::TREE,
    Backup::TREE,
    Activity::TREE,
    PrekeySecret::TREE,
    Message::TREE,
    INBOX_PLACES,
    SENT_PLACES,
    ENVELOPES,
    SUBMISSIONS,
    INCOMING,
    FETCHED,
    OWED,
    WATCH,
    PLAIN,
];

/// Trees that follow from others: `placed` from the places, `unopened` from the messages.
pub(super) const DERIVED: &[&str] = &[PLACED, UNOPENED];

/// Trees that are copied when nobody else may write: lanes get their next names all at once.
pub(super) const LAST: &[&str] = &[OUTBOX];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trees::{CARRIED, LANES, SEALED};

    #[test]
    fn every_tree_comes_into_the_next_store() {
        let mut known: Vec<&str> = [FOLLOWED, DERIVED, LAST].concat();
        let mut there: Vec<&str> = [SEALED, CARRIED].concat();
        there.retain(|tree| *tree != LANES);
        known.sort_unstable();
        there.sort_unstable();
        assert_eq!(known, there);
    }
}
