//! Making a vault of a backup, under a fresh root key.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use serde::de::DeserializeOwned;
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_crypto::vault_header::{BackupHeader, Header, Keyring, RootKey};
use waxwing_wire::ids::{AccountId, AttachmentId};

use super::read::{Visitor, walk};
use super::stream::{In, Sealed, stream_header};
use super::{BackupFile, BackupProgress, BackupWatcher, Contents, place};
use crate::carriage::{encode as encode_carried, lane_key};
use crate::engine::{Op, SledEngine};
use crate::files::{AtRest, Writer, random};
use crate::folder::{self, Folder};
use crate::keys::{Keys, decode};
use crate::rows::{
    Activity, ActivityKind, Backup, BackupId, Contact, Device, Draft, DropBox, History, LaneId,
    MailBox, Message, Outgoing, OwnCard, Relay, Renewal, Replay, Row, Thread,
};
use crate::shared::Current;
use crate::steps::{Step, reached};
use crate::trees::{ENVELOPES, OUTBOX};
use crate::{Open, State, Tx, Vault, VaultError, lists, store};

/// Rows that are written at a time.
const BATCH: usize = 64;
/// Kept free beside what the backup needs.
const SPARE_BYTES: u64 = 64 << 20;

const DIFFERS: VaultError = VaultError::Corrupt("the restored vault differs from the backup");

/// What a restored vault is opened with, and when it was restored.
#[derive(Debug)]
pub struct NewVault<'a> {
    /// The recovery code that opens the backup, and the restored vault.
    pub code: &'a RecoveryCode,
    /// The new passphrase.
    pub passphrase: &'a Passphrase,
    /// How it is stretched.
    pub params: KdfParams,
    /// Unix seconds.
    pub now: u64,
}

/// A vault restored beside its place, whole and checked.
#[derive(Debug)]
pub struct Restored {
    dir: PathBuf,
    /// The relays that the device used, the present one without `left_at`.
    pub relays: Vec<Relay>,
}

impl Vault {
    /// Makes a vault of a backup, beside `dir`, and opens and counts it anew from the disk. What is
    /// in `dir` stays as it is. Slow (four stretches).
    ///
    /// # Errors
    /// [`VaultError::WrongPassphrase`] when the code is not the backup's; [`VaultError::Stream`],
    /// [`VaultError::Corrupt`] when it is damaged; [`VaultError::Newer`]; [`VaultError::Cancelled`];
    /// [`VaultError::NotEnoughMemory`]; [`VaultError::DiskFull`]; errors of the disk. Nothing has
    /// changed then.
    pub fn restore<R: CryptoRng + ?Sized>(
        dir: &Path,
        file: &BackupFile,
        new: &NewVault<'_>,
        watcher: BackupWatcher<'_>,
        rng: &mut R,
    ) -> Result<Restored, VaultError> {
        place::clear(dir)?;
        let beside = place::beside(dir);
        let restored = restore(&beside, file, new, watcher, rng);
        if restored.is_err() {
            // The error that brought us here is the one to tell.
            let _ = place::clear(dir);
        }
        Ok(Restored {
            dir: dir.to_owned(),
            relays: restored?,
        })
    }
}

impl Restored {
    /// Where it lies until it is put into its place: for settings that belong beside it.
    pub fn beside(&self) -> PathBuf {
        place::beside(&self.dir)
    }

    /// Puts it into its place. A vault that was there is renamed to `<dir>-<mark>`, never deleted;
    /// answers where it went.
    ///
    /// # Errors
    /// [`VaultError::InUse`] when anybody holds what is there; errors of the disk.
    pub fn place(&self, mark: &str) -> Result<Option<PathBuf>, VaultError> {
        place::put(&self.dir, mark)
    }

    /// Gives it up.
    ///
    /// # Errors
    /// Errors of the disk.
    pub fn give_up(self) -> Result<(), VaultError> {
        place::clear(&self.dir)
    }
}

fn restore<R: CryptoRng + ?Sized>(
    beside: &Path,
    file: &BackupFile,
    new: &NewVault<'_>,
    watcher: BackupWatcher<'_>,
    mut rng: &mut R,
) -> Result<Vec<Relay>, VaultError> {
    let (header, mut source) = super::open(&file.path)?;
    let old_root = header.unwrap_with_recovery(new.code)?;
    let parent = beside
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if fs4::available_space(parent.unwrap_or(Path::new(".")))?
        < file.size.saturating_mul(2) + SPARE_BYTES
    {
        return Err(VaultError::DiskFull);
    }
    let folder = Folder::hold(beside)?;
    folder.begin_restoring()?;
    reached(Step::RestoreBegun);
    let opener = header.opener(&old_root, &stream_header(&mut source)?)?;
    let (total, told) = (file.size, watcher);
    let mut progress = |done| {
        told(BackupProgress {
            is_checking: false,
            done,
            total,
        })
    };
    let engine = SledEngine::open(&folder.make_store(0)?)?;
    let current = Current::new(Box::new(engine), folder.files(0));
    let mut filling = Filling {
        current: &current,
        files: &current.files,
        backup: &header,
        old_root: Some(old_root),
        new,
        made: None,
        batch: Vec::new(),
        known: HashSet::new(),
        lanes: HashMap::new(),
        file: None,
        rng: &mut rng,
    };
    let contents = walk(
        In::new(Sealed::new(source, opener, &mut progress)),
        &mut filling,
    )?;
    filling.flush()?;
    let made = filling.made.take().ok_or(DIFFERS)?;
    drop(filling);
    current.engine.sync()?;
    folder::sync_dir(current.files.dir())?;
    reached(Step::RestoreFilled);
    folder.save_header(&made.header.encode(), |read_back| {
        let read_back = Header::decode(read_back)?;
        read_back.open_keyring(&read_back.unwrap_with_recovery(new.code)?)?;
        Ok(())
    })?;
    drop(current);
    drop(folder);
    reached(Step::RestoreHeaded);
    told(BackupProgress {
        is_checking: true,
        done: 0,
        total,
    });
    let open = check(beside, new, &contents)?;
    note(&open, file, &contents, new.now, rng)?;
    let relays = open.carriage().relays()?;
    open.shared.folder.finish_restoring()?;
    reached(Step::RestoreChecked);
    Ok(relays)
}

/// Opens the restored vault from the disk, as anybody would, and counts it.
fn check(beside: &Path, new: &NewVault<'_>, contents: &Contents) -> Result<Open, VaultError> {
    let State::Locked(locked) = Vault::look(beside)? else {
        return Err(DIFFERS);
    };
    let open = locked.unlock(new.passphrase).map_err(|_| DIFFERS)?;
    let engine = &open.shared.current().engine;
    for (tree, rows) in &contents.rows {
        let tree = super::content::OPENED
            .iter()
            .map(|(tree, _)| tree)
            .chain(super::content::CARRIED)
            .find(|known| **known == tree.as_str())
            .ok_or(DIFFERS)?;
        let there = engine.count(tree, &[])?;
        // A message gives its own envelopes an index row, named in the file or not.
        if there != *rows && !(*tree == ENVELOPES && there > *rows) {
            return Err(DIFFERS);
        }
    }
    if open.shared.current().files.ids()?.len() as u64 != contents.files {
        return Err(DIFFERS);
    }
    open.store().check_activity()?;
    Ok(open)
}

/// The list of what was done says that it was restored, and the list of backups from which.
fn note<R: CryptoRng + ?Sized>(
    open: &Open,
    file: &BackupFile,
    contents: &Contents,
    now: u64,
    rng: &mut R,
) -> Result<(), VaultError> {
    let mut id = BackupId::default();
    rng.fill_bytes(&mut id);
    let row = Backup {
        id,
        place: file.path.clone(),
        made_at: file.header.made_at(),
        generation: file.header.generation(),
        size: file.size,
        messages: contents.of(Message::TREE),
        contacts: contents.of(Contact::TREE),
        files: contents.files,
        recovery: open.header.recovery_id(),
    };
    open.store().commit(rng, |tx| {
        tx.put(&row)?;
        tx.record(now, ActivityKind::BackupRestored, "")
    })
}

/// The header and keys of the vault that comes to be.
struct Made {
    header: Header,
    keys: Keys,
    /// By which the lanes of the outbox were named.
    old: Keys,
}

enum Item {
    Row(&'static str, zeroize::Zeroizing<Vec<u8>>),
    Carried(&'static str, Vec<u8>, Vec<u8>),
}

/// Fills the store and the folder of attachments.
struct Filling<'a> {
    current: &'a Current,
    files: &'a AtRest,
    backup: &'a BackupHeader,
    old_root: Option<RootKey>,
    new: &'a NewVault<'a>,
    made: Option<Made>,
    batch: Vec<Item>,
    /// Whose lanes are known.
    known: HashSet<AccountId>,
    lanes: HashMap<LaneId, LaneId>,
    file: Option<(AttachmentId, Writer)>,
    rng: &'a mut dyn CryptoRng,
}

impl Visitor for Filling<'_> {
    fn keyring(&mut self, keyring: Keyring) -> Result<(), VaultError> {
        let new = self.new;
        let (header, root) = Header::restored(
            self.backup,
            new.passphrase,
            new.params,
            new.code,
            &keyring,
            self.rng,
        )?;
        let old = self.old_root.take().ok_or(DIFFERS)?;
        self.files.unlock(root.files_key());
        self.made = Some(Made {
            header,
            keys: Keys::derive(root, &keyring),
            old: Keys::derive(old, &keyring),
        });
        Ok(())
    }

    fn row(&mut self, tree: &'static str, plain: &[u8]) -> Result<(), VaultError> {
        self.add(Item::Row(tree, plain.to_vec().into()))
    }

    fn carried(
        &mut self,
        tree: &'static str,
        key: Vec<u8>,
        value: &[u8],
    ) -> Result<(), VaultError> {
        self.add(Item::Carried(tree, key, value.to_vec()))
    }

    fn file(&mut self, id: AttachmentId, length: u64) -> Result<(), VaultError> {
        let sealing = random(&mut self.rng);
        let writer = self.files.write(id, sealing, length, self.rng)?;
        self.file = Some((id, writer));
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), VaultError> {
        let (_, file) = self.file.as_mut().ok_or(DIFFERS)?;
        file.write(bytes)
    }

    fn file_ends(&mut self) -> Result<(), VaultError> {
        let (id, file) = self.file.take().ok_or(DIFFERS)?;
        file.finish()?.keep(&self.files.path(id))
    }
}

impl Filling<'_> {
    fn add(&mut self, item: Item) -> Result<(), VaultError> {
        self.batch.push(item);
        if self.batch.len() < BATCH {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), VaultError> {
        let batch = std::mem::take(&mut self.batch);
        let made = self.made.take().ok_or(DIFFERS)?;
        let ops = self.ops(batch, &made);
        self.made = Some(made);
        self.current.engine.apply(&ops?)
    }

    fn ops(&mut self, batch: Vec<Item>, made: &Made) -> Result<Vec<Op>, VaultError> {
        for item in &batch {
            match item {
                Item::Row(Contact::TREE, plain) => {
                    let contact: Contact = decode(Contact::TREE, plain)?;
                    self.know(contact.account, made)?;
                }
                Item::Row(Message::TREE, plain) => {
                    let message: Message = decode(Message::TREE, plain)?;
                    if message.mailbox == MailBox::Sent {
                        for party in &message.recipients {
                            self.know(party.account, made)?;
                        }
                    }
                }
                _ => {}
            }
        }
        let mut tx = Tx::new(&made.keys, self.rng, self.current);
        for item in batch {
            match item {
                Item::Row(tree, plain) => put(&mut tx, tree, &plain, self.backup, &made.header)?,
                Item::Carried(OUTBOX, _, value) => {
                    let mut row: Outgoing = decode(OUTBOX, &value)?;
                    // One that nobody knows keeps its name: it stays a lane, and its order stays.
                    row.lane = *self.lanes.get(&row.lane).unwrap_or(&row.lane);
                    let key = lane_key(&row.lane, row.position);
                    tx.changes_mut().put(OUTBOX, key, encode_carried(&row)?);
                }
                Item::Carried(tree, key, value) => tx.changes_mut().put(tree, key, value),
            }
        }
        Ok(tx.into_ops())
    }

    /// The lane of a recipient is a keyed hash, so it gets another name.
    fn know(&mut self, account: AccountId, made: &Made) -> Result<(), VaultError> {
        if self.known.insert(account) {
            let old = store::lane(&made.old, &account)?;
            self.lanes.insert(old, store::lane(&made.keys, &account)?);
        }
        Ok(())
    }
}

/// Writes a row with everything that hangs on it.
fn put(
    tx: &mut Tx<'_>,
    tree: &'static str,
    plain: &[u8],
    backup: &BackupHeader,
    header: &Header,
) -> Result<(), VaultError> {
    match tree {
        Contact::TREE => put_as::<Contact>(tx, plain),
        OwnCard::TREE => put_as::<OwnCard>(tx, plain),
        Thread::TREE => put_as::<Thread>(tx, plain),
        Renewal::TREE => put_as::<Renewal>(tx, plain),
        History::TREE => put_as::<History>(tx, plain),
        Replay::TREE => put_as::<Replay>(tx, plain),
        Device::TREE => put_as::<Device>(tx, plain),
        Draft::TREE => put_as::<Draft>(tx, plain),
        DropBox::TREE => put_as::<DropBox>(tx, plain),
        Message::TREE => put_as::<Message>(tx, plain),
        Backup::TREE => {
            let mut row: Backup = decode(tree, plain)?;
            // The same code opens the restored vault, whose slot has another salt.
            if row.recovery == backup.recovery_id() {
                row.recovery = header.recovery_id();
            }
            tx.put(&row)
        }
        Activity::TREE => {
            let line: Activity = decode(tree, plain)?;
            let key = Activity::name(&line.number);
            let sealed = tx.seal_small(Activity::TREE, &key, plain)?;
            tx.changes_mut().put(Activity::TREE, key, sealed);
            Ok(())
        }
        ENVELOPES => {
            let envelope = plain.get(lists::NAME..).ok_or(DIFFERS)?;
            let key = tx.keys().hide(ENVELOPES, envelope)?;
            let sealed = tx.seal_small(ENVELOPES, &key, plain)?;
            tx.changes_mut().put(ENVELOPES, key, sealed);
            Ok(())
        }
        _ => Err(VaultError::Newer),
    }
}

fn put_as<T: Row + DeserializeOwned>(tx: &mut Tx<'_>, plain: &[u8]) -> Result<(), VaultError> {
    tx.put(&decode::<T>(T::TREE, plain)?)
}
