//! Our own card and name at a relay.

use crate::app::App;
use crate::failure::Failure;
use crate::line::{self, Line, LineError};
use crate::prekeys::own_card;
use crate::view::{Change, RelayShows};
use waxwing_crypto::card::{Terms, sign_successor};
use waxwing_crypto::keys::AccountKey;
use waxwing_vault::rows::{ActivityKind, Contact, OwnCard};
use waxwing_wire::card::Card;
use waxwing_wire::ids::Digest;
use waxwing_wire::limits::MAX_CARD_LIFE;
use waxwing_wire::pin::{Pin, Verdict};
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

    /// Makes a relay show our newest card; renews a card that ends soon. What it shows in the end is the
    /// answer: a card that is neither ours nor an earlier one of ours stays there, and a person is told.
    pub(crate) async fn publish_own_card(&self, line: &Line) -> Result<RelayShows, Failure> {
        let account = self.signer().ok_or(Failure::Locked)?.account;
        let mut there = match line.card(&account).await {
            Ok(card) => Some(card),
            // A relay that has never seen this account cannot know its device either; and one that has
            // an earlier card of ours may know the device by another key. Who puts a card is shown the
            // one that is there.
            Err(error) if error.slug == Some(Slug::UnknownAccount) || error.is_about_signer() => {
                None
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(shown) = &there {
            // Renewing an older one would fork it.
            self.adopt(shown).await?;
        }
        self.renew_own_card().await?;
        let mut own = self.own().await?;
        loop {
            let shows = there
                .as_deref()
                .map_or(RelayShows::Nothing, |card| compare(&own, card, self.now()));
            match shows {
                RelayShows::Nothing | RelayShows::Older => {}
                // Another of the account's devices changed the card: its change becomes ours.
                RelayShows::Newer => {
                    let adopted = match &there {
                        Some(card) => self.adopt(card).await?,
                        None => false,
                    };
                    if !adopted {
                        return Ok(shows);
                    }
                    own = self.own().await?;
                    continue;
                }
                other => return Ok(other),
            }
            let replaces = there.as_deref().and_then(|card| Card::decode(card).ok());
            let replaces = replaces.map(|card| card.body().version);
            match line.put_card(own.card.clone(), replaces).await {
                Ok(()) => break,
                Err(LineError {
                    slug: Some(Slug::CardChanged),
                    current_card: Some(current),
                    ..
                }) if there.as_ref() != Some(&current) => there = Some(current),
                Err(error) => return Err(error.into()),
            }
        }
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
        Ok(RelayShows::Agrees)
    }

    /// Keeps what the present relay shows as our card, for who asks.
    pub(crate) fn relay_showed(&self, shows: RelayShows) {
        let before = std::mem::replace(&mut self.know().relay_shows, shows);
        if before != shows {
            if matches!(shows, RelayShows::Newer | RelayShows::DifferentKey) {
                tracing::warn!(?shows, "the relay shows another card as ours");
            }
            self.tell(Change::Contacts(None));
        }
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
        let _signing = self.signing.read().await;
        let own = self.own().await?;
        let card = own_card(&own)?;
        let now = self.now();
        // A revoked key signs no card any more, and one that is about to be replaced not another one.
        if card.body().expires_at > now + RENEW_BEFORE
            || own.revocation.is_some()
            || self.has_staged_card().await?
        {
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

    pub(crate) async fn own(&self) -> Result<OwnCard, Failure> {
        self.with_store(|store| store.load::<OwnCard>(&())?.ok_or(Failure::NotFound))
            .await
    }

    /// Whether the present key was revoked by its owner.
    pub(crate) async fn is_revoked(&self) -> Result<bool, Failure> {
        Ok(self.own().await?.revocation.is_some())
    }
}

/// What a card that a relay shows as ours is to us.
pub(crate) fn compare(own: &OwnCard, shown: &[u8], now: u64) -> RelayShows {
    if own.card == shown {
        return RelayShows::Agrees;
    }
    if own.ancestors.contains(&Digest::of(shown)) {
        return RelayShows::Older;
    }
    let (Ok(card), Ok(shown)) = (own_card(own), Card::decode(shown)) else {
        return RelayShows::DifferentKey;
    };
    match Pin::of(&card).judge(shown, now) {
        Verdict::Rollback { .. } => RelayShows::Older,
        // Signed by our key, whatever else may be wrong with it.
        Verdict::Accepted { .. }
        | Verdict::Fork { .. }
        | Verdict::WeakerSuite { .. }
        | Verdict::Expired => RelayShows::Newer,
        Verdict::IdentityReset { .. } | Verdict::WrongAccount | Verdict::Invalid => {
            RelayShows::DifferentKey
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use waxwing_crypto::card::{sign_genesis, sign_reset, sign_rotation};
    use waxwing_crypto::keys::{DeviceKey, TransportKey, device_entry};
    use waxwing_wire::cose_key::Suite;
    use waxwing_wire::ids::{DeviceId, MailboxId};

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn a_card_that_is_shown_as_ours_is_an_earlier_a_later_or_anothers() {
        let rng = &mut rand::rng();
        let (first_key, second_key) = (AccountKey::generate(rng), AccountKey::generate(rng));
        let thief = AccountKey::generate(rng);
        let entry = device_entry(
            DeviceId::generate(rng),
            MailboxId::generate(rng),
            &DeviceKey::generate(rng),
            &TransportKey::generate(rng),
            NOW,
        );
        let devices = || vec![entry.clone()];
        let terms = |later, min_suite| Terms {
            issued_at: NOW + later,
            expires_at: NOW + later + 100,
            min_suite,
        };
        let s1 = |later| terms(later, Suite::S1);
        let first = sign_genesis(&first_key, devices(), s1(0)).unwrap();
        let second = sign_rotation(&first_key, &second_key, &first, devices(), s1(1)).unwrap();
        let third = sign_successor(&second_key, &second, devices(), s1(2)).unwrap();
        let fork = sign_successor(&second_key, &second, devices(), s1(3)).unwrap();
        let later = sign_successor(&second_key, &third, devices(), s1(4)).unwrap();
        let stolen = sign_reset(&thief, &third, devices(), s1(4)).unwrap();
        let other = sign_genesis(&thief, devices(), s1(0)).unwrap();
        let own = OwnCard {
            name: "alice".to_owned(),
            card: third.as_bytes().to_vec(),
            version: 3,
            published: None,
            published_at: None,
            ancestors: vec![first.hash()],
            revocation: None,
            removed_at: None,
        };
        let strong = terms(3, Suite::S2);
        let strong = sign_successor(&second_key, &second, devices(), strong).unwrap();
        let weaker = sign_successor(&second_key, &third, devices(), s1(5)).unwrap();
        for (card, wanted) in [
            (&third, RelayShows::Agrees),
            (&first, RelayShows::Older),
            (&second, RelayShows::Older),
            (&later, RelayShows::Newer),
            (&fork, RelayShows::Newer),
            (&stolen, RelayShows::DifferentKey),
            (&other, RelayShows::DifferentKey),
        ] {
            assert_eq!(compare(&own, card.as_bytes(), NOW + 5), wanted);
        }
        let own = OwnCard {
            card: strong.as_bytes().to_vec(),
            ..own
        };
        assert_eq!(compare(&own, weaker.as_bytes(), NOW + 5), RelayShows::Newer);
        assert_eq!(compare(&own, b"no card", NOW), RelayShows::DifferentKey);
        // Of a key that was not ours when it is not remembered, however well it was signed then.
        let forgotten = OwnCard {
            ancestors: Vec::new(),
            ..own
        };
        let shown = compare(&forgotten, first.as_bytes(), NOW);
        assert_eq!(shown, RelayShows::DifferentKey);
    }
}
