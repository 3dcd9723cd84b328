//! A new root key for the sealed attachments too: what is inside stays byte for byte, and the old key
//! opens none of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::cast_possible_truncation)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use support::{Home, home, passphrase};
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_crypto::stream::{AttachmentKey, HEADER_LEN, Opener, SEGMENT_LEN, StreamError};
use waxwing_crypto::vault_header::{FileHeader, Header, RootKey};
use waxwing_vault::{Files, Open, RekeyStep, SealedFile, VaultError};
use waxwing_wire::ids::{AttachmentId, Digest};

/// More than one step copies.
const LARGE: usize = 5 * SEGMENT_LEN + SEGMENT_LEN / 2;

fn new() -> Passphrase {
    Passphrase::new("nine loud geese sail over the mountain")
}

fn key() -> AttachmentKey {
    AttachmentKey::new([7; 32])
}

fn content(byte: u8, length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 131 % 253) as u8 ^ byte).collect()
}

fn id(byte: u8) -> AttachmentId {
    AttachmentId::new([byte; 16])
}

fn plain(home: &Home, byte: u8, length: usize) -> PathBuf {
    let path = home.dir.with_file_name("plain");
    fs::write(&path, content(byte, length)).unwrap();
    path
}

fn seal(home: &mut Home, files: &Files, byte: u8, length: usize) -> SealedFile {
    let plain = plain(home, byte, length);
    let rng = &mut home.rng;
    files
        .seal(&plain, id(byte), &key(), &mut |_, _| true, rng)
        .unwrap()
}

/// The bytes that others know are those that were sealed, and the file opens.
fn assert_here(home: &Home, files: &Files, byte: u8, sealed: &SealedFile) {
    let inner = files.read(sealed.id, 0, 1 << 30).unwrap();
    assert_eq!(Digest::of(&inner), sealed.sha256);
    let target = home.dir.with_file_name("target");
    files
        .open(sealed, &key(), &target, &mut |_, _| true)
        .unwrap();
    assert!(fs::read(target).unwrap() == content(byte, sealed.length as usize));
}

fn begin(open: &mut Open, rng: &mut StdRng) -> RecoveryCode {
    open.begin_rekey(&passphrase(), &new(), KdfParams::FLOOR, rng)
        .unwrap()
}

fn copy_all(open: &mut Open, rng: &mut StdRng) {
    while open.step_rekey(rng).unwrap() != RekeyStep::Ready {}
}

fn rekey(open: &mut Open, rng: &mut StdRng) {
    let code = begin(open, rng);
    copy_all(open, rng);
    open.finish_rekey(&new(), &code, rng).unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn named(bytes: &[u8]) -> Vec<String> {
    bytes.iter().map(|byte| id(*byte).to_string()).collect()
}

/// Everything that lies in a folder, folders in it too.
fn all_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap();
    let (dirs, mut found): (Vec<_>, Vec<_>) = entries
        .map(|entry| entry.unwrap().path())
        .partition(|path| path.is_dir());
    found.extend(dirs.iter().flat_map(|dir| all_files(dir)));
    found
}

fn root_key(header: &[u8], passphrase: &Passphrase) -> RootKey {
    let header = Header::decode(header).unwrap();
    header.unwrap_with_passphrase(passphrase).unwrap()
}

/// What a root key opens of a file at rest: its first segment.
fn first_segment(root: &RootKey, at_rest: &[u8]) -> Result<Vec<u8>, StreamError> {
    let (count, rest) = at_rest.split_first_chunk::<2>().unwrap();
    let (header, stream) = rest.split_at(u16::from_be_bytes(*count).into());
    let header = FileHeader::decode(header).unwrap();
    let begin: &[u8; HEADER_LEN] = stream.first_chunk().unwrap();
    let opener: Opener = root
        .files_key()
        .opener(&header, begin, stream.len() as u64)?;
    let range = opener.plan().sealed_range(0);
    let mut segment = stream[range.start as usize..range.end as usize].to_vec();
    opener.open_segment(0, &mut segment)?;
    Ok(segment)
}

/// Somebody has a copy of the vault of before, its passphrase and so its root key and every row with
/// the attachments' keys, and gets a copy of the folder of after.
#[test]
fn who_has_the_old_vault_and_its_root_key_opens_no_file_of_the_new_one() {
    let mut home = home();
    let (mut open, _) = home.create();
    let files = open.carriage().files().unwrap();
    let sealed: Vec<SealedFile> = [(1, 10), (2, SEGMENT_LEN), (3, 2 * SEGMENT_LEN)]
        .map(|(byte, length)| seal(&mut home, &files, byte, length))
        .into();
    let inner: Vec<Vec<u8>> = sealed
        .iter()
        .map(|sealed| files.read(sealed.id, 0, 1 << 30).unwrap())
        .collect();
    let header = fs::read(home.dir.join("vault.cbor")).unwrap();
    let old_root = root_key(&header, &passphrase());
    let lies = |folder: &str, sealed: &SealedFile| {
        fs::read(home.dir.join(folder).join(sealed.id.to_string())).unwrap()
    };
    let before: Vec<Vec<u8>> = sealed
        .iter()
        .map(|sealed| lies("store/files", sealed))
        .collect();
    for (at_rest, inner) in before.iter().zip(&inner) {
        assert!(inner.starts_with(&first_segment(&old_root, at_rest).unwrap()));
    }

    rekey(&mut open, &mut StdRng::seed_from_u64(4));
    for (byte, sealed) in (1..).zip(&sealed) {
        assert_here(&home, &files, byte, sealed);
    }
    drop((open, files));
    let header = fs::read(home.dir.join("vault.cbor")).unwrap();
    let new_root = root_key(&header, &new());
    assert_eq!(names(&home.dir.join("store-1/files")), named(&[1, 2, 3]));
    assert!(!home.dir.join("store").exists());
    for (sealed, inner) in sealed.iter().zip(&inner) {
        let at_rest = lies("store-1/files", sealed);
        assert!(inner.starts_with(&first_segment(&new_root, &at_rest).unwrap()));
        let refused = first_segment(&old_root, &at_rest);
        assert_eq!(refused.unwrap_err(), StreamError::DoesNotOpen);
    }
    // Nowhere in the folder is anything left that he could open: neither what lay there, nor the
    // bytes inside, which the keys of his rows would open.
    for path in all_files(&home.dir) {
        let bytes = fs::read(&path).unwrap();
        for known in before.iter().chain(&inner) {
            for at in [100, known.len() - 40] {
                let part = &known[at..at + 32];
                let found = bytes.windows(part.len()).any(|there| there == part);
                assert!(!found, "{}", path.display());
            }
        }
    }
}

#[test]
fn what_comes_goes_and_is_sealed_again_meanwhile_is_as_it_is_then() {
    let mut home = home();
    let (mut open, _) = home.create();
    let files = open.carriage().files().unwrap();
    let [one, _, _] = [1, 2, 3].map(|byte| seal(&mut home, &files, byte, 1000));
    let mut rng = StdRng::seed_from_u64(4);
    let code = begin(&mut open, &mut rng);
    copy_all(&mut open, &mut rng);
    assert_eq!(names(&home.dir.join("store-1/files")), named(&[1, 2, 3]));
    // One more, one fewer, one sealed again under its name, and one that arrives.
    let four = seal(&mut home, &files, 4, 2000);
    files.remove(id(2)).unwrap();
    let three = seal(&mut home, &files, 3, 3000);
    let inner = files.read(id(1), 0, 1 << 20).unwrap();
    files.append_fetched(id(5), 0, &inner).unwrap();
    let five = SealedFile {
        id: id(5),
        ..one.clone()
    };
    files.finish_fetched(&five, &mut home.rng).unwrap();
    files.append_fetched(id(6), 0, &inner[..200]).unwrap();
    // Also while it is locked, and with everything copied once.
    let locked = open.lock();
    let seven = seal(&mut home, &files, 7, 4000);
    let mut open = locked.unlock(&passphrase()).unwrap();
    copy_all(&mut open, &mut rng);
    let eight = seal(&mut home, &files, 8, 5000);
    files.remove(id(7)).unwrap();
    open.finish_rekey(&new(), &code, &mut rng).unwrap();

    assert_eq!(
        names(&home.dir.join("store-1/files")),
        named(&[1, 3, 4, 5, 8])
    );
    for (byte, sealed) in [(1, &one), (3, &three), (4, &four), (8, &eight)] {
        assert_here(&home, &files, byte, sealed);
    }
    assert_eq!(files.read(id(5), 0, 1 << 20).unwrap(), inner);
    assert!(!files.has(seven.id));
    // What is being fetched is fetched on.
    assert_eq!(files.fetched_length(id(6)).unwrap(), 200);
    files.append_fetched(id(6), 200, &inner[200..]).unwrap();
    let six = SealedFile { id: id(6), ..one };
    files.finish_fetched(&six, &mut home.rng).unwrap();
    assert_eq!(files.read(id(6), 0, 1 << 20).unwrap(), inner);
    assert_eq!(names(&home.dir.join("files")), Vec::<String>::new());
}

#[test]
fn a_file_that_is_sealed_while_the_rekey_is_finished_is_in_the_new_store() {
    let mut home = home();
    let (mut open, _) = home.create();
    let files = open.carriage().files().unwrap();
    let mut rng = StdRng::seed_from_u64(4);
    let code = begin(&mut open, &mut rng);
    copy_all(&mut open, &mut rng);
    let plain = plain(&home, 1, 2 * SEGMENT_LEN);
    let mut open = Some(open);
    let mut finish = |_, _| {
        if let Some(mut open) = open.take() {
            open.finish_rekey(&new(), &code, &mut rng).unwrap();
        }
        true
    };
    let sealed = files
        .seal(&plain, id(1), &key(), &mut finish, &mut home.rng)
        .unwrap();
    assert!(open.is_none());
    assert_here(&home, &files, 1, &sealed);
    drop(files);
    // The last who had to do with the old store took it along.
    assert!(!home.dir.join("store").exists());
    assert_eq!(names(&home.dir.join("store-1/files")), named(&[1]));
    let open = home.locked().unlock(&new()).unwrap();
    assert_here(&home, &open.carriage().files().unwrap(), 1, &sealed);
}

#[test]
fn a_large_file_moves_the_bar_and_a_crash_in_it_repeats_that_file_alone() {
    let mut home = home();
    let (mut open, _) = home.create();
    let files = open.carriage().files().unwrap();
    let small = seal(&mut home, &files, 1, 1000);
    let large = seal(&mut home, &files, 2, LARGE);
    let mut rng = StdRng::seed_from_u64(4);
    let code = begin(&mut open, &mut rng);
    let draft = home
        .dir
        .join("store-1/files")
        .join(format!("{}.sealing", large.id));
    let mut bar = Vec::new();
    while !draft.exists() {
        let RekeyStep::Copying(progress) = open.step_rekey(&mut rng).unwrap() else {
            panic!("it has not copied the large file");
        };
        bar.push(progress.percent());
    }
    // The large file is in parts.
    let progress = open.rekey().unwrap();
    assert!(progress.bytes_copied > 4 << 20, "{progress:?}");
    assert!(progress.bytes_copied < progress.bytes_total);
    assert!((50..100).contains(&progress.percent()), "{bar:?}");
    let locked = open.lock();
    // Nobody goes on, and the draft of who did is gone with the handle.
    assert!(locked.rekey().unwrap().percent() < 100);
    drop((locked, files));
    // As a kill leaves it: half a draft, here also one of a file that was removed then.
    fs::write(&draft, vec![9; 3 << 20]).unwrap();
    let gone = draft.with_file_name(format!("{}.sealing", id(9)));
    fs::write(&gone, b"half").unwrap();

    let mut open = home.unlock();
    copy_all(&mut open, &mut rng);
    assert_eq!(open.rekey().unwrap().percent(), 100);
    open.finish_rekey(&new(), &code, &mut rng).unwrap();
    let files = open.carriage().files().unwrap();
    assert_here(&home, &files, 1, &small);
    assert_here(&home, &files, 2, &large);
    assert_eq!(names(&home.dir.join("store-1/files")), named(&[1, 2]));
}

#[test]
fn undone_it_leaves_the_files_as_they_were() {
    let mut home = home();
    let (mut open, _) = home.create();
    let files = open.carriage().files().unwrap();
    let sealed = seal(&mut home, &files, 1, LARGE);
    let path = home.dir.join("store/files").join(sealed.id.to_string());
    let before = fs::read(&path).unwrap();
    let mut rng = StdRng::seed_from_u64(4);
    begin(&mut open, &mut rng);
    copy_all(&mut open, &mut rng);
    open.undo_rekey(&mut rng).unwrap();
    assert!(!home.dir.join("store-1").exists());
    assert!(fs::read(&path).unwrap() == before);
    assert_here(&home, &files, 1, &sealed);
}

/// It would be lost, so it is never left out in silence.
#[test]
fn a_file_that_is_damaged_stops_the_rekey_and_the_backup() {
    let mut home = home();
    let (mut open, _) = home.create();
    let files = open.carriage().files().unwrap();
    let sealed = seal(&mut home, &files, 1, 1000);
    let path = home.dir.join("store/files").join(sealed.id.to_string());
    let good = fs::read(&path).unwrap();
    let mut bent = good.clone();
    *bent.last_mut().unwrap() ^= 1;
    fs::write(&path, bent).unwrap();
    let mut rng = StdRng::seed_from_u64(4);
    let target = home.dir.with_file_name("backup");
    let writer = open.begin_backup(1, &mut rng).unwrap();
    let refused = writer.write(&target, &mut |_| true);
    let does_not_open = VaultError::Stream(StreamError::DoesNotOpen);
    assert_eq!(refused.unwrap_err(), does_not_open);
    let code = begin(&mut open, &mut rng);
    let refused = loop {
        match open.step_rekey(&mut rng) {
            Ok(RekeyStep::Ready) => panic!("it went by"),
            Ok(RekeyStep::Copying(_)) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(refused, does_not_open);
    let early = open.finish_rekey(&new(), &code, &mut rng);
    assert_eq!(early.unwrap_err(), does_not_open);
    assert!(open.check_passphrase(&passphrase()).unwrap());
    // Put in order, it goes on.
    fs::write(&path, good).unwrap();
    copy_all(&mut open, &mut rng);
    open.finish_rekey(&new(), &code, &mut rng).unwrap();
    assert_here(&home, &files, 1, &sealed);
}
