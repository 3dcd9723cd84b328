//! The directory as calls see it: current cards and whose a mailbox is, with a cache in front.
//!
//! The cache keeps the proven card, so that a request costs one signature check and not two. An
//! older card never replaces a newer one in it; entries last a minute at most, which bounds
//! what a second relay over the same store could miss.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use waxwing_wire::card::{Card, VerifiedCard};
use waxwing_wire::ids::{AccountId, DeviceId, MailboxId};

use crate::store::{AnyStore, Space, StoreError};

/// How long a card is served from memory.
const CARD_TIME: Duration = Duration::from_secs(60);

/// The current card of an account, with the store's version of it.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) stored: u64,
    pub(super) card: VerifiedCard,
}

impl Current {
    /// The strong entity tag: the card's version in quotes.
    pub(super) fn etag(&self) -> String {
        format!("\"{}\"", self.card.body().version)
    }
}

pub(super) struct Directory {
    store: AnyStore,
    cards: Cache<AccountId, Arc<Current>>,
    mailboxes: Cache<MailboxId, (AccountId, DeviceId)>,
}

impl Directory {
    pub(super) fn new(store: AnyStore) -> Self {
        Self {
            store,
            cards: Cache::builder()
                .max_capacity(20_000)
                .time_to_live(CARD_TIME)
                .build(),
            mailboxes: Cache::new(100_000),
        }
    }

    /// The current card.
    pub(super) async fn card(
        &self,
        account: &AccountId,
    ) -> Result<Option<Arc<Current>>, StoreError> {
        if let Some(current) = self.cards.get(account) {
            return Ok(Some(current));
        }
        self.fresh_card(account).await
    }

    /// The current card, from the store itself.
    pub(super) async fn fresh_card(
        &self,
        account: &AccountId,
    ) -> Result<Option<Arc<Current>>, StoreError> {
        let Some(stored) = self.store.load(Space::Cards, account.as_bytes()).await? else {
            return Ok(None);
        };
        // It was proven before it was saved; what is proven again is that the disk kept it.
        let card = Card::decode(&stored.value)
            .ok()
            .and_then(|card| card.verify_self().ok());
        let Some(card) = card else {
            tracing::error!("a stored card is damaged");
            return Err(StoreError::Unavailable);
        };
        Ok(Some(self.remember(
            *account,
            Current {
                stored: stored.version,
                card,
            },
        )))
    }

    /// Puts a card into the cache unless a newer one is there; answers the newer.
    pub(super) fn remember(&self, account: AccountId, current: Current) -> Arc<Current> {
        let current = Arc::new(current);
        let entry = self.cards.entry(account).and_upsert_with(|old| match old {
            Some(old) if old.value().stored > current.stored => Arc::clone(old.value()),
            _ => Arc::clone(&current),
        });
        entry.into_value()
    }

    /// The device whose mailbox this is, if its account's current card says so.
    pub(super) async fn knows_mailbox(&self, mailbox: &MailboxId) -> Result<bool, StoreError> {
        let Some((account, device)) = self.owner(mailbox).await? else {
            return Ok(false);
        };
        let Some(current) = self.card(&account).await? else {
            return Ok(false);
        };
        let entry = current.card.body().device(&device);
        Ok(entry.is_some_and(|entry| entry.mailbox == *mailbox))
    }

    /// Who claimed a mailbox first; that never changes.
    pub(super) async fn owner(
        &self,
        mailbox: &MailboxId,
    ) -> Result<Option<(AccountId, DeviceId)>, StoreError> {
        if let Some(owner) = self.mailboxes.get(mailbox) {
            return Ok(Some(owner));
        }
        let Some(stored) = self
            .store
            .load(Space::Mailboxes, mailbox.as_bytes())
            .await?
        else {
            return Ok(None);
        };
        let owner = stored
            .value
            .split_at_checked(AccountId::LEN)
            .and_then(|(account, device)| {
                Some((
                    AccountId::try_from(account).ok()?,
                    DeviceId::try_from(device).ok()?,
                ))
            });
        let Some(owner) = owner else {
            tracing::error!("a stored mailbox is damaged");
            return Err(StoreError::Unavailable);
        };
        self.mailboxes.insert(*mailbox, owner);
        Ok(Some(owner))
    }
}
