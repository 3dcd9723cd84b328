//! The key service at `/Service`: keys that anybody makes, and messages that anybody sends to them.
//!
//! One address, told apart by verb, as its clients know it (docs/relay.md, "The key service").
//! Offline everything is opaque: what comes in sealed goes out byte for byte. Online the service makes
//! the key, and seals and opens for as long as a request lasts. No log names a token, a passphrase, a
//! key or a message, and no answer repeats one in a refusal.

mod answer;
mod burning;
mod call;
mod files;
mod guard;
mod keys;
mod messages;
mod online;
mod pieces;
mod reading;
mod request;
mod token;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use tokio::sync::Semaphore;
use tower_http::cors::{Any, CorsLayer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::answer::{CryptoKey, Fault, Message};
pub(crate) use self::answer::{format_of, in_shape};
use self::burning::Burning;
pub(crate) use self::burning::settle_all;
use self::call::{Call, admit};
use self::files::Files;
use self::guard::Guard;
use self::keys::{Key, Private};
use self::messages::Sealed;
use self::online::Content;
use self::pieces::Writer;
use self::reading::{Owned, Reading};
use self::token::Token;
use super::Shared;

/// What the service keeps in memory.
pub(crate) struct Service {
    guard: Guard,
    files: Files,
    burning: Burning,
    /// KiB for what comes in the clear, of all requests together.
    room: Arc<Semaphore>,
}

impl Service {
    pub(super) fn new(config: &crate::Config) -> Self {
        let room = usize::try_from(config.key_service.memory_bytes / 1024).unwrap_or(usize::MAX);
        Self {
            guard: Guard::new(),
            files: Files::default(),
            burning: Burning::default(),
            room: Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// Drops what is over.
    pub(crate) fn forget_over(&self, now: u64) {
        self.files.forget_over(now);
    }
}

/// The service's routes with their description.
pub(super) fn described() -> (Router<Shared>, utoipa::openapi::OpenApi) {
    let (router, api) = OpenApiRouter::new()
        .routes(routes!(get, post, put, delete))
        .routes(routes!(download))
        .split_for_parts();
    let all = || {
        MethodRouter::<Shared>::new()
            .get(get)
            .post(post)
            .put(put)
            .delete(delete)
    };
    let router = router
        .route("/Service/", all())
        .route("/service", all())
        .route("/service/", all())
        .route("/service/Files/{id}", axum::routing::get(download));
    (router.layer(cors()), api)
}

/// Any page may use every verb: what opens something is in the request, never in the browser.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            HeaderName::from_static("token"),
            HeaderName::from_static("passphrase"),
            HeaderName::from_static("privatekeyhash"),
            header::CONTENT_TYPE,
            header::ACCEPT,
        ])
        .expose_headers([
            header::RETRY_AFTER,
            header::LINK,
            HeaderName::from_static("deprecation"),
            HeaderName::from_static("x-request-id"),
        ])
        .max_age(Duration::from_secs(3600))
}

/// Makes a key.
///
/// Online: with `passphrase` the service makes an RSA key of 3072 bits. Its private half is kept
/// wrapped by the passphrase alone, and told once, here. Offline: `publickey`, with `privatekeyhash`,
/// which reads the messages sealed, or `privatekey` (encrypted with a passphrase), which reads them
/// opened, or both. Besides: `releasedate`, `lockdate`, `deletemessagesafterreading`,
/// `deletekeyafterreading`, and offline `token`, of 16 hex digits, for a key of another service.
#[utoipa::path(post, path = "/Service", tag = "key service", operation_id = "make_key",
    params(("format" = Option<String>, Query, description = "`json` or `xml`, before `Accept`"),
        ("v" = Option<String>, Query, description = "1")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = CryptoKey)))]
async fn post(State(app): State<Shared>, request: Request) -> Result<Response, Fault> {
    let call = Call::read(&app, request).await?;
    let (ask, now) = (&call.ask, app.now());
    app.limits
        .service_key()
        .map_err(|seconds| Fault::too_many("Too many new keys at this moment; wait.", seconds))?;
    let asked = ask.text("token").map(str::parse::<Token>);
    let key = match (ask.text("passphrase"), ask.text("publickey")) {
        (Some(_), Some(_)) => {
            return Err(Fault::invalid(
                "Send `passphrase` for a key that is made here, or `publickey` for one of your own.",
            ));
        }
        (None, None) => {
            return Err(Fault::invalid("`passphrase` or `publickey` is needed."));
        }
        (Some(_), None) if asked.is_some() => {
            return Err(Fault::invalid(
                "The token of a key made here is chosen here.",
            ));
        }
        (Some(passphrase), None) => {
            let token = Token::random();
            // Before the work: the terms may be refused.
            keys::row(ask, now, String::new(), Private::None, None)?;
            let made = online::make(&app, &token, passphrase).await?;
            let row = keys::row(
                ask,
                now,
                made.public_key,
                made.private_key,
                Some(&made.hash),
            )?;
            let key = Key { token, row };
            keys::add(&app, &key).await?;
            let mut shown = key.shown(call.format, now);
            shown.private_key = Some(made.told_key);
            shown.private_key_hash = Some(made.hash);
            return call.answer(&shown);
        }
        (None, Some(public)) => {
            let token = match asked {
                None => Token::random(),
                Some(Ok(token)) if token.is_original() => token,
                Some(_) => {
                    return Err(Fault::invalid(
                        "A token of your own has 16 hex digits, as the original service gave them.",
                    ));
                }
            };
            let hash = ask.text("privatekeyhash");
            let private = match ask.text("privatekey") {
                Some(private) => Private::Uploaded(private.to_owned()),
                None if hash.is_none() => {
                    return Err(Fault::invalid(
                        "`privatekeyhash` or `privatekey` is needed: else nobody could read.",
                    ));
                }
                None => Private::None,
            };
            let row = keys::row(ask, now, public.to_owned(), private, hash)?;
            Key { token, row }
        }
    };
    keys::add(&app, &key).await?;
    call.answer(&key.shown(call.format, now))
}

/// Reads messages.
///
/// `token` and `passphrase` give them opened, `token` and `privatekeyhash` still sealed, `token` alone
/// the public key and its terms. Secrets belong into the headers `passphrase` and `privatekeyhash`.
#[utoipa::path(get, path = "/Service", tag = "key service", operation_id = "read_messages",
    params(("token" = String, Header), ("passphrase" = Option<String>, Header),
        ("privatekeyhash" = Option<String>, Header),
        ("format" = Option<String>, Query, description = "`json` or `xml`, before `Accept`"),
        ("v" = Option<String>, Query, description = "1")),
    responses((status = 200, body = Vec<Message>, description = "What waits, oldest first; with the token alone a `CryptoKey`"),
        (status = 304, description = "Nothing waits")))]
async fn get(State(app): State<Shared>, request: Request) -> Result<Response, Fault> {
    let call = Call::read(&app, request).await?;
    let token = call.ask.token()?;
    burning::settle(&app, &token).await?;
    let Some(proof) = call.proof() else {
        let key = keys::find(&app, &token).await?.ok_or_else(Fault::unknown)?;
        return call.answer(&key.shown(call.format, app.now()));
    };
    let (key, private) = admit(&app, &token, &proof, call.visitor).await?;
    if key.row.release_at > app.now() {
        return Err(Fault::invalid(
            "The key's release date is not yet there: nothing is told before it.",
        ));
    }
    let waiting = messages::all(&app, &token).await?;
    if waiting.is_empty() {
        return Ok(call.dress(StatusCode::NOT_MODIFIED.into_response()));
    }
    let burns = key.row.burn_messages || key.row.burn_key;
    let read: Vec<_> = waiting.iter().map(|message| message.seq).collect();
    let reading = Reading {
        app: Arc::clone(&app),
        format: call.format,
        key: private,
    };
    let with_key = key.row.burn_key;
    let body = reading.body(waiting, move || {
        if burns {
            app.service.burning.lit(token, &read, with_key, app.now());
        }
    });
    Ok(call.dress(call.format.respond(body)))
}

/// Sends messages.
///
/// Online: `token` with `message`, files as form data, or both. Offline: `token`, `encryptedmessage`,
/// `encryptionkey`, and with `isfile` of a file; `messagehash` is kept when it is given.
#[utoipa::path(put, path = "/Service", tag = "key service", operation_id = "send_message",
    params(("format" = Option<String>, Query, description = "`json` or `xml`, before `Accept`"),
        ("v" = Option<String>, Query, description = "1")),
    request_body(content = String, content_type = "multipart/form-data"),
    responses((status = 200, body = bool)))]
async fn put(State(app): State<Shared>, request: Request) -> Result<Response, Fault> {
    let mut call = Call::read(&app, request).await?;
    let token = call.ask.token()?;
    burning::settle(&app, &token).await?;
    let key = keys::taking(&app, &token).await?;
    if let Some(data) = call.sealed(&app).await? {
        let encryption_key = call.ask.text("encryptionkey").ok_or_else(|| {
            Fault::invalid("`encryptionkey` is needed beside `encryptedmessage`.")
        })?;
        if call.ask.whole("message").is_some() || !call.ask.files.is_empty() {
            return Err(Fault::invalid(
                "Send `encryptedmessage`, or `message` and files; not both at once.",
            ));
        }
        let sealed = Sealed {
            data,
            encryption_key: encryption_key.to_owned(),
            hash: call.ask.text("messagehash").map(str::to_owned),
            is_file: call.ask.flag("isfile")?,
        };
        messages::add(&app, &key, sealed).await?;
        return call.answer(&true);
    }
    let mut contents = Vec::new();
    if let Some(text) = call.ask.take_message() {
        contents.push(Content::Text(text));
    }
    for file in std::mem::take(&mut call.ask.files) {
        contents.push(Content::File(file.name, file.bytes));
    }
    if contents.is_empty() {
        return Err(Fault::invalid(
            "`message`, `encryptedmessage` or a file is needed.",
        ));
    }
    for content in contents {
        let is_file = matches!(content, Content::File(..));
        let sealed = online::seal(&app, &key, content).await?;
        let mut data = Writer::new(&app);
        data.push(sealed.encryptedmessage.as_bytes(), Some(token.as_str()))
            .await?;
        let sealed = Sealed {
            data,
            encryption_key: sealed.encryptionkey,
            hash: sealed.messagehash,
            is_file,
        };
        messages::add(&app, &key, sealed).await?;
    }
    call.answer(&true)
}

/// Deletes a key with its messages: `token`, and `passphrase` or `privatekeyhash`.
#[utoipa::path(delete, path = "/Service", tag = "key service", operation_id = "delete_key",
    params(("token" = String, Header), ("passphrase" = Option<String>, Header),
        ("privatekeyhash" = Option<String>, Header),
        ("format" = Option<String>, Query, description = "`json` or `xml`, before `Accept`"),
        ("v" = Option<String>, Query, description = "1")),
    responses((status = 200, body = String, description = "`Deleted.`")))]
async fn delete(State(app): State<Shared>, request: Request) -> Result<Response, Fault> {
    let call = Call::read(&app, request).await?;
    let token = call.ask.token()?;
    burning::settle(&app, &token).await?;
    let proof = call
        .proof()
        .ok_or_else(|| Fault::invalid("`passphrase` or `privatekeyhash` is needed."))?;
    admit(&app, &token, &proof, call.visitor).await?;
    // The key first: a message that comes in between finds none.
    keys::remove(&app, &token).await?;
    let waiting = messages::all(&app, &token).await?;
    messages::remove(&app, &token, &waiting).await?;
    call.answer(&"Deleted.")
}

/// A file, once: what `TemporaryDownloadId` of a message names, within 120 seconds.
#[utoipa::path(get, path = "/Service/Files/{id}", tag = "key service", operation_id = "download_file",
    params(("id" = String, Path, description = "`TemporaryDownloadId`")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream",
        description = "Opened, the file; sealed, what its sender gave")))]
async fn download(State(app): State<Shared>, Path(id): Path<String>) -> Result<Response, Fault> {
    let gone = || {
        Fault::new(
            StatusCode::NOT_FOUND,
            "The link was used, its time is over, or there was none: read the messages again.",
        )
    };
    let file = app.service.files.take(&id, app.now()).ok_or_else(gone)?;
    let (name, body) = match file.key {
        None => ("sealed".to_owned(), reading::raw(app, file.row.data)),
        Some(key) => {
            let sealed = reading::sealed(&app, &file.row).await?;
            let file = online::open_file(&app, key, sealed).await?;
            let file = file.ok_or_else(gone)?;
            let bytes = axum::body::Bytes::from_owner(Owned(file.bytes));
            (file.name, Body::from(bytes))
        }
    };
    let encoded = percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
    let disposition = format!("attachment; filename*=UTF-8''{encoded}");
    Ok((
        [
            (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
            (header::CONTENT_DISPOSITION, disposition),
        ],
        body,
    )
        .into_response())
}
