//! The relay did it, and its answer was lost: the request comes again and nothing is doubled.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use waxwing_client::view::{Folder, OutgoingState};
use waxwing_tests::engine::Street;

/// Each of these is answered to nobody once.
const CALLS: [&str; 5] = [
    "POST /v1/envelopes",
    "POST /v1/attachments",
    "PATCH /v1/attachments",
    "POST /v1/mailbox/ack",
    "GET /v1/attachments",
];

/// Passes everything on to the relay, and cuts the line instead of passing on certain answers.
struct Cutter {
    relay: Mutex<Option<SocketAddr>>,
    left: Mutex<Vec<&'static str>>,
}

impl Cutter {
    async fn serve(self: Arc<Self>, listener: TcpListener) {
        while let Ok((client, _)) = listener.accept().await {
            let relay = self.relay.lock().unwrap().expect("the relay listens");
            let relay = TcpStream::connect(relay).await.unwrap();
            tokio::spawn(Arc::clone(&self).carry(client, relay));
        }
    }

    fn is_to_be_cut(&self, request: &[u8]) -> bool {
        let mut left = self.left.lock().unwrap();
        let before = left.len();
        left.retain(|call| !request.starts_with(call.as_bytes()));
        left.len() < before
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_lost_double_and_lose_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cutter = Arc::new(Cutter {
        relay: Mutex::new(None),
        left: Mutex::default(),
    });
    let street = Street::with(move |config| config.authorities = vec![address.to_string()]).await;
    *cutter.relay.lock().unwrap() = Some(street.address());
    tokio::spawn(Arc::clone(&cutter).serve(listener));
    let alice = street.person_at("alice", address).await;
    let bob = street.person_at("bob", address).await;
    let to_bob = alice.add("bob").await;
    let path = street.desk().join("file.bin");
    let mut bytes = vec![0; 2_500_000];
    rand::fill(&mut bytes[..]);
    std::fs::write(&path, &bytes).unwrap();

    *cutter.left.lock().unwrap() = CALLS.to_vec();
    let mut sent = Vec::new();
    for subject in ["1", "2", "3"] {
        let files = if subject == "2" {
            vec![path.clone()]
        } else {
            vec![]
        };
        sent.push(alice.send_files(&[&to_bob], subject, &files).await.unwrap());
    }
    for message in &sent {
        alice
            .until("fetched", async || match alice.state(message).await {
                OutgoingState::Fetched => Some(()),
                OutgoingState::Retrying { .. } => {
                    alice.try_now(None).await.unwrap();
                    None
                }
                _ => None,
            })
            .await;
    }
    bob.receive("3").await;
    let got = bob.receive("2").await;
    let save = async || {
        let (id, file) = (got.row.id.clone(), got.files[0].id.clone());
        bob.save_file(id, file, street.desk().join("saved")).await
    };
    save().await.expect_err("the answer was lost");
    save().await.unwrap();
    assert!(std::fs::read(street.desk().join("saved/file.bin")).unwrap() == bytes);
    assert_eq!(
        *cutter.left.lock().unwrap(),
        [""; 0],
        "all of them were cut"
    );
    assert_eq!(bob.subjects(Folder::Inbox).await, ["1", "2", "3"]);
    assert_eq!(alice.subjects(Folder::Sent).await, ["1", "2", "3"]);
}
