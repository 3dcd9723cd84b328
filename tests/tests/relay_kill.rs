//! The relay's binary: killed under load, stopped in order, careful with what it says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::too_many_lines)]

mod relay_person;

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use relay_person::{Person, submission, within};
use tokio::task::JoinSet;
use waxwing_relay::clock::{Clock, SystemClock};
use waxwing_wire::api::{Ack, Acked, ClaimPrekeys, PrekeyBundle, PublishPrekeys};
use waxwing_wire::envelope::Envelope;
use waxwing_wire::ids::EnvelopeId;
use waxwing_wire::prekey::PrekeyKind;

const DAY: u64 = 86_400;

/// Built here, because Cargo tells only a package's own tests where its binaries are.
fn binary() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "-p",
            "waxwing-relay",
            "--bin",
            "waxwing-relay",
            "--message-format=json",
        ])
        .stderr(Stdio::null())
        .output()
        .unwrap();
    assert!(built.status.success(), "the relay does not build");
    let text = String::from_utf8(built.stdout).unwrap();
    let messages = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let found = messages
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back();
    found.expect("an executable")
}

struct Process {
    child: Child,
    address: SocketAddr,
    said: Arc<Mutex<String>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(binary: &Path, folder: &Path) -> Process {
    let mut child = Command::new(binary)
        .args(["--listen", "127.0.0.1:0", "--device-rate", "0", "--data"])
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = loop {
        let line = lines.next().expect("it starts").unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        if line["message"] == "listening" {
            break line["address"].as_str().unwrap().parse().unwrap();
        }
    };
    let said = Arc::new(Mutex::new(String::new()));
    std::thread::spawn({
        let said = Arc::clone(&said);
        move || {
            for line in lines.map_while(Result::ok) {
                let mut said = said.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        }
    });
    Process {
        child,
        address,
        said,
    }
}

fn move_to(person: &mut Person, address: SocketAddr) {
    person.address = address;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_everything_acknowledged_is_delivered_once() {
    let folder = tempfile::tempdir().unwrap();
    let binary = binary();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut process = start(&binary, folder.path());
    let mut bob = Person::new(process.address, clock.clone());
    bob.put_first_card().await;
    let one_time = bob.prekeys(PrekeyKind::OneTime, 200, clock.now() + DAY);
    bob.post(
        "/v1/prekeys",
        &PublishPrekeys {
            signed: vec![],
            one_time,
        },
    )
    .await;
    let mut senders = Vec::new();
    for _ in 0..8 {
        let sender = Person::new(process.address, clock.clone());
        sender.put_first_card().await;
        senders.push(sender);
    }
    let mut acked = HashSet::<EnvelopeId>::new();
    let mut claimed = HashSet::new();
    for _ in 0..3 {
        let answered = Arc::new(AtomicUsize::new(0));
        let mut load = JoinSet::new();
        for sender in senders.drain(..) {
            let (answered, clock) = (answered.clone(), clock.clone());
            let (to, contact) = (bob.mailbox, bob.account());
            load.spawn(async move {
                let (mut sent, mut got) = (Vec::new(), Vec::new());
                for number in 0_u32.. {
                    let submission = submission(&[to], 600, clock.now() + DAY);
                    let mut call = sender.call(reqwest::Method::POST, "/v1/envelopes");
                    call.body = Some(("application/cbor".into(), submission.encode()));
                    match sender.try_send(call).await {
                        Ok(answer) if answer.status == 201 => sent.push(submission.header.env_id),
                        Ok(answer) => panic!("{answer:?}"),
                        Err(_) => break,
                    }
                    answered.fetch_add(1, Ordering::SeqCst);
                    if number % 8 == 0 {
                        let claim = sender.call(
                            reqwest::Method::POST,
                            format!("/v1/accounts/{contact}/prekeys/claim"),
                        );
                        match sender
                            .try_send(claim.json(&ClaimPrekeys { suite: 1 }))
                            .await
                        {
                            Ok(answer) if answer.status == 200 => {
                                let bundle: PrekeyBundle = answer.json();
                                got.extend(
                                    bundle
                                        .devices
                                        .into_iter()
                                        .filter_map(|device| device.one_time),
                                );
                            }
                            // So many claims of one contact at once are limited.
                            Ok(answer) => assert_eq!(answer.status, 429),
                            Err(_) => break,
                        }
                    }
                }
                (sender, sent, got)
            });
        }
        within(async {
            while answered.load(Ordering::SeqCst) < 400 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        for (sender, sent, got) in within(load.join_all()).await {
            acked.extend(sent);
            for record in got {
                assert!(
                    claimed.insert(record.0),
                    "a one-time prekey was given twice"
                );
            }
            senders.push(sender);
        }
        process = start(&binary, folder.path());
        move_to(&mut bob, process.address);
        for sender in &mut senders {
            move_to(sender, process.address);
        }
    }
    let mut delivered = HashSet::new();
    let mut after = 0;
    loop {
        let page = bob.mailbox(after).await;
        if page.items.is_empty() {
            break;
        }
        after = page.last_seq;
        for item in &page.items {
            let envelope = Envelope::decode(item.envelope.as_slice()).unwrap();
            assert!(delivered.insert(envelope.header.env_id), "delivered twice");
        }
        let seqs: Vec<u64> = page.items.iter().map(|item| item.seq).collect();
        let removed: Acked = bob
            .post(
                "/v1/mailbox/ack",
                &Ack {
                    seqs,
                    retries: vec![],
                },
            )
            .await
            .json();
        assert_eq!(removed.removed, page.items.len() as u64);
    }
    assert!(acked.len() >= 1200);
    assert!(acked.is_subset(&delivered), "acknowledged and lost");
    assert!(bob.mailbox(0).await.items.is_empty());
}

#[tokio::test]
async fn stops_in_order_and_says_nothing_of_anyone() {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut process = start(&binary(), folder.path());
    let alice = Person::new(process.address, clock.clone());
    alice.put_first_card().await;
    let sent = submission(&[alice.mailbox], 300, clock.now() + DAY);
    alice.submit(&sent).await;
    alice.get("/v1/mailbox?after=4242").await;
    alice.get("/v1/names/somebody").await;
    let pid = process.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let ended = tokio::task::spawn_blocking({
        let mut child =
            std::mem::replace(&mut process.child, Command::new("true").spawn().unwrap());
        move || child.wait().unwrap()
    });
    assert!(within(ended).await.unwrap().success());
    let said = process.said.lock().unwrap().clone();
    assert!(
        said.contains("/v1/names/{name}") && said.contains("stopped"),
        "{said}"
    );
    for secret in [
        alice.account().to_string(),
        alice.device.to_string(),
        alice.mailbox.to_string(),
        sent.header.env_id.to_string(),
        "4242".to_owned(),
        "somebody".to_owned(),
        "ed25519".to_owned(),
    ] {
        assert!(!said.contains(&secret), "the log names {secret}");
    }
}

#[test]
fn refuses_to_speak_plainly_beyond_loopback() {
    let binary = binary();
    let check = |arguments: &[&str]| {
        let mut command = Command::new(&binary);
        command
            .arg("--check-config")
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().unwrap().code()
    };
    assert_eq!(check(&[]), Some(0));
    assert_eq!(check(&["--listen", "0.0.0.0:0"]), Some(2));
    assert_eq!(
        check(&[
            "--listen",
            "0.0.0.0:0",
            "--behind-proxy",
            "--authority",
            "relay.example"
        ]),
        Some(0)
    );
    assert_eq!(check(&["--name", "Not A Name"]), Some(2));
}
