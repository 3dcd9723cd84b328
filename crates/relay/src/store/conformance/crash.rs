//! The crash case: a child works until it is killed; what it was told is durable must be there.
//!
//! The child calls [`work`] with a place to tell what was answered; the parent kills it, opens
//! the store and calls [`check`].

use std::collections::HashSet;
use std::io::Write;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::task::JoinSet;

use super::bags::things;
use super::item;
use crate::store::{Ack, AnyStore, Expect, Space, StoreError};

/// Appends, acknowledges, pops and saves for ever from 16 tasks. Each answered operation is one
/// line: `put KEY`, `ack KEY`, `pop NUMBER`, `cas VALUE`. `round` keeps the keys of several
/// lives apart.
pub async fn work(store: AnyStore, round: u32, tell: impl Write + Send + 'static) {
    let tell = Arc::new(Mutex::new(tell));
    let say = move |line: String| {
        let mut out = tell.lock().unwrap();
        // One write for a line: what the parent reads whole was said whole.
        out.write_all(format!("{line}\n").as_bytes()).unwrap();
        out.flush().unwrap();
    };
    for start in (0..4000).step_by(1000) {
        let first = round * 4000 + start;
        store
            .fill(b"bag", things(first..first + 1000), u64::MAX)
            .await
            .unwrap();
    }
    let mut tasks = JoinSet::new();
    for task in 0..16_u32 {
        let (store, say) = (store.clone(), say.clone());
        tasks.spawn(async move {
            for number in 0_u32.. {
                let key = format!("{round}-{task}-{number}");
                let mailbox = [task.to_le_bytes()[0] % 4];
                let body = [key.as_bytes(), &[b'.'; 900]].concat();
                let put = store
                    .append(item(&mailbox, key.as_bytes(), &body))
                    .await
                    .unwrap();
                say(format!("put {key}"));
                match number % 4 {
                    0 => {
                        store
                            .ack(
                                &mailbox,
                                vec![Ack {
                                    seq: put.seq,
                                    note: None,
                                }],
                            )
                            .await
                            .unwrap();
                        say(format!("ack {key}"));
                    }
                    1 => {
                        if let Some(item) = store.pop(b"bag").await.unwrap() {
                            say(format!(
                                "pop {}",
                                u32::from_be_bytes(item[..].try_into().unwrap())
                            ));
                        }
                    }
                    2 => {
                        let old = store.load(Space::Cards, b"counter").await.unwrap();
                        let expect = old
                            .as_ref()
                            .map_or(Expect::Absent, |old| Expect::Version(old.version));
                        let value = old.map_or(0, |old| {
                            u64::from_be_bytes(old.value[..].try_into().unwrap())
                        }) + 1;
                        let new = Bytes::copy_from_slice(&value.to_be_bytes());
                        match store
                            .save(Space::Cards, b"counter", Some(new), expect)
                            .await
                        {
                            Ok(_) => say(format!("cas {value}")),
                            Err(StoreError::Conflict { .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                    _ => {}
                }
            }
        });
    }
    tasks.join_all().await;
}

/// Checks everything that all rounds were told against the store. Answers how many lines.
pub async fn check(store: &AnyStore, told: &str) -> usize {
    let mut put = HashSet::new();
    let mut acked = HashSet::new();
    let mut popped = HashSet::new();
    let mut counter = 0;
    // The last line may have been cut by the kill.
    let whole = told.rfind('\n').map_or("", |end| &told[..end]);
    for line in whole.lines() {
        match line.split_once(' ').expect("a whole line") {
            ("put", key) => assert!(put.insert(key.to_owned()), "{key} was put twice"),
            ("ack", key) => assert!(acked.insert(key.to_owned())),
            ("pop", number) => {
                let number: u32 = number.parse().unwrap();
                assert!(popped.insert(number), "{number} was popped twice");
            }
            ("cas", value) => counter = counter.max(value.parse::<u64>().unwrap()),
            other => panic!("unknown line {other:?}"),
        }
    }
    let mut stored = HashSet::new();
    for mailbox in 0..4_u8 {
        let mut last = 0;
        for item in store
            .read(&[mailbox], 0, usize::MAX, usize::MAX)
            .await
            .unwrap()
        {
            assert!(item.seq > last);
            last = item.seq;
            let text = String::from_utf8(item.body.to_vec()).unwrap();
            assert!(
                stored.insert(text.trim_end_matches('.').to_owned()),
                "stored twice"
            );
        }
    }
    for key in &put {
        // An ack may have been durable without having been told.
        let number: u32 = key.rsplit('-').next().unwrap().parse().unwrap();
        let may_be_acked = number.is_multiple_of(4);
        assert!(
            stored.contains(key) || may_be_acked,
            "{key} was acknowledged and is lost"
        );
    }
    for key in &acked {
        assert!(
            !stored.contains(key),
            "{key} returned after it was acknowledged"
        );
    }
    let value = store.load(Space::Cards, b"counter").await.unwrap();
    let value = value.map_or(0, |stored| {
        u64::from_be_bytes(stored.value[..].try_into().unwrap())
    });
    assert!(
        value >= counter,
        "the counter fell from {counter} to {value}"
    );
    while let Some(item) = store.pop(b"bag").await.unwrap() {
        let number = u32::from_be_bytes(item[..].try_into().unwrap());
        assert!(
            popped.insert(number),
            "{number} was popped before the crash and again"
        );
    }
    whole.lines().count()
}
