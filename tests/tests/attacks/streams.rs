//! Attachments: row "chunked file without index/last flag". What an attacker can do with segments.

use waxwing_crypto::stream::{AttachmentKey, HEADER_LEN, Opener, Sealer, StreamError};
use waxwing_wire::ids::AttachmentId;

const LENGTH: usize = 2_500_000;

struct SealedFile {
    key: AttachmentKey,
    id: AttachmentId,
    header: [u8; HEADER_LEN],
    segments: Vec<Vec<u8>>,
    sealed_length: u64,
}

fn seal(id: AttachmentId, key: AttachmentKey) -> SealedFile {
    let mut sealer = Sealer::new(&key, &id, LENGTH as u64, &mut rand::rng()).unwrap();
    let header = *sealer.header();
    let sealed_length = sealer.plan().sealed_length();
    let mut segments = Vec::new();
    while let Some(ticket) = sealer.next_ticket() {
        let mut buffer = vec![7; ticket.true_bytes()];
        ticket.seal(&mut buffer).unwrap();
        segments.push(buffer);
    }
    assert_eq!(segments.len(), 3);
    SealedFile {
        key,
        id,
        header,
        segments,
        sealed_length,
    }
}

fn file() -> SealedFile {
    let rng = &mut rand::rng();
    seal(AttachmentId::generate(rng), AttachmentKey::generate(rng))
}

fn opener(file: &SealedFile) -> Opener {
    let (length, sealed) = (LENGTH as u64, file.sealed_length);
    Opener::new(&file.key, &file.id, &file.header, length, sealed).unwrap()
}

fn opens(opener: &Opener, index: u32, segment: &[u8]) -> bool {
    let mut buffer = segment.to_vec();
    let opened = opener.open_segment(index, &mut buffer).is_ok();
    assert!(opened || buffer.is_empty(), "unverified bytes were left");
    opened
}

#[test]
fn segments_in_their_place_open_in_any_order() {
    let file = file();
    let opener = opener(&file);
    for index in [2, 0, 1] {
        assert!(opens(&opener, index, &file.segments[index as usize]));
    }
}

#[test]
fn segments_cannot_be_reordered_or_repeated() {
    let file = file();
    let opener = opener(&file);
    for (from, to) in [(0, 1), (1, 0), (1, 2), (2, 1), (2, 0)] {
        assert!(!opens(&opener, to, &file.segments[from as usize]));
    }
}

#[test]
fn a_file_cannot_be_cut_off_at_a_segment() {
    let file = file();
    // The signed descriptor's lengths must fit each other.
    let short = Opener::new(
        &file.key,
        &file.id,
        &file.header,
        1_000_000,
        file.sealed_length,
    );
    assert_eq!(short.unwrap_err(), StreamError::WrongLength);
    // And a shorter file's last segment carries another flag than this one's middle segment.
    let two_segments = (1 << 20) + 500_000;
    let plan = waxwing_crypto::stream::Plan::new(two_segments).unwrap();
    assert_eq!(plan.segments(), 2);
    let length = plan.sealed_length();
    let opener = Opener::new(&file.key, &file.id, &file.header, two_segments, length).unwrap();
    assert!(!opens(&opener, 1, &file.segments[1]));
    assert!(!opens(&opener, 2, &file.segments[2]));
}

#[test]
fn segments_cannot_be_spliced_from_another_file() {
    let one = file();
    let two = seal(one.id, AttachmentKey::new(*one.key.expose()));
    assert_ne!(one.header, two.header);
    let opener = opener(&one);
    assert!(!opens(&opener, 1, &two.segments[1]));
    // The same key under another attachment id is another key.
    let length = LENGTH as u64;
    let other = AttachmentId::new([1; 16]);
    let moved = Opener::new(&one.key, &other, &one.header, length, one.sealed_length).unwrap();
    assert!(!opens(&moved, 0, &one.segments[0]));
}

#[test]
fn no_bit_of_a_segment_can_be_changed() {
    let file = file();
    let opener = opener(&file);
    let last = file.segments[2].len();
    for at in [0, 1, last / 2, last - 17, last - 1] {
        let mut altered = file.segments[2].clone();
        altered[at] ^= 1;
        assert!(!opens(&opener, 2, &altered), "byte {at}");
    }
    assert!(!opens(&opener, 2, &file.segments[2][..last - 1]));
    assert!(!opens(&opener, 2, &[]));
}
