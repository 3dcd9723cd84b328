//! The parts together: one profile, its vault, its line and its loops.

use crate::backup::BackingUp;
use crate::chance::Chance;
use crate::changes::{Changes, Teller};
use crate::clock::{Clock, SystemClock};
use crate::failure::Failure;
use crate::host::{LocalRelay, RelayHost};
use crate::line::{self, LineError, Signer};
use crate::linking::Linking;
use crate::outbox::Sending;
use crate::rekey::Rekeying;
use crate::transfers::Transfers;
use crate::vault::Vaulted;
use crate::view::{Change, Language, Reason, RelayShows, RelayState, Settings, UnlockTime};
use std::collections::HashSet;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::{Notify, OnceCell};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use waxwing_crypto::kdf::KdfParams;
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_vault::rows::LaneId;
use waxwing_vault::{Carriage, Store, VaultError};
use waxwing_wire::api::RelayInfo;

/// What a profile is opened with.
pub struct Config {
    /// The profile's name, shown in the status bar.
    pub profile: String,
    /// The profile's folder.
    pub dir: PathBuf,
    /// The folder of the relay on this computer, shared by all profiles.
    pub relay_dir: PathBuf,
    /// What runs the relay on this computer.
    pub host: Arc<dyn RelayHost>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Seed of all randomness; none draws from the system. For tests that repeat themselves.
    pub seed: Option<[u8; 32]>,
}

impl Config {
    /// A profile with the computer's own clock and randomness.
    pub fn new(
        profile: String,
        dir: PathBuf,
        relay_dir: PathBuf,
        host: Arc<dyn RelayHost>,
    ) -> Self {
        Self {
            profile,
            dir,
            relay_dir,
            host,
            clock: Arc::new(SystemClock),
            seed: None,
        }
    }
}

/// One profile. Cloning gives another handle to the same.
#[derive(Clone)]
pub struct App(Arc<Inner>);

impl Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// What the handles share.
pub struct Inner {
    pub(crate) profile: String,
    pub(crate) dir: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) chance: Chance,
    pub(crate) http: reqwest::Client,
    pub(crate) teller: Teller,
    pub(crate) local: LocalRelay,
    pub(crate) transfers: Transfers,
    pub(crate) sending: Mutex<Sending>,
    pub(crate) wakers: Wakers,
    pub(crate) tasks: TaskTracker,
    pub(crate) closing: CancellationToken,
    /// Changes of the vault's state, one at a time.
    pub(crate) vault: Arc<tokio::sync::Mutex<Vaulted>>,
    /// The recovery code between being shown and being typed back.
    pub(crate) shown_code: Mutex<Option<RecoveryCode>>,
    pub(crate) rekeying: Mutex<Rekeying>,
    pub(crate) backing_up: Mutex<BackingUp>,
    pub(crate) linking: Mutex<Linking>,
    /// What stretching a passphrase costs here, measured once.
    pub(crate) calibrated: OnceCell<(KdfParams, UnlockTime)>,
    pub(crate) failed_unlocks: AtomicU64,
    /// Read by who signs with the device's key, written by who replaces it: key and card change together.
    pub(crate) signing: tokio::sync::RwLock<()>,
    /// Envelopes are opened one at a time, in the relay's order.
    pub(crate) opening: tokio::sync::Mutex<()>,
    /// A file of a draft was sealed, or will not be.
    pub(crate) sealed: Notify,
    pub(crate) known: RwLock<Known>,
    pub(crate) last_input: AtomicU64,
}

/// What every question needs at hand.
pub(crate) struct Known {
    /// The sealed rows, while the vault is open.
    pub(crate) store: Option<Store>,
    /// The ciphertext on its way, once there is a vault.
    pub(crate) carriage: Option<Carriage>,
    /// Signs requests; stays when the vault is locked.
    pub(crate) signer: Option<Arc<Signer>>,
    pub(crate) relay: RelayState,
    pub(crate) info: Option<RelayInfo>,
    pub(crate) settings: Settings,
    /// What an unlock by passphrase costs: as measured at the last one, or when the vault was locked anew.
    pub(crate) unlock: Option<UnlockTime>,
    /// What the relay shows as our card.
    pub(crate) relay_shows: RelayShows,
    /// Why a renewal of the keys does not get on.
    pub(crate) renewal_waits: Option<Reason>,
    /// Lanes that hold what the keys before the present ones signed: not handed in as they are.
    pub(crate) seals_again: HashSet<LaneId>,
}

/// What wakes the loops.
#[derive(Default)]
pub(crate) struct Wakers {
    pub(crate) outbox: Notify,
    pub(crate) inbox: Notify,
    pub(crate) left: Notify,
    pub(crate) watch: Notify,
    pub(crate) upkeep: Notify,
    pub(crate) history: Notify,
    pub(crate) idle: Notify,
}

impl App {
    /// Opens a profile's folder and looks what is there. Nothing is carried before the vault was
    /// unlocked once.
    ///
    /// # Errors
    /// A sentence for the log when the HTTP client or the settings cannot be made.
    pub async fn start(config: Config) -> Result<Self, Box<dyn std::error::Error>> {
        let settings = crate::settings::load(&config.dir)?;
        let dir = config.dir.clone();
        let looked = blocking(move || Ok(Vaulted::look(&dir))).await?;
        let known = Known {
            store: None,
            carriage: looked.carriage(),
            signer: None,
            relay: RelayState::Connecting,
            info: None,
            settings,
            unlock: None,
            relay_shows: RelayShows::NotAsked,
            renewal_waits: None,
            seals_again: HashSet::new(),
        };
        let app = Self(Arc::new(Inner {
            profile: config.profile,
            dir: config.dir,
            chance: Chance::new(config.seed),
            http: line::http()?,
            teller: Teller::new(),
            local: LocalRelay::new(config.relay_dir, config.host),
            transfers: Transfers::default(),
            sending: Mutex::default(),
            wakers: Wakers::default(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            vault: Arc::new(tokio::sync::Mutex::new(looked)),
            shown_code: Mutex::default(),
            rekeying: Mutex::default(),
            backing_up: Mutex::default(),
            linking: Mutex::default(),
            calibrated: OnceCell::new(),
            failed_unlocks: AtomicU64::new(0),
            signing: tokio::sync::RwLock::default(),
            opening: tokio::sync::Mutex::default(),
            sealed: Notify::new(),
            known: RwLock::new(known),
            last_input: AtomicU64::new(config.clock.now_millis()),
            clock: config.clock,
        }));
        app.spawn_loops();
        Ok(app)
    }

    /// What changed, from now on.
    pub fn changes(&self) -> Changes {
        self.teller.listen()
    }

    /// Ends the loops, locks the vault and leaves the relay on this computer to others. Everything
    /// acknowledged is on disk when this returns.
    pub async fn close(&self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        if self.known().store.is_some()
            && let Err(failure) = self.lock().await
        {
            tracing::warn!(%failure, "the vault was not locked cleanly");
        }
        self.local.leave().await;
    }

    fn spawn_loops(&self) {
        self.spawn(crate::inbox::run(self.clone()));
        self.spawn(crate::inbox::run_left(self.clone()));
        self.spawn(crate::outbox::run(self.clone()));
        self.spawn(crate::watch::run(self.clone()));
        self.spawn(crate::prekeys::run(self.clone()));
        self.spawn(crate::history::run(self.clone()));
        self.spawn(crate::vault::lock_when_idle(self.clone()));
    }

    /// Runs a task until it ends or the app closes.
    pub(crate) fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let closing = self.closing.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = closing.cancelled() => {}
                () = task => {}
            }
        });
    }
}

impl Inner {
    pub(crate) fn known(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn know(&self) -> std::sync::RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// The date here, as in RFC 3339: `2026-11-21`.
    pub(crate) fn today(&self) -> String {
        i64::try_from(self.now())
            .ok()
            .and_then(|now| jiff::Timestamp::from_second(now).ok())
            .map_or_else(
                || "undated".to_owned(),
                |now| {
                    now.to_zoned(jiff::tz::TimeZone::system())
                        .date()
                        .to_string()
                },
            )
    }

    /// The sealed rows.
    pub(crate) fn store(&self) -> Result<Store, Failure> {
        self.known().store.clone().ok_or(Failure::Locked)
    }

    pub(crate) fn carriage(&self) -> Option<Carriage> {
        self.known().carriage.clone()
    }

    pub(crate) fn signer(&self) -> Option<Arc<Signer>> {
        self.known().signer.clone()
    }

    pub(crate) fn tell(&self, change: Change) {
        self.teller.tell(change);
    }

    /// The language of what the shell itself says.
    pub fn language(&self) -> Language {
        self.known().settings.language
    }

    /// Whether the vault is open.
    pub fn is_open(&self) -> bool {
        self.known().store.is_some()
    }

    /// Whether closing the window keeps Waxwing in the tray.
    pub fn closes_to_tray(&self) -> bool {
        self.known().settings.close_to_tray
    }

    /// The person is here.
    pub fn still_here(&self) {
        self.last_input
            .store(self.clock.now_millis(), Ordering::Relaxed);
        self.wakers.idle.notify_one();
    }

    /// Reads or writes sealed rows on a thread that may block.
    pub(crate) async fn with_store<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, Failure> + Send + 'static,
    {
        let store = self.store()?;
        blocking(move || work(&store)).await
    }
}

/// Runs what blocks on the disk or on argon2 away from the loops.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, Failure>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Failure> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => {
            tracing::error!(%error, "a piece of work ended badly");
            Err(Failure::internal("work"))
        }
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Locked => Self::Locked,
            VaultError::InUse => Self::InUse,
            VaultError::WrongPassphrase => Self::WrongPassphrase,
            VaultError::SamePassphrase => Self::SamePassphrase,
            VaultError::RekeyUnderWay => Self::RekeyUnderWay,
            VaultError::NotEnoughMemory { .. } => Self::NotEnoughMemory,
            VaultError::DiskFull => Self::DiskFull,
            VaultError::Newer => Self::BackupNewer,
            VaultError::Cancelled => Self::Cancelled,
            VaultError::Missing(_) | VaultError::NoRekey => Self::NotFound,
            VaultError::Corrupt(what) | VaultError::DoesNotOpen(what) => {
                tracing::error!(what, "the vault is damaged");
                Self::Corrupt
            }
            other => {
                tracing::error!(error = %other, "the vault failed");
                Self::internal("vault")
            }
        }
    }
}

impl From<LineError> for Failure {
    fn from(error: LineError) -> Self {
        use waxwing_wire::problem::Slug;
        match error.slug {
            Some(Slug::NameTaken) => Self::NameTaken,
            Some(Slug::NameInvalid) => Self::NameInvalid,
            Some(Slug::UnknownName | Slug::UnknownAccount) => Self::AddressUnknown,
            _ => Self::Relay {
                reason: error.reason,
            },
        }
    }
}

/// A lock whose content stays good when a holder panicked: every write is one assignment.
pub(crate) fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
