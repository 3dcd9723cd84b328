//! Cards: the directory's entries (docs/protocol.md section 2).
//!
//! The relay accepts a first card of any version, for who moves here brings the present one, and
//! after that only later ones. Cards between may be missing: they were put elsewhere. It refuses
//! what clients would refuse too, so that a mistake is met by its maker: rollbacks, forks, and an
//! identity key that changes without the old key's signature. After a revocation it is the reverse:
//! nothing of the revoked key is taken any more, and the one card that is takes its place without it.

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use waxwing_wire::api::MEDIA_CARD;
use waxwing_wire::card::{Card, CardError, VerifiedCard};
use waxwing_wire::ids::AccountId;
use waxwing_wire::limits::MAX_CARD_BYTES;
use waxwing_wire::problem::Slug;

use super::caller::{Claimed, Signed, check_digest, need_media_type, read_body};
use super::directory::Current;
use super::{App, Refusal, Shared, revocations, rotations};
use crate::store::{Expect, Space, StoreError};

/// Every accepted card, in order: the ground for a log that can be audited.
const CARD_LOG: &[u8] = b"cards";

/// What a put expects to replace.
enum Precondition {
    Absent,
    Version(u64),
}

/// Puts an account's first card here or a later one, signed by the transport key of a device in that card.
///
/// After a revocation only the next card with another identity key is taken, signed by that key alone. Its put
/// is signed by the transport key that the device had in the revoked card: no stranger takes the account.
/// Repeating a put whose answer was lost is answered like the first time, with 200.
#[utoipa::path(put, path = "/v1/accounts/{account}/card", tag = "cards",
    params(("account" = AccountId, Path, description = "The account, hex"),
        ("If-None-Match" = Option<String>, Header, description = "`*` for the first card"),
        ("If-Match" = Option<String>, Header, description = "The current version in quotes")),
    request_body(content = Vec<u8>, content_type = "application/cose"),
    responses(
        (status = 200, description = "Replaced, or already there", headers(("ETag" = String))),
        (status = 201, description = "The account's first card", headers(("ETag" = String)))))]
pub(super) async fn put_card(
    State(app): State<Shared>,
    Path(account): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let claimed = Claimed::read(&parts, &app)?;
    need_media_type(&parts.headers, MEDIA_CARD)?;
    // The key that proves the request is in the body, so the body comes first here alone.
    let body = read_body(&parts.headers, body, MAX_CARD_BYTES, &app).await?;
    let account = super::id::<AccountId>(&account)?;
    let card = Card::decode(&body).map_err(|error| invalid(&error.into()))?;
    if card.body().account_id != account || claimed.params.account_id != account {
        return Err(Refusal::because(
            Slug::CardInvalid,
            "The card, its path and its signer name different accounts.",
        ));
    }
    let device = card
        .body()
        .device(&claimed.params.device_id)
        .ok_or_else(|| {
            Refusal::because(
                Slug::UnknownDevice,
                "The signing device is not in the card.",
            )
        })?;
    let current = app.directory.fresh_card(&account).await?;
    let resets = match &current {
        Some(current) => is_reset(&app, &card, &current.card).await?,
        None => false,
    };
    let signing = match &current {
        Some(current) if resets => current.card.body().device(&device.device_id),
        _ => Some(device),
    };
    let signing = signing.ok_or_else(|| {
        Refusal::because(
            Slug::UnknownDevice,
            "The signing device is not in the revoked card.",
        )
    })?;
    claimed.prove(&parts, &app, &signing.transport)?;
    check_digest(&parts.headers, &body)?;
    let expected = precondition(&parts.headers)?;

    if let Some(current) = &current
        && current.card.as_bytes() == &body[..]
    {
        return there_already(&app, current).await;
    }
    let version = current.as_ref().map(|current| current.card.body().version);
    let (card, expect) = match (&current, expected) {
        (None, Precondition::Absent) => {
            app.limits.account()?;
            (card.verify_arrival(app.now()), Expect::Absent)
        }
        (Some(current), Precondition::Version(expected)) if version == Some(expected) => {
            let proven = if resets {
                card.verify_reset(&current.card, app.now())
            } else {
                revocations::refuse_revoked(&app, &current.card).await?;
                card.verify_later(&current.card, app.now())
            };
            (proven, Expect::Version(current.stored))
        }
        _ => return Err(changed(current.as_deref())),
    };
    let card = card.map_err(|error| invalid(&error))?;
    claim_mailboxes(&app, &card).await?;

    let bytes = Bytes::copy_from_slice(card.as_bytes());
    let stored = match app
        .store
        .save(Space::Cards, account.as_bytes(), Some(bytes), expect)
        .await
    {
        Ok(stored) => stored,
        Err(StoreError::Conflict { .. }) => {
            // The same put may have been made twice at the same time.
            return match app.directory.fresh_card(&account).await? {
                Some(current) if current.card.as_bytes() == card.as_bytes() => {
                    there_already(&app, &current).await
                }
                current => Err(changed(current.as_deref())),
            };
        }
        Err(error) => return Err(error.into()),
    };
    record(&app, &card).await?;
    let current = app.directory.remember(account, Current { stored, card });
    let status = if version.is_none() {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, [(header::ETAG, current.etag())]).into_response())
}

/// Whether a card wants to take the place of one whose key was revoked. Nothing of it is proven yet.
async fn is_reset(app: &App, card: &Card, current: &VerifiedCard) -> Result<bool, Refusal> {
    Ok(!card.is_rotation()
        && card.body().identity != current.body().identity
        && revocations::is_revoked(app, current).await?)
}

/// Answers a put of the card that is the current one.
async fn there_already(app: &App, current: &Current) -> Result<Response, Refusal> {
    record(app, &current.card).await?;
    Ok((StatusCode::OK, [(header::ETAG, current.etag())]).into_response())
}

/// An account's current card.
#[utoipa::path(get, path = "/v1/accounts/{account}/card", tag = "cards",
    params(("account" = AccountId, Path, description = "The account, hex"),
        ("If-None-Match" = Option<String>, Header, description = "A version in quotes that is known already")),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/cose", headers(("ETag" = String))),
        (status = 304, description = "The version is the current one")))]
pub(super) async fn card(
    State(app): State<Shared>,
    Path(account): Path<String>,
    signed: Signed,
) -> Result<Response, Refusal> {
    let account = super::id::<AccountId>(&account)?;
    let current = app
        .directory
        .card(&account)
        .await?
        .ok_or_else(unknown_account)?;
    let etag = current.etag();
    if text(&signed.headers, &header::IF_NONE_MATCH) == Some(etag.as_str()) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let headers = [
        (header::CONTENT_TYPE, MEDIA_CARD.to_owned()),
        (header::ETAG, etag),
    ];
    Ok((headers, current.card.as_bytes().to_vec()).into_response())
}

pub(super) fn unknown_account() -> Refusal {
    Refusal::because(
        Slug::UnknownAccount,
        "No account with this id has a card at this relay.",
    )
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::trim)
}

fn precondition(headers: &HeaderMap) -> Result<Precondition, Refusal> {
    let quoted = |text: &str| text.strip_prefix('"')?.strip_suffix('"')?.parse().ok();
    match (
        text(headers, &header::IF_NONE_MATCH),
        text(headers, &header::IF_MATCH),
    ) {
        (Some("*"), None) => Ok(Precondition::Absent),
        (None, Some(version)) => quoted(version).map(Precondition::Version).ok_or_else(|| {
            Refusal::because(
                Slug::BodyInvalid,
                "`If-Match` must be the current version in quotes.",
            )
        }),
        _ => Err(Refusal::because(
            Slug::PreconditionRequired,
            "Send `If-None-Match: *` for a first card, or `If-Match` with the current version.",
        )),
    }
}

fn invalid(error: &CardError) -> Refusal {
    // Its words are fixed and name fields, never values.
    Refusal::because(Slug::CardInvalid, format!("{error}."))
}

fn changed(current: Option<&Current>) -> Refusal {
    let detail = "Fetch the current card, and make a later one from it.";
    Refusal::because(Slug::CardChanged, detail).with(|problem| {
        problem.current_version = current.map(|current| current.card.body().version);
        problem.current_hash = current.map(|current| current.card.hash());
        problem.current_card = current.map(|current| current.card.as_bytes().into());
    })
}

/// Binds each mailbox to its device for ever; a mailbox of another device is refused.
async fn claim_mailboxes(app: &App, card: &VerifiedCard) -> Result<(), Refusal> {
    let account = card.body().account_id;
    for device in &card.body().devices {
        let owner = Bytes::from([&account.as_bytes()[..], device.device_id.as_bytes()].concat());
        let saved = app
            .store
            .save(
                Space::Mailboxes,
                device.mailbox.as_bytes(),
                Some(owner),
                Expect::Absent,
            )
            .await;
        match saved {
            Ok(_) => {}
            Err(StoreError::Conflict { .. }) => {
                if app.directory.owner(&device.mailbox).await? != Some((account, device.device_id))
                {
                    let detail =
                        "A mailbox in the card belongs to another device; choose a new random one.";
                    return Err(Refusal::because(Slug::CardInvalid, detail));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Adds a card to the log of all cards, and a rotation to its account's, once.
async fn record(app: &App, card: &VerifiedCard) -> Result<(), StoreError> {
    let bytes = Bytes::copy_from_slice(card.as_bytes());
    app.store
        .add(CARD_LOG, card.hash().as_bytes(), bytes)
        .await?;
    rotations::record(app, card).await
}
