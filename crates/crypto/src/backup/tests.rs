#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use waxwing_wire::ids::{AccountId, AttachmentId, DeviceId, MailboxId};

use super::*;
use crate::kdf::{KdfParams, Passphrase};
use crate::recovery::RecoveryCode;
use crate::vault_header::{
    AccountSeed, BackupHeader, DeviceSeed, EpochId, Header, HeaderError, Keyring, RootKey,
    TransportSeed,
};

fn rng() -> StdRng {
    StdRng::seed_from_u64(31)
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

fn vault(rng: &mut StdRng) -> (Header, RootKey, RecoveryCode) {
    let one = Passphrase::new("one");
    Header::create(&one, KdfParams::FLOOR, &keyring(), rng).unwrap()
}

/// Header, stream header and segments of a content of `length` bytes.
fn sealed(backup: &BackupHeader, root: &RootKey, length: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
    let content: Vec<u8> = (0..=250).cycle().take(length).collect();
    let mut sealer = backup.sealer(root, &mut rng()).unwrap();
    let mut rest = content.as_slice();
    let mut segments = Vec::new();
    while let Some(capacity) = sealer.capacity() {
        let is_last = rest.len() <= capacity;
        let (now, later) = rest.split_at(capacity.min(rest.len()));
        let mut buffer = now.to_vec();
        sealer.seal(&mut buffer, is_last).unwrap();
        segments.push(buffer);
        rest = later;
    }
    (sealer.header().to_vec(), segments)
}

fn open(
    backup: &BackupHeader,
    root: &RootKey,
    stream: &[u8],
    segments: &[Vec<u8>],
) -> Result<Vec<u8>, StreamError> {
    let mut opener = backup.opener(root, stream.try_into().unwrap())?;
    let mut out = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        let mut buffer = segment.clone();
        opener.open(&mut buffer, at + 1 == segments.len())?;
        out.extend(buffer);
    }
    Ok(out)
}

#[test]
fn only_the_recovery_code_of_then_opens_a_backup() {
    let mut rng = rng();
    let (header, root, code) = vault(&mut rng);
    let backup = BackupHeader::decode(&header.backup(77).encode()).unwrap();
    assert_eq!((backup.generation(), backup.made_at()), (1, 77));
    assert_eq!(backup.vault_id(), header.vault_id());
    assert_eq!(backup.recovery_id(), header.recovery_id());
    let by_code = backup.unwrap_with_recovery(&code).unwrap();
    let (stream, segments) = sealed(&backup, &root, 3000);
    let opened = open(&backup, &by_code, &stream, &segments).unwrap();
    assert_eq!(opened.len(), 3000);

    let (replaced, other) = header.with_new_recovery(&root, &keyring(), &mut rng);
    let wrong = backup.unwrap_with_recovery(&other).unwrap_err();
    assert_eq!(wrong, HeaderError::WrongRecoveryCode);
    assert!(backup.unwrap_with_recovery(&code).is_ok());
    assert_ne!(replaced.recovery_id(), backup.recovery_id());
    // The slot and its code, and nothing that a passphrase could try.
    assert!(backup.encode().len() < 300);
}

#[test]
fn a_content_opens_under_its_own_header_alone() {
    let mut rng = rng();
    let (header, root, _) = vault(&mut rng);
    let backup = header.backup(77);
    let (stream, segments) = sealed(&backup, &root, 100);
    let later = header.backup(78);
    let refused = open(&later, &root, &stream, &segments);
    assert_eq!(refused, Err(StreamError::DoesNotOpen));
    let (_, other, _) = vault(&mut rng);
    let refused = open(&backup, &other, &stream, &segments);
    assert_eq!(refused, Err(StreamError::DoesNotOpen));
    for at in 0..stream.len() {
        let mut bent = stream.clone();
        bent[at] ^= 1;
        assert!(open(&backup, &root, &bent, &segments).is_err(), "{at}");
    }
    for at in 0..segments[0].len() {
        let mut bent = segments.clone();
        bent[0][at] ^= 1;
        assert!(open(&backup, &root, &stream, &bent).is_err(), "{at}");
    }
}

#[test]
fn segments_are_not_cut_off_exchanged_or_added_to() {
    let (header, root, _) = vault(&mut rng());
    let backup = header.backup(1);
    let full = segment_capacity(0) + segment_capacity(1);
    for (length, count) in [(0, 1), (full - 1, 2), (full, 2), (full + 1, 3)] {
        let (stream, segments) = sealed(&backup, &root, length);
        assert_eq!(segments.len(), count);
        let opened = open(&backup, &root, &stream, &segments).unwrap();
        assert_eq!(opened.len(), length);
        if count > 1 {
            let cut = &segments[..count - 1];
            assert!(open(&backup, &root, &stream, cut).is_err());
            let mut turned = segments.clone();
            turned.swap(0, 1);
            assert!(open(&backup, &root, &stream, &turned).is_err());
        }
        let mut once = backup
            .opener(&root, stream.as_slice().try_into().unwrap())
            .unwrap();
        for (at, segment) in segments.iter().enumerate() {
            once.open(&mut segment.clone(), at + 1 == count).unwrap();
        }
        assert_eq!(once.segment_len(), None);
        let more = once.open(&mut segments[0].clone(), true);
        assert_eq!(more, Err(StreamError::NoSuchSegment));
    }
    let mut sealer = backup.sealer(&root, &mut rng()).unwrap();
    let short = sealer.seal(&mut vec![0; 10], false);
    assert_eq!(short, Err(StreamError::WrongLength));
    sealer.seal(&mut vec![0; 10], true).unwrap();
    let after = sealer.seal(&mut vec![0; 10], true);
    assert_eq!(after, Err(StreamError::NoSuchSegment));
}

#[test]
fn every_flipped_byte_and_cut_of_a_header_is_damage_and_never_a_wrong_code() {
    let (header, _, code) = vault(&mut rng());
    let bytes = header.backup(1_800_000_000).encode();
    for at in 0..bytes.len() {
        for bit in [1, 0x80] {
            let mut bent = bytes.clone();
            bent[at] ^= bit;
            match BackupHeader::decode(&bent) {
                Err(HeaderError::Corrupt(_) | HeaderError::UnknownVersion) => {}
                other => panic!("byte {at}: {other:?}"),
            }
        }
        assert!(BackupHeader::decode(&bytes[..at]).is_err());
    }
    let again = BackupHeader::decode(&bytes).unwrap();
    assert!(again.unwrap_with_recovery(&code).is_ok());
    assert_eq!(again.encode(), bytes);
}

#[test]
fn a_backup_has_the_seeds_and_no_weekly_key() {
    let bytes = keyring().to_backup();
    let back = Keyring::from_backup(&bytes).unwrap();
    assert_eq!(back.account.expose(), &[4; 32]);
    assert_eq!(back.device.expose(), &[5; 32]);
    assert_eq!(back.transport.expose(), &[6; 32]);
    assert_eq!(back.mailbox_id, MailboxId::new([3; 16]));
    assert_eq!(back.epochs().count(), 0);
    let mut weekly = keyring();
    weekly.add_epoch(EpochId(7), &mut rng());
    let key = weekly.epoch(EpochId(7)).unwrap().expose().to_vec();
    assert!(!bytes.windows(32).any(|window| window == key));
}

#[test]
fn a_restored_vault_has_another_root_key_and_the_code_that_was_typed() {
    let mut rng = rng();
    let (header, root, code) = vault(&mut rng);
    let backup = header.backup(1);
    let two = Passphrase::new("two");
    let (restored, fresh) =
        Header::restored(&backup, &two, KdfParams::FLOOR, &code, &keyring(), &mut rng).unwrap();
    let name = |root: &RootKey| root.index_key("x").derive(b"y");
    assert_ne!(name(&fresh), name(&root));
    assert_eq!(restored.generation(), 2);
    assert_eq!(restored.vault_id(), header.vault_id());
    for by in [
        restored.unwrap_with_passphrase(&two),
        restored.unwrap_with_recovery(&code),
    ] {
        assert_eq!(name(&by.unwrap()), name(&fresh));
    }
    assert!(
        restored
            .unwrap_with_passphrase(&Passphrase::new("one"))
            .is_err()
    );
    assert!(restored.open_keyring(&fresh).is_ok());
}

#[test]
fn a_head_has_one_form() {
    let all = [
        Record::Keyring { length: 9 },
        Record::Row {
            tree: "contacts".into(),
            schema: 1,
            length: 400,
        },
        Record::Carried {
            tree: "carriage/plain".into(),
            key: b"relays".to_vec(),
            length: 3,
        },
        Record::File {
            id: AttachmentId::new([7; 16]),
            length: 1 << 40,
        },
        Record::End {
            rows: [("own".to_owned(), 1), ("contacts".to_owned(), 2)].into(),
            files: 5,
        },
    ];
    for record in all {
        let bytes = record.encode();
        assert_eq!(Record::decode(&bytes).unwrap(), record);
        for at in 0..bytes.len() {
            assert!(Record::decode(&bytes[..at]).is_err());
        }
        assert!(Record::decode(&[bytes, vec![0]].concat()).is_err());
    }
}
