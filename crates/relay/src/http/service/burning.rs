//! Burning what was read.
//!
//! Whether an answer arrived cannot be known. So what was read is deleted [`GRACE`] seconds after its
//! last byte was handed to the connection, and until then the same reader may ask again. An answer
//! that was cut burns nothing. A relay that dies in between has burned nothing either; one that is
//! stopped in order burns first.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::answer::Fault;
use super::token::Token;
use super::{Shared, keys, messages};
use crate::store::Seq;

/// Seconds between the last byte of an answer and the deletion.
pub(super) const GRACE: u64 = 120;

struct Fire {
    due: u64,
    read: Vec<Seq>,
    with_key: bool,
}

/// What is to burn, by token.
#[derive(Default)]
pub(super) struct Burning(Mutex<HashMap<Token, Fire>>);

impl Burning {
    /// These messages were read to the end.
    pub(super) fn lit(&self, token: Token, read: &[Seq], with_key: bool, now: u64) {
        let mut fires = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fire = fires.entry(token).or_insert_with(|| Fire {
            due: now.saturating_add(GRACE),
            read: Vec::new(),
            with_key,
        });
        fire.read.extend_from_slice(read);
    }

    fn take(&self, is_due: impl Fn(&Token, &Fire) -> bool) -> Vec<(Token, Fire)> {
        let mut fires = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        fires
            .extract_if(|token, fire| is_due(token, fire))
            .collect()
    }
}

/// Burns what is due of one key.
///
/// # Errors
/// The store; the fire is not forgotten.
pub(super) async fn settle(app: &Shared, token: &Token) -> Result<(), Fault> {
    let now = app.now();
    burn(app, |of, fire| of == token && fire.due <= now).await
}

/// Burns what is due; with `at_once`, all that was read.
pub(crate) async fn settle_all(app: &Shared, at_once: bool) {
    let now = app.now();
    if let Err(fault) = burn(app, |_, fire| at_once || fire.due <= now).await {
        tracing::error!(error = %fault, "what was read did not burn");
    }
}

async fn burn(app: &Shared, is_due: impl Fn(&Token, &Fire) -> bool) -> Result<(), Fault> {
    let mut failed = None;
    for (token, fire) in app.service.burning.take(is_due) {
        if let Err(fault) = burn_one(app, &token, &fire).await {
            app.service
                .burning
                .lit(token, &fire.read, fire.with_key, app.now());
            failed = Some(fault);
        }
    }
    failed.map_or(Ok(()), Err)
}

/// A message that came since keeps its key, until it is read.
async fn burn_one(app: &Shared, token: &Token, fire: &Fire) -> Result<(), Fault> {
    let (read, unread): (Vec<_>, Vec<_>) = messages::all(app, token)
        .await?
        .into_iter()
        .partition(|message| fire.read.contains(&message.seq));
    if fire.with_key && unread.is_empty() {
        keys::remove(app, token).await?;
    }
    messages::remove(app, token, &read).await?;
    Ok(())
}
