//! The app's client of the key service, against the relay: what one seals another opens, and what
//! goes wrong has its own answer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use waxwing_client::key_service::{Access, Content, KeyService, KeyServiceError, Message};
use waxwing_compat::{Error, RsaPrivate};
use zeroize::Zeroizing;

#[path = "relay_person/mod.rs"]
mod relay_person;
use relay_person::{Running, START, running};

const TEXT: &str = "Grüße, 你好, \u{1f426}\0\r\n";

fn service(running: &Running) -> KeyService {
    KeyService::at(&format!("http://{}", running.address)).unwrap()
}

/// Makes a key as any page does; its token.
async fn make(running: &Running, form: &[(&str, &str)]) -> serde_json::Value {
    let address = format!("http://{}/Service", running.address);
    let made = reqwest::Client::new().post(address).form(form).send();
    made.await.unwrap().json().await.unwrap()
}

fn token(key: &serde_json::Value) -> &str {
    key["KeyToken"].as_str().unwrap()
}

fn passphrase(words: &str) -> Access {
    Access::Passphrase(Zeroizing::new(words.to_owned()))
}

fn assert_text_and_file(messages: &[Message]) {
    let [text, file] = messages else {
        panic!("{} messages", messages.len())
    };
    assert_eq!((text.sent_at, file.sent_at), (Some(START), Some(START)));
    assert_ne!(text.id, file.id);
    match &text.content {
        Ok(Content::Text(text)) => assert_eq!(**text, TEXT),
        _ => panic!("not a text"),
    }
    match &file.content {
        Ok(Content::File(file)) => {
            assert_eq!(file.name, "Grüße.bin");
            assert!(*file.bytes == content());
        }
        _ => panic!("not a file"),
    }
}

fn content() -> Vec<u8> {
    (0..251).cycle().take(3 << 20).collect()
}

async fn send_both(service: &KeyService, token: &str) {
    service.send_text(token, TEXT).await.unwrap();
    let file = Zeroizing::new(content());
    service.send_file(token, "Grüße.bin", file).await.unwrap();
}

#[tokio::test]
async fn a_text_and_a_file_reach_an_online_key_and_are_read_in_both_ways() {
    let (running, words) = (running().await, "correct horse ü");
    let made = make(&running, &[("passphrase", words)]).await;
    let (service, token) = (service(&running), token(&made));
    assert!(
        service
            .fetch(token, passphrase(words))
            .await
            .unwrap()
            .is_empty()
    );
    send_both(&service, token).await;
    assert_text_and_file(&service.fetch(token, passphrase(words)).await.unwrap());
    // The key that was told once, wrapped by the passphrase: the service opens nothing.
    let wrapped = made["PrivateKey"].as_str().unwrap();
    let access = || Access::wrapped_key(wrapped, words, None).unwrap();
    assert_text_and_file(&service.fetch(token, access()).await.unwrap());
    let wrong = Access::wrapped_key(wrapped, "another", None).err();
    assert_eq!(wrong, Some(KeyServiceError::Format(Error::Closed)));
    service.delete(token, &access()).await.unwrap();
    let gone = service.public_key(token).await.err();
    assert_eq!(gone, Some(KeyServiceError::UnknownToken));
}

#[tokio::test]
async fn a_text_and_a_file_reach_an_offline_key_with_a_hash_of_its_own() {
    let running = running().await;
    let key = RsaPrivate::generate(3072).unwrap();
    let public = key.public().to_xml().unwrap();
    let form = [
        ("publickey", public.as_str()),
        ("privatekeyhash", "any word"),
    ];
    let made = make(&running, &form).await;
    let (service, token) = (service(&running), token(&made));
    send_both(&service, token).await;
    let access = Access::key(key.xml(), Some("any word")).unwrap();
    assert_text_and_file(&service.fetch(token, access).await.unwrap());
    // Another key with the right word sees that something waits, and opens none of it.
    let other = RsaPrivate::generate(2048).unwrap();
    let access = Access::key(other.xml(), Some("any word")).unwrap();
    let closed = service.fetch(token, access).await.unwrap();
    assert_eq!(closed.len(), 2);
    for message in closed {
        assert_eq!(message.content.err(), Some(Error::Closed));
    }
    let access = Access::key(key.xml(), None).unwrap();
    let refused = service.fetch(token, access).await.err();
    assert!(
        matches!(refused, Some(KeyServiceError::Refused(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_key_and_a_message_of_the_original_are_read_and_nothing_is_sealed_to_it() {
    let running = running().await;
    let vectors = include_str!("../vectors/keyservice.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
    let rsa = &vectors["rsa"];
    let of = |value: &serde_json::Value, name: &str| value[name].as_str().unwrap().to_owned();
    let hash = of(rsa, "privatekeyhash");
    let form = [
        ("publickey", &*of(rsa, "publickey")),
        ("privatekeyhash", &hash),
        ("token", "0123456789abcdef"),
    ];
    let made = make(&running, &form).await;
    let (service, token) = (service(&running), token(&made));
    let refused = service.send_text(token, TEXT).await.err();
    assert_eq!(
        refused,
        Some(KeyServiceError::Format(Error::SmallKey(1024)))
    );
    let message = &rsa["messages"][0];
    let form = [
        ("token", token.to_owned()),
        ("encryptedmessage", of(message, "encryptedmessage")),
        ("encryptionkey", of(message, "encryptionkey")),
    ];
    let address = format!("http://{}/Service", running.address);
    let sent = reqwest::Client::new().put(address).form(&form).send();
    assert!(sent.await.unwrap().status().is_success());
    let wrapped = of(rsa, "privatekey_encrypted_with_passphrase");
    let access = Access::wrapped_key(&wrapped, &of(rsa, "passphrase"), None).unwrap();
    let messages = service.fetch(token, access).await.unwrap();
    match &messages[0].content {
        Ok(Content::Text(text)) => assert_eq!(**text, of(message, "message")),
        _ => panic!("not a text"),
    }
}

#[tokio::test]
async fn what_goes_wrong_has_its_own_answer() {
    let running = running().await;
    let made = make(&running, &[("passphrase", "correct horse")]).await;
    let service = service(&running);
    let unknown = "0".repeat(32);
    let fetch =
        async |token: &str, words: &str| service.fetch(token, passphrase(words)).await.err();
    assert_eq!(
        fetch(&unknown, "x").await,
        Some(KeyServiceError::UnknownToken)
    );
    let wrong = fetch(token(&made), "another").await;
    assert!(
        matches!(wrong, Some(KeyServiceError::Refused(_))),
        "{wrong:?}"
    );
    let broken = fetch(token(&made), "two\nlines").await;
    assert_eq!(broken, Some(KeyServiceError::Unsendable));
    for host in [
        "http://relay.example",
        "ftp://relay.example",
        "relay.example",
    ] {
        assert_eq!(KeyService::at(host).err(), Some(KeyServiceError::Address));
    }
    running.shutdown.cancel();
    running.serving.await.unwrap().unwrap();
    let gone = fetch(token(&made), "correct horse").await;
    assert!(
        matches!(gone, Some(KeyServiceError::Unreachable(_))),
        "{gone:?}"
    );
}
