//! What the original server got wrong, each a case.

use std::collections::HashSet;

use reqwest::Method;
use waxwing_compat::RsaPrivate;

use crate::client::{Caller, FORMATS, Format, running};

#[tokio::test]
async fn the_hash_of_an_upload_is_kept_so_that_its_owner_can_read() {
    let running = running().await;
    let alice = Caller::new(&running, Format::Json);
    let token = alice.upload("any string", &[]).await;
    let sealed = [
        ("token", token.as_str()),
        ("encryptedmessage", "m"),
        ("encryptionkey", "k"),
    ];
    alice.put(&sealed).await.value();
    let got = alice
        .get(&[("token", &token), ("privatekeyhash", "any string")])
        .await;
    assert_eq!(got.list()[0]["MessageData"], "m");
}

#[tokio::test]
async fn the_private_key_is_optional() {
    let running = running().await;
    let alice = Caller::new(&running, Format::Json);
    let made = alice
        .post(&[("publickey", "p"), ("privatekeyhash", "h")])
        .await
        .fields();
    assert_eq!(made["IsPublicKeyOnly"], "true");
    // Without either nobody could ever read.
    let nobody = alice.post(&[("publickey", "p")]).await.refusal(400);
    assert!(nobody.contains("privatekeyhash"));
    assert!(
        alice
            .post(&[])
            .await
            .refusal(400)
            .contains("`passphrase` or `publickey`")
    );
}

#[tokio::test]
async fn a_passphrase_opens_and_a_hash_does_not() {
    let running = running().await;
    let alice = Caller::new(&running, Format::Json);
    let made = alice.post(&[("passphrase", "mine")]).await.fields();
    let token = made["KeyToken"].as_str();
    alice
        .put(&[("token", token), ("message", "in the clear")])
        .await
        .value();
    let opened = alice.get(&[("token", token), ("passphrase", "mine")]).await;
    assert_eq!(opened.list()[0]["MessageData"], "in the clear");
    let hash = made["PrivateKeyHash"].as_str();
    let sealed = alice
        .get(&[("token", token), ("privatekeyhash", hash)])
        .await;
    assert!(!sealed.body.contains("in the clear"));
    assert!(sealed.list()[0]["EncryptionKey"].len() > 100);
}

#[tokio::test]
async fn a_header_named_publickey_is_not_a_token() {
    let running = running().await;
    let alice = Caller::new(&running, Format::Json);
    let token = alice.upload("h", &[]).await;
    let headers = [
        ("publickey", "other"),
        ("privatekey", "other"),
        ("token", token.as_str()),
    ];
    assert_eq!(alice.get(&headers).await.fields()["KeyToken"], token);
    alice.get(&[("publickey", &token)]).await.refusal(400);
}

#[tokio::test]
async fn a_message_that_was_sent_without_a_hash_opens_online() {
    let running = running().await;
    let alice = Caller::new(&running, Format::Json);
    let made = alice.post(&[("passphrase", "mine")]).await.fields();
    let private = waxwing_compat::text::decrypt(&made["PrivateKey"], "mine").unwrap();
    let private = RsaPrivate::from_xml(&private).unwrap();
    let sealed = waxwing_compat::seal(private.public(), "no hash").unwrap();
    let token = made["KeyToken"].as_str();
    let put = [
        ("token", token),
        ("encryptedmessage", &sealed.encryptedmessage),
        ("encryptionkey", &sealed.encryptionkey),
    ];
    alice.put(&put).await.value();
    let got = alice
        .get(&[("token", token), ("passphrase", "mine")])
        .await
        .list();
    assert_eq!(got[0]["MessageData"], "no hash");
}

#[tokio::test]
async fn a_thousand_characters_beyond_latin_stay_a_thousand() {
    let running = running().await;
    for format in FORMATS {
        let alice = Caller::new(&running, format);
        let token = alice.make("mine", &[]).await;
        let text = "\u{1f30a}ж".repeat(500);
        alice
            .put(&[("token", &token), ("message", &text)])
            .await
            .value();
        let got = alice
            .get(&[("token", &token), ("passphrase", "mine")])
            .await
            .list();
        assert_eq!(got[0]["MessageData"], text);
    }
}

#[tokio::test]
async fn a_wrong_passphrase_or_token_is_the_callers_mistake() {
    let running = running().await;
    for format in FORMATS {
        let alice = Caller::new(&running, format);
        let token = alice.make("mine", &[]).await;
        let wrong = alice
            .delete(&[("token", &token), ("passphrase", "other")])
            .await;
        assert_eq!(wrong.refusal(400), "The passphrase is wrong.");
        let nothing = "0".repeat(32);
        for unknown in [nothing.as_str(), "0123456789abcdef", "no token", "../.."] {
            let proof = [("token", unknown), ("passphrase", "mine")];
            alice.get(&proof).await.refusal(404);
            alice.delete(&proof).await.refusal(404);
            alice.get(&[("token", unknown)]).await.refusal(404);
            let message = [("token", unknown), ("message", "m")];
            alice.put(&message).await.refusal(404);
            let sealed = [
                ("token", unknown),
                ("encryptedmessage", "m"),
                ("encryptionkey", "k"),
            ];
            alice.put(&sealed).await.refusal(404);
        }
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let bare = alice.send(alice.ask(method)).await;
            assert!(bare.refusal(400).contains("`token`"));
        }
        let keyless = [("token", token.as_str()), ("encryptedmessage", "m")];
        assert!(
            alice
                .put(&keyless)
                .await
                .refusal(400)
                .contains("encryptionkey")
        );
        assert!(
            alice
                .put(&[("token", &token)])
                .await
                .refusal(400)
                .contains("`message`")
        );
        assert!(
            alice
                .delete(&[("token", &token)])
                .await
                .refusal(400)
                .contains("passphrase")
        );
    }
}

#[tokio::test]
async fn tokens_are_random() {
    let running = running().await;
    let alice = Caller::new(&running, Format::Json);
    let mut seen = HashSet::new();
    let mut ones = 0;
    for _ in 0..64 {
        let token = alice.upload("h", &[]).await;
        let bytes = hex::decode(&token).unwrap();
        assert_eq!(bytes.len(), 16);
        ones += bytes.iter().map(|byte| byte.count_ones()).sum::<u32>();
        assert!(seen.insert(token));
    }
    // 8192 bits: half of them, within six standard deviations.
    assert!((4096 - 272..4096 + 272).contains(&ones), "{ones}");
}
