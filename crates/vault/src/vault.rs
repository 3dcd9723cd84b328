//! The vault as a typestate: what one can do is decided by what one holds.
//!
//! [`Vault::look`] says what is in a folder; [`Locked`] can only be unlocked (and carry ciphertext);
//! [`Open`] has the keys and gives them up when it is locked or dropped. One process holds a folder
//! at a time, until its last handle ([`Locked`], [`Open`], [`Store`], [`Carriage`],
//! [`Files`](crate::Files)) is dropped.
//! Carries out docs/protocol.md section 6, "Writing".
//!
//! Invariants:
//! * the header in memory is the header on disk;
//! * a failed change of passphrase leaves the old one valid: the new header is read back from the
//!   disk and opened with the new passphrase before it takes the old one's place;
//! * a header that has taken that place is never told as failed;
//! * nothing here deletes a vault.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand_core::CryptoRng;
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_crypto::vault_header::{Header, HeaderError, Keyring, RootKey};
use waxwing_wire::ids::Digest;

use crate::backup::settle;
use crate::engine::{Engine as _, SledEngine};
use crate::folder::{self, Folder, Placed};
use crate::keys::{KeyCell, Keys, Opened};
use crate::rekey::{Journal, RekeyProgress, Under, clear_leftovers, under_way};
use crate::shared::{Current, Shared};
use crate::{Carriage, Store, UnlockError, VaultError};

/// The way in.
#[derive(Debug, Clone, Copy)]
pub struct Vault;

/// What is in a folder.
#[derive(Debug)]
pub enum State {
    /// No vault: [`Vault::create`] may make one.
    None,
    /// A vault, locked; this process holds it now.
    Locked(Locked),
    /// Another process holds it.
    InUse,
    /// There is something, but it cannot be used as it is. Nothing was deleted or changed.
    Corrupt {
        /// What is wrong.
        reason: Damage,
    },
}

/// What is wrong with a vault that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// `vault.cbor` is damaged. A backup's header with the same vault id opens the store.
    Header(&'static str),
    /// `vault.cbor` is missing, but there is a store with rows in it.
    HeaderMissing,
    /// Written by a newer Waxwing.
    Newer,
    /// The store does not open.
    Store(&'static str),
}

impl Vault {
    /// Looks what is in `dir`. Holds the folder when there is a vault; makes the folder when it is
    /// not there. A restored vault that a crash kept from an empty place is put there first.
    ///
    /// # Errors
    /// [`VaultError::Io`], [`VaultError::DiskFull`].
    pub fn look(dir: &Path) -> Result<State, VaultError> {
        settle(dir)?;
        let folder = match Folder::hold(dir) {
            Err(VaultError::InUse) => return Ok(State::InUse),
            folder => folder?,
        };
        let corrupt = |reason| Ok(State::Corrupt { reason });
        let header = match folder.load_header()?.as_deref().map(Header::decode) {
            None => {
                if folder.stores()?.iter().any(|number| *number > 0) {
                    return corrupt(Damage::HeaderMissing);
                }
                if !folder.has_store(0) {
                    return Ok(State::None);
                }
                // A creation that was cut off leaves an empty store; anything else is a loss.
                return match open_engine(&folder, 0).and_then(|engine| engine.is_empty()) {
                    Ok(true) => Ok(State::None),
                    _ => corrupt(Damage::HeaderMissing),
                };
            }
            Some(Err(HeaderError::UnknownVersion)) => return corrupt(Damage::Newer),
            Some(Err(HeaderError::Corrupt(what))) => return corrupt(Damage::Header(what)),
            Some(Err(_)) => return corrupt(Damage::Header("header")),
            Some(Ok(header)) => Box::new(header),
        };
        let mut others = folder.stores()?;
        others.retain(|number| *number != header.store());
        if !folder.has_store(header.store()) && others.iter().any(|n| folder.has_store(*n)) {
            // An older or a newer header was put in the place of the right one.
            return corrupt(Damage::Store("another store than the header's"));
        }
        match open_engine(&folder, header.store()) {
            Ok(engine) => {
                let journal = Journal::new(header.next_store().is_some());
                Ok(State::Locked(Locked {
                    shared: shared(folder, engine, header.store(), journal),
                    header,
                }))
            }
            Err(VaultError::Corrupt(what)) => corrupt(Damage::Store(what)),
            Err(error) => Err(error),
        }
    }

    /// Makes a vault in `dir` with the first keyring. The recovery code is shown once and never
    /// again. Slow (one stretch).
    ///
    /// # Errors
    /// [`VaultError::AlreadyThere`], [`VaultError::InUse`], [`VaultError::NotEnoughMemory`],
    /// [`VaultError::DiskFull`], [`VaultError::Io`]; nothing usable is left behind.
    pub fn create<R: CryptoRng + ?Sized>(
        dir: &Path,
        passphrase: &Passphrase,
        params: KdfParams,
        keyring: Keyring,
        rng: &mut R,
    ) -> Result<(Open, RecoveryCode), VaultError> {
        let folder = Folder::hold(dir)?;
        if folder.load_header()?.is_some() {
            return Err(VaultError::AlreadyThere);
        }
        let engine = open_engine(&folder, 0)?;
        if !engine.is_empty()? || folder.stores()?.len() > 1 {
            return Err(VaultError::AlreadyThere);
        }
        let (header, root, code) = Header::create(passphrase, params, &keyring, rng)?;
        engine.sync()?;
        folder.save_header(&header.encode(), |_| Ok(()))?;
        if let Some(parent) = dir.parent().filter(|p| !p.as_os_str().is_empty()) {
            folder::sync_dir(parent)?;
        }
        let shared = shared(folder, engine, 0, Journal::new(false));
        Ok((Open::new(shared, Box::new(header), root, keyring), code))
    }

    /// Renames the folder to `<dir>-<mark>`, or `<dir>-<mark>-2` and so on when that is taken, so
    /// that a new vault can be made in its place; answers where it went. Never deletes.
    ///
    /// # Errors
    /// [`VaultError::InUse`] when anybody holds it, also a [`Locked`] or [`Open`] of this process.
    pub fn start_over(dir: &Path, mark: &str) -> Result<PathBuf, VaultError> {
        // Held until it is renamed, so that nobody opens it meanwhile.
        let _folder = Folder::hold(dir)?;
        folder::set_aside(dir, mark)
    }
}

fn open_engine(folder: &Folder, number: u32) -> Result<SledEngine, VaultError> {
    SledEngine::open(&folder.make_store(number)?)
}

fn shared(folder: Folder, engine: SledEngine, number: u32, journal: Journal) -> Arc<Shared> {
    let current = Current::new(Box::new(engine), folder.files(number));
    Arc::new(Shared::new(folder, current, journal))
}

/// A vault without its keys.
pub struct Locked {
    shared: Arc<Shared>,
    header: Box<Header>,
}

impl Locked {
    /// Unlocks with the passphrase. Slow: call it from a thread that may block.
    ///
    /// # Errors
    /// The vault, still locked, and why. Nothing is wiped or counted.
    pub fn unlock(self, passphrase: &Passphrase) -> Result<Open, (Self, UnlockError)> {
        let root = self.header.unwrap_with_passphrase(passphrase);
        self.open(root)
    }

    /// Unlocks with the recovery code.
    ///
    /// # Errors
    /// The vault, still locked, and why.
    pub fn unlock_with_recovery(self, code: &RecoveryCode) -> Result<Open, (Self, UnlockError)> {
        let root = self.header.unwrap_with_recovery(code);
        self.open(root)
    }

    /// How the passphrase is stretched, to foresee how long unlocking takes.
    pub fn params(&self) -> KdfParams {
        self.header.params()
    }

    /// Generation of the header.
    pub fn generation(&self) -> u64 {
        self.header.generation()
    }

    /// How far a re-key is; `None` when none is under way. It goes on, or is undone, after an unlock
    /// with what opened the vault before.
    pub fn rekey(&self) -> Option<RekeyProgress> {
        under_way(&self.shared, &self.header)
    }

    /// What can be carried while locked.
    pub fn carriage(&self) -> Carriage {
        Carriage::new(Arc::clone(&self.shared))
    }

    fn open(self, root: Result<RootKey, HeaderError>) -> Result<Open, (Self, UnlockError)> {
        let opened = root.and_then(|root| {
            let keyring = self.header.open_keyring(&root)?;
            Ok((root, keyring))
        });
        match opened {
            Ok((root, keyring)) => {
                clear_leftovers(&self.shared, &self.header);
                Ok(Open::new(self.shared, self.header, root, keyring))
            }
            Err(error) => Err((self, error.into())),
        }
    }
}

impl core::fmt::Debug for Locked {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Locked")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

/// A vault with its keys. Dropping it locks it.
pub struct Open {
    pub(crate) shared: Arc<Shared>,
    pub(crate) header: Box<Header>,
    pub(crate) keyring: Keyring,
    pub(crate) cell: KeyCell,
    /// The next store of a re-key that goes on.
    pub(crate) under: Option<Box<Under>>,
}

impl Open {
    fn new(shared: Arc<Shared>, header: Box<Header>, root: RootKey, keyring: Keyring) -> Self {
        let current = shared.current();
        current.files.unlock(root.files_key());
        let cell = KeyCell::new(Opened {
            keys: Arc::new(Keys::derive(root, &keyring)),
            current,
        });
        Self {
            shared,
            header,
            keyring,
            cell,
            under: None,
        }
    }

    /// Drops every key. Handles of the store answer [`VaultError::Locked`] from now on; a commit that
    /// is under way is finished.
    pub fn lock(self) -> Locked {
        Locked {
            shared: Arc::clone(&self.shared),
            header: self.header.clone(),
        }
    }

    /// The sealed rows.
    pub fn store(&self) -> Store {
        Store::new(Arc::clone(&self.shared), self.cell.clone())
    }

    /// The rows that are readable while locked.
    pub fn carriage(&self) -> Carriage {
        Carriage::new(Arc::clone(&self.shared))
    }

    /// The secret keys of this device.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Generation of the header. Grows at every write; a backup names the one it holds.
    pub fn generation(&self) -> u64 {
        self.header.generation()
    }

    /// Names the recovery slot: a backup with the same one is opened by the same recovery code.
    pub fn recovery_id(&self) -> Digest {
        self.header.recovery_id()
    }

    /// Random name of this vault.
    pub fn vault_id(&self) -> &[u8; 16] {
        self.header.vault_id()
    }

    /// Number of the store in use; another one after a re-key.
    pub fn store_number(&self) -> u32 {
        self.header.store()
    }

    /// How the passphrase is stretched.
    pub fn params(&self) -> KdfParams {
        self.header.params()
    }

    /// Where it lies.
    pub fn dir(&self) -> &Path {
        self.shared.folder.dir()
    }

    /// Whether this is the current passphrase. Slow (one stretch).
    ///
    /// # Errors
    /// [`VaultError::NotEnoughMemory`], [`VaultError::Corrupt`].
    pub fn check_passphrase(&self, passphrase: &Passphrase) -> Result<bool, VaultError> {
        match self.header.unwrap_with_passphrase(passphrase) {
            Ok(_) => Ok(true),
            Err(HeaderError::WrongPassphrase) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether this recovery code opens the vault as it lies on the disk, down to its keyring.
    ///
    /// # Errors
    /// [`VaultError::Corrupt`].
    pub fn check_recovery(&self, code: &RecoveryCode) -> Result<bool, VaultError> {
        let bytes = self.shared.folder.load_header()?;
        let header = Header::decode(&bytes.ok_or(VaultError::Corrupt("header is missing"))?)?;
        match header.unwrap_with_recovery(code) {
            Ok(root) => Ok(header.open_keyring(&root).map(|_| true)?),
            Err(HeaderError::WrongRecoveryCode) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes a copy of the keyring, writes it, and only then keeps it. Epochs dropped from it are
    /// destroyed when this returns.
    ///
    /// # Errors
    /// What `change` returns, or [`VaultError`] of the disk; then the old keyring stays.
    pub fn update_keyring<R, T, E>(
        &mut self,
        rng: &mut R,
        change: impl FnOnce(&mut Keyring, &mut R) -> Result<T, E>,
    ) -> Result<T, E>
    where
        R: CryptoRng + ?Sized,
        E: From<VaultError>,
    {
        let mut keyring = self.keyring.duplicate();
        let out = change(&mut keyring, rng)?;
        let keys = self.cell.opened()?.keys;
        let header = self.header.with_keyring(keys.root(), &keyring, rng);
        self.adopt(header, |_| Ok(()))?;
        keys.follow(&keyring);
        if let Some(under) = &self.under {
            under.follow_keyring(&keyring);
        }
        self.keyring = keyring;
        Ok(out)
    }

    /// Replaces the passphrase: checks the current one, wraps the root key anew under a new salt,
    /// reads the new header back from the disk and opens it with the new passphrase, and only then
    /// gives up the old one. No record is re-encrypted. Slow (three stretches).
    ///
    /// # Errors
    /// [`VaultError::WrongPassphrase`] when `current` is not; [`VaultError::NotEnoughMemory`];
    /// [`VaultError::RekeyUnderWay`]; errors of the disk. The old passphrase stays valid then.
    pub fn rewrap<R: CryptoRng + ?Sized>(
        &mut self,
        current: &Passphrase,
        new: &Passphrase,
        params: KdfParams,
        rng: &mut R,
    ) -> Result<(), VaultError> {
        if self.header.next_store().is_some() {
            return Err(VaultError::RekeyUnderWay);
        }
        if !self.check_passphrase(current)? {
            return Err(VaultError::WrongPassphrase);
        }
        self.set_passphrase(new, params, rng)
    }

    /// Sets a new passphrase after an unlock by recovery code, when the current one is lost. A re-key
    /// stays under way.
    ///
    /// # Errors
    /// [`VaultError::WrongPassphrase`] when `code` is not this vault's; else as
    /// [`rewrap`](Self::rewrap).
    pub fn rewrap_with_recovery<R: CryptoRng + ?Sized>(
        &mut self,
        code: &RecoveryCode,
        new: &Passphrase,
        params: KdfParams,
        rng: &mut R,
    ) -> Result<(), VaultError> {
        if !self.check_recovery(code)? {
            return Err(VaultError::WrongPassphrase);
        }
        self.set_passphrase(new, params, rng)
    }

    /// Replaces the recovery code, after checking the passphrase; the old code no longer opens this
    /// vault (older backups of it, still).
    ///
    /// # Errors
    /// [`VaultError::WrongPassphrase`], [`VaultError::NotEnoughMemory`],
    /// [`VaultError::RekeyUnderWay`], errors of the disk.
    pub fn replace_recovery<R: CryptoRng + ?Sized>(
        &mut self,
        current: &Passphrase,
        rng: &mut R,
    ) -> Result<RecoveryCode, VaultError> {
        if self.header.next_store().is_some() {
            return Err(VaultError::RekeyUnderWay);
        }
        if !self.check_passphrase(current)? {
            return Err(VaultError::WrongPassphrase);
        }
        let keys = self.cell.opened()?.keys;
        let (header, code) = self
            .header
            .with_new_recovery(keys.root(), &self.keyring, rng);
        self.adopt(header, |read_back| {
            let root = read_back.unwrap_with_recovery(&code)?;
            read_back.open_keyring(&root).map(drop)
        })?;
        Ok(code)
    }

    fn set_passphrase<R: CryptoRng + ?Sized>(
        &mut self,
        new: &Passphrase,
        params: KdfParams,
        rng: &mut R,
    ) -> Result<(), VaultError> {
        let keys = self.cell.opened()?.keys;
        let header = self
            .header
            .with_passphrase(keys.root(), &self.keyring, new, params, rng)?;
        self.adopt(header, |read_back| {
            let root = read_back.unwrap_with_passphrase(new)?;
            read_back.open_keyring(&root).map(drop)
        })?;
        Ok(())
    }

    /// Writes a header and keeps it once it stands in its place. When the disk does not confirm the
    /// last step it stands all the same, and every later start reads it: that is no failure of the
    /// change. Only a power cut may then bring the old header back.
    pub(crate) fn adopt(
        &mut self,
        header: Header,
        check: impl FnOnce(&Header) -> Result<(), HeaderError>,
    ) -> Result<Placed, VaultError> {
        let placed = self
            .shared
            .folder
            .save_header(&header.encode(), |read_back| {
                check(&Header::decode(read_back)?)?;
                Ok(())
            })?;
        *self.header = header;
        Ok(placed)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.cell.empty();
    }
}

impl core::fmt::Debug for Open {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Open")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}
