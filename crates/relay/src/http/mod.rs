//! The calls of `/v1`, one file for each noun, and what all of them share.
//!
//! A request passes, from outside in: [`dress`] (request id, log line, problems in one shape,
//! headers), a time limit, the route, and [`caller`] (signature, time, nonce, rate, body).
//! No call repeats anything of a request's body, in an answer or in the log.

mod about;
mod attachments;
mod caller;
mod cards;
mod description;
mod directory;
mod dress;
mod drops;
mod envelopes;
mod links;
mod mailbox;
mod names;
mod page;
mod prekeys;
mod rates;
mod refusal;
mod revocations;
mod rotations;
mod seen;
mod service;
mod status;
pub(crate) mod visitor;

use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::refusal::Refusal;
use crate::Config;
use crate::store::AnyStore;

/// Everything that a call needs.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) store: AnyStore,
    pub(crate) limits: rates::Rates,
    /// Cancelled when the relay stops: long polls answer at once.
    pub(crate) stopping: CancellationToken,
    pub(crate) links: links::Links,
    service: service::Service,
    directory: directory::Directory,
    nonces: caller::Nonces,
    seen: seen::Seen,
    readiness: about::Readiness,
    authorities: RwLock<Vec<String>>,
}

impl App {
    pub(crate) fn new(config: Config, store: AnyStore) -> Self {
        Self {
            limits: rates::Rates::new(&config),
            stopping: CancellationToken::new(),
            links: links::Links::new(config.links),
            service: service::Service::new(&config),
            directory: directory::Directory::new(store.clone()),
            nonces: caller::Nonces::new(),
            seen: seen::Seen::new(),
            readiness: about::Readiness::default(),
            authorities: RwLock::new(config.authorities.clone()),
            config,
            store,
        }
    }

    /// Adds the listener's own names, unless the configuration names the relay.
    pub(crate) fn known_as(&self, own: Vec<String>) {
        if self.config.authorities.is_empty() {
            self.authorities
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(own);
        }
    }

    /// Whether a request to this authority is meant for this relay.
    fn is_known_as(&self, authority: &str) -> bool {
        let known = self
            .authorities
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        known.is_empty() || known.iter().any(|own| own.eq_ignore_ascii_case(authority))
    }

    pub(crate) fn now(&self) -> u64 {
        self.config.clock.now()
    }
}

type Shared = Arc<App>;

/// All routes with their description; a route that is not described cannot be added.
fn described() -> (Router<Shared>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(description::base())
        .routes(routes!(about::relay))
        .routes(routes!(about::livez))
        .routes(routes!(about::readyz))
        .routes(routes!(about::openapi))
        .routes(routes!(cards::put_card, cards::card))
        .routes(routes!(revocations::revoke, revocations::revocations))
        .routes(routes!(rotations::rotations))
        .routes(routes!(seen::devices))
        .routes(routes!(names::put_name, names::name))
        .routes(routes!(names::name_of))
        .routes(routes!(prekeys::publish, prekeys::stock))
        .routes(routes!(prekeys::claim))
        .routes(routes!(envelopes::submit))
        .routes(routes!(envelopes::recall))
        .routes(routes!(mailbox::fetch))
        .routes(routes!(mailbox::ack))
        .routes(routes!(status::status))
        .routes(routes!(attachments::create))
        .routes(routes!(
            attachments::progress,
            attachments::append,
            attachments::download,
            attachments::delete
        ))
        .routes(routes!(drops::put, drops::get, drops::end))
        .routes(routes!(drops::create))
        .routes(routes!(drops::append))
        .routes(routes!(drops::submit))
        .routes(routes!(links::put, links::get))
        .routes(routes!(links::end))
        .split_for_parts()
}

pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    let mut api = description::finish(described().1);
    api.merge(description::finish_service(service::described().1));
    api
}

pub(crate) fn router(app: &Shared) -> Router {
    let (router, _) = described();
    let timed = router
        .merge(page::routes())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            app.config.request_time,
        ));
    // The service takes long bodies, and has a time for each part of its work instead.
    let all = if app.config.key_service.served {
        timed.merge(service::described().0)
    } else {
        timed
    };
    all.layer(CatchPanicLayer::custom(refusal::panicked))
        .layer(from_fn(dress::dress))
        .with_state(Arc::clone(app))
}

/// What the key service does from time to time.
pub(crate) async fn tidy_service(app: &Shared) {
    app.service.forget_over(app.now());
    service::settle_all(app, false).await;
}

/// Burns what was read and is to burn: there is no later.
pub(crate) async fn burn_what_was_read(app: &Shared) {
    service::settle_all(app, true).await;
}

/// An id of a path. What is no id names nothing.
fn id<T: std::str::FromStr>(text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| {
        Refusal::because(
            waxwing_wire::problem::Slug::BodyInvalid,
            "An id in the path is not lower-case hex of its length.",
        )
    })
}
