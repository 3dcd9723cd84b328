//! Prekeys of others: what is sealed to, what is claimed anew, and who is left out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use waxwing_client::view::RelayShows;
use waxwing_crypto::card::{Terms, sign_successor};
use waxwing_crypto::keys::{AccountKey, DeviceKey, TransportKey, device_entry};
use waxwing_tests::engine::Street;
use waxwing_vault::rows::OwnCard;
use waxwing_wire::card::Card;
use waxwing_wire::ids::{DeviceId, MailboxId};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_computer_without_keys_is_left_out_and_the_sender_is_told() {
    let street = Street::new().await;
    let (alice, bob) = (street.person("alice").await, street.person("bob").await);
    bob.close().await;
    street.with_vault("bob", |open| {
        // Bob's card lists a second computer that has published nothing yet.
        let rng = &mut rand::rng();
        let own: OwnCard = open.store().load(&()).unwrap().unwrap();
        let first = Card::decode(&own.card).unwrap().verify_self().unwrap();
        let (signing, transport) = (DeviceKey::generate(rng), TransportKey::generate(rng));
        let (device, mailbox) = (DeviceId::generate(rng), MailboxId::generate(rng));
        let terms = Terms {
            issued_at: first.body().issued_at,
            expires_at: first.body().expires_at,
            min_suite: first.body().min_suite,
        };
        let mut devices = first.body().devices.clone();
        let added_at = terms.issued_at;
        devices.push(device_entry(
            device, mailbox, &signing, &transport, added_at,
        ));
        let key = AccountKey::from_seed(&open.keyring().account);
        let second = sign_successor(&key, &first, devices, terms).unwrap();
        let own = OwnCard {
            card: second.as_bytes().to_vec(),
            version: 2,
            ..own
        };
        open.store().commit(rng, |tx| tx.put(&own)).unwrap();
    });
    let bob = street.open("bob").await;
    bob.unlock().await;
    bob.until("the card is published", async || {
        (bob.me().await.unwrap().relay_shows == RelayShows::Agrees).then_some(())
    })
    .await;
    let to_bob = alice.add("bob").await;
    let message = alice.send(&[&to_bob], "To one of two").await.unwrap();
    bob.receive("To one of two").await;
    let sent = alice.envelope(message).await.unwrap();
    assert_eq!(sent.row.to[0].left_out, 1);
    let me = alice.account().await;
    let note = alice.send(&[&me], "To all there are").await.unwrap();
    assert_eq!(alice.envelope(note).await.unwrap().row.to[0].left_out, 0);
}
