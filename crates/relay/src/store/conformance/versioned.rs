//! Family 2: versioned values with compare-and-swap.

use bytes::Bytes;

use super::Subject;
use crate::store::{Expect, Space, StoreError, Stored};

const KEY: &[u8] = b"key";

fn value(text: &'static str) -> Option<Bytes> {
    Some(Bytes::from_static(text.as_bytes()))
}

pub async fn absent_then_present(subject: &mut Subject) {
    let store = subject.store();
    assert_eq!(store.load(Space::Cards, KEY).await.unwrap(), None);
    let wrong = store
        .save(Space::Cards, KEY, value("a"), Expect::Version(1))
        .await;
    assert_eq!(wrong, Err(StoreError::Conflict { current: None }));
    let version = store
        .save(Space::Cards, KEY, value("a"), Expect::Absent)
        .await
        .unwrap();
    let stored = Stored {
        version,
        value: Bytes::from_static(b"a"),
    };
    assert_eq!(store.load(Space::Cards, KEY).await.unwrap(), Some(stored));
}

pub async fn versions_rise(subject: &mut Subject) {
    let store = subject.store();
    let mut last = store
        .save(Space::Cards, KEY, value("a"), Expect::Absent)
        .await
        .unwrap();
    for _ in 0..20 {
        let next = store
            .save(Space::Cards, KEY, value("b"), Expect::Version(last))
            .await
            .unwrap();
        assert!(next > last);
        last = next;
    }
    assert!(
        store
            .save(Space::Cards, KEY, value("c"), Expect::Any)
            .await
            .unwrap()
            > last
    );
}

pub async fn a_wrong_version_changes_nothing(subject: &mut Subject) {
    let store = subject.store();
    let first = store
        .save(Space::Cards, KEY, value("a"), Expect::Absent)
        .await
        .unwrap();
    let current = store
        .save(Space::Cards, KEY, value("b"), Expect::Version(first))
        .await
        .unwrap();
    for expect in [
        Expect::Absent,
        Expect::Version(first),
        Expect::Version(current + 1),
    ] {
        let refused = store.save(Space::Cards, KEY, value("x"), expect).await;
        assert_eq!(
            refused,
            Err(StoreError::Conflict {
                current: Some(current)
            })
        );
    }
    let stored = store.load(Space::Cards, KEY).await.unwrap().unwrap();
    assert_eq!((stored.version, &*stored.value), (current, &b"b"[..]));
}

pub async fn a_deleted_key_does_not_repeat_its_versions(subject: &mut Subject) {
    let store = subject.store();
    let first = store
        .save(Space::Cards, KEY, value("a"), Expect::Absent)
        .await
        .unwrap();
    store
        .save(Space::Cards, KEY, None, Expect::Version(first))
        .await
        .unwrap();
    assert_eq!(store.load(Space::Cards, KEY).await.unwrap(), None);
    let again = store
        .save(Space::Cards, KEY, value("b"), Expect::Absent)
        .await
        .unwrap();
    assert!(again > first);
    let stale = store
        .save(Space::Cards, KEY, value("c"), Expect::Version(first))
        .await;
    assert_eq!(
        stale,
        Err(StoreError::Conflict {
            current: Some(again)
        })
    );
}

pub async fn spaces_do_not_mix(subject: &mut Subject) {
    let store = subject.store();
    store
        .save(Space::Cards, KEY, value("a"), Expect::Absent)
        .await
        .unwrap();
    assert_eq!(store.load(Space::Names, KEY).await.unwrap(), None);
    store
        .save(Space::Names, KEY, value("b"), Expect::Absent)
        .await
        .unwrap();
    assert_eq!(
        &*store.load(Space::Cards, KEY).await.unwrap().unwrap().value,
        b"a"
    );
}

pub async fn large_values(subject: &mut Subject) {
    let store = subject.store();
    for size in [200_000_usize, 10, 40_000, 0] {
        let body = Bytes::from(vec![size.to_le_bytes()[0]; size]);
        store
            .save(Space::Cards, b"", Some(body.clone()), Expect::Any)
            .await
            .unwrap();
        assert_eq!(
            store.load(Space::Cards, b"").await.unwrap().unwrap().value,
            body
        );
    }
}

pub async fn restart_keeps_values(subject: &mut Subject) {
    let version = subject
        .store()
        .save(Space::Names, KEY, value("a"), Expect::Absent)
        .await
        .unwrap();
    subject.reopen().await;
    let stored = Stored {
        version,
        value: Bytes::from_static(b"a"),
    };
    assert_eq!(
        subject.store().load(Space::Names, KEY).await.unwrap(),
        Some(stored)
    );
}
