//! What one can do with a vault, and that a failure anywhere leaves the old one valid.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::fs;

use support::{contact, home, keyring, passphrase};
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_crypto::vault_header::EpochId;
use waxwing_vault::rows::Contact;
use waxwing_vault::{Damage, State, UnlockError, Vault, VaultError};

#[test]
fn create_lock_unlock_by_both_slots() {
    let mut home = home();
    assert!(matches!(Vault::look(&home.dir).unwrap(), State::None));
    let (open, code) = home.create();
    open.store()
        .commit(&mut home.rng, |tx| tx.put(&contact(7)))
        .unwrap();
    let locked = open.lock();
    let (locked, error) = locked
        .unlock(&Passphrase::new("seven quiet wax seal"))
        .unwrap_err();
    assert_eq!(error, UnlockError::WrongPassphrase);
    let open = locked.unlock(&passphrase()).unwrap();
    assert!(
        open.store()
            .load::<Contact>(&contact(7).account)
            .unwrap()
            .is_some()
    );
    drop(open);

    let typed = code.words().join(" ");
    let open = home
        .locked()
        .unlock_with_recovery(&RecoveryCode::parse(&typed).unwrap())
        .unwrap();
    assert!(
        open.store()
            .load::<Contact>(&contact(7).account)
            .unwrap()
            .is_some()
    );
}

#[test]
fn a_foreign_recovery_code_is_told_from_a_mistyped_one() {
    let mut home = home();
    drop(home.create());
    let foreign = RecoveryCode::generate(&mut home.rng);
    let (_, error) = home.locked().unlock_with_recovery(&foreign).unwrap_err();
    assert_eq!(error, UnlockError::WrongRecoveryCode);
    let mut words = foreign.words();
    words.swap(0, 1);
    assert!(RecoveryCode::parse(&words.join(" ")).is_err() || words[0] == words[1]);
}

#[test]
fn one_holder_at_a_time() {
    let mut home = home();
    let (open, _) = home.create();
    assert!(matches!(Vault::look(&home.dir).unwrap(), State::InUse));
    let locked = open.lock();
    assert!(matches!(Vault::look(&home.dir).unwrap(), State::InUse));
    assert_eq!(
        Vault::start_over(&home.dir, "2026-11-21").unwrap_err(),
        VaultError::InUse
    );
    drop(locked);
    drop(home.locked());
}

#[test]
fn a_vault_is_not_made_over_another() {
    let mut home = home();
    drop(home.create());
    let keyring = keyring(&mut home.rng);
    let again = Vault::create(
        &home.dir,
        &passphrase(),
        KdfParams::FLOOR,
        keyring,
        &mut home.rng,
    );
    assert_eq!(again.unwrap_err(), VaultError::AlreadyThere);
    drop(home.unlock());
}

#[test]
fn locking_silences_every_handle() {
    let mut home = home();
    let (open, _) = home.create();
    let store = open.store();
    let carriage = open.carriage();
    let locked = open.lock();
    assert_eq!(store.all::<Contact>().unwrap_err(), VaultError::Locked);
    assert_eq!(store.unopened().unwrap_err(), VaultError::Locked);
    let committed = store.commit(&mut home.rng, |tx| tx.put(&contact(1)));
    assert_eq!(committed.unwrap_err(), VaultError::Locked);
    assert_eq!(carriage.outbox_count().unwrap(), 0);
    assert_eq!(locked.carriage().incoming_count().unwrap(), 0);
}

#[test]
fn a_new_passphrase_opens_and_the_old_does_not() {
    let mut home = home();
    let (mut open, code) = home.create();
    let generation = open.generation();
    let new = Passphrase::new("another set of words");
    let wrong = Passphrase::new("not it");
    let refused = open.rewrap(&wrong, &new, KdfParams::FLOOR, &mut home.rng);
    assert_eq!(refused.unwrap_err(), VaultError::WrongPassphrase);
    assert_eq!(open.generation(), generation);
    open.rewrap(&passphrase(), &new, KdfParams::FLOOR, &mut home.rng)
        .unwrap();
    assert_eq!(open.generation(), generation + 1);
    drop(open);
    let (locked, error) = home.locked().unlock(&passphrase()).unwrap_err();
    assert_eq!(error, UnlockError::WrongPassphrase);
    let mut open = locked.unlock(&new).unwrap();

    // the code survives a change of passphrase, until it is replaced
    assert!(open.check_recovery(&code).unwrap());
    let fresh = open.replace_recovery(&new, &mut home.rng).unwrap();
    assert!(!open.check_recovery(&code).unwrap());
    drop(open);
    let mut open = home.locked().unlock_with_recovery(&fresh).unwrap();
    open.rewrap_with_recovery(&fresh, &passphrase(), KdfParams::FLOOR, &mut home.rng)
        .unwrap();
    drop(open);
    drop(home.unlock());
}

#[test]
fn a_change_of_passphrase_that_cannot_be_written_leaves_the_old_one() {
    let mut home = home();
    let (mut open, _) = home.create();
    // a folder in the place of the draft: opening it for writing fails
    fs::create_dir(home.dir.join("vault.tmp")).unwrap();
    let new = Passphrase::new("another set of words");
    let failed = open.rewrap(&passphrase(), &new, KdfParams::FLOOR, &mut home.rng);
    assert!(matches!(failed, Err(VaultError::Io(_))));
    fs::remove_dir(home.dir.join("vault.tmp")).unwrap();
    assert!(open.check_passphrase(&passphrase()).unwrap());
    drop(open);
    drop(home.unlock());
}

#[test]
fn a_left_over_draft_of_the_header_changes_nothing() {
    let mut home = home();
    let (open, _) = home.create();
    fs::write(home.dir.join("vault.tmp"), b"half").unwrap();
    drop(open);
    let mut open = home.unlock();
    open.update_keyring(&mut home.rng, |keyring, rng| {
        keyring.add_epoch(EpochId(2901), rng);
        Ok::<_, VaultError>(())
    })
    .unwrap();
    drop(open);
    assert!(home.unlock().keyring().epoch(EpochId(2901)).is_some());
}

#[test]
fn a_failed_keyring_change_is_not_kept() {
    let mut home = home();
    let (mut open, _) = home.create();
    let generation = open.generation();
    let failed = open.update_keyring(&mut home.rng, |keyring, rng| {
        keyring.add_epoch(EpochId(9), rng);
        Err::<(), _>(VaultError::Cancelled)
    });
    assert_eq!(failed.unwrap_err(), VaultError::Cancelled);
    assert!(open.keyring().epoch(EpochId(9)).is_none());
    assert_eq!(open.generation(), generation);
}

#[test]
fn start_over_renames_and_never_deletes() {
    let mut home = home();
    for name in ["alice-2026-11-21", "alice-2026-11-21-2"] {
        let (open, _) = home.create();
        let before = fs::read(home.dir.join("vault.cbor")).unwrap();
        drop(open);
        let aside = Vault::start_over(&home.dir, "2026-11-21").unwrap();
        assert!(aside.ends_with(name));
        assert_eq!(fs::read(aside.join("vault.cbor")).unwrap(), before);
        assert!(matches!(Vault::look(&home.dir).unwrap(), State::None));
        drop(support::locked(&aside).unlock(&passphrase()).unwrap());
    }
}

#[test]
fn damage_is_said_and_nothing_is_made_over_it() {
    let mut home = home();
    drop(home.create());
    let path = home.dir.join("vault.cbor");
    let good = fs::read(&path).unwrap();
    let mut bent = good.clone();
    bent[40] ^= 1;
    fs::write(&path, &bent).unwrap();
    let State::Corrupt {
        reason: Damage::Header(_),
    } = Vault::look(&home.dir).unwrap()
    else {
        panic!("damage was not noticed");
    };
    assert_eq!(fs::read(&path).unwrap(), bent);

    fs::remove_file(&path).unwrap();
    // an empty store is the trace of a creation that was cut off
    assert!(matches!(Vault::look(&home.dir).unwrap(), State::None));
    fs::write(&path, &good).unwrap();
    let open = home.unlock();
    open.store()
        .commit(&mut home.rng, |tx| tx.put(&contact(1)))
        .unwrap();
    drop(open);
    fs::remove_file(&path).unwrap();
    let State::Corrupt {
        reason: Damage::HeaderMissing,
    } = Vault::look(&home.dir).unwrap()
    else {
        panic!("a lost header was not noticed");
    };
    let keyring = keyring(&mut home.rng);
    let over = Vault::create(
        &home.dir,
        &passphrase(),
        KdfParams::FLOOR,
        keyring,
        &mut home.rng,
    );
    assert_eq!(over.unwrap_err(), VaultError::AlreadyThere);
    fs::write(&path, &good).unwrap();
    drop(home.unlock());
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut home = home();
    let (open, _) = home.create();
    open.carriage().files().unwrap();
    let mode = |name: &str| {
        fs::metadata(home.dir.join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    for folder in ["", "store", "store/files", "files"] {
        assert_eq!(mode(folder), 0o700, "{folder}");
    }
    for file in ["vault.cbor", "lock"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
}
