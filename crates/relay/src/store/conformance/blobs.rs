//! Family 5: blobs.

use bytes::Bytes;

use super::{START, Subject, blob};
use crate::store::{AnyStore, NewBlob, Quota, StoreError};

const BYTES: &[u8] = b"0123456789abcdefghij";

fn chunk(bytes: &'static [u8]) -> Bytes {
    Bytes::from_static(bytes)
}

async fn uploaded(store: &AnyStore, id: &[u8]) {
    store
        .create_blob(blob(id, b"alice", BYTES), Quota::NONE)
        .await
        .unwrap();
    store.append_blob(id, 0, chunk(BYTES)).await.unwrap();
}

pub async fn grows_in_chunks(subject: &mut Subject) {
    let store = subject.store();
    assert!(
        store
            .create_blob(blob(b"b", b"alice", BYTES), Quota::NONE)
            .await
            .unwrap()
    );
    for (offset, piece) in [(0, &BYTES[..7]), (7, &BYTES[7..8]), (8, &BYTES[8..])] {
        let before = store.stat_blob(b"b").await.unwrap().unwrap();
        assert_eq!((before.offset, before.complete), (offset, false));
        store.append_blob(b"b", offset, chunk(piece)).await.unwrap();
    }
    let state = store.stat_blob(b"b").await.unwrap().unwrap();
    assert_eq!((state.offset, state.length, state.complete), (20, 20, true));
    assert_eq!(state.owner, Bytes::from_static(b"alice"));
    assert_eq!(store.read_blob(b"b", 0, 100).await.unwrap(), BYTES);
}

pub async fn a_wrong_offset_is_refused(subject: &mut Subject) {
    let store = subject.store();
    store
        .create_blob(blob(b"b", b"alice", BYTES), Quota::NONE)
        .await
        .unwrap();
    store
        .append_blob(b"b", 0, chunk(&BYTES[..5]))
        .await
        .unwrap();
    for offset in [0, 4, 6, u64::MAX] {
        let refused = store.append_blob(b"b", offset, chunk(b"x")).await;
        assert_eq!(refused, Err(StoreError::OffsetMismatch { offset: 5 }));
    }
    store
        .append_blob(b"b", 5, chunk(&BYTES[5..]))
        .await
        .unwrap();
    assert_eq!(store.read_blob(b"b", 0, 100).await.unwrap(), BYTES);
    let after = store.append_blob(b"b", 0, chunk(b"x")).await;
    assert_eq!(after, Err(StoreError::OffsetMismatch { offset: 20 }));
    assert_eq!(
        store.append_blob(b"unknown", 0, chunk(b"x")).await,
        Err(StoreError::NoBlob)
    );
}

pub async fn a_chunk_beyond_the_end_is_refused(subject: &mut Subject) {
    let store = subject.store();
    store
        .create_blob(blob(b"b", b"alice", &BYTES[..5]), Quota::NONE)
        .await
        .unwrap();
    let refused = store.append_blob(b"b", 0, chunk(&BYTES[..6])).await;
    assert_eq!(refused, Err(StoreError::OffsetMismatch { offset: 0 }));
    assert!(
        store
            .append_blob(b"b", 0, chunk(&BYTES[..5]))
            .await
            .unwrap()
            .complete
    );
}

pub async fn a_wrong_digest_starts_over(subject: &mut Subject) {
    let store = subject.store();
    store
        .create_blob(blob(b"b", b"alice", BYTES), Quota::NONE)
        .await
        .unwrap();
    store
        .append_blob(b"b", 0, chunk(&BYTES[..10]))
        .await
        .unwrap();
    let wrong = store.append_blob(b"b", 10, chunk(b"ABCDEFGHIJ")).await;
    assert_eq!(wrong, Err(StoreError::DigestMismatch));
    assert_eq!(store.stat_blob(b"b").await.unwrap().unwrap().offset, 0);
    assert!(
        store
            .append_blob(b"b", 0, chunk(BYTES))
            .await
            .unwrap()
            .complete
    );
}

pub async fn reads_ranges(subject: &mut Subject) {
    let store = subject.store();
    uploaded(store, b"b").await;
    assert_eq!(store.read_blob(b"b", 3, 4).await.unwrap(), &BYTES[3..7]);
    assert_eq!(store.read_blob(b"b", 18, 10).await.unwrap(), &BYTES[18..]);
    assert_eq!(store.read_blob(b"b", 20, 10).await.unwrap(), Bytes::new());
    assert_eq!(
        store.read_blob(b"b", u64::MAX, 10).await.unwrap(),
        Bytes::new()
    );
}

pub async fn not_readable_before_complete(subject: &mut Subject) {
    let store = subject.store();
    assert_eq!(store.read_blob(b"b", 0, 1).await, Err(StoreError::NoBlob));
    store
        .create_blob(blob(b"b", b"alice", BYTES), Quota::NONE)
        .await
        .unwrap();
    store
        .append_blob(b"b", 0, chunk(&BYTES[..19]))
        .await
        .unwrap();
    assert_eq!(
        store.read_blob(b"b", 0, 1).await,
        Err(StoreError::BlobIncomplete)
    );
}

pub async fn announcing_twice(subject: &mut Subject) {
    let store = subject.store();
    let new = blob(b"b", b"alice", BYTES);
    let quota = Quota {
        items: 1,
        bytes: 20,
    };
    assert!(store.create_blob(new.clone(), quota).await.unwrap());
    store
        .append_blob(b"b", 0, chunk(&BYTES[..5]))
        .await
        .unwrap();
    assert!(!store.create_blob(new.clone(), quota).await.unwrap());
    assert_eq!(store.stat_blob(b"b").await.unwrap().unwrap().offset, 5);
    for other in [
        NewBlob {
            owner: Bytes::from_static(b"bob"),
            ..new.clone()
        },
        NewBlob {
            length: 21,
            ..new.clone()
        },
        NewBlob {
            sha256: [0; 32],
            ..new
        },
    ] {
        assert_eq!(
            store.create_blob(other, Quota::NONE).await,
            Err(StoreError::BlobDiffers)
        );
    }
}

pub async fn an_empty_blob_is_complete(subject: &mut Subject) {
    let store = subject.store();
    store
        .create_blob(blob(b"b", b"alice", b""), Quota::NONE)
        .await
        .unwrap();
    assert!(store.stat_blob(b"b").await.unwrap().unwrap().complete);
    assert_eq!(store.read_blob(b"b", 0, 10).await.unwrap(), Bytes::new());
    let wrong = NewBlob {
        sha256: [0; 32],
        ..blob(b"c", b"alice", b"")
    };
    assert_eq!(
        store.create_blob(wrong, Quota::NONE).await,
        Err(StoreError::DigestMismatch)
    );
}

pub async fn owners_have_quotas(subject: &mut Subject) {
    let quota = Quota {
        items: 3,
        bytes: 50,
    };
    let store = subject.store();
    store
        .create_blob(blob(b"1", b"alice", BYTES), quota)
        .await
        .unwrap();
    store
        .create_blob(blob(b"2", b"alice", BYTES), quota)
        .await
        .unwrap();
    let full = store.create_blob(blob(b"3", b"alice", BYTES), quota).await;
    assert_eq!(full, Err(StoreError::QuotaFull));
    store
        .create_blob(blob(b"3", b"bob", BYTES), quota)
        .await
        .unwrap();
    store
        .create_blob(blob(b"4", b"alice", &BYTES[..10]), quota)
        .await
        .unwrap();
    let too_many = store.create_blob(blob(b"5", b"alice", b""), quota).await;
    assert_eq!(too_many, Err(StoreError::QuotaFull));
    store.delete_blob(b"1").await.unwrap();
    store
        .create_blob(blob(b"5", b"alice", BYTES), quota)
        .await
        .unwrap();
    subject.clock.set(START + 3600);
    subject.store().sweep().await.unwrap();
    let later = NewBlob {
        expires_at: START + 9000,
        ..blob(b"6", b"alice", &[1; 50])
    };
    assert!(subject.store().create_blob(later, quota).await.unwrap());
}

pub async fn deleted_is_gone(subject: &mut Subject) {
    let store = subject.store();
    uploaded(store, b"b").await;
    assert!(store.delete_blob(b"b").await.unwrap());
    assert!(!store.delete_blob(b"b").await.unwrap());
    assert_eq!(store.stat_blob(b"b").await.unwrap(), None);
    assert_eq!(store.read_blob(b"b", 0, 1).await, Err(StoreError::NoBlob));
    uploaded(store, b"b").await;
    assert_eq!(store.read_blob(b"b", 0, 100).await.unwrap(), BYTES);
}

pub async fn expired_is_gone(subject: &mut Subject) {
    uploaded(subject.store(), b"b").await;
    subject.clock.set(START + 3600);
    let store = subject.store();
    assert_eq!(store.stat_blob(b"b").await.unwrap(), None);
    assert_eq!(store.read_blob(b"b", 0, 1).await, Err(StoreError::NoBlob));
    assert_eq!(
        store.append_blob(b"b", 0, chunk(b"x")).await,
        Err(StoreError::NoBlob)
    );
    let again = NewBlob {
        expires_at: START + 9000,
        ..blob(b"b", b"bob", b"other")
    };
    assert!(
        store
            .create_blob(again, Quota { items: 1, bytes: 5 })
            .await
            .unwrap()
    );
    store.append_blob(b"b", 0, chunk(b"other")).await.unwrap();
    store.sweep().await.unwrap();
    assert_eq!(store.read_blob(b"b", 0, 100).await.unwrap(), &b"other"[..]);
}

pub async fn restart_continues_an_upload(subject: &mut Subject) {
    let store = subject.store();
    store
        .create_blob(blob(b"b", b"alice", BYTES), Quota::NONE)
        .await
        .unwrap();
    store
        .append_blob(b"b", 0, chunk(&BYTES[..13]))
        .await
        .unwrap();
    subject.reopen().await;
    assert_eq!(
        subject
            .store()
            .stat_blob(b"b")
            .await
            .unwrap()
            .unwrap()
            .offset,
        13
    );
    subject
        .store()
        .append_blob(b"b", 13, chunk(&BYTES[13..]))
        .await
        .unwrap();
    subject.reopen().await;
    assert_eq!(
        subject.store().read_blob(b"b", 0, 100).await.unwrap(),
        BYTES
    );
}
