//! Family 1: mailboxes.

use std::time::Duration;

use bytes::Bytes;

use super::{START, Subject, item};
use crate::store::{Ack, AnyStore, Fate, Item, Quota, Seq, StoreError, Topic};

async fn all(store: &AnyStore, mailbox: &[u8]) -> Vec<Item> {
    store
        .read(mailbox, 0, usize::MAX, usize::MAX)
        .await
        .unwrap()
}

async fn bodies(store: &AnyStore, mailbox: &[u8]) -> Vec<Bytes> {
    all(store, mailbox)
        .await
        .into_iter()
        .map(|item| item.body)
        .collect()
}

fn plain(seqs: &[Seq]) -> Vec<Ack> {
    seqs.iter().map(|&seq| Ack { seq, note: None }).collect()
}

pub async fn sequence_rises(subject: &mut Subject) {
    let mut last = 0;
    for number in 0..100_u32 {
        let put = subject
            .store()
            .append(item(b"box", &number.to_be_bytes(), b"x"))
            .await
            .unwrap();
        assert!(put.seq > last && !put.repeated);
        last = put.seq;
        if number % 3 == 0 {
            subject
                .store()
                .ack(b"box", plain(&[put.seq]))
                .await
                .unwrap();
        }
    }
}

pub async fn reads_in_order_after_a_sequence(subject: &mut Subject) {
    let store = subject.store();
    let mut seqs = Vec::new();
    for number in 0..10_u8 {
        seqs.push(
            store
                .append(item(b"box", &[number], &[number]))
                .await
                .unwrap()
                .seq,
        );
    }
    let read = store.read(b"box", seqs[3], 4, usize::MAX).await.unwrap();
    assert_eq!(
        read.iter().map(|item| item.seq).collect::<Vec<_>>(),
        seqs[4..8]
    );
    assert_eq!(read[0].body, Bytes::from_static(&[4]));
    assert_eq!(
        (read[0].received_at, read[0].expires_at),
        (START, START + 3600)
    );
    assert!(
        store
            .read(b"box", seqs[9], 4, usize::MAX)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        store
            .read(b"box", Seq::MAX, 4, usize::MAX)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        store
            .read(b"box", 0, 0, usize::MAX)
            .await
            .unwrap()
            .is_empty()
    );
}

pub async fn a_page_has_a_size(subject: &mut Subject) {
    let store = subject.store();
    for number in 0..5_u8 {
        store
            .append(item(b"box", &[number], &[7; 1000]))
            .await
            .unwrap();
    }
    assert_eq!(store.read(b"box", 0, 100, 2500).await.unwrap().len(), 2);
    assert_eq!(
        store.read(b"box", 0, 100, 1).await.unwrap().len(),
        1,
        "one always comes"
    );
}

pub async fn repeats_are_stored_once(subject: &mut Subject) {
    let store = subject.store();
    let first = store.append(item(b"box", b"k", b"x")).await.unwrap();
    let again = store.append(item(b"box", b"k", b"x")).await.unwrap();
    assert_eq!((again.seq, again.repeated), (first.seq, true));
    assert_eq!(all(store, b"box").await.len(), 1);
    subject.reopen().await;
    assert!(
        subject
            .store()
            .append(item(b"box", b"k", b"x"))
            .await
            .unwrap()
            .repeated
    );
}

pub async fn a_repeat_after_the_ack_is_not_delivered_again(subject: &mut Subject) {
    let store = subject.store();
    let put = store.append(item(b"box", b"k", b"x")).await.unwrap();
    store.ack(b"box", plain(&[put.seq])).await.unwrap();
    assert!(
        store
            .append(item(b"box", b"k", b"x"))
            .await
            .unwrap()
            .repeated
    );
    assert!(all(store, b"box").await.is_empty());
    // Ten minutes at least (the contract); here until it is forgotten.
    subject.clock.advance(601);
    assert!(
        subject
            .store()
            .append(item(b"box", b"k", b"x"))
            .await
            .unwrap()
            .repeated
    );
}

pub async fn another_body_under_the_same_key_is_refused(subject: &mut Subject) {
    let store = subject.store();
    store.append(item(b"box", b"k", b"x")).await.unwrap();
    assert_eq!(
        store.append(item(b"box", b"k", b"y")).await,
        Err(StoreError::BodyDiffers)
    );
    assert_eq!(bodies(store, b"box").await, [Bytes::from_static(b"x")]);
}

pub async fn acked_is_gone(subject: &mut Subject) {
    let store = subject.store();
    let mut seqs = Vec::new();
    for number in 0..6_u8 {
        seqs.push(
            store
                .append(item(b"box", &[number], &[number]))
                .await
                .unwrap()
                .seq,
        );
    }
    assert_eq!(
        store
            .ack(b"box", plain(&[seqs[0], seqs[1], seqs[4]]))
            .await
            .unwrap(),
        3
    );
    let left: Vec<Seq> = all(store, b"box")
        .await
        .iter()
        .map(|item| item.seq)
        .collect();
    assert_eq!(left, [seqs[2], seqs[3], seqs[5]]);
    assert_eq!(
        store.fate(b"box", &[4]).await.unwrap(),
        Some(Fate::Acked { note: None })
    );
    assert_eq!(store.fate(b"box", &[5]).await.unwrap(), Some(Fate::Waiting));
    assert_eq!(store.fate(b"box", &[9]).await.unwrap(), None);
    subject.reopen().await;
    assert_eq!(all(subject.store(), b"box").await.len(), 3);
}

pub async fn acking_is_idempotent(subject: &mut Subject) {
    let store = subject.store();
    let put = store.append(item(b"box", b"k", b"x")).await.unwrap();
    assert_eq!(
        store
            .ack(b"box", plain(&[put.seq, put.seq, 999, Seq::MAX, 0]))
            .await
            .unwrap(),
        1
    );
    assert_eq!(store.ack(b"box", plain(&[put.seq])).await.unwrap(), 0);
    assert_eq!(store.ack(b"other", plain(&[put.seq])).await.unwrap(), 0);
    assert_eq!(store.ack(b"box", Vec::new()).await.unwrap(), 0);
}

pub async fn an_ack_leaves_its_note(subject: &mut Subject) {
    let store = subject.store();
    let put = store.append(item(b"box", b"k", b"x")).await.unwrap();
    let note = Bytes::from_static(b"cannot open");
    let ack = Ack {
        seq: put.seq,
        note: Some(note.clone()),
    };
    store.ack(b"box", vec![ack]).await.unwrap();
    // A later plain acknowledgement of the same does not take the note away.
    store.ack(b"box", plain(&[put.seq])).await.unwrap();
    assert_eq!(
        store.fate(b"box", b"k").await.unwrap(),
        Some(Fate::Acked { note: Some(note) })
    );
}

pub async fn withdrawn_is_gone(subject: &mut Subject) {
    let store = subject.store();
    let put = store.append(item(b"box", b"k", b"x")).await.unwrap();
    assert_eq!(
        store.withdraw(b"box", b"k").await.unwrap(),
        Some(Fate::Withdrawn)
    );
    assert_eq!(
        store.withdraw(b"box", b"k").await.unwrap(),
        Some(Fate::Withdrawn)
    );
    assert_eq!(store.withdraw(b"box", b"unknown").await.unwrap(), None);
    assert!(all(store, b"box").await.is_empty());
    assert_eq!(store.ack(b"box", plain(&[put.seq])).await.unwrap(), 0);
    assert!(
        store
            .append(item(b"box", b"k", b"x"))
            .await
            .unwrap()
            .repeated
    );
    assert!(all(store, b"box").await.is_empty());
}

pub async fn what_was_acked_is_not_withdrawn(subject: &mut Subject) {
    let store = subject.store();
    let put = store.append(item(b"box", b"k", b"x")).await.unwrap();
    store.ack(b"box", plain(&[put.seq])).await.unwrap();
    assert_eq!(
        store.withdraw(b"box", b"k").await.unwrap(),
        Some(Fate::Acked { note: None })
    );
}

pub async fn expired_is_not_returned(subject: &mut Subject) {
    subject
        .store()
        .append(item(b"box", b"k", b"x"))
        .await
        .unwrap();
    subject.clock.set(START + 3599);
    assert_eq!(all(subject.store(), b"box").await.len(), 1);
    subject.clock.set(START + 3600);
    assert!(all(subject.store(), b"box").await.is_empty());
    assert_eq!(
        subject.store().withdraw(b"box", b"k").await.unwrap(),
        Some(Fate::Expired)
    );
}

pub async fn an_expired_fate_is_told_then_forgotten(subject: &mut Subject) {
    subject
        .store()
        .append(item(b"box", b"k", b"x"))
        .await
        .unwrap();
    for _ in 0..2 {
        subject.clock.set(START + 3600);
        assert_eq!(
            subject.store().fate(b"box", b"k").await.unwrap(),
            Some(Fate::Expired)
        );
        subject.store().sweep().await.unwrap();
    }
    subject.clock.set(START + 7200);
    assert_eq!(subject.store().fate(b"box", b"k").await.unwrap(), None);
    subject.store().sweep().await.unwrap();
    let mut new = item(b"box", b"k", b"other");
    new.expires_at = START + 9000;
    assert!(!subject.store().append(new).await.unwrap().repeated);
}

pub async fn a_quota_never_loses_older_mail(subject: &mut Subject) {
    let store = subject.store();
    let limited = |number: u8| {
        let mut new = item(b"box", &[number], &[number]);
        new.quota = Quota {
            items: 3,
            bytes: u64::MAX,
        };
        new
    };
    for number in 0..3 {
        store.append(limited(number)).await.unwrap();
    }
    for _ in 0..5 {
        assert_eq!(store.append(limited(9)).await, Err(StoreError::QuotaFull));
    }
    assert!(
        store.append(limited(1)).await.unwrap().repeated,
        "a repeat needs no room"
    );
    assert_eq!(bodies(store, b"box").await, [vec![0], vec![1], vec![2]]);
    assert_eq!(store.fate(b"box", &[9]).await.unwrap(), None);
}

pub async fn a_byte_quota_counts_bytes(subject: &mut Subject) {
    let store = subject.store();
    let limited = |number: u8, size: usize| {
        let mut new = item(b"box", &[number], &vec![number; size]);
        new.quota = Quota {
            items: u64::MAX,
            bytes: 50_000,
        };
        new
    };
    store.append(limited(0, 30_000)).await.unwrap();
    assert_eq!(
        store.append(limited(1, 20_001)).await,
        Err(StoreError::QuotaFull)
    );
    store.append(limited(2, 20_000)).await.unwrap();
    assert_eq!(
        store.append(limited(3, 1)).await,
        Err(StoreError::QuotaFull)
    );
}

pub async fn room_comes_back(subject: &mut Subject) {
    let store = subject.store();
    let limited = |number: u8| {
        let mut new = item(b"box", &[number], &[number; 100]);
        new.quota = Quota {
            items: 2,
            bytes: 200,
        };
        new
    };
    let first = store.append(limited(0)).await.unwrap();
    store.append(limited(1)).await.unwrap();
    store.ack(b"box", plain(&[first.seq])).await.unwrap();
    store.append(limited(2)).await.unwrap();
    store.withdraw(b"box", &[1]).await.unwrap();
    store.append(limited(3)).await.unwrap();
    assert_eq!(store.append(limited(4)).await, Err(StoreError::QuotaFull));
    subject.reopen().await;
    assert_eq!(
        subject.store().append(limited(4)).await,
        Err(StoreError::QuotaFull)
    );
}

pub async fn expired_mail_takes_no_room(subject: &mut Subject) {
    let limited = |number: u8, expires_at: u64| {
        let mut new = item(b"box", &[number], &[number]);
        new.quota = Quota {
            items: 2,
            bytes: u64::MAX,
        };
        new.expires_at = expires_at;
        new
    };
    subject
        .store()
        .append(limited(0, START + 10))
        .await
        .unwrap();
    subject
        .store()
        .append(limited(1, START + 20))
        .await
        .unwrap();
    subject.clock.set(START + 10);
    subject
        .store()
        .append(limited(2, START + 30))
        .await
        .unwrap();
    assert_eq!(
        subject.store().append(limited(3, START + 30)).await,
        Err(StoreError::QuotaFull)
    );
    assert_eq!(bodies(subject.store(), b"box").await, [vec![1], vec![2]]);
}

pub async fn ids_are_opaque(subject: &mut Subject) {
    let long = vec![0xfe; 256 * 1024];
    let ids: [&[u8]; 6] = [b"", b"\0", b"\0\0", b"\xff\xfe\x80", &long, &long[1..]];
    for (number, id) in (0_u8..).zip(ids) {
        subject
            .store()
            .append(item(id, b"", &[number]))
            .await
            .unwrap();
        subject
            .store()
            .append(item(id, id, &[number]))
            .await
            .unwrap();
    }
    subject.reopen().await;
    for (number, id) in (0_u8..).zip(ids) {
        // The empty id is its own empty key.
        let copies = if id.is_empty() { 1 } else { 2 };
        assert_eq!(
            bodies(subject.store(), id).await,
            vec![vec![number]; copies]
        );
    }
}

pub async fn bodies_of_every_size(subject: &mut Subject) {
    let sizes = [0, 1, 16_383, 16_384, 16_385, 32_768, 65_536, 262_144];
    for (number, size) in (0_u8..).zip(sizes) {
        let body: Vec<u8> = (0..size)
            .map(|at: usize| at.to_le_bytes()[0] ^ number)
            .collect();
        subject
            .store()
            .append(item(b"box", &[number], &body))
            .await
            .unwrap();
    }
    subject.reopen().await;
    let read = bodies(subject.store(), b"box").await;
    for ((number, size), body) in (0_u8..).zip(sizes).zip(&read) {
        assert_eq!(body.len(), size);
        assert!(
            body.iter()
                .enumerate()
                .all(|(at, byte)| *byte == at.to_le_bytes()[0] ^ number)
        );
    }
    let seqs: Vec<Seq> = all(subject.store(), b"box")
        .await
        .iter()
        .map(|item| item.seq)
        .collect();
    assert_eq!(subject.store().ack(b"box", plain(&seqs)).await.unwrap(), 8);
}

pub async fn boxes_do_not_mix(subject: &mut Subject) {
    let store = subject.store();
    store.append(item(b"a", b"k", b"1")).await.unwrap();
    store.append(item(b"ab", b"k", b"2")).await.unwrap();
    store.append(item(b"b", b"k", b"3")).await.unwrap();
    assert_eq!(bodies(store, b"ab").await, [Bytes::from_static(b"2")]);
    store.withdraw(b"a", b"k").await.unwrap();
    assert_eq!(store.fate(b"b", b"k").await.unwrap(), Some(Fate::Waiting));
}

pub async fn wake_after_append(subject: &mut Subject) {
    let store = subject.store().clone();
    let mut wake = store.wake(Topic::Arrived(Bytes::from_static(b"box")));
    let woken = tokio::spawn(async move {
        wake.changed().await;
        store.read(b"box", 0, 10, usize::MAX).await.unwrap().len()
    });
    subject
        .store()
        .append(item(b"other", b"k", b"x"))
        .await
        .unwrap();
    subject
        .store()
        .append(item(b"box", b"k", b"x"))
        .await
        .unwrap();
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(10), woken)
            .await
            .unwrap()
            .unwrap(),
        1
    );
}

pub async fn a_note_may_follow_the_ack(subject: &mut Subject) {
    let store = subject.store();
    let note = Bytes::from_static(b"note");
    let put = store.append(item(b"box", b"k", b"x")).await.unwrap();
    let early = store.annotate(b"box", b"k", note.clone()).await;
    assert_eq!(early, Ok(false), "it still waits");
    store.ack(b"box", plain(&[put.seq])).await.unwrap();
    let mut wake = store.wake(Topic::Settled(Bytes::from_static(b"box")));
    assert_eq!(store.annotate(b"box", b"k", note.clone()).await, Ok(true));
    tokio::time::timeout(Duration::from_secs(10), wake.changed())
        .await
        .unwrap();
    let other = Bytes::from_static(b"other");
    assert_eq!(store.annotate(b"box", b"k", other).await, Ok(false));
    assert_eq!(
        store.annotate(b"box", b"unknown", note.clone()).await,
        Ok(false)
    );
    store.append(item(b"box", b"back", b"x")).await.unwrap();
    store.withdraw(b"box", b"back").await.unwrap();
    assert_eq!(
        store.annotate(b"box", b"back", note.clone()).await,
        Ok(false)
    );
    subject.reopen().await;
    assert_eq!(
        subject.store().fate(b"box", b"k").await.unwrap(),
        Some(Fate::Acked { note: Some(note) })
    );
}

pub async fn wake_after_ack(subject: &mut Subject) {
    let store = subject.store();
    let put = store.append(item(b"box", b"k", b"x")).await.unwrap();
    let mut wake = store.wake(Topic::Settled(Bytes::from_static(b"box")));
    store.ack(b"box", plain(&[put.seq])).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), wake.changed())
        .await
        .unwrap();
    assert_eq!(
        store.fate(b"box", b"k").await.unwrap(),
        Some(Fate::Acked { note: None })
    );
}

pub async fn restart_keeps_mail(subject: &mut Subject) {
    for number in 0..200_u8 {
        subject
            .store()
            .append(item(b"box", &[number], &[number; 300]))
            .await
            .unwrap();
    }
    let before = all(subject.store(), b"box").await;
    subject.reopen().await;
    assert_eq!(all(subject.store(), b"box").await, before);
}

pub async fn restart_keeps_the_sequence(subject: &mut Subject) {
    let last = subject
        .store()
        .append(item(b"box", b"1", b"x"))
        .await
        .unwrap()
        .seq;
    subject.store().ack(b"box", plain(&[last])).await.unwrap();
    subject.reopen().await;
    assert!(
        subject
            .store()
            .append(item(b"box", b"2", b"x"))
            .await
            .unwrap()
            .seq
            > last
    );
}

pub async fn a_clock_that_goes_back_loses_nothing(subject: &mut Subject) {
    let first = subject
        .store()
        .append(item(b"box", b"1", b"1"))
        .await
        .unwrap();
    subject.clock.set(START - 86_400);
    let second = subject
        .store()
        .append(item(b"box", b"2", b"2"))
        .await
        .unwrap();
    assert!(second.seq > first.seq);
    subject.store().sweep().await.unwrap();
    assert_eq!(bodies(subject.store(), b"box").await.len(), 2);
    assert!(
        subject
            .store()
            .append(item(b"box", b"1", b"1"))
            .await
            .unwrap()
            .repeated
    );
    subject.clock.set(0);
    assert_eq!(bodies(subject.store(), b"box").await.len(), 2);
}

pub async fn the_sweep_takes_only_what_expired(subject: &mut Subject) {
    for number in 0..600_u16 {
        let mut new = item(
            b"box",
            &number.to_be_bytes(),
            &vec![1; 20_000][..usize::from(number % 2) * 20_000],
        );
        new.expires_at = START + if number % 3 == 0 { 7000 } else { 100 };
        subject.store().append(new).await.unwrap();
    }
    assert_eq!(subject.store().sweep().await.unwrap(), 0);
    subject.clock.set(START + 100);
    assert_eq!(subject.store().sweep().await.unwrap(), 400);
    assert_eq!(all(subject.store(), b"box").await.len(), 200);
    subject.clock.set(START + 7200);
    assert_eq!(
        subject.store().sweep().await.unwrap(),
        800,
        "200 items and 600 fates"
    );
    assert_eq!(subject.store().sweep().await.unwrap(), 0);
}
