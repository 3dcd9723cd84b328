//! A directory and mailbox that holds sealed envelopes it cannot open.
