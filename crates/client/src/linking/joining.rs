//! The new computer: it shows an invitation, then a code, is given the account, and makes its vault.

use super::{Linking, Under, end, ended};
use crate::app::{App, blocking, held};
use crate::backoff;
use crate::contacts::millis;
use crate::devices::device_name;
use crate::directory;
use crate::failure::Failure;
use crate::meeting::Meeting;
use crate::onboarding::{self, Progress};
use crate::passphrase;
use crate::qr::drawn;
use crate::settings::{disk, relay_url};
use crate::vault::Vaulted;
use crate::view::{
    Change, LinkInvitation, LinkStatus, OnboardingStep, RelayChoice, Settings, Stage,
};
use rand::RngExt;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_crypto::keys::{DeviceKey, TransportKey};
use waxwing_crypto::link::{CheckCode, Grant, NewDevice};
use waxwing_crypto::vault_header::{AccountSeed, Keyring};
use waxwing_vault::Vault;
use waxwing_vault::rows::{ActivityKind, Device, OwnCard};
use waxwing_wire::ids::{DeviceId, MailboxId};
use waxwing_wire::limits::LINK_LIFE;
use waxwing_wire::link::LinkSlot;
use zeroize::Zeroizing;

/// The new computer's side.
pub(crate) struct Joining {
    pub(super) under: Under,
    keys: Keys,
    relay: RelayChoice,
    far: Far,
}

/// What the new device brings.
struct Keys {
    name: String,
    device: DeviceId,
    mailbox: MailboxId,
    signing: DeviceKey,
    transport: TransportKey,
}

enum Far {
    Invited,
    Code(CheckCode),
    Granted(Box<Grant>),
}

impl Joining {
    pub(super) fn shown(&self) -> LinkStatus {
        let ends_at = millis(self.under.until);
        match &self.far {
            Far::Invited => LinkStatus::Invited { ends_at },
            Far::Code(code) => LinkStatus::Code {
                code: code.to_string(),
                ends_at,
            },
            Far::Granted(grant) => LinkStatus::Granted {
                name: grant.name.clone(),
            },
        }
    }
}

impl App {
    /// Begins to link this new computer to an account that another one has: gives what is to be read
    /// or pasted there within five minutes. `relay` is the account's relay, `name` what this computer
    /// is called. What was begun before is over.
    ///
    /// # Errors
    /// [`Failure::NotFound`] when there is a vault here; [`Failure::DeviceNameInvalid`],
    /// [`Failure::AddressInvalid`], [`Failure::Relay`].
    pub async fn begin_link(
        &self,
        relay: RelayChoice,
        name: String,
    ) -> Result<LinkInvitation, Failure> {
        if !matches!(*self.vault.lock().await, Vaulted::Absent) {
            return Err(Failure::NotFound);
        }
        let name = device_name(&name)?;
        if let RelayChoice::Address { url } = &relay {
            relay_url(url)?;
        }
        self.cancel_link().await;
        let base = self.base_of(&relay).await?;
        let mut rng = self.chance.draw();
        let keys = Keys {
            name: name.clone(),
            device: DeviceId::generate(&mut rng),
            mailbox: MailboxId::generate(&mut rng),
            signing: DeviceKey::generate(&mut rng),
            transport: TransportKey::generate(&mut rng),
        };
        let new = NewDevice::begin(
            keys.device,
            keys.mailbox,
            &keys.signing,
            &keys.transport,
            &mut rng,
        )
        .map_err(|_| Failure::internal("link"))?;
        let under = Under {
            meeting: Meeting::new(self.http.clone(), base.clone(), new.rendezvous()),
            until: self.now() + LINK_LIFE,
            over: CancellationToken::new(),
        };
        under
            .meeting
            .put(LinkSlot::Offer, new.offer().encode())
            .await?;
        let text = new.text(base.to_string(), name).expose();
        let invitation = LinkInvitation {
            qr: drawn(text.as_bytes())?,
            text: text.to_string(),
            ends_at: millis(under.until),
        };
        *held(&self.linking) = Linking::Joining(Box::new(Joining {
            under: under.clone(),
            keys,
            relay,
            far: Far::Invited,
        }));
        self.spawn(follow(self.clone(), under, new));
        self.tell(Change::Link);
        Ok(invitation)
    }

    /// Makes this computer's vault for the account that was granted; goes on as setting up does, with
    /// a recovery code of its own.
    ///
    /// # Errors
    /// [`Failure::WeakPassphrase`], [`Failure::NotEnoughMemory`], [`Failure::DiskFull`]: the account
    /// is kept in memory, and the person tries again. [`Failure::NotFound`] when none was granted.
    pub async fn finish_link(&self, typed: Zeroizing<String>) -> Result<Stage, Failure> {
        passphrase::require_strong(&typed)?;
        let params = self.kdf().await?.0;
        let joining = self.granted()?;
        let made = self.make_vault(&joining, typed, params).await;
        if let Err(failure) = made {
            *held(&self.linking) = Linking::Joining(joining);
            return Err(failure);
        }
        *held(&self.linking) = Linking::None;
        self.still_here();
        // Until it has prekeys there, nobody can write to this computer.
        if let Err(failure) = self.register().await {
            tracing::info!(%failure, "the prekeys of this computer are published later");
            self.wakers.inbox.notify_one();
            self.wakers.upkeep.notify_one();
        }
        self.tell(Change::Link);
        self.tell(Change::Stage);
        Ok(self.stage().await)
    }

    /// Takes out what was granted, while a vault is made of it.
    fn granted(&self) -> Result<Box<Joining>, Failure> {
        let mut linking = held(&self.linking);
        let name = match &*linking {
            Linking::Joining(joining) => match &joining.far {
                Far::Granted(grant) => grant.name.clone(),
                _ => return Err(Failure::NotFound),
            },
            _ => return Err(Failure::NotFound),
        };
        match std::mem::replace(&mut *linking, Linking::Making { name }) {
            Linking::Joining(joining) => Ok(joining),
            _ => Err(Failure::NotFound),
        }
    }

    async fn make_vault(
        &self,
        joining: &Joining,
        typed: Zeroizing<String>,
        params: KdfParams,
    ) -> Result<(), Failure> {
        let Far::Granted(grant) = &joining.far else {
            return Err(Failure::NotFound);
        };
        let settings = Settings {
            relay: joining.relay.clone(),
            ..self.settings().await?
        };
        self.save_settings(settings).await?;
        let address = format!("{}@{}", grant.name, self.relay_name().await?);
        let (keys, now) = (&joining.keys, self.now());
        let keyring = Keyring::new(
            grant.account_id,
            keys.device,
            keys.mailbox,
            AccountSeed::new(*grant.account.expose()),
            keys.signing.to_seed(),
            keys.transport.to_seed(),
        );
        let version = grant.card.body().version;
        let own = OwnCard {
            name: grant.name.clone(),
            card: grant.card.as_bytes().to_vec(),
            version,
            published: Some(version),
            published_at: Some(now),
            ancestors: Vec::new(),
            revocation: None,
            removed_at: None,
        };
        let me = directory::first(&grant.account_id, &own.card, &own.name, &address, now)
            .ok_or_else(|| Failure::internal("card"))?;
        let device = Device {
            id: keys.device,
            name: keys.name.clone(),
        };
        let progress = Progress {
            step: OnboardingStep::Recovery,
            name: grant.name.clone(),
            relay: joining.relay.clone(),
        };
        let app = self.clone();
        let mut vault = Arc::clone(&self.vault).lock_owned().await;
        blocking(move || {
            // Before the vault: who is cut off after it is shown a recovery code then.
            onboarding::save(&app.dir, &progress).map_err(disk)?;
            let mut rng = app.chance.draw();
            let passphrase = Passphrase::new(&typed);
            let (open, code) = Vault::create(&app.dir, &passphrase, params, keyring, &mut rng)?;
            open.store().commit(&mut rng, |tx| {
                tx.put(&own)?;
                tx.put(&me)?;
                tx.put(&device)?;
                tx.record(now, ActivityKind::DeviceLinked, &device.name)
            })?;
            *held(&app.shown_code) = Some(code);
            app.opened(&open, ActivityKind::Unlocked);
            *vault = Vaulted::Open(open);
            Ok(())
        })
        .await
    }
}

/// Waits for the other computer until the account is here, or the link is over.
async fn follow(app: App, under: Under, new: NewDevice) {
    let over = under.over.clone();
    let followed = async {
        let hello = wait_for(&app, &under, LinkSlot::Hello).await?;
        let (code, waiting) = new.answer(&hello)?;
        advance(&app, Far::Code(code));
        let grant = wait_for(&app, &under, LinkSlot::Grant).await?;
        let grant = waiting.open(&grant)?;
        // It is what was offered that the card names.
        let offered = new.offer();
        let entry = grant.card.body().device(&offered.device_id);
        if !entry.is_some_and(|entry| *entry == offered.entry(entry.added_at)) {
            return Err(Failure::LinkChanged);
        }
        advance(&app, Far::Granted(Box::new(grant)));
        Ok(())
    };
    let followed = tokio::select! {
        () = over.cancelled() => return,
        followed = followed => followed,
    };
    if let Err(failure) = followed {
        app.link_failed(&failure);
        end(&under).await;
    }
}

fn advance(app: &App, to: Far) {
    if let Linking::Joining(joining) = &mut *held(&app.linking) {
        joining.far = to;
    }
    app.tell(Change::Link);
}

/// A message of the other computer. An absent relay is asked again until the time is over.
async fn wait_for(app: &App, under: &Under, slot: LinkSlot) -> Result<Vec<u8>, Failure> {
    let mut failures = 0;
    while app.now() < under.until {
        match under.meeting.get(slot, true).await {
            Ok(Some(message)) => return Ok(message),
            Ok(None) => failures = 0,
            Err(error) => {
                if let Some(failure) = ended(&error) {
                    return Err(failure);
                }
                failures += 1;
                let pause = backoff::pause(failures, app.chance.draw().random());
                tokio::time::sleep(pause).await;
            }
        }
    }
    Err(Failure::LinkOver)
}
