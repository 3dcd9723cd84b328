//! Following: another device of the account replaced its key and gave the new one to this device.
//!
//! The card is the one that device published: it follows our own, and the old key and the new one both
//! signed it. This device's own keys stay, as they stand in that card. The key is kept beside the present
//! one before the message counts as opened; the rest goes the way of a replacement of our own.
//! Carries out docs/protocol.md section 17.

use super::wish::own;
use crate::app::App;
use crate::failure::Failure;
use crate::prekeys::own_card;
use crate::view::Change;
use waxwing_crypto::keys::AccountKey;
use waxwing_crypto::vault_header::AccountSeed;
use waxwing_vault::VaultError;
use waxwing_vault::rows::{Renewal, RenewalKind, RenewalState};
use waxwing_wire::card::{Card, VerifiedCard};
use waxwing_wire::pin::{self, Pin, Verdict};

impl App {
    /// Takes over an account key under `card`, which the sender was just proven by. Nothing when the card
    /// is not the next one of our own key, or the key is not the card's.
    pub(crate) async fn follow_key(
        &self,
        card: &VerifiedCard,
        version: u64,
        account: &AccountSeed,
    ) -> Result<(), Failure> {
        let is_its_key = *AccountKey::from_seed(account).public() == card.body().identity;
        if !is_its_key || card.body().version != version {
            return Ok(());
        }
        let (card, account) = (
            card.as_bytes().to_vec(),
            AccountSeed::new(*account.expose()),
        );
        let follows = self
            .with_open(move |app, open| {
                let store = open.store();
                let now = app.now();
                let ours = own_card(&own(&store)?)?;
                let shown = Card::decode(&card).map_err(|_| Failure::Corrupt)?;
                let is_rotated = matches!(
                    Pin::of(&ours).judge(shown, now),
                    Verdict::Accepted {
                        change: pin::Change::Rotated,
                        ..
                    }
                );
                if !is_rotated {
                    return Ok(false);
                }
                let mut rng = app.chance.draw();
                open.update_keyring(&mut rng, |keyring, _| {
                    keyring.stage_account(&account);
                    Ok::<_, VaultError>(())
                })?;
                let row = Renewal {
                    kind: RenewalKind::Rotate,
                    state: RenewalState::Wanted,
                    since: now,
                    card: Some(card),
                    to_seal_again: Vec::new(),
                    lanes: Vec::new(),
                    told: Vec::new(),
                    is_followed: true,
                };
                store.commit(&mut rng, |tx| tx.put(&row))?;
                Ok(true)
            })
            .await?;
        if follows {
            self.tell(Change::Renewal);
            self.wakers.upkeep.notify_one();
        }
        Ok(())
    }
}
