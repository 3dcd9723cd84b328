//! One call to a relay, and its signature by this device's transport key (RFC 9421, RFC 9530).

use crate::line::{LineError, PATIENCE, Signer};
use crate::view::Reason;
use rand_core::CryptoRng;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use std::time::Duration;
use url::Url;
use waxwing_wire::request::{self, Params, Target};

/// A request that is being made.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<(&'static str, Vec<u8>)>,
    pub(crate) upload_offset: Option<u64>,
    pub(crate) patience: Duration,
}

impl Call {
    pub(crate) fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: None,
            upload_offset: None,
            patience: PATIENCE,
        }
    }

    pub(crate) fn body(mut self, media_type: &'static str, body: Vec<u8>) -> Self {
        self.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        self.body = Some((media_type, body));
        self
    }

    pub(crate) fn json<T: Serialize>(self, body: &T) -> Result<Self, LineError> {
        let body = serde_json::to_vec(body).map_err(|_| LineError::of(Reason::Rejected))?;
        Ok(self.body("application/json", body))
    }

    pub(crate) fn header(mut self, (name, value): (HeaderName, HeaderValue)) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(crate) fn upload_offset(mut self, offset: u64) -> Self {
        self.upload_offset = Some(offset);
        self.header((
            HeaderName::from_static("upload-offset"),
            HeaderValue::from(offset),
        ))
    }

    /// The three headers of a signed request (RFC 9421, RFC 9530).
    pub(crate) fn sign(
        &self,
        url: &Url,
        signer: &Signer,
        now: u64,
        rng: &mut dyn CryptoRng,
    ) -> Result<HeaderMap, LineError> {
        let digest = self
            .body
            .as_ref()
            .map(|(_, body)| request::content_digest(body));
        let offset = self.upload_offset.map(|offset| offset.to_string());
        let target = Target {
            method: self.method.as_str(),
            authority: url.authority(),
            path: url.path(),
            query: url.query(),
            content_digest: digest.as_deref(),
            content_type: self.body.as_ref().map(|(media_type, _)| *media_type),
            upload_offset: offset.as_deref(),
        };
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        let params = Params {
            account_id: signer.account,
            device_id: signer.device,
            created: now,
            nonce,
        };
        let headers_signed = waxwing_crypto::request::sign_request(&signer.key, &target, &params)
            .map_err(|_| LineError::of(Reason::Rejected))?;
        let mut headers = HeaderMap::new();
        if let Some(digest) = digest {
            headers.insert("content-digest", header(&digest));
        }
        headers.insert("signature-input", header(&headers_signed.signature_input));
        headers.insert("signature", header(&headers_signed.signature));
        Ok(headers)
    }

    pub(crate) fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

pub(crate) fn header(text: &str) -> HeaderValue {
    // Built here from numbers and ids alone; never from what somebody typed.
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}
