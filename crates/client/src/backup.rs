//! Backups: one sealed file that a fresh computer becomes the same person with.
//!
//! One is written, or restored, at a time, and can be cancelled. A person chooses the place; no path
//! comes from a page. A backup is told as done only when it was read back from the disk and counted,
//! and a restored vault stands in its place only when it was opened from the disk and counted.

use crate::app::{App, Inner, blocking, held};
use crate::contacts::millis;
use crate::failure::Failure;
use crate::onboarding::{self, Progress};
use crate::passphrase;
use crate::relays::choice;
use crate::settings::{self, disk};
use crate::vault::{Vaulted, let_go, mistyped};
use crate::view::{
    BackupCode, BackupRow, BackupWork, Change, ChosenBackup, OnboardingStep, RelayShows, Settings,
    Stage,
};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use waxwing_crypto::kdf::Passphrase;
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_vault::rows::{Activity, ActivityKind as Kind, Backup, BackupId, OwnCard};
use waxwing_vault::{
    BackupFile, BackupProgress, NewVault, Open, Page, Restored, Vault, VaultError,
};
use zeroize::Zeroizing;

/// What replaces the recovery code.
const REPLACES_CODE: [Kind; 2] = [Kind::RecoveryReplaced, Kind::RekeyFinished];
/// How many lines of the list of what was done are read at a time.
const LOOK: usize = 500;

/// What is being written or restored.
#[derive(Default)]
pub(crate) struct BackingUp {
    chosen: Option<BackupFile>,
    work: Option<BackupWork>,
    stop: CancellationToken,
}

impl BackingUp {
    /// Stops it. A cancelled backup leaves no file.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }
}

/// The one that works; ends when it is dropped.
struct Working(App, CancellationToken);

impl Drop for Working {
    fn drop(&mut self) {
        held(&self.0.backing_up).work = None;
        self.0.tell(Change::Backup);
    }
}

impl Working {
    /// Keeps how far it is, and tells when that is to be seen. Answers whether it goes on.
    fn at(&self, progress: BackupProgress, is_restoring: bool) -> bool {
        let work = BackupWork {
            percent: progress.percent(),
            is_checking: progress.is_checking,
            is_restoring,
        };
        if held(&self.0.backing_up).work.replace(work) != Some(work) {
            self.0.tell(Change::Backup);
        }
        !self.1.is_cancelled()
    }
}

impl App {
    /// What is being written or restored, and how far it is.
    ///
    /// # Errors
    /// None today.
    #[allow(clippy::unused_async, reason = "a question like the others")]
    pub async fn backup_progress(&self) -> Result<Option<BackupWork>, Failure> {
        Ok(held(&self.backing_up).work)
    }

    /// A name to offer for a backup of today.
    pub fn backup_name(&self) -> String {
        format!("waxwing-{}-{}", self.profile, self.today())
    }

    /// Stops writing or restoring: nothing is left behind.
    pub fn cancel_backup(&self) {
        held(&self.backing_up).stop();
    }

    /// The backups that were written, newest first.
    ///
    /// # Errors
    /// [`Failure::Locked`].
    pub async fn backups(&self) -> Result<Vec<BackupRow>, Failure> {
        self.with_open(|_, open| listed(open)).await
    }

    /// Takes a backup off the list. The file stays where it is.
    ///
    /// # Errors
    /// [`Failure::Locked`], [`Failure::NotFound`].
    pub async fn forget_backup(&self, id: String) -> Result<Vec<BackupRow>, Failure> {
        let mut key = BackupId::default();
        hex::decode_to_slice(&id, &mut key).map_err(|_| Failure::NotFound)?;
        let mut rng = self.chance.draw();
        self.with_store(move |store| Ok(store.commit(&mut rng, |tx| tx.delete::<Backup>(&key))?))
            .await?;
        self.tell(Change::Backup);
        self.backups().await
    }

    /// Writes a backup to `place`, reads it back from the disk and counts it.
    ///
    /// # Errors
    /// [`Failure::BackupUnderWay`], [`Failure::RekeyUnderWay`], [`Failure::DiskFull`],
    /// [`Failure::PlaceUnwritable`], [`Failure::Cancelled`], [`Failure::Locked`],
    /// [`Failure::Corrupt`]. There is no file then.
    pub async fn write_backup(&self, place: PathBuf) -> Result<Vec<BackupRow>, Failure> {
        let working = self.begin_work(false)?;
        let now = self.now();
        let writer = self
            .with_open(move |app, open| Ok(open.begin_backup(now, &mut app.chance.draw())?))
            .await?;
        let written = blocking(move || {
            let mut watcher = |progress| working.at(progress, false);
            let row = writer.write(&place, &mut watcher).map_err(unwritable)?;
            let name = place.file_name().unwrap_or_default().to_string_lossy();
            let app = &working.0;
            let listed = app.store().and_then(|store| {
                store.commit(&mut app.chance.draw(), |tx| {
                    tx.put(&row)?;
                    Ok(tx.record(now, Kind::BackupWritten, &name)?)
                })
            });
            if listed.is_err() {
                // Who is told that it failed finds no file.
                let _ = std::fs::remove_file(&place);
            }
            listed
        });
        written.await?;
        self.backups().await
    }

    /// Looks into a file that the person chose to restore.
    ///
    /// # Errors
    /// [`Failure::NotABackup`], [`Failure::BackupNewer`], [`Failure::FileUnreadable`].
    pub async fn choose_backup(&self, path: PathBuf) -> Result<ChosenBackup, Failure> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.into_owned();
        let unreadable = Failure::FileUnreadable { name: name.clone() };
        let file = blocking(move || {
            BackupFile::look(&path).map_err(|error| match error {
                VaultError::Corrupt(_) => Failure::NotABackup,
                VaultError::Io(_) => unreadable,
                other => other.into(),
            })
        })
        .await?;
        let shown = ChosenBackup {
            name,
            made_at: millis(file.header().made_at()),
            generation: file.header().generation(),
            vault: hex::encode(file.header().vault_id()),
            size: file.size(),
        };
        held(&self.backing_up).chosen = Some(file);
        Ok(shown)
    }

    /// Makes a vault of the chosen backup, under a new passphrase and the same recovery code. A vault
    /// that is here is renamed with today's date, as [`start_over`](Self::start_over) does, once the
    /// restored one is whole.
    ///
    /// # Errors
    /// [`Failure::RecoveryMismatch`], [`Failure::RecoveryMistyped`], [`Failure::RecoveryOther`] of
    /// the words; [`Failure::WeakPassphrase`] unless `although_weak`; [`Failure::BackupDamaged`],
    /// [`Failure::BackupNewer`]; [`Failure::NotFound`] when none was chosen;
    /// [`Failure::Cancelled`], [`Failure::DiskFull`], [`Failure::NotEnoughMemory`]. What was here
    /// stays then.
    pub async fn restore_backup(
        &self,
        words: Zeroizing<String>,
        new: Zeroizing<String>,
        although_weak: bool,
    ) -> Result<Stage, Failure> {
        let code = RecoveryCode::parse(&words).map_err(|error| mistyped(&error))?;
        let file = held(&self.backing_up).chosen.clone();
        let file = file.ok_or(Failure::NotFound)?;
        if !file.is_opened_by(&code).map_err(damaged)? {
            return Err(Failure::RecoveryOther);
        }
        if !although_weak {
            passphrase::require_strong(&new)?;
        }
        let params = self.kdf().await?.0;
        let working = self.begin_work(true)?;
        // Nobody unlocks, starts over or sets up meanwhile.
        let mut vault = Arc::clone(&self.vault).lock_owned().await;
        if matches!(*vault, Vaulted::Open(_) | Vaulted::InUse) {
            return Err(Failure::NotFound);
        }
        blocking(move || {
            let app = &working.0;
            let passphrase = Passphrase::new(&new);
            let new = NewVault {
                code: &code,
                passphrase: &passphrase,
                params,
                now: app.now(),
            };
            let mut rng = app.chance.draw();
            let mut watcher = |progress| working.at(progress, true);
            let restored = Vault::restore(&app.dir, &file, &new, &mut watcher, &mut rng);
            let restored = restored.map_err(damaged)?;
            app.put_in_place(&mut vault, restored)?;
            match std::mem::replace(&mut *vault, Vaulted::Absent) {
                Vaulted::Locked(locked) => match locked.unlock(&passphrase) {
                    Ok(open) => {
                        app.opened(&open, Kind::Unlocked);
                        *vault = Vaulted::Open(open);
                    }
                    // It was opened from the disk a moment ago; the person unlocks.
                    Err((locked, _)) => *vault = Vaulted::Locked(locked),
                },
                other => *vault = other,
            }
            held(&app.backing_up).chosen = None;
            Ok(())
        })
        .await?;
        self.tell(Change::Settings);
        self.announce_open().await
    }

    fn begin_work(&self, is_restoring: bool) -> Result<Working, Failure> {
        let stop = CancellationToken::new();
        {
            let mut backing_up = held(&self.backing_up);
            if backing_up.work.is_some() {
                return Err(Failure::BackupUnderWay);
            }
            backing_up.stop = stop.clone();
            backing_up.work = Some(BackupWork {
                percent: 0,
                is_checking: false,
                is_restoring,
            });
        }
        self.tell(Change::Backup);
        Ok(Working(self.clone(), stop))
    }
}

impl Inner {
    /// Puts a restored vault where the profile's vault stands, with the settings of this computer
    /// and the relay of the backup, and with a last step of setting up that says what now holds.
    fn put_in_place(&self, vault: &mut Vaulted, restored: Restored) -> Result<(), Failure> {
        let relay = restored.relays.iter().find(|relay| relay.left_at.is_none());
        let mut settings = self.known().settings.clone();
        if let Some(relay) = relay {
            settings.relay = choice(relay.at.clone());
        }
        let beside = restored.beside();
        let step = Progress {
            step: OnboardingStep::Restored,
            name: String::new(),
            relay: settings.relay.clone(),
        };
        let kept = settings::save(&beside, &settings)
            .and_then(|()| onboarding::save(&beside, &step))
            .map_err(disk);
        let placed = kept.and_then(|()| {
            self.forget_vault();
            *vault = Vaulted::Absent;
            let today = self.today();
            Ok(let_go(self, || restored.place(&today))?)
        });
        *vault = Vaulted::look(&self.dir);
        self.know().carriage = vault.carriage();
        match placed {
            Ok(_) => self.follow(settings),
            Err(_) => drop(restored.give_up()),
        }
        placed.map(drop)
    }

    /// Another relay, and nothing known of it.
    fn follow(&self, settings: Settings) {
        let mut known = self.know();
        known.settings = settings;
        known.relay = crate::view::RelayState::Connecting;
        (known.info, known.relay_shows) = (None, RelayShows::NotAsked);
    }
}

fn listed(open: &Open) -> Result<Vec<BackupRow>, Failure> {
    let present = open.recovery_id();
    let mut rows = open.store().all::<Backup>()?;
    rows.sort_by_key(|row| std::cmp::Reverse(row.made_at));
    let replaced = if rows.iter().all(|row| row.recovery == present) {
        Vec::new()
    } else {
        replacements(open)?
    };
    let shown = |row: Backup| BackupRow {
        id: hex::encode(row.id),
        is_there: row.place.exists(),
        place: row.place.display().to_string(),
        made_at: millis(row.made_at),
        generation: row.generation,
        size: row.size,
        messages: row.messages,
        contacts: row.contacts,
        files: row.files,
        code: if row.recovery == present {
            BackupCode::Present
        } else {
            BackupCode::Replaced {
                at: replaced
                    .iter()
                    .rev()
                    .find(|at| **at >= row.made_at)
                    .map(|at| millis(*at)),
            }
        },
    };
    Ok(rows.into_iter().map(shown).collect())
}

/// When the recovery code was replaced, newest first.
fn replacements(open: &Open) -> Result<Vec<u64>, Failure> {
    let mut found = Vec::new();
    let mut page = Page::newest(LOOK);
    loop {
        let listing = open.store().activity(&page)?;
        let replaces = |line: &&Activity| REPLACES_CODE.contains(&line.kind);
        found.extend(listing.rows.iter().filter(replaces).map(|line| line.at));
        match listing.next {
            Some(next) => page.after = Some(next),
            None => return Ok(found),
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "stands in map_err")]
fn unwritable(error: VaultError) -> Failure {
    match error {
        VaultError::Io(kind) => {
            tracing::warn!(%kind, "a backup could not be written");
            Failure::PlaceUnwritable
        }
        other => other.into(),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "stands in map_err")]
fn damaged(error: VaultError) -> Failure {
    match error {
        VaultError::Corrupt(what) | VaultError::DoesNotOpen(what) => {
            tracing::warn!(what, "a backup is damaged");
            Failure::BackupDamaged
        }
        VaultError::Stream(_) => Failure::BackupDamaged,
        VaultError::WrongPassphrase => Failure::RecoveryOther,
        other => other.into(),
    }
}

/// The name that stands in a vault, for the last step of restoring.
pub(crate) fn own_name(open: &Open) -> String {
    let own = open.store().load::<OwnCard>(&());
    own.ok().flatten().map_or_else(String::new, |own| own.name)
}
