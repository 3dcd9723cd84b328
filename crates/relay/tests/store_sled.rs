//! The storage contract against the embedded store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use waxwing_relay::clock::ManualClock;
use waxwing_relay::store::conformance::{START, Subject, crash};
use waxwing_relay::store::{AnyStore, OpenStoreError, SledOptions, SledStore};

fn open(folder: &Path, clock: &ManualClock) -> AnyStore {
    let options = SledOptions {
        reserve_bytes: 0,
        ..SledOptions::new(folder, Arc::new(clock.clone()))
    };
    SledStore::open(&options).unwrap().into_any()
}

async fn subject() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(START);
    let (path, its_clock) = (folder.path().to_owned(), clock.clone());
    let opener = move || {
        let store = open(&path, &its_clock);
        Box::pin(async move { store }) as std::pin::Pin<Box<dyn Future<Output = AnyStore> + Send>>
    };
    Subject::new(clock, Box::new(opener), folder).await
}

waxwing_relay::conform!(crate::subject);

/// The child's half of the crash case: not a test by itself.
#[test]
#[ignore = "is started by the crash case"]
fn crash_child() {
    let Ok(folder) = std::env::var("WAXWING_CRASH_FOLDER") else {
        return;
    };
    let round = std::env::var("WAXWING_CRASH_ROUND")
        .unwrap()
        .parse()
        .unwrap();
    let told = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(Path::new(&folder).join("told"))
        .unwrap();
    let store = open(&Path::new(&folder).join("store"), &ManualClock::new(START));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap()
        .block_on(crash::work(store, round, told));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = 0;
    for round in 0..4_u32 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash_child", "--ignored", "--nocapture"])
            .env("WAXWING_CRASH_FOLDER", folder.path())
            .env("WAXWING_CRASH_ROUND", round.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let told = folder.path().join("told");
        let goal = lines + 3000 + 517 * u64::from(round);
        let enough = async {
            while count_lines(&told) < goal {
                assert!(
                    child.try_wait().unwrap().is_none(),
                    "the child ended by itself"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), enough)
            .await
            .unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        lines = count_lines(&told);
    }
    let store = open(&folder.path().join("store"), &ManualClock::new(START));
    let mut told = String::new();
    std::fs::File::open(folder.path().join("told"))
        .unwrap()
        .read_to_string(&mut told)
        .unwrap();
    assert!(crash::check(&store, &told).await >= 12_000);
}

fn count_lines(path: &Path) -> u64 {
    std::fs::read(path).map_or(0, |bytes| {
        bytes.split(|byte| *byte == b'\n').count() as u64 - 1
    })
}

#[tokio::test]
async fn two_processes_cannot_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(START);
    let first = open(folder.path(), &clock);
    let second = SledStore::open(&SledOptions::new(folder.path(), Arc::new(clock.clone())));
    assert!(matches!(second, Err(OpenStoreError::InUse)));
    drop(first);
    drop(open(folder.path(), &clock));
}

#[tokio::test]
async fn a_half_written_snapshot_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(START);
    let store = open(folder.path(), &clock);
    store
        .append(waxwing_relay::store::conformance::item(b"box", b"k", b"x"))
        .await
        .unwrap();
    store.close().await.unwrap();
    drop(store);
    let engine = folder.path().join("engine");
    std::fs::write(engine.join("snap.00000000000000FF.generating"), b"half").unwrap();
    for entry in std::fs::read_dir(&engine).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("snap.") && !name.ends_with(".generating") {
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0xff;
            std::fs::write(&path, bytes).unwrap();
        }
    }
    let store = open(folder.path(), &clock);
    assert_eq!(store.read(b"box", 0, 9, usize::MAX).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_full_disk_refuses_new_mail_and_still_lets_old_mail_go() {
    use waxwing_relay::store::conformance::item;
    use waxwing_relay::store::{Ack, StoreError};
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(START);
    let store = open(folder.path(), &clock);
    let put = store.append(item(b"box", b"k", b"x")).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let options = SledOptions {
        reserve_bytes: u64::MAX,
        ..SledOptions::new(folder.path(), Arc::new(clock))
    };
    let store = SledStore::open(&options).unwrap().into_any();
    assert_eq!(
        store.append(item(b"box", b"l", b"x")).await,
        Err(StoreError::DiskFull)
    );
    assert_eq!(store.probe().await, Err(StoreError::DiskFull));
    assert!(
        store
            .append(item(b"box", b"k", b"x"))
            .await
            .unwrap()
            .repeated
    );
    assert_eq!(
        store
            .ack(
                b"box",
                vec![Ack {
                    seq: put.seq,
                    note: None
                }]
            )
            .await
            .unwrap(),
        1
    );
}
