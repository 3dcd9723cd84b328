//! A random sequence of operations must answer as a simple model in memory does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{START, Subject};
use crate::store::{Ack, Append, Appended, BagItem, Expect, Fate, Quota, Seq, Space, StoreError};

#[derive(Debug, Clone)]
enum Op {
    Append {
        mailbox: u8,
        key: u8,
        body: u8,
        ttl: u64,
    },
    Read {
        mailbox: u8,
        after: u64,
    },
    Ack {
        mailbox: u8,
        seqs: Vec<Seq>,
        note: bool,
    },
    Withdraw {
        mailbox: u8,
        key: u8,
    },
    Fate {
        mailbox: u8,
        key: u8,
    },
    Save {
        key: u8,
        value: Option<u8>,
        expect: ModelExpect,
    },
    Load {
        key: u8,
    },
    Fill {
        keys: Vec<u8>,
        ttl: u64,
    },
    Pop,
    Advance(u64),
    Sweep,
    Reopen,
}

#[derive(Debug, Clone, Copy)]
enum ModelExpect {
    Any,
    Absent,
    Current,
    Stale,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let mailbox = 0..2_u8;
    let key = 0..6_u8;
    let op = prop_oneof![
        8 => (mailbox.clone(), key.clone(), 0..2_u8, 1..60_u64)
            .prop_map(|(mailbox, key, body, ttl)| Op::Append { mailbox, key, body, ttl }),
        4 => (mailbox.clone(), 0..8_u64).prop_map(|(mailbox, after)| Op::Read { mailbox, after }),
        4 => (mailbox.clone(), prop::collection::vec(0..10_u64, 0..4), any::<bool>())
            .prop_map(|(mailbox, seqs, note)| Op::Ack { mailbox, seqs, note }),
        2 => (mailbox.clone(), key.clone()).prop_map(|(mailbox, key)| Op::Withdraw { mailbox, key }),
        3 => (mailbox, key.clone()).prop_map(|(mailbox, key)| Op::Fate { mailbox, key }),
        4 => (0..2_u8, any::<Option<u8>>(), prop_oneof![
                Just(ModelExpect::Any), Just(ModelExpect::Absent),
                Just(ModelExpect::Current), Just(ModelExpect::Stale)])
            .prop_map(|(key, value, expect)| Op::Save { key, value, expect }),
        2 => (0..2_u8).prop_map(|key| Op::Load { key }),
        3 => (prop::collection::vec(key, 1..4), 1..60_u64).prop_map(|(keys, ttl)| Op::Fill { keys, ttl }),
        3 => Just(Op::Pop),
        3 => (1..40_u64).prop_map(Op::Advance),
        2 => Just(Op::Sweep),
        1 => Just(Op::Reopen),
    ];
    prop::collection::vec(op, 1..80)
}

#[derive(Debug, Clone)]
struct ModelFate {
    seq: Seq,
    body: u8,
    expires_at: u64,
    remember_until: u64,
    fate: Fate,
}

#[derive(Debug, Default)]
struct ModelBox {
    last: Seq,
    items: BTreeMap<Seq, (u8, u8, u64)>,
    fates: BTreeMap<u8, ModelFate>,
}

#[derive(Debug, Default)]
struct Model {
    boxes: BTreeMap<u8, ModelBox>,
    values: BTreeMap<u8, (u64, Option<u8>)>,
    bag: VecDeque<(u8, u64)>,
    seen: BTreeMap<u8, u64>,
}

const QUOTA: u64 = 4;
const BAG: u64 = 4;
/// Long enough that a body is cut into parts.
const LONG: usize = 20_000;

fn body(tag: u8) -> Bytes {
    Bytes::from(vec![tag; if tag == 0 { 3 } else { LONG }])
}

pub async fn behaves_like_the_model(subject: &mut Subject) {
    static RUN: AtomicU64 = AtomicU64::new(0);
    let handle = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let subject = std::cell::RefCell::new(subject);
        let mut runner = TestRunner::new(Config {
            failure_persistence: None,
            ..Config::default()
        });
        runner
            .run(&ops(), |ops| {
                let run = RUN.fetch_add(1, Ordering::SeqCst);
                handle.block_on(one_run(&mut subject.borrow_mut(), run, ops));
                Ok(())
            })
            .unwrap();
    });
}

/// Each run has boxes of its own in the same store.
#[allow(clippy::too_many_lines)]
async fn one_run(subject: &mut Subject, run: u64, ops: Vec<Op>) {
    let mut model = Model::default();
    let mut now = START + run * 100_000;
    subject.clock.set(now);
    let id = |tag: u8| [&run.to_be_bytes()[..], &[tag]].concat();
    for op in ops {
        match op {
            Op::Append {
                mailbox,
                key,
                body: tag,
                ttl,
            } => {
                let space = model.boxes.entry(mailbox).or_default();
                let alive = space
                    .items
                    .values()
                    .filter(|(_, _, expires_at)| *expires_at > now)
                    .count() as u64;
                let expected = match space
                    .fates
                    .get(&key)
                    .filter(|fate| fate.remember_until > now)
                {
                    Some(old) if old.body == tag => Ok(Appended {
                        seq: old.seq,
                        repeated: true,
                    }),
                    Some(_) => Err(StoreError::BodyDiffers),
                    None if alive >= QUOTA => Err(StoreError::QuotaFull),
                    None => {
                        space.last += 1;
                        let expires_at = now + ttl;
                        space.items.insert(space.last, (key, tag, expires_at));
                        let fate = Fate::Waiting;
                        let remember_until = expires_at + 20;
                        let seq = space.last;
                        space.fates.insert(
                            key,
                            ModelFate {
                                seq,
                                body: tag,
                                expires_at,
                                remember_until,
                                fate,
                            },
                        );
                        Ok(Appended {
                            seq,
                            repeated: false,
                        })
                    }
                };
                let actual = subject.store().append(Append {
                    mailbox: id(mailbox).into(),
                    key: Bytes::copy_from_slice(&[key]),
                    body: body(tag),
                    expires_at: now + ttl,
                    remember_until: now + ttl + 20,
                    quota: Quota {
                        items: QUOTA,
                        bytes: u64::MAX,
                    },
                });
                assert_eq!(actual.await, expected);
            }
            Op::Read { mailbox, after } => {
                let space = model.boxes.entry(mailbox).or_default();
                let expected: Vec<(Seq, Bytes)> = space
                    .items
                    .range(after + 1..)
                    .filter(|(_, (_, _, expires_at))| *expires_at > now)
                    .map(|(seq, (_, tag, _))| (*seq, body(*tag)))
                    .collect();
                let actual = subject
                    .store()
                    .read(&id(mailbox), after, 99, usize::MAX)
                    .await
                    .unwrap();
                let actual: Vec<(Seq, Bytes)> = actual
                    .into_iter()
                    .map(|item| (item.seq, item.body))
                    .collect();
                assert_eq!(actual, expected);
            }
            Op::Ack {
                mailbox,
                seqs,
                note,
            } => {
                let space = model.boxes.entry(mailbox).or_default();
                let note = note.then(|| Bytes::from_static(b"note"));
                // Whether something expired is still there to be acknowledged is the backend's.
                let (mut least, mut most) = (0, 0);
                for seq in seqs.iter().collect::<BTreeSet<_>>() {
                    if let Some((key, _, expires_at)) = space.items.get(seq).copied() {
                        most += 1;
                        if expires_at > now {
                            least += 1;
                            space.items.remove(seq);
                            if let Some(fate) = space.fates.get_mut(&key) {
                                fate.fate = Fate::Acked { note: note.clone() };
                            }
                        }
                    }
                }
                let acks: Vec<Ack> = seqs
                    .iter()
                    .filter(|seq| !space.items.contains_key(seq))
                    .map(|&seq| Ack {
                        seq,
                        note: note.clone(),
                    })
                    .collect();
                let removed = subject.store().ack(&id(mailbox), acks).await.unwrap();
                assert!((least..=most).contains(&removed), "{removed}");
            }
            Op::Withdraw { mailbox, key } => {
                let space = model.boxes.entry(mailbox).or_default();
                if let Some(fate) = space.fates.get_mut(&key)
                    && fate.fate == Fate::Waiting
                    && fate.expires_at > now
                {
                    fate.fate = Fate::Withdrawn;
                    space.items.remove(&fate.seq);
                }
                let actual = subject
                    .store()
                    .withdraw(&id(mailbox), &[key])
                    .await
                    .unwrap();
                assert_eq!(actual, told(space, key, now));
            }
            Op::Fate { mailbox, key } => {
                let space = model.boxes.entry(mailbox).or_default();
                let actual = subject.store().fate(&id(mailbox), &[key]).await.unwrap();
                assert_eq!(actual, told(space, key, now));
            }
            Op::Save { key, value, expect } => {
                let old = model.values.get(&key).copied().unwrap_or((0, None));
                let current = old.1.map(|_| old.0);
                let expect = match expect {
                    ModelExpect::Any => Expect::Any,
                    ModelExpect::Absent => Expect::Absent,
                    ModelExpect::Current => current.map_or(Expect::Absent, Expect::Version),
                    ModelExpect::Stale => Expect::Version(old.0 + 7),
                };
                let met = match expect {
                    Expect::Any => true,
                    Expect::Absent => current.is_none(),
                    Expect::Version(version) => current == Some(version),
                };
                let new = value.map(|value| Bytes::copy_from_slice(&[value]));
                let actual = subject
                    .store()
                    .save(Space::Cards, &id(key), new, expect)
                    .await;
                if met {
                    let version = actual.unwrap();
                    assert!(version > old.0);
                    model.values.insert(key, (version, value));
                } else {
                    assert_eq!(actual, Err(StoreError::Conflict { current }));
                }
            }
            Op::Load { key } => {
                let stored = subject.store().load(Space::Cards, &id(key)).await.unwrap();
                let expected = model
                    .values
                    .get(&key)
                    .and_then(|(version, value)| Some((*version, (*value)?)));
                assert_eq!(
                    stored.map(|stored| (stored.version, stored.value[0])),
                    expected
                );
            }
            Op::Fill { keys, ttl } => {
                model.bag.retain(|(_, expires_at)| *expires_at > now);
                model.seen.retain(|_, until| *until > now);
                let new: BTreeSet<u8> = keys
                    .iter()
                    .copied()
                    .filter(|key| !model.seen.contains_key(key))
                    .collect();
                let total = model.bag.len() as u64 + new.len() as u64;
                let items = keys.iter().map(|&key| BagItem {
                    // A backend may remember a key for longer than it must: never again the same.
                    key: Bytes::copy_from_slice(&[key]),
                    body: Bytes::copy_from_slice(&[key]),
                    expires_at: now + ttl,
                });
                // Forgotten exactly when swept: sweep, so that model and store agree.
                subject.store().sweep().await.unwrap();
                let actual = subject.store().fill(&id(9), items.collect(), BAG).await;
                if !new.is_empty() && total > BAG {
                    assert_eq!(actual, Err(StoreError::QuotaFull));
                } else {
                    assert_eq!(actual, Ok(total));
                    for key in keys {
                        if new.contains(&key) && model.seen.insert(key, now + ttl).is_none() {
                            model.bag.push_back((key, now + ttl));
                        }
                    }
                }
            }
            Op::Pop => {
                model.bag.retain(|(_, expires_at)| *expires_at > now);
                let expected = model
                    .bag
                    .pop_front()
                    .map(|(key, _)| Bytes::copy_from_slice(&[key]));
                assert_eq!(subject.store().pop(&id(9)).await.unwrap(), expected);
                assert_eq!(
                    subject.store().waiting(&id(9)).await.unwrap(),
                    model.bag.len() as u64
                );
            }
            Op::Advance(seconds) => {
                now += seconds;
                subject.clock.set(now);
            }
            Op::Sweep => drop(subject.store().sweep().await.unwrap()),
            Op::Reopen => subject.reopen().await,
        }
    }
}

fn told(space: &ModelBox, key: u8, now: u64) -> Option<Fate> {
    let fate = space
        .fates
        .get(&key)
        .filter(|fate| fate.remember_until > now)?;
    Some(if fate.fate == Fate::Waiting && fate.expires_at <= now {
        Fate::Expired
    } else {
        fate.fate.clone()
    })
}
