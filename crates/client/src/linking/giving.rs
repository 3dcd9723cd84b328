//! The computer that has the account: it reads the invitation, asks for the code, signs the card that
//! names the new computer, and hands the account over.

use super::{Linking, Under, end, ended, failure, patiently};
use crate::app::{App, held};
use crate::devices::device_name;
use crate::failure::Failure;
use crate::history;
use crate::meeting::Meeting;
use crate::renewal::check_passphrase;
use crate::view::{Change, LinkStatus};
use tokio_util::sync::CancellationToken;
use waxwing_crypto::link::{Grant, LinkText, OldDevice};
use waxwing_crypto::vault_header::AccountSeed;
use waxwing_vault::rows::{ActivityKind, Device};
use waxwing_wire::card::{Card, DeviceEntry};
use waxwing_wire::limits::LINK_LIFE;
use waxwing_wire::link::LinkSlot;
use zeroize::Zeroizing;

/// How often the code may be typed.
const TRIES: u32 = 3;

/// A new computer that asks for the account.
pub(crate) struct Asked {
    pub(super) under: Under,
    pub(super) device: String,
    pub(super) tries: u32,
    old: OldDevice,
}

impl App {
    /// Takes the invitation that a new computer shows, and asks it for the code. What was begun before
    /// is over.
    ///
    /// # Errors
    /// [`Failure::LinkInvalid`] for another text; [`Failure::LinkOver`] when this account's relay knows
    /// no such link (any more); [`Failure::LinkEnded`]; [`Failure::LinkUsed`];
    /// [`Failure::LinkChanged`] when the relay shows other keys than the text names;
    /// [`Failure::Relay`].
    pub async fn accept_link(&self, text: Zeroizing<String>) -> Result<LinkStatus, Failure> {
        let text: LinkText = text.parse()?;
        let device = device_name(text.name()).map_err(|_| Failure::LinkInvalid)?;
        self.store()?;
        self.cancel_link().await;
        // At our own relay: a text does not send this computer to any address.
        let under = Under {
            meeting: Meeting::new(self.http.clone(), self.base().await?, text.rendezvous()),
            until: self.now() + LINK_LIFE,
            over: CancellationToken::new(),
        };
        let met = async {
            let offer = under.meeting.get(LinkSlot::Offer, false).await;
            let offer = offer.map_err(failure)?.ok_or(Failure::LinkOver)?;
            let old = OldDevice::begin(&text, &offer, &mut self.chance.draw())?;
            self.say(&under, LinkSlot::Hello, &old.hello().encode())
                .await?;
            Ok::<_, Failure>(old)
        };
        let old = met.await?;
        *held(&self.linking) = Linking::Asked(Box::new(Asked {
            under,
            device,
            tries: TRIES,
            old,
        }));
        self.tell(Change::Link);
        Ok(self.link_status())
    }

    /// Gives the account to the new computer that shows this code: its entry comes into the card, and
    /// then the account's key goes to it, sealed.
    ///
    /// # Errors
    /// [`Failure::LinkCode`] with the tries that are left, after the last of which the link is ended;
    /// [`Failure::WrongPassphrase`]; [`Failure::LinkOver`], [`Failure::LinkEnded`], [`Failure::Relay`]:
    /// the new computer is not in the card then, or is taken out of it again.
    pub async fn confirm_link(
        &self,
        code: String,
        typed: Zeroizing<String>,
    ) -> Result<LinkStatus, Failure> {
        let under = self.try_code(&code).await?;
        self.with_open(move |_, open| check_passphrase(open, &typed))
            .await?;
        // The new computer may have gone.
        match under.meeting.get(LinkSlot::Offer, false).await {
            Ok(_) => {}
            Err(error) => {
                let failure = ended(&error).ok_or(error)?;
                self.link_failed(&failure);
                return Err(failure);
            }
        }
        let taken = std::mem::replace(&mut *held(&self.linking), Linking::Giving);
        let Linking::Asked(asked) = taken else {
            *held(&self.linking) = taken;
            return Err(Failure::NotFound);
        };
        self.tell(Change::Link);
        let device = asked.device.clone();
        match self.give(*asked).await {
            Ok(()) => {
                *held(&self.linking) = Linking::Given { device };
                self.tell(Change::Link);
                Ok(self.link_status())
            }
            Err(failure) => {
                self.link_failed(&failure);
                end(&under).await;
                Err(failure)
            }
        }
    }

    /// Compares what was typed with the code.
    async fn try_code(&self, code: &str) -> Result<Under, Failure> {
        let (under, failure) = {
            let mut linking = held(&self.linking);
            let Linking::Asked(asked) = &mut *linking else {
                return Err(Failure::NotFound);
            };
            let under = asked.under.clone();
            if self.now() >= under.until {
                (under, Failure::LinkOver)
            } else if asked.old.code().is(code) {
                return Ok(under);
            } else {
                asked.tries -= 1;
                let failure = Failure::LinkCode { tries: asked.tries };
                if asked.tries > 0 {
                    drop(linking);
                    self.tell(Change::Link);
                    return Err(failure);
                }
                (under, failure)
            }
        };
        self.link_failed(&failure);
        end(&under).await;
        Err(failure)
    }

    async fn give(&self, asked: Asked) -> Result<(), Failure> {
        let Asked {
            under, device, old, ..
        } = asked;
        let entry = old.offer().entry(self.now());
        let id = entry.device_id;
        let add = |devices: &mut Vec<DeviceEntry>| {
            if devices.iter().all(|known| known.device_id != id) {
                devices.push(entry.clone());
            }
        };
        let added = patiently(self, &under, || self.change_devices(&add)).await;
        let given = match added {
            Ok(()) => self.hand_over(&under, old).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = given {
            // Also when adding failed: its answer may have been lost.
            let removed = self
                .change_devices(|devices| devices.retain(|known| known.device_id != id))
                .await;
            if let Err(failure) = removed {
                tracing::warn!(%failure, "a computer that was not linked may stand in the card");
            }
            return Err(failure);
        }
        let (mut rng, now) = (self.chance.draw(), self.now());
        let mut names = self.chance.draw();
        self.with_store(move |store| {
            store.commit(&mut rng, |tx| {
                tx.put(&Device {
                    id,
                    name: device.clone(),
                })?;
                history::begin(tx, id, now, &mut names)?;
                Ok(tx.record(now, ActivityKind::DeviceLinked, &device)?)
            })
        })
        .await?;
        self.wakers.history.notify_one();
        Ok(())
    }

    /// Writes a message of the link; the same one as often as is needed.
    async fn say(&self, under: &Under, slot: LinkSlot, message: &[u8]) -> Result<(), Failure> {
        let meeting = &under.meeting;
        let put = || async move { meeting.put(slot, message.to_vec()).await.map_err(failure) };
        patiently(self, under, put).await
    }

    /// Hands the account over.
    async fn hand_over(&self, under: &Under, old: OldDevice) -> Result<(), Failure> {
        let own = self.own().await?;
        let (account_id, account) = self
            .with_keyring(|keyring| {
                let seed = AccountSeed::new(*keyring.account.expose());
                (keyring.account_id, seed)
            })
            .await?;
        let grant = Grant {
            account_id,
            account,
            card: Card::decode(&own.card).map_err(|_| Failure::Corrupt)?,
            name: own.name,
        };
        let sealed = old.grant(&grant)?;
        self.say(under, LinkSlot::Grant, &sealed).await
    }
}
