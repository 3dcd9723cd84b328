//! What a person does with the keys of the vault itself: another passphrase, a test of the recovery
//! code, and the list of what was done.

use crate::app::{App, Inner, blocking};
use crate::contacts::millis;
use crate::failure::Failure;
use crate::passphrase;
use crate::vault::{Vaulted, mistyped};
use crate::view::{ActivityKind, ActivityLine, Change, Page, VaultKeys};
use std::sync::Arc;
use waxwing_crypto::kdf::Passphrase;
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_vault::rows::{Activity, ActivityKind as Kind};
use waxwing_vault::{Cursor, Open, Order, Page as Rows, Store};
use zeroize::Zeroizing;

/// How many lines of the list are read at a time when one of a kind is looked for.
const LOOK: usize = 500;
/// An unlock that takes less, in milliseconds, is little: calibration aims at four times as much.
const LITTLE: u32 = 250;
/// What sets the passphrase.
const SETS_PASSPHRASE: [Kind; 3] = [Kind::PassphraseChanged, Kind::RekeyFinished, Kind::Created];

impl App {
    /// How the vault is locked, and when that was last changed and tested.
    ///
    /// # Errors
    /// [`Failure::Locked`].
    pub async fn vault_keys(&self) -> Result<VaultKeys, Failure> {
        self.with_open(|app, open| Ok(app.shown(open))).await
    }

    /// Replaces the passphrase: the vault's root key is wrapped anew under it, written, read back
    /// from the disk and opened, and only then is the old passphrase given up. No record is
    /// re-encrypted, and old copies of the vault still open with the old passphrase.
    ///
    /// # Errors
    /// [`Failure::WrongPassphrase`] when `current` is not; [`Failure::WeakPassphrase`] unless
    /// `although_weak`; [`Failure::NotEnoughMemory`]; [`Failure::RekeyUnderWay`]; errors of the disk.
    /// The old passphrase opens the vault then.
    pub async fn change_passphrase(
        &self,
        current: Zeroizing<String>,
        new: Zeroizing<String>,
        although_weak: bool,
    ) -> Result<VaultKeys, Failure> {
        if !although_weak {
            passphrase::require_strong(&new)?;
        }
        self.lock_anew(current, new, Kind::PassphraseChanged).await
    }

    /// Makes unlocking slower, and guessing with it, when this computer bears more than the vault was
    /// locked with: the root key is wrapped anew under the same passphrase. Never makes it faster.
    ///
    /// # Errors
    /// As [`change_passphrase`](Self::change_passphrase).
    pub async fn strengthen(&self, passphrase: Zeroizing<String>) -> Result<VaultKeys, Failure> {
        self.lock_anew(passphrase.clone(), passphrase, Kind::LockStrengthened)
            .await
    }

    async fn lock_anew(
        &self,
        current: Zeroizing<String>,
        new: Zeroizing<String>,
        what: Kind,
    ) -> Result<VaultKeys, Failure> {
        let params = self.kdf().await?.0;
        self.with_open(move |app, open| {
            let (current, new) = (Passphrase::new(&current), Passphrase::new(&new));
            let params = params.or_costlier(open.params());
            open.rewrap(&current, &new, params, &mut app.chance.draw())?;
            app.is_locked_anew();
            app.note(open, what, "");
            app.tell(Change::Stage);
            app.tell(Change::Status);
            Ok(app.shown(open))
        })
        .await
    }

    /// Tries the recovery code on the vault as it lies on the disk, and notes that it works.
    ///
    /// # Errors
    /// [`Failure::RecoveryMismatch`] with the group of a word that is in no code;
    /// [`Failure::RecoveryMistyped`] when the words do not belong together;
    /// [`Failure::RecoveryOther`] when they are the code of another vault.
    pub async fn test_recovery(&self, words: Zeroizing<String>) -> Result<VaultKeys, Failure> {
        let code = RecoveryCode::parse(&words).map_err(|error| mistyped(&error))?;
        self.with_open(move |app, open| {
            if !open.check_recovery(&code)? {
                return Err(Failure::RecoveryOther);
            }
            app.note(open, Kind::RecoveryTested, "");
            Ok(app.shown(open))
        })
        .await
    }

    /// Part of the list of what was done with the keys, newest first.
    ///
    /// # Errors
    /// [`Failure::Locked`].
    pub async fn activity(
        &self,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<ActivityLine>, Failure> {
        self.with_store(move |store| {
            let listing = store.activity(&Rows {
                after: cursor
                    .as_deref()
                    .map(str::parse::<Cursor>)
                    .transpose()
                    .map_err(|_| Failure::NotFound)?,
                limit: usize::try_from(limit.clamp(1, 500)).unwrap_or(500),
                order: Order::NewestFirst,
            })?;
            Ok(Page {
                items: listing.rows.into_iter().map(line).collect(),
                next: listing.next.map(|cursor| cursor.to_string()),
                total: u32::try_from(listing.total).unwrap_or(u32::MAX),
            })
        })
        .await
    }

    /// Works with the open vault, alone and on a thread that may block.
    pub(crate) async fn with_open<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Self, &mut Open) -> Result<T, Failure> + Send + 'static,
    {
        let app = self.clone();
        let mut vault = Arc::clone(&self.vault).lock_owned().await;
        blocking(move || match &mut *vault {
            Vaulted::Open(open) => work(&app, open),
            _ => Err(Failure::Locked),
        })
        .await
    }
}

impl Inner {
    /// What opens the vault was made with what was measured here.
    pub(crate) fn is_locked_anew(&self) {
        self.know().unlock = self.calibrated.get().map(|(_, cost)| *cost);
    }

    /// Whether the last unlock cost little for this computer.
    pub(crate) fn can_strengthen(&self) -> bool {
        let cost = self.known().unlock;
        cost.is_some_and(|cost| cost.milliseconds < LITTLE)
    }

    /// Never fails: who hears of a failure after a change would believe that nothing has changed.
    /// What cannot be read of the list is not whole.
    fn shown(&self, open: &Open) -> VaultKeys {
        let store = open.store();
        VaultKeys {
            generation: open.generation(),
            passphrase_set_at: last(&store, &SETS_PASSPHRASE).ok().flatten(),
            recovery_tested_at: last(&store, &[Kind::RecoveryTested]).ok().flatten(),
            unlock: self.known().unlock,
            can_strengthen: self.can_strengthen(),
            activity_whole: store.check_activity().is_ok(),
        }
    }
}

/// When something of these kinds was last done.
fn last(store: &Store, kinds: &[Kind]) -> Result<Option<u64>, Failure> {
    let mut page = Rows::newest(LOOK);
    loop {
        let listing = store.activity(&page)?;
        if let Some(line) = listing.rows.iter().find(|line| kinds.contains(&line.kind)) {
            return Ok(Some(millis(line.at)));
        }
        match listing.next {
            Some(next) => page.after = Some(next),
            None => return Ok(None),
        }
    }
}

fn line(row: Activity) -> ActivityLine {
    ActivityLine {
        number: row.number,
        at: millis(row.at),
        kind: ActivityKind::from(row.kind),
        about: row.about,
    }
}
