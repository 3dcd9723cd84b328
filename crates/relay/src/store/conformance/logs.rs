//! Family 4: logs.

use bytes::Bytes;

use super::Subject;
use crate::store::{AnyStore, Direction, Seq};

async fn fill(store: &AnyStore, log: &[u8], count: u8) -> Vec<Seq> {
    let mut seqs = Vec::new();
    for number in 0..count {
        seqs.push(
            store
                .add(log, &[number], Bytes::copy_from_slice(&[number]))
                .await
                .unwrap()
                .seq,
        );
    }
    assert!(seqs.is_sorted_by(|one, next| one < next));
    seqs
}

pub async fn pages_both_ways(subject: &mut Subject) {
    let store = subject.store();
    let seqs = fill(store, b"log", 10).await;
    let page = async |from: Option<Seq>, direction: Direction, limit: usize| -> Vec<Seq> {
        let page = store.page(b"log", from, direction, limit).await.unwrap();
        page.iter().map(|(seq, _)| *seq).collect()
    };
    assert_eq!(page(None, Direction::Forwards, 3).await, seqs[..3]);
    assert_eq!(
        page(Some(seqs[7]), Direction::Forwards, 10).await,
        seqs[7..]
    );
    let newest: Vec<Seq> = seqs.iter().rev().take(3).copied().collect();
    assert_eq!(page(None, Direction::Backwards, 3).await, newest);
    assert_eq!(
        page(Some(seqs[1]), Direction::Backwards, 10).await,
        [seqs[1], seqs[0]]
    );
    assert!(
        page(Some(seqs[9] + 1), Direction::Forwards, 10)
            .await
            .is_empty()
    );
    assert!(page(None, Direction::Forwards, 0).await.is_empty());
}

pub async fn repeats_are_one_entry(subject: &mut Subject) {
    let store = subject.store();
    let first = store
        .add(b"log", b"k", Bytes::from_static(b"x"))
        .await
        .unwrap();
    let again = store
        .add(b"log", b"k", Bytes::from_static(b"x"))
        .await
        .unwrap();
    assert_eq!((again.seq, again.repeated), (first.seq, true));
    assert_eq!(
        store
            .page(b"log", None, Direction::Forwards, 9)
            .await
            .unwrap()
            .len(),
        1
    );
}

pub async fn logs_do_not_mix(subject: &mut Subject) {
    let store = subject.store();
    fill(store, b"a", 3).await;
    fill(store, b"b", 2).await;
    assert_eq!(
        store
            .page(b"a", None, Direction::Backwards, 9)
            .await
            .unwrap()
            .len(),
        3
    );
    assert!(
        store
            .page(b"c", None, Direction::Backwards, 9)
            .await
            .unwrap()
            .is_empty()
    );
}

pub async fn restart_keeps_entries(subject: &mut Subject) {
    let large = Bytes::from(vec![3; 100_000]);
    let first = subject
        .store()
        .add(b"log", b"1", large.clone())
        .await
        .unwrap()
        .seq;
    subject.reopen().await;
    let store = subject.store();
    assert!(
        store
            .add(b"log", b"1", large.clone())
            .await
            .unwrap()
            .repeated
    );
    assert!(store.add(b"log", b"2", Bytes::new()).await.unwrap().seq > first);
    assert_eq!(
        store
            .page(b"log", None, Direction::Forwards, 1)
            .await
            .unwrap(),
        [(first, large)]
    );
}
