//! What is awaited of somebody whose keys are replaced or revoked.

#![allow(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc)]

use ed25519_dalek::Signer as _;
use waxwing_client::Failure;
use waxwing_client::view::{ActivityKind, ComparedState, RelayShows, RenewalState, ToldState};

use waxwing_wire::card::{Card, CardBody, VerifiedCard, bytes_to_sign};
use waxwing_wire::cose::Sign1;
use waxwing_wire::cose_key::Suite;

use crate::engine::{Engine, Street};

impl Engine {
    /// Waits until the replacement of the keys has come so far.
    pub async fn until_renewal(&self, wanted: RenewalState) {
        self.until(&format!("{wanted:?}"), async || {
            let renewal = self.key_renewal().await.unwrap()?;
            (renewal.state == wanted).then_some(())
        })
        .await;
    }

    /// Waits until the keys are replaced.
    pub async fn until_renewed(&self) {
        self.until_renewal(RenewalState::Done).await;
    }

    /// Waits until somebody knows so much of the new keys.
    pub async fn until_told(&self, account: &str, wanted: ToldState) {
        self.until(&format!("told: {wanted:?}"), async || {
            (self.told(account).await? == wanted).then_some(())
        })
        .await;
    }

    /// How much somebody knows of the new keys; none when they are not to be told.
    pub async fn told(&self, account: &str) -> Option<ToldState> {
        let mut told = self.key_renewal().await.unwrap()?.told.into_iter();
        let told = told.find(|told| told.party.account == account)?;
        Some(told.state)
    }

    /// Waits until a contact's key counts as this.
    pub async fn until_compared(&self, account: &str, wanted: ComparedState) {
        self.until(&format!("{wanted:?}"), async || {
            let contact = self.contact(account.to_owned()).await.unwrap();
            (contact.compared == wanted).then_some(())
        })
        .await;
    }

    /// Waits until the relay shows this as our card.
    pub async fn until_shown(&self, wanted: RelayShows) {
        self.until(&format!("{wanted:?}"), async || {
            (self.me().await.unwrap().relay_shows == wanted).then_some(())
        })
        .await;
    }

    /// Waits until our key is revoked.
    pub async fn until_revoked(&self) {
        self.until("revoked", async || self.me().await.unwrap().revoked_at)
            .await;
    }

    /// Writes to somebody whose key is revoked until that is known: who has a prekey at hand writes once
    /// more, and learns of it with the next.
    pub async fn writes_until_revoked(&self, account: &str) {
        let account = account.to_owned();
        let held = Failure::ContactHeld {
            account: account.clone(),
        };
        for number in 0..20 {
            let subject = format!("to a revoked key {number}");
            match self.send(&[&account], &subject).await {
                Ok(_) => self.online().await,
                Err(failure) => assert_eq!(failure, held),
            }
            let revoked = self.until_compared(&account, ComparedState::Revoked);
            let soon = std::time::Duration::from_secs(5);
            if tokio::time::timeout(soon, revoked).await.is_ok() {
                return;
            }
        }
        panic!("{account} never counts as revoked");
    }

    /// What was done with the keys, newest first.
    pub async fn did(&self) -> Vec<ActivityKind> {
        let lines = self.activity(None, 500).await.unwrap().items;
        lines.into_iter().map(|line| line.kind).collect()
    }

    /// The last four digits of our key code.
    pub async fn last_four(&self) -> String {
        let code = self.me().await.unwrap().own_code.concat();
        code[code.len() - 4..].to_owned()
    }
}

/// A card of somebody whose Waxwing is closed, signed over this one with her own key, that allows a weaker
/// suite than it: what no Waxwing makes.
pub fn weaker(street: &Street, name: &str, than: &VerifiedCard) -> Card {
    let key = street.with_vault(name, |open| {
        ed25519_dalek::SigningKey::from_bytes(open.keyring().account.expose())
    });
    let before = than.body();
    let payload = CardBody {
        version: before.version + 1,
        prev: Some(than.hash()),
        min_suite: Suite::S1,
        ..before.clone()
    }
    .encode();
    let signature = key.sign(&bytes_to_sign(&payload)).to_bytes();
    Card::decode(&Sign1 { payload, signature }.encode()).unwrap()
}
