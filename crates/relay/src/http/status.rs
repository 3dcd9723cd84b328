//! Where envelopes are, for their sender: long poll until one state differs from what is known.

use std::collections::HashSet;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use futures_util::future::select_all;
use waxwing_wire::api::{EnvelopeState, StatusItem, StatusPage, StatusQuery};
use waxwing_wire::b64::B64;
use waxwing_wire::problem::Slug;

use super::caller::Signed;
use super::mailbox::LONGEST_WAIT;
use super::{App, Refusal, Shared};
use crate::store::{Fate, StoreError, Topic};

/// Envelopes in one call.
const ASKED: usize = 500;

/// The states of envelopes, in the order asked. With `wait`, answers as soon as one differs from
/// `known`, or when the time is over or the relay stops.
#[utoipa::path(post, path = "/v1/status", tag = "envelopes",
    request_body = StatusQuery,
    responses((status = 200, body = StatusPage)))]
pub(super) async fn status(
    State(app): State<Shared>,
    signed: Signed,
) -> Result<Json<StatusPage>, Refusal> {
    let query: StatusQuery = signed.json()?;
    if query.items.len() > ASKED {
        return Err(Refusal::because(
            Slug::TooLarge,
            format!("At most {ASKED} in one call."),
        ));
    }
    let over = tokio::time::sleep(Duration::from_secs(query.wait.min(LONGEST_WAIT)));
    tokio::pin!(over);
    let boxes: HashSet<_> = query.items.iter().map(|ask| ask.to).collect();
    let mut wakes: Vec<_> = boxes
        .iter()
        .map(|to| {
            app.store
                .wake(Topic::Settled(to.as_bytes().to_vec().into()))
        })
        .collect();
    loop {
        let items = states(&app, &query).await?;
        let differs = items
            .iter()
            .zip(&query.items)
            .any(|(item, ask)| item.state != ask.known);
        if differs || query.wait == 0 || wakes.is_empty() {
            return Ok(Json(StatusPage { items }));
        }
        let changed = select_all(wakes.iter_mut().map(|wake| Box::pin(wake.changed())));
        tokio::select! {
            _ = changed => {}
            // Expiry wakes nobody: the last look sees it.
            () = &mut over => return Ok(Json(StatusPage { items: states(&app, &query).await? })),
            () = app.stopping.cancelled() => return Ok(Json(StatusPage { items })),
        }
    }
}

async fn states(app: &App, query: &StatusQuery) -> Result<Vec<StatusItem>, StoreError> {
    let mut items = Vec::with_capacity(query.items.len());
    for ask in &query.items {
        let fate = app
            .store
            .fate(ask.to.as_bytes(), ask.env_id.as_bytes())
            .await?;
        let state = state_of(fate.as_ref());
        let statement = match fate {
            Some(Fate::Acked { note: Some(note) }) => Some(B64(note.to_vec())),
            _ => None,
        };
        items.push(StatusItem {
            env_id: ask.env_id,
            to: ask.to,
            state,
            statement,
        });
    }
    Ok(items)
}

/// A fate in the words of the interface.
pub(super) fn state_of(fate: Option<&Fate>) -> EnvelopeState {
    match fate {
        Some(Fate::Waiting) => EnvelopeState::AtRelay,
        Some(Fate::Acked { note: None }) => EnvelopeState::Fetched,
        Some(Fate::Acked { note: Some(_) }) => EnvelopeState::Retry,
        Some(Fate::Expired) => EnvelopeState::Expired,
        Some(Fate::Withdrawn) => EnvelopeState::Recalled,
        None => EnvelopeState::Unknown,
    }
}
