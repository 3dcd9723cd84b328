//! How a call says no: a problem (RFC 9457) with one of the stable slugs.
//!
//! A refusal becomes an empty response that carries the problem; [`super::dress`] writes the
//! body, because only it knows the request id.

use std::any::Any;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use waxwing_wire::problem::{Problem, Slug};

use crate::store::StoreError;

/// A call's "no". Its detail is fixed text, never anything of the request.
#[derive(Debug, Clone)]
pub(crate) struct Refusal(pub(super) Box<Problem>);

impl Refusal {
    pub(crate) fn new(slug: Slug) -> Self {
        Self(Box::new(Problem::new(slug)))
    }

    /// With words a person can act on.
    pub(crate) fn because(slug: Slug, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem::new(slug).with_detail(detail)))
    }

    /// With a change of its members.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Problem)) -> Self {
        change(&mut self.0);
        self
    }
}

impl From<Slug> for Refusal {
    fn from(slug: Slug) -> Self {
        Self::new(slug)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DiskFull => Self::because(
                Slug::StorageFull,
                "The relay takes nothing new until its disk has room again.",
            ),
            StoreError::Unavailable => Self::because(
                Slug::Unavailable,
                "The relay's storage does not answer; try again later.",
            )
            .with(|problem| problem.retry_after = Some(5)),
            // Each of these means something else to each call, which must say what.
            other => {
                tracing::error!(error = %other, "an answer of the store was not expected");
                Self::new(Slug::Internal)
            }
        }
    }
}

/// What RFC 9421 section 5.1 lets a server ask for.
const ACCEPT_SIGNATURE: HeaderValue = HeaderValue::from_static(
    "waxwing=(\"@method\" \"@authority\" \"@path\" \"@query\");created;nonce;keyid;alg=\"ed25519\";tag=\"waxwing/v1\"",
);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Signature"),
            );
            headers.insert("accept-signature", ACCEPT_SIGNATURE);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The problem of a response that no call made: the router's, the time limit's, a rejection's.
pub(super) fn of_status(status: StatusCode) -> Refusal {
    match status {
        StatusCode::NOT_FOUND => Slug::NotFound.into(),
        StatusCode::METHOD_NOT_ALLOWED => Slug::MethodNotAllowed.into(),
        StatusCode::PAYLOAD_TOO_LARGE => Slug::TooLarge.into(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Slug::UnsupportedMediaType.into(),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT => {
            Refusal::because(Slug::Unavailable, "The request took too long.")
        }
        status if status.is_client_error() => Slug::BodyInvalid.into(),
        _ => Slug::Internal.into(),
    }
}

/// A call panicked. The payload may quote a request, so nothing of it is kept.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a call panicked");
    Refusal::new(Slug::Internal).into_response()
}
