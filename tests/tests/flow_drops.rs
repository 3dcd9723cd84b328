//! A visitor without an account writes to a drop box, and its owner reads. The visitor seals with the
//! bare primitives, from the protocol alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use reqwest::{Client, Method, Response, StatusCode};
use waxwing_client::Failure;
use waxwing_client::view::{
    BurnRule, DropBox, DropBoxState, EnvelopeRow, EnvelopeView, Folder, IncomingState, Unopenable,
};
use waxwing_relay::store::{Expect, Space};
use waxwing_tests::cutter::Cutter;
use waxwing_tests::engine::{Engine, Street};
use waxwing_tests::visitor::{Record, SealedFile, hash, payload};
use waxwing_vault::rows::{self, DropState};
use waxwing_wire::api::{DropInfo, DropReceipt};
use waxwing_wire::b64;
use waxwing_wire::ids::DropId;
use waxwing_wire::problem::{Problem, Slug};

const DAY: u64 = 86_400;

/// Somebody with a link.
struct Visitor {
    http: Client,
    calls: String,
    hash: Vec<u8>,
}

impl Visitor {
    fn with(link: &str) -> Self {
        let (place, hash) = link.split_once('#').unwrap();
        Self {
            http: Client::builder().no_proxy().build().unwrap(),
            calls: place.replace("/drop/", "/v1/drops/"),
            hash: b64::decode(hash).unwrap(),
        }
    }

    async fn look(&self) -> Response {
        self.http.get(&self.calls).send().await.unwrap()
    }

    /// The box's record, if the link vouches for it.
    async fn record(&self) -> Option<Record> {
        let info: DropInfo = self.look().await.json().await.unwrap();
        Record::believe(info.record.as_slice(), &self.hash)
    }

    async fn seal(&self, payload: &[u8]) -> Vec<u8> {
        let record = self.record().await.unwrap();
        let (env_id, until) = (rand::random(), now() + 30 * DAY);
        let sealed = record.seal(payload, env_id, until, &mut rand::rng());
        sealed.submission
    }

    async fn hand_in(&self, submission: &[u8]) -> Response {
        let request = self.http.post(format!("{}/envelopes", self.calls));
        let request = request.header("content-type", "application/cbor");
        request.body(submission.to_vec()).send().await.unwrap()
    }

    async fn write(&self, text: &str) -> Vec<u8> {
        let payload = payload(rand::random(), now(), text, None, &[]);
        let submission = self.seal(&payload).await;
        let answer = self.hand_in(&submission).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        submission
    }

    async fn upload(&self, file: &SealedFile) {
        let body = serde_json::json!({
            "id": hex::encode(file.id),
            "length": file.bytes.len(),
            "sha256": hex::encode(hash(&file.bytes)),
            "expires_at": now() + 30 * DAY,
        });
        let announced = self
            .http
            .post(format!("{}/attachments", self.calls))
            .json(&body);
        let announced = announced.send().await.unwrap();
        assert_eq!(announced.status(), StatusCode::CREATED);
        let url = format!("{}/attachments/{}", self.calls, hex::encode(file.id));
        for (number, piece) in file.bytes.chunks(1 << 20).enumerate() {
            let request = self.http.request(Method::PATCH, &url);
            let request = request
                .header("content-type", "application/partial-upload")
                .header("upload-offset", number << 20);
            let answer = request.body(piece.to_vec()).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        }
    }
}

async fn slug(answer: Response) -> Slug {
    answer.json::<Problem>().await.unwrap().slug().unwrap()
}

fn now() -> u64 {
    let epoch = std::time::SystemTime::UNIX_EPOCH;
    epoch.elapsed().unwrap().as_secs()
}

async fn opened(owner: &Engine, bodies: &[&str]) -> Vec<EnvelopeView> {
    let rows = owner
        .until("drops", async || {
            let rows = owner.list(Folder::Inbox).await;
            let rows: Vec<EnvelopeRow> = rows.into_iter().filter(|r| r.drop.is_some()).collect();
            (rows.len() >= bodies.len()).then_some(rows)
        })
        .await;
    let mut views = Vec::new();
    for row in rows.into_iter().rev() {
        views.push(owner.envelope(row.id).await.unwrap());
    }
    let shown: Vec<&str> = views.iter().map(|view| &*view.body).collect();
    assert_eq!(shown, bodies);
    views
}

async fn made(owner: &Engine, burn: BurnRule) -> DropBox {
    let made = owner.make_drop_box("Alice’s box".to_owned(), 7, burn).await;
    let made = made.unwrap();
    assert_eq!(made.state, DropBoxState::Open);
    made
}

async fn only(owner: &Engine) -> DropBox {
    let mut boxes = owner.drop_boxes().await.unwrap();
    assert_eq!(boxes.len(), 1);
    boxes.remove(0)
}

fn drop_id(shown: &DropBox) -> DropId {
    shown.id.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_visitor_drops_is_read_with_its_files_byte_for_byte() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let visitor = Visitor::with(&made(&alice, BurnRule::Keep).await.link);
    let record = visitor.record().await.unwrap();
    assert_eq!(record.name, "Alice’s box");

    let mut large = vec![0; 2_500_000];
    rand::fill(&mut large[..]);
    let rng = &mut rand::rng();
    let files = [
        SealedFile::seal(&large, "large.bin", "application/octet-stream", rng),
        SealedFile::seal(b"", "empty.txt", "text/plain", rng),
    ];
    for file in &files {
        visitor.upload(file).await;
    }
    let text = "Under the third stone.\n\nÄ 漢 🕊";
    let written = payload(
        [7; 16],
        now(),
        text,
        Some("by post"),
        &[&files[0], &files[1]],
    );
    let drop = visitor.seal(&written).await;
    let answer = visitor.hand_in(&drop).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let receipt: DropReceipt = answer.json().await.unwrap();
    // Its answer was lost, perhaps: nothing is doubled.
    assert_eq!(visitor.hand_in(&drop).await.status(), StatusCode::OK);

    let view = opened(&alice, &[text]).await.remove(0);
    assert_eq!(view.row.from, None, "nobody vouches for who wrote it");
    let source = view.row.drop.clone().unwrap();
    assert_eq!(source.name, "Alice’s box");
    assert_eq!(source.reach.as_deref(), Some("by post"));
    let number = receipt.env_id.to_string();
    assert_eq!(source.receipt.replace('-', ""), number[..8]);
    let folder = street.desk().join("saved");
    for (file, content) in view.files.iter().zip([&large[..], b""]) {
        let saved = alice.save_file(view.row.id.clone(), file.id.clone(), folder.clone());
        saved.await.unwrap();
        assert!(std::fs::read(folder.join(&file.name)).unwrap() == content);
    }
    let draft = alice.new_draft(Some(view.row.id)).await.unwrap();
    assert_eq!(draft.to, [""; 0], "there is nobody to answer");
    let shown = only(&alice).await;
    assert_eq!((shown.opened, shown.waiting), (1, 0));
    assert!(shown.last_drop.is_some());
    let qr = alice.drop_box_qr(shown.id).await.unwrap();
    assert!(qr.rows.len() > 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_the_relay_swapped_is_not_believed() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let one = made(&alice, BurnRule::Keep).await;
    let other = made(&alice, BurnRule::Keep).await;
    let (visitor, elsewhere) = (Visitor::with(&one.link), Visitor::with(&other.link));
    let (mine, foreign) = (
        visitor.record().await.unwrap(),
        elsewhere.record().await.unwrap(),
    );
    let wrong = Visitor {
        hash: elsewhere.hash.clone(),
        ..Visitor::with(&one.link)
    };
    assert!(wrong.record().await.is_none(), "a link of two halves");
    let key = drop_id(&one);
    street
        .lie(async |store| {
            let stored = store.load(Space::Drops, key.as_bytes()).await.unwrap();
            let mut value = stored.unwrap().value.to_vec();
            let place = value.windows(32).position(|part| part == mine.key);
            let place = place.unwrap();
            value[place..place + 32].copy_from_slice(&foreign.key);
            let saved = store.save(
                Space::Drops,
                key.as_bytes(),
                Some(value.into()),
                Expect::Any,
            );
            saved.await.unwrap();
        })
        .await;
    assert!(visitor.record().await.is_none(), "another key");
    // What is sealed to the true key all the same does not pass for the swapped one.
    let written = payload([1; 16], now(), "Hello.", None, &[]);
    let sealed = mine.seal(&written, [1; 16], now() + DAY, &mut rand::rng());
    let answer = visitor.hand_in(&sealed.submission).await;
    assert_eq!(slug(answer).await, Slug::SubmissionInvalid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_comes_once_through_locks_cuts_and_restarts() {
    let (street, cutter) = Cutter::street().await;
    let alice = street.person_at("alice", cutter.address()).await;
    let visitor = Visitor::with(&made(&alice, BurnRule::Keep).await.link);
    alice.lock().await;
    cutter.cut(&[("POST", "/v1/mailbox/ack")]);
    let first = visitor.write("One").await;
    alice
        .until("cut", async || cutter.left().is_empty().then_some(()))
        .await;
    // It is on the disk as ciphertext, and the relay was not told, for all that is known here.
    let alice = street.restart(alice).await;
    alice.online().await;
    opened(&alice, &["One"]).await;
    assert_eq!(visitor.hand_in(&first).await.status(), StatusCode::OK);
    // The same words under another envelope are a repetition.
    let again = payload([9; 16], now(), "Two", None, &[]);
    for status in [StatusCode::CREATED; 2] {
        let sealed = visitor.seal(&again).await;
        assert_eq!(visitor.hand_in(&sealed).await.status(), status);
    }
    visitor.write("Three").await;
    opened(&alice, &["One", "Two", "Three"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_for_one_drop_ends_with_it() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let shown = made(&alice, BurnRule::Once).await;
    let visitor = Visitor::with(&shown.link);
    let second = payload([2; 16], now(), "Two", None, &[]);
    let second = visitor.seal(&second).await;
    let first = visitor.write("One").await;
    assert_eq!(slug(visitor.hand_in(&second).await).await, Slug::DropEnded);
    opened(&alice, &["One"]).await;
    let used = only(&alice).await;
    assert_eq!((used.state, used.opened), (DropBoxState::Used, 1));
    assert_eq!(slug(visitor.look().await).await, Slug::DropEnded);
    assert_eq!(visitor.hand_in(&first).await.status(), StatusCode::OK);
    alice.close().await;
    let row = street.with_vault("alice", |open| {
        open.store()
            .load::<rows::DropBox>(&drop_id(&shown))
            .unwrap()
    });
    assert_eq!(row.unwrap().secret(), None, "its key is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_box_is_gone_with_what_waits_in_it() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let shown = made(&alice, BurnRule::Keep).await;
    let kept = made(&alice, BurnRule::Keep).await;
    let (visitor, other) = (Visitor::with(&shown.link), Visitor::with(&kept.link));
    visitor.write("Before").await;
    opened(&alice, &["Before"]).await;
    alice.close().await;
    // Handed in while nobody fetches, and the box removed before it comes.
    visitor.write("Too late").await;
    street.with_vault("alice", |open| {
        let mut row = open.store().load::<rows::DropBox>(&drop_id(&shown));
        let mut row = row.as_mut().unwrap().take().unwrap();
        row.end(DropState::Removed);
        let stored = open.store().commit(&mut rand::rng(), |tx| tx.put(&row));
        stored.unwrap();
    });
    let alice = street.open("alice").await;
    alice.unlock().await;
    alice.online().await;
    other.write("After").await;
    opened(&alice, &["Before", "After"]).await;
    assert_eq!(only(&alice).await.id, kept.id);
    alice.remove_drop_box(kept.id.clone()).await.unwrap();
    assert_eq!(alice.drop_boxes().await.unwrap(), []);
    let again = alice.remove_drop_box(kept.id).await;
    assert_eq!(again, Err(Failure::NotFound));
    for gone in [visitor, other] {
        assert_eq!(slug(gone.look().await).await, Slug::DropEnded);
    }
    assert_eq!(
        alice.list(Folder::Inbox).await.len(),
        2,
        "what was read stays"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_made_without_a_relay_is_announced_later() {
    let street = Street::with(|config| config.drops_waiting = 1).await;
    let alice = street.person("alice").await;
    for name in ["", " ", "two\nlines", &"a".repeat(81)] {
        let refused = alice
            .make_drop_box(name.to_owned(), 7, BurnRule::Keep)
            .await;
        assert_eq!(refused, Err(Failure::DropNameInvalid));
    }
    street.stop_relay().await;
    let made = alice.make_drop_box("Later".to_owned(), 7, BurnRule::Keep);
    assert_eq!(made.await.unwrap().state, DropBoxState::New);
    street.start_relay().await;
    let shown = alice
        .until("announced", async || {
            let shown = only(&alice).await;
            (shown.state == DropBoxState::Open).then_some(shown)
        })
        .await;
    let visitor = Visitor::with(&shown.link);
    alice.close().await;
    visitor.write("One").await;
    let second = payload([2; 16], now(), "Two", None, &[]);
    let second = visitor.seal(&second).await;
    assert_eq!(slug(visitor.hand_in(&second).await).await, Slug::DropFull);
    let alice = street.open("alice").await;
    alice.unlock().await;
    opened(&alice, &["One"]).await;
    assert_eq!(visitor.hand_in(&second).await.status(), StatusCode::CREATED);
    opened(&alice, &["One", "Two"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_drop_is_kept_with_its_reason() {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let visitor = Visitor::with(&made(&alice, BurnRule::Once).await.link);
    let sealed = visitor.seal(b"no payload").await;
    let answer = visitor.hand_in(&sealed).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let row = alice
        .until("kept", async || {
            alice.list(Folder::Inbox).await.into_iter().next()
        })
        .await;
    let reason = Unopenable::Damaged;
    assert_eq!(row.incoming, Some(IncomingState::Unopenable { reason }));
    let shown = only(&alice).await;
    assert_eq!((shown.state, shown.waiting), (DropBoxState::Used, 1));
    let alice = street.restart(alice).await;
    alice.online().await;
    assert_eq!(
        only(&alice).await.waiting,
        1,
        "it is still there to be seen"
    );
    alice.remove_drop_box(shown.id).await.unwrap();
    assert_eq!(alice.list(Folder::Inbox).await, []);
}
