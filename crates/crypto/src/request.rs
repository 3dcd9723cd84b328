//! Signing requests to the relay (RFC 9421); the signature base and the check are in
//! [`waxwing_wire::request`].

use waxwing_wire::request::{self, Params, RequestError, Target};

use crate::keys::TransportKey;

/// The two headers that sign a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureHeaders {
    /// `Signature-Input`.
    pub signature_input: String,
    /// `Signature`.
    pub signature: String,
}

/// Signs a request. With a body, `target` must carry its `Content-Digest` (see
/// [`request::content_digest`]) and `Content-Type`.
///
/// # Errors
/// [`RequestError::Coverage`] when only one of the two is there, [`RequestError::Malformed`] when a
/// part cannot be written into a header.
pub fn sign_request(
    key: &TransportKey,
    target: &Target<'_>,
    params: &Params,
) -> Result<SignatureHeaders, RequestError> {
    if target.content_digest.is_some() != target.content_type.is_some() {
        return Err(RequestError::Coverage);
    }
    let prepared = request::prepare(target, params)?;
    Ok(SignatureHeaders {
        signature: request::signature_header(&key.sign_request(&prepared.base))?,
        signature_input: prepared.signature_input,
    })
}
