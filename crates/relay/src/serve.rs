//! The listener: connections with limits, upkeep beside them, and an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::Layer as _;

use crate::http::visitor::Peer;
use crate::http::{self, App};

/// The longest time in which a request's headers must arrive.
const HEADER_TIME: Duration = Duration::from_secs(30);
/// Bytes of a request's headers, and their number.
const HEADER_BYTES: usize = 16 * 1024;
const HEADERS: usize = 64;
/// How often what has expired is removed.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// Why serving ended other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener has no address.
    #[error("the listener has no address: {0}")]
    Listener(#[source] std::io::Error),
    /// The last writes could not be finished.
    #[error("the store did not close: {0}")]
    Store(#[from] crate::store::StoreError),
}

pub(crate) async fn serve(
    app: &Arc<App>,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Listener)?;
    app.known_as(own_authorities(address));
    let router = http::router(app);
    let builder = builder();
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(app.config.connections));
    let upkeep = tokio::spawn(upkeep(Arc::clone(app)));
    tracing::info!(address = %address, name = %app.config.name, "listening");
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = shutdown.cancelled() => break,
            () = app.stopping.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: let connections end first.
                tracing::warn!(error = %error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Only latency depends on it.
        let _ = stream.set_nodelay(true);
        let router = Extension(Peer(peer.ip())).layer(router.clone());
        let connection = builder
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
            .into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // Whatever ends a connection is the peer's affair and may quote the peer.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    app.stopping.cancel();
    if tokio::time::timeout(app.config.stop_time, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some connections did not end in time");
    }
    upkeep.abort();
    app.store.close().await?;
    tracing::info!("stopped");
    Ok(())
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_headers(HEADERS)
        .max_buf_size(HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(128)
        .max_header_list_size(16 * 1024)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// How clients on this machine name the listener.
fn own_authorities(address: SocketAddr) -> Vec<String> {
    let mut own = vec![address.to_string()];
    if address.ip().is_loopback() {
        own.push(format!("localhost:{}", address.port()));
    }
    own
}

async fn upkeep(app: Arc<App>) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        app.limits.forget_rested();
        app.links.forget_over(app.now());
        match app.store.sweep().await {
            Ok(0) => {}
            Ok(removed) => tracing::debug!(removed, "swept"),
            Err(error) => tracing::error!(error = %error, "the sweep failed"),
        }
    }
}
