//! Online keys: the service makes, seals and opens.

use base64ct::{Base64, Encoding as _};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, StatusCode};
use waxwing_compat::{RsaPrivate, Sealed};

use crate::client::{Caller, FORMATS, Format, running};

#[tokio::test]
async fn the_four_operations_in_both_formats() {
    let running = running().await;
    for format in FORMATS {
        let alice = Caller::new(&running, format);
        let made = alice
            .post(&[("passphrase", "correct horse ü")])
            .await
            .fields();
        let token = made["KeyToken"].as_str();
        assert_eq!(token.len(), 32);
        assert_eq!(made["IsPrivateKeyEncrypted"], "true");
        let owner = [("token", token), ("passphrase", "correct horse ü")];
        let none = alice.send(alice.ask(Method::GET).query(&owner)).await;
        assert_eq!(none.status, StatusCode::NOT_MODIFIED);
        let form = Form::new()
            .text("token", token.to_owned())
            .text("message", "Hello <&> ü\r\n")
            .part(
                "file",
                Part::bytes(&b"\0\xff file"[..]).file_name("a file.bin"),
            );
        let sent = alice.send(alice.ask(Method::PUT).multipart(form)).await;
        assert_eq!(sent.value(), "true");
        let got = alice
            .send(alice.ask(Method::GET).query(&owner))
            .await
            .list();
        let [text, file] = got.as_slice() else {
            panic!("{got:?}")
        };
        assert_eq!(text["MessageData"], "Hello <&> ü\r\n");
        assert_eq!(
            (text["IsFile"].as_str(), file["IsFile"].as_str()),
            ("false", "true")
        );
        assert!(!text.contains_key("EncryptionKey") && !file.contains_key("EncryptionKey"));
        // As the original: a zip in Base64; and the link gives the file itself.
        assert_eq!(
            Base64::decode_vec(&file["MessageData"]).unwrap()[..2],
            *b"PK"
        );
        let link = format!(
            "http://{}/Service/Files/{}",
            running.address, file["TemporaryDownloadId"]
        );
        let response = alice.http.get(link).send().await.unwrap();
        let disposition = response.headers()["content-disposition"].to_str().unwrap();
        assert!(disposition.contains("a%20file%2Ebin"), "{disposition}");
        assert_eq!(&response.bytes().await.unwrap()[..], b"\0\xff file");

        // A client that opens for itself has the key from the first answer.
        let private =
            waxwing_compat::text::decrypt(&made["PrivateKey"], "correct horse ü").unwrap();
        let private = RsaPrivate::from_xml(&private).unwrap();
        assert_eq!(private.public().bits(), 3072);
        assert_eq!(private.hash(), made["PrivateKeyHash"]);
        let by_hash = [
            ("token", token),
            ("privatekeyhash", &made["PrivateKeyHash"]),
        ];
        let got = alice.get(&by_hash).await.list();
        let sealed = |message: &crate::client::Fields| Sealed {
            encryptedmessage: message["MessageData"].clone(),
            encryptionkey: message["EncryptionKey"].clone(),
            messagehash: message.get("MessageHash").cloned(),
        };
        let opened = waxwing_compat::open(&private, &sealed(&got[0])).unwrap();
        assert_eq!(*opened, "Hello <&> ü\r\n");
        let opened = waxwing_compat::open_file(&private, &sealed(&got[1])).unwrap();
        assert_eq!(
            (opened.name.as_str(), &opened.bytes[..]),
            ("a file.bin", &b"\0\xff file"[..])
        );

        let wrong = [("token", token), ("passphrase", "wrong")];
        alice.get(&wrong).await.refusal(400);
        alice.delete(&wrong).await.refusal(400);
        let gone = alice.send(alice.ask(Method::DELETE).form(&owner)).await;
        assert_eq!(gone.value(), "Deleted.");
        alice
            .send(alice.ask(Method::GET).query(&owner))
            .await
            .refusal(404);
    }
}

#[tokio::test]
async fn a_key_that_was_uploaded_opens_by_its_passphrase_too() {
    let running = running().await;
    let alice = Caller::new(&running, Format::Json);
    let key = RsaPrivate::generate(2048).unwrap();
    let wrapped = waxwing_compat::text::encrypt(key.xml(), "mine").unwrap();
    let public = key.public().to_xml().unwrap();
    let made = alice
        .post(&[
            ("publickey", &public),
            ("privatekey", &wrapped),
            ("privatekeyhash", &key.hash()),
        ])
        .await
        .fields();
    let token = made["KeyToken"].as_str();
    assert_eq!(
        alice
            .put(&[("token", token), ("message", "sealed there")])
            .await
            .value(),
        "true"
    );
    let sealed = waxwing_compat::seal(key.public(), "sealed here").unwrap();
    // As an original client sends it: without a hash.
    let offline = [
        ("token", token),
        ("encryptedmessage", &sealed.encryptedmessage),
        ("encryptionkey", &sealed.encryptionkey),
    ];
    assert_eq!(alice.put(&offline).await.value(), "true");
    let got = alice
        .get(&[("token", token), ("passphrase", "mine")])
        .await
        .list();
    let texts: Vec<_> = got
        .iter()
        .map(|message| message["MessageData"].as_str())
        .collect();
    assert_eq!(texts, ["sealed there", "sealed here"]);
    alice
        .get(&[("token", token), ("passphrase", "other")])
        .await
        .refusal(400);
    let both = [
        ("token", token),
        ("passphrase", "mine"),
        ("privatekeyhash", "wrong"),
    ];
    alice.get(&both).await.refusal(400);

    // Without a private key nothing is opened here, and a small key is sealed to by nobody.
    let token = alice.upload("h", &[]).await;
    let refused = alice
        .get(&[("token", &token), ("passphrase", "mine")])
        .await;
    assert!(refused.refusal(400).contains("privatekeyhash"));
    let refused = alice.put(&[("token", &token), ("message", "x")]).await;
    assert!(refused.refusal(400).contains("encryptedmessage"));
}

#[tokio::test]
async fn what_does_not_open_is_given_as_it_came_and_spoils_nothing() {
    let running = running().await;
    let alice = Caller::new(&running, Format::Xml);
    let token = alice.make("mine", &[]).await;
    let nonsense = [
        ("token", token.as_str()),
        ("encryptedmessage", "nonsense"),
        ("encryptionkey", "k"),
    ];
    assert_eq!(alice.put(&nonsense).await.value(), "true");
    assert_eq!(
        alice
            .put(&[("token", &token), ("message", "good")])
            .await
            .value(),
        "true"
    );
    let got = alice
        .get(&[("token", &token), ("passphrase", "mine")])
        .await
        .list();
    assert_eq!(
        (
            got[0]["MessageData"].as_str(),
            got[0]["EncryptionKey"].as_str()
        ),
        ("nonsense", "k")
    );
    assert_eq!(got[1]["MessageData"], "good");
}
