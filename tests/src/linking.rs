//! Linking another computer to somebody's account, as a person does it at both.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::missing_errors_doc
)]

use std::net::SocketAddr;

use waxwing_client::Failure;
use waxwing_client::view::{LinkInvitation, LinkStatus, OnboardingStep, RelayChoice, Stage};
use zeroize::Zeroizing;

use crate::engine::{Engine, PASSPHRASE, Street, passphrase};

/// What the new computer is called.
pub const LAPTOP: &str = "Alice's laptop";

/// The new computer shows an invitation.
pub async fn invited(street: &Street, new: &Engine) -> LinkInvitation {
    invited_at(street.address(), new).await.unwrap()
}

/// The new computer shows an invitation of a relay at an address.
pub async fn invited_at(relay: SocketAddr, new: &Engine) -> Result<LinkInvitation, Failure> {
    let url = format!("http://{relay}");
    let relay = RelayChoice::Address { url };
    new.begin_link(relay, LAPTOP.to_owned()).await
}

/// The old computer takes it.
pub async fn accept(old: &Engine, invitation: &LinkInvitation) -> Result<LinkStatus, Failure> {
    old.accept_link(Zeroizing::new(invitation.text.clone()))
        .await
}

/// The code, once the new computer shows it.
pub async fn code(new: &Engine) -> String {
    new.until("a code", async || match new.link_status() {
        LinkStatus::Code { code, .. } => Some(code),
        _ => None,
    })
    .await
}

/// The code is typed at the old computer.
pub async fn confirm(old: &Engine, code: &str) -> Result<LinkStatus, Failure> {
    old.confirm_link(code.to_owned(), passphrase(PASSPHRASE))
        .await
}

/// Waits for a link to fail; gives why.
pub async fn failed(engine: &Engine) -> Failure {
    engine
        .until("the link fails", async || match engine.link_status() {
            LinkStatus::Failed { failure } => Some(failure),
            _ => None,
        })
        .await
}

/// Makes the vault of a computer that was granted the account, as the first run does.
pub async fn finish(new: &Engine) {
    new.until("granted", async || {
        matches!(new.link_status(), LinkStatus::Granted { .. }).then_some(())
    })
    .await;
    let stage = new.finish_link(passphrase(PASSPHRASE)).await.unwrap();
    let Stage::Onboarding { step, .. } = stage else {
        panic!("{stage:?}");
    };
    assert_eq!(step, OnboardingStep::Recovery);
    let words = new.recovery_code().await.unwrap();
    let groups = words.chunks(4).map(|group| group.join(" "));
    new.confirm_recovery((0..).zip(groups).collect())
        .await
        .unwrap();
    assert_eq!(new.finish_onboarding(false).await, Ok(Stage::Open));
    new.online().await;
}

/// A second computer of somebody.
pub async fn linked(street: &Street, old: &Engine, name: &str) -> Engine {
    let new = street.open(name).await;
    let invitation = invited(street, &new).await;
    accept(old, &invitation).await.unwrap();
    let code = code(&new).await;
    let given = confirm(old, &code).await.unwrap();
    let device = LAPTOP.to_owned();
    assert_eq!(given, LinkStatus::Given { device });
    finish(&new).await;
    new
}
