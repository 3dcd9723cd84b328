//! `waxwing-relay`: the relay on a machine of its own.
//!
//! Speaks plain HTTP: on loopback, or behind a proxy that ends TLS and passes `Host` on. Logs
//! and the address it listens on are JSON lines on standard output.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use waxwing_relay::overwrite::overwrite_what_is_freed;
use waxwing_relay::{Config, Relay};

/// A directory and mailbox that holds sealed envelopes it cannot open.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "WAXWING_RELAY_LISTEN", default_value = "127.0.0.1:8765")]
    listen: SocketAddr,
    /// The folder that the relay owns; made when absent.
    #[arg(
        long,
        env = "WAXWING_RELAY_DATA",
        required_unless_present = "check_config"
    )]
    data: Option<PathBuf>,
    /// The name after `@` in addresses.
    #[arg(long, env = "WAXWING_RELAY_NAME", default_value = "localhost")]
    name: String,
    /// How clients name this relay in a request (`host` or `host:port`), when that is not the
    /// listening address. May be given several times.
    #[arg(long, env = "WAXWING_RELAY_AUTHORITY", value_delimiter = ',')]
    authority: Vec<String>,
    /// A proxy in front ends TLS: allows listening beyond loopback without it.
    #[arg(long, env = "WAXWING_RELAY_BEHIND_PROXY", requires = "authority")]
    behind_proxy: bool,
    /// Does not serve the key service at `/Service`.
    #[arg(long, env = "WAXWING_RELAY_NO_KEY_SERVICE")]
    no_key_service: bool,
    /// Requests of one device in a second; 0 for no limit.
    #[arg(long, env = "WAXWING_RELAY_DEVICE_RATE", default_value_t = 100)]
    device_rate: u32,
    /// Says whether the options can be used, and ends.
    #[arg(long)]
    check_config: bool,
}

impl Options {
    fn config(&self) -> Result<Config, String> {
        if !self.listen.ip().is_loopback() && !self.behind_proxy {
            return Err(
                "beyond loopback the relay needs a proxy that ends TLS: --behind-proxy".to_owned(),
            );
        }
        let data = self.data.clone().unwrap_or_default();
        let mut config = Config::new(data, self.name.clone());
        config.authorities.clone_from(&self.authority);
        config.is_behind_proxy = self.behind_proxy;
        config.key_service.served = !self.no_key_service;
        config.device_rate =
            waxwing_relay::Rate::new(self.device_rate, self.device_rate.saturating_mul(10));
        config.check().map_err(|error| error.to_string())?;
        Ok(config)
    }
}

fn main() -> ExitCode {
    let unwiped = overwrite_what_is_freed(&[]);
    let options = Options::parse();
    let filter =
        EnvFilter::try_from_env("WAXWING_RELAY_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .init();
    if let Err(error) = unwiped {
        tracing::warn!(error = %error, "what is freed is not overwritten");
    }
    let config = match options.config() {
        Ok(config) => config,
        Err(error) => {
            tracing::error!(error, "the configuration cannot be used");
            return ExitCode::from(2);
        }
    };
    if options.check_config {
        tracing::info!("the configuration can be used");
        return ExitCode::SUCCESS;
    }
    match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(run(config, options.listen)),
        Err(error) => {
            tracing::error!(error = %error, "the runtime did not start");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config, listen: SocketAddr) -> ExitCode {
    let shutdown = CancellationToken::new();
    if let Err(error) = stop_on_signals(shutdown.clone()) {
        tracing::error!(error = %error, "signals cannot be received");
        return ExitCode::FAILURE;
    }
    let relay = match Relay::open(config).await {
        Ok(relay) => relay,
        Err(error) => {
            tracing::error!(error = %error, "the relay did not open");
            return ExitCode::FAILURE;
        }
    };
    let listener = match tokio::net::TcpListener::bind(listen).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(error = %error, "the address cannot be listened on");
            return ExitCode::FAILURE;
        }
    };
    match relay.serve(listener, shutdown).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %error, "serving failed");
            ExitCode::FAILURE
        }
    }
}

/// Cancels on SIGINT or SIGTERM (Ctrl-C where there are no signals).
fn stop_on_signals(shutdown: CancellationToken) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            shutdown.cancel();
        });
    }
    #[cfg(not(unix))]
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            shutdown.cancel();
        }
    });
    Ok(())
}
