//! Revocations and what follows them, over a real socket: nothing of a revoked key is taken any more,
//! and only the account's own device puts another key in its place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod relay_person;

use relay_person::{Answer, Person, START, running, terms};
use reqwest::{Method, StatusCode};
use waxwing_crypto::card::{sign_reset, sign_rotation, sign_successor};
use waxwing_crypto::keys::{AccountKey, DeviceKey, TransportKey, device_entry};
use waxwing_crypto::revocation::sign_revocation;
use waxwing_wire::api::{ClaimPrekeys, PrekeyBundle, PrekeyStock, PublishPrekeys, Revocations};
use waxwing_wire::card::{Card, DeviceEntry, VerifiedCard};
use waxwing_wire::prekey::PrekeyKind;
use waxwing_wire::problem::Slug;

const DAY: u64 = 86_400;

/// Keys that take the place of a person's.
struct New {
    account: AccountKey,
    device: DeviceKey,
    transport: TransportKey,
}

impl New {
    fn generate() -> Self {
        let rng = &mut rand::rng();
        Self {
            account: AccountKey::generate(rng),
            device: DeviceKey::generate(rng),
            transport: TransportKey::generate(rng),
        }
    }

    fn entry(&self, of: &Person) -> DeviceEntry {
        device_entry(of.device, of.mailbox, &self.device, &self.transport, START)
    }
}

fn revocation_path(of: &Person) -> String {
    format!("/v1/accounts/{}/revocation", of.account())
}

async fn revoke(by: &Person, of: &Person, statement: &[u8]) -> Answer {
    let mut call = by.call(Method::PUT, revocation_path(of));
    call.body = Some(("application/cose".into(), statement.to_vec()));
    by.send(call).await
}

async fn put(by: &Person, card: &Card, replaces: u64) -> Answer {
    let replaces = ("if-match", format!("\"{replaces}\""));
    by.send(by.put_card_call(card.as_bytes(), replaces)).await
}

fn successor(key: &AccountKey, card: &VerifiedCard, entry: DeviceEntry) -> VerifiedCard {
    sign_successor(key, card, vec![entry], terms(START)).unwrap()
}

#[tokio::test]
async fn a_revoked_key_has_no_word_any_more() {
    let running = running().await;
    let (mut alice, bob) = (running.person().await, running.person().await);
    let publish = PublishPrekeys {
        signed: alice.prekeys(PrekeyKind::Signed, 1, START + DAY),
        one_time: alice.prekeys(PrekeyKind::OneTime, 2, START + DAY),
    };
    let _: PrekeyStock = alice.post("/v1/prekeys", &publish).await.json();
    let claim = async || {
        let path = format!("/v1/accounts/{}/prekeys/claim", alice.account());
        bob.post(path, &ClaimPrekeys { suite: 1 }).await
    };
    let bundle: PrekeyBundle = claim().await.json();
    assert!(bundle.devices[0].one_time.is_some());
    let none: Revocations = bob.get(revocation_path(&alice)).await.json();
    assert!(none.statements.is_empty());

    // Nobody else's key revokes it.
    let forged = sign_revocation(&bob.account_key, alice.account(), START);
    assert_eq!(
        revoke(&bob, &alice, &forged).await.slug(),
        Slug::RevocationInvalid
    );
    assert_eq!(
        revoke(&bob, &alice, b"no statement").await.slug(),
        Slug::RevocationInvalid
    );
    // Who hands it in does not matter, nor how often.
    let statement = sign_revocation(&alice.account_key, alice.account(), START);
    assert_eq!(
        revoke(&bob, &alice, &statement).await.status,
        StatusCode::CREATED
    );
    assert_eq!(
        revoke(&alice, &alice, &statement).await.status,
        StatusCode::OK
    );
    let later = sign_revocation(&alice.account_key, alice.account(), START + 1);
    assert_eq!(revoke(&alice, &alice, &later).await.status, StatusCode::OK);
    let known: Revocations = bob.get(revocation_path(&alice)).await.json();
    assert_eq!(known.statements, vec![statement.clone().into()]);

    assert_eq!(claim().await.slug(), Slug::AccountRevoked);
    assert_eq!(
        alice.post("/v1/prekeys", &publish).await.slug(),
        Slug::AccountRevoked
    );
    let first = alice.current();
    let second = successor(&alice.account_key, &first, alice.entry());
    assert_eq!(
        put(&alice, second.card(), 1).await.slug(),
        Slug::AccountRevoked
    );
    let thief = New::generate();
    let stolen = sign_rotation(
        &alice.account_key,
        &thief.account,
        &first,
        vec![alice.entry()],
        terms(START),
    )
    .unwrap();
    assert_eq!(
        put(&alice, stolen.card(), 1).await.slug(),
        Slug::AccountRevoked
    );

    // A card with another key, put by the device of the revoked card, takes its place; and again
    // with what is in the new card, when the answer was lost.
    let new = New::generate();
    let reset = sign_reset(&new.account, &first, vec![new.entry(&alice)], terms(START)).unwrap();
    let taken = put(&alice, reset.card(), 1).await;
    assert_eq!(
        (taken.status, taken.header("etag")),
        (StatusCode::OK, "\"2\"")
    );
    assert_eq!(
        put(&alice, reset.card(), 1).await.slug(),
        Slug::SignatureInvalid
    );
    alice.transport = TransportKey::from_seed(&new.transport.to_seed());
    assert_eq!(put(&alice, reset.card(), 1).await.status, StatusCode::OK);
    assert_eq!(bob.get(alice.card_path()).await.body, reset.as_bytes());
    // The key before has no word against the one that took its place.
    assert_eq!(
        revoke(&bob, &alice, &later).await.slug(),
        Slug::RevocationInvalid
    );
    assert_eq!(
        revoke(&bob, &alice, &statement).await.status,
        StatusCode::OK
    );
    let third = successor(&new.account, &reset, new.entry(&alice));
    assert_eq!(put(&alice, third.card(), 2).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_stranger_cannot_take_a_revoked_account() {
    let running = running().await;
    let (alice, bob) = (running.person().await, running.person().await);
    let (first, thief) = (alice.current(), New::generate());
    let statement = sign_revocation(&alice.account_key, alice.account(), START);
    let reset = |entry| sign_reset(&thief.account, &first, vec![entry], terms(START)).unwrap();
    // Before the revocation no reset is taken at all.
    let early = put(&alice, reset(thief.entry(&alice)).card(), 1).await;
    assert_eq!(early.slug(), Slug::SignatureInvalid);
    let early = put(&alice, reset(alice.entry()).card(), 1).await;
    assert_eq!(early.slug(), Slug::CardInvalid);
    assert_eq!(
        revoke(&bob, &alice, &statement).await.status,
        StatusCode::CREATED
    );
    // A card of the stranger's own keys, signed as the account's device by the stranger.
    let taken = reset(thief.entry(&alice));
    let mut call = alice.put_card_call(taken.as_bytes(), ("if-match", "\"1\"".into()));
    let stranger = Person {
        transport: TransportKey::from_seed(&thief.transport.to_seed()),
        ..Person::new(running.address, alice.clock.clone())
    };
    call.nonce = rand::random();
    let headers = stranger.signed(&call);
    let refused = stranger.send_as(call, headers).await.unwrap();
    assert_eq!(refused.slug(), Slug::SignatureInvalid);
    // As a device that the revoked card does not name.
    let other = device_entry(
        bob.device,
        alice.mailbox,
        &thief.device,
        &thief.transport,
        START,
    );
    let taken = reset(other);
    let mut call = alice.put_card_call(taken.as_bytes(), ("if-match", "\"1\"".into()));
    call.device = bob.device;
    let headers = stranger.signed(&call);
    let refused = stranger.send_as(call, headers).await.unwrap();
    assert_eq!(refused.slug(), Slug::UnknownDevice);
    assert_eq!(bob.get(alice.card_path()).await.body, first.as_bytes());
}

#[tokio::test]
async fn another_signing_key_begins_without_prekeys() {
    let running = running().await;
    let (mut alice, bob) = (running.person().await, running.person().await);
    let publish = |person: &Person| PublishPrekeys {
        signed: person.prekeys(PrekeyKind::Signed, 1, START + DAY),
        one_time: person.prekeys(PrekeyKind::OneTime, 3, START + DAY),
    };
    let stock: PrekeyStock = alice.post("/v1/prekeys", &publish(&alice)).await.json();
    assert_eq!(stock.one_time_waiting, 3);
    let new = New::generate();
    let rotated = sign_rotation(
        &alice.account_key,
        &new.account,
        &alice.current(),
        vec![new.entry(&alice)],
        terms(START),
    )
    .unwrap();
    alice.transport = TransportKey::from_seed(&new.transport.to_seed());
    alice.device_key = DeviceKey::from_seed(&new.device.to_seed());
    assert_eq!(put(&alice, rotated.card(), 1).await.status, StatusCode::OK);
    // The put may be repeated; who did not see the card is shown it.
    assert_eq!(put(&alice, rotated.card(), 1).await.status, StatusCode::OK);
    let fork = New::generate();
    let late = sign_rotation(
        &alice.account_key,
        &fork.account,
        &alice.current(),
        vec![new.entry(&alice)],
        terms(START),
    )
    .unwrap();
    let (slug, problem) = put(&alice, late.card(), 1).await.problem();
    assert_eq!(slug, Slug::CardChanged);
    assert_eq!(problem.current_card.unwrap().as_slice(), rotated.as_bytes());

    let stock: PrekeyStock = alice.get("/v1/prekeys").await.json();
    assert_eq!((stock.one_time_waiting, stock.signed_until), (0, None));
    *alice.card.lock().unwrap() = rotated;
    let stock: PrekeyStock = alice.post("/v1/prekeys", &publish(&alice)).await.json();
    assert_eq!(stock.one_time_waiting, 3);
    let path = format!("/v1/accounts/{}/prekeys/claim", alice.account());
    let bundle: PrekeyBundle = bob.post(path, &ClaimPrekeys { suite: 1 }).await.json();
    assert!(bundle.devices[0].one_time.is_some() && bundle.devices[0].signed.is_some());
}
