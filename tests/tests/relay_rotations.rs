//! What the relay hands out of an account's past, over a real socket: each card that changed its key with the
//! old one's word, and no other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod relay_person;

use relay_person::{Person, START, running, terms};
use reqwest::StatusCode;
use waxwing_crypto::card::{sign_rotation, sign_successor};
use waxwing_crypto::keys::AccountKey;
use waxwing_wire::api::Rotations;
use waxwing_wire::card::VerifiedCard;
use waxwing_wire::ids::AccountId;
use waxwing_wire::problem::Slug;

async fn put(person: &Person, card: &VerifiedCard) {
    let replaces = card.body().version - 1;
    let replaces = ("if-match", format!("\"{replaces}\""));
    let call = person.put_card_call(card.as_bytes(), replaces);
    assert_eq!(person.send(call).await.status, StatusCode::OK);
}

fn path(account: &AccountId, after: u64) -> String {
    format!("/v1/accounts/{account}/rotations?after={after}")
}

#[tokio::test]
async fn rotations_are_handed_out_in_order_and_in_parts() {
    let running = running().await;
    let (alice, bob) = (running.person().await, running.person().await);
    let mut key = AccountKey::from_seed(&alice.account_key.to_seed());
    let mut card = alice.current();
    let mut rotations = Vec::new();
    for turn in 0..20 {
        let devices = vec![alice.entry()];
        if turn % 10 == 9 {
            card = sign_successor(&key, &card, devices, terms(START)).unwrap();
        } else {
            let next = AccountKey::generate(&mut rand::rng());
            card = sign_rotation(&key, &next, &card, devices, terms(START)).unwrap();
            rotations.push(card.clone());
            key = next;
        }
        put(&alice, &card).await;
    }
    let ask = async |after| {
        let shown: Rotations = bob.get(path(&alice.account(), after)).await.json();
        let cards = shown.cards.into_iter().map(|card| card.0);
        cards.collect::<Vec<_>>()
    };
    let bytes = |cards: &[VerifiedCard]| {
        let cards = cards.iter().map(|card| card.as_bytes().to_vec());
        cards.collect::<Vec<_>>()
    };
    assert_eq!(rotations.len(), 18);
    assert_eq!(ask(0).await, bytes(&rotations[..16]));
    let last = rotations[15].body().version;
    assert_eq!(ask(last).await, bytes(&rotations[16..]));
    assert!(ask(card.body().version).await.is_empty());
    let nobody = AccountId::new([7; 32]);
    assert_eq!(bob.get(path(&nobody, 0)).await.slug(), Slug::UnknownAccount);
    let unread = format!("/v1/accounts/{}/rotations?after=x", alice.account());
    assert_eq!(bob.get(unread).await.slug(), Slug::BodyInvalid);
}
