//! Many at once.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::task::JoinSet;

use super::bags::things;
use super::{Subject, blob, item};
use crate::store::{Ack, Expect, Quota, Space, StoreError, Topic};

/// 8 poppers on one bag of 2000.
pub async fn poppers_never_share(subject: &mut Subject) {
    for start in (0..2000).step_by(500) {
        subject
            .store()
            .fill(b"bag", things(start..start + 500), 5000)
            .await
            .unwrap();
    }
    let mut poppers = JoinSet::new();
    for _ in 0..8 {
        let store = subject.store().clone();
        poppers.spawn(async move {
            let mut mine = Vec::new();
            while let Some(item) = store.pop(b"bag").await.unwrap() {
                mine.push(item);
            }
            mine
        });
    }
    let popped: Vec<Bytes> = poppers.join_all().await.into_iter().flatten().collect();
    assert_eq!(popped.len(), 2000);
    assert_eq!(popped.into_iter().collect::<HashSet<_>>().len(), 2000);
}

/// 8 writers add one each, 100 times: 800 in the end.
pub async fn writers_lose_no_update(subject: &mut Subject) {
    let mut writers = JoinSet::new();
    for _ in 0..8 {
        let store = subject.store().clone();
        writers.spawn(async move {
            for _ in 0..100 {
                loop {
                    let old = store.load(Space::Cards, b"hot").await.unwrap();
                    let (count, expect) = old.map_or((0, Expect::Absent), |old| {
                        let count = u64::from_be_bytes(old.value[..].try_into().unwrap());
                        (count, Expect::Version(old.version))
                    });
                    let new = Bytes::copy_from_slice(&(count + 1).to_be_bytes());
                    match store.save(Space::Cards, b"hot", Some(new), expect).await {
                        Ok(_) => break,
                        Err(StoreError::Conflict { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        });
    }
    writers.join_all().await;
    let stored = subject
        .store()
        .load(Space::Cards, b"hot")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.value[..], 800_u64.to_be_bytes());
}

/// 64 putters of 20 into 4 boxes, 4 ackers: each is read and acknowledged once.
pub async fn putters_and_ackers(subject: &mut Subject) {
    const PUTTERS: usize = 64;
    const EACH: usize = 20;
    let acked = Arc::new(AtomicUsize::new(0));
    let mut ackers = JoinSet::new();
    for mailbox in 0..4_u8 {
        let (store, acked) = (subject.store().clone(), Arc::clone(&acked));
        ackers.spawn(async move {
            let mut wake = store.wake(Topic::Arrived(Bytes::copy_from_slice(&[mailbox])));
            let (mut got, mut last) = (BTreeSet::new(), 0);
            while got.len() < PUTTERS / 4 * EACH {
                let page = store.read(&[mailbox], last, 50, usize::MAX).await.unwrap();
                if page.is_empty() {
                    wake.changed().await;
                    continue;
                }
                for item in &page {
                    assert!(item.seq > last);
                    last = item.seq;
                    assert!(got.insert(item.body.clone()), "delivered once");
                }
                let acks = page
                    .iter()
                    .map(|item| Ack {
                        seq: item.seq,
                        note: None,
                    })
                    .collect();
                let removed = store.ack(&[mailbox], acks).await.unwrap();
                assert_eq!(removed, page.len() as u64);
                acked.fetch_add(page.len(), Ordering::SeqCst);
            }
            assert!(
                store
                    .read(&[mailbox], 0, 1, usize::MAX)
                    .await
                    .unwrap()
                    .is_empty()
            );
        });
    }
    let mut putters = JoinSet::new();
    for putter in 0..PUTTERS {
        let store = subject.store().clone();
        putters.spawn(async move {
            let mailbox = putter.to_le_bytes()[0] % 4;
            for number in 0..EACH {
                let body = format!("{putter}.{number}");
                store
                    .append(item(&[mailbox], body.as_bytes(), body.as_bytes()))
                    .await
                    .unwrap();
            }
        });
    }
    putters.join_all().await;
    ackers.join_all().await;
    assert_eq!(acked.load(Ordering::SeqCst), PUTTERS * EACH);
}

pub async fn repeats_at_the_same_time_are_one(subject: &mut Subject) {
    let mut putters = JoinSet::new();
    for _ in 0..16 {
        let store = subject.store().clone();
        putters.spawn(async move { store.append(item(b"box", b"k", b"x")).await.unwrap() });
    }
    let puts = putters.join_all().await;
    assert_eq!(puts.iter().filter(|put| !put.repeated).count(), 1);
    assert_eq!(
        subject
            .store()
            .read(b"box", 0, 99, usize::MAX)
            .await
            .unwrap()
            .len(),
        1
    );
}

pub async fn announcing_at_the_same_time(subject: &mut Subject) {
    let mut makers = JoinSet::new();
    for _ in 0..8 {
        let store = subject.store().clone();
        makers.spawn(async move {
            let made = store
                .create_blob(blob(b"b", b"alice", &[1; 1000]), Quota::NONE)
                .await
                .unwrap();
            // Every uploader sends the same chunk; one wins, the others learn the offset.
            match store.append_blob(b"b", 0, Bytes::from(vec![1; 1000])).await {
                Ok(state) => (made, state.complete),
                Err(StoreError::OffsetMismatch { offset: 1000 }) => (made, false),
                Err(error) => panic!("{error}"),
            }
        });
    }
    let outcomes = makers.join_all().await;
    assert_eq!(outcomes.iter().filter(|(made, _)| *made).count(), 1);
    assert_eq!(
        outcomes.iter().filter(|(_, completed)| *completed).count(),
        1
    );
    assert_eq!(
        subject.store().read_blob(b"b", 0, 2000).await.unwrap(),
        vec![1; 1000]
    );
}
