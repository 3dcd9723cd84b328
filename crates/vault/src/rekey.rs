//! A new root key for everything: the store is copied, sealed anew, into a second folder.
//!
//! ```text
//! begin ─→ step, step, … ─→ finish        until then the old passphrase and code open, then the new
//!             └──────────── undo
//! ```
//! Copied and not sealed anew in place, because row keys are hashes under the root key and because
//! the engine keeps overwritten bytes; and a copy is compact. While it goes on the old store stays
//! the truth: every commit goes there, and notes which rows it changed. The commit is one
//! replacement of the header. Who pauses does not step. After a crash the header says what is under
//! way, and an unlock with the old passphrase is enough to go on or to undo.
//!
//! Sealed attachments are part of the store: what is inside stays, what is around it is sealed anew.
//! Carries out docs/protocol.md section 6, "Re-key".
//!
//! Invariants:
//! * until the header is replaced, nothing of the old store is changed but by those who write;
//! * what is not on the disk in the next store is in the old one, with a note or ahead of the pages;
//! * what is in the next store was on the disk in the old one before;
//! * the header is replaced only after it was read back and opened with the new passphrase and the
//!   new code, and after the next store was counted and sample-read while nobody else could write.

mod copy;
mod files;
mod journal;
mod leftovers;
mod mirror;
mod trees;
mod verify;

use std::sync::Arc;

use rand_core::CryptoRng;
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_crypto::vault_header::{Header, HeaderError};

pub(crate) use copy::Under;
pub(crate) use journal::Journal;
pub(crate) use leftovers::{clear_leftovers, under_way};

use crate::folder::{self, Placed};
use crate::keys::{Keys, Opened};
use crate::steps::{Step, reached};
use crate::{Open, VaultError};

/// Beside twice the store with its files: room to go on working meanwhile.
const SPARE_BYTES: u64 = 64 << 20;
/// A row counts as so many bytes toward the progress.
const ROW_BYTES: u64 = 2048;
/// After so many rounds of following, those who write are as fast: the rest is followed when they
/// are stopped.
const ROUNDS: u32 = 8;

/// How far a re-key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RekeyProgress {
    /// Rows in the next store.
    pub copied: u64,
    /// Rows in all; grows while the person goes on working.
    pub total: u64,
    /// Bytes of sealed attachments in the next store.
    pub bytes_copied: u64,
    /// Bytes of sealed attachments in all.
    pub bytes_total: u64,
}

impl RekeyProgress {
    /// In percent of bytes, of which a row counts as 2 KiB; rounded down, 100 only when all is copied.
    pub fn percent(&self) -> u8 {
        let done = (self.copied.saturating_mul(ROW_BYTES)).saturating_add(self.bytes_copied);
        let all = (self.total.saturating_mul(ROW_BYTES)).saturating_add(self.bytes_total);
        let percent = done.saturating_mul(100).checked_div(all);
        u8::try_from(percent.unwrap_or(100).min(100)).unwrap_or(100)
    }
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RekeyStep {
    /// There is more to copy.
    Copying(RekeyProgress),
    /// Everything is copied, up to what changes from now on: [`Open::finish_rekey`] may be called.
    Ready,
}

impl Open {
    /// How far a re-key is; `None` when none is under way.
    pub fn rekey(&self) -> Option<RekeyProgress> {
        under_way(&self.shared, &self.header)
    }

    /// The room on the disk that a re-key needs, and what is free; bytes.
    ///
    /// # Errors
    /// [`VaultError::Locked`], [`VaultError::Io`].
    pub fn rekey_room(&self) -> Result<(u64, u64), VaultError> {
        let Opened { current, .. } = self.cell.opened()?;
        let free = fs4::available_space(self.shared.folder.dir())?;
        let store = current.engine.size_on_disk()? + current.files.size_on_disk()?;
        Ok((store + SPARE_BYTES, free))
    }

    /// Begins a re-key: checks the current passphrase, draws a new root key and a new recovery code,
    /// and keeps both wrapped in the header beside what still counts. The code is shown once. Slow
    /// (three stretches).
    ///
    /// # Errors
    /// [`VaultError::RekeyUnderWay`]; [`VaultError::WrongPassphrase`] when `current` is not;
    /// [`VaultError::SamePassphrase`]; [`VaultError::DiskFull`] when there is no room for a second
    /// store; [`VaultError::NotEnoughMemory`]; errors of the disk. Nothing is under way then.
    pub fn begin_rekey<R: CryptoRng + ?Sized>(
        &mut self,
        current: &Passphrase,
        new: &Passphrase,
        params: KdfParams,
        rng: &mut R,
    ) -> Result<RecoveryCode, VaultError> {
        if self.header.next_store().is_some() {
            return Err(VaultError::RekeyUnderWay);
        }
        if !self.check_passphrase(current)? {
            return Err(VaultError::WrongPassphrase);
        }
        if new.expose() == current.expose() {
            return Err(VaultError::SamePassphrase);
        }
        let keys = self.cell.opened()?.keys;
        let (needed, free) = self.rekey_room()?;
        if free < needed {
            return Err(VaultError::DiskFull);
        }
        let folder = &self.shared.folder;
        let highest = folder.stores()?.into_iter().max().unwrap_or(0);
        let number = highest.max(self.header.store()) + 1;
        folder.begin_store(number)?;
        reached(Step::NextMade);
        let held = (keys.root(), &self.keyring);
        let (header, code) = self.header.begin_rekey(held, number, new, params, rng)?;
        self.adopt(header, |read_back| {
            let opens =
                read_back.check_next_passphrase(new)? && read_back.check_next_recovery(&code)?;
            read_back.open_next(keys.root())?;
            read_back.open_keyring(keys.root())?;
            opens.then_some(()).ok_or(HeaderError::WrongPassphrase)
        })?;
        reached(Step::Begun);
        // Before the first row is copied; what was written until now is copied with it.
        self.shared.writer().start();
        reached(Step::Noting);
        Ok(code)
    }

    /// Whether this is the passphrase that will open the vault. Slow (one stretch).
    ///
    /// # Errors
    /// [`VaultError::NoRekey`], [`VaultError::NotEnoughMemory`], [`VaultError::Corrupt`].
    pub fn check_next_passphrase(&self, passphrase: &Passphrase) -> Result<bool, VaultError> {
        self.header.next_store().ok_or(VaultError::NoRekey)?;
        Ok(self.header.check_next_passphrase(passphrase)?)
    }

    /// Whether this is the recovery code that will open the vault.
    ///
    /// # Errors
    /// [`VaultError::NoRekey`], [`VaultError::Corrupt`].
    pub fn check_next_recovery(&self, code: &RecoveryCode) -> Result<bool, VaultError> {
        self.header.next_store().ok_or(VaultError::NoRekey)?;
        Ok(self.header.check_next_recovery(code)?)
    }

    /// Draws another recovery code in the place of the one that was to come: it was shown before a
    /// crash, and nobody knows whether it was written down.
    ///
    /// # Errors
    /// [`VaultError::NoRekey`]; errors of the disk, then the code that was to come stays.
    pub fn replace_next_recovery<R: CryptoRng + ?Sized>(
        &mut self,
        rng: &mut R,
    ) -> Result<RecoveryCode, VaultError> {
        self.header.next_store().ok_or(VaultError::NoRekey)?;
        let keys = self.cell.opened()?.keys;
        let (header, code) = self
            .header
            .with_new_next_recovery(keys.root(), &self.keyring, rng)?;
        self.adopt(header, |read_back| {
            read_back.open_next(keys.root())?;
            let opens = read_back.check_next_recovery(&code)?;
            opens.then_some(()).ok_or(HeaderError::WrongRecoveryCode)
        })?;
        Ok(code)
    }

    /// Copies a bounded part: a page of rows, some segments of an attachment, or the oldest changes
    /// since. Everybody may read and write meanwhile; who pauses does not call it.
    ///
    /// # Errors
    /// [`VaultError::NoRekey`]; [`VaultError::DoesNotOpen`] for a row, [`VaultError::Stream`] for an
    /// attachment that was damaged before: it would be lost, so the re-key does not pass by it;
    /// [`VaultError::DiskFull`]; errors of the disk. The old store is whole
    /// then, and the step can be tried again.
    pub fn step_rekey<R: CryptoRng + ?Sized>(
        &mut self,
        mut rng: &mut R,
    ) -> Result<RekeyStep, VaultError> {
        let old = self.cell.opened()?;
        let under = self.under()?;
        if !under.mark.is_done() {
            under.copy(&old, &mut rng)?;
        } else if !under.files.is_done {
            under.copy_files(&old, &mut rng)?;
        } else {
            under.rounds += 1;
            let are_more = under.copy_files(&old, &mut rng)? | under.follow(&old, &mut rng)?;
            if !are_more || under.rounds > ROUNDS {
                return Ok(RekeyStep::Ready);
            }
        }
        let number = self.header.next_store().ok_or(VaultError::NoRekey)?;
        let progress = copy::progress(&self.shared, number)?;
        Ok(RekeyStep::Copying(progress))
    }

    /// Finishes the re-key. The header that is to come is written beside the old one, read back and
    /// opened with `new` and with `code`; the writers are stopped, and who seals, fetches or removes
    /// files; the last changes follow; the next store is counted and sample-read; the header is replaced. From then on only `new` and `code`
    /// open the vault; the old store and the old header are removed, and every handle goes on with
    /// the next store. Slow (one stretch, before the writers are stopped).
    ///
    /// # Errors
    /// [`VaultError::NoRekey`]; [`VaultError::RekeyUnfinished`] before [`RekeyStep::Ready`];
    /// [`VaultError::WrongPassphrase`] when `new` or `code` is not what was set at the beginning;
    /// [`VaultError::Corrupt`] when the next store differs from the old one; errors of the disk. The
    /// old passphrase and code open the vault then, and the re-key is still under way.
    pub fn finish_rekey<R: CryptoRng + ?Sized>(
        &mut self,
        new: &Passphrase,
        code: &RecoveryCode,
        mut rng: &mut R,
    ) -> Result<(), VaultError> {
        let old = self.cell.opened()?;
        let under = self.under()?;
        if !under.mark.is_done() {
            return Err(VaultError::RekeyUnfinished);
        }
        let mut under = self.under.take().ok_or(VaultError::NoRekey)?;
        let before = self.header.store();
        let done = self.commit_rekey(&old, &mut under, (new, code), &mut rng);
        let placed = match done {
            Ok(placed) => placed,
            Err(error) => {
                // The draft would open with the new passphrase: it has no business here any more.
                let _ = self.shared.folder.remove_draft();
                self.under = Some(under);
                return Err(error);
            }
        };
        drop(under);
        if placed == Placed::Durable {
            old.current.bury(self.shared.folder.store(before));
        }
        // The last reader of the old store takes it along.
        drop(old);
        let _ = self.shared.folder.finish_store(self.header.store());
        let _ = copy::clear_traces(self.shared.current().engine.as_ref());
        reached(Step::Cleared);
        Ok(())
    }

    /// From the draft of the header to the exchange of the stores.
    fn commit_rekey(
        &mut self,
        old: &Opened,
        under: &mut Under,
        (new, code): (&Passphrase, &RecoveryCode),
        rng: &mut dyn CryptoRng,
    ) -> Result<Placed, VaultError> {
        let root = under.keys.root();
        let header = self.header.finish_rekey(root, &self.keyring, rng)?;
        let folder = &self.shared.folder;
        folder.draft_header(&header.encode(), |read_back| {
            let read_back = Header::decode(read_back)?;
            read_back.open_keyring(&read_back.unwrap_with_passphrase(new)?)?;
            read_back.open_keyring(&read_back.unwrap_with_recovery(code)?)?;
            Ok(())
        })?;
        let (files, next_files) = (&old.current.files, &Arc::clone(&under.next).files);
        under.files.all(files, next_files, rng)?;
        for _ in 0..ROUNDS {
            if !under.follow(old, rng)? {
                break;
            }
        }
        let mut writer = self.shared.writer();
        let placing = self.shared.placing();
        reached(Step::WriterStopped);
        while under.follow(old, rng)? {}
        reached(Step::AllFollowed);
        while under.copy_files(old, rng)? {}
        files::check(files, next_files)?;
        reached(Step::AllFilesCopied);
        let lanes = under.copy_outbox(old, rng)?;
        under.drop_destroyed()?;
        reached(Step::OutboxCopied);
        under.next.engine.sync()?;
        verify::check(under, old, rng)?;
        reached(Step::Verified);
        let placed = folder.place_header()?;
        reached(Step::Committed);
        // Nothing fails from here on: the next store is the vault's.
        if let Some(next) = Arc::get_mut(&mut under.next) {
            next.follow(&old.current, lanes);
        }
        *self.header = header;
        writer.stop();
        let current = Arc::clone(&under.next);
        self.shared.exchange(&mut writer, Arc::clone(&current));
        let keys = Arc::clone(&under.keys);
        self.cell.exchange(Opened { keys, current });
        drop(placing);
        reached(Step::Exchanged);
        Ok(placed)
    }

    /// Gives a re-key up: what was copied is removed, and the old passphrase and code stay.
    ///
    /// # Errors
    /// [`VaultError::NoRekey`]; errors of the disk, then it is still under way.
    pub fn undo_rekey<R: CryptoRng + ?Sized>(&mut self, rng: &mut R) -> Result<(), VaultError> {
        let number = self.header.next_store().ok_or(VaultError::NoRekey)?;
        let Opened { keys, current } = self.cell.opened()?;
        let header = self.header.without_rekey(keys.root(), &self.keyring, rng);
        self.adopt(header, |read_back| {
            read_back.open_keyring(keys.root()).map(drop)
        })?;
        reached(Step::Undone);
        self.shared.writer().stop();
        self.under = None;
        // It is given up: what cannot be removed now is removed at the next unlock.
        let _ = folder::remove_store(&self.shared.folder.store(number));
        reached(Step::NextRemoved);
        let _ = copy::clear_traces(current.engine.as_ref());
        Ok(())
    }

    /// What is being filled, opened when it is not yet.
    fn under(&mut self) -> Result<&mut Under, VaultError> {
        let number = self.header.next_store().ok_or(VaultError::NoRekey)?;
        let under = if let Some(under) = self.under.take() {
            under
        } else {
            let root = self.header.open_next(self.cell.opened()?.keys.root())?;
            let folder = &self.shared.folder;
            folder.begin_store(number)?;
            let keys = Keys::derive(root, &self.keyring);
            Box::new(Under::open(folder, number, keys)?)
        };
        Ok(self.under.insert(under))
    }
}

#[cfg(test)]
mod tests;
