//! Our own card and name at a relay.

use crate::app::App;
use crate::failure::Failure;
use crate::line::{self, Line, LineError};
use crate::prekeys::own_card;
use waxwing_crypto::card::{Terms, sign_successor};
use waxwing_crypto::keys::AccountKey;
use waxwing_vault::rows::{ActivityKind, Contact, OwnCard};
use waxwing_wire::card::Card;
use waxwing_wire::limits::MAX_CARD_LIFE;
use waxwing_wire::problem::Slug;

/// A card is renewed when it has less than this left.
const RENEW_BEFORE: u64 = 30 * 86_400;

impl App {
    /// The name that addresses at the chosen relay end with.
    pub(crate) async fn relay_name(&self) -> Result<String, Failure> {
        if let Some(info) = &self.known().info {
            return Ok(info.name.clone());
        }
        let info = line::info(&self.http, &self.base().await?).await?;
        let name = info.name.clone();
        self.know().info = Some(info);
        Ok(name)
    }

    /// Makes a relay show our newest card; renews a card that ends soon.
    pub(crate) async fn publish_own_card(&self, line: &Line) -> Result<(), Failure> {
        self.renew_own_card().await?;
        let own = self.own().await?;
        let account = self.signer().ok_or(Failure::Locked)?.account;
        let shown = match line.card(&account).await {
            Ok(card) => Some(card),
            // A relay that has never seen this account cannot know its device either.
            Err(LineError {
                slug: Some(Slug::UnknownAccount | Slug::UnknownDevice),
                ..
            }) => None,
            Err(error) => return Err(error.into()),
        };
        if shown.as_ref() != Some(&own.card) {
            let shown = shown.and_then(|card| Card::decode(&card).ok());
            let replaces = shown.map(|card| card.body().version);
            line.put_card(own.card.clone(), replaces).await?;
            let mut rng = self.chance.draw();
            let now = self.now();
            self.with_store(move |store| {
                store.commit(&mut rng, |tx| {
                    let mut own = tx.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?;
                    own.published = Some(own.version);
                    own.published_at = Some(now);
                    tx.put(&own)?;
                    Ok(tx.record(now, ActivityKind::CardPublished, "")?)
                })
            })
            .await?;
        }
        Ok(())
    }

    /// Takes our name at a relay, and our address with it.
    pub(crate) async fn take_own_name(&self, line: &Line, relay: &str) -> Result<(), Failure> {
        let name = self.own().await?.name;
        line.take_name(&name.parse().map_err(|_| Failure::NameInvalid)?)
            .await?;
        let account = self.signer().ok_or(Failure::Locked)?.account;
        let address = format!("{name}@{relay}");
        let mut rng = self.chance.draw();
        self.with_store(move |store| {
            let me = store.load::<Contact>(&account)?.ok_or(Failure::NotFound)?;
            if me.address == address {
                return Ok(());
            }
            store.commit(&mut rng, |tx| Ok(tx.put(&Contact { address, ..me })?))
        })
        .await
    }

    async fn renew_own_card(&self) -> Result<(), Failure> {
        let own = self.own().await?;
        let card = own_card(&own)?;
        let now = self.now();
        if card.body().expires_at > now + RENEW_BEFORE {
            return Ok(());
        }
        let key = self
            .with_keyring(|keyring| AccountKey::from_seed(&keyring.account))
            .await?;
        let terms = Terms {
            issued_at: now,
            expires_at: now + MAX_CARD_LIFE,
            min_suite: card.body().min_suite,
        };
        let renewed = sign_successor(&key, &card, card.body().devices.clone(), terms)
            .map_err(|_| Failure::internal("card"))?;
        let mut rng = self.chance.draw();
        self.with_store(move |store| {
            store.commit(&mut rng, |tx| {
                let mut own = tx.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?;
                own.card = renewed.as_bytes().to_vec();
                own.version = renewed.body().version;
                Ok(tx.put(&own)?)
            })
        })
        .await
    }

    async fn own(&self) -> Result<OwnCard, Failure> {
        self.with_store(|store| store.load::<OwnCard>(&())?.ok_or(Failure::NotFound))
            .await
    }
}
