//! Family 3: one-time bags.

use bytes::Bytes;

use super::{START, Subject};
use crate::store::{BagItem, StoreError};

pub(super) fn things(numbers: impl IntoIterator<Item = u32>) -> Vec<BagItem> {
    numbers
        .into_iter()
        .map(|number| BagItem {
            key: Bytes::copy_from_slice(&number.to_be_bytes()),
            body: Bytes::copy_from_slice(&number.to_be_bytes()),
            expires_at: START + 3600,
        })
        .collect()
}

fn body(number: u32) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(&number.to_be_bytes()))
}

pub async fn pops_oldest_first(subject: &mut Subject) {
    let store = subject.store();
    assert_eq!(store.fill(b"bag", things(0..300), 1000).await.unwrap(), 300);
    for number in 0..300 {
        assert_eq!(store.pop(b"bag").await.unwrap(), body(number));
    }
    assert_eq!(store.pop(b"bag").await.unwrap(), None);
}

pub async fn pops_once(subject: &mut Subject) {
    let store = subject.store();
    store.fill(b"bag", things(0..2), 10).await.unwrap();
    assert_eq!(store.waiting(b"bag").await.unwrap(), 2);
    assert_ne!(
        store.pop(b"bag").await.unwrap(),
        store.pop(b"bag").await.unwrap()
    );
    assert_eq!(store.pop(b"bag").await.unwrap(), None);
    assert_eq!(store.waiting(b"bag").await.unwrap(), 0);
    assert_eq!(store.pop(b"never filled").await.unwrap(), None);
}

pub async fn filling_twice_is_once(subject: &mut Subject) {
    let store = subject.store();
    store.fill(b"bag", things(0..5), 10).await.unwrap();
    assert_eq!(
        store
            .fill(b"bag", things([3, 4, 5, 5, 5]), 10)
            .await
            .unwrap(),
        6
    );
    let mut popped = Vec::new();
    while let Some(item) = store.pop(b"bag").await.unwrap() {
        popped.push(item);
    }
    assert_eq!(popped.len(), 6);
}

pub async fn a_popped_item_never_returns(subject: &mut Subject) {
    subject
        .store()
        .fill(b"bag", things(0..1), 10)
        .await
        .unwrap();
    assert_eq!(subject.store().pop(b"bag").await.unwrap(), body(0));
    for _ in 0..2 {
        assert_eq!(
            subject
                .store()
                .fill(b"bag", things(0..1), 10)
                .await
                .unwrap(),
            0
        );
        assert_eq!(subject.store().pop(b"bag").await.unwrap(), None);
        subject.reopen().await;
    }
    // Once forgotten it has expired, and what has expired is not taken.
    subject.clock.set(START + 3600);
    subject.store().sweep().await.unwrap();
    assert_eq!(
        subject
            .store()
            .fill(b"bag", things(0..1), 10)
            .await
            .unwrap(),
        0
    );
    assert_eq!(subject.store().pop(b"bag").await.unwrap(), None);
}

pub async fn expired_items_are_not_popped(subject: &mut Subject) {
    let mut items = things(0..3);
    items[0].expires_at = START + 10;
    items[1].expires_at = START + 10;
    subject.store().fill(b"bag", items, 3).await.unwrap();
    subject.clock.set(START + 10);
    assert_eq!(subject.store().waiting(b"bag").await.unwrap(), 1);
    assert_eq!(
        subject.store().fill(b"bag", things(3..5), 3).await.unwrap(),
        3
    );
    assert_eq!(subject.store().pop(b"bag").await.unwrap(), body(2));
    subject.store().sweep().await.unwrap();
    assert_eq!(subject.store().waiting(b"bag").await.unwrap(), 2);
}

pub async fn a_full_bag_takes_all_or_none(subject: &mut Subject) {
    let store = subject.store();
    store.fill(b"bag", things(0..3), 5).await.unwrap();
    assert_eq!(
        store.fill(b"bag", things(3..6), 5).await,
        Err(StoreError::QuotaFull)
    );
    assert_eq!(store.waiting(b"bag").await.unwrap(), 3);
    assert_eq!(
        store.fill(b"bag", things(0..3), 2).await.unwrap(),
        3,
        "repeats need no room"
    );
    assert_eq!(store.fill(b"bag", things(3..5), 5).await.unwrap(), 5);
}

pub async fn bags_do_not_mix(subject: &mut Subject) {
    let store = subject.store();
    store.fill(b"a", things(0..1), 5).await.unwrap();
    assert_eq!(store.pop(b"b").await.unwrap(), None);
    store.fill(b"b", things(0..1), 5).await.unwrap();
    assert_eq!(store.pop(b"a").await.unwrap(), body(0));
    assert_eq!(store.pop(b"b").await.unwrap(), body(0));
}

pub async fn restart_keeps_what_was_popped_away(subject: &mut Subject) {
    subject
        .store()
        .fill(b"bag", things(0..10), 10)
        .await
        .unwrap();
    for number in 0..4 {
        assert_eq!(subject.store().pop(b"bag").await.unwrap(), body(number));
    }
    subject.reopen().await;
    assert_eq!(subject.store().waiting(b"bag").await.unwrap(), 6);
    assert_eq!(subject.store().pop(b"bag").await.unwrap(), body(4));
}
