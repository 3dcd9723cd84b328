//! Offline keys: everything is opaque and comes back byte for byte.

use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::client::{Caller, FORMATS, Format, START, running};

#[tokio::test]
async fn the_four_operations_in_both_formats() {
    let running = running().await;
    for format in FORMATS {
        let alice = Caller::new(&running, format);
        let public = "<RSAKeyValue>\r\n  <Modulus>AQ==</Modulus>\r\n</RSAKeyValue>";
        let made = alice
            .post(&[
                ("publickey", public),
                ("privatekey", "encrypted+/="),
                ("privatekeyhash", "a hash of mine"),
            ])
            .await
            .fields();
        let token = made["KeyToken"].as_str();
        assert_eq!((token.len(), made["URI"].as_str()), (32, token));
        assert_eq!(made["PublicKey"], public);
        assert_eq!(made["IsReleased"], "true");
        assert_eq!(made["IsPublicKeyOnly"], "false");
        let dates = ["RequestDate", "LockDate"].map(|name| made[name].as_str());
        match format {
            Format::Json => {
                let lock = format!("/Date({}000)/", START + 30 * 86_400);
                assert_eq!(
                    dates,
                    [format!("/Date({START}000)/").as_str(), lock.as_str()]
                );
            }
            Format::Xml => assert_eq!(dates, ["2027-01-15T08:00:00Z", "2027-02-14T08:00:00Z"]),
        }

        let owner = [("token", token), ("privatekeyhash", "a hash of mine")];
        let none = alice.get(&owner).await;
        assert_eq!(
            (none.status, none.body.as_str()),
            (StatusCode::NOT_MODIFIED, "")
        );

        let sealed = "H4sI<&>\"+/=\r\n\tü\u{1f30a}";
        let sent = alice
            .put(&[
                ("token", token),
                ("encryptedmessage", sealed),
                ("encryptionkey", "k+/="),
                ("messagehash", "00ff"),
            ])
            .await;
        assert_eq!(
            (sent.status, sent.value()),
            (StatusCode::OK, "true".to_owned())
        );
        let got = alice.get(&owner).await.list();
        let [message] = got.as_slice() else {
            panic!("{got:?}")
        };
        assert_eq!(message["MessageData"], sealed);
        assert_eq!(message["EncryptionKey"], "k+/=");
        assert_eq!(message["MessageHash"], "00ff");
        assert_eq!(message["MessageId"], "1");
        assert_eq!(message["IsFile"], "false");
        assert_eq!(message["Created"], made["RequestDate"]);

        let gone = alice.delete(&owner).await;
        assert_eq!(
            (gone.status, gone.value()),
            (StatusCode::OK, "Deleted.".to_owned())
        );
        alice.get(&owner).await.refusal(404);
        alice.delete(&owner).await.refusal(404);
        let late = [
            ("token", token),
            ("encryptedmessage", "x"),
            ("encryptionkey", "k"),
        ];
        alice.put(&late).await.refusal(404);
    }
}

#[tokio::test]
async fn who_has_only_the_token_gets_the_public_key_and_nothing_else() {
    let running = running().await;
    let alice = Caller::new(&running, Format::Json);
    let made = alice
        .post(&[
            ("publickey", "public"),
            ("privatekey", "a-private-key"),
            ("privatekeyhash", "a-hash"),
        ])
        .await;
    let token = made.fields()["KeyToken"].clone();
    let sealed = [
        ("token", token.as_str()),
        ("encryptedmessage", "m"),
        ("encryptionkey", "k"),
    ];
    assert_eq!(alice.put(&sealed).await.value(), "true");
    let shown = alice.get(&[("token", &token)]).await;
    assert_eq!(shown.fields()["PublicKey"], "public");
    for secret in ["a-private-key", "a-hash", "MessageData", "PrivateKeyHash"] {
        assert!(!shown.body.contains(secret), "{}", shown.body);
    }
    let wrong = [("token", token.as_str()), ("privatekeyhash", "another")];
    let refused = alice.get(&wrong).await;
    assert!(refused.refusal(400).contains("hash"));
    assert!(!refused.body.contains("Created"));
    alice.delete(&wrong).await.refusal(400);
}

#[tokio::test]
async fn parameters_come_by_every_way() {
    let running = running().await;
    let alice = Caller::new(&running, Format::Json);
    let query = |method, pairs: &[(&str, &str)]| alice.ask(method).query(pairs);
    let public = [("PublicKey", "p"), ("PRIVATEKEYHASH", "h")];
    let made = alice.send(query(Method::POST, &public)).await.fields();
    let token = made["KeyToken"].as_str();
    let put = [
        ("Token", token),
        ("EncryptedMessage", "m"),
        ("EncryptionKey", "k"),
    ];
    let form = Form::new()
        .text("TOKEN", token.to_owned())
        .text("encryptedMessage", "m")
        .text("encryptionKey", "k");
    for request in [
        query(Method::PUT, &put),
        alice.ask(Method::PUT).form(&put),
        alice.ask(Method::PUT).multipart(form),
        alice
            .ask(Method::PUT)
            .header("TOKEN", token)
            .form(&put[1..]),
        // The same twice is no contradiction.
        query(Method::PUT, &put[..1])
            .header("token", token)
            .form(&put),
    ] {
        assert_eq!(alice.send(request).await.value(), "true");
    }
    let owner = [("token", token), ("privatekeyhash", "h")];
    let by_header = alice.get(&owner).await;
    assert_eq!(
        (by_header.list().len(), by_header.header("deprecation")),
        (5, "")
    );
    let by_query = alice.send(query(Method::GET, &owner)).await;
    assert_eq!(by_query.list().len(), 5);
    assert_eq!(by_query.header("deprecation"), "@1767225600");
    assert!(by_query.header("link").contains("rel=\"deprecation\""));

    let differ = query(Method::GET, &owner).header("token", "0".repeat(32));
    assert!(
        alice
            .send(differ)
            .await
            .refusal(400)
            .contains("`token` is given twice")
    );
    let differ = query(Method::PUT, &put).form(&[("encryptionkey", "another")]);
    alice.send(differ).await.refusal(400);
    let other = alice
        .ask(Method::PUT)
        .header("content-type", "application/json")
        .body("{}");
    assert!(
        alice
            .send(other)
            .await
            .refusal(400)
            .contains("multipart/form-data")
    );
    let mangled = alice
        .ask(Method::POST)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("publickey=%ff&privatekeyhash=h");
    assert!(alice.send(mangled).await.refusal(400).contains("UTF-8"));

    for path in ["/Service/", "/service", "/service/"] {
        let there = format!("http://{}{path}", running.address);
        let request = alice.http.get(there).header("token", token);
        assert_eq!(alice.send(request).await.status, StatusCode::OK, "{path}");
    }
    // On DELETE the body counts as well.
    let gone = alice.send(alice.ask(Method::DELETE).form(&owner)).await;
    assert_eq!(gone.value(), "Deleted.");
}

#[tokio::test]
async fn versions_formats_and_verbs() {
    let running = running().await;
    for format in FORMATS {
        let alice = Caller::new(&running, format);
        let token = alice.upload("h", &[("v", "1")]).await;
        let shown = alice.get(&[("token", &token)]).await;
        assert_eq!(shown.status, StatusCode::OK);
        let two = alice
            .send(alice.ask(Method::GET).query(&[("v", "2")]))
            .await;
        assert!(two.refusal(400).contains("The version served is 1"));
        let patch = alice.send(alice.ask(Method::PATCH)).await;
        assert_eq!(patch.status, StatusCode::METHOD_NOT_ALLOWED);
        let yaml = [("token", token.as_str()), ("format", "yaml")];
        let mut yaml = alice.send(alice.ask(Method::GET).query(&yaml)).await;
        yaml.format = Format::Json;
        assert!(yaml.refusal(400).contains("`json` and `xml`"));
    }
    let alice = Caller::new(&running, Format::Json);
    let token = alice.upload("h", &[]).await;
    let xml = alice
        .ask(Method::GET)
        .query(&[("token", token.as_str()), ("format", "xml")]);
    let answer = alice.send(xml).await;
    assert_eq!(answer.header("content-type"), "text/xml; charset=utf-8");
    assert!(answer.body.contains("<response><KeyId>"));
}

#[tokio::test]
async fn every_page_may_use_every_verb() {
    let running = running().await;
    let alice = Caller::new(&running, Format::Json);
    for method in ["GET", "POST", "PUT", "DELETE"] {
        let preflight = alice
            .ask(Method::OPTIONS)
            .header("origin", "https://elsewhere.example")
            .header("access-control-request-method", method)
            .header(
                "access-control-request-headers",
                "passphrase,privatekeyhash,token",
            );
        let answer = alice.send(preflight).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert!(
            answer
                .header("access-control-allow-methods")
                .contains(method)
        );
        let headers = answer.header("access-control-allow-headers");
        for name in ["token", "passphrase", "privatekeyhash", "content-type"] {
            assert!(headers.contains(name), "{headers}");
        }
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
    // Nowhere else.
    let other = format!("http://{}/v1/relay", running.address);
    let request = alice
        .http
        .get(other)
        .header("origin", "https://elsewhere.example");
    assert_eq!(
        alice
            .send(request)
            .await
            .header("access-control-allow-origin"),
        ""
    );
}

/// A file of 100 MiB that was sealed elsewhere, twice in Base64 as the original does.
#[tokio::test]
async fn a_large_sealed_file_comes_back_byte_for_byte() {
    const PIECE: usize = 1 << 20;
    const PIECES: usize = 140;
    let running = running().await;
    let alice = Caller::new(&running, Format::Json);
    let token = alice.upload("h", &[]).await;
    // Characters of several bytes lie across the edges of pieces.
    let piece: String = "äöü\u{1f30a}+/abc"
        .chars()
        .cycle()
        .take(PIECE / 2)
        .collect();
    let mut digest = Sha256::new();
    let mut length = 0;
    for _ in 0..PIECES {
        digest.update(&piece);
        length += piece.len();
    }
    let sent = digest.finalize();
    let pieces = (0..PIECES).map({
        let piece = bytes::Bytes::from(piece.into_bytes());
        move |_| Ok::<_, std::io::Error>(piece.clone())
    });
    let stream = Body::wrap_stream(futures_util::stream::iter(pieces));
    let form = Form::new()
        .text("token", token.clone())
        .text("encryptionkey", "k")
        .text("isfile", "true")
        .part("encryptedmessage", Part::stream(stream).file_name("sealed"));
    let put = alice.send(alice.ask(Method::PUT).multipart(form)).await;
    assert_eq!(put.value(), "true");

    let owner = [("token", token.as_str()), ("privatekeyhash", "h")];
    let got = alice.get(&owner).await.list();
    let message = &got[0];
    assert_eq!(message["IsFile"], "true");
    assert_eq!(message["MessageData"].len(), length);
    assert_eq!(Sha256::digest(&message["MessageData"]), sent);

    let link = format!(
        "http://{}/Service/Files/{}",
        running.address, message["TemporaryDownloadId"]
    );
    let mut response = alice.http.get(&link).send().await.unwrap();
    let mut digest = Sha256::new();
    while let Some(chunk) = response.chunk().await.unwrap() {
        digest.update(&chunk);
    }
    assert_eq!(digest.finalize(), sent);
    // Once.
    alice.send(alice.http.get(&link)).await.refusal(404);
    assert_eq!(alice.delete(&owner).await.value(), "Deleted.");
    let left = std::fs::read_dir(running.folder.path().join("relay/blobs")).unwrap();
    let files: usize = left
        .map(|group| std::fs::read_dir(group.unwrap().path()).unwrap().count())
        .sum();
    assert_eq!(files, 0);
}
