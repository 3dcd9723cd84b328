//! New keys against a relay that loses answers, was set back, or shows other cards as ours.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use waxwing_client::view::{
    ActivityKind, ComparedState, Folder, OutgoingState, RelayShows, RenewalState, ToldState,
};
use waxwing_crypto::card::{Terms, sign_reset, sign_rotation, sign_successor};
use waxwing_crypto::keys::AccountKey;
use waxwing_relay::store::{Expect, Space};
use waxwing_tests::cutter::Cutter;
use waxwing_tests::engine::{Engine, PASSPHRASE, Street, passphrase};
use waxwing_tests::keys::weaker;
use waxwing_vault::rows::OwnCard;
use waxwing_wire::card::{Card, VerifiedCard};
use waxwing_wire::ids::AccountId;

/// The key and the card of somebody whose Waxwing is closed.
fn key_and_card(street: &Street, name: &str) -> (AccountKey, VerifiedCard) {
    street.with_vault(name, |open| {
        let own: OwnCard = open.store().load(&()).unwrap().unwrap();
        let key = AccountKey::from_seed(&open.keyring().account);
        (key, Card::decode(&own.card).unwrap().verify_self().unwrap())
    })
}

/// The relay shows this card from now on.
async fn show(street: &Street, card: &Card) {
    let account: AccountId = card.body().account_id;
    let bytes = card.as_bytes().to_vec();
    street
        .lie(async |store| {
            let place = (Space::Cards, account.as_bytes());
            let saved = store.save(place.0, place.1, Some(bytes.into()), Expect::Any);
            saved.await.unwrap();
        })
        .await;
}

/// What the relay shows of an account.
async fn shown_now(street: &Street, any: &VerifiedCard) -> Vec<u8> {
    let account: AccountId = any.body().account_id;
    let shown = std::sync::OnceLock::new();
    street
        .lie(async |store| {
            let card = store.load(Space::Cards, account.as_bytes()).await.unwrap();
            shown.set(card.unwrap().value.to_vec()).unwrap();
        })
        .await;
    shown.into_inner().unwrap()
}

fn terms(after: &VerifiedCard) -> Terms {
    Terms {
        issued_at: after.body().issued_at,
        expires_at: after.body().expires_at,
        min_suite: after.body().min_suite,
    }
}

/// Alice with something at the relay for Bob, who is away; all through a line that loses answers.
async fn begun(street: &Street, cutter: &Cutter) -> (Engine, Engine, String, String) {
    let alice = street.person_at("alice", cutter.address()).await;
    let bob = street.person_at("bob", cutter.address()).await;
    let (b, a) = (alice.add("bob").await, bob.add("alice").await);
    bob.lock().await;
    bob.close().await;
    let unfetched = alice.send(&[&b], "at the relay").await.unwrap();
    alice
        .until_state(&unfetched, "at the relay", |state| {
            state == OutgoingState::AtRelay
        })
        .await;
    let bob = street.open("bob").await;
    (alice, bob, b, a)
}

/// The keys are replaced and all is sealed again, whatever answers were lost.
async fn sealed_again(alice: &Engine, cutter: &Cutter) {
    alice.until_renewed().await;
    alice
        .until("everything is sealed again", async || {
            let renewal = alice.key_renewal().await.unwrap()?;
            let is_told = renewal.told[0].state == ToldState::AtRelay;
            (renewal.to_seal_again == 0 && is_told).then_some(())
        })
        .await;
    assert_eq!(cutter.left(), [("", ""); 0], "all of them were cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_goes_on_after_every_lost_answer() {
    let (street, cutter) = Cutter::street().await;
    let (alice, bob, b, a) = begun(&street, &cutter).await;
    cutter.cut(&[
        ("GET", "/card"),
        ("PUT", "/card"),
        ("GET", "/v1/prekeys"),
        ("POST", "/v1/prekeys"),
        ("DELETE", "/v1/envelopes"),
        ("POST", "/prekeys/claim"),
    ]);
    alice.rotate_key(passphrase(PASSPHRASE)).await.unwrap();
    sealed_again(&alice, &cutter).await;
    bob.unlock().await;
    bob.receive("at the relay").await;
    alice.until_told(&b, ToldState::Fetched).await;
    alice.send(&[&b], "after").await.unwrap();
    bob.receive("after").await;
    assert_eq!(bob.subjects(Folder::Inbox).await, ["at the relay", "after"]);
    assert_eq!(alice.me().await.unwrap().relay_shows, RelayShows::Agrees);
    bob.send(&[&a], "to the new key").await.unwrap();
    alice.receive("to the new key").await;
    alice.until_told(&b, ToldState::WritesToIt).await;

    // Who knows the new key knows it, also when its card is renewed.
    alice.close().await;
    let (key, card) = key_and_card(&street, "alice");
    let devices = card.body().devices.clone();
    let renewed = sign_successor(&key, &card, devices, terms(&card)).unwrap();
    show(&street, renewed.card()).await;
    let alice = street.open("alice").await;
    alice.unlock().await;
    alice.until_shown(RelayShows::Agrees).await;
    assert_eq!(alice.told(&b).await, Some(ToldState::WritesToIt));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_goes_on_after_a_lost_answer() {
    let (street, cutter) = Cutter::street().await;
    let (alice, bob, _, a) = begun(&street, &cutter).await;
    let code = alice.last_four().await;
    cutter.cut(&[("PUT", "/revocation"), ("PUT", "/revocation")]);
    alice
        .revoke_key(passphrase(PASSPHRASE), code.clone())
        .await
        .unwrap();
    alice.until_revoked().await;
    alice
        .until("both answers are lost", async || {
            cutter.left().is_empty().then_some(())
        })
        .await;
    // Asked for once more, it is what it was.
    alice
        .revoke_key(passphrase(PASSPHRASE), code)
        .await
        .unwrap();
    let did = alice.did().await;
    let revoked = did.iter().filter(|kind| **kind == ActivityKind::Revoked);
    assert_eq!(revoked.count(), 1);
    bob.unlock().await;
    bob.writes_until_revoked(&a).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_goes_on_after_every_lost_answer() {
    let (street, cutter) = Cutter::street().await;
    let (alice, bob, b, a) = begun(&street, &cutter).await;
    cutter.cut(&[
        ("PUT", "/revocation"),
        ("PUT", "/card"),
        ("POST", "/v1/prekeys"),
        ("DELETE", "/v1/envelopes"),
    ]);
    alice.reset_key(passphrase(PASSPHRASE)).await.unwrap();
    sealed_again(&alice, &cutter).await;
    bob.unlock().await;
    bob.until("held", async || {
        let contact = bob.contact(a.clone()).await.unwrap();
        (contact.compared == ComparedState::ChangedUnexplained).then_some(())
    })
    .await;
    bob.accept_change(a.clone()).await.unwrap();
    bob.receive("at the relay").await;
    alice.send(&[&b], "after").await.unwrap();
    bob.receive("after").await;
    assert_eq!(bob.subjects(Folder::Inbox).await, ["at the relay", "after"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_was_set_back_gets_the_new_card_again() {
    let street = Street::new().await;
    let (alice, bob) = (street.person("alice").await, street.person("bob").await);
    let b = alice.add("bob").await;
    alice.close().await;
    let (_, old) = key_and_card(&street, "alice");
    let alice = street.open("alice").await;
    alice.unlock().await;
    alice.rotate_key(passphrase(PASSPHRASE)).await.unwrap();
    alice.until_renewed().await;
    alice.close().await;
    show(&street, old.card()).await;
    let alice = street.open("alice").await;
    alice.unlock().await;
    alice.until_shown(RelayShows::Agrees).await;
    alice.online().await;
    alice.send(&[&b], "after").await.unwrap();
    bob.receive("after").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_published_over_a_card_that_is_not_ours() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    alice.close().await;
    let (key, first) = key_and_card(&street, "alice");
    let thief = AccountKey::generate(&mut rand::rng());
    let devices = || first.body().devices.clone();
    let stolen = sign_reset(&thief, &first, devices(), terms(&first)).unwrap();
    show(&street, stolen.card()).await;
    let alice = street.open("alice").await;
    alice.unlock().await;
    alice.until_shown(RelayShows::DifferentKey).await;
    // A new key waits for that, and is not put over it.
    alice.rotate_key(passphrase(PASSPHRASE)).await.unwrap();
    alice
        .until("it waits", async || {
            let state = alice.key_renewal().await.unwrap()?.state;
            matches!(state, RenewalState::WaitsForRelay { .. }).then_some(())
        })
        .await;
    let code = alice.me().await.unwrap().own_code;
    alice.close().await;
    // The relay tells the truth again, and it goes on.
    show(&street, first.card()).await;
    let alice = street.open("alice").await;
    alice.unlock().await;
    alice.until_renewed().await;
    assert_ne!(alice.me().await.unwrap().own_code, code);
    alice.close().await;

    // A later card that our own key signed elsewhere: another device of this account made it, and it is
    // ours too.
    let (present, second) = key_and_card(&street, "alice");
    assert_ne!(present.public(), key.public());
    let devices = second.body().devices.clone();
    let third = sign_successor(&present, &second, devices, terms(&second)).unwrap();
    show(&street, third.card()).await;
    let alice = street.open("alice").await;
    alice.unlock().await;
    alice.until_shown(RelayShows::Agrees).await;
    alice.close().await;
    let (_, adopted) = key_and_card(&street, "alice");
    assert_eq!(adopted.as_bytes(), third.as_bytes());
    // One that it signed over to another key: that device was first with new keys.
    let devices = third.body().devices.clone();
    let fourth = sign_rotation(&present, &thief, &third, devices, terms(&third)).unwrap();
    show(&street, fourth.card()).await;
    let alice = street.open("alice").await;
    alice.unlock().await;
    alice.until_shown(RelayShows::Newer).await;
    alice.rotate_key(passphrase(PASSPHRASE)).await.unwrap();
    alice
        .until("another device was first", async || {
            let state = alice.key_renewal().await.unwrap()?.state;
            (state == RenewalState::LostToAnotherDevice).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_a_forked_and_a_weaker_card_of_ours_are_not_taken_over() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    alice.close().await;
    let (key, first) = key_and_card(&street, "alice");
    let devices = || first.body().devices.clone();
    let later = Terms {
        issued_at: first.body().issued_at + 1,
        ..terms(&first)
    };
    let second = sign_successor(&key, &first, devices(), terms(&first)).unwrap();
    let fork = sign_successor(&key, &first, devices(), later).unwrap();
    let third = sign_successor(&key, &second, devices(), later).unwrap();
    let weaker = weaker(&street, "alice", &third);
    // The second is another device's of hers, and becomes ours.
    for (shown, wanted) in [
        (second.card(), RelayShows::Agrees),
        (fork.card(), RelayShows::Newer),
        (&weaker, RelayShows::Newer),
    ] {
        show(&street, shown).await;
        let alice = street.open("alice").await;
        alice.unlock().await;
        alice.until_shown(wanted).await;
        alice.close().await;
        let (_, kept) = key_and_card(&street, "alice");
        assert_eq!(kept.as_bytes(), second.as_bytes());
        assert_eq!(shown_now(&street, &first).await, shown.as_bytes());
    }
    // An older one is only late: ours is put over it.
    show(&street, first.card()).await;
    let alice = street.open("alice").await;
    alice.unlock().await;
    alice.until_shown(RelayShows::Agrees).await;
    assert_eq!(shown_now(&street, &first).await, second.as_bytes());
}
