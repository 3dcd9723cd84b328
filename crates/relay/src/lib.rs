//! A directory and mailbox that holds sealed envelopes it cannot open.
//!
//! [`Relay::open`] takes a [`Config`]; [`Relay::serve`] answers on a listener until it is told
//! to stop. The desktop app runs one inside itself on loopback; the binary `waxwing-relay` is
//! the same library on a machine of its own. What the relay must verify (cards, prekeys,
//! request signatures) is verify-only code in `waxwing-wire`; it has no key to anything.
//!
//! - [`store`]: where everything is kept, behind one contract.
//! - `http`: the calls of `/v1`, one file for each noun.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod clock;
mod config;
mod http;
pub mod overwrite;
mod serve;
pub mod store;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use self::config::{Config, ConfigError, KeyService, Rate};
use self::http::App;
pub use self::serve::ServeError;
use self::store::{AnyStore, OpenStoreError, SledOptions, SledStore, StoreError};

/// A relay that is open and may be served. Clones are the same relay.
#[derive(Clone)]
pub struct Relay {
    app: Arc<App>,
}

/// Why a relay could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The folder cannot be used.
    #[error(transparent)]
    Store(#[from] OpenStoreError),
    /// The thread that opened it died.
    #[error("opening was interrupted")]
    Interrupted,
}

impl Relay {
    /// Opens the embedded store in the configured folder.
    ///
    /// # Errors
    /// [`OpenError`], among it [`OpenStoreError::InUse`] when another process has the folder.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        config.check()?;
        let options = SledOptions {
            folder: config.data_dir.clone(),
            cache_bytes: config.cache_bytes,
            reserve_bytes: config.reserve_bytes,
            clock: Arc::clone(&config.clock),
        };
        let store = tokio::task::spawn_blocking(move || SledStore::open(&options))
            .await
            .map_err(|_| OpenError::Interrupted)??;
        Ok(Self::with_store(config, store.into_any()))
    }

    /// A relay over any store.
    pub fn with_store(config: Config, store: AnyStore) -> Self {
        Self {
            app: Arc::new(App::new(config, store)),
        }
    }

    /// All calls as one axum router, for tests and for embedding without a socket.
    pub fn router(&self) -> axum::Router {
        http::router(&self.app)
    }

    /// The `OpenAPI` 3.1 description, as served at `/openapi.json`.
    pub fn openapi() -> utoipa::openapi::OpenApi {
        http::openapi()
    }

    /// Answers on `listener` until `shutdown`; then answers long polls at once, finishes what
    /// is under way and what was accepted for writing, and closes the store, in ten seconds
    /// at most.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn serve(
        &self,
        listener: tokio::net::TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        serve::serve(&self.app, listener, shutdown).await
    }

    /// Removes what has expired; [`Relay::serve`] does so every half minute.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        self.app.store.sweep().await
    }

    /// Answers long polls, finishes the writes that were accepted and closes the store. The
    /// folder is free when the last clone is dropped.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn close(&self) -> Result<(), StoreError> {
        self.app.stopping.cancel();
        http::burn_what_was_read(&self.app).await;
        self.app.store.close().await
    }
}
