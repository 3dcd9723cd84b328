//! The relay did it, and its answer was lost: the request comes again and nothing is doubled.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use waxwing_client::view::{Folder, OutgoingState};
use waxwing_tests::cutter::Cutter;

/// Each of these is answered to nobody once.
const CALLS: [(&str, &str); 5] = [
    ("POST", "/v1/envelopes"),
    ("POST", "/v1/attachments"),
    ("PATCH", "/v1/attachments"),
    ("POST", "/v1/mailbox/ack"),
    ("GET", "/v1/attachments"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_lost_double_and_lose_nothing() {
    let (street, cutter) = Cutter::street().await;
    let address = cutter.address();
    let alice = street.person_at("alice", address).await;
    let bob = street.person_at("bob", address).await;
    let to_bob = alice.add("bob").await;
    let path = street.desk().join("file.bin");
    let mut bytes = vec![0; 2_500_000];
    rand::fill(&mut bytes[..]);
    std::fs::write(&path, &bytes).unwrap();

    cutter.cut(&CALLS);
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
    assert_eq!(cutter.left(), [("", ""); 0], "all of them were cut");
    assert_eq!(bob.subjects(Folder::Inbox).await, ["1", "2", "3"]);
    assert_eq!(alice.subjects(Folder::Sent).await, ["1", "2", "3"]);
}
