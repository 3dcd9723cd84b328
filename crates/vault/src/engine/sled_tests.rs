#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const TREES: [&str; 3] = ["one", "two", "three"];

fn put(tree: &'static str, key: &[u8], value: &[u8]) -> Op {
    Op {
        tree,
        key: key.to_vec(),
        change: Change::Put(value.to_vec()),
    }
}

fn fill(path: &Path, rows: u32) {
    let engine = SledEngine::open(path).unwrap();
    for row in 0..rows {
        let value = vec![row as u8; 200];
        engine
            .apply(&[
                put("one", &row.to_be_bytes(), &value),
                put("two", &row.to_be_bytes(), &value),
            ])
            .unwrap();
    }
    engine.sync().unwrap();
}

fn check(path: &Path, rows: u32) {
    let engine = SledEngine::open(path).unwrap();
    for tree in ["one", "two"] {
        let all = super::super::all_rows(&engine, tree).unwrap();
        assert_eq!(all.len(), rows as usize);
        assert!(all.iter().all(|(key, value)| value == &vec![key[3]; 200]));
    }
}

#[test]
fn a_store_without_counts_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 5);
    let engine = SledEngine::open(dir.path()).unwrap();
    engine.db.drop_tree(COUNTS).unwrap();
    drop(engine);
    let engine = SledEngine::open(dir.path()).unwrap();
    engine.apply(&[put("one", b"another", b"row")]).unwrap();
    assert_eq!(engine.count("one", &[]).unwrap(), 6);
    assert_eq!(engine.count("two", &[]).unwrap(), 5);
}

/// A snapshot as it lies on disk after opening; sled writes one at each open.
fn newest_snapshot(path: &Path) -> PathBuf {
    fill(path, 98);
    drop(SledEngine::open(path).unwrap());
    drop(SledEngine::open(path).unwrap());
    let mut found = snapshots(path).unwrap();
    found.sort();
    found.pop().expect("sled wrote no snapshot")
}

#[test]
fn a_torn_snapshot_is_moved_aside_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = newest_snapshot(dir.path());
    let bytes = fs::read(&snapshot).unwrap();
    fs::write(&snapshot, &bytes[..bytes.len() / 2]).unwrap();
    check(dir.path(), 98);
    let aside = fs::read_dir(dir.path()).unwrap().filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("aside-0.snap.")
    });
    assert_eq!(aside.count(), 1, "the torn snapshot was not kept");
}

#[test]
fn an_empty_snapshot_is_moved_aside_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = newest_snapshot(dir.path());
    fs::write(&snapshot, b"").unwrap();
    check(dir.path(), 98);
}

#[test]
fn a_half_written_snapshot_is_removed_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = newest_snapshot(dir.path());
    let mut half = snapshot.into_os_string();
    half.push(".generating");
    fs::write(&half, b"half").unwrap();
    check(dir.path(), 98);
    assert!(!Path::new(&half).exists());
}

/// sled never fsyncs files in `blobs/`; what would land there is not safe from a power cut.
#[test]
fn no_row_is_ever_kept_in_a_file_that_is_not_synced() {
    let dir = tempfile::tempdir().unwrap();
    let engine = SledEngine::open(dir.path()).unwrap();
    for round in 0..3u8 {
        for row in 0..64u32 {
            let value = vec![round; 100_000 + row as usize];
            engine
                .apply(&[put("one", &row.to_be_bytes(), &value)])
                .unwrap();
            engine
                .apply(&[put("two", &row.to_be_bytes(), &value[..PIECE])])
                .unwrap();
        }
        engine.sync().unwrap();
        let blobs = fs::read_dir(dir.path().join("blobs")).unwrap().count();
        assert_eq!(blobs, 0);
    }
    let loaded = engine.load("one", &63u32.to_be_bytes()).unwrap().unwrap();
    assert_eq!(loaded, vec![2; 100_063]);
}

#[test]
fn a_shorter_value_leaves_no_pieces_of_the_longer_one() {
    let dir = tempfile::tempdir().unwrap();
    let engine = SledEngine::open(dir.path()).unwrap();
    engine.apply(&[put("one", b"k", &vec![1; 50_000])]).unwrap();
    assert_eq!(engine.pieces("one").unwrap().len(), 9);
    engine.apply(&[put("one", b"k", &[2; 7_000])]).unwrap();
    assert_eq!(engine.pieces("one").unwrap().len(), 2);
    assert_eq!(engine.load("one", b"k").unwrap(), Some(vec![2; 7_000]));
    engine
        .apply(&[Op {
            tree: "one",
            key: b"k".to_vec(),
            change: Change::Delete,
        }])
        .unwrap();
    assert!(engine.is_empty().unwrap());
}

#[test]
fn prefixes_end_where_they_should() {
    assert_eq!(end_of_prefix(b"ab"), Some(b"ac".to_vec()));
    assert_eq!(end_of_prefix(&[1, 255]), Some(vec![2]));
    assert_eq!(end_of_prefix(&[255, 255]), None);
    assert_eq!(end_of_prefix(b""), None);
}

#[derive(Debug, Clone)]
enum Step {
    Apply(Vec<(usize, u8, Option<usize>, bool)>),
    Sync,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let change = (
        0..3usize,
        0..12u8,
        prop::option::of(prop_oneof![0..300usize, 6_000..20_000usize]),
        any::<bool>(),
    );
    prop_oneof![
        12 => prop::collection::vec(change, 1..8).prop_map(Step::Apply),
        2 => Just(Step::Sync),
        1 => Just(Step::Reopen),
    ]
}

type Model = BTreeMap<(usize, Vec<u8>), Vec<u8>>;

fn agrees(engine: &SledEngine, model: &Model) -> Result<(), TestCaseError> {
    for (number, tree) in TREES.into_iter().enumerate() {
        let expected: Vec<Raw> = model
            .iter()
            .filter(|((t, _), _)| *t == number)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect();
        prop_assert_eq!(engine.count(tree, &[]).unwrap(), expected.len() as u64);
        prop_assert_eq!(&super::super::all_rows(engine, tree).unwrap(), &expected);
        let mut reversed = expected.clone();
        reversed.reverse();
        let mut paged = Vec::new();
        loop {
            let after = paged.last().map(|(key, _): &Raw| key.clone());
            let page = engine
                .page(tree, &[], after.as_deref(), Order::NewestFirst, 2)
                .unwrap();
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        prop_assert_eq!(&paged, &reversed);
        let under = expected
            .iter()
            .filter(|(key, _)| key.starts_with(&[7]))
            .count() as u64;
        prop_assert_eq!(engine.count(tree, &[7]).unwrap(), under);
        prop_assert_eq!(
            engine
                .page(tree, &[7], None, Order::OldestFirst, 99)
                .unwrap()
                .len() as u64,
            under
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn it_behaves_like_a_map_of_maps(steps in prop::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = SledEngine::open(dir.path()).unwrap();
        let mut model = Model::new();
        for step in steps {
            match step {
                Step::Sync => engine.sync().unwrap(),
                Step::Reopen => {
                    drop(engine);
                    engine = SledEngine::open(dir.path()).unwrap();
                }
                Step::Apply(changes) => {
                    let mut next = model.clone();
                    let mut ops = Vec::new();
                    let mut refused = false;
                    for (tree, byte, length, create) in changes {
                        let key = vec![byte, tree as u8];
                        let row = (tree, key.clone());
                        let change = match length {
                            None => {
                                next.remove(&row);
                                Change::Delete
                            }
                            Some(length) => {
                                let value = vec![byte ^ length as u8; length];
                                refused |= create && next.contains_key(&row);
                                next.insert(row, value.clone());
                                if create { Change::Create(value) } else { Change::Put(value) }
                            }
                        };
                        ops.push(Op { tree: TREES[tree], key, change });
                    }
                    let applied = engine.apply(&ops);
                    prop_assert_eq!(applied.is_err(), refused);
                    if !refused {
                        model = next;
                    }
                }
            }
            agrees(&engine, &model)?;
        }
    }
}
