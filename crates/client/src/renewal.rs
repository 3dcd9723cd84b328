//! New keys for this account: identity, signing and transport key of this device, all at once, since
//! who has a copy of one has them all. Device id, mailbox, contacts and messages stay.
//!
//! ```text
//! wish ─→ keys staged ─→ card staged ─→ card at the relay ─→ keys swapped ─→ card adopted
//!                                                            ^ from here on the new keys are ours
//! ```
//! Every step is on the disk before the next, and every call to the relay may be repeated, so what cuts
//! it off (a crash, a lock, an absent relay, a lost answer) leaves something that goes on: at the next
//! round of the upkeep. Then what the old keys signed and nobody has fetched is sealed again, and contacts
//! are told ([`telling`]). What a person asks for is in [`asking`], what is kept of it in [`mod@wish`], and
//! the keys themselves in [`keys`].
//! Carries out docs/protocol.md section 17.
//!
//! Invariants:
//! * key and card change together for who signs: both are replaced under [`signing`](crate::app::Inner::signing);
//! * keys that a relay may have been shown are dropped only when a card that our own key signed proves
//!   that another device was first, never on the relay's word.

mod asking;
mod following;
mod keys;
mod telling;
mod wish;

pub(crate) use asking::check_passphrase;
pub(crate) use telling::{enter_notice, forget_notice};
pub(crate) use wish::{drop_wish, keep_revocation, unwish, wish};

use crate::app::App;
use crate::failure::Failure;
use crate::line::Line;
use crate::own_card::compare;
use crate::prekeys::restock;
use crate::view::{Change, Reason, RelayShows};
use keys::{stage, staged, swap, unstage};
use std::sync::Arc;
use waxwing_vault::VaultError;
use waxwing_vault::rows::{ActivityKind, OwnCard, Renewal, RenewalKind, RenewalState};
use waxwing_vault::steps::{Step, reached};
use waxwing_wire::card::VerifiedCard;
use waxwing_wire::problem::Slug;
use wish::wanted;

/// What the relay made of the staged card.
enum Put {
    /// It shows it.
    Taken,
    /// It shows a card that our key signed elsewhere.
    Lost,
}

impl App {
    /// Takes the replacement of the keys as far as it goes now.
    pub(crate) async fn renew_keys(&self) -> Result<(), Failure> {
        let went = self.replace_keys().await;
        let waits = match &went {
            Err(Failure::Relay { reason }) => Some(*reason),
            _ => None,
        };
        let before = std::mem::replace(&mut self.know().renewal_waits, waits);
        if before != waits {
            self.tell(Change::Renewal);
        }
        went
    }

    async fn replace_keys(&self) -> Result<(), Failure> {
        self.hand_in_revocation().await?;
        let Some(mut row) = self.with_open(wanted).await? else {
            return Ok(());
        };
        let line = self.line().await?;
        if row.card.is_none() {
            let shows = self.publish_own_card(&line).await?;
            self.relay_showed(shows);
            match shows {
                RelayShows::Agrees => {}
                RelayShows::Newer => return self.lose().await,
                _ => return Err(Reason::Rejected.into()),
            }
            row = self.with_open(stage).await?;
        }
        let (new, signer) = self.with_open(staged).await?;
        let by_new = line.signed_by(Arc::new(signer));
        // What another device made, it has put.
        if !row.is_followed {
            match self.put_staged(&line, &by_new, &row, &new).await? {
                Put::Lost => return self.lose().await,
                Put::Taken => reached(Step::CardOut),
            }
        }
        if row.kind == RenewalKind::Reset {
            self.reset_where_it_was_left(&new).await;
        }
        let signing = self.signing.write().await;
        self.with_open(swap).await?;
        drop(signing);
        // Until it has prekeys under the new key, nobody can write to this account.
        if let Err(failure) = restock(self, &by_new).await {
            tracing::info!(%failure, "prekeys under the new key are published later");
        }
        self.relay_showed(RelayShows::Agrees);
        self.tell(Change::Renewal);
        self.tell(Change::Contacts(None));
        for waker in [
            &self.wakers.inbox,
            &self.wakers.left,
            &self.wakers.outbox,
            &self.wakers.watch,
        ] {
            waker.notify_one();
        }
        Ok(())
    }

    /// Puts the staged card. A rotation is proven by the key in the new card. A reset is proven by the key
    /// in the revoked one; once it was taken that key is unknown there, and the new one is asked with.
    async fn put_staged(
        &self,
        line: &Line,
        by_new: &Line,
        row: &Renewal,
        new: &VerifiedCard,
    ) -> Result<Put, Failure> {
        let own = self.own().await?;
        let bytes = || new.as_bytes().to_vec();
        let replaces = Some(own.version);
        let put = match row.kind {
            RenewalKind::Rotate => by_new.put_card(bytes(), replaces).await,
            RenewalKind::Reset => {
                self.revoke_at(line, &own).await?;
                match line.put_card(bytes(), replaces).await {
                    Err(error) if error.is_about_signer() => {
                        by_new.put_card(bytes(), replaces).await
                    }
                    put => put,
                }
            }
        };
        let Err(error) = put else {
            return Ok(Put::Taken);
        };
        match (error.slug, &error.current_card) {
            (Some(Slug::CardChanged), Some(current)) => {
                let shows = compare(&own, current, self.now());
                self.relay_showed(shows);
                match shows {
                    RelayShows::Newer => return Ok(Put::Lost),
                    // It was set back: it gets our present card first.
                    RelayShows::Older => drop(self.publish_own_card(line).await?),
                    _ => {}
                }
            }
            (Some(Slug::CardChanged), None) => drop(self.publish_own_card(line).await?),
            (Some(Slug::AccountRevoked), _) => return Ok(Put::Lost),
            (Some(Slug::CardInvalid), _) if new.body().check_time(self.now()).is_err() => {
                // It waited for so long that it is over, and was never taken.
                self.with_open(unstage).await?;
            }
            _ => {}
        }
        Err(error.into())
    }

    /// Relays that were left are asked once, while the old key still can; what they miss they never get.
    async fn reset_where_it_was_left(&self, new: &VerifiedCard) {
        for line in self.left_lines().await.unwrap_or_default() {
            let reset = async {
                let own = self.own().await?;
                self.revoke_at(&line, &own).await?;
                let bytes = new.as_bytes().to_vec();
                line.put_card(bytes, Some(own.version)).await?;
                Ok::<_, Failure>(())
            };
            if let Err(failure) = reset.await {
                tracing::info!(%failure, "a relay that was left keeps the revoked card");
            }
        }
    }

    /// Hands in the revocation of our own key, once.
    async fn hand_in_revocation(&self) -> Result<(), Failure> {
        let own = self.own().await?;
        if own.revocation.as_ref().is_none_or(|kept| kept.is_out) {
            return Ok(());
        }
        self.revoke_at(&self.line().await?, &own).await?;
        for line in self.left_lines().await.unwrap_or_default() {
            if let Err(failure) = self.revoke_at(&line, &own).await {
                tracing::info!(%failure, "a relay that was left does not learn of the revocation");
            }
        }
        let mut rng = self.chance.draw();
        self.with_store(move |store| {
            store.commit(&mut rng, |tx| {
                let mut own = tx.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?;
                if let Some(revocation) = &mut own.revocation {
                    revocation.is_out = true;
                }
                Ok::<_, Failure>(tx.put(&own)?)
            })
        })
        .await?;
        reached(Step::RevocationOut);
        self.tell(Change::Contacts(None));
        Ok(())
    }

    /// Hands in our revocation at one relay. One that took the reset already knows our old key no more.
    async fn revoke_at(&self, line: &Line, own: &OwnCard) -> Result<(), Failure> {
        let account = self.signer().ok_or(Failure::Locked)?.account;
        let Some(revocation) = &own.revocation else {
            return Err(Failure::internal("revocation"));
        };
        match line.revoke(&account, revocation.statement.clone()).await {
            Err(error) if !error.is_about_signer() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Another device was first: what was made here is dropped, and the person is told.
    async fn lose(&self) -> Result<(), Failure> {
        self.with_open(|app, open| {
            let mut rng = app.chance.draw();
            if open.keyring().next().is_some() {
                open.update_keyring(&mut rng, |keyring, _| {
                    keyring.drop_next();
                    Ok::<_, VaultError>(())
                })?;
            }
            let now = app.now();
            open.store().commit(&mut rng, |tx| {
                if let Some(mut row) = tx.load::<Renewal>(&())? {
                    (row.state, row.since, row.card) = (RenewalState::Lost, now, None);
                    tx.put(&row)?;
                }
                Ok::<_, Failure>(tx.record(now, ActivityKind::RenewalLost, "")?)
            })
        })
        .await?;
        self.tell(Change::Renewal);
        Ok(())
    }

    /// Whether a card under new keys is on its way, which follows the present one.
    pub(crate) async fn has_staged_card(&self) -> Result<bool, Failure> {
        self.with_store(|store| {
            let row = store.load::<Renewal>(&())?;
            Ok(row.is_some_and(|row| row.state == RenewalState::Wanted && row.card.is_some()))
        })
        .await
    }
}
