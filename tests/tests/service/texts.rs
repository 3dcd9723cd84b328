//! Text of any script and any length comes back whole.

use base64ct::{Base64, Encoding as _};
use reqwest::Method;
use reqwest::multipart::{Form, Part};

use crate::client::{Caller, FORMATS, Format, running};

/// One hundred characters of every plane, and what JSON and XML treat in their own ways.
fn texts() -> Vec<String> {
    let planes: String = (0..=16_u32)
        .flat_map(|plane| (0..100).map(move |step| (plane << 16) + 0x20 + step * 0x28f))
        .filter_map(char::from_u32)
        .filter(|char| (u32::from(*char) & 0xfffe) != 0xfffe)
        .collect();
    vec![
        String::new(),
        "a".to_owned(),
        "a".repeat(1000),
        planes,
        " \t\r\n]]>&amp;<b>\"'\\u0041%41+ ".to_owned(),
        "\u{85}\u{2028}\u{feff}e\u{301}".to_owned(),
        "long ".repeat(200_000),
    ]
}

#[tokio::test]
async fn in_both_formats() {
    let running = running().await;
    for format in FORMATS {
        let alice = Caller::new(&running, format);
        let token = alice.make("mine", &[]).await;
        for text in texts() {
            let sent = alice.put(&[("token", &token), ("message", &text)]).await;
            assert_eq!(sent.value(), "true");
            let form = Form::new()
                .text("token", token.clone())
                .text("message", text);
            let sent = alice.send(alice.ask(Method::PUT).multipart(form)).await;
            assert_eq!(sent.value(), "true");
        }
        let got = alice
            .get(&[("token", &token), ("passphrase", "mine")])
            .await
            .list();
        let twice = texts().into_iter().flat_map(|text| [text.clone(), text]);
        for (message, text) in got.iter().zip(twice) {
            assert!(message["MessageData"] == text, "{:.60}", text);
        }
        assert_eq!(got.len(), 14);
    }
}

#[tokio::test]
async fn what_xml_cannot_carry_stands_there_in_base64() {
    let running = running().await;
    let alice = Caller::new(&running, Format::Xml);
    let token = alice.make("mine", &[]).await;
    let text = "a\0b\u{1}\u{ffff}";
    assert_eq!(
        alice
            .put(&[("token", &token), ("message", text)])
            .await
            .value(),
        "true"
    );
    let owner = [("token", token.as_str()), ("passphrase", "mine")];
    let answer = alice.get(&owner).await;
    assert!(answer.body.contains("<MessageData encoding=\"base64\">"));
    let base64 = &answer.list()[0]["MessageData"];
    assert_eq!(Base64::decode_vec(base64).unwrap(), text.as_bytes());
    let json = Caller::new(&running, Format::Json);
    assert_eq!(json.get(&owner).await.list()[0]["MessageData"], text);
    // Sealed, it is for nobody to translate.
    let sealed = [
        ("token", token.as_str()),
        ("encryptedmessage", text),
        ("encryptionkey", "k"),
    ];
    assert!(alice.put(&sealed).await.refusal(400).contains("Base64"));
}

#[tokio::test]
async fn a_file_of_100_mib() {
    let running = running().await;
    let alice = Caller::new(&running, Format::Json);
    let token = alice.make("mine", &[]).await;
    let piece: Vec<u8> = (0..=255).collect();
    let file = bytes::Bytes::from(piece.repeat((100 << 20) / 256));
    let form = Form::new()
        .text("token", token.clone())
        .part("file", Part::stream(file.clone()).file_name("large"));
    let sent = alice.send(alice.ask(Method::PUT).multipart(form)).await;
    assert_eq!(sent.value(), "true");
    let got = alice
        .get(&[("token", &token), ("passphrase", "mine")])
        .await
        .list();
    let id = &got[0]["TemporaryDownloadId"];
    let link = format!("http://{}/Service/Files/{id}", running.address);
    let response = alice.http.get(link).send().await.unwrap();
    assert!(response.bytes().await.unwrap() == file);
    let form = Form::new().text("token", token).part(
        "file",
        Part::bytes(vec![0; (100 << 20) + 1]).file_name("larger"),
    );
    let refused = alice.send(alice.ask(Method::PUT).multipart(form)).await;
    refused.refusal(413);
}
