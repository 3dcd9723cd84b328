//! The visitor's page of a drop box: a few files of the face's build, served from memory.
//!
//! `/drop/{id}` is the same page for every box. Which one it is, and which key it has, the page
//! learns from its own address; what stands behind `#` never reaches the relay. Carries out
//! docs/protocol.md section 18, "The page".

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use include_dir::{Dir, include_dir};
use waxwing_wire::problem::Slug;

use super::{Refusal, Shared};

/// What `npm --prefix ui run build` made when this was compiled.
static PAGE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../ui/dist-drop");

/// The page runs its own script and speaks to its own relay, and nothing else.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types svelte-trusted-html",
);

/// Files have a digest of their content in their names.
const FOR_GOOD: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/drop/{id}", get(page))
        .route("/drop/assets/{file}", get(asset))
}

/// The page, whichever box it is for: it says itself what it finds there.
async fn page() -> Result<Response, Refusal> {
    let page = PAGE.get_file("drop.html").ok_or_else(|| {
        Refusal::because(
            Slug::NotFound,
            "This relay was built without its page for visitors.",
        )
    })?;
    let headers = [
        (header::CONTENT_TYPE, html()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ];
    Ok((headers, page.contents()).into_response())
}

/// One of the page's files.
async fn asset(Path(name): Path<String>) -> Result<Response, Refusal> {
    let file = PAGE
        .get_file(format!("assets/{name}"))
        .ok_or(Slug::NotFound)?;
    let extension = file.path().extension().and_then(|text| text.to_str());
    let kind = match extension {
        Some("js") => HeaderValue::from_static("text/javascript; charset=utf-8"),
        Some("css") => HeaderValue::from_static("text/css; charset=utf-8"),
        Some("svg") => HeaderValue::from_static("image/svg+xml"),
        _ => HeaderValue::from_static("application/octet-stream"),
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, FOR_GOOD),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ];
    Ok((headers, file.contents()).into_response())
}

fn html() -> HeaderValue {
    HeaderValue::from_static("text/html; charset=utf-8")
}
