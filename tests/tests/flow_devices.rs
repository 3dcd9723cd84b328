//! Two computers of one account: linked, writing and written to, and one of them removed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::sync::Arc;

use waxwing_client::Failure;
use waxwing_client::qr::Picture;
use waxwing_client::view::{EvidenceKind, LinkStatus, OutgoingState, Qr, RelayShows, Stage};
use waxwing_crypto::link::LinkText;
use waxwing_relay::clock::{Clock, ManualClock, SystemClock};
use waxwing_tests::cutter::Cutter;
use waxwing_tests::engine::{Engine, PASSPHRASE, Street, passphrase};
use waxwing_tests::linking::{
    LAPTOP, accept, code, confirm, failed, finish, invited, invited_at, linked,
};
use waxwing_vault::rows::Contact;
use waxwing_wire::limits::LINK_LIFE;
use zeroize::Zeroizing;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_linked_computer_writes_and_is_written_to() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let laptop = linked(&street, &alice, "laptop").await;
    assert_eq!(laptop.account().await, alice.account().await);
    assert_eq!(laptop.me().await.unwrap().name, "alice");
    let devices = alice.devices().await.unwrap();
    let names: Vec<_> = devices
        .iter()
        .map(|device| device.name.as_deref())
        .collect();
    assert_eq!(names, [None, Some(LAPTOP)]);
    assert!(devices[0].this && !devices[1].this);
    // The relay was there all the time, and heard of both.
    assert!(
        devices
            .iter()
            .all(|device| device.last_seen >= Some(device.added_at))
    );
    let here = laptop.devices().await.unwrap();
    assert_eq!((here.len(), here[0].name.as_deref()), (2, Some(LAPTOP)));

    // Both write to Bob, and what he writes reaches both.
    let to_bob = laptop.add("bob").await;
    laptop.send(&[&to_bob], "From the laptop").await.unwrap();
    let got = bob.receive("From the laptop").await;
    assert_eq!(got.row.from.unwrap().name, "alice");
    let to_bob = alice.add("bob").await;
    alice.send(&[&to_bob], "From the desk").await.unwrap();
    bob.receive("From the desk").await;
    let to_alice = alice.account().await;
    bob.send(&[&to_alice], "To both").await.unwrap();
    alice.receive("To both").await;
    laptop.receive("To both").await;

    // It is all there after a restart.
    let laptop = street.restart(laptop).await;
    laptop.receive("To both").await;
    assert_eq!(laptop.devices().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_knew_one_computer_finds_the_other_within_a_day() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let to_alice = bob.add("alice").await;
    let laptop = linked(&street, &alice, "laptop").await;
    bob.close().await;
    street.with_vault("bob", |open| {
        let account = to_alice.parse().unwrap();
        let mut contact: Contact = open.store().load(&account).unwrap().unwrap();
        assert_eq!(contact.spares.len(), 1, "he knows one computer");
        contact.looked_at -= 86_400;
        let put = open.store().commit(&mut rand::rng(), |tx| tx.put(&contact));
        put.unwrap();
    });
    let bob = street.open("bob").await;
    bob.unlock().await;
    bob.until("he looks at her card", async || {
        let evidence = bob.contact(to_alice.clone()).await.unwrap().evidence;
        let mut kinds = evidence.iter().map(|seen| seen.kind);
        kinds
            .any(|kind| kind == EvidenceKind::Renewed)
            .then_some(())
    })
    .await;
    bob.send(&[&to_alice], "His first").await.unwrap();
    alice.receive("His first").await;
    laptop.receive("His first").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_wrong_codes_end_a_link_and_change_nothing() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let new = street.open("laptop").await;
    let invitation = invited(&street, &new).await;
    accept(&alice, &invitation).await.unwrap();
    let right = code(&new).await;
    let wrong = if right == "0000" { "0001" } else { "0000" };
    let typed = alice
        .confirm_link(right.clone(), passphrase("not the passphrase"))
        .await;
    assert_eq!(typed, Err(Failure::WrongPassphrase));
    for tries in [2, 1, 0] {
        let refused = confirm(&alice, wrong).await;
        assert_eq!(refused, Err(Failure::LinkCode { tries }));
    }
    assert_eq!(confirm(&alice, &right).await, Err(Failure::NotFound));
    assert_eq!(failed(&new).await, Failure::LinkEnded);
    assert_eq!(alice.devices().await.unwrap().len(), 1);
    assert_eq!(new.stage().await, Stage::Welcome);
    // Another try is another link.
    let invitation = invited(&street, &new).await;
    accept(&alice, &invitation).await.unwrap();
    let code = code(&new).await;
    confirm(&alice, &code).await.unwrap();
    finish(&new).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_is_read_from_a_picture_of_its_qr_code() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let new = street.open("laptop").await;
    let invitation = invited(&street, &new).await;
    let key = alice.own_qr().await.unwrap();
    let other = alice.accept_link_qr(picture(&key)).await;
    assert_eq!(other, Err(Failure::NoLinkCode));
    let read = alice.accept_link_qr(picture(&invitation.qr)).await;
    let read = read.unwrap();
    assert!(
        matches!(&read, LinkStatus::CodeWanted { device, tries: 3, .. } if device == LAPTOP),
        "{read:?}"
    );
    let code = code(&new).await;
    confirm(&alice, &code).await.unwrap();
    finish(&new).await;
    assert_eq!(new.account().await, alice.account().await);
    // It was good once.
    let again = alice.accept_link_qr(picture(&invitation.qr)).await;
    assert!(
        matches!(
            again,
            Err(Failure::LinkOver | Failure::LinkEnded | Failure::LinkUsed)
        ),
        "{again:?}"
    );
}

/// A picture of a code on white paper, four pixels to a cell.
fn picture(qr: &Qr) -> Picture {
    const CELL: usize = 4;
    let side = (qr.rows.len() + 8) * CELL;
    let mut pixels = vec![255; side * side * 4];
    for (y, row) in qr.rows.iter().enumerate() {
        for (x, _) in row.bytes().enumerate().filter(|(_, cell)| *cell == b'1') {
            for line in (y + 4) * CELL..(y + 5) * CELL {
                let at = (line * side + (x + 4) * CELL) * 4;
                for pixel in pixels[at..at + CELL * 4].as_chunks_mut::<4>().0 {
                    *pixel = [0, 0, 0, 255];
                }
            }
        }
    }
    Picture::from_rgba(side, side, &pixels).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_is_for_one_computer_and_may_be_taken_back() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let new = street.open("laptop").await;
    let invitation = invited(&street, &new).await;
    let text = |text: &str| Zeroizing::new(text.to_owned());
    let cut = &invitation.text[..invitation.text.len() - 2];
    assert_eq!(
        alice.accept_link(text(cut)).await,
        Err(Failure::LinkInvalid)
    );
    accept(&alice, &invitation).await.unwrap();
    assert_eq!(accept(&bob, &invitation).await, Err(Failure::LinkUsed));
    code(&new).await;
    // The old computer takes it back: the new one is told.
    alice.cancel_link().await;
    assert_eq!(failed(&new).await, Failure::LinkEnded);
    assert_eq!(accept(&alice, &invitation).await, Err(Failure::LinkEnded));
    // The new one does: the old one is told before it signs anything.
    let invitation = invited(&street, &new).await;
    accept(&alice, &invitation).await.unwrap();
    let code = code(&new).await;
    new.cancel_link().await;
    assert_eq!(confirm(&alice, &code).await, Err(Failure::LinkEnded));
    assert_eq!(alice.devices().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_over_after_five_minutes() {
    let clock = ManualClock::new(SystemClock.now());
    let time = clock.clone();
    let street = Street::with(move |config| config.clock = Arc::new(time.clone())).await;
    let alice = street.person("alice").await;
    let new = street.open("laptop").await;
    let late = invited(&street, &new).await;
    clock.advance(LINK_LIFE);
    let over = accept(&alice, &late).await;
    clock.set(SystemClock.now());
    assert_eq!(over, Err(Failure::LinkOver));
    assert_eq!(new.stage().await, Stage::Welcome);
    assert_eq!(alice.devices().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_computer_is_told_and_refused() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let laptop = linked(&street, &alice, "laptop").await;
    let to_bob = laptop.add("bob").await;
    laptop.send(&[&to_bob], "Before").await.unwrap();
    bob.receive("Before").await;
    let id = alice.devices().await.unwrap()[1].id.clone();
    let this = alice.devices().await.unwrap()[0].id.clone();
    let typed = || passphrase(PASSPHRASE);
    assert_eq!(
        alice.remove_device(this, typed()).await,
        Err(Failure::NotFound)
    );
    let wrong = passphrase("not the passphrase");
    assert_eq!(
        alice.remove_device(id.clone(), wrong).await,
        Err(Failure::WrongPassphrase)
    );
    assert_eq!(alice.remove_device(id, typed()).await.unwrap().len(), 1);
    // The relay refuses it, and it learns from its own account's card why.
    laptop
        .until("it is told", async || laptop.me().await.unwrap().removed_at)
        .await;
    let refused = laptop.send(&[&to_bob], "After").await;
    assert_eq!(refused, Err(Failure::DeviceRemoved));
    // The other one goes on.
    let to_bob = alice.add("bob").await;
    alice.send(&[&to_bob], "From the desk").await.unwrap();
    bob.receive("From the desk").await;
    assert_eq!(bob.copies("After").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_computers_that_change_the_card_at_once_both_have_their_way() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let laptop = linked(&street, &alice, "laptop").await;
    let tablet = linked(&street, &alice, "tablet").await;
    let id = alice.devices().await.unwrap()[2].id.clone();
    assert_eq!(tablet.devices().await.unwrap()[0].id, id);
    // One takes the tablet out while the other lets a fourth one in.
    let fourth = street.open("fourth").await;
    let invitation = invited(&street, &fourth).await;
    accept(&laptop, &invitation).await.unwrap();
    let code = code(&fourth).await;
    let (removed, given) = tokio::join!(
        alice.remove_device(id.clone(), passphrase(PASSPHRASE)),
        confirm(&laptop, &code)
    );
    removed.unwrap();
    given.unwrap();
    finish(&fourth).await;
    let ids = async |engine: &Engine| {
        let devices = engine.devices().await.unwrap();
        devices
            .into_iter()
            .map(|device| device.id)
            .collect::<BTreeSet<_>>()
    };
    let last = ids(&fourth).await;
    assert!(last.len() == 3 && !last.contains(&id), "{last:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_account_key_reaches_the_other_computer() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let laptop = linked(&street, &alice, "laptop").await;
    let to_bob = laptop.add("bob").await;
    laptop.send(&[&to_bob], "Under the old key").await.unwrap();
    bob.receive("Under the old key").await;
    let before = laptop.me().await.unwrap().own_code;
    // The laptop is off while the key is replaced.
    laptop.close().await;
    alice.rotate_key(passphrase(PASSPHRASE)).await.unwrap();
    alice
        .until("the key is new", async || {
            (alice.me().await.unwrap().own_code != before).then_some(())
        })
        .await;
    let laptop = street.open("laptop").await;
    laptop.unlock().await;
    let wanted = alice.me().await.unwrap().own_code;
    laptop
        .until("it follows", async || {
            let me = laptop.me().await.unwrap();
            (me.own_code == wanted && me.relay_shows == RelayShows::Agrees).then_some(())
        })
        .await;
    laptop.send(&[&to_bob], "Under the new key").await.unwrap();
    bob.receive("Under the new key").await;
    // It has the key: it can let another computer in.
    let tablet = linked(&street, &laptop, "tablet").await;
    assert_eq!(tablet.devices().await.unwrap().len(), 3);
    for engine in [alice, laptop] {
        engine.close().await;
    }
    let mut seeds = Vec::new();
    for name in ["alice", "laptop"] {
        street.with_vault(name, |open| {
            let keyring = open.keyring();
            assert!(keyring.next().is_none());
            seeds.push((*keyring.account.expose(), *keyring.device.expose()));
        });
    }
    assert_eq!(seeds[0].0, seeds[1].0, "one account");
    assert_ne!(seeds[0].1, seeds[1].1, "two computers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_leaves_the_other_computers_out() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let bob = street.person("bob").await;
    let laptop = linked(&street, &alice, "laptop").await;
    let to_bob = laptop.add("bob").await;
    laptop.send(&[&to_bob], "Before").await.unwrap();
    bob.receive("Before").await;
    let before = alice.me().await.unwrap().own_code;
    alice.reset_key(passphrase(PASSPHRASE)).await.unwrap();
    alice
        .until("the key is new", async || {
            (alice.me().await.unwrap().own_code != before).then_some(())
        })
        .await;
    assert_eq!(alice.devices().await.unwrap().len(), 1);
    let wrote = laptop.send(&[&to_bob], "In other hands").await.unwrap();
    laptop
        .until("it is refused", async || {
            let state = laptop.state(&wrote).await;
            let is_refused = matches!(
                state,
                OutgoingState::Retrying { .. } | OutgoingState::NeedsYou { .. }
            );
            is_refused.then_some(())
        })
        .await;
    assert_eq!(laptop.me().await.unwrap().own_code, before);
    assert_eq!(bob.copies("In other hands").await, 0);
}

/// Each of these is answered to nobody once, while a computer is linked.
const CALLS: [(&str, &str); 7] = [
    ("GET", "/hello"),
    ("GET", "/grant"),
    ("PUT", "/hello"),
    ("PUT", "/card"),
    ("PUT", "/grant"),
    ("PUT", "/v1/names/alice"),
    ("POST", "/v1/prekeys"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_lost_while_linking_change_nothing() {
    let (street, cutter) = Cutter::street().await;
    let address = cutter.address();
    let alice = street.person_at("alice", address).await;
    let bob = street.person_at("bob", address).await;
    let new = street.open("laptop").await;
    cutter.cut(&[("PUT", "/offer")]);
    invited_at(address, &new).await.expect_err("lost");
    let invitation = invited_at(address, &new).await.unwrap();
    cutter.cut(&[("GET", "/offer")]);
    accept(&alice, &invitation).await.expect_err("lost");
    cutter.cut(&CALLS);
    accept(&alice, &invitation).await.unwrap();
    let code = code(&new).await;
    confirm(&alice, &code).await.unwrap();
    finish(&new).await;
    assert_eq!(alice.devices().await.unwrap().len(), 2);
    assert_eq!(new.devices().await.unwrap().len(), 2);
    let to_bob = new.add("bob").await;
    new.send(&[&to_bob], "From the laptop").await.unwrap();
    bob.receive("From the laptop").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_relay_holds_of_a_link_has_no_secret_in_it() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let new = street.open("laptop").await;
    let invitation = invited(&street, &new).await;
    accept(&alice, &invitation).await.unwrap();
    let code = code(&new).await;
    confirm(&alice, &code).await.unwrap();
    let text: LinkText = invitation.text.parse().unwrap();
    let mut held = Vec::new();
    for slot in ["offer", "hello", "grant"] {
        let link = text.rendezvous();
        let url = format!("http://{}/v1/links/{link}/{slot}", street.address());
        held.push(
            reqwest::get(url)
                .await
                .unwrap()
                .bytes()
                .await
                .unwrap()
                .to_vec(),
        );
    }
    finish(&new).await;
    for engine in [alice, new] {
        engine.close().await;
    }
    street.stop_relay().await;
    for file in walk(&street.relay_dir()) {
        held.push(std::fs::read(file).unwrap());
    }
    assert!(held.len() > 4, "the relay keeps something");
    let mut secrets = Vec::new();
    for name in ["alice", "laptop"] {
        street.with_vault(name, |open| {
            let keyring = open.keyring();
            secrets.push(keyring.account.expose().to_vec());
            secrets.push(keyring.device.expose().to_vec());
            secrets.push(keyring.transport.expose().to_vec());
        });
    }
    let (_, coded) = invitation.text.split_once(':').unwrap();
    let psk = waxwing_wire::b64::decode(coded).unwrap();
    let psk: ciborium::Value = ciborium::from_reader(&psk[..]).unwrap();
    let mut fields = psk.into_map().unwrap().into_iter();
    let (_, psk) = fields.find(|(label, _)| *label == 5.into()).unwrap();
    secrets.push(psk.into_bytes().unwrap());
    for secret in &secrets {
        assert_eq!(secret.len(), 32);
        for held in &held {
            assert!(memchr::memmem::find(held, secret).is_none());
        }
    }
    // One account, two computers: only the account's key is the same.
    assert_eq!(secrets[0], secrets[3]);
    assert!(secrets[1] != secrets[4] && secrets[2] != secrets[5]);
}

/// Every file under a folder.
fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
