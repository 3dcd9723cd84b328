//! Opening and closing the vault, and the stage that the whole window stands on.

use crate::app::{App, Inner, blocking, held};
use crate::backup::own_name;
use crate::failure::Failure;
use crate::letters::outbox_count;
use crate::line::Signer;
use crate::onboarding::{self, Progress};
use crate::passphrase;
use crate::settings::disk;
use crate::view::{Change, Folder, OnboardingStep, Stage, Strength, UnlockTime};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::OwnedMutexGuard;
use waxwing_crypto::kdf::{KdfError, KdfParams, Passphrase, stretch};
use waxwing_crypto::keys::TransportKey;
use waxwing_crypto::recovery::{RecoveryCode, RecoveryError};
use waxwing_crypto::vault_header::{EpochId, Keyring};
use waxwing_vault::rows::ActivityKind;
use waxwing_vault::{Carriage, Damage, Locked, Open, State, UnlockError, Vault, VaultError};
use zeroize::Zeroizing;

/// How long the loops may take to let go of a folder that is to be renamed.
const LET_GO_TRIES: u32 = 100;
const LET_GO_PAUSE: Duration = Duration::from_millis(20);

/// The vault of this profile, as far as this process has it.
#[derive(Debug)]
pub(crate) enum Vaulted {
    Absent,
    InUse,
    Corrupt(String),
    Locked(Locked),
    Open(Open),
}

impl Vaulted {
    /// Looks what is in the profile's folder. Reads the disk: call it from a thread that may block.
    pub(crate) fn look(dir: &Path) -> Self {
        match Vault::look(dir) {
            Ok(State::None) => Self::Absent,
            Ok(State::Locked(locked)) => Self::Locked(locked),
            Ok(State::InUse) | Err(VaultError::InUse) => Self::InUse,
            Ok(State::Corrupt { reason }) => Self::Corrupt(damage(reason).to_owned()),
            Err(error) => {
                tracing::error!(%error, "the vault's folder cannot be read");
                Self::Corrupt("folder".to_owned())
            }
        }
    }

    pub(crate) fn carriage(&self) -> Option<Carriage> {
        match self {
            Self::Locked(locked) => Some(locked.carriage()),
            Self::Open(open) => Some(open.carriage()),
            _ => None,
        }
    }

    fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Absent)
    }
}

fn damage(reason: Damage) -> &'static str {
    match reason {
        Damage::Header(_) => "header",
        Damage::HeaderMissing => "headerMissing",
        Damage::Newer => "newer",
        Damage::Store(_) => "store",
    }
}

impl App {
    /// Where the whole window stands.
    pub async fn stage(&self) -> Stage {
        let vault = self.looked_at().await;
        let progress = onboarding::load(&self.dir).unwrap_or_default();
        let known = self.known();
        match &*vault {
            Vaulted::InUse => Stage::InUse,
            Vaulted::Corrupt(reason) => Stage::Corrupt {
                reason: reason.clone(),
                folder: self.dir.display().to_string(),
            },
            Vaulted::Locked(_) => Stage::Locked {
                waiting: known
                    .carriage
                    .as_ref()
                    .map_or(0, |carriage| count(carriage.incoming_count())),
                outbox: known
                    .carriage
                    .as_ref()
                    .map_or(0, |carriage| outbox_count(carriage).unwrap_or(u32::MAX)),
                after_start: known.signer.is_none(),
            },
            Vaulted::Open(open) => progress.map_or(Stage::Open, |mut progress| {
                if progress.step == OnboardingStep::Restored {
                    progress.name = own_name(open);
                }
                shown(progress)
            }),
            // Without a vault there is no recovery code to go on with.
            Vaulted::Absent => progress
                .filter(|at| !matches!(at.step, OnboardingStep::Recovery | OnboardingStep::Done))
                .map_or(Stage::Welcome, shown),
        }
    }

    /// The vault. What was held by another process, or damaged, may have changed since: it is
    /// looked at once more.
    async fn looked_at(&self) -> OwnedMutexGuard<Vaulted> {
        let mut vault = Arc::clone(&self.vault).lock_owned().await;
        if matches!(*vault, Vaulted::InUse | Vaulted::Corrupt(_)) {
            let dir = self.dir.clone();
            if let Ok(found) = blocking(move || Ok(Vaulted::look(&dir))).await {
                self.know().carriage = found.carriage();
                *vault = found;
            }
        }
        vault
    }

    /// Opens the vault with the passphrase.
    ///
    /// # Errors
    /// [`Failure::WrongPassphrase`], [`Failure::NotEnoughMemory`], [`Failure::Corrupt`].
    pub async fn unlock(&self, typed: Zeroizing<String>) -> Result<Stage, Failure> {
        let app = self.clone();
        let mut vault = Arc::clone(&self.vault).lock_owned().await;
        blocking(move || {
            let passphrase = Passphrase::new(&typed);
            let begun = Instant::now();
            match vault.take() {
                Vaulted::Locked(locked) => match locked.unlock(&passphrase) {
                    Ok(mut open) => {
                        app.know().unlock = Some(cost(begun.elapsed(), open.params()));
                        // The code was never confirmed: the one that was shown is replaced.
                        let renewed = renew_code(&app, &mut open, &passphrase);
                        app.opened(&open, ActivityKind::Unlocked);
                        *vault = Vaulted::Open(open);
                        renewed
                    }
                    Err((locked, error)) => {
                        *vault = Vaulted::Locked(locked);
                        Err(app.unlock_failed(error))
                    }
                },
                other => {
                    *vault = other;
                    Ok(())
                }
            }
        })
        .await?;
        self.announce_open().await
    }

    /// Closes the vault: every key and opened text is dropped. What is ciphertext goes on leaving
    /// and arriving.
    ///
    /// # Errors
    /// None that keeps it open.
    pub async fn lock(&self) -> Result<Stage, Failure> {
        let app = self.clone();
        let mut vault = Arc::clone(&self.vault).lock_owned().await;
        blocking(move || {
            if let Vaulted::Open(open) = vault.take() {
                app.note(&open, ActivityKind::Locked, "");
                let locked = open.lock();
                app.know().store = None;
                app.transfers.cancel_all();
                held(&app.rekeying).forget();
                held(&app.backing_up).stop();
                *vault = Vaulted::Locked(locked);
            }
            Ok(())
        })
        .await?;
        self.tell(Change::Stage);
        self.tell(Change::Status);
        Ok(self.stage().await)
    }

    /// Opens the vault with the recovery code and gives it a new passphrase.
    ///
    /// # Errors
    /// [`Failure::RecoveryMismatch`] with the first group that cannot be right,
    /// [`Failure::RecoveryMistyped`], [`Failure::RecoveryOther`]; [`Failure::WeakPassphrase`].
    pub async fn recover(
        &self,
        words: Zeroizing<String>,
        new_passphrase: Zeroizing<String>,
    ) -> Result<Stage, Failure> {
        passphrase::require_strong(&new_passphrase)?;
        let code = RecoveryCode::parse(&words).map_err(|error| mistyped(&error))?;
        let params = self.kdf().await?.0;
        let app = self.clone();
        let mut vault = Arc::clone(&self.vault).lock_owned().await;
        blocking(move || {
            let locked = match vault.take() {
                Vaulted::Locked(locked) => locked,
                other => {
                    *vault = other;
                    return Err(Failure::NotFound);
                }
            };
            match locked.unlock_with_recovery(&code) {
                Ok(mut open) => {
                    let mut rng = app.chance.draw();
                    let set = open.rewrap_with_recovery(
                        &code,
                        &Passphrase::new(&new_passphrase),
                        params,
                        &mut rng,
                    );
                    if let Err(error) = set {
                        *vault = Vaulted::Locked(open.lock());
                        return Err(error.into());
                    }
                    app.is_locked_anew();
                    app.opened(&open, ActivityKind::UnlockedByRecovery);
                    *vault = Vaulted::Open(open);
                    Ok(())
                }
                Err((locked, error)) => {
                    *vault = Vaulted::Locked(locked);
                    Err(app.unlock_failed(error))
                }
            }
        })
        .await?;
        self.announce_open().await
    }

    /// Renames the vault's folder with today's date and begins anew. Nothing is deleted: what was
    /// renamed is a profile of that name.
    ///
    /// # Errors
    /// [`Failure::InUse`] when another process holds it.
    pub async fn start_over(&self) -> Result<Stage, Failure> {
        let app = self.clone();
        let mut vault = Arc::clone(&self.vault).lock_owned().await;
        blocking(move || {
            app.forget_vault();
            drop(vault.take());
            let today = app.today();
            let renamed = let_go(&app, || Vault::start_over(&app.dir, &today));
            *vault = Vaulted::look(&app.dir);
            app.know().carriage = vault.carriage();
            renamed.map_err(Failure::from)?;
            Ok(())
        })
        .await?;
        self.tell(Change::Stage);
        Ok(self.stage().await)
    }

    /// A passphrase to offer.
    pub fn suggest_passphrase(&self) -> Zeroizing<String> {
        passphrase::generate(&mut self.chance.draw())
    }

    /// How strong a passphrase is.
    pub fn passphrase_strength(&self, typed: &str) -> Strength {
        passphrase::strength(typed)
    }

    /// What unlocking costs on this computer, measured.
    ///
    /// # Errors
    /// [`Failure::NotEnoughMemory`].
    pub async fn unlock_time(&self) -> Result<UnlockTime, Failure> {
        Ok(self.kdf().await?.1)
    }

    /// The parameters for a new passphrase here, and what they cost; measured once.
    pub(crate) async fn kdf(&self) -> Result<(KdfParams, UnlockTime), Failure> {
        self.calibrated
            .get_or_try_init(|| {
                blocking(|| {
                    let begun = Instant::now();
                    let params = KdfParams::calibrate(|| begun.elapsed()).map_err(kdf_failed)?;
                    let begun = Instant::now();
                    stretch(&Passphrase::new("measuring"), &[0; 32], params).map_err(kdf_failed)?;
                    Ok((params, cost(begun.elapsed(), params)))
                })
            })
            .await
            .copied()
    }

    /// Uses the keyring of the open vault.
    pub(crate) async fn with_keyring<T>(
        &self,
        work: impl FnOnce(&Keyring) -> T,
    ) -> Result<T, Failure> {
        match &*self.vault.lock().await {
            Vaulted::Open(open) => Ok(work(open.keyring())),
            _ => Err(Failure::Locked),
        }
    }

    /// Makes the key of a week, and destroys those of weeks that are long over.
    pub(crate) async fn open_epoch(&self, week: EpochId, oldest: EpochId) -> Result<(), Failure> {
        let app = self.clone();
        let mut vault = Arc::clone(&self.vault).lock_owned().await;
        blocking(move || {
            let Vaulted::Open(open) = &mut *vault else {
                return Err(Failure::Locked);
            };
            let keyring = open.keyring();
            let is_over = keyring.epochs().any(|(epoch, _)| epoch < oldest);
            if keyring.epoch(week).is_some() && !is_over {
                return Ok(());
            }
            open.update_keyring(&mut app.chance.draw(), |keyring, rng| {
                keyring.add_epoch(week, rng);
                keyring.drop_epochs_before(oldest);
                Ok::<_, VaultError>(())
            })?;
            if is_over {
                open.store().commit(&mut app.chance.draw(), |tx| {
                    tx.purge_destroyed_prekeys().map(drop)
                })?;
            }
            Ok(())
        })
        .await
    }

    /// Opens what waits as ciphertext, without keeping anybody waiting.
    pub(crate) fn open_soon(&self) {
        let app = self.clone();
        self.spawn(async move {
            if let Err(failure) = app.open_waiting().await {
                tracing::info!(%failure, "what waits is opened later");
            }
            app.tell(Change::Envelopes {
                folder: Folder::Inbox,
                id: None,
            });
            app.tell(Change::Status);
            // Pays what opening left owed.
            app.wakers.inbox.notify_one();
        });
    }

    pub(crate) async fn announce_open(&self) -> Result<Stage, Failure> {
        self.still_here();
        self.open_soon();
        let app = self.clone();
        self.spawn(async move {
            let resumed = match app.resume_sealing().await {
                Ok(()) => app.unlocked_outbox().await,
                Err(failure) => Err(failure),
            };
            if let Err(failure) = resumed {
                tracing::warn!(%failure, "what the lock held up goes on later");
            }
        });
        self.wakers.outbox.notify_one();
        self.wakers.left.notify_one();
        self.wakers.watch.notify_one();
        self.wakers.upkeep.notify_one();
        self.wakers.history.notify_one();
        self.tell(Change::Stage);
        self.tell(Change::Status);
        Ok(self.stage().await)
    }
}

impl Inner {
    /// Drops every handle of a vault that is given up.
    pub(crate) fn forget_vault(&self) {
        {
            let mut known = self.know();
            known.store = None;
            known.carriage = None;
            known.signer = None;
        }
        held(&self.rekeying).forget();
    }

    /// Makes what the open vault gives known to the questions and loops.
    pub(crate) fn opened(&self, open: &Open, how: ActivityKind) {
        self.resume_renewal(open);
        let keyring = open.keyring();
        let signer = Signer {
            account: keyring.account_id,
            device: keyring.device_id,
            mailbox: keyring.mailbox_id,
            key: TransportKey::from_seed(&keyring.transport),
        };
        {
            let mut known = self.know();
            known.signer = Some(Arc::new(signer));
            known.store = Some(open.store());
            known.carriage = Some(open.carriage());
        }
        let failed = self.failed_unlocks.swap(0, Ordering::Relaxed);
        if failed > 0 {
            self.note(open, ActivityKind::UnlockFailed, &failed.to_string());
        }
        self.note(open, how, "");
    }

    /// Adds a line to the list of what was done.
    pub(crate) fn note(&self, open: &Open, what: ActivityKind, about: &str) {
        let noted = open.store().commit(&mut self.chance.draw(), |tx| {
            tx.record(self.now(), what, about)
        });
        if let Err(error) = noted {
            tracing::warn!(%error, "a line of the activity list could not be kept");
        }
    }

    fn unlock_failed(&self, error: UnlockError) -> Failure {
        match error {
            UnlockError::WrongPassphrase => {
                self.failed_unlocks.fetch_add(1, Ordering::Relaxed);
                Failure::WrongPassphrase
            }
            UnlockError::WrongRecoveryCode => Failure::RecoveryOther,
            UnlockError::NotEnoughMemory { .. } => Failure::NotEnoughMemory,
            UnlockError::Corrupt(what) => {
                tracing::error!(what, "the vault is damaged");
                Failure::Corrupt
            }
        }
    }
}

/// Renames the folder of a vault that this process gives up: the loops let go of it when they are
/// woken.
pub(crate) fn let_go<T>(
    app: &Inner,
    rename: impl Fn() -> Result<T, VaultError>,
) -> Result<T, VaultError> {
    let mut renamed = rename();
    for _ in 0..LET_GO_TRIES {
        if !matches!(renamed, Err(VaultError::InUse)) {
            break;
        }
        app.wakers.inbox.notify_one();
        app.wakers.left.notify_one();
        app.wakers.outbox.notify_one();
        app.wakers.watch.notify_one();
        std::thread::sleep(LET_GO_PAUSE);
        renamed = rename();
    }
    renamed
}

/// Locks the vault when nobody was here for as long as the person chose.
pub(crate) async fn lock_when_idle(app: App) {
    loop {
        let wait = app
            .lock_at()
            .map(|at| Duration::from_millis(at.saturating_sub(app.clock.now_millis())));
        match wait {
            Some(Duration::ZERO) => {
                if let Err(failure) = app.lock().await {
                    tracing::warn!(%failure, "the vault could not be locked");
                }
            }
            Some(wait) => {
                tokio::select! {
                    () = app.wakers.idle.notified() => {}
                    () = tokio::time::sleep(wait) => {}
                }
            }
            None => app.wakers.idle.notified().await,
        }
    }
}

impl Inner {
    /// When the vault locks by itself, in milliseconds.
    pub(crate) fn lock_at(&self) -> Option<u64> {
        let known = self.known();
        let minutes = known
            .store
            .as_ref()
            .and(known.settings.lock_after_minutes)?;
        Some(self.last_input.load(Ordering::Relaxed) + u64::from(minutes) * 60_000)
    }
}

fn cost(took: Duration, params: KdfParams) -> UnlockTime {
    UnlockTime {
        milliseconds: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
        memory_mib: params.m_kib() / 1024,
    }
}

/// After a restart in the middle of setting up, the recovery code is a new one: the shown one was
/// never confirmed, and no code is kept on disk.
fn renew_code(app: &Inner, open: &mut Open, passphrase: &Passphrase) -> Result<(), Failure> {
    let unconfirmed = onboarding::load(&app.dir)
        .map_err(disk)?
        .is_some_and(|progress| {
            !matches!(
                progress.step,
                OnboardingStep::Done | OnboardingStep::Restored
            )
        });
    if unconfirmed {
        let code = open.replace_recovery(passphrase, &mut app.chance.draw())?;
        *held(&app.shown_code) = Some(code);
    }
    Ok(())
}

fn kdf_failed(_: KdfError) -> Failure {
    Failure::NotEnoughMemory
}

/// Why what was typed is no recovery code.
pub(crate) fn mistyped(error: &RecoveryError) -> Failure {
    match error {
        RecoveryError::UnknownWord { index } => Failure::RecoveryMismatch {
            group: u32::try_from(*index / 4).unwrap_or_default(),
        },
        RecoveryError::WordCount { .. } | RecoveryError::Checksum => Failure::RecoveryMistyped,
    }
}

fn shown(progress: Progress) -> Stage {
    let Progress { step, name, relay } = progress;
    let name = (!name.is_empty()).then_some(name);
    Stage::Onboarding { step, name, relay }
}

fn count(number: Result<u64, VaultError>) -> u32 {
    number.map_or(0, |number| u32::try_from(number).unwrap_or(u32::MAX))
}
