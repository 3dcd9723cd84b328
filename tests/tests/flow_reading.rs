//! What a reader is told of a message beside its text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use waxwing_crypto::message::Body;
use waxwing_tests::by_hand;
use waxwing_tests::engine::Street;
use waxwing_vault::rows::{MailBox, Message};
use waxwing_wire::ids::Digest;
use zeroize::Zeroizing;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_a_kind_that_is_not_known_is_said_to_be_one_and_kept() {
    let street = Street::new().await;
    let (alice, bob) = (street.person("alice").await, street.person("bob").await);
    let to_bob = alice.add("bob").await;
    alice.close().await;
    let drawing = b"a drawing".to_vec();
    street.with_vault("alice", |open| {
        by_hand::post(open, &to_bob, |message| {
            message.body = Body::Unknown {
                content_type: "waxwing/drawing/v1".to_owned(),
                body: Zeroizing::new(drawing.clone()),
            };
        });
    });
    let alice = street.open("alice").await;
    alice.unlock().await;
    let got = bob.receive("waxwing/drawing/v1").await;
    assert_eq!(got.unknown_kind.as_deref(), Some("waxwing/drawing/v1"));
    assert_eq!(got.body, "");
    let message = got.row.id.strip_prefix("in-").unwrap().parse().unwrap();
    bob.close().await;
    let kept = street.with_vault("bob", |open| {
        let row: Option<Message> = open.store().load(&(MailBox::Inbox, message)).unwrap();
        row.unwrap().unknown.unwrap()
    });
    assert_eq!(kept.content_type, "waxwing/drawing/v1");
    assert_eq!(*kept.bytes, drawing);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_follow_on_what_came_before_is_said() {
    let street = Street::new().await;
    let (mut alice, bob) = (street.person("alice").await, street.person("bob").await);
    let to_bob = alice.add("bob").await;
    alice.send(&[&to_bob], "1").await.unwrap();
    let first = bob.receive("1").await;
    assert_eq!((first.missing_before, first.other_before), (0, false));
    let cases: [(&str, u64, bool, (u32, bool)); 4] = [
        ("2, as it should be", 0, true, (0, false)),
        ("3, after another one", 0, false, (0, true)),
        ("4, again in order", 0, true, (0, false)),
        ("7, with two left out", 2, true, (2, false)),
    ];
    for (subject, skipped, follows, seen) in cases {
        alice.close().await;
        street.with_vault("alice", |open| {
            by_hand::post(open, &to_bob, |message| {
                message.body = Body::text(subject, "");
                message.seq += skipped;
                if !follows {
                    message.previous = Some(Digest::of(b"another"));
                }
            });
        });
        alice = street.open("alice").await;
        alice.unlock().await;
        let got = bob.receive(subject).await;
        let told = (got.missing_before, got.other_before);
        assert_eq!(told, seen, "{subject}");
    }
}
