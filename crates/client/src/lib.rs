//! Everything a person can do with Waxwing, without a window.
//!
//! [`App`] is one profile: its vault, its line to the relay, and the loops that carry envelopes.
//! A method is a question or an act; [`App::changes`] tells what to ask again. "Save, then tell":
//! whatever is announced is on disk already, and the relay is acknowledged after the disk.
//!
//! | file | what |
//! |---|---|
//! | `app` | the parts together; start and close |
//! | `vault`, `onboarding` | opening, closing, setting up |
//! | `keys`, `rekey` | another passphrase, the activity list; a new root key for the whole vault |
//! | `renewal` | new keys for the account, its revocation, and who has heard of it |
//! | `backup` | one sealed file of all that is here; a vault made of it |
//! | `devices`, `linking`, `meeting` | the account's devices: listed, removed; another one linked, at a relay |
//! | `history` | what one of the account's devices remembers, given to another |
//! | `drafts`, `compose`, `sealing` | writing, sending |
//! | `letters`, `reader` | reading |
//! | `outbox`, `inbox`, `watch` | the three loops: hand in, fetch, follow what was handed in |
//! | `opening`, `filing`, `handing_in` | from fetched ciphertext to a message; its rows; one lane's head to the relay |
//! | `contacts`, `directory`, `qr`, `own_card` | people; their cards and pins; key codes as pictures; our own card |
//! | `prekeys`, `spares` | prekeys, ours and the spares of others |
//! | `files`, `transfers`, `names` | sealing, sending, fetching and saving files |
//! | `line`, `call`, `relays`, `host` | a relay over the network; the present one and those that were left; the one on this computer |
//! | `view`, `failure` | what a window is shown |

pub mod clock;
pub mod failure;
pub mod host;
pub mod key_service;
pub mod passphrase;
pub mod qr;
pub mod view;

mod app;
mod backoff;
mod backup;
mod call;
mod chance;
mod changes;
mod compose;
mod contacts;
mod devices;
mod directory;
mod drafts;
mod drops;
mod files;
mod filing;
mod handing_in;
mod history;
mod inbox;
mod keys;
mod letters;
mod line;
mod linking;
mod meeting;
mod names;
mod onboarding;
mod opening;
mod outbox;
mod own_card;
mod prekeys;
mod reader;
mod rekey;
mod relays;
mod renewal;
mod sealing;
mod settings;
mod spares;
mod transfers;
mod vault;
mod watch;

pub use app::{App, Config};
pub use changes::Changes;
pub use failure::Failure;
pub use waxwing_crypto::recovery::word_list;
