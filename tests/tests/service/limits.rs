//! What one caller can cost the service.

use std::time::{Duration, Instant};

use reqwest::multipart::{Form, Part};
use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::{Caller, FORMATS, Format, running_with};

#[tokio::test]
async fn ten_thousand_wrong_passphrases_cost_next_to_nothing() {
    let running = running_with(|config| config.key_service.address_rate = None).await;
    let alice = Caller::new(&running, Format::Json);
    let token = alice.make("right", &[]).await;
    alice
        .put(&[("token", &token), ("message", "m")])
        .await
        .value();
    let begun = Instant::now();
    let mut tried = 0;
    for number in 0..10_000 {
        let wrong = format!("wrong {number}");
        let answer = alice
            .get(&[("token", &token), ("passphrase", &wrong)])
            .await;
        if answer.status == StatusCode::BAD_REQUEST {
            tried += 1;
        } else {
            answer.refusal(429);
            assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
        }
    }
    assert_eq!(tried, 6, "five, and the one that begins the waiting");
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
    // While one waits, the right one is not tried either.
    let right = [("token", token.as_str()), ("passphrase", "right")];
    alice.get(&right).await.refusal(429);
    running.clock.advance(2);
    assert_eq!(alice.get(&right).await.list()[0]["MessageData"], "m");
    // Hashes are counted in the same way, and so are tries at nothing.
    let nothing = "0".repeat(32);
    for number in 0..7 {
        let hash = [("token", nothing.as_str()), ("privatekeyhash", "guess")];
        alice
            .get(&hash)
            .await
            .refusal(if number < 6 { 404 } else { 429 });
    }
}

#[tokio::test]
async fn a_wrong_passphrase_takes_as_long_at_a_key_as_at_none() {
    let running = running_with(|config| config.key_service.address_rate = None).await;
    let alice = Caller::new(&running, Format::Json);
    let token = alice.make("right", &[]).await;
    let uploaded = alice.upload("h", &[("privatekey", "encrypted")]).await;
    let nothing = "0".repeat(32);
    let shortest = async |token: &str| {
        let mut shortest = Duration::MAX;
        for _ in 0..4 {
            let begun = Instant::now();
            alice
                .get(&[("token", token), ("passphrase", "wrong")])
                .await;
            shortest = shortest.min(begun.elapsed());
        }
        shortest
    };
    let times = [
        shortest(&token).await,
        shortest(&uploaded).await,
        shortest(&nothing).await,
    ];
    let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    assert!(
        *least > Duration::from_millis(30),
        "the passphrase was not stretched: {times:?}"
    );
    assert!(*most < *least * 3, "{times:?}");
}

#[tokio::test]
async fn too_many_requests_and_too_many_keys() {
    let running = running_with(|config| {
        config.key_service.address_rate = waxwing_relay::Rate::new(1, 20);
        config.key_service.key_rate = waxwing_relay::Rate::new(1, 3);
    })
    .await;
    let alice = Caller::new(&running, Format::Json);
    for _ in 0..3 {
        alice.upload("h", &[]).await;
    }
    let refused = alice
        .post(&[("publickey", "p"), ("privatekeyhash", "h")])
        .await;
    assert!(refused.refusal(429).contains("new keys"));
    let mut last = None;
    for _ in 0..30 {
        last = Some(alice.get(&[("token", "x")]).await);
    }
    let last = last.unwrap();
    assert!(last.refusal(429).contains("address"));
    assert_eq!(last.header("retry-after"), "1");
}

#[tokio::test]
async fn what_waits_is_bounded_and_a_full_key_loses_nothing() {
    let running = running_with(|config| {
        config.key_service.waiting_messages = 3;
        config.key_service.waiting_bytes = 3 << 20;
    })
    .await;
    for format in FORMATS {
        let alice = Caller::new(&running, format);
        let token = alice.upload("h", &[]).await;
        let put = async |message: &str| {
            let form = [
                ("token", token.as_str()),
                ("encryptedmessage", message),
                ("encryptionkey", "k"),
            ];
            alice.put(&form).await
        };
        let long = "m".repeat(5 << 20);
        put(&long).await.refusal(429);
        // What was refused does not count.
        let mebibyte = "m".repeat(1 << 20);
        for _ in 0..3 {
            assert_eq!(put(&mebibyte).await.value(), "true");
        }
        put("m").await.refusal(429);
        let owner = [("token", token.as_str()), ("privatekeyhash", "h")];
        assert_eq!(alice.get(&owner).await.list().len(), 3);
    }
}

#[tokio::test]
async fn oversized_and_slow_bodies() {
    let running = running_with(|config| {
        config.key_service.form_bytes = 1 << 20;
        config.key_service.request_bytes = 2 << 20;
        config.body_time = Duration::from_millis(400);
    })
    .await;
    for format in FORMATS {
        let alice = Caller::new(&running, format);
        let token = alice.upload("h", &[]).await;
        let large = "m".repeat((1 << 20) + 1);
        alice
            .put(&[("token", &token), ("encryptedmessage", &large)])
            .await
            .refusal(413);
        let form = Form::new()
            .text("token", token.clone())
            .part("encryptedmessage", Part::bytes(vec![b'm'; (2 << 20) + 1]));
        alice
            .send(alice.ask(Method::PUT).multipart(form))
            .await
            .refusal(413);
        let long_hash = [("publickey", "p"), ("privatekeyhash", &large[..70_000])];
        alice.post(&long_hash).await.refusal(413);
        // Without the token before it, a long message has no place to go.
        let form = Form::new()
            .part("encryptedmessage", Part::bytes(vec![b'm'; (1 << 20) + 1]))
            .text("token", token.clone());
        let refused = alice.send(alice.ask(Method::PUT).multipart(form)).await;
        assert!(refused.refusal(400).contains("before"));
        let binary = Form::new()
            .text("token", token.clone())
            .text("encryptionkey", "k")
            .part("encryptedmessage", Part::bytes(&b"\xff\xfe"[..]));
        let refused = alice.send(alice.ask(Method::PUT).multipart(binary)).await;
        assert!(refused.refusal(400).contains("UTF-8"));
    }
    let mut line = tokio::net::TcpStream::connect(running.address)
        .await
        .unwrap();
    let head = format!(
        "PUT /Service HTTP/1.1\r\nhost: {}\r\ncontent-length: 100\r\n\
         content-type: application/x-www-form-urlencoded\r\n\r\nto",
        running.address
    );
    line.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1024];
    let read = tokio::time::timeout(Duration::from_secs(10), line.read(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer[..read.unwrap().unwrap()]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("took too long"), "{answer}");
}

#[tokio::test]
async fn a_relay_may_do_without_it() {
    let running = running_with(|config| config.key_service.served = false).await;
    let alice = Caller::new(&running, Format::Json);
    assert_eq!(alice.get(&[]).await.status, StatusCode::NOT_FOUND);
}
