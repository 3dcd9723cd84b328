//! The outermost layer: request id, log line, problem bodies, and headers on everything.
//!
//! The log line's fields are an allow-list: method, route template, status, milliseconds,
//! request id. No path, query, header or body.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::Json;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use uuid::Uuid;
use waxwing_wire::problem::{MEDIA_TYPE, Problem};

use super::rates::Remaining;
use super::refusal::{Refusal, of_status};
use super::service;

/// Where a call leaves what its caller may still do.
pub(super) type RateSlot = Arc<OnceLock<Remaining>>;

/// A problem with the one member that only this layer knows.
#[derive(Serialize)]
struct Instance<'a> {
    #[serde(flatten)]
    problem: &'a Problem,
    instance: String,
}

pub(super) async fn dress(mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let service = service::format_of(request.uri(), request.headers());
    let rate = RateSlot::default();
    request.extensions_mut().insert(Arc::clone(&rate));

    let mut response = next.run(request).await;

    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        response = match service {
            Some(format) => service::in_shape(response, format),
            None => with_problem(response, id),
        };
    }
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        headers.insert("x-request-id", id);
    }
    if let Some(remaining) = rate.get() {
        remaining.write(headers);
    }
    tracing::info!(
        method = %method,
        route = route.as_ref().map_or("-", MatchedPath::as_str),
        status = status.as_u16(),
        milliseconds = begun.elapsed().as_millis(),
        request_id = %id,
        "answered"
    );
    response
}

fn with_problem(response: Response, id: Uuid) -> Response {
    let (mut parts, _) = response.into_parts();
    let refusal = parts
        .extensions
        .remove::<Refusal>()
        .unwrap_or_else(|| of_status(parts.status));
    let instance = Instance {
        problem: &refusal.0,
        instance: id.urn().to_string(),
    };
    let mut dressed = (parts.status, Json(instance)).into_response();
    for kept in [
        header::ALLOW,
        header::RETRY_AFTER,
        header::WWW_AUTHENTICATE,
        header::CONTENT_RANGE,
        header::HeaderName::from_static("accept-signature"),
        header::HeaderName::from_static("upload-offset"),
    ] {
        if let Some(value) = parts.headers.remove(&kept) {
            dressed.headers_mut().insert(kept, value);
        }
    }
    dressed
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    // A problem's status is its slug's, also when a layer had chosen another one.
    if let Ok(status) = refusal.0.status.try_into() {
        *dressed.status_mut() = status;
    }
    dressed
}
