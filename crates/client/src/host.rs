//! The relay on this computer: which of a person's windows runs it, and where it listens.
//!
//! All profiles share one relay folder. Whoever opens Waxwing first runs the relay; when that
//! window goes away, another takes over at its next try, unless the person stopped the relay.
//! The folder holds the relay's own store and lock, and two small files: `address` (where it
//! listens, kept so that the port stays the same) and `stopped` (the person's wish).

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use url::Url;

/// A boxed future, as a trait object needs it.
pub type HostFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs a relay inside this process. The shell brings one; the client alone names no relay.
pub trait RelayHost: Send + Sync + 'static {
    /// Starts the relay over a folder; port 0 lets the system choose. An error says that the
    /// folder or the port is in use, or that the store cannot be opened.
    fn start<'a>(&'a self, dir: &'a Path, port: u16)
    -> HostFuture<'a, std::io::Result<SocketAddr>>;
    /// Stops it; every accepted envelope is on disk when this returns.
    fn stop(&self) -> HostFuture<'_, ()>;
    /// Whether it runs.
    fn is_running(&self) -> bool;
}

/// The relay on this computer, as one window sees it.
#[derive(Clone)]
pub(crate) struct LocalRelay {
    dir: PathBuf,
    host: Arc<dyn RelayHost>,
}

impl LocalRelay {
    pub(crate) fn new(dir: PathBuf, host: Arc<dyn RelayHost>) -> Self {
        Self { dir, host }
    }

    /// Where the relay on this computer listens, started here if nobody runs it.
    ///
    /// The address may be stale for a moment (its window was killed); the next try mends it.
    pub(crate) async fn find(&self) -> std::io::Result<Url> {
        if !self.host.is_running() && !self.is_stopped() {
            self.run_if_nobody_does().await?;
        }
        let address = tokio::fs::read_to_string(self.dir.join("address")).await?;
        let address: SocketAddr = address.trim().parse().map_err(std::io::Error::other)?;
        Url::parse(&format!("http://{address}/")).map_err(std::io::Error::other)
    }

    async fn run_if_nobody_does(&self) -> std::io::Result<()> {
        tokio::fs::create_dir_all(&self.dir).await?;
        let last = tokio::fs::read_to_string(self.dir.join("address"))
            .await
            .ok();
        let last: Option<SocketAddr> = last.and_then(|text| text.trim().parse().ok());
        if let Some(last) = last
            && tokio::net::TcpStream::connect(last).await.is_ok()
        {
            return Ok(());
        }
        let port = last.map_or(0, |last| last.port());
        let started = match self.host.start(&self.dir, port).await {
            // Somebody else took the port meanwhile: any other will do.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && port != 0 => {
                self.host.start(&self.dir, 0).await
            }
            other => other,
        };
        let address = started?;
        let fresh = self.dir.join("address.tmp");
        tokio::fs::write(&fresh, address.to_string()).await?;
        tokio::fs::rename(&fresh, self.dir.join("address")).await
    }

    /// The person starts or stops the relay on this computer.
    pub(crate) async fn set_running(&self, running: bool) -> std::io::Result<()> {
        let wish = self.dir.join("stopped");
        if running {
            match tokio::fs::remove_file(&wish).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            self.find().await.map(|_| ())
        } else {
            tokio::fs::create_dir_all(&self.dir).await?;
            tokio::fs::write(&wish, b"").await?;
            self.host.stop().await;
            Ok(())
        }
    }

    /// Stops it because this window closes; another window may take over.
    pub(crate) async fn leave(&self) {
        self.host.stop().await;
    }

    pub(crate) fn is_running_here(&self) -> bool {
        self.host.is_running()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.dir.join("stopped").exists()
    }
}
