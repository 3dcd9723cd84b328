//! Drop boxes: announced by a device, written to by people whom the relay does not know.

use reqwest::{Client, Method, StatusCode};
use waxwing_crypto::drop::DropKey;
use waxwing_crypto::keys::{DeviceKey, TransportKey, device_entry};
use waxwing_relay::Rate;
use waxwing_tests::visitor::{Record, SealedFile, hash, payload};
use waxwing_wire::api::{DropInfo, DropReceipt, PutDrop};
use waxwing_wire::b64::B64;
use waxwing_wire::envelope::Envelope;
use waxwing_wire::ids::{DeviceId, DropId, EnvelopeId, MailboxId};
use waxwing_wire::limits::MAX_DROP_LIFE;
use waxwing_wire::problem::Slug;

use crate::relay_person::{Answer, Person, Running, START, running, running_with};

const DAY: u64 = 86_400;

/// Somebody with a link and nothing else.
struct Visitor {
    http: Client,
    base: String,
    id: DropId,
}

impl Visitor {
    fn at(running: &Running, own: &DropKey) -> Self {
        Self {
            http: Client::builder().no_proxy().build().unwrap(),
            base: format!("http://{}", running.address),
            id: own.record().id,
        }
    }

    async fn call(&self, method: Method, rest: &str, kind: &str, body: Vec<u8>) -> Answer {
        self.call_with(method, rest, kind, body, &[]).await
    }

    async fn call_with(
        &self,
        method: Method,
        rest: &str,
        kind: &str,
        body: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let path = format!("/v1/drops/{}{rest}", self.id);
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(method.clone(), url);
        if !body.is_empty() {
            request = request.header("content-type", kind).body(body);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        Answer {
            method,
            path,
            status: answer.status(),
            headers: answer.headers().clone(),
            body: answer.bytes().await.unwrap().to_vec(),
        }
    }

    async fn look(&self) -> Answer {
        self.call(Method::GET, "", "", Vec::new()).await
    }

    async fn hand_in(&self, submission: &[u8]) -> Answer {
        let kind = "application/cbor";
        self.call(Method::POST, "/envelopes", kind, submission.to_vec())
            .await
    }

    async fn announce(&self, file: &SealedFile) -> Answer {
        let body = serde_json::json!({
            "id": hex::encode(file.id),
            "length": file.bytes.len(),
            "sha256": hex::encode(hash(&file.bytes)),
            "expires_at": START + 30 * DAY,
        });
        let (rest, kind) = ("/attachments", "application/json");
        self.call(Method::POST, rest, kind, body.to_string().into_bytes())
            .await
    }

    async fn upload(&self, file: &SealedFile, offset: usize, end: usize) -> Answer {
        let rest = format!("/attachments/{}", hex::encode(file.id));
        let (kind, piece) = (
            "application/partial-upload",
            file.bytes[offset..end].to_vec(),
        );
        let at = offset.to_string();
        self.call_with(Method::PATCH, &rest, kind, piece, &[("upload-offset", &at)])
            .await
    }
}

fn made(id: u8) -> DropKey {
    DropKey::generate(DropId::new([id; 16]), "Alice".to_owned(), &mut rand::rng()).unwrap()
}

fn terms(own: &DropKey, expires_at: u64, once: bool) -> PutDrop {
    PutDrop {
        record: B64(own.record().encode()),
        expires_at,
        once,
    }
}

async fn put(person: &Person, own: &DropKey, terms: &PutDrop) -> Answer {
    let path = format!("/v1/drops/{}", own.record().id);
    person.put(path, terms).await
}

async fn end(person: &Person, own: &DropKey) -> Answer {
    person
        .delete(format!("/v1/drops/{}", own.record().id))
        .await
}

fn sealed(own: &DropKey, env_id: u8) -> Vec<u8> {
    sealed_until(own, env_id, START + 30 * DAY)
}

fn sealed_until(own: &DropKey, env_id: u8, until: u64) -> Vec<u8> {
    let record = own.record().encode();
    let record = Record::believe(&record, &hash(&record)).unwrap();
    let payload = payload([env_id; 16], START, "Hello.", None, &[]);
    let sealed = record.seal(&payload, [env_id; 16], until, &mut rand::rng());
    sealed.submission
}

#[tokio::test]
pub async fn a_drop_reaches_the_mailbox_of_the_boxs_device() {
    let running = running().await;
    let (alice, own) = (running.person().await, made(1));
    let visitor = Visitor::at(&running, &own);
    assert_eq!(visitor.look().await.slug(), Slug::UnknownDrop);
    let early = visitor.hand_in(&sealed(&own, 1)).await;
    assert_eq!(early.slug(), Slug::UnknownDrop);
    let until = START + 7 * DAY;
    for status in [StatusCode::CREATED, StatusCode::OK] {
        let answer = put(&alice, &own, &terms(&own, until, false)).await;
        assert_eq!(answer.status, status);
    }
    let info: DropInfo = visitor.look().await.json();
    assert_eq!(info.record.as_slice(), own.record().encode());
    assert_eq!(
        (info.expires_at, info.once, info.time),
        (until, false, START)
    );
    let drop = sealed(&own, 3);
    for status in [StatusCode::CREATED, StatusCode::OK] {
        let answer = visitor.hand_in(&drop).await;
        assert_eq!(answer.status, status);
        let receipt: DropReceipt = answer.json();
        assert_eq!(receipt.env_id, EnvelopeId::new([3; 16]));
        assert_eq!(receipt.received_at, START);
    }
    // Sealed anew under the same id: the first bytes stay.
    let other = visitor.hand_in(&sealed(&own, 3)).await;
    assert_eq!(other.slug(), Slug::EnvelopeConflict);
    let page = alice.mailbox(0).await;
    assert_eq!(page.items.len(), 1);
    let envelope = Envelope::decode(page.items[0].envelope.as_slice()).unwrap();
    let opened = own.open(envelope, START).unwrap();
    assert_eq!(*opened.drop.text, "Hello.");
}

#[tokio::test]
pub async fn a_box_belongs_to_its_device_and_ends_for_good() {
    let running = running().await;
    let (alice, bob, own) = (running.person().await, running.person().await, made(1));
    let visitor = Visitor::at(&running, &own);
    let wanted = terms(&own, START + DAY, false);
    assert_eq!(put(&alice, &own, &wanted).await.status, StatusCode::CREATED);
    assert_eq!(put(&bob, &own, &wanted).await.slug(), Slug::DropConflict);
    assert_eq!(end(&bob, &own).await.slug(), Slug::Forbidden);
    let other = terms(&made(1), START + DAY, false);
    assert_eq!(put(&alice, &own, &other).await.slug(), Slug::DropConflict);
    // Its time is moved, and is over.
    let wanted = terms(&own, START + 2 * DAY, false);
    assert_eq!(put(&alice, &own, &wanted).await.status, StatusCode::OK);
    running.clock.set(START + DAY);
    assert_eq!(visitor.look().await.status, StatusCode::OK);
    let drop = sealed(&own, 1);
    assert_eq!(visitor.hand_in(&drop).await.status, StatusCode::CREATED);
    running.clock.set(START + 2 * DAY);
    assert_eq!(visitor.look().await.slug(), Slug::DropEnded);
    let late = visitor.hand_in(&sealed(&own, 2)).await;
    assert_eq!(late.slug(), Slug::DropEnded);
    // Whose answer was lost is told that it came.
    assert_eq!(visitor.hand_in(&drop).await.status, StatusCode::OK);
    assert_eq!(alice.mailbox(0).await.items.len(), 1);
    for _ in 0..2 {
        assert_eq!(end(&alice, &own).await.status, StatusCode::NO_CONTENT);
    }
    let again = terms(&own, START + 9 * DAY, false);
    assert_eq!(put(&alice, &own, &again).await.slug(), Slug::DropEnded);
    assert_eq!(put(&bob, &own, &again).await.slug(), Slug::DropConflict);
}

#[tokio::test]
pub async fn a_box_for_one_drop_takes_one() {
    let running = running_with(|config| config.drops_waiting = 1).await;
    let (alice, own, other) = (running.person().await, made(1), made(2));
    let (visitor, elsewhere) = (Visitor::at(&running, &own), Visitor::at(&running, &other));
    put(&alice, &own, &terms(&own, START + DAY, true)).await;
    put(&alice, &other, &terms(&other, START + DAY, false)).await;
    // Where there is no room the place stays free.
    let first = elsewhere.hand_in(&sealed(&other, 9)).await;
    assert_eq!(first.status, StatusCode::CREATED);
    let (one, two) = (sealed(&own, 1), sealed(&own, 2));
    assert_eq!(visitor.hand_in(&one).await.slug(), Slug::DropFull);
    let page = alice.mailbox(0).await;
    assert_eq!(page.items.len(), 1, "nothing older was lost");
    let body = serde_json::json!({"seqs": [page.last_seq]});
    let ack = alice.post("/v1/mailbox/ack", &body).await;
    assert_eq!(ack.status, StatusCode::OK);
    let (one_answer, two_answer) = tokio::join!(visitor.hand_in(&one), visitor.hand_in(&two));
    let taken: Vec<_> = [(&one, &one_answer), (&two, &two_answer)]
        .into_iter()
        .filter(|(_, answer)| answer.status == StatusCode::CREATED)
        .collect();
    assert_eq!(taken.len(), 1, "{one_answer:?} {two_answer:?}");
    assert_eq!(visitor.hand_in(taken[0].0).await.status, StatusCode::OK);
    assert_eq!(visitor.look().await.slug(), Slug::DropEnded);
    let third = visitor.hand_in(&sealed(&own, 3)).await;
    assert_eq!(third.slug(), Slug::DropEnded);
}

#[tokio::test]
pub async fn files_come_to_a_box_in_pieces() {
    let running = running_with(|config| config.drop_file_bytes = 2 << 20).await;
    let (alice, own) = (running.person().await, made(1));
    let visitor = Visitor::at(&running, &own);
    let file = SealedFile::seal(&vec![7; 1_500_000], "a.bin", "", &mut rand::rng());
    assert_eq!(visitor.announce(&file).await.slug(), Slug::UnknownDrop);
    put(&alice, &own, &terms(&own, START + DAY, false)).await;
    let early = visitor.upload(&file, 0, 1 << 20).await;
    assert_eq!(early.slug(), Slug::UnknownAttachment);
    let answer = visitor.announce(&file).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let first = visitor.upload(&file, 0, 1 << 20).await;
    assert_eq!(first.status, StatusCode::NO_CONTENT);
    // After a cut the same announcement says where to go on.
    let state: serde_json::Value = visitor.announce(&file).await.json();
    assert_eq!(state["offset"], 1 << 20);
    assert_eq!(state["complete"], false);
    let again = visitor.upload(&file, 0, 1 << 20).await;
    assert_eq!(again.slug(), Slug::OffsetMismatch);
    let other = Visitor {
        id: DropId::new([2; 16]),
        ..Visitor::at(&running, &own)
    };
    let elsewhere = other.upload(&file, 1 << 20, file.bytes.len()).await;
    assert_eq!(elsewhere.slug(), Slug::Forbidden);
    let last = visitor.upload(&file, 1 << 20, file.bytes.len()).await;
    assert_eq!(last.headers["upload-complete"], "?1");
    let path = format!("/v1/attachments/{}", hex::encode(file.id));
    let fetched = alice.get(path).await;
    assert_eq!(fetched.body, file.bytes);
    let full = SealedFile::seal(&vec![7; 1_500_000], "b.bin", "", &mut rand::rng());
    assert_eq!(visitor.announce(&full).await.slug(), Slug::DropFull);
    let large = SealedFile::seal(&vec![7; 4_000_000], "c.bin", "", &mut rand::rng());
    assert_eq!(visitor.announce(&large).await.slug(), Slug::TooLarge);
}

#[tokio::test]
pub async fn what_is_no_box_and_no_drop_is_refused() {
    let running = running_with(|config| config.drop_boxes = 1).await;
    let (alice, own) = (running.person().await, made(1));
    let visitor = Visitor::at(&running, &own);
    for until in [START, START + MAX_DROP_LIFE + DAY] {
        let refused = put(&alice, &own, &terms(&own, until, false)).await;
        assert_eq!(refused.slug(), Slug::DropInvalid);
    }
    let other = terms(&made(2), START + DAY, false);
    assert_eq!(put(&alice, &own, &other).await.slug(), Slug::DropInvalid);
    put(&alice, &own, &terms(&own, START + DAY, false)).await;
    let many = made(3);
    let refused = put(&alice, &many, &terms(&many, START + DAY, false)).await;
    assert_eq!(refused.slug(), Slug::Forbidden);
    // Another box's drop, another key's, one that is over, and bytes.
    let foreign = [
        sealed(&made(2), 1),
        sealed(&made(1), 1),
        sealed_until(&own, 1, START),
        sealed_until(&own, 1, START + 31 * DAY),
        b"no drop".to_vec(),
    ];
    for drop in foreign {
        assert_eq!(visitor.hand_in(&drop).await.slug(), Slug::SubmissionInvalid);
    }
    let kind = visitor
        .call(Method::POST, "/envelopes", "text/plain", sealed(&own, 1))
        .await;
    assert_eq!(kind.slug(), Slug::UnsupportedMediaType);
    assert_eq!(alice.mailbox(0).await.items.len(), 0);
    // The one that has ended makes room for another.
    assert_eq!(end(&alice, &own).await.status, StatusCode::NO_CONTENT);
    let next = put(&alice, &many, &terms(&many, START + DAY, false)).await;
    assert_eq!(next.status, StatusCode::CREATED);
}

#[tokio::test]
pub async fn who_asks_too_often_is_counted_by_address() {
    let running = running_with(|config| {
        config.visitor_rate = Rate::new(1, 2);
        config.is_behind_proxy = true;
    })
    .await;
    let (alice, own) = (running.person().await, made(1));
    let visitor = Visitor::at(&running, &own);
    put(&alice, &own, &terms(&own, START + DAY, false)).await;
    let from = async |chain: &str| {
        let headers = [("x-forwarded-for", chain)];
        let asked = visitor.call_with(Method::GET, "", "", Vec::new(), &headers);
        asked.await
    };
    for _ in 0..2 {
        let answer = from("192.0.2.1, 2001:db8:0:1::1").await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    // One household, whatever it says of itself.
    let refused = from("198.51.100.9, 2001:db8:0:1::2").await;
    assert_eq!(refused.slug(), Slug::TooManyRequests);
    assert!(refused.headers.contains_key("retry-after"));
    let neighbour = from("192.0.2.1, 2001:db8:0:2::1").await;
    assert_eq!(neighbour.status, StatusCode::OK);
}

#[tokio::test]
pub async fn the_box_of_a_removed_device_has_ended() {
    let running = running().await;
    let (alice, own) = (running.person().await, made(1));
    let visitor = Visitor::at(&running, &own);
    put(&alice, &own, &terms(&own, START + DAY, false)).await;
    let running = running.restart(|_| {}).await;
    let visitor = Visitor {
        base: format!("http://{}", running.address),
        ..visitor
    };
    let answer = visitor.hand_in(&sealed(&own, 1)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "a restart keeps it");
    let rng = &mut rand::rng();
    let (signing, transport) = (DeviceKey::generate(rng), TransportKey::generate(rng));
    let (device, mailbox) = (DeviceId::generate(rng), MailboxId::generate(rng));
    let entry = device_entry(device, mailbox, &signing, &transport, START);
    let card = alice.next_card(vec![entry]);
    let other = Person {
        device,
        mailbox,
        device_key: signing,
        transport,
        address: running.address,
        ..alice
    };
    let put = other.put_card_call(card.as_bytes(), ("if-match", "\"1\"".into()));
    assert_eq!(other.send(put).await.status, StatusCode::OK);
    let late = visitor.hand_in(&sealed(&own, 2)).await;
    assert_eq!(late.slug(), Slug::DropEnded);
}
