//! The names of all trees. A name is part of what its rows are sealed with: never rename one.

/// Received messages in order: running number → what the list shows of the message.
pub(crate) const INBOX_PLACES: &str = "places/inbox";
/// Sent messages in order: running number → what the list shows of the message.
pub(crate) const SENT_PLACES: &str = "places/sent";
/// Message → its running number.
pub(crate) const PLACED: &str = "placed";
/// Envelope → message that went or came in it.
pub(crate) const ENVELOPES: &str = "envelopes";
/// Messages that the person has not looked at.
pub(crate) const UNOPENED: &str = "unopened";

/// Not a tree: the name of the key that makes lane ids.
pub(crate) const LANES: &str = "lanes";

/// Trees whose rows are sealed.
pub(crate) const SEALED: &[&str] = &[
    "contacts",
    "devices",
    "messages",
    "drafts",
    "drops",
    "replays",
    "prekeys",
    "activity",
    "own",
    "threads",
    "renewal",
    "history",
    "backups",
    INBOX_PLACES,
    SENT_PLACES,
    PLACED,
    ENVELOPES,
    UNOPENED,
    LANES,
];

/// Outgoing: lane, position → state of one submission.
pub(crate) const OUTBOX: &str = "carriage/outbox";
/// Outgoing: id → the submission's bytes.
pub(crate) const SUBMISSIONS: &str = "carriage/submissions";
/// Incoming: relay's sequence and number → what is known of the envelope.
pub(crate) const INCOMING: &str = "carriage/incoming";
/// Incoming: relay's sequence and number → the envelope's bytes.
pub(crate) const FETCHED: &str = "carriage/fetched";
/// Acknowledgements that their relays have not yet.
pub(crate) const OWED: &str = "carriage/owed";
/// Deliveries that are watched.
pub(crate) const WATCH: &str = "carriage/watch";
/// While a re-key is under way: which rows changed since, in order.
pub(crate) const JOURNAL: &str = "rekey/journal";
/// While a re-key is under way: how far it is.
pub(crate) const REKEY: &str = "rekey/state";
/// Small open values, the relays and mailbox cursors among them.
pub(crate) const PLAIN: &str = "carriage/plain";

/// Trees whose rows are readable while locked.
#[cfg(test)]
pub(crate) const CARRIED: &[&str] = &[OUTBOX, SUBMISSIONS, INCOMING, FETCHED, OWED, WATCH, PLAIN];
