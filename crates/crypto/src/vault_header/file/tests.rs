#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::cast_possible_truncation)]
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::stream::{SEGMENT_LEN, TAG_LEN};

const HEADER: FileHeader = FileHeader {
    store: 2,
    id: AttachmentId::new([9; 16]),
    sealing: [8; 16],
};

fn key(byte: u8) -> FilesKey {
    RootKey::from_bytes(&[byte; 32]).unwrap().files_key()
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 % 251) as u8).collect()
}

fn seal(plain: &[u8]) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(1);
    let mut sealer = key(1)
        .sealer(&HEADER, plain.len() as u64, &mut rng)
        .unwrap();
    let mut out = sealer.header().to_vec();
    let mut rest = plain;
    while let Some(ticket) = sealer.next_ticket() {
        let (now, later) = rest.split_at(ticket.true_bytes());
        rest = later;
        let mut buffer = now.to_vec();
        ticket.seal(&mut buffer).unwrap();
        out.extend(buffer);
    }
    assert!(rest.is_empty());
    assert_eq!(out.len() as u64, sealer.plan().sealed_length());
    out
}

fn open(key: &FilesKey, header: &FileHeader, sealed: &[u8]) -> Result<Vec<u8>, StreamError> {
    let begin = sealed[..HEADER_LEN].try_into().unwrap();
    let opener = key.opener(header, begin, sealed.len() as u64)?;
    let mut out = Vec::new();
    for index in 0..opener.plan().segments() {
        let range = opener.plan().sealed_range(index);
        let mut buffer = sealed[range.start as usize..range.end as usize].to_vec();
        opener.open_segment(index, &mut buffer)?;
        assert_eq!(opener.plan().segment_of(out.len() as u64), index);
        out.extend(buffer);
    }
    Ok(out)
}

#[test]
fn bytes_of_any_length_come_back_and_are_not_padded() {
    let first = SEGMENT_LEN - TAG_LEN - HEADER_LEN;
    let second = first + SEGMENT_LEN - TAG_LEN;
    for length in [
        0,
        1,
        312,
        first - 1,
        first,
        first + 1,
        second,
        second + 1,
        5 << 20,
    ] {
        let sealed = seal(&content(length));
        let segments = sealed.len().div_ceil(SEGMENT_LEN);
        assert_eq!(sealed.len(), length + HEADER_LEN + segments * TAG_LEN);
        assert!(open(&key(1), &HEADER, &sealed).unwrap() == content(length));
        assert_eq!(
            Plan::of_sealed(sealed.len() as u64).unwrap().length(),
            length as u64
        );
    }
    // Lengths that no stream has: too short, and a last segment that is no more than a tag.
    for length in [
        0,
        HEADER_LEN,
        HEADER_LEN + TAG_LEN - 1,
        SEGMENT_LEN + TAG_LEN,
    ] {
        let refused = Plan::of_sealed(length as u64);
        assert_eq!(refused, Err(StreamError::WrongLength), "{length}");
    }
}

#[test]
fn another_root_key_and_another_header_open_nothing() {
    let sealed = seal(&content(1000));
    assert!(open(&key(1), &HEADER, &sealed).is_ok());
    let others = [
        (key(1), FileHeader { store: 3, ..HEADER }),
        (
            key(1),
            FileHeader {
                id: AttachmentId::new([7; 16]),
                ..HEADER
            },
        ),
        (
            key(1),
            FileHeader {
                sealing: [7; 16],
                ..HEADER
            },
        ),
        (key(2), HEADER),
    ];
    for (key, header) in others {
        let refused = open(&key, &header, &sealed);
        assert_eq!(refused, Err(StreamError::DoesNotOpen), "{header:?}");
    }
    // Cut off behind a whole segment, it has another last one.
    let long = seal(&content(2 << 20));
    let cut = open(&key(1), &HEADER, &long[..SEGMENT_LEN]);
    assert_eq!(cut, Err(StreamError::DoesNotOpen));
}

#[test]
fn a_header_has_one_form() {
    let bytes = HEADER.encode();
    assert_eq!(FileHeader::decode(&bytes), Ok(HEADER));
    for at in 0..bytes.len() {
        let mut bent = bytes.clone();
        bent[at] ^= 1;
        assert_ne!(FileHeader::decode(&bent), Ok(HEADER), "{at}");
    }
    let longest = FileHeader {
        store: u32::MAX,
        ..HEADER
    };
    assert!(longest.encode().len() <= MAX_FILE_HEADER_LEN);
    // What lay in files/ before it was sealed once more begins with a stream's header.
    assert!(FileHeader::decode(&seal(&content(10))[..HEADER_LEN]).is_err());
}
