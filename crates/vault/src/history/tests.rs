#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
use waxwing_crypto::backup::Record;
use waxwing_crypto::stream::StreamError;
use waxwing_wire::ids::{AttachmentId, DeviceId, Digest};
use zeroize::Zeroizing;

use super::{Item, PartWriter, read_part};
use crate::VaultError;
use crate::backup::stream::Records as _;
use crate::files::SealedFile;
use crate::rows::Device;

fn device(id: u8) -> Item {
    Item::Device(Device {
        id: DeviceId::new([id; 16]),
        name: format!("computer {id}"),
    })
}

fn piece(offset: u64, bytes: &[u8]) -> Item {
    Item::Piece {
        file: SealedFile {
            id: AttachmentId::new([7; 16]),
            length: 0,
            sealed_length: 6,
            sha256: Digest::of(b"sealed"),
        },
        offset,
        bytes: bytes.to_vec(),
    }
}

fn part() -> Zeroizing<Vec<u8>> {
    let mut part = PartWriter::default();
    part.add(&device(1)).unwrap();
    part.add(&Item::Settings(b"dark".to_vec())).unwrap();
    part.add(&device(2)).unwrap();
    part.add(&piece(0, b"sea")).unwrap();
    part.add(&piece(3, b"led")).unwrap();
    part.finish().unwrap()
}

/// What a part holds, in words, and how reading it ended.
fn read(part: &[u8]) -> (Vec<String>, Result<(), VaultError>) {
    let mut seen = Vec::new();
    let ended = read_part(part, |item| {
        seen.push(match item {
            Item::Device(device) => device.name,
            Item::Settings(bytes) => String::from_utf8(bytes).unwrap(),
            Item::Piece {
                file,
                offset,
                bytes,
            } => {
                assert_eq!(file.sealed_length, 6);
                assert_eq!(file.sha256, Digest::of(b"sealed"));
                format!("{offset} {}", String::from_utf8(bytes).unwrap())
            }
            other => panic!("{other:?}"),
        });
        Ok::<_, VaultError>(())
    });
    (seen, ended)
}

#[test]
fn a_part_is_read_as_it_was_written() {
    let (seen, ended) = read(&part());
    ended.unwrap();
    let wanted = ["computer 1", "dark", "computer 2", "0 sea", "3 led"];
    assert_eq!(seen, wanted);
}

#[test]
fn a_part_that_is_cut_off_or_longer_is_not_whole() {
    let whole = part();
    for length in 0..whole.len() {
        let (_, ended) = read(&whole[..length]);
        let cut = VaultError::Stream(StreamError::DoesNotOpen);
        assert_eq!(ended.unwrap_err().to_string(), cut.to_string(), "{length}");
    }
    let longer = [&whole[..], b"x"].concat();
    let (_, ended) = read(&longer);
    assert!(matches!(ended, Err(VaultError::Corrupt(_))), "{ended:?}");
}

#[test]
fn a_part_holds_nothing_but_what_a_history_has() {
    let foreign = [
        Record::Keyring { length: 0 },
        Record::Carried {
            tree: "carriage/plain".to_owned(),
            key: vec![1],
            length: 0,
        },
        Record::File {
            id: AttachmentId::new([1; 16]),
            length: 0,
        },
        Record::Row {
            tree: "own".to_owned(),
            schema: 1,
            length: 0,
        },
        Record::Row {
            tree: "prekeys".to_owned(),
            schema: 1,
            length: 0,
        },
    ];
    for head in foreign {
        let mut part = Zeroizing::new(Vec::new());
        part.head(&head).unwrap();
        let (seen, ended) = read(&part);
        assert!(seen.is_empty() && ended.is_err(), "{head:?}");
    }
}

#[test]
fn a_part_whose_end_counts_otherwise_is_not_whole() {
    let mut writer = PartWriter::default();
    writer.add(&device(1)).unwrap();
    writer.rows.insert("devices".to_owned(), 2);
    let (seen, ended) = read(&writer.finish().unwrap());
    assert_eq!(seen, ["computer 1"]);
    assert!(matches!(ended, Err(VaultError::Corrupt(_))), "{ended:?}");
}
