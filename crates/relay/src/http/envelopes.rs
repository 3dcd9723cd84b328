//! Envelopes: taken in for each recipient device, and taken back while they wait
//! (docs/protocol.md section 3).
//!
//! The relay keeps no sender: `(env_id, to)` is known to those who have the envelope, and knowing
//! it is the right to ask for its state and to recall it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use futures_util::future::join_all;
use waxwing_wire::api::{Accepted, MEDIA_SUBMISSION, Recalled};
use waxwing_wire::cbor::ShapeError;
use waxwing_wire::envelope::{Header, Submission};
use waxwing_wire::ids::{EnvelopeId, MailboxId};
use waxwing_wire::limits::{CLOCK_SKEW, MAX_SUBMISSION_BYTES};
use waxwing_wire::problem::Slug;

use super::caller::{Signed, need_media_type};
use super::status::state_of;
use super::{App, Refusal, Shared};
use crate::store::{Append, Quota, StoreError};

/// How long the fate of an envelope is told after its time is over.
pub(super) const REMEMBERED: u64 = 7 * 86_400;

/// Takes one sealed content with an entry for each device, and gives each device its own envelope.
///
/// Repeating a submission changes nothing and answers 200. When some mailboxes are full, the
/// others get theirs; `accepted` says how many did.
#[utoipa::path(post, path = "/v1/envelopes", tag = "envelopes",
    request_body(content = Vec<u8>, content_type = "application/cbor"),
    responses((status = 201, body = Accepted), (status = 200, body = Accepted, description = "All of it was here already")))]
pub(super) async fn submit(
    State(app): State<Shared>,
    signed: Signed,
) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    need_media_type(&signed.headers, MEDIA_SUBMISSION)?;
    let invalid = |detail: String| Refusal::because(Slug::SubmissionInvalid, detail);
    let too_large = || {
        let detail = format!(
            "An envelope may have {} bytes; send more as an attachment.",
            app.config.limits.envelope_bytes
        );
        Refusal::because(Slug::TooLarge, detail)
    };
    if signed.body.len() > MAX_SUBMISSION_BYTES {
        return Err(too_large());
    }
    let submission = Submission::decode(&signed.body).map_err(|error| match error {
        ShapeError::TooLarge { .. } => too_large(),
        other => invalid(format!("{other}.")),
    })?;
    let header = submission.header;
    check_life(&app, &header)?;
    for (to, _) in &submission.entries {
        if !app.directory.knows_mailbox(to).await? {
            let detail = "A mailbox is in no current card; fetch the contact's card again.";
            return Err(Refusal::because(Slug::UnknownMailbox, detail));
        }
    }
    let limits = &app.config.limits;
    let mut appends = Vec::with_capacity(submission.entries.len());
    for envelope in submission.envelopes() {
        let body = envelope.encode();
        if body.len() as u64 > limits.envelope_bytes {
            return Err(too_large());
        }
        appends.push(app.store.append(Append {
            mailbox: envelope.to.as_bytes().to_vec().into(),
            key: header.env_id.as_bytes().to_vec().into(),
            body: body.into(),
            expires_at: header.expires_at,
            remember_until: header.expires_at.saturating_add(REMEMBERED),
            quota: Quota {
                items: limits.mailbox_envelopes,
                bytes: limits.mailbox_bytes,
            },
        }));
    }
    let (mut accepted, mut new, mut full) = (0, false, false);
    for outcome in join_all(appends).await {
        match outcome {
            Ok(appended) => {
                accepted += 1;
                new |= !appended.repeated;
            }
            Err(StoreError::QuotaFull) => full = true,
            Err(StoreError::BodyDiffers) => {
                let detail = "Seal again: each sealing has an envelope id of its own.";
                return Err(Refusal::because(Slug::EnvelopeConflict, detail));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if full && accepted == 0 {
        let detail = "The recipient has not fetched for long; try again later.";
        return Err(Refusal::because(Slug::MailboxFull, detail)
            .with(|problem| problem.retry_after = Some(300)));
    }
    let status = if new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(Accepted { accepted })))
}

/// Checks that an envelope is in force and not to be kept for too long.
pub(super) fn check_life(app: &App, header: &Header) -> Result<(), Refusal> {
    let invalid = |detail: String| Refusal::because(Slug::SubmissionInvalid, detail);
    header
        .check_life(app.now())
        .map_err(|error| invalid(format!("{error}.")))?;
    let latest = app.config.limits.ttl_seconds + CLOCK_SKEW;
    if header.expires_at > app.now().saturating_add(latest) {
        return Err(invalid("This relay keeps nothing for so long.".into()));
    }
    Ok(())
}

/// Takes an envelope back if its device has not acknowledged it; answers where it is then.
/// A device that fetched it in the same moment may have it all the same.
#[utoipa::path(delete, path = "/v1/envelopes/{env_id}/{to}", tag = "envelopes",
    params(("env_id" = EnvelopeId, Path, description = "The envelope, hex"),
        ("to" = MailboxId, Path, description = "The mailbox, hex")),
    responses((status = 200, body = Recalled)))]
pub(super) async fn recall(
    State(app): State<Shared>,
    Path((env_id, to)): Path<(String, String)>,
    _signed: Signed,
) -> Result<Json<Recalled>, Refusal> {
    let (env_id, to) = (
        super::id::<EnvelopeId>(&env_id)?,
        super::id::<MailboxId>(&to)?,
    );
    let fate = app.store.withdraw(to.as_bytes(), env_id.as_bytes()).await?;
    Ok(Json(Recalled {
        state: state_of(fate.as_ref()),
    }))
}
