//! Sealed attachments: sealed, carried in pieces, opened; and nothing half-done left behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::cast_possible_truncation)]

mod support;

use std::fs;
use std::path::Path;

use support::home;
use waxwing_crypto::stream::{AttachmentKey, SEGMENT_LEN, StreamError};
use waxwing_vault::{Files, SealedFile, VaultError};
use waxwing_wire::ids::AttachmentId;

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 131 % 253) as u8).collect()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Carries a sealed file from one profile to another in pieces of one segment.
fn carry(from: &Files, to: &Files, sealed: &SealedFile) {
    let mut offset = to.fetched_length(sealed.id).unwrap();
    while offset < sealed.sealed_length {
        let piece = from.read(sealed.id, offset, SEGMENT_LEN).unwrap();
        to.append_fetched(sealed.id, offset, &piece).unwrap();
        offset += piece.len() as u64;
    }
}

#[test]
fn a_file_goes_from_one_profile_to_another() {
    let (mut alice, mut bob) = (home(), home());
    let (from, to) = (alice.create().0, bob.create().0);
    let (from, to) = (
        from.carriage().files().unwrap(),
        to.carriage().files().unwrap(),
    );
    let place = tempfile::tempdir().unwrap();
    for length in [0, 1, 1000, SEGMENT_LEN, 5 * SEGMENT_LEN + 77] {
        let (source, target) = (place.path().join("source"), place.path().join("target"));
        let plain = content(length);
        fs::write(&source, &plain).unwrap();
        let key = AttachmentKey::generate(&mut alice.rng);
        let id = AttachmentId::generate(&mut alice.rng);
        let mut told = Vec::new();
        let mut progress = |done, all| {
            told.push((done, all));
            true
        };
        let sealed = from
            .seal(&source, id, &key, &mut progress, &mut alice.rng)
            .unwrap();
        assert_eq!(
            told.last(),
            Some(&(sealed.sealed_length, sealed.sealed_length))
        );
        assert!(told.is_sorted());
        carry(&from, &to, &sealed);
        to.finish_fetched(&sealed).unwrap();
        to.open(&sealed, &key, &target, &mut |_, _| true).unwrap();
        assert!(fs::read(&target).unwrap() == plain, "{length}");
        let first = to.open_segment(&sealed, &key, 0).unwrap();
        assert!(plain.starts_with(&first));
        from.remove(id).unwrap();
        to.remove(id).unwrap();
        from.remove(id).unwrap();
        assert!(!from.has(id));
    }
    for home in [&alice, &bob] {
        assert!(names(&home.dir.join("files")).is_empty());
    }
    assert_eq!(names(place.path()), ["source", "target"]);
}

#[test]
fn cancelling_leaves_nothing_behind() {
    let mut alice = home();
    let files = alice.create().0.carriage().files().unwrap();
    let place = tempfile::tempdir().unwrap();
    let (source, target) = (place.path().join("source"), place.path().join("target"));
    fs::write(&source, content(20 * SEGMENT_LEN)).unwrap();
    let key = AttachmentKey::generate(&mut alice.rng);
    let id = AttachmentId::generate(&mut alice.rng);
    let mut stop = |done: u64, _| done < 3 * SEGMENT_LEN as u64;
    let cancelled = files.seal(&source, id, &key, &mut stop, &mut alice.rng);
    assert_eq!(cancelled.unwrap_err(), VaultError::Cancelled);
    assert!(names(&alice.dir.join("files")).is_empty());

    let sealed = files
        .seal(&source, id, &key, &mut |_, _| true, &mut alice.rng)
        .unwrap();
    let cancelled = files.open(&sealed, &key, &target, &mut stop);
    assert_eq!(cancelled.unwrap_err(), VaultError::Cancelled);
    assert_eq!(names(place.path()), ["source"]);
}

#[test]
fn a_wrong_download_is_noticed_and_can_be_fetched_again() {
    let (mut alice, mut bob) = (home(), home());
    let (from, to) = (alice.create().0, bob.create().0);
    let (from, to) = (
        from.carriage().files().unwrap(),
        to.carriage().files().unwrap(),
    );
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("source");
    fs::write(&source, content(3 * SEGMENT_LEN)).unwrap();
    let key = AttachmentKey::generate(&mut alice.rng);
    let id = AttachmentId::generate(&mut alice.rng);
    let sealed = from
        .seal(&source, id, &key, &mut |_, _| true, &mut alice.rng)
        .unwrap();

    to.append_fetched(id, 0, &vec![0; SEGMENT_LEN]).unwrap();
    let gap = to.append_fetched(id, 5, &[0]);
    assert_eq!(
        gap.unwrap_err(),
        VaultError::Stream(StreamError::WrongLength)
    );
    carry(&from, &to, &sealed);
    assert!(matches!(
        to.finish_fetched(&sealed),
        Err(VaultError::Stream(_))
    ));
    assert_eq!(to.fetched_length(id).unwrap(), 0);
    carry(&from, &to, &sealed);
    to.finish_fetched(&sealed).unwrap();

    // altered on the disk afterwards: the target never appears
    let path = bob.dir.join("files").join(id.to_string());
    let mut bytes = fs::read(&path).unwrap();
    bytes[2 * SEGMENT_LEN] ^= 1;
    fs::write(&path, bytes).unwrap();
    let target = place.path().join("target");
    let altered = to.open(&sealed, &key, &target, &mut |_, _| true);
    assert_eq!(
        altered.unwrap_err(),
        VaultError::Stream(StreamError::DoesNotOpen)
    );
    assert_eq!(names(place.path()), ["source"]);
    assert!(matches!(to.open_segment(&sealed, &key, 0), Ok(bytes) if !bytes.is_empty()));
    assert!(matches!(
        to.open_segment(&sealed, &key, 2),
        Err(VaultError::Stream(_))
    ));
}

#[test]
fn bytes_in_memory_are_sealed_as_a_file_is() {
    let mut home = home();
    let open = home.create().0;
    let files = open.carriage().files().unwrap();
    let place = tempfile::tempdir().unwrap();
    for length in [0, 1, SEGMENT_LEN, 2 * SEGMENT_LEN + 5] {
        let plain = content(length);
        let key = AttachmentKey::generate(&mut home.rng);
        let id = AttachmentId::generate(&mut home.rng);
        let sealed = files.seal_bytes(&plain, id, &key, &mut home.rng).unwrap();
        let target = place.path().join("target");
        files
            .open(&sealed, &key, &target, &mut |_, _| true)
            .unwrap();
        assert_eq!(fs::read(&target).unwrap(), plain);
        let most = length as u64;
        let opened = files.open_bytes(&sealed, &key, most).unwrap();
        assert_eq!(*opened, plain);
        if most > 0 {
            let long = files.open_bytes(&sealed, &key, most - 1);
            assert!(matches!(
                long,
                Err(VaultError::Stream(StreamError::TooLong))
            ));
        }
        let other = AttachmentKey::generate(&mut home.rng);
        let refused = files.open_bytes(&sealed, &other, most);
        assert!(matches!(refused, Err(VaultError::Stream(_))));
    }
}
