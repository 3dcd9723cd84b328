#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use waxwing_wire::ids::{AccountId, DeviceId, MailboxId};

use super::*;
use crate::recovery::RecoveryCode;

fn rng() -> StdRng {
    StdRng::seed_from_u64(5)
}

fn keyring() -> Keyring {
    let mut keyring = Keyring::new(
        AccountId::new([1; 32]),
        DeviceId::new([2; 16]),
        MailboxId::new([3; 16]),
        AccountSeed::new([4; 32]),
        DeviceSeed::new([5; 32]),
        TransportSeed::new([6; 32]),
    );
    keyring.add_epoch(EpochId(100), &mut rng());
    keyring
}

fn vault() -> (Header, RootKey, RecoveryCode) {
    Header::create(
        &Passphrase::new("one"),
        KdfParams::FLOOR,
        &keyring(),
        &mut rng(),
    )
    .unwrap()
}

#[test]
fn both_slots_unwrap_the_same_root_and_it_opens_the_keyring() {
    let (header, _, code) = vault();
    let header = Header::decode(&header.encode()).unwrap();
    let by_passphrase = header
        .unwrap_with_passphrase(&Passphrase::new("one"))
        .unwrap();
    let by_code = header.unwrap_with_recovery(&code).unwrap();
    assert_eq!(by_passphrase.expose(), by_code.expose());
    let opened = header.open_keyring(&by_code).unwrap();
    assert_eq!(opened.account_id, AccountId::new([1; 32]));
    assert_eq!(opened.device_id, DeviceId::new([2; 16]));
    assert_eq!(opened.mailbox_id, MailboxId::new([3; 16]));
    assert_eq!(opened.account.expose(), &[4; 32]);
    assert_eq!(opened.device.expose(), &[5; 32]);
    assert_eq!(opened.transport.expose(), &[6; 32]);
    assert_eq!(
        opened.epoch(EpochId(100)).unwrap().expose(),
        keyring().epoch(EpochId(100)).unwrap().expose()
    );
}

#[test]
fn wrong_passphrase_and_foreign_code_have_their_own_errors() {
    let (header, _, _) = vault();
    assert_eq!(
        header
            .unwrap_with_passphrase(&Passphrase::new("two"))
            .unwrap_err(),
        HeaderError::WrongPassphrase
    );
    let foreign = RecoveryCode::generate(&mut StdRng::seed_from_u64(77));
    assert_eq!(
        header.unwrap_with_recovery(&foreign).unwrap_err(),
        HeaderError::WrongRecoveryCode
    );
}

#[test]
fn a_new_passphrase_is_a_new_salt_a_new_generation_and_the_same_root() {
    let (old, root, code) = vault();
    let mut rng = StdRng::seed_from_u64(6);
    let new = old
        .with_passphrase(
            &root,
            &keyring(),
            &Passphrase::new("two"),
            KdfParams::FLOOR,
            &mut rng,
        )
        .unwrap();
    assert_eq!(new.generation(), old.generation() + 1);
    assert_ne!(new.passphrase.salt, old.passphrase.salt);
    assert_eq!(
        new.unwrap_with_passphrase(&Passphrase::new("one"))
            .unwrap_err(),
        HeaderError::WrongPassphrase
    );
    assert_eq!(
        new.unwrap_with_passphrase(&Passphrase::new("two"))
            .unwrap()
            .expose(),
        root.expose()
    );
    assert_eq!(
        new.unwrap_with_recovery(&code).unwrap().expose(),
        root.expose()
    );
    assert!(new.open_keyring(&root).is_ok());
}

#[test]
fn a_replaced_recovery_code_no_longer_opens() {
    let (old, root, code) = vault();
    let (new, fresh) = old.with_new_recovery(&root, &keyring(), &mut StdRng::seed_from_u64(6));
    assert_eq!(
        new.unwrap_with_recovery(&code).unwrap_err(),
        HeaderError::WrongRecoveryCode
    );
    assert_eq!(
        new.unwrap_with_recovery(&fresh).unwrap().expose(),
        root.expose()
    );
}

#[test]
fn every_write_seals_the_keyring_under_another_key() {
    let (first, root, _) = vault();
    let second = first.with_keyring(&root, &keyring(), &mut StdRng::seed_from_u64(8));
    assert_ne!(first.keyring.salt, second.keyring.salt);
    assert_ne!(first.keyring.sealed, second.keyring.sealed);
}

fn every_flip_and_cut_is_damage(bytes: &[u8]) {
    for at in 0..bytes.len() {
        let mut bent = bytes.to_vec();
        bent[at] ^= 0x01;
        match Header::decode(&bent) {
            Err(HeaderError::Corrupt(_) | HeaderError::UnknownVersion) => {}
            other => panic!("byte {at}: {other:?}"),
        }
    }
    for length in 0..bytes.len() {
        assert!(Header::decode(&bytes[..length]).is_err());
    }
}

#[test]
fn every_flipped_byte_is_damage_and_never_a_wrong_passphrase() {
    let bytes = vault().0.encode();
    every_flip_and_cut_is_damage(&bytes);
    assert!(Header::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    assert!(Header::decode(&vec![0; MAX_HEADER_LEN + 1]).is_err());
}

/// Somebody who can write the file can also make its digest right; the AEAD must notice.
#[test]
fn keys_that_are_to_come_stay_beside_the_present_ones_until_they_are_adopted() {
    let (header, root, _) = vault();
    let written_before = header.open_keyring(&root).unwrap();
    assert!(written_before.next().is_none());
    let mut staged = written_before.duplicate();
    staged.stage_next(&mut rng());
    let coming = *staged.next().unwrap().account.expose();
    staged.stage_next(&mut rand::rng());
    assert_eq!(staged.next().unwrap().account.expose(), &coming);
    // Without them the encoding is what it always was.
    let before = written_before.encode();
    assert!(staged.encode().len() > before.len() + 96);
    let header = header.with_keyring(&root, &staged, &mut rng());
    let header = Header::decode(&header.encode()).unwrap();
    let mut opened = header.open_keyring(&root).unwrap();
    assert_eq!(opened.account.expose(), &[4; 32]);
    assert_eq!(opened.next().unwrap().account.expose(), &coming);
    let mut dropped = opened.duplicate();
    dropped.drop_next();
    assert_eq!(dropped.encode(), before);
    opened.adopt_next();
    assert_eq!(opened.account.expose(), &coming);
    assert!(opened.next().is_none() && opened.epoch(EpochId(100)).is_some());
}

#[test]
fn a_forger_who_mends_the_digest_is_noticed() {
    let (header, root, code) = vault();
    let one = Passphrase::new("one");
    let mend = |change: &dyn Fn(&mut Header)| {
        let mut bent = header.clone();
        change(&mut bent);
        Header::decode(&bent.encode()).unwrap()
    };

    let bent = mend(&|h| h.generation += 1);
    assert!(matches!(
        bent.open_keyring(&root),
        Err(HeaderError::Corrupt(_))
    ));
    let bent = mend(&|h| h.keyring.salt[0] ^= 1);
    assert!(matches!(
        bent.open_keyring(&root),
        Err(HeaderError::Corrupt(_))
    ));
    let bent = mend(&|h| *h.keyring.sealed.last_mut().unwrap() ^= 1);
    assert!(matches!(
        bent.open_keyring(&root),
        Err(HeaderError::Corrupt(_))
    ));

    let bent = mend(&|h| h.passphrase.wrapped.ct[0] ^= 1);
    assert!(matches!(
        bent.unwrap_with_passphrase(&one),
        Err(HeaderError::Corrupt(_))
    ));
    let bent = mend(&|h| h.passphrase.wrapped.nonce[0] ^= 1);
    assert!(matches!(
        bent.unwrap_with_passphrase(&one),
        Err(HeaderError::Corrupt(_))
    ));
    let bent = mend(&|h| h.passphrase.wrapped.commit[0] ^= 1);
    assert_eq!(
        bent.unwrap_with_passphrase(&one).unwrap_err(),
        HeaderError::WrongPassphrase
    );
    let bent = mend(&|h| h.passphrase.params = KdfParams::new(64 << 10, 4, 4).unwrap());
    assert_eq!(
        bent.unwrap_with_passphrase(&one).unwrap_err(),
        HeaderError::WrongPassphrase
    );
    // the other slot still opens the root, but the keyring does not accept the altered slot
    let by_code = bent.unwrap_with_recovery(&code).unwrap();
    assert!(matches!(
        bent.open_keyring(&by_code),
        Err(HeaderError::Corrupt(_))
    ));

    let bent = mend(&|h| h.recovery.wrapped.ct[0] ^= 1);
    assert!(matches!(
        bent.unwrap_with_recovery(&code),
        Err(HeaderError::Corrupt(_))
    ));
}

#[test]
fn a_slot_of_an_older_header_does_not_fit_a_newer_one() {
    let (old, root, _) = vault();
    let mut new = old
        .with_passphrase(
            &root,
            &keyring(),
            &Passphrase::new("two"),
            KdfParams::FLOOR,
            &mut StdRng::seed_from_u64(9),
        )
        .unwrap();
    new.passphrase = old.passphrase.clone();
    let by_old = new.unwrap_with_passphrase(&Passphrase::new("one")).unwrap();
    assert!(matches!(
        new.open_keyring(&by_old),
        Err(HeaderError::Corrupt(_))
    ));
}

#[test]
fn dropped_epochs_are_not_in_the_next_header() {
    let mut keyring = keyring();
    keyring.add_epoch(EpochId(101), &mut StdRng::seed_from_u64(3));
    let kept = *keyring.epoch(EpochId(101)).unwrap().expose();
    assert_eq!(keyring.drop_epochs_before(EpochId(101)), 1);
    let (header, root, _) = vault();
    let opened = header
        .with_keyring(&root, &keyring, &mut rng())
        .open_keyring(&root)
        .unwrap();
    assert!(opened.epoch(EpochId(100)).is_none());
    assert_eq!(opened.epoch(EpochId(101)).unwrap().expose(), &kept);
    assert_eq!(EpochId::at(7 * 86_400 * 101 + 5), EpochId(101));
}

#[test]
fn records_open_only_in_their_place() {
    let (_, root, _) = vault();
    let key = root.record_key("contacts", 0);
    let sealed = key.seal(b"place", b"text", &mut rng());
    assert_eq!(key.open(b"place", &sealed).unwrap().as_slice(), b"text");
    assert_eq!(key.open(b"other", &sealed).unwrap_err(), OpenError);
    assert!(
        root.record_key("contacts", 1)
            .open(b"place", &sealed)
            .is_err()
    );
    assert!(
        root.record_key("drafts", 0)
            .open(b"place", &sealed)
            .is_err()
    );
    assert!(key.open(b"place", &sealed[..27]).is_err());
    for at in 0..sealed.len() {
        let mut bent = sealed.clone();
        bent[at] ^= 1;
        assert!(key.open(b"place", &bent).is_err());
    }
    assert_ne!(
        root.index_key("contacts").derive(b"x"),
        root.index_key("drafts").derive(b"x")
    );
}

#[test]
fn secrets_never_print() {
    let (header, root, code) = vault();
    let text = format!(
        "{header:?} {root:?} {code:?} {:?} {:?}",
        keyring(),
        root.record_key("x", 0)
    );
    assert!(!text.contains("04, 04") && !text.contains("4, 4"), "{text}");
    assert!(text.contains("AccountSeed"));
}

/// A header with a numbered store and a re-key under way.
fn under_way() -> (Header, RootKey, RecoveryCode) {
    let (header, root, _) = vault();
    let mut rng = StdRng::seed_from_u64(21);
    let begin = |header: &Header, root: &RootKey, store: u32, rng: &mut StdRng| {
        let two = Passphrase::new("two");
        header
            .begin_rekey((root, &keyring()), store, &two, KdfParams::FLOOR, rng)
            .unwrap()
    };
    let (first, _) = begin(&header, &root, 1, &mut rng);
    let root = first.open_next(&root).unwrap();
    let header = first.finish_rekey(&root, &keyring(), &mut rng).unwrap();
    let (header, code) = begin(&header, &root, 2, &mut rng);
    (Header::decode(&header.encode()).unwrap(), root, code)
}

#[test]
fn until_a_rekey_is_finished_only_the_old_ways_in_open_and_then_only_the_new() {
    let (old, root, old_code) = vault();
    let mut rng = StdRng::seed_from_u64(20);
    let [one, two] = ["one", "two"].map(Passphrase::new);
    let (begun, code) = old
        .begin_rekey((&root, &keyring()), 1, &two, KdfParams::FLOOR, &mut rng)
        .unwrap();
    let begun = Header::decode(&begun.encode()).unwrap();
    assert_eq!((begun.store(), begun.next_store()), (0, Some(1)));
    assert_eq!(
        begun.unwrap_with_passphrase(&one).unwrap().expose(),
        root.expose()
    );
    assert!(begun.unwrap_with_passphrase(&two).is_err());
    assert!(begun.unwrap_with_recovery(&old_code).is_ok());
    assert!(begun.unwrap_with_recovery(&code).is_err());
    assert!(begun.check_next_passphrase(&two).unwrap());
    assert!(!begun.check_next_passphrase(&one).unwrap());
    assert!(begun.check_next_recovery(&code).unwrap());
    assert!(!begun.check_next_recovery(&old_code).unwrap());
    assert!(begun.open_keyring(&root).is_ok());

    // A keyring written meanwhile keeps what is under way; another code takes the place of the first.
    let begun = begun.with_keyring(&root, &keyring(), &mut rng);
    let (begun, code_two) = begun
        .with_new_next_recovery(&root, &keyring(), &mut rng)
        .unwrap();
    assert!(!begun.check_next_recovery(&code).unwrap());

    let next = begun.open_next(&root).unwrap();
    assert_ne!(next.expose(), root.expose());
    let done = begun.finish_rekey(&next, &keyring(), &mut rng).unwrap();
    let done = Header::decode(&done.encode()).unwrap();
    assert_eq!((done.store(), done.next_store()), (1, None));
    assert_eq!(done.vault_id(), old.vault_id());
    assert_eq!(done.generation(), begun.generation() + 1);
    assert!(done.unwrap_with_passphrase(&one).is_err());
    assert!(done.unwrap_with_recovery(&old_code).is_err());
    let by_two = done.unwrap_with_passphrase(&two).unwrap();
    assert_eq!(by_two.expose(), next.expose());
    assert!(done.unwrap_with_recovery(&code_two).is_ok());
    assert!(done.open_keyring(&by_two).is_ok() && done.open_keyring(&root).is_err());

    let undone = begun.without_rekey(&root, &keyring(), &mut rng);
    assert_eq!((undone.store(), undone.next_store()), (0, None));
    assert!(undone.check_next_passphrase(&two).is_err());
    assert!(
        undone
            .open_keyring(&undone.unwrap_with_passphrase(&one).unwrap())
            .is_ok()
    );
}

#[test]
fn every_flipped_byte_is_damage_also_while_a_rekey_is_under_way() {
    every_flip_and_cut_is_damage(&under_way().0.encode());
}

type Bend = fn(&mut Header);

/// Who can write the file mends the digest; the keyring accepts no other store, section or slot.
#[test]
fn no_part_of_a_rekey_can_be_exchanged_under_the_keyring() {
    let (header, root, _) = under_way();
    assert!(header.open_keyring(&root).is_ok() && header.open_next(&root).is_ok());
    let all: [Bend; 7] = [
        |h| h.next = None,
        |h| h.store = 0,
        |h| h.next.as_mut().unwrap().store += 1,
        |h| h.next.as_mut().unwrap().salt[0] ^= 1,
        |h| *h.next.as_mut().unwrap().sealed.last_mut().unwrap() ^= 1,
        |h| h.next.as_mut().unwrap().passphrase = h.passphrase.clone(),
        |h| h.next.as_mut().unwrap().recovery = h.recovery.clone(),
    ];
    for (number, bend) in all.iter().enumerate() {
        let mut bent = header.clone();
        bend(&mut bent);
        let bent = Header::decode(&bent.encode()).unwrap();
        assert!(bent.open_keyring(&root).is_err(), "{number}");
        assert!(number < 2 || bent.open_next(&root).is_err(), "{number}");
    }
    // The next slots in the place of the present ones: the keyring does not open.
    let mut early = header.clone();
    let next = header.next.clone().unwrap();
    (early.passphrase, early.recovery) = (next.passphrase, next.recovery);
    let by_two = early
        .unwrap_with_passphrase(&Passphrase::new("two"))
        .unwrap();
    assert!(early.open_keyring(&by_two).is_err());
}

#[test]
fn a_store_has_one_form_and_the_next_is_behind_the_present() {
    let (header, _, _) = under_way();
    let with = |store: u32, next: u32| {
        let mut bent = header.clone();
        bent.store = store;
        bent.next.as_mut().unwrap().store = next;
        Header::decode(&bent.encode())
    };
    assert!(with(1, 2).is_ok());
    for (store, next) in [(2, 2), (3, 2), (0, 0), (1, 0)] {
        assert!(matches!(with(store, next), Err(HeaderError::Corrupt(_))));
    }
}
