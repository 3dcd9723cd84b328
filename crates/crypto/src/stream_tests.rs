#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::cast_possible_truncation, clippy::similar_names)]
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;

const ID: AttachmentId = AttachmentId::new([9; 16]);

fn key() -> AttachmentKey {
    AttachmentKey::new([7; 32])
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 % 251) as u8).collect()
}

/// The sealed file, segment by segment behind the header.
fn seal(plain: &[u8]) -> (Vec<u8>, Plan) {
    let mut rng = StdRng::seed_from_u64(1);
    let mut sealer = Sealer::new(&key(), &ID, plain.len() as u64, &mut rng).unwrap();
    let plan = *sealer.plan();
    let mut out = sealer.header().to_vec();
    let mut rest = plain;
    while let Some(ticket) = sealer.next_ticket() {
        let (now, later) = rest.split_at(ticket.true_bytes());
        rest = later;
        let range = plan.sealed_range(ticket.index());
        assert_eq!(out.len() as u64, range.start);
        let mut buffer = now.to_vec();
        ticket.seal(&mut buffer).unwrap();
        assert_eq!(buffer.len() as u64, range.end - range.start);
        out.extend(buffer);
    }
    assert!(rest.is_empty());
    assert_eq!(out.len() as u64, plan.sealed_length());
    (out, plan)
}

fn open(sealed: &[u8], length: u64) -> Result<Vec<u8>, StreamError> {
    let header = sealed[..HEADER_LEN].try_into().unwrap();
    let opener = Opener::new(&key(), &ID, &header, length, sealed.len() as u64)?;
    let mut out = Vec::new();
    for index in 0..opener.plan().segments() {
        let range = opener.plan().sealed_range(index);
        let mut buffer = sealed[range.start as usize..range.end as usize].to_vec();
        opener.open_segment(index, &mut buffer)?;
        out.extend(buffer);
    }
    Ok(out)
}

#[test]
fn lengths_around_every_edge_come_back() {
    let mib = SEGMENT_LEN;
    let first = mib - TAG_LEN - HEADER_LEN;
    for length in [
        0,
        1,
        255,
        256,
        257,
        first - 1,
        first,
        first + 1,
        mib,
        2 * mib - 73,
        2 * mib + 5,
    ] {
        let plain = content(length);
        let (sealed, plan) = seal(&plain);
        assert_eq!(open(&sealed, length as u64).unwrap(), plain, "{length}");
        assert_eq!(plan.padded_length(), padme(length.max(MIN_PADDED)) as u64);
    }
}

#[test]
fn padding_hides_the_length_and_costs_little() {
    let padded = |length| Plan::new(length).unwrap().padded_length();
    assert_eq!((padded(0), padded(256), padded(257)), (256, 256, 272));
    assert_eq!(
        Plan::new(1000).unwrap().sealed_length(),
        Plan::new(1010).unwrap().sealed_length()
    );
    assert_eq!(Plan::new(u64::MAX).unwrap_err(), StreamError::TooLong);
    assert_eq!(Plan::new(1 << 60).unwrap_err(), StreamError::TooLong);
}

#[test]
fn segments_open_in_any_order() {
    let plain = content(3 * SEGMENT_LEN);
    let (sealed, plan) = seal(&plain);
    let header = sealed[..HEADER_LEN].try_into().unwrap();
    let opener = Opener::new(&key(), &ID, &header, plan.length(), sealed.len() as u64).unwrap();
    for index in (0..plan.segments()).rev() {
        let range = plan.sealed_range(index);
        let mut buffer = sealed[range.start as usize..range.end as usize].to_vec();
        opener.open_segment(index, &mut buffer).unwrap();
        let at = plan.plain_range(index).start as usize;
        assert_eq!(buffer, plain[at..at + plan.true_bytes(index)]);
    }
}

#[test]
fn cut_off_moved_or_spliced_segments_do_not_open() {
    let plain = content(3 * SEGMENT_LEN - 100);
    let (sealed, plan) = seal(&plain);
    assert_eq!(plan.segments(), 4);
    // cut at a segment's end: the lengths differ, and pretending another length does not help
    let cut = &sealed[..2 * SEGMENT_LEN];
    assert_eq!(open(cut, plan.length()), Err(StreamError::WrongLength));
    let shorter = (0..plan.length())
        .rev()
        .find(|l| Plan::new(*l).unwrap().sealed_length() <= cut.len() as u64)
        .unwrap();
    let padded_cut = Plan::new(shorter).unwrap().sealed_length() as usize;
    assert_eq!(
        open(&sealed[..padded_cut], shorter),
        Err(StreamError::DoesNotOpen)
    );
    // swapped
    let mut swapped = sealed.clone();
    let (a, b) = swapped.split_at_mut(2 * SEGMENT_LEN);
    a[SEGMENT_LEN..].swap_with_slice(&mut b[..SEGMENT_LEN]);
    assert_eq!(open(&swapped, plan.length()), Err(StreamError::DoesNotOpen));
}

#[test]
fn another_key_attachment_or_header_does_not_open() {
    let (sealed, plan) = seal(&content(1000));
    let length = sealed.len() as u64;
    let header: [u8; HEADER_LEN] = sealed[..HEADER_LEN].try_into().unwrap();
    let body = &sealed[HEADER_LEN..];
    let attempt = |key: &AttachmentKey, id: &AttachmentId, header: &[u8; HEADER_LEN]| {
        let opener = Opener::new(key, id, header, plan.length(), length)?;
        let mut buffer = body.to_vec();
        let opened = opener.open_segment(0, &mut buffer);
        assert!(
            opened.is_ok() || buffer.is_empty(),
            "unverified bytes were left"
        );
        opened
    };
    assert_eq!(attempt(&key(), &ID, &header), Ok(()));
    let other = AttachmentKey::new([8; 32]);
    assert_eq!(attempt(&other, &ID, &header), Err(StreamError::DoesNotOpen));
    let other = AttachmentId::new([8; 16]);
    assert_eq!(
        attempt(&key(), &other, &header),
        Err(StreamError::DoesNotOpen)
    );
    for at in 0..HEADER_LEN {
        let mut bent = header;
        bent[at] ^= 1;
        let expected = if at == 0 {
            StreamError::BadHeader
        } else {
            StreamError::DoesNotOpen
        };
        assert_eq!(
            attempt(&key(), &ID, &bent),
            Err(expected),
            "header byte {at}"
        );
    }
}

#[test]
fn a_ticket_refuses_another_number_of_bytes() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut sealer = Sealer::new(&key(), &ID, 10, &mut rng).unwrap();
    let ticket = sealer.next_ticket().unwrap();
    assert!(sealer.next_ticket().is_none());
    assert_eq!(ticket.seal(&mut vec![0; 11]), Err(StreamError::WrongLength));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_flipped_byte_is_noticed(length in 0usize..2000, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (mut sealed, plan) = seal(&content(length));
        let at = at.index(sealed.len());
        sealed[at] ^= 1 << bit;
        prop_assert!(open(&sealed, plan.length()).is_err());
    }

    #[test]
    fn a_plan_covers_everything_once(length in 0u64..(1 << 40)) {
        let plan = Plan::new(length).unwrap();
        prop_assert!(plan.padded_length() >= length);
        prop_assert!(length < 256 || plan.padded_length() - length <= length / 8);
        let last = plan.segments() - 1;
        prop_assert_eq!(plan.sealed_range(last).end, plan.sealed_length());
        prop_assert_eq!(plan.plain_range(last).end, plan.padded_length());
        prop_assert!(plan.plain_range(last).end > plan.plain_range(last).start);
    }
}
