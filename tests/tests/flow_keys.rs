//! The vault's own keys, as a person changes and tests them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use ciborium::Value;
use std::fs;
use std::path::{Path, PathBuf};
use waxwing_client::Failure;
use waxwing_client::view::ActivityKind;
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_tests::engine::{PASSPHRASE, Street, passphrase};
use waxwing_vault::{Locked, State, Vault};

const NEW: &str = "nine loud geese sail over the mountain";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_passphrase_opens_and_nothing_is_left_that_the_old_one_opens() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let me = alice.account().await;
    let before = alice.vault_keys().await.unwrap();
    let header = street.dir("alice").join("vault.cbor");
    let old = passphrase_slot(&fs::read(&header).unwrap());

    let change = |current: &str, new: &str, although_weak| {
        alice.change_passphrase(passphrase(current), passphrase(new), although_weak)
    };
    let refused = change("wrong", NEW, false).await;
    assert_eq!(refused, Err(Failure::WrongPassphrase));
    let weak = change(PASSPHRASE, "12345678", false).await;
    assert!(matches!(weak, Err(Failure::WeakPassphrase { .. })));
    assert_eq!(alice.vault_keys().await.unwrap(), before);
    assert_eq!(passphrase_slot(&fs::read(&header).unwrap()), old);

    let after = change(PASSPHRASE, NEW, false).await.unwrap();
    assert_eq!(after.generation, before.generation + 1);
    assert!(after.passphrase_set_at >= before.passphrase_set_at && after.activity_whole);
    for file in walk(&street.dir("alice")) {
        let bytes = fs::read(&file).unwrap();
        for secret in &old {
            let found = bytes.windows(secret.len()).any(|part| part == secret);
            assert!(!found, "{} holds the old wrapped key", file.display());
        }
    }
    alice.close().await;
    let alice = street.open("alice").await;
    let refused = alice.app.unlock(passphrase(PASSPHRASE)).await;
    assert_eq!(refused, Err(Failure::WrongPassphrase));
    alice.app.unlock(passphrase(NEW)).await.unwrap();
    assert_eq!(alice.account().await, me);

    // A weak one only by those who insist.
    let insisted = alice.change_passphrase(passphrase(NEW), passphrase("12345678"), true);
    let insisted = insisted.await.unwrap();
    assert_eq!(insisted.generation, after.generation + 1);
    let measured = alice.unlock_time().await.unwrap();
    assert_eq!(insisted.unlock, Some(measured));
    alice.lock().await;
    alice.app.unlock(passphrase("12345678")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_weak_lock_is_made_better_and_the_passphrase_stays() {
    let street = Street::new().await;
    street.person("alice").await.close().await;
    let folder = street.dir("alice");
    let (weak, mut rng) = (KdfParams::FLOOR, rand::rng());
    let present = Passphrase::new(PASSPHRASE);
    let locked = held(&folder);
    let mut open = locked.unlock(&present).map_err(|(_, error)| error).unwrap();
    open.rewrap(&present, &present, weak, &mut rng).unwrap();
    drop(open);

    let alice = street.open("alice").await;
    alice.app.unlock(passphrase(PASSPHRASE)).await.unwrap();
    let before = alice.vault_keys().await.unwrap();
    assert_eq!(before.unlock.unwrap().memory_mib, weak.m_kib() / 1024);
    let refused = alice.strengthen(passphrase("wrong")).await;
    assert_eq!(refused, Err(Failure::WrongPassphrase));
    let after = alice.strengthen(passphrase(PASSPHRASE)).await.unwrap();
    assert_eq!(after.generation, before.generation + 1);
    assert_eq!(after.passphrase_set_at, before.passphrase_set_at);
    let measured = alice.unlock_time().await.unwrap();
    assert_eq!(after.unlock, Some(measured));
    let did = alice.activity(None, 1).await.unwrap();
    assert_eq!(did.items[0].kind, ActivityKind::LockStrengthened);
    alice.lock().await;
    alice.app.unlock(passphrase(PASSPHRASE)).await.unwrap();
    alice.close().await;
    let params = held(&folder).params();
    assert_eq!(params, params.or_costlier(weak), "the lock became weaker");
}

fn held(folder: &Path) -> Locked {
    match Vault::look(folder).unwrap() {
        State::Locked(locked) => locked,
        other => panic!("the vault is {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_code_is_right_mistyped_or_of_another_vault() {
    let street = Street::new().await;
    let alice = street.open("alice").await;
    let words = alice.set_up("alice", street.address()).await;
    let test = |words: String| alice.test_recovery(passphrase(&words));

    let mut swapped: Vec<&str> = words.split(' ').collect();
    let last = swapped
        .iter()
        .rposition(|word| *word != swapped[0])
        .unwrap();
    swapped.swap(0, last);
    assert_eq!(
        test(swapped.join(" ")).await,
        Err(Failure::RecoveryMistyped)
    );
    assert_eq!(
        test(words.replacen(' ', " waxwing ", 1)).await,
        Err(Failure::RecoveryMistyped),
        "too many words"
    );
    let unknown = words.split(' ').take(23).collect::<Vec<_>>().join(" ") + " waxwing";
    assert_eq!(
        test(unknown).await,
        Err(Failure::RecoveryMismatch { group: 5 })
    );
    let other = RecoveryCode::generate(&mut rand::rng()).words().join(" ");
    assert_eq!(test(other).await, Err(Failure::RecoveryOther));
    assert_eq!(
        alice.vault_keys().await.unwrap().recovery_tested_at,
        None,
        "nothing was tested yet"
    );

    let tested = test(format!("  {}\n", words.to_uppercase())).await.unwrap();
    assert!(tested.recovery_tested_at.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_is_listed_newest_first_and_only_grows() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    alice.lock().await;
    for _ in 0..2 {
        let refused = alice.app.unlock(passphrase("wrong")).await;
        assert_eq!(refused, Err(Failure::WrongPassphrase));
    }
    assert_eq!(alice.activity(None, 10).await, Err(Failure::Locked));
    alice.unlock().await;

    let first = alice.activity(None, 2).await.unwrap();
    let kinds: Vec<_> = first.items.iter().map(|line| line.kind).collect();
    assert_eq!(kinds, [ActivityKind::Unlocked, ActivityKind::UnlockFailed]);
    assert_eq!(first.items[1].about, "2");
    let mut lines = first.items;
    let mut next = first.next;
    while let Some(cursor) = next {
        let page = alice.activity(Some(cursor), 2).await.unwrap();
        lines.extend(page.items);
        next = page.next;
    }
    assert_eq!(lines.len(), first.total as usize);
    assert_eq!(lines.last().unwrap().kind, ActivityKind::Created);
    let numbers: Vec<u64> = lines.iter().map(|line| line.number).collect();
    assert_eq!(numbers, (0..lines.len() as u64).rev().collect::<Vec<_>>());
}

/// Salt and wrapped key of the passphrase slot (docs/protocol.md section 6).
fn passphrase_slot(header: &[u8]) -> [Vec<u8>; 2] {
    let header: Value = ciborium::from_reader(header).unwrap();
    let slot = &field(&header, 4).as_array().unwrap()[0];
    [field(field(slot, 2), 5), field(slot, 5)].map(|value| value.as_bytes().unwrap().clone())
}

fn field(value: &Value, label: i64) -> &Value {
    let mut entries = value.as_map().unwrap().iter();
    &entries
        .find(|(key, _)| *key == Value::from(label))
        .unwrap()
        .1
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| walk(folder)));
    files
}
