//! What a window may ask and do: one line each, down to `waxwing-client`.
//!
//! An **ask** is a noun, a **do** is a verb. Nothing is decided here. Which window may call which
//! command stands in `capabilities/`.

pub(crate) mod backups;
pub(crate) mod contacts;
pub(crate) mod devices;
pub(crate) mod drops;
pub(crate) mod envelopes;
pub(crate) mod keys;
pub(crate) mod onboarding;
pub(crate) mod settings;
pub(crate) mod vault;

use tauri::State;
use waxwing_client::App;

/// The engine, as commands receive it.
pub(crate) type Engine<'a> = State<'a, App>;
