//! Signed requests: nothing that the relay acts on may be outside the signature.

use waxwing_crypto::request::sign_request;
use waxwing_tests::people::{NOW, Person};
use waxwing_wire::request::{
    Params, RequestError, SignedRequest, Target, check_content_digest, content_digest,
};

fn params(person: &Person) -> Params {
    Params {
        account_id: person.own().account_id,
        device_id: person.device_id,
        created: NOW,
        nonce: [5; 16],
    }
}

fn verify(person: &Person, signed: &Target<'_>, sent: &Target<'_>) -> Result<(), RequestError> {
    let headers = sign_request(&person.transport, signed, &params(person))?;
    let read = SignedRequest::parse(&headers.signature_input, &headers.signature)?;
    read.verify(sent, person.transport.public()).map(|_| ())
}

fn target<'a>(digest: &'a str) -> Target<'a> {
    Target {
        method: "PATCH",
        authority: "relay.example",
        path: "/v1/attachments/00",
        query: Some("a=1"),
        content_digest: Some(digest),
        content_type: Some("application/partial-upload"),
        upload_offset: Some("0"),
    }
}

#[test]
fn every_part_of_a_request_is_covered() {
    let alice = Person::new();
    let (digest, other) = (content_digest(b"body"), content_digest(b"other"));
    let sent = target(&digest);
    assert_eq!(verify(&alice, &sent, &sent), Ok(()));
    let changed = [
        Target {
            method: "PUT",
            ..sent
        },
        Target {
            authority: "other.example",
            ..sent
        },
        Target {
            path: "/v1/attachments/01",
            ..sent
        },
        Target {
            query: Some("a=2"),
            ..sent
        },
        Target {
            query: None,
            ..sent
        },
        Target {
            content_digest: Some(&other),
            ..sent
        },
        Target {
            content_type: Some("text/html"),
            ..sent
        },
        Target {
            upload_offset: Some("1"),
            ..sent
        },
    ];
    for changed in changed {
        assert_eq!(verify(&alice, &sent, &changed), Err(RequestError::Invalid));
    }
}

#[test]
fn a_signature_that_covers_less_is_refused() {
    let alice = Person::new();
    let digest = content_digest(b"body");
    let sent = target(&digest);
    let without_body = Target {
        content_digest: None,
        content_type: None,
        ..sent
    };
    assert_eq!(
        verify(&alice, &without_body, &sent),
        Err(RequestError::Coverage)
    );
    let without_offset = Target {
        upload_offset: None,
        ..sent
    };
    assert_eq!(
        verify(&alice, &without_offset, &sent),
        Err(RequestError::Coverage)
    );
    let half = Target {
        content_type: None,
        ..sent
    };
    assert_eq!(verify(&alice, &half, &half), Err(RequestError::Coverage));
}

#[test]
fn the_body_must_be_the_one_that_was_signed() {
    let digest = content_digest(b"body");
    assert_eq!(check_content_digest(&digest, b"body"), Ok(()));
    assert_eq!(
        check_content_digest(&digest, b"Body"),
        Err(RequestError::Digest)
    );
    assert_eq!(
        check_content_digest("md5=:AAAA:", b"body"),
        Err(RequestError::Malformed)
    );
}

#[test]
fn another_devices_key_does_not_verify() {
    let (alice, stranger) = (Person::new(), Person::new());
    let sent = Target {
        method: "GET",
        authority: "relay.example",
        path: "/v1/mailbox",
        query: None,
        content_digest: None,
        content_type: None,
        upload_offset: None,
    };
    let headers = sign_request(&stranger.transport, &sent, &params(&alice)).unwrap();
    let read = SignedRequest::parse(&headers.signature_input, &headers.signature).unwrap();
    assert_eq!(
        read.verify(&sent, alice.transport.public()),
        Err(RequestError::Invalid)
    );
}

#[test]
fn an_old_request_is_refused() {
    let alice = Person::new();
    let sent = Target {
        method: "GET",
        authority: "relay.example",
        path: "/v1/mailbox",
        query: None,
        content_digest: None,
        content_type: None,
        upload_offset: None,
    };
    let headers = sign_request(&alice.transport, &sent, &params(&alice)).unwrap();
    let read = SignedRequest::parse(&headers.signature_input, &headers.signature).unwrap();
    let verified = read.verify(&sent, alice.transport.public()).unwrap();
    assert_eq!(verified.check_time(NOW + 60), Ok(()));
    assert_eq!(verified.check_time(NOW - 60), Ok(()));
    assert_eq!(verified.check_time(NOW + 61), Err(RequestError::ClockSkew));
    assert_eq!(verified.check_time(NOW - 61), Err(RequestError::ClockSkew));
}

#[test]
fn changed_parameters_do_not_verify() {
    let alice = Person::new();
    let digest = content_digest(b"body");
    let sent = target(&digest);
    let headers = sign_request(&alice.transport, &sent, &params(&alice)).unwrap();
    let later = headers
        .signature_input
        .replace(&NOW.to_string(), &(NOW + 1).to_string());
    let read = SignedRequest::parse(&later, &headers.signature).unwrap();
    assert_eq!(
        read.verify(&sent, alice.transport.public()),
        Err(RequestError::Invalid)
    );
    for wrong in [
        headers.signature_input.replace("waxwing/v1", "other/v1"),
        headers.signature_input.replace("ed25519", "hmac-sha256"),
        headers
            .signature_input
            .replace("\"@path\"", "\"@path\";req"),
        format!("{};expires=1", headers.signature_input),
    ] {
        assert_eq!(
            SignedRequest::parse(&wrong, &headers.signature).unwrap_err(),
            RequestError::Malformed,
            "{wrong}"
        );
    }
}
