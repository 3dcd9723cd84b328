//! A request that was read, and who may do what it asks.

use std::sync::Arc;

use axum::extract::{FromRequestParts as _, Request};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use waxwing_compat::RsaPrivate;

use super::super::visitor::Visitor;
use super::Shared;
use super::answer::{Fault, Format};
use super::keys::{self, Key, Private};
use super::online;
use super::pieces::Writer;
use super::request::Ask;
use super::token::Token;

/// A request that was read.
pub(super) struct Call {
    pub(super) ask: Ask,
    pub(super) format: Format,
    pub(super) visitor: Visitor,
}

/// What a reader proves that it may.
pub(super) enum Proof<'a> {
    Passphrase {
        passphrase: &'a str,
        hash: Option<&'a str>,
    },
    Hash(&'a str),
}

impl Call {
    pub(super) async fn read(app: &Shared, request: Request) -> Result<Self, Fault> {
        let (mut parts, body) = request.into_parts();
        let Ok(visitor) = Visitor::from_request_parts(&mut parts, app).await;
        app.limits.service(visitor).map_err(|seconds| {
            Fault::too_many("Too many requests from your address; wait.", seconds)
        })?;
        let format = Format::of(&parts.uri, &parts.headers)?;
        let mut ask = Ask::of_head(&parts)?;
        ask.read_body(app, &parts.headers, body).await?;
        Ok(Self {
            ask,
            format,
            visitor,
        })
    }

    pub(super) fn proof(&self) -> Option<Proof<'_>> {
        let hash = self.ask.text("privatekeyhash");
        match (self.ask.text("passphrase"), hash) {
            (Some(passphrase), hash) => Some(Proof::Passphrase { passphrase, hash }),
            (None, Some(hash)) => Some(Proof::Hash(hash)),
            (None, None) => None,
        }
    }

    /// The `encryptedmessage`, however it came.
    pub(super) async fn sealed(&mut self, app: &Shared) -> Result<Option<Writer>, Fault> {
        if let Some(text) = self.ask.whole("encryptedmessage") {
            let mut writer = Writer::new(app);
            writer.push(text.as_bytes(), self.ask.text("token")).await?;
            return Ok(Some(writer));
        }
        Ok(self.ask.sealed.take())
    }

    pub(super) fn answer<T: serde::Serialize>(&self, value: &T) -> Result<Response, Fault> {
        Ok(self.dress(self.format.write(value)?))
    }

    /// Tells who put a secret into the URL that this is no way to send it (RFC 9745).
    pub(super) fn dress(&self, mut response: Response) -> Response {
        if self.ask.secret_in_url {
            let headers = response.headers_mut();
            headers.insert("deprecation", HeaderValue::from_static("@1767225600"));
            headers.insert(
                header::LINK,
                HeaderValue::from_static(
                    "</openapi.json#/paths/~1Service/get>; rel=\"deprecation\"; type=\"application/json\"",
                ),
            );
        }
        response
    }
}

/// Lets in who proves that the key is theirs; answers the opened private key of an online reader.
///
/// # Errors
/// 404 for an unknown token, 400 for a wrong proof, 429 for too many of them.
pub(super) async fn admit(
    app: &Shared,
    token: &Token,
    proof: &Proof<'_>,
    visitor: Visitor,
) -> Result<(Key, Option<Arc<RsaPrivate>>), Fault> {
    let guard = &app.service.guard;
    guard.may_try(token, visitor, app.now())?;
    let key = keys::find(app, token).await?;
    let (right, private, sentence) = match proof {
        Proof::Passphrase { passphrase, hash } => {
            let private = online::unlock(app, token, key.as_ref(), passphrase).await?;
            let hash_fits = match (hash, &key) {
                (Some(hash), Some(key)) if key.row.hash.is_some() => key.has_hash(hash),
                _ => true,
            };
            let only_sealed = key
                .as_ref()
                .is_some_and(|key| key.row.private_key == Private::None);
            let sentence = if only_sealed {
                "No private key is kept for this token: its messages are read with `privatekeyhash`."
            } else {
                "The passphrase is wrong."
            };
            (private.is_some() && hash_fits, private, sentence)
        }
        Proof::Hash(hash) => {
            let right = key.as_ref().is_some_and(|key| key.has_hash(hash));
            (
                right,
                None,
                "The hash is not the one that the key was made with.",
            )
        }
    };
    if !right {
        guard.was_wrong(token, visitor, app.now());
    }
    let key = key.ok_or_else(Fault::unknown)?;
    if !right {
        return Err(Fault::invalid(sentence));
    }
    guard.was_right(token, visitor);
    Ok((key, private))
}
