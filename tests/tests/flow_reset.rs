//! "My key is in other hands": the key is revoked, another takes its place without its word, and contacts
//! decide; over the real relay.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use waxwing_client::Failure;
use waxwing_client::view::{
    ActivityKind, ComparedState, EvidenceKind, Folder, OutgoingState, RenewalKind, ToldState,
};
use waxwing_tests::engine::{Engine, PASSPHRASE, Street, passphrase};

const NEW: &str = "nine loud geese sail over the mountain";

async fn evidence(person: &Engine, account: &str) -> Vec<EvidenceKind> {
    let contact = person.contact(account.to_owned()).await.unwrap();
    contact.evidence.into_iter().map(|seen| seen.kind).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_reset_contacts_are_held_until_they_accept() {
    let street = Street::new().await;
    let (alice, bob) = (street.person("alice").await, street.person("bob").await);
    let (b, a) = (alice.add("bob").await, bob.add("alice").await);
    bob.mark_compared(a.clone(), true).await.unwrap();
    let code = alice.me().await.unwrap().own_code;
    alice.send(&[&b], "before").await.unwrap();
    bob.receive("before").await;
    bob.close().await;
    let unfetched = alice.send(&[&b], "at the relay").await.unwrap();
    alice
        .until_state(&unfetched, "at the relay", |state| {
            state == OutgoingState::AtRelay
        })
        .await;
    alice.reset_key(passphrase(PASSPHRASE)).await.unwrap();
    alice.until_renewed().await;
    let me = alice.me().await.unwrap();
    assert_ne!(me.own_code, code);
    assert_eq!(me.revoked_at, None, "the present key is another one");
    let did = alice.did().await;
    assert!(did.contains(&ActivityKind::Revoked) && did.contains(&ActivityKind::KeyReset));

    let bob = street.open("bob").await;
    bob.unlock().await;
    bob.until_compared(&a, ComparedState::ChangedUnexplained)
        .await;
    assert!(bob.contact(a.clone()).await.unwrap().held);
    let seen = evidence(&bob, &a).await;
    assert!(seen.contains(&EvidenceKind::Revoked), "{seen:?}");
    assert!(seen.contains(&EvidenceKind::UnexplainedChange), "{seen:?}");
    let held = bob.send(&[&a], "held").await;
    assert_eq!(held, Err(Failure::ContactHeld { account: a.clone() }));
    assert_eq!(bob.copies("at the relay").await, 0);

    bob.accept_change(a.clone()).await.unwrap();
    bob.receive("at the relay").await;
    bob.send(&[&a], "to the new key").await.unwrap();
    alice.receive("to the new key").await;
    alice.send(&[&b], "from the new key").await.unwrap();
    bob.receive("from the new key").await;
    alice
        .until("Bob writes to the new key", async || {
            let told = alice.key_renewal().await.unwrap()?.told;
            (told[0].state == ToldState::WritesToIt).then_some(())
        })
        .await;
    let all = ["before", "at the relay", "from the new key"];
    assert_eq!(bob.subjects(Folder::Inbox).await, all);
    assert_eq!(alice.subjects(Folder::Sent).await, all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_is_final_and_only_a_reset_follows_it() {
    let street = Street::new().await;
    let (alice, bob) = (street.person("alice").await, street.person("bob").await);
    let (b, a) = (alice.add("bob").await, bob.add("alice").await);
    let wrong = alice
        .revoke_key(passphrase(PASSPHRASE), "x000".into())
        .await;
    assert_eq!(wrong, Err(Failure::KeyCodeDiffers));
    let four = alice.last_four().await;
    let wrong = alice.revoke_key(passphrase("wrong"), four.clone()).await;
    assert_eq!(wrong, Err(Failure::WrongPassphrase));
    // It is final at once, and out as soon as the relay is there.
    street.stop_relay().await;
    alice.offline().await;
    alice
        .revoke_key(passphrase(PASSPHRASE), four)
        .await
        .unwrap();
    alice.until_revoked().await;
    let alice = street.restart(alice).await;
    alice.until_revoked().await;
    let rotated = alice.rotate_key(passphrase(PASSPHRASE)).await;
    assert_eq!(rotated, Err(Failure::KeyRevoked));
    street.start_relay().await;

    bob.writes_until_revoked(&a).await;
    assert!(evidence(&bob, &a).await.contains(&EvidenceKind::Revoked));
    let accepted = bob.accept_change(a.clone()).await;
    assert_eq!(accepted, Err(Failure::ContactHeld { account: a.clone() }));
    bob.mark_compared(a.clone(), true).await.unwrap();
    assert!(bob.contact(a.clone()).await.unwrap().held);

    alice.reset_key(passphrase(PASSPHRASE)).await.unwrap();
    alice.until_renewed().await;
    bob.until_compared(&a, ComparedState::ChangedUnexplained)
        .await;
    // What he compares is the new key: the digits that Alice sees.
    let shown = bob.contact(a.clone()).await.unwrap().key_code;
    assert_eq!(shown, alice.contact(b.clone()).await.unwrap().key_code);
    let same = bob.mark_compared(a.clone(), true).await.unwrap();
    assert_eq!((same.compared, same.held), (ComparedState::Compared, false));
    bob.send(&[&a], "to the new key").await.unwrap();
    alice.receive("to the new key").await;
    alice.send(&[&b], "from the new key").await.unwrap();
    bob.receive("from the new key").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_on_paper_revokes_the_key_that_made_it() {
    let street = Street::new().await;
    let (alice, bob) = (street.person("alice").await, street.person("bob").await);
    let card = alice.export_card().await.unwrap();
    assert!(card.starts_with("-----BEGIN WAXWING CARD-----\n"), "{card}");
    let wrong = alice.revocation_statement(passphrase("wrong")).await;
    assert_eq!(wrong, Err(Failure::WrongPassphrase));
    let statement = alice
        .revocation_statement(passphrase(PASSPHRASE))
        .await
        .unwrap();
    let of_bob = bob
        .revocation_statement(passphrase(PASSPHRASE))
        .await
        .unwrap();
    for other in [of_bob, card, "no statement".to_owned()] {
        let refused = alice.publish_revocation(other).await;
        assert_eq!(refused, Err(Failure::RevocationInvalid));
    }
    assert_eq!(alice.me().await.unwrap().revoked_at, None);
    alice.publish_revocation(statement).await.unwrap();
    alice.until_revoked().await;
    let did = alice.did().await;
    for kind in [
        ActivityKind::CardExported,
        ActivityKind::RevocationExported,
        ActivityKind::Revoked,
    ] {
        assert!(did.contains(&kind), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_with_a_rekey_revokes_at_once_and_replaces_at_the_end() {
    let street = Street::new().await;
    let (alice, bob) = (street.person("alice").await, street.person("bob").await);
    let (b, a) = (alice.add("bob").await, bob.add("alice").await);
    let words = alice
        .begin_rekey(
            passphrase(PASSPHRASE),
            passphrase(NEW),
            false,
            Some(RenewalKind::Reset),
        )
        .await
        .unwrap();
    alice.until_revoked().await;
    // A rotation meanwhile is refused.
    let other = alice.rotate_key(passphrase(PASSPHRASE)).await;
    assert_eq!(other, Err(Failure::RekeyUnderWay));
    // Undone: the revocation stays out, and the reset can be asked for by itself.
    alice.undo_rekey().await.unwrap();
    assert_eq!(alice.key_renewal().await.unwrap(), None);
    alice.until_revoked().await;
    drop(words);
    let words = alice
        .begin_rekey(
            passphrase(PASSPHRASE),
            passphrase(NEW),
            false,
            Some(RenewalKind::Reset),
        )
        .await
        .unwrap();
    let groups = words.chunks(4).map(|group| group.join(" "));
    alice
        .confirm_rekey_code((0..).zip(groups).collect())
        .await
        .unwrap();
    alice.until_renewed().await;
    bob.until_compared(&a, ComparedState::ChangedUnexplained)
        .await;
    bob.accept_change(a.clone()).await.unwrap();
    alice.send(&[&b], "after both").await.unwrap();
    bob.receive("after both").await;
}
