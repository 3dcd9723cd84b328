//! Where setting up stands, so that quitting at any step and coming back continues there.
//!
//! Before there is a vault nothing secret is known: a name and a relay, in a small file beside
//! the vault. The file goes when the set-up ends.

use crate::app::{App, blocking, held};
use crate::directory;
use crate::failure::Failure;
use crate::line;
use crate::passphrase;
use crate::prekeys::{self, SUITE};
use crate::settings::{disk, relay_url};
use crate::vault::Vaulted;
use crate::view::{Change, OnboardingStep, RelayChoice, Settings, Stage};
use serde::{Deserialize, Serialize};
use std::io::{Error, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use waxwing_crypto::card::{Terms, sign_genesis};
use waxwing_crypto::kdf::Passphrase;
use waxwing_crypto::keys::{AccountKey, DeviceKey, TransportKey, device_entry};
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_crypto::vault_header::Keyring;
use waxwing_vault::Vault;
use waxwing_vault::rows::{ActivityKind, OwnCard};
use waxwing_wire::address::Name;
use waxwing_wire::ids::{DeviceId, MailboxId};
use waxwing_wire::limits::MAX_CARD_LIFE;
use zeroize::Zeroizing;

const FILE: &str = "onboarding.json";
const GROUP_WORDS: usize = 4;

/// What the person chose so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) step: OnboardingStep,
    pub(crate) name: String,
    pub(crate) relay: RelayChoice,
}

/// Reads where the set-up stands; none when it ended or never began.
pub(crate) fn load(dir: &Path) -> std::io::Result<Option<Progress>> {
    match std::fs::read(dir.join(FILE)) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(Error::other),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Keeps where the set-up stands.
pub(crate) fn save(dir: &Path, progress: &Progress) -> std::io::Result<()> {
    replace(
        dir,
        FILE,
        &serde_json::to_vec(progress).map_err(Error::other)?,
    )
}

/// Replaces a small file: a crash leaves the old or the new one.
pub(crate) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let fresh = dir.join(format!("{name}.tmp"));
    let mut file = std::fs::File::create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(fresh, dir.join(name))
}

/// The set-up ended.
pub(crate) fn finish(dir: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(dir.join(FILE)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl App {
    /// Keeps the chosen name and relay, after asking the relay whether it is there.
    ///
    /// # Errors
    /// [`Failure::NameInvalid`], [`Failure::AddressInvalid`], [`Failure::Relay`] when nothing
    /// answers there; with a vault already made, [`Failure::NameTaken`].
    pub async fn choose_identity(
        &self,
        name: String,
        relay: RelayChoice,
    ) -> Result<Stage, Failure> {
        let name: Name = name.parse().map_err(|_| Failure::NameInvalid)?;
        if let RelayChoice::Address { url } = &relay {
            relay_url(url)?;
        }
        let made = self.known().store.is_some();
        if made {
            let chosen = name.to_string();
            let mut rng = self.chance.draw();
            self.with_store(move |store| {
                store.commit(&mut rng, |tx| {
                    let mut own = tx.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?;
                    own.name = chosen;
                    Ok(tx.put(&own)?)
                })
            })
            .await?;
        }
        let settings = Settings {
            relay: relay.clone(),
            ..self.settings().await?
        };
        self.save_settings(settings).await?;
        let info = line::info(&self.http, &self.base().await?).await?;
        self.know().info = Some(info);
        if made {
            self.register().await?;
        }
        let step = if made {
            OnboardingStep::Recovery
        } else {
            OnboardingStep::Passphrase
        };
        self.go_to(Progress {
            step,
            name: name.to_string(),
            relay,
        })
        .await
    }

    /// Back to name and relay.
    ///
    /// # Errors
    /// [`Failure::DiskFull`].
    pub async fn back_to_identity(&self) -> Result<Stage, Failure> {
        let Some(progress) = load(&self.dir).map_err(disk)? else {
            return Ok(self.stage().await);
        };
        self.go_to(Progress {
            step: OnboardingStep::Identity,
            ..progress
        })
        .await
    }

    /// Makes the account, its keys and the vault that keeps them, and registers at the relay.
    ///
    /// # Errors
    /// [`Failure::WeakPassphrase`], [`Failure::NotEnoughMemory`], [`Failure::DiskFull`]; then
    /// nothing was made. [`Failure::NameTaken`] or [`Failure::Relay`]: the vault is made, and the
    /// person goes back to choose another name, or tries again.
    pub async fn create_vault(&self, typed: Zeroizing<String>) -> Result<Stage, Failure> {
        passphrase::require_strong(&typed)?;
        let progress = load(&self.dir).map_err(disk)?.ok_or(Failure::NotFound)?;
        let relay_name = self.relay_name().await?;
        let params = self.kdf().await?.0;
        let app = self.clone();
        let name = progress.name.clone();
        let mut vault = Arc::clone(&self.vault).lock_owned().await;
        blocking(move || {
            if !matches!(*vault, Vaulted::Absent) {
                return Ok(());
            }
            let mut rng = app.chance.draw();
            let now = app.now();
            let account = AccountKey::generate(&mut rng);
            let device = DeviceKey::generate(&mut rng);
            let transport = TransportKey::generate(&mut rng);
            let device_id = DeviceId::generate(&mut rng);
            let mailbox = MailboxId::generate(&mut rng);
            let terms = Terms {
                issued_at: now,
                expires_at: now + MAX_CARD_LIFE,
                min_suite: SUITE,
            };
            let entry = device_entry(device_id, mailbox, &device, &transport, now);
            let card = sign_genesis(&account, vec![entry], terms)
                .map_err(|_| Failure::internal("card"))?;
            let account_id = card.body().account_id;
            let keyring = Keyring::new(
                account_id,
                device_id,
                mailbox,
                account.to_seed(),
                device.to_seed(),
                transport.to_seed(),
            );
            let (open, code) = Vault::create(
                &app.dir,
                &Passphrase::new(&typed),
                params,
                keyring,
                &mut rng,
            )?;
            let address = format!("{name}@{relay_name}");
            let own = OwnCard {
                name: name.clone(),
                card: card.as_bytes().to_vec(),
                version: card.body().version,
                published: None,
                published_at: None,
                ancestors: Vec::new(),
                revocation: None,
                removed_at: None,
            };
            let me = directory::first(&account_id, card.as_bytes(), &name, &address, now)
                .ok_or_else(|| Failure::internal("card"))?;
            open.store().commit(&mut rng, |tx| {
                tx.put(&own)?;
                tx.put(&me)?;
                tx.record(now, ActivityKind::Created, "")
            })?;
            *held(&app.shown_code) = Some(code);
            app.opened(&open, ActivityKind::Unlocked);
            *vault = Vaulted::Open(open);
            Ok(())
        })
        .await?;
        self.still_here();
        self.register().await?;
        self.go_to(Progress {
            step: OnboardingStep::Recovery,
            ..progress
        })
        .await
    }

    /// The 24 words, for the person to write down.
    ///
    /// # Errors
    /// [`Failure::NotFound`] outside the step in which they are shown.
    #[allow(clippy::unused_async, reason = "a question like the others")]
    pub async fn recovery_code(&self) -> Result<Vec<String>, Failure> {
        let shown = held(&self.shown_code);
        let code = shown.as_ref().ok_or(Failure::NotFound)?;
        Ok(code.words().into_iter().map(str::to_owned).collect())
    }

    /// Compares the groups that the person typed back; each is its number from 0 and its words.
    ///
    /// # Errors
    /// [`Failure::RecoveryMismatch`] with the first group that differs.
    pub async fn confirm_recovery(&self, groups: Vec<(u32, String)>) -> Result<Stage, Failure> {
        let progress = load(&self.dir).map_err(disk)?.ok_or(Failure::NotFound)?;
        {
            let shown = held(&self.shown_code);
            compare(shown.as_ref().ok_or(Failure::NotFound)?, &groups)?;
        }
        *held(&self.shown_code) = None;
        self.go_to(Progress {
            step: OnboardingStep::Done,
            ..progress
        })
        .await
    }

    /// Ends the set-up, with a test envelope to oneself if wanted.
    ///
    /// # Errors
    /// What sending can fail with.
    pub async fn finish_onboarding(&self, send_test: bool) -> Result<Stage, Failure> {
        if send_test {
            self.send_test().await?;
        }
        finish(&self.dir).map_err(disk)?;
        self.tell(Change::Stage);
        self.tell(Change::Status);
        Ok(self.stage().await)
    }

    /// Publishes the card, takes the name and fills the stock of prekeys.
    pub(crate) async fn register(&self) -> Result<(), Failure> {
        let line = self.line().await?;
        self.publish_own_card(&line).await?;
        self.take_own_name(&line, &self.relay_name().await?).await?;
        prekeys::restock(self, &line).await?;
        self.wakers.inbox.notify_one();
        self.wakers.upkeep.notify_one();
        Ok(())
    }

    async fn go_to(&self, progress: Progress) -> Result<Stage, Failure> {
        let dir = self.dir.clone();
        blocking(move || save(&dir, &progress).map_err(disk)).await?;
        self.tell(Change::Stage);
        Ok(self.stage().await)
    }
}

/// Compares groups of a recovery code that were typed back; each is its number from 0 and its words.
///
/// # Errors
/// [`Failure::RecoveryMismatch`] with the first group that differs.
pub(crate) fn compare(code: &RecoveryCode, groups: &[(u32, String)]) -> Result<(), Failure> {
    let words = code.words();
    if groups.is_empty() {
        return Err(Failure::RecoveryMismatch { group: 0 });
    }
    for (group, typed) in groups {
        let right = usize::try_from(*group)
            .ok()
            .and_then(|group| words.chunks(GROUP_WORDS).nth(group))
            .is_some_and(|right| {
                typed
                    .split_whitespace()
                    .map(str::to_lowercase)
                    .eq(right.iter().copied())
            });
        if !right {
            return Err(Failure::RecoveryMismatch { group: *group });
        }
    }
    Ok(())
}
