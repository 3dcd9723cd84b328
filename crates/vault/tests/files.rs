//! Sealed attachments: sealed, carried in pieces, opened; and nothing half-done left behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::cast_possible_truncation)]

mod support;

use std::fs;
use std::path::Path;

use support::{Home, home};
use waxwing_crypto::stream::{AttachmentKey, SEGMENT_LEN, StreamError};
use waxwing_vault::{Files, SealedFile, VaultError};
use waxwing_wire::ids::{AttachmentId, Digest};

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
        to.finish_fetched(&sealed, &mut bob.rng).unwrap();
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
        for folder in ["files", "store/files"] {
            assert!(names(&home.dir.join(folder)).is_empty());
        }
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
    assert!(names(&alice.dir.join("store/files")).is_empty());

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
        to.finish_fetched(&sealed, &mut bob.rng),
        Err(VaultError::Stream(_))
    ));
    assert_eq!(to.fetched_length(id).unwrap(), 0);
    carry(&from, &to, &sealed);
    to.finish_fetched(&sealed, &mut bob.rng).unwrap();

    // altered on the disk afterwards: the target never appears
    let path = bob.dir.join("store/files").join(id.to_string());
    let mut bytes = fs::read(&path).unwrap();
    // The segments around it begin a little before those within.
    bytes[2 * SEGMENT_LEN + 200] ^= 1;
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

/// Seals a file of `length` bytes.
fn sealed(home: &mut Home, files: &Files, key: &AttachmentKey, length: usize) -> SealedFile {
    let plain = home.dir.with_file_name("plain");
    fs::write(&plain, content(length)).unwrap();
    let id = AttachmentId::generate(&mut home.rng);
    files
        .seal(&plain, id, key, &mut |_, _| true, &mut home.rng)
        .unwrap()
}

#[test]
fn what_is_uploaded_is_the_same_wherever_one_begins_and_not_what_lies_at_rest() {
    let mut home = home();
    let files = home.create().0.carriage().files().unwrap();
    let key = AttachmentKey::new([7; 32]);
    let sealed = sealed(&mut home, &files, &key, 2 * SEGMENT_LEN + 5000);
    let whole = files.read(sealed.id, 0, 4 * SEGMENT_LEN).unwrap();
    assert_eq!(whole.len() as u64, sealed.sealed_length);
    assert_eq!(Digest::of(&whole), sealed.sha256);
    let length = whole.len();
    for at in [
        1,
        SEGMENT_LEN - 57,
        SEGMENT_LEN - 56,
        SEGMENT_LEN,
        length - 1,
        length,
        length + 9,
    ] {
        let there = files.read(sealed.id, at as u64, SEGMENT_LEN).unwrap();
        let end = (at + SEGMENT_LEN).min(length);
        assert!(there == whole[at.min(end)..end], "{at}");
    }
    let path = home.dir.join("store/files").join(sealed.id.to_string());
    let at_rest = fs::read(path).unwrap();
    let part = &whole[100..132];
    assert!(!at_rest.windows(part.len()).any(|there| there == part));
}

#[test]
fn what_has_another_form_or_place_is_told_and_not_touched() {
    let mut home = home();
    let files = home.create().0.carriage().files().unwrap();
    let key = AttachmentKey::new([7; 32]);
    let sealed = sealed(&mut home, &files, &key, 1000);
    let target = home.dir.with_file_name("target");
    let path = home.dir.join("store/files").join(sealed.id.to_string());
    let good = fs::read(&path).unwrap();
    let inner = files.read(sealed.id, 0, SEGMENT_LEN).unwrap();
    let mut of_store_1 = good.clone();
    // be16(n), map of four, 1: label; 2: store.
    assert_eq!(of_store_1[20..22], [2, 0]);
    of_store_1[21] = 1;
    let cut = good[..good.len() - 1].to_vec();
    let open = || files.open(&sealed, &key, &target, &mut |_, _| true);
    for (bytes, told) in [
        (&inner, VaultError::Corrupt("a file of an unknown form")),
        (
            &Vec::new(),
            VaultError::Corrupt("a file of an unknown form"),
        ),
        (&of_store_1, VaultError::Corrupt("a file of another store")),
        (&cut, VaultError::Stream(StreamError::WrongLength)),
    ] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(open().unwrap_err(), told);
        assert_eq!(fs::read(&path).unwrap(), *bytes);
    }
    // The file of another attachment.
    let other = AttachmentId::generate(&mut home.rng);
    fs::write(path.with_file_name(other.to_string()), &good).unwrap();
    assert_eq!(
        files.read(other, 0, 1).unwrap_err(),
        VaultError::Corrupt("a file of another store")
    );
    // Where files lay before they were sealed once more.
    fs::remove_file(&path).unwrap();
    let before = home.dir.join("files").join(sealed.id.to_string());
    fs::write(&before, &inner).unwrap();
    assert!(!files.has(sealed.id));
    assert_eq!(
        open().unwrap_err(),
        VaultError::Corrupt("a file of an unknown form")
    );
    files.remove(sealed.id).unwrap();
    assert_eq!(fs::read(&before).unwrap(), inner);
    fs::write(&path, &good).unwrap();
    open().unwrap();
    assert_eq!(fs::read(&target).unwrap(), content(1000));
}

#[test]
fn ciphertext_leaves_while_locked_and_not_before_the_first_unlock() {
    let mut home = home();
    let (open, _) = home.create();
    let files = open.carriage().files().unwrap();
    let key = AttachmentKey::new([7; 32]);
    let sealed = sealed(&mut home, &files, &key, 1000);
    let whole = files.read(sealed.id, 0, SEGMENT_LEN).unwrap();
    let locked = open.lock();
    assert_eq!(files.read(sealed.id, 0, SEGMENT_LEN).unwrap(), whole);
    drop((locked, files));

    let locked = home.locked();
    let files = locked.carriage().files().unwrap();
    assert!(files.has(sealed.id));
    assert_eq!(
        files.fetched_length(sealed.id).unwrap(),
        sealed.sealed_length
    );
    assert_eq!(files.read(sealed.id, 0, 1).unwrap_err(), VaultError::Locked);
    let arriving = AttachmentId::generate(&mut home.rng);
    files.append_fetched(arriving, 0, &whole).unwrap();
    let came = SealedFile {
        id: arriving,
        ..sealed.clone()
    };
    assert_eq!(
        files.finish_fetched(&came, &mut home.rng).unwrap_err(),
        VaultError::Locked
    );
    drop(locked.unlock(&support::passphrase()).unwrap());
    assert_eq!(files.read(sealed.id, 0, SEGMENT_LEN).unwrap(), whole);
    files.finish_fetched(&came, &mut home.rng).unwrap();
    assert_eq!(files.read(arriving, 0, SEGMENT_LEN).unwrap(), whole);
    assert!(names(&home.dir.join("files")).is_empty());
}

#[test]
fn what_a_crash_leaves_of_a_fetched_file_is_removed_at_the_next_unlock() {
    let mut home = home();
    let (open, _) = home.create();
    let files = open.carriage().files().unwrap();
    let key = AttachmentKey::new([7; 32]);
    let sealed = sealed(&mut home, &files, &key, 1000);
    let half = AttachmentId::generate(&mut home.rng);
    files.append_fetched(half, 0, b"half").unwrap();
    let part = |id: AttachmentId| home.dir.join("files").join(format!("{id}.part"));
    fs::write(part(sealed.id), b"all of it").unwrap();
    drop((open, files));
    let files = home.unlock().carriage().files().unwrap();
    assert!(!part(sealed.id).exists());
    assert_eq!(files.fetched_length(half).unwrap(), 4);
}
