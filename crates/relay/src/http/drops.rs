//! Drop boxes: announced by a device, written to by anybody (docs/protocol.md section 18).
//!
//! Visitors sign nothing, so what they may do is bounded: in rate by address and altogether, in room by
//! box. A drop goes into the mailbox of the box's device, which takes only so many of them that there
//! is always room for those who sign. Of a visitor nothing is kept.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use waxwing_wire::api::{
    AttachmentState, CreateAttachment, DropInfo, DropLimits, DropReceipt, MEDIA_PARTIAL_UPLOAD,
    MEDIA_SUBMISSION, PutDrop,
};
use waxwing_wire::b64::B64;
use waxwing_wire::cbor::ShapeError;
use waxwing_wire::drop::DropRecord;
use waxwing_wire::envelope::Submission;
use waxwing_wire::ids::{AccountId, AttachmentId, DeviceId, DropId, EnvelopeId, MailboxId};
use waxwing_wire::limits::{CLOCK_SKEW, MAX_ATTACHMENTS, MAX_DROP_LIFE, MAX_SUBMISSION_BYTES};
use waxwing_wire::problem::Slug;

use super::attachments;
use super::caller::{Signed, json, need_media_type, read_body};
use super::envelopes::REMEMBERED;
use super::visitor::Visitor;
use super::{App, Refusal, Shared};
use crate::store::{Append, Expect, NewBlob, Quota, Space, StoreError};

/// A JSON body of a visitor has no more bytes than this.
const JSON_BYTES: usize = 4096;

/// A drop box as it is stored.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    account: [u8; AccountId::LEN],
    device: [u8; DeviceId::LEN],
    mailbox: [u8; MailboxId::LEN],
    record: Vec<u8>,
    expires_at: u64,
    once: bool,
    /// The one drop of a box that takes no other.
    taken: Option<[u8; EnvelopeId::LEN]>,
    /// Its owner ended it; kept for ever, so that nobody takes its id.
    ended: bool,
}

impl Kept {
    fn is_of(&self, signed: &Signed) -> bool {
        self.account == *signed.caller.account.as_bytes()
            && self.device == *signed.caller.device.as_bytes()
    }

    fn has_ended(&self, now: u64) -> bool {
        self.ended || self.expires_at <= now
    }
}

/// Announces a drop box of the calling device. Announcing it again with the same record changes when
/// it ends.
#[utoipa::path(put, path = "/v1/drops/{drop}", tag = "drops",
    params(("drop" = DropId, Path, description = "The drop box, hex")),
    request_body = PutDrop,
    responses((status = 201, description = "It is here"), (status = 200, description = "It was here")))]
pub(super) async fn put(
    State(app): State<Shared>,
    Path(drop): Path<String>,
    signed: Signed,
) -> Result<StatusCode, Refusal> {
    let id: DropId = super::id(&drop)?;
    let wanted: PutDrop = signed.json()?;
    let invalid = |detail: String| Refusal::because(Slug::DropInvalid, detail);
    let record = DropRecord::decode(wanted.record.as_slice());
    if record.map_err(|error| invalid(format!("{error}.")))?.id != id {
        return Err(invalid("The record is of another drop box.".into()));
    }
    let latest = app.now().saturating_add(MAX_DROP_LIFE + CLOCK_SKEW);
    if wanted.expires_at <= app.now() || wanted.expires_at > latest {
        return Err(invalid(format!(
            "`expires_at` must lie in the next {MAX_DROP_LIFE} seconds."
        )));
    }
    loop {
        let (expect, status, kept) = match load(&app, id).await? {
            None => {
                note(&app, &signed, id).await?;
                let kept = Kept {
                    account: *signed.caller.account.as_bytes(),
                    device: *signed.caller.device.as_bytes(),
                    mailbox: *signed.caller.mailbox.as_bytes(),
                    record: wanted.record.as_slice().to_vec(),
                    expires_at: wanted.expires_at,
                    once: wanted.once,
                    taken: None,
                    ended: false,
                };
                (Expect::Absent, StatusCode::CREATED, kept)
            }
            Some((_, kept))
                if !kept.is_of(&signed)
                    || kept.record != wanted.record.as_slice()
                    || kept.once != wanted.once =>
            {
                let detail = "Make another drop box: each has an id of its own.";
                return Err(Refusal::because(Slug::DropConflict, detail));
            }
            Some((_, kept)) if kept.ended => return Err(Slug::DropEnded.into()),
            Some((version, mut kept)) => {
                kept.expires_at = wanted.expires_at;
                (Expect::Version(version), StatusCode::OK, kept)
            }
        };
        if save(&app, id, &kept, expect).await? {
            return Ok(status);
        }
    }
}

/// A drop box, for who writes to it. Who believes the record without comparing its hash with the link
/// believes this relay.
#[utoipa::path(get, path = "/v1/drops/{drop}", tag = "drops",
    params(("drop" = DropId, Path, description = "The drop box, hex")),
    responses((status = 200, body = DropInfo)))]
pub(super) async fn get(
    State(app): State<Shared>,
    Path(drop): Path<String>,
    visitor: Visitor,
) -> Result<Json<DropInfo>, Refusal> {
    app.limits.visitor(visitor)?;
    let kept = open(&app, super::id(&drop)?).await?.1;
    if kept.taken.is_some() {
        return Err(Slug::DropEnded.into());
    }
    let limits = &app.config.limits;
    Ok(Json(DropInfo {
        record: B64(kept.record),
        expires_at: kept.expires_at,
        once: kept.once,
        time: app.now(),
        limits: DropLimits {
            envelope_bytes: limits.envelope_bytes,
            attachment_bytes: limits.attachment_bytes.min(app.config.drop_file_bytes),
            attachments: MAX_ATTACHMENTS as u64,
            chunk_bytes: limits.chunk_bytes,
            ttl_seconds: limits.ttl_seconds,
        },
    }))
}

/// Ends a drop box for good. What it took in before still goes to its device.
#[utoipa::path(delete, path = "/v1/drops/{drop}", tag = "drops",
    params(("drop" = DropId, Path, description = "The drop box, hex")),
    responses((status = 204, description = "It takes nothing any more")))]
pub(super) async fn end(
    State(app): State<Shared>,
    Path(drop): Path<String>,
    signed: Signed,
) -> Result<StatusCode, Refusal> {
    let id: DropId = super::id(&drop)?;
    loop {
        let Some((version, mut kept)) = load(&app, id).await? else {
            return Ok(StatusCode::NO_CONTENT);
        };
        if kept.account != *signed.caller.account.as_bytes() {
            return Err(Refusal::because(
                Slug::Forbidden,
                "Another account announced this drop box.",
            ));
        }
        kept.ended = true;
        if save(&app, id, &kept, Expect::Version(version)).await? {
            return Ok(StatusCode::NO_CONTENT);
        }
    }
}

/// Announces a file that goes with a drop. Announcing the same again answers where it stands, with 200.
#[utoipa::path(post, path = "/v1/drops/{drop}/attachments", tag = "drops",
    params(("drop" = DropId, Path, description = "The drop box, hex")),
    request_body = CreateAttachment,
    responses((status = 201, body = AttachmentState), (status = 200, body = AttachmentState, description = "It was announced already")))]
pub(super) async fn create(
    State(app): State<Shared>,
    Path(drop): Path<String>,
    visitor: Visitor,
    request: Request,
) -> Result<(StatusCode, Json<AttachmentState>), Refusal> {
    app.limits.visitor(visitor)?;
    let id: DropId = super::id(&drop)?;
    let (parts, body) = request.into_parts();
    let body = read_body(&parts.headers, body, JSON_BYTES, &app).await?;
    let new: CreateAttachment = json(&parts.headers, &body)?;
    open(&app, id).await?;
    attachments::check(&app, &new, app.config.drop_file_bytes)?;
    let owner = [b"drop".as_slice(), id.as_bytes()].concat();
    let blob = NewBlob {
        id: Bytes::copy_from_slice(new.id.as_bytes()),
        owner: owner.into(),
        length: new.length,
        sha256: *new.sha256.as_bytes(),
        expires_at: new.expires_at,
    };
    let quota = Quota {
        items: app.config.drop_files,
        bytes: app.config.drop_file_bytes,
    };
    let made = app.store.create_blob(blob, quota).await;
    let made = made.map_err(|error| match error {
        StoreError::QuotaFull => full("The files in this drop box use up its room."),
        other => attachments::refused(other),
    })?;
    attachments::announced(&app, new.id, made).await
}

/// Adds a piece of a file that goes with a drop, at `Upload-Offset`. Who knows the file's id may.
#[utoipa::path(patch, path = "/v1/drops/{drop}/attachments/{id}", tag = "drops",
    params(("drop" = DropId, Path, description = "The drop box, hex"),
        ("id" = AttachmentId, Path, description = "The attachment, hex"),
        ("Upload-Offset" = u64, Header, description = "Where the piece begins")),
    request_body(content = Vec<u8>, content_type = "application/partial-upload"),
    responses((status = 204, headers(("Upload-Offset" = u64), ("Upload-Complete" = String)))))]
pub(super) async fn append(
    State(app): State<Shared>,
    Path((drop, id)): Path<(String, String)>,
    visitor: Visitor,
    request: Request,
) -> Result<Response, Refusal> {
    app.limits.visitor(visitor)?;
    let (drop, id) = (super::id::<DropId>(&drop)?, super::id::<AttachmentId>(&id)?);
    let (parts, body) = request.into_parts();
    need_media_type(&parts.headers, MEDIA_PARTIAL_UPLOAD)?;
    let most = usize::try_from(app.config.limits.chunk_bytes).unwrap_or(usize::MAX);
    let body = read_body(&parts.headers, body, most, &app).await?;
    let owner = [b"drop".as_slice(), drop.as_bytes()].concat();
    attachments::add(&app, id, &owner, &parts.headers, body).await
}

/// Takes a drop in: a submission with one entry, whose `to` is the drop box. Repeating it changes
/// nothing and answers 200.
#[utoipa::path(post, path = "/v1/drops/{drop}/envelopes", tag = "drops",
    params(("drop" = DropId, Path, description = "The drop box, hex")),
    request_body(content = Vec<u8>, content_type = "application/cbor"),
    responses((status = 201, body = DropReceipt), (status = 200, body = DropReceipt, description = "It was here already")))]
pub(super) async fn submit(
    State(app): State<Shared>,
    Path(drop): Path<String>,
    visitor: Visitor,
    request: Request,
) -> Result<(StatusCode, Json<DropReceipt>), Refusal> {
    app.limits.visitor(visitor)?;
    let id: DropId = super::id(&drop)?;
    let (parts, body) = request.into_parts();
    need_media_type(&parts.headers, MEDIA_SUBMISSION)?;
    let limits = &app.config.limits;
    let body = read_body(&parts.headers, body, MAX_SUBMISSION_BYTES, &app).await?;
    let invalid = |detail: String| Refusal::because(Slug::SubmissionInvalid, detail);
    let submission = Submission::decode(&body).map_err(|error| match error {
        ShapeError::TooLarge { .. } => Slug::TooLarge.into(),
        other => invalid(format!("{other}.")),
    })?;
    let header = submission.header;
    super::envelopes::check_life(&app, &header)?;
    let receipt = Json(DropReceipt {
        env_id: header.env_id,
        received_at: app.now(),
    });
    let (_, kept) = load(&app, id).await?.ok_or(Slug::UnknownDrop)?;
    let (mailbox, key) = (MailboxId::new(kept.mailbox), header.env_id.as_bytes());
    if kept.has_ended(app.now()) {
        // The answer may have been lost on its way.
        return match app.store.fate(mailbox.as_bytes(), key).await? {
            Some(_) => Ok((StatusCode::OK, receipt)),
            None => Err(Slug::DropEnded.into()),
        };
    }
    let record = DropRecord::decode(&kept.record).map_err(|_| Slug::Internal)?;
    let envelope = record.envelope(&submission).map_err(|_| {
        invalid("It is not sealed to this drop box alone; ask for its record again.".into())
    })?;
    let body = envelope.encode();
    if body.len() as u64 > limits.envelope_bytes {
        return Err(Slug::TooLarge.into());
    }
    if !app.directory.knows_mailbox(&mailbox).await? {
        // The device was removed from its account.
        return Err(Slug::DropEnded.into());
    }
    take_place(&app, id, header.env_id).await?;
    let appended = app.store.append(Append {
        mailbox: mailbox.as_bytes().to_vec().into(),
        key: key.to_vec().into(),
        body: body.into(),
        expires_at: header.expires_at,
        remember_until: header.expires_at.saturating_add(REMEMBERED),
        quota: Quota {
            items: limits.mailbox_envelopes.min(app.config.drops_waiting),
            bytes: limits.mailbox_bytes.min(app.config.drop_bytes),
        },
    });
    match appended.await {
        Ok(appended) if appended.repeated => Ok((StatusCode::OK, receipt)),
        Ok(_) => Ok((StatusCode::CREATED, receipt)),
        Err(StoreError::QuotaFull) => {
            leave_place(&app, id, header.env_id).await?;
            Err(full("Its owner has not fetched for long; try again later."))
        }
        Err(StoreError::BodyDiffers) => {
            let detail = "Seal again: each sealing has an envelope id of its own.";
            Err(Refusal::because(Slug::EnvelopeConflict, detail))
        }
        Err(error) => Err(error.into()),
    }
}

/// Holds the place in a box that takes one drop alone; any other box has place.
async fn take_place(app: &App, id: DropId, drop: EnvelopeId) -> Result<(), Refusal> {
    loop {
        let (version, mut kept) = open(app, id).await?;
        match kept.taken {
            _ if !kept.once => return Ok(()),
            Some(taken) if taken == *drop.as_bytes() => return Ok(()),
            Some(_) => return Err(Slug::DropEnded.into()),
            None => kept.taken = Some(*drop.as_bytes()),
        }
        if save(app, id, &kept, Expect::Version(version)).await? {
            return Ok(());
        }
    }
}

/// Lets go of the place for a drop that was not taken in after all.
async fn leave_place(app: &App, id: DropId, drop: EnvelopeId) -> Result<(), Refusal> {
    while let Some((version, mut kept)) = load(app, id).await? {
        if kept.taken != Some(*drop.as_bytes()) {
            break;
        }
        kept.taken = None;
        if save(app, id, &kept, Expect::Version(version)).await? {
            break;
        }
    }
    Ok(())
}

fn full(detail: &'static str) -> Refusal {
    Refusal::because(Slug::DropFull, detail).with(|problem| problem.retry_after = Some(300))
}

async fn load(app: &App, id: DropId) -> Result<Option<(u64, Kept)>, Refusal> {
    let Some(stored) = app.store.load(Space::Drops, id.as_bytes()).await? else {
        return Ok(None);
    };
    let kept = postcard::from_bytes(&stored.value).map_err(|_| Slug::Internal)?;
    Ok(Some((stored.version, kept)))
}

/// A box that takes something in.
async fn open(app: &App, id: DropId) -> Result<(u64, Kept), Refusal> {
    let (version, kept) = load(app, id).await?.ok_or(Slug::UnknownDrop)?;
    if kept.has_ended(app.now()) {
        return Err(Slug::DropEnded.into());
    }
    Ok((version, kept))
}

/// Whether it was saved; not when somebody else was first.
async fn save(app: &App, id: DropId, kept: &Kept, expect: Expect) -> Result<bool, Refusal> {
    let value = postcard::to_stdvec(kept).map_err(|_| Slug::Internal)?;
    let saved = app
        .store
        .save(Space::Drops, id.as_bytes(), Some(value.into()), expect);
    match saved.await {
        Ok(_) => Ok(true),
        Err(StoreError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Notes a box among those of its account, as long as it has few enough.
async fn note(app: &App, signed: &Signed, new: DropId) -> Result<(), Refusal> {
    let account = signed.caller.account;
    loop {
        let stored = app.store.load(Space::DropsOf, account.as_bytes()).await?;
        let expect = stored
            .as_ref()
            .map_or(Expect::Absent, |stored| Expect::Version(stored.version));
        let noted: Vec<[u8; DropId::LEN]> = match &stored {
            Some(stored) => postcard::from_bytes(&stored.value).map_err(|_| Slug::Internal)?,
            None => Vec::new(),
        };
        let mut boxes = vec![*new.as_bytes()];
        for id in noted {
            // A box is noted before it is there.
            let kept = load(app, DropId::new(id)).await?;
            let has_ended = kept.is_some_and(|(_, kept)| kept.has_ended(app.now()));
            if !has_ended && !boxes.contains(&id) {
                boxes.push(id);
            }
        }
        if boxes.len() > app.config.drop_boxes {
            let detail = format!("One account may have {} drop boxes.", app.config.drop_boxes);
            return Err(Refusal::because(Slug::Forbidden, detail));
        }
        let value = postcard::to_stdvec(&boxes).map_err(|_| Slug::Internal)?;
        let account = account.as_bytes();
        let saved = app
            .store
            .save(Space::DropsOf, account, Some(value.into()), expect);
        match saved.await {
            Ok(_) => return Ok(()),
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
