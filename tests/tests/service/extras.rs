//! Release and lock date, burning, one-time links, imported tokens.

use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::{Caller, FORMATS, Format, START, running};

const DAY: u64 = 86_400;

fn sealed(token: &str) -> [(&str, &str); 3] {
    [
        ("token", token),
        ("encryptedmessage", "m"),
        ("encryptionkey", "k"),
    ]
}

fn owner(token: &str) -> [(&str, &str); 2] {
    [("token", token), ("privatekeyhash", "h")]
}

#[tokio::test]
async fn nothing_is_told_before_the_release_date() {
    let running = running().await;
    for (format, date) in FORMATS
        .into_iter()
        .zip(["/Date(1800172800000)/", "2027-01-17T08:00:00Z"])
    {
        running.clock.set(START);
        let alice = Caller::new(&running, format);
        let token = alice.upload("h", &[("releasedate", date)]).await;
        let shown = alice.get(&[("token", &token)]).await.fields();
        assert_eq!(
            (shown["IsReleased"].as_str(), shown["ReleaseDate"].as_str()),
            ("false", date)
        );
        assert_eq!(alice.put(&sealed(&token)).await.value(), "true");
        let early = alice.get(&owner(&token)).await;
        assert!(early.refusal(400).contains("release date"));
        running.clock.advance(2 * DAY);
        assert_eq!(alice.get(&owner(&token)).await.list().len(), 1);
    }
}

#[tokio::test]
async fn after_the_lock_date_nothing_is_taken() {
    let running = running().await;
    let alice = Caller::new(&running, Format::Json);
    let token = alice
        .upload("h", &[("lockdate", "2027-01-16T08:00:00Z")])
        .await;
    let usual = alice.upload("h", &[]).await;
    assert_eq!(alice.put(&sealed(&token)).await.value(), "true");
    running.clock.advance(DAY + 1);
    assert!(
        alice
            .put(&sealed(&token))
            .await
            .refusal(400)
            .contains("lock date")
    );
    assert_eq!(alice.put(&sealed(&usual)).await.value(), "true");
    assert_eq!(alice.get(&owner(&token)).await.list().len(), 1);
    // The usual lock date is after 30 days.
    running.clock.advance(30 * DAY);
    assert!(
        alice
            .put(&sealed(&usual))
            .await
            .refusal(400)
            .contains("lock date")
    );
    // Messages wait for 30 days, and a key goes with the last that it could have.
    running.clock.advance(DAY);
    alice.get(&owner(&token)).await.refusal(404);
    for wrong in [
        ("lockdate", "2027-01-15T08:00:00Z"),
        ("lockdate", "2099-01-15T08:00:00Z"),
        ("releasedate", "soon"),
        ("deletekeyafterreading", "perhaps"),
    ] {
        let form = [("publickey", "p"), ("privatekeyhash", "h"), wrong];
        alice.post(&form).await.refusal(400);
    }
}

#[tokio::test]
async fn messages_burn_after_reading_and_not_before() {
    let running = running().await;
    for format in FORMATS {
        let alice = Caller::new(&running, format);
        let token = alice
            .upload("h", &[("deletemessagesafterreading", "true")])
            .await;
        assert_eq!(alice.put(&sealed(&token)).await.value(), "true");
        assert_eq!(alice.get(&owner(&token)).await.list().len(), 1);
        // The answer may have been lost: for two minutes it is given again.
        running.clock.advance(119);
        assert_eq!(alice.get(&owner(&token)).await.list().len(), 1);
        assert_eq!(alice.put(&sealed(&token)).await.value(), "true");
        running.clock.advance(1);
        let left = alice.get(&owner(&token)).await.list();
        assert_eq!((left.len(), left[0]["MessageId"].as_str()), (1, "2"));
        running.clock.advance(120);
        assert_eq!(alice.get(&owner(&token)).await.status.as_u16(), 304);
    }
}

#[tokio::test]
async fn a_key_burns_with_the_last_message_that_was_read() {
    let mut running = running().await;
    let alice = Caller::new(&running, Format::Json);
    let token = alice
        .make("mine", &[("deletekeyafterreading", "true")])
        .await;
    let mine = [("token", token.as_str()), ("passphrase", "mine")];
    assert_eq!(alice.get(&mine).await.status.as_u16(), 304);
    assert_eq!(
        alice
            .put(&[("token", &token), ("message", "one")])
            .await
            .value(),
        "true"
    );
    assert_eq!(alice.get(&mine).await.list().len(), 1);
    assert_eq!(
        alice
            .put(&[("token", &token), ("message", "two")])
            .await
            .value(),
        "true"
    );
    running.clock.advance(120);
    let left = alice.get(&mine).await.list();
    assert_eq!((left.len(), left[0]["MessageData"].as_str()), (1, "two"));
    // Stopped in order, the relay burns at once.
    running = running.restart(|_| {}).await;
    let alice = Caller::new(&running, Format::Json);
    alice.get(&mine).await.refusal(404);
}

/// The reader goes away in the middle of a long answer.
#[tokio::test]
async fn a_cut_answer_burns_nothing() {
    let running = running().await;
    let alice = Caller::new(&running, Format::Json);
    let token = alice
        .upload("h", &[("deletemessagesafterreading", "1")])
        .await;
    let long = "m".repeat(12 << 20);
    for _ in 0..3 {
        let put = [
            ("token", token.as_str()),
            ("encryptedmessage", &long),
            ("encryptionkey", "k"),
        ];
        assert_eq!(alice.put(&put).await.value(), "true");
    }
    let mut line = tokio::net::TcpStream::connect(running.address)
        .await
        .unwrap();
    let head = format!(
        "GET /Service HTTP/1.1\r\nhost: {}\r\ntoken: {token}\r\nprivatekeyhash: h\r\n\r\n",
        running.address
    );
    line.write_all(head.as_bytes()).await.unwrap();
    let mut begun = [0; 4096];
    line.read_exact(&mut begun).await.unwrap();
    assert!(begun.starts_with(b"HTTP/1.1 200"));
    drop(line);
    running.clock.advance(1000);
    assert_eq!(alice.get(&owner(&token)).await.list().len(), 3);
    running.clock.advance(1000);
    assert_eq!(alice.get(&owner(&token)).await.status.as_u16(), 304);
}

#[tokio::test]
async fn a_link_to_a_file_is_good_once_and_for_two_minutes() {
    let running = running().await;
    let alice = Caller::new(&running, Format::Json);
    let token = alice.upload("h", &[]).await;
    let file = [&sealed(&token)[..], &[("isfile", "true")]].concat();
    assert_eq!(alice.put(&file).await.value(), "true");
    let link = async || {
        let id = alice.get(&owner(&token)).await.list()[0]["TemporaryDownloadId"].clone();
        assert_eq!(hex::decode(&id).unwrap().len(), 16);
        format!("http://{}/Service/Files/{id}", running.address)
    };
    let used = link().await;
    assert_eq!(
        alice
            .http
            .get(&used)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
        "m"
    );
    alice.send(alice.http.get(&used)).await.refusal(404);
    let late = link().await;
    running.clock.advance(120);
    alice.send(alice.http.get(&late)).await.refusal(404);
    let never = format!(
        "http://{}/Service/Files/{}",
        running.address,
        "0".repeat(32)
    );
    alice.send(alice.http.get(&never)).await.refusal(404);
}

#[tokio::test]
async fn a_token_of_the_original_is_kept_with_an_uploaded_key() {
    let running = running().await;
    let alice = Caller::new(&running, Format::Json);
    let import = |token| {
        [
            ("publickey", "p"),
            ("privatekeyhash", "h"),
            ("token", token),
        ]
    };
    let made = alice.post(&import("0123456789ABCDEF")).await.fields();
    assert_eq!(made["KeyToken"], "0123456789abcdef");
    assert_eq!(alice.put(&sealed("0123456789AbcdeF")).await.value(), "true");
    assert_eq!(alice.get(&owner("0123456789abcdef")).await.list().len(), 1);
    let taken = alice.post(&import("0123456789abcdef")).await;
    assert!(taken.refusal(400).contains("taken"));
    alice.delete(&owner("0123456789abcdef")).await.value();
    alice.post(&import("0123456789abcdef")).await.refusal(400);
    let ours = "0".repeat(32);
    for wrong in [ours.as_str(), "0123", "0123456789abcdeg"] {
        alice.post(&import(wrong)).await.refusal(400);
    }
    let online = alice.send(
        alice
            .ask(Method::POST)
            .form(&[("passphrase", "p"), ("token", "0123456789abcde0")]),
    );
    online.await.refusal(400);
}
