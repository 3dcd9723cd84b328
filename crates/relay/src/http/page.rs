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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_page_runs_its_own_files_alone_and_is_not_kept() {
        let page = page()
            .await
            .expect("the page: run `npm --prefix ui run build`");
        let header = |name: &str| page.headers()[name].to_str().unwrap().to_owned();
        assert!(header("content-security-policy").starts_with("default-src 'none'; "));
        assert!(!header("content-security-policy").contains("unsafe"));
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin");
    }

    #[tokio::test]
    async fn every_file_of_the_page_is_served_as_what_it_is_and_nothing_else_is() {
        let files = PAGE.get_dir("assets").expect("the page is built").files();
        let mut kinds = Vec::new();
        for file in files {
            let name = file.path().file_name().unwrap().to_str().unwrap();
            let answer = asset(Path(name.to_owned())).await.unwrap();
            assert_eq!(answer.headers()[header::CACHE_CONTROL], FOR_GOOD);
            kinds.push(answer.headers()[header::CONTENT_TYPE].clone());
        }
        assert!(kinds.contains(&HeaderValue::from_static("text/javascript; charset=utf-8")));
        assert!(kinds.contains(&HeaderValue::from_static("text/css; charset=utf-8")));
        for other in ["", "nothing.js", "../drop.html", "/etc/hostname"] {
            assert!(asset(Path(other.to_owned())).await.is_err());
        }
    }
}
