//! Links between devices: asked for by nobody that the relay knows, small, once, and not for long.

use std::time::{Duration, Instant};

use reqwest::{Client, Method, StatusCode};
use waxwing_relay::Rate;
use waxwing_wire::ids::LinkId;
use waxwing_wire::limits::{LINK_LIFE, MAX_LINK_BYTES};
use waxwing_wire::problem::Slug;

use crate::relay_person::{Answer, Running, running, running_with, within};

/// Somebody without an account and without a key.
struct Nobody {
    http: Client,
    base: String,
    link: LinkId,
}

impl Nobody {
    fn at(running: &Running) -> Self {
        Self {
            http: Client::builder().no_proxy().build().unwrap(),
            base: format!("http://{}", running.address),
            link: LinkId::generate(&mut rand::rng()),
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/links/{}{rest}", self.link)
    }

    async fn call(&self, method: Method, rest: &str, body: Option<(&str, Vec<u8>)>) -> Answer {
        let path = self.path(rest);
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.base));
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind).body(body);
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

    async fn put(&self, slot: &str, body: &[u8]) -> Answer {
        let body = Some(("application/cbor", body.to_vec()));
        self.call(Method::PUT, &format!("/{slot}"), body).await
    }

    async fn get(&self, slot: &str) -> Answer {
        self.call(Method::GET, &format!("/{slot}"), None).await
    }

    async fn end(&self) -> Answer {
        self.call(Method::DELETE, "", None).await
    }
}

#[tokio::test]
pub async fn two_devices_meet_without_an_account() {
    let running = running_with(|config| config.links = 3).await;
    let nobody = Nobody::at(&running);
    assert_eq!(nobody.get("offer").await.slug(), Slug::UnknownLink);
    // A link begins with its offer.
    assert_eq!(
        nobody.put("hello", b"hello").await.slug(),
        Slug::UnknownLink
    );
    for status in [StatusCode::CREATED, StatusCode::OK] {
        assert_eq!(nobody.put("offer", b"offer").await.status, status);
    }
    assert_eq!(
        nobody.put("offer", b"other").await.slug(),
        Slug::LinkConflict
    );
    let offer = nobody.get("offer").await;
    assert_eq!(
        (offer.status, &offer.body[..]),
        (StatusCode::OK, &b"offer"[..])
    );
    assert_eq!(offer.header("content-type"), "application/cbor");
    assert_eq!(nobody.get("hello").await.status, StatusCode::NO_CONTENT);
    // Who waits is answered with what comes.
    let begun = Instant::now();
    let wait = within(nobody.get("hello?wait=30"));
    let (waited, put) = tokio::join!(wait, nobody.put("hello", b"hello"));
    assert_eq!(put.status, StatusCode::CREATED);
    assert_eq!(
        (waited.status, &waited.body[..]),
        (StatusCode::OK, &b"hello"[..])
    );
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(
        nobody.put("grant", b"grant").await.status,
        StatusCode::CREATED
    );
    assert_eq!(nobody.get("grant").await.body, b"grant");

    // Small, of one kind, and in the three places that there are.
    let large = vec![0; MAX_LINK_BYTES + 1];
    let other = Nobody::at(&running);
    assert_eq!(other.put("offer", &large).await.slug(), Slug::TooLarge);
    let fits = other.put("offer", &large[1..]).await;
    assert_eq!(fits.status, StatusCode::CREATED);
    let text = Some(("text/plain", b"offer".to_vec()));
    let kind = other.call(Method::PUT, "/hello", text).await;
    assert_eq!(kind.slug(), Slug::UnsupportedMediaType);
    assert_eq!(other.get("secret").await.slug(), Slug::NotFound);
    assert_eq!(other.get("hello?wait=x").await.slug(), Slug::BodyInvalid);

    // No more than so many at once, and none for longer than five minutes.
    let third = Nobody::at(&running);
    assert_eq!(third.put("offer", b"3").await.status, StatusCode::CREATED);
    let (slug, problem) = Nobody::at(&running).put("offer", b"4").await.problem();
    assert_eq!(
        (slug, problem.retry_after),
        (Slug::TooManyRequests, Some(LINK_LIFE))
    );
    running.clock.advance(LINK_LIFE);
    assert_eq!(nobody.get("offer").await.slug(), Slug::UnknownLink);
    assert_eq!(other.put("hello", b"late").await.slug(), Slug::UnknownLink);
    let fourth = Nobody::at(&running).put("offer", b"4").await;
    assert_eq!(fourth.status, StatusCode::CREATED);
}

#[tokio::test]
pub async fn either_device_may_end_a_link() {
    let running = running().await;
    let nobody = Nobody::at(&running);
    assert_eq!(nobody.end().await.status, StatusCode::NO_CONTENT);
    assert_eq!(
        nobody.put("offer", b"offer").await.status,
        StatusCode::CREATED
    );
    let wait = within(nobody.get("hello?wait=30"));
    let (waited, ended) = tokio::join!(wait, nobody.end());
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    assert_eq!(waited.slug(), Slug::LinkEnded);
    assert_eq!(nobody.put("hello", b"hello").await.slug(), Slug::LinkEnded);
    assert_eq!(nobody.put("offer", b"offer").await.slug(), Slug::LinkEnded);
    assert_eq!(nobody.end().await.status, StatusCode::NO_CONTENT);
    // Other links go on.
    let other = Nobody::at(&running);
    assert_eq!(
        other.put("offer", b"offer").await.status,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn links_are_counted_and_survive_no_restart() {
    let running = running_with(|config| config.link_rate = Rate::new(1, 3)).await;
    let nobody = Nobody::at(&running);
    assert_eq!(
        nobody.put("offer", b"offer").await.status,
        StatusCode::CREATED
    );
    let mut slugs = Vec::new();
    for _ in 0..6 {
        let answer = nobody.get("offer").await;
        slugs.push((!answer.status.is_success()).then(|| answer.slug()));
    }
    assert!(slugs.contains(&Some(Slug::TooManyRequests)), "{slugs:?}");
    let running = running.restart(|_| {}).await;
    let nobody = Nobody {
        base: format!("http://{}", running.address),
        ..nobody
    };
    assert_eq!(nobody.get("offer").await.slug(), Slug::UnknownLink);
}
