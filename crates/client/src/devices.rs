//! The account's devices: a list in its card, which each of them may change (docs/protocol.md section 8).
//!
//! Two devices may change the card at the same time: the relay takes one, and the other makes its change
//! once more on that one. Only a card that our own account key signed is taken over from the relay.

use crate::app::App;
use crate::contacts::millis;
use crate::directory;
use crate::failure::Failure;
use crate::line::{Line, LineError};
use crate::prekeys::own_card;
use crate::renewal::check_passphrase;
use crate::view::{self, Change, Reason, RelayShows};
use std::collections::HashMap;
use waxwing_crypto::card::{Terms, sign_successor};
use waxwing_crypto::keys::AccountKey;
use waxwing_vault::rows::{ActivityKind, Contact, Device, OwnCard};
use waxwing_wire::card::{DeviceEntry, VerifiedCard};
use waxwing_wire::ids::DeviceId;
use waxwing_wire::limits::{MAX_CARD_LIFE, MAX_DEVICES};
use waxwing_wire::problem::Slug;
use zeroize::Zeroizing;

/// The longest name of a device, in bytes.
const MOST_NAME: usize = 64;
/// How often a change of the card is made once more on another device's card.
const REBASES: u32 = 8;

impl App {
    /// The account's computers, this one first, then as they were added.
    ///
    /// # Errors
    /// [`Failure::Locked`].
    pub async fn devices(&self) -> Result<Vec<view::Device>, Failure> {
        let this = self.signer().ok_or(Failure::Locked)?.device;
        let seen = self.seen().await.unwrap_or_default();
        self.with_store(move |store| {
            let card = own_card(&store.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?)?;
            let mut entries = card.body().devices.clone();
            entries.sort_by_key(|entry| (entry.device_id != this, entry.added_at));
            entries
                .iter()
                .map(|entry| {
                    Ok(view::Device {
                        id: entry.device_id.to_string(),
                        name: store.load::<Device>(&entry.device_id)?.map(|row| row.name),
                        this: entry.device_id == this,
                        added_at: millis(entry.added_at),
                        last_seen: seen.get(&entry.device_id).copied().map(millis),
                    })
                })
                .collect()
        })
        .await
    }

    /// When the present relay last heard of which device; nothing while it is away.
    async fn seen(&self) -> Result<HashMap<DeviceId, u64>, LineError> {
        let seen = self.line().await?.devices_seen().await?.devices;
        let seen = seen.into_iter();
        Ok(seen
            .filter_map(|device| Some((device.device_id, device.last_seen?)))
            .collect())
    }

    /// Gives one of the account's computers another name here.
    ///
    /// # Errors
    /// [`Failure::DeviceNameInvalid`], [`Failure::NotFound`].
    pub async fn rename_device(
        &self,
        device: String,
        name: String,
    ) -> Result<Vec<view::Device>, Failure> {
        let (id, name) = (id(&device)?, device_name(&name)?);
        let mut rng = self.chance.draw();
        self.with_store(move |store| {
            let card = own_card(&store.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?)?;
            card.body().device(&id).ok_or(Failure::NotFound)?;
            store.commit(&mut rng, |tx| Ok(tx.put(&Device { id, name })?))
        })
        .await?;
        self.tell(Change::Link);
        self.devices().await
    }

    /// Takes another computer out of the account's card: the relay refuses what it asks, and nobody
    /// accepts what it signs from then on.
    ///
    /// # Errors
    /// [`Failure::WrongPassphrase`]; [`Failure::NotFound`] also for this computer itself;
    /// [`Failure::Relay`] when the relay is away: then nothing has changed.
    pub async fn remove_device(
        &self,
        device: String,
        typed: Zeroizing<String>,
    ) -> Result<Vec<view::Device>, Failure> {
        let id = id(&device)?;
        let devices = self.devices().await?;
        let known = devices.into_iter().find(|known| known.id == device);
        let known = known.filter(|known| !known.this).ok_or(Failure::NotFound)?;
        self.with_open(move |_, open| check_passphrase(open, &typed))
            .await?;
        self.change_devices(|devices| devices.retain(|entry| entry.device_id != id))
            .await?;
        let (mut rng, now) = (self.chance.draw(), self.now());
        self.with_store(move |store| {
            store.commit(&mut rng, |tx| {
                tx.delete::<Device>(&id)?;
                let name = known.name.unwrap_or(known.id);
                Ok(tx.record(now, ActivityKind::DeviceRemoved, &name)?)
            })
        })
        .await?;
        self.tell(Change::Link);
        self.devices().await
    }

    /// Signs and publishes a card with other devices. `change` may be made several times, each time on
    /// the newest card, and must not mind that it was made before.
    pub(crate) async fn change_devices(
        &self,
        change: impl Fn(&mut Vec<DeviceEntry>),
    ) -> Result<(), Failure> {
        for _ in 0..REBASES {
            let line = self.line().await?;
            let shows = self.publish_own_card(&line).await?;
            self.relay_showed(shows);
            if shows != RelayShows::Agrees {
                return Err(Reason::Rejected.into());
            }
            if self.put_changed(&line, &change).await? {
                self.wakers.upkeep.notify_one();
                return Ok(());
            }
        }
        Err(Reason::Rejected.into())
    }

    /// False when another device's card came in between.
    async fn put_changed(
        &self,
        line: &Line,
        change: &impl Fn(&mut Vec<DeviceEntry>),
    ) -> Result<bool, Failure> {
        let _signing = self.signing.read().await;
        let own = self.own().await?;
        if own.revocation.is_some() {
            return Err(Failure::KeyRevoked);
        }
        if self.has_staged_card().await? {
            return Err(Failure::RenewalUnderWay);
        }
        let card = own_card(&own)?;
        let mut devices = card.body().devices.clone();
        change(&mut devices);
        if devices == card.body().devices {
            return Ok(true);
        }
        if devices.len() > MAX_DEVICES {
            return Err(Failure::TooManyDevices {
                limit: u32::try_from(MAX_DEVICES).unwrap_or(u32::MAX),
            });
        }
        let key = self
            .with_keyring(|keyring| AccountKey::from_seed(&keyring.account))
            .await?;
        let now = self.now();
        let terms = Terms {
            issued_at: now,
            expires_at: now + MAX_CARD_LIFE,
            min_suite: card.body().min_suite,
        };
        let changed =
            sign_successor(&key, &card, devices, terms).map_err(|_| Failure::internal("card"))?;
        match line
            .put_card(changed.as_bytes().to_vec(), Some(own.version))
            .await
        {
            Ok(()) => {}
            // The answer before was lost, or another device was first: the next look at the relay says.
            Err(LineError {
                slug: Some(Slug::CardChanged),
                ..
            }) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        self.keep_own_card(changed).await?;
        Ok(true)
    }

    /// Takes over a card that another of the account's devices published: of the same account key, and
    /// later than ours, or in the place of one of ours that no relay has taken. False when it is another.
    pub(crate) async fn adopt(&self, shown: &[u8]) -> Result<bool, Failure> {
        if self.has_staged_card().await? {
            return Ok(false);
        }
        let own = self.own().await?;
        let ours = own_card(&own)?;
        let Some(shown) = directory::proven(shown) else {
            return Ok(false);
        };
        let (is, was) = (shown.body(), ours.body());
        let is_ours = is.account_id == was.account_id && is.identity == was.identity;
        let is_later = is.version > was.version
            || (is.version == was.version && own.published != Some(own.version));
        if !is_ours
            || !is_later
            || is.min_suite < was.min_suite
            || is.check_time(self.now()).is_err()
        {
            return Ok(false);
        }
        let signer = self.signer().ok_or(Failure::Locked)?;
        let entry = is.device(&signer.device);
        if entry.is_some_and(|entry| {
            entry.mailbox == signer.mailbox && entry.transport == *signer.key.public()
        }) {
            self.keep_own_card(shown).await?;
            return Ok(true);
        }
        self.was_removed().await?;
        Ok(false)
    }

    /// Another device took this one out of the card: it says so, and sends nothing any more.
    async fn was_removed(&self) -> Result<(), Failure> {
        let (mut rng, now) = (self.chance.draw(), self.now());
        let is_new = self
            .with_store(move |store| {
                store.commit(&mut rng, |tx| {
                    let mut own = tx.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?;
                    if own.removed_at.is_some() {
                        return Ok(false);
                    }
                    own.removed_at = Some(now);
                    tx.put(&own)?;
                    tx.record(now, ActivityKind::DeviceRemoved, "")?;
                    Ok::<_, Failure>(true)
                })
            })
            .await?;
        if is_new {
            self.tell(Change::Link);
            self.tell(Change::Contacts(None));
        }
        Ok(())
    }

    /// Keeps a card of ours that the relay shows.
    async fn keep_own_card(&self, card: VerifiedCard) -> Result<(), Failure> {
        let (mut rng, now) = (self.chance.draw(), self.now());
        self.with_store(move |store| {
            store.commit(&mut rng, |tx| {
                let mut own = tx.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?;
                own.card = card.as_bytes().to_vec();
                own.version = card.body().version;
                (own.published, own.published_at) = (Some(own.version), Some(now));
                own.removed_at = None;
                tx.put(&own)?;
                if let Some(mut me) = tx.load::<Contact>(&card.body().account_id)? {
                    directory::take(&mut me, &card, now);
                    tx.put(&me)?;
                }
                Ok::<_, Failure>(tx.record(now, ActivityKind::CardPublished, "")?)
            })
        })
        .await?;
        self.wakers.history.notify_one();
        self.tell(Change::Link);
        Ok(())
    }
}

/// A name of a device as a person gave it.
pub(crate) fn device_name(name: &str) -> Result<String, Failure> {
    let name = name.trim();
    let long = name.len() > MOST_NAME;
    if name.is_empty() || long || name.chars().any(char::is_control) {
        return Err(Failure::DeviceNameInvalid);
    }
    Ok(name.to_owned())
}

fn id(device: &str) -> Result<DeviceId, Failure> {
    device.parse().map_err(|_| Failure::NotFound)
}
