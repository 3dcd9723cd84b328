//! A line that loses answers: the relay did what was asked, and nobody hears of it.

#![allow(clippy::expect_used, clippy::missing_panics_doc)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::engine::Street;

/// A call by its method and a part of its path.
pub type Cut = (&'static str, &'static str);

/// Passes everything on to the relay, and cuts the line instead of passing on certain answers, each
/// once.
pub struct Cutter {
    address: SocketAddr,
    relay: Mutex<Option<SocketAddr>>,
    left: Mutex<Vec<Cut>>,
}

impl Cutter {
    /// A street whose relay is reached through the cutter.
    pub async fn street() -> (Street, Arc<Self>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("a port");
        let cutter = Arc::new(Self {
            address,
            relay: Mutex::new(None),
            left: Mutex::default(),
        });
        let street = Street::with(move |config| config.authorities = vec![address.to_string()]);
        let street = street.await;
        *cutter.relay.lock().unwrap_or_else(PoisonError::into_inner) = Some(street.address());
        tokio::spawn(Arc::clone(&cutter).serve(listener));
        (street, cutter)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The answers to these are lost from now on, each once.
    pub fn cut(&self, calls: &[Cut]) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = calls.to_vec();
    }

    /// What was not cut yet.
    pub fn left(&self) -> Vec<Cut> {
        self.left
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn serve(self: Arc<Self>, listener: TcpListener) {
        while let Ok((client, _)) = listener.accept().await {
            let relay = *self.relay.lock().unwrap_or_else(PoisonError::into_inner);
            // Away: the line is cut at once.
            if let Ok(relay) = TcpStream::connect(relay.expect("a street")).await {
                tokio::spawn(Arc::clone(&self).carry(client, relay));
            }
        }
    }

    fn is_to_be_cut(&self, request: &[u8]) -> bool {
        let first = request.split(|byte| *byte == b'\r').next();
        let line = String::from_utf8_lossy(first.unwrap_or_default());
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((method, path)) = line.split_once(' ') else {
            return false;
        };
        let found = left
            .iter()
            .position(|(of, part)| *of == method && path.contains(part));
        found.map(|at| left.remove(at)).is_some()
    }

    async fn carry(self: Arc<Self>, client: TcpStream, relay: TcpStream) {
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_relay, mut to_relay) = relay.into_split();
        let cut = AtomicBool::new(false);
        let there = async {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
                if self.is_to_be_cut(&buffer[..read]) {
                    cut.store(true, Ordering::SeqCst);
                }
                if to_relay.write_all(&buffer[..read]).await.is_err() {
                    return;
                }
            }
        };
        let back = async {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = from_relay.read(&mut buffer).await {
                if cut.load(Ordering::SeqCst) || to_client.write_all(&buffer[..read]).await.is_err()
                {
                    return;
                }
            }
        };
        tokio::select! { () = there => {}, () = back => {} }
    }
}
