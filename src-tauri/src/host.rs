//! The relay on this computer: `waxwing-relay` run inside this process, on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use waxwing_client::host::{HostFuture, RelayHost};
use waxwing_relay::{Config, Relay};

/// The name that addresses at this relay end with.
const NAME: &str = "localhost";

/// Runs the relay library while asked to.
#[derive(Debug, Default)]
pub(crate) struct EmbeddedRelay(Mutex<Option<Running>>);

#[derive(Debug)]
struct Running {
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl EmbeddedRelay {
    fn running(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RelayHost for EmbeddedRelay {
    fn start<'a>(
        &'a self,
        dir: &'a Path,
        port: u16,
    ) -> HostFuture<'a, std::io::Result<SocketAddr>> {
        Box::pin(async move {
            let mut config = Config::new(dir, NAME);
            // Any page in a browser on this computer could use it, and fill the disk.
            config.key_service.served = false;
            // The folder first: its lock decides who runs the relay.
            let relay = Relay::open(config).await.map_err(std::io::Error::other)?;
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
            let address = listener.local_addr()?;
            let stop = CancellationToken::new();
            let until = stop.clone();
            let served = tokio::spawn(async move {
                if let Err(error) = relay.serve(listener, until).await {
                    tracing::error!(%error, "the relay on this computer stopped");
                }
            });
            *self.running() = Some(Running { stop, served });
            Ok(address)
        })
    }

    fn stop(&self) -> HostFuture<'_, ()> {
        Box::pin(async move {
            let Some(Running { stop, served }) = self.running().take() else {
                return;
            };
            stop.cancel();
            if let Err(error) = served.await {
                tracing::error!(%error, "the relay on this computer did not stop cleanly");
            }
        })
    }

    fn is_running(&self) -> bool {
        self.running()
            .as_ref()
            .is_some_and(|running| !running.served.is_finished())
    }
}
