//! What the relay says of itself to anyone: what it allows, whether it lives, its description.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::Mutex;
use waxwing_wire::api::RelayInfo;
use waxwing_wire::problem::Slug;

use super::{Refusal, Shared};

/// How long the answer of a write probe stands, so that asking costs no disk.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// The last answer of the write probe.
#[derive(Default)]
pub(super) struct Readiness(Mutex<Option<(Instant, bool)>>);

/// What the relay is and allows, and its time.
#[utoipa::path(get, path = "/v1/relay", tag = "relay", responses((status = 200, body = RelayInfo)))]
pub(super) async fn relay(State(app): State<Shared>) -> Json<RelayInfo> {
    Json(RelayInfo {
        name: app.config.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        time: app.now(),
        limits: app.config.limits.clone(),
    })
}

/// Whether the process answers.
#[utoipa::path(get, path = "/livez", tag = "relay",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn livez() -> &'static str {
    "alive\n"
}

/// Whether the relay takes and keeps: a write was made durable within the last second.
#[utoipa::path(get, path = "/readyz", tag = "relay",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn readyz(State(app): State<Shared>) -> Result<&'static str, Refusal> {
    let stopping = app.stopping.is_cancelled();
    let mut last = app.readiness.0.lock().await;
    let ready = match *last {
        Some((at, ready)) if at.elapsed() < PROBE_EVERY => ready,
        _ => {
            let probe = tokio::time::timeout(Duration::from_secs(2), app.store.probe()).await;
            let ready = matches!(probe, Ok(Ok(())));
            *last = Some((Instant::now(), ready));
            ready
        }
    };
    if ready && !stopping {
        Ok("ready\n")
    } else {
        Err(Refusal::because(
            Slug::Unavailable,
            "The relay does not take anything at this time.",
        )
        .with(|problem| problem.retry_after = Some(5)))
    }
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "relay",
    responses((status = 200, body = serde_json::Value)))]
pub(super) async fn openapi() -> Result<Response, Refusal> {
    static TEXT: OnceLock<Option<String>> = OnceLock::new();
    let text = TEXT
        .get_or_init(|| super::openapi().to_json().ok())
        .as_deref()
        .ok_or(Slug::Internal)?;
    Ok((
        [(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )],
        text,
    )
        .into_response())
}
