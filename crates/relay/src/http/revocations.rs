//! Revocations: an account's key says that it must not be believed any more (docs/protocol.md
//! section 2).
//!
//! Only the key of the account's current card can revoke: one that was rotated away may be in other
//! hands, and has no word any more. Who hands the statement in does not matter. It is kept for ever, so
//! that who looks at the account later still learns of it.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use waxwing_wire::api::{MEDIA_REVOCATION, Revocations};
use waxwing_wire::b64::B64;
use waxwing_wire::card::VerifiedCard;
use waxwing_wire::ids::AccountId;
use waxwing_wire::problem::Slug;
use waxwing_wire::revocation::{Revocation, RevocationError};

use super::caller::{Signed, need_media_type};
use super::{App, Refusal, Shared};
use crate::store::{Expect, Space, StoreError, Stored};

/// Revokes the key of an account's current card, for good. Any device may hand in the statement.
///
/// Repeating it, also after the key was replaced, is answered with 200.
#[utoipa::path(put, path = "/v1/accounts/{account}/revocation", tag = "cards",
    params(("account" = AccountId, Path, description = "The account, hex")),
    request_body(content = Vec<u8>, content_type = "application/cose"),
    responses(
        (status = 200, description = "It was here already"),
        (status = 201, description = "The key is revoked")))]
pub(super) async fn revoke(
    State(app): State<Shared>,
    Path(account): Path<String>,
    signed: Signed,
) -> Result<StatusCode, Refusal> {
    need_media_type(&signed.headers, MEDIA_REVOCATION)?;
    let account = super::id::<AccountId>(&account)?;
    let invalid = |error: RevocationError| {
        // Its words are fixed and name fields, never values.
        Refusal::because(Slug::RevocationInvalid, format!("{error}."))
    };
    let statement = Revocation::decode(&signed.body)
        .map_err(RevocationError::from)
        .and_then(Revocation::verify)
        .map_err(invalid)?;
    loop {
        let stored = load(&app, &account).await?;
        let (mut known, expect) = match &stored {
            None => (Vec::new(), Expect::Absent),
            Some(stored) => (read(stored)?, Expect::Version(stored.version)),
        };
        if known.iter().any(|known| known[..] == signed.body[..]) {
            return Ok(StatusCode::OK);
        }
        let current = app
            .directory
            .fresh_card(&account)
            .await?
            .ok_or_else(super::cards::unknown_account)?;
        if !statement.is_of(current.card.body()) {
            return Err(invalid(RevocationError::OtherKey));
        }
        // One that was made at another time says nothing more.
        if is_among(&known, &current.card) {
            return Ok(StatusCode::OK);
        }
        known.push(signed.body.to_vec());
        let value = postcard::to_stdvec(&known).map_err(|_| Slug::Internal)?;
        let place = (Space::Revocations, account.as_bytes());
        match app
            .store
            .save(place.0, place.1, Some(Bytes::from(value)), expect)
            .await
        {
            Ok(_) => return Ok(StatusCode::CREATED),
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Every revocation of an account; none for most.
#[utoipa::path(get, path = "/v1/accounts/{account}/revocation", tag = "cards",
    params(("account" = AccountId, Path, description = "The account, hex")),
    responses((status = 200, body = Revocations)))]
pub(super) async fn revocations(
    State(app): State<Shared>,
    Path(account): Path<String>,
    _signed: Signed,
) -> Result<Json<Revocations>, Refusal> {
    let account = super::id::<AccountId>(&account)?;
    if app.directory.card(&account).await?.is_none() {
        return Err(super::cards::unknown_account());
    }
    let known = match load(&app, &account).await? {
        Some(stored) => read(&stored)?,
        None => Vec::new(),
    };
    let statements = known.into_iter().map(B64).collect();
    Ok(Json(Revocations { statements }))
}

/// Whether the key of this card was revoked.
pub(super) async fn is_revoked(app: &App, card: &VerifiedCard) -> Result<bool, Refusal> {
    Ok(match load(app, &card.body().account_id).await? {
        Some(stored) => is_among(&read(&stored)?, card),
        None => false,
    })
}

/// Refuses what a revoked key would have a say in.
pub(super) async fn refuse_revoked(app: &App, card: &VerifiedCard) -> Result<(), Refusal> {
    if is_revoked(app, card).await? {
        let detail = "Only a card with another identity key, signed by it alone, is taken.";
        return Err(Refusal::because(Slug::AccountRevoked, detail));
    }
    Ok(())
}

/// They were proven before they were saved.
fn is_among(statements: &[Vec<u8>], card: &VerifiedCard) -> bool {
    let revocations = statements
        .iter()
        .filter_map(|bytes| Revocation::decode(bytes).ok()?.verify().ok());
    revocations
        .into_iter()
        .any(|statement| statement.is_of(card.body()))
}

async fn load(app: &App, account: &AccountId) -> Result<Option<Stored>, StoreError> {
    app.store.load(Space::Revocations, account.as_bytes()).await
}

fn read(stored: &Stored) -> Result<Vec<Vec<u8>>, Refusal> {
    postcard::from_bytes(&stored.value).map_err(|_| {
        tracing::error!("stored revocations are damaged");
        Refusal::from(Slug::Internal)
    })
}
