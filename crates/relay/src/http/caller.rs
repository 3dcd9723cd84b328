//! Who calls: the device that signed the request (RFC 9421), proven before its body is read.
//!
//! Order: headers, authority, the device's key from the account's current card, signature,
//! time, nonce, rate, and only then the body with its digest (RFC 9530). Whoever cannot sign
//! makes the relay hold no more than the headers. The nonces are kept in memory: after a
//! restart a request of the last minute could be replayed, which changes nothing, because
//! every call may be repeated.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, Method, header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use serde::de::DeserializeOwned;
use waxwing_wire::card::DeviceEntry;
use waxwing_wire::cose_key::TransportPublic;
use waxwing_wire::ids::{AccountId, DeviceId, MailboxId};
use waxwing_wire::limits::REQUEST_WINDOW;
use waxwing_wire::problem::Slug;
use waxwing_wire::request::{
    Params, RequestError, SignedRequest, Target, VerifiedRequest, check_content_digest,
};

use super::directory::Current;
use super::dress::RateSlot;
use super::{App, Refusal, Shared};

/// A body that no call exceeds; each call has its own limit below it.
const BODY_BYTES: usize = 1 << 20;

/// The device that calls.
pub(super) struct Caller {
    pub(super) account: AccountId,
    pub(super) device: DeviceId,
    pub(super) mailbox: MailboxId,
    /// Its entry in the account's current card.
    pub(super) entry: DeviceEntry,
    /// The account's current card.
    pub(super) current: Arc<Current>,
}

/// A request with a proven caller, and its body.
pub(super) struct Signed {
    pub(super) caller: Caller,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl FromRequest<Shared> for Signed {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let claimed = Claimed::read(&parts, app)?;
        let unknown = || {
            Refusal::because(
                Slug::UnknownDevice,
                "The signing device is not in its account's current card at this relay.",
            )
        };
        let current = app
            .directory
            .card(&claimed.params.account_id)
            .await?
            .ok_or_else(unknown)?;
        let entry = current.card.body().device(&claimed.params.device_id);
        // The cache may be behind a card that was put through another relay.
        let (current, entry) = if let Some(entry) = entry {
            (Arc::clone(&current), entry.clone())
        } else {
            let current = app
                .directory
                .fresh_card(&claimed.params.account_id)
                .await?
                .ok_or_else(unknown)?;
            let entry = current
                .card
                .body()
                .device(&claimed.params.device_id)
                .cloned()
                .ok_or_else(unknown)?;
            (current, entry)
        };
        claimed.prove(&parts, app, &entry.transport)?;
        let most =
            BODY_BYTES.max(usize::try_from(app.config.limits.chunk_bytes).unwrap_or(BODY_BYTES));
        let body = read_body(&parts.headers, body, most, app).await?;
        check_digest(&parts.headers, &body)?;
        let caller = Caller {
            account: claimed.params.account_id,
            device: entry.device_id,
            mailbox: entry.mailbox,
            entry,
            current,
        };
        Ok(Self {
            caller,
            headers: parts.headers,
            body,
        })
    }
}

impl Signed {
    /// The body as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        json(&self.headers, &self.body)
    }
}

/// A body as JSON.
pub(super) fn json<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Refusal> {
    need_media_type(headers, "application/json")?;
    serde_json::from_slice(body).map_err(|error| {
        // The error's own text quotes the body: only the place is told.
        let place = format!(
            "The JSON cannot be read at line {}, column {}.",
            error.line(),
            error.column()
        );
        Refusal::because(Slug::BodyInvalid, place)
    })
}

/// Who claims to have signed.
pub(super) struct Claimed {
    signed: SignedRequest,
    pub(super) params: Params,
}

impl Claimed {
    /// Reads the signature headers and checks whom the request is meant for.
    pub(super) fn read(parts: &Parts, app: &App) -> Result<Self, Refusal> {
        let (Some(input), Some(signature)) = (
            joined(&parts.headers, "signature-input"),
            joined(&parts.headers, "signature"),
        ) else {
            return Err(refused(RequestError::Unsigned, app));
        };
        let signed =
            SignedRequest::parse(&input, &signature).map_err(|error| refused(error, app))?;
        if !app.is_known_as(authority(parts)) {
            return Err(Refusal::because(
                Slug::SignatureInvalid,
                "The request is signed for another relay's address.",
            ));
        }
        let params = *signed.params();
        Ok(Self { signed, params })
    }

    /// Proves the signature, its time and its nonce, and counts the request.
    pub(super) fn prove(
        &self,
        parts: &Parts,
        app: &App,
        key: &TransportPublic,
    ) -> Result<VerifiedRequest, Refusal> {
        let text = |name: &str| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let patch = parts.method == Method::PATCH;
        if patch && text("upload-offset").is_none() {
            return Err(Refusal::because(
                Slug::BodyInvalid,
                "A piece of an upload needs `Upload-Offset`.",
            ));
        }
        let target = Target {
            method: parts.method.as_str(),
            authority: authority(parts),
            path: parts.uri.path(),
            query: parts.uri.query(),
            content_digest: text("content-digest"),
            content_type: text("content-type"),
            upload_offset: text("upload-offset").filter(|_| patch),
        };
        let proven = self
            .signed
            .verify(&target, key)
            .map_err(|error| refused(error, app))?;
        proven
            .check_time(app.now())
            .map_err(|error| refused(error, app))?;
        if !app.nonces.is_new(proven.params()) {
            return Err(Refusal::because(
                Slug::ReplayedRequest,
                "Sign the request again with a new nonce.",
            ));
        }
        let remaining = app
            .limits
            .device(self.params.account_id, self.params.device_id)?;
        app.seen
            .note(self.params.account_id, self.params.device_id, app.now());
        if let (Some(remaining), Some(slot)) = (remaining, parts.extensions.get::<RateSlot>()) {
            // Set once in a request's life.
            let _ = slot.set(remaining);
        }
        Ok(proven)
    }
}

/// Reads a body within its limits of size and time.
pub(super) async fn read_body(
    headers: &HeaderMap,
    body: Body,
    most: usize,
    app: &App,
) -> Result<Bytes, Refusal> {
    let too_large = || {
        Refusal::because(
            Slug::TooLarge,
            format!("At most {most} bytes are accepted here."),
        )
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    match tokio::time::timeout(app.config.body_time, Limited::new(body, most).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Refusal::because(Slug::BodyInvalid, "The body ended early.")),
        Err(_) => Err(Refusal::because(
            Slug::BodyInvalid,
            "The body took too long to arrive.",
        )),
    }
}

/// Checks a body against the digest that the signature covers.
pub(super) fn check_digest(headers: &HeaderMap, body: &Bytes) -> Result<(), Refusal> {
    let digest = headers
        .get("content-digest")
        .and_then(|value| value.to_str().ok());
    let matches = match digest {
        Some(digest) => check_content_digest(digest, body).is_ok(),
        None => body.is_empty(),
    };
    if matches {
        Ok(())
    } else {
        Err(Refusal::because(
            Slug::SignatureInvalid,
            "The body does not match the signed `Content-Digest`.",
        ))
    }
}

/// Refuses a body of another media type; parameters are passed over.
pub(super) fn need_media_type(headers: &HeaderMap, wanted: &'static str) -> Result<(), Refusal> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(wanted) {
        Ok(())
    } else {
        Err(Refusal::because(
            Slug::UnsupportedMediaType,
            format!("The body must be `{wanted}`."),
        ))
    }
}

fn refused(error: RequestError, app: &App) -> Refusal {
    let slug = match error {
        RequestError::Unsigned => Slug::Unsigned,
        RequestError::ClockSkew => {
            let detail = "Set this computer's clock; the relay's time is in `time`.";
            return Refusal::because(Slug::ClockSkew, detail)
                .with(|problem| problem.time = Some(app.now()));
        }
        _ => Slug::SignatureInvalid,
    };
    Refusal::because(slug, error.to_string())
}

/// The authority as the client sent it: `:authority` of HTTP/2, `Host` of HTTP/1.1.
fn authority(parts: &Parts) -> &str {
    let host = || {
        parts
            .headers
            .get(header::HOST)
            .and_then(|value| value.to_str().ok())
    };
    parts
        .uri
        .authority()
        .map(axum::http::uri::Authority::as_str)
        .or_else(host)
        .unwrap_or_default()
}

/// A list field that may come in several lines (RFC 9110 section 5.3).
fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines: Vec<&str> = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    if lines.is_empty() {
        None
    } else {
        Some(lines.join(", "))
    }
}

/// The nonces of the last minutes.
pub(super) struct Nonces(Cache<(DeviceId, [u8; 16]), ()>);

impl Nonces {
    pub(super) fn new() -> Self {
        // A request is acceptable from one window before its time to one after.
        let memory = Duration::from_secs(2 * REQUEST_WINDOW + 10);
        let cache = Cache::builder()
            .max_capacity(2_000_000)
            .eviction_policy(EvictionPolicy::lru());
        Self(cache.time_to_live(memory).build())
    }

    /// Remembers a nonce; `false` when it was there.
    fn is_new(&self, params: &Params) -> bool {
        self.0
            .entry((params.device_id, params.nonce))
            .or_insert(())
            .is_fresh()
    }
}
