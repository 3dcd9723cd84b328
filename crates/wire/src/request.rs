//! Signed requests: HTTP Message Signatures (RFC 9421) with Content-Digest (RFC 9530).
//!
//! Every request that is somebody's carries one signature labelled `waxwing`, made by the device's
//! transport key (TSK) over method, authority, path, query and, with a body, its digest and type.
//! What is covered follows from the request, never from the header: a signature that covers less is
//! refused. This file builds the signature base for both sides, reads the two headers, and checks;
//! signing is in `waxwing-crypto`.

use sfv::{
    BareItem, DictSerializer, Dictionary, InnerList, KeyRef, ListEntry, ListSerializer, Parser,
    StringRef,
};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::b64;
use crate::cose_key::{TransportPublic, Verifier as _};
use crate::ids::{AccountId, DeviceId};
use crate::limits::REQUEST_WINDOW;

/// The label in `Signature-Input` and `Signature`.
pub const LABEL: &str = "waxwing";
/// The `tag` parameter: what the signature is for.
pub const TAG: &str = "waxwing/v1";
/// The `alg` parameter.
pub const ALG: &str = "ed25519";

/// Why a request's signature is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// There is no signature labelled `waxwing`.
    #[error("the request is not signed")]
    Unsigned,
    /// The headers are malformed or miss a parameter.
    #[error("the signature headers are malformed")]
    Malformed,
    /// It covers other components than the request requires.
    #[error("the signature does not cover what it must")]
    Coverage,
    /// It does not verify.
    #[error("the signature does not verify")]
    Invalid,
    /// The body is not the one that `Content-Digest` names.
    #[error("the body does not match its digest")]
    Digest,
    /// `created` is more than 60 seconds from the clock.
    #[error("the clocks differ too much")]
    ClockSkew,
}

/// The parts of a request that are signed, exactly as they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// Upper-case method.
    pub method: &'a str,
    /// Host and, unless it is the scheme's default, port; compared in lower case (RFC 9421 section
    /// 2.2.3).
    pub authority: &'a str,
    /// Path as on the request line, `/` at least (section 2.2.6).
    pub path: &'a str,
    /// Query without its `?`; `None` and `Some("")` sign the same (section 2.2.7).
    pub query: Option<&'a str>,
    /// The `Content-Digest` header; required with a body.
    pub content_digest: Option<&'a str>,
    /// The `Content-Type` header; required with a body.
    pub content_type: Option<&'a str>,
    /// The `Upload-Offset` header; required with a piece of an upload.
    pub upload_offset: Option<&'a str>,
}

impl Target<'_> {
    /// Names and values of everything that must be covered, in the order used when signing.
    fn components(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![
            ("@method", self.method.to_owned()),
            ("@authority", self.authority.to_ascii_lowercase()),
            ("@path", self.path.to_owned()),
            ("@query", format!("?{}", self.query.unwrap_or_default())),
        ];
        let fields = [
            ("content-digest", self.content_digest),
            ("content-type", self.content_type),
            ("upload-offset", self.upload_offset),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                all.push((name, value.trim().to_owned()));
            }
        }
        all
    }
}

/// Who signs, when, and a number used once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// The account.
    pub account_id: AccountId,
    /// The device.
    pub device_id: DeviceId,
    /// Unix seconds.
    pub created: u64,
    /// Random, remembered by the relay for the window.
    pub nonce: [u8; 16],
}

/// What the signer needs: the bytes to sign, and the header they go with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToSign {
    /// The signature base (RFC 9421 section 2.5): sign these bytes.
    pub base: String,
    /// The `Signature-Input` header.
    pub signature_input: String,
}

/// Prepares a request for signing.
///
/// # Errors
/// [`RequestError::Malformed`] when a part cannot be written into a header.
pub fn prepare(target: &Target<'_>, params: &Params) -> Result<ToSign, RequestError> {
    let components = target.components();
    let mut list = ListSerializer::new();
    {
        let mut inner = list.inner_list();
        for (name, _) in &components {
            inner.bare_item(string(name)?);
        }
        let created = i64::try_from(params.created).map_err(|_| RequestError::Malformed)?;
        let created = sfv::Integer::try_from(created).map_err(|_| RequestError::Malformed)?;
        let keyid = format!("{}.{}", params.account_id, params.device_id);
        let nonce = b64::encode(&params.nonce);
        let _written = inner
            .finish()
            .parameter(key("created")?, created)
            .parameter(key("nonce")?, string(&nonce)?)
            .parameter(key("keyid")?, string(&keyid)?)
            .parameter(key("alg")?, string(ALG)?)
            .parameter(key("tag")?, string(TAG)?)
            .finish();
    }
    let signature_params = list.finish().ok_or(RequestError::Malformed)?;
    let lines: Vec<(&str, &str)> = components
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    Ok(ToSign {
        base: signature_base(&lines, &signature_params),
        signature_input: format!("{LABEL}={signature_params}"),
    })
}

/// The `Signature` header for a signature over [`ToSign::base`].
///
/// # Errors
/// Never in practice; [`RequestError::Malformed`] if the label could not be written.
pub fn signature_header(signature: &[u8; 64]) -> Result<String, RequestError> {
    let mut dictionary = DictSerializer::new();
    dictionary.bare_item(key(LABEL)?, signature.as_slice());
    dictionary.finish().ok_or(RequestError::Malformed)
}

/// The signature base of RFC 9421 section 2.5: one line per component, then `@signature-params`.
/// `params` is the serialised inner list with its parameters.
pub fn signature_base(components: &[(&str, &str)], params: &str) -> String {
    let mut base = String::new();
    for (name, value) in components {
        base.push('"');
        base.push_str(name);
        base.push_str("\": ");
        base.push_str(value);
        base.push('\n');
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(params);
    base
}

/// The two headers as they were read; nothing is proven yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRequest {
    params: Params,
    covered: Vec<String>,
    signature_params: String,
    signature: [u8; 64],
}

impl SignedRequest {
    /// Reads `Signature-Input` and `Signature`. Other labels are ignored, ours must be exact.
    ///
    /// # Errors
    /// [`RequestError::Unsigned`] or [`RequestError::Malformed`].
    pub fn parse(signature_input: &str, signature: &str) -> Result<Self, RequestError> {
        let inputs: Dictionary = Parser::new(signature_input)
            .parse()
            .map_err(|_| RequestError::Malformed)?;
        let signatures: Dictionary = Parser::new(signature)
            .parse()
            .map_err(|_| RequestError::Malformed)?;
        let (Some(input), Some(signature)) = (inputs.get(LABEL), signatures.get(LABEL)) else {
            return Err(RequestError::Unsigned);
        };
        let ListEntry::InnerList(list) = input else {
            return Err(RequestError::Malformed);
        };
        let signature = match signature {
            ListEntry::Item(item) => match &item.bare_item {
                BareItem::ByteSequence(bytes) => bytes.as_slice().try_into().ok(),
                _ => None,
            },
            ListEntry::InnerList(_) => None,
        };
        let mut serialised = ListSerializer::new();
        serialised.members([&ListEntry::InnerList(list.clone())]);
        Ok(Self {
            params: read_params(list)?,
            covered: read_covered(list)?,
            signature_params: serialised.finish().ok_or(RequestError::Malformed)?,
            signature: signature.ok_or(RequestError::Malformed)?,
        })
    }

    /// Who claims to have signed: look the device's transport key up by this.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Proves that the key signed exactly this request. Time and nonce are the caller's to check,
    /// with [`VerifiedRequest::check_time`] and its memory of nonces; the body with
    /// [`check_content_digest`].
    ///
    /// # Errors
    /// [`RequestError::Coverage`] or [`RequestError::Invalid`].
    pub fn verify(
        &self,
        target: &Target<'_>,
        key: &TransportPublic,
    ) -> Result<VerifiedRequest, RequestError> {
        if target.content_digest.is_some() != target.content_type.is_some() {
            return Err(RequestError::Coverage);
        }
        let required = target.components();
        if self.covered.len() != required.len() {
            return Err(RequestError::Coverage);
        }
        let mut lines = Vec::with_capacity(required.len());
        for (at, name) in self.covered.iter().enumerate() {
            let found = required.iter().find(|(wanted, _)| wanted == name);
            let (name, value) = found.ok_or(RequestError::Coverage)?;
            if self.covered[..at].iter().any(|other| other == name) {
                return Err(RequestError::Coverage);
            }
            lines.push((*name, value.as_str()));
        }
        let base = signature_base(&lines, &self.signature_params);
        key.verify_strict(base.as_bytes(), &self.signature)
            .map_err(|_| RequestError::Invalid)?;
        Ok(VerifiedRequest {
            params: self.params,
        })
    }
}

/// The proof that a transport key signed a request; made only by [`SignedRequest::verify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedRequest {
    params: Params,
}

impl VerifiedRequest {
    /// Who signed, when, with which nonce.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Checks that `created` lies within 60 seconds of `now` (Unix seconds).
    ///
    /// # Errors
    /// [`RequestError::ClockSkew`].
    pub fn check_time(&self, now: u64) -> Result<(), RequestError> {
        if self.params.created.abs_diff(now) <= REQUEST_WINDOW {
            Ok(())
        } else {
            Err(RequestError::ClockSkew)
        }
    }
}

fn read_covered(list: &InnerList) -> Result<Vec<String>, RequestError> {
    list.items
        .iter()
        .map(|item| match &item.bare_item {
            // Component parameters (`;sf`, `;bs`, `;req`) would change what is signed.
            BareItem::String(name) if item.params.is_empty() => Ok(name.as_str().to_owned()),
            _ => Err(RequestError::Malformed),
        })
        .collect()
}

fn read_params(list: &InnerList) -> Result<Params, RequestError> {
    let text = |name: &str| match list.params.get(name) {
        Some(BareItem::String(text)) => Ok(text.as_str()),
        _ => Err(RequestError::Malformed),
    };
    if list.params.len() != 5 || text("alg")? != ALG || text("tag")? != TAG {
        return Err(RequestError::Malformed);
    }
    let created = match list.params.get("created") {
        Some(BareItem::Integer(seconds)) => u64::try_from(i64::from(*seconds)).ok(),
        _ => None,
    };
    let (account, device) = text("keyid")?
        .split_once('.')
        .ok_or(RequestError::Malformed)?;
    let nonce = b64::decode(text("nonce")?).and_then(|nonce| nonce.try_into().ok());
    Ok(Params {
        account_id: account.parse().map_err(|_| RequestError::Malformed)?,
        device_id: device.parse().map_err(|_| RequestError::Malformed)?,
        created: created.ok_or(RequestError::Malformed)?,
        nonce: nonce.ok_or(RequestError::Malformed)?,
    })
}

/// The `Content-Digest` header of a body (RFC 9530 section 2): `sha-256=:...:`.
pub fn content_digest(body: &[u8]) -> String {
    content_digest_of(&Sha256::digest(body).into())
}

/// The `Content-Digest` header for a SHA-256 that was computed while streaming.
pub fn content_digest_of(sha256: &[u8; 32]) -> String {
    use base64ct::Encoding as _;
    format!("sha-256=:{}:", base64ct::Base64::encode_string(sha256))
}

/// The SHA-256 that a `Content-Digest` header names.
///
/// # Errors
/// [`RequestError::Malformed`] when there is none.
pub fn parse_content_digest(header: &str) -> Result<[u8; 32], RequestError> {
    let members: Dictionary = Parser::new(header)
        .parse()
        .map_err(|_| RequestError::Malformed)?;
    match members.get("sha-256") {
        Some(ListEntry::Item(item)) => match &item.bare_item {
            BareItem::ByteSequence(bytes) => bytes
                .as_slice()
                .try_into()
                .map_err(|_| RequestError::Malformed),
            _ => Err(RequestError::Malformed),
        },
        _ => Err(RequestError::Malformed),
    }
}

/// Checks a body against its `Content-Digest` header.
///
/// # Errors
/// [`RequestError::Malformed`] or [`RequestError::Digest`].
pub fn check_content_digest(header: &str, body: &[u8]) -> Result<(), RequestError> {
    let named = parse_content_digest(header)?;
    let actual: [u8; 32] = Sha256::digest(body).into();
    if bool::from(named.ct_eq(&actual)) {
        Ok(())
    } else {
        Err(RequestError::Digest)
    }
}

fn key(name: &str) -> Result<&KeyRef, RequestError> {
    KeyRef::from_str(name).map_err(|_| RequestError::Malformed)
}

fn string(text: &str) -> Result<&StringRef, RequestError> {
    StringRef::from_str(text).map_err(|_| RequestError::Malformed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use base64ct::{Base64, Encoding as _};

    /// RFC 9421 appendix B.2.6, with the test key of B.1.4.
    #[test]
    fn rfc_9421_b_2_6_ed25519_vector() {
        let params = "(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \
             \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"";
        let base = signature_base(
            &[
                ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
                ("@method", "POST"),
                ("@path", "/foo"),
                ("@authority", "example.com"),
                ("content-type", "application/json"),
                ("content-length", "18"),
            ],
            params,
        );
        let expected = "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\
             \"@path\": /foo\n\"@authority\": example.com\n\
             \"content-type\": application/json\n\"content-length\": 18\n\
             \"@signature-params\": (\"date\" \"@method\" \"@path\" \"@authority\" \
             \"content-type\" \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"";
        assert_eq!(base, expected);
        let public = b64::decode("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs").unwrap();
        let key = TransportPublic::from_bytes(&public.try_into().unwrap()).unwrap();
        let signature = Base64::decode_vec(
            "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
        )
        .unwrap();
        assert!(
            key.verify_strict(base.as_bytes(), &signature.try_into().unwrap())
                .is_ok()
        );
    }

    /// RFC 9530 appendix B.1: the digest of `{"hello": "world"}` and a line feed.
    #[test]
    fn rfc_9530_content_digest() {
        let body = b"{\"hello\": \"world\"}\n";
        let header = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
        assert_eq!(content_digest(body), header);
        assert_eq!(check_content_digest(header, body), Ok(()));
        assert_eq!(
            check_content_digest(header, b"other"),
            Err(RequestError::Digest)
        );
    }

    #[test]
    fn headers_are_read_back_as_they_were_prepared() {
        let target = Target {
            method: "POST",
            authority: "Localhost:8080",
            path: "/v1/envelopes",
            query: None,
            content_digest: Some("sha-256=:AAAA:"),
            content_type: Some("application/cbor"),
            upload_offset: None,
        };
        let params = Params {
            account_id: AccountId::new([1; 32]),
            device_id: DeviceId::new([2; 16]),
            created: 1_700_000_000,
            nonce: [3; 16],
        };
        let prepared = prepare(&target, &params).unwrap();
        assert!(prepared.base.contains("\"@authority\": localhost:8080\n"));
        assert!(prepared.base.contains("\"@query\": ?\n"));
        let header = signature_header(&[7; 64]).unwrap();
        let read = SignedRequest::parse(&prepared.signature_input, &header).unwrap();
        assert_eq!(read.params(), &params);
        assert!(prepared.base.ends_with(&read.signature_params));
        assert_eq!(
            SignedRequest::parse("other=()", "other=:AA==:"),
            Err(RequestError::Unsigned)
        );
    }
}
