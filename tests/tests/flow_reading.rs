//! What a reader is told of a message beside its text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use waxwing_crypto::message::Body;
use waxwing_tests::by_hand;
use waxwing_tests::engine::Street;
use waxwing_vault::rows::{MailBox, Message};
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
