//! Attachments: resumable upload (draft-ietf-httpbis-resumable-upload), ranged download
//! (RFC 9110 section 14). The relay sees ciphertext, its length and its digest.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use futures_util::stream;
use waxwing_wire::api::{AttachmentState, CreateAttachment, MEDIA_PARTIAL_UPLOAD};
use waxwing_wire::ids::AttachmentId;
use waxwing_wire::limits::CLOCK_SKEW;
use waxwing_wire::problem::Slug;

use super::caller::{Signed, need_media_type};
use super::{App, Refusal, Shared};
use crate::store::{BlobState, NewBlob, Quota, StoreError};

/// Bytes read from the disk at a time.
const STEP: usize = 256 * 1024;
/// Attachments that one account may have at the relay.
const COUNT: u64 = 100_000;

const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_COMPLETE: HeaderName = HeaderName::from_static("upload-complete");

/// Announces an attachment. Announcing the same again answers where it stands, with 200, and keeps
/// it until the later of the two times: a message that is sealed again carries the same files.
#[utoipa::path(post, path = "/v1/attachments", tag = "attachments",
    request_body = CreateAttachment,
    responses((status = 201, body = AttachmentState), (status = 200, body = AttachmentState, description = "It was announced already")))]
pub(super) async fn create(
    State(app): State<Shared>,
    signed: Signed,
) -> Result<(StatusCode, Json<AttachmentState>), Refusal> {
    let new: CreateAttachment = signed.json()?;
    let limits = &app.config.limits;
    check(&app, &new, limits.attachment_bytes)?;
    let blob = NewBlob {
        id: Bytes::copy_from_slice(new.id.as_bytes()),
        owner: Bytes::copy_from_slice(signed.caller.account.as_bytes()),
        length: new.length,
        sha256: *new.sha256.as_bytes(),
        expires_at: new.expires_at,
    };
    let quota = Quota {
        items: COUNT,
        bytes: limits.account_attachment_bytes,
    };
    let made = app.store.create_blob(blob, quota).await.map_err(refused)?;
    announced(&app, new.id, made).await
}

/// Checks an announcement: at most `most` bytes, and not to be kept for too long.
pub(super) fn check(app: &App, new: &CreateAttachment, most: u64) -> Result<(), Refusal> {
    if new.length > most {
        let detail = format!("An attachment may have {most} bytes.");
        return Err(Refusal::because(Slug::TooLarge, detail));
    }
    let ttl = app.config.limits.ttl_seconds;
    let latest = app.now().saturating_add(ttl + CLOCK_SKEW);
    if new.expires_at <= app.now() || new.expires_at > latest {
        let detail = format!("`expires_at` must lie in the next {ttl} seconds.");
        return Err(Refusal::because(Slug::BodyInvalid, detail));
    }
    Ok(())
}

/// What is answered to an announcement; `made`: it is the first one.
pub(super) async fn announced(
    app: &App,
    id: AttachmentId,
    made: bool,
) -> Result<(StatusCode, Json<AttachmentState>), Refusal> {
    let state = known(app, id).await?;
    let status = if made {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let told = AttachmentState {
        id,
        length: state.length,
        offset: state.offset,
        complete: state.complete,
    };
    Ok((status, Json(told)))
}

/// How far an upload is; while it is not complete, for its own account only.
#[utoipa::path(head, path = "/v1/attachments/{id}", tag = "attachments",
    params(("id" = AttachmentId, Path, description = "The attachment, hex")),
    responses((status = 200, headers(("Upload-Offset" = u64), ("Upload-Length" = u64), ("Upload-Complete" = String)))))]
pub(super) async fn progress(
    State(app): State<Shared>,
    Path(id): Path<String>,
    signed: Signed,
) -> Result<Response, Refusal> {
    let state = known(&app, super::id(&id)?).await?;
    if !state.complete && state.owner != signed.caller.account.as_bytes()[..] {
        return Err(unknown());
    }
    let mut response = StatusCode::OK.into_response();
    write_progress(response.headers_mut(), &state);
    response
        .headers_mut()
        .insert(UPLOAD_LENGTH, HeaderValue::from(state.length));
    Ok(response)
}

/// Adds a piece at `Upload-Offset`. The last piece is answered once the digest was verified.
#[utoipa::path(patch, path = "/v1/attachments/{id}", tag = "attachments",
    params(("id" = AttachmentId, Path, description = "The attachment, hex"),
        ("Upload-Offset" = u64, Header, description = "Where the piece begins")),
    request_body(content = Vec<u8>, content_type = "application/partial-upload"),
    responses((status = 204, headers(("Upload-Offset" = u64), ("Upload-Complete" = String)))))]
pub(super) async fn append(
    State(app): State<Shared>,
    Path(id): Path<String>,
    signed: Signed,
) -> Result<Response, Refusal> {
    let id = super::id::<AttachmentId>(&id)?;
    let owner = signed.caller.account.as_bytes();
    add(&app, id, owner, &signed.headers, signed.body).await
}

/// Adds a piece to an upload of this owner.
pub(super) async fn add(
    app: &App,
    id: AttachmentId,
    owner: &[u8],
    headers: &HeaderMap,
    piece: Bytes,
) -> Result<Response, Refusal> {
    need_media_type(headers, MEDIA_PARTIAL_UPLOAD)?;
    let offset = headers
        .get(UPLOAD_OFFSET)
        .and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    let offset = offset
        .ok_or_else(|| Refusal::because(Slug::BodyInvalid, "`Upload-Offset` must be a number."))?;
    let chunk = app.config.limits.chunk_bytes;
    if piece.len() as u64 > chunk {
        return Err(Refusal::because(
            Slug::TooLarge,
            format!("A piece may have {chunk} bytes."),
        ));
    }
    let state = known(app, id).await?;
    if state.owner != owner {
        return Err(Refusal::because(
            Slug::Forbidden,
            "Somebody else announced this attachment.",
        ));
    }
    let end = offset.saturating_add(piece.len() as u64);
    if offset == state.offset && end > state.length {
        return Err(Refusal::because(
            Slug::BodyInvalid,
            "The piece goes beyond the announced length.",
        ));
    }
    let state = app
        .store
        .append_blob(id.as_bytes(), offset, piece)
        .await
        .map_err(refused)?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    write_progress(response.headers_mut(), &state);
    Ok(response)
}

/// The attachment, or one range of it.
#[utoipa::path(get, path = "/v1/attachments/{id}", tag = "attachments",
    params(("id" = AttachmentId, Path, description = "The attachment, hex"),
        ("Range" = Option<String>, Header), ("If-Range" = Option<String>, Header),
        ("If-None-Match" = Option<String>, Header)),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream", headers(("ETag" = String))),
        (status = 206, body = Vec<u8>, content_type = "application/octet-stream", headers(("Content-Range" = String))),
        (status = 304, description = "The digest in `If-None-Match` is its own")))]
pub(super) async fn download(
    State(app): State<Shared>,
    Path(id): Path<String>,
    signed: Signed,
) -> Result<Response, Refusal> {
    let id = super::id::<AttachmentId>(&id)?;
    let state = known(&app, id).await?;
    if !state.complete {
        return Err(unknown());
    }
    let etag = format!("\"{}\"", hex::encode(state.sha256));
    let text = |name: HeaderName| {
        signed
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::trim)
    };
    if text(header::IF_NONE_MATCH) == Some(etag.as_str()) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let may_range = text(header::IF_RANGE).is_none_or(|wanted| wanted == etag);
    let range = match text(header::RANGE).filter(|_| may_range) {
        Some(range) => match one_range(range, state.length) {
            Ok(range) => range,
            Err(refusal) => {
                let length = format!("bytes */{}", state.length);
                return Ok(
                    (AppendHeaders([(header::CONTENT_RANGE, length)]), refusal).into_response()
                );
            }
        },
        None => None,
    };
    let (status, first, length) = match range {
        Some((first, last)) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        None => (StatusCode::OK, 0, state.length),
    };
    let mut response = Response::new(body(&app, id, first, length));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    if range.is_some() {
        let shown = format!("bytes {first}-{}/{}", first + length - 1, state.length);
        if let Ok(shown) = HeaderValue::from_str(&shown) {
            headers.insert(header::CONTENT_RANGE, shown);
        }
    }
    Ok(response)
}

/// Deletes an attachment, for the account that announced it. One that is not there is gone
/// already.
#[utoipa::path(delete, path = "/v1/attachments/{id}", tag = "attachments",
    params(("id" = AttachmentId, Path, description = "The attachment, hex")),
    responses((status = 204, description = "It is not there")))]
pub(super) async fn delete(
    State(app): State<Shared>,
    Path(id): Path<String>,
    signed: Signed,
) -> Result<StatusCode, Refusal> {
    let id = super::id::<AttachmentId>(&id)?;
    if let Some(state) = app.store.stat_blob(id.as_bytes()).await? {
        if state.owner != signed.caller.account.as_bytes()[..] {
            return Err(Refusal::because(
                Slug::Forbidden,
                "Another account announced this attachment.",
            ));
        }
        app.store.delete_blob(id.as_bytes()).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn known(app: &App, id: AttachmentId) -> Result<BlobState, Refusal> {
    app.store
        .stat_blob(id.as_bytes())
        .await?
        .ok_or_else(unknown)
}

fn unknown() -> Refusal {
    Refusal::because(
        Slug::UnknownAttachment,
        "It was never completed here, or its time is over.",
    )
}

pub(super) fn refused(error: StoreError) -> Refusal {
    match error {
        StoreError::BlobDiffers => Refusal::because(
            Slug::AttachmentConflict,
            "Choose a new random attachment id.",
        ),
        StoreError::QuotaFull => Refusal::because(
            Slug::AttachmentQuota,
            "Delete attachments, or wait until some expire.",
        ),
        StoreError::OffsetMismatch { offset } => {
            Refusal::because(Slug::OffsetMismatch, "Continue at `offset`.")
                .with(|problem| problem.offset = Some(offset))
        }
        StoreError::DigestMismatch => {
            Refusal::because(Slug::DigestMismatch, "The upload starts again at 0.")
                .with(|problem| problem.offset = Some(0))
        }
        StoreError::NoBlob | StoreError::BlobIncomplete => unknown(),
        other => other.into(),
    }
}

fn write_progress(headers: &mut HeaderMap, state: &BlobState) {
    headers.insert(UPLOAD_OFFSET, HeaderValue::from(state.offset));
    let complete = if state.complete { "?1" } else { "?0" };
    headers.insert(UPLOAD_COMPLETE, HeaderValue::from_static(complete));
}

/// The first and last byte of a single range; `None` to answer with everything, as a server may
/// for what it does not understand and for several ranges (RFC 9110 section 14.2).
fn one_range(header: &str, length: u64) -> Result<Option<(u64, u64)>, Refusal> {
    let Ok(ranges) = http_range_header::parse_range_header(header) else {
        return Ok(None);
    };
    if ranges.ranges.len() != 1 {
        return Ok(None);
    }
    let Ok(ranges) = ranges.validate(length) else {
        let detail = format!("It has {length} bytes.");
        return Err(Refusal::because(Slug::RangeNotSatisfiable, detail));
    };
    Ok(ranges.first().map(|range| (*range.start(), *range.end())))
}

fn body(app: &Shared, id: AttachmentId, first: u64, length: u64) -> Body {
    let end = first + length;
    Body::from_stream(stream::try_unfold(
        (app.clone(), first),
        move |(app, at)| async move {
            if at >= end {
                return Ok::<_, StoreError>(None);
            }
            let step = usize::try_from(end - at).unwrap_or(STEP).min(STEP);
            let bytes = app.store.read_blob(id.as_bytes(), at, step).await?;
            if bytes.is_empty() {
                return Err(StoreError::NoBlob);
            }
            let next = at + bytes.len() as u64;
            Ok(Some((bytes, (app, next))))
        },
    ))
}
