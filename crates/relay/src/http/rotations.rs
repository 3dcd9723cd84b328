//! Rotations: the cards by which an account's keys followed each other (docs/protocol.md section 2).
//!
//! Who missed one finds in them the old key's word for the new one.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use waxwing_wire::api::{Rotations, RotationsQuery};
use waxwing_wire::b64::B64;
use waxwing_wire::card::{Card, VerifiedCard};
use waxwing_wire::ids::AccountId;
use waxwing_wire::problem::Slug;

use super::caller::Signed;
use super::{App, Refusal, Shared};
use crate::store::{Direction, StoreError};

/// Cards in one answer.
const PAGE: usize = 16;

/// The rotations of an account with a higher version than `after`, oldest first, at most 16: who has got so
/// many asks on after the last one.
#[utoipa::path(get, path = "/v1/accounts/{account}/rotations", tag = "cards",
    params(("account" = AccountId, Path, description = "The account, hex"), ("after" = Option<u64>, Query)),
    responses((status = 200, body = Rotations)))]
pub(super) async fn rotations(
    State(app): State<Shared>,
    Path(account): Path<String>,
    query: Result<Query<RotationsQuery>, QueryRejection>,
    _signed: Signed,
) -> Result<Json<Rotations>, Refusal> {
    let account = super::id::<AccountId>(&account)?;
    let Query(query) =
        query.map_err(|_| Refusal::because(Slug::BodyInvalid, "The query cannot be read."))?;
    if app.directory.card(&account).await?.is_none() {
        return Err(super::cards::unknown_account());
    }
    let (log, mut cards, mut from) = (log_of(&account), Vec::new(), None);
    loop {
        let page = app.store.page(&log, from, Direction::Forwards, PAGE);
        let page = page.await?;
        let Some((last, _)) = page.last() else {
            break;
        };
        from = Some(last + 1);
        cards.extend(page.into_iter().filter_map(|(_, card)| {
            let version = Card::decode(&card).ok()?.body().version;
            (version > query.after).then(|| B64(card.to_vec()))
        }));
        if cards.len() >= PAGE {
            cards.truncate(PAGE);
            break;
        }
    }
    Ok(Json(Rotations { cards }))
}

/// Keeps a card that brought another key with the old one's word; any other is passed over.
pub(super) async fn record(app: &App, card: &VerifiedCard) -> Result<(), StoreError> {
    if card.card().is_rotation() {
        let bytes = Bytes::copy_from_slice(card.as_bytes());
        let log = log_of(&card.body().account_id);
        app.store.add(&log, card.hash().as_bytes(), bytes).await?;
    }
    Ok(())
}

fn log_of(account: &AccountId) -> Vec<u8> {
    [&b"rotations/"[..], account.as_bytes()].concat()
}
