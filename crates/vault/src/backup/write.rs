//! Writing a backup: `<name>.part` → fsync → read back, opened and counted → rename → fsync.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand_core::CryptoRng;
use waxwing_crypto::backup::{Opener, Record, Sealer};
use waxwing_crypto::vault_header::BackupHeader;
use waxwing_wire::ids::AttachmentId;
use zeroize::Zeroizing;

use super::content::{CARRIED, OPENED};
use super::read::{Visitor, walk};
use super::stream::{In, Out, Records as _, Sealed, stream_header};
use super::{BackupProgress, BackupWatcher, Contents};
use crate::engine::{Engine, Order, Raw};
use crate::files::{AtRest, Draft, Reader};
use crate::keys::{KeyCell, Keys, decode};
use crate::rows::{Backup, BackupId, Contact, Head, Message, Row as _};
use crate::shared::Shared;
use crate::steps::{Step, reached};
use crate::trees::{ENVELOPES, INBOX_PLACES, SENT_PLACES};
use crate::{Open, VaultError, lists};

/// Rows that are read at a time.
const PAGE: usize = 64;
/// Bytes of an attachment that are read at a time.
const PIECE: usize = 64 << 10;
/// A row counts as so many bytes toward the progress.
const ROW_BYTES: u64 = 2048;

const DIFFERS: VaultError = VaultError::Corrupt("the backup differs from the vault");

/// A backup about to be written. Holds what its content is sealed with, and not the root key.
pub struct BackupWriter {
    shared: Arc<Shared>,
    cell: KeyCell,
    header: BackupHeader,
    sealer: Sealer,
    keyring: Zeroizing<Vec<u8>>,
    id: BackupId,
}

impl Open {
    /// Makes ready to write a backup, opened by the recovery code that the vault has now.
    ///
    /// # Errors
    /// [`VaultError::RekeyUnderWay`]: it would be of a root key that is about to be given up.
    pub fn begin_backup<R: CryptoRng + ?Sized>(
        &self,
        made_at: u64,
        rng: &mut R,
    ) -> Result<BackupWriter, VaultError> {
        if self.header.next_store().is_some() {
            return Err(VaultError::RekeyUnderWay);
        }
        let keys = self.cell.opened()?.keys;
        let header = self.header.backup(made_at);
        let mut id = BackupId::default();
        rng.fill_bytes(&mut id);
        Ok(BackupWriter {
            sealer: header.sealer(keys.root(), rng)?,
            header,
            shared: Arc::clone(&self.shared),
            cell: self.cell.clone(),
            keyring: self.keyring.to_backup(),
            id,
        })
    }
}

impl BackupWriter {
    /// Writes it to `target`, replacing a file of that name. Everybody may read meanwhile; who writes
    /// waits while the rows are read, and not while attachments are, nor while it is checked.
    ///
    /// # Errors
    /// [`VaultError::Cancelled`] when `watcher` says so; [`VaultError::Locked`];
    /// [`VaultError::DoesNotOpen`] for a row that was damaged before: it is never left out in
    /// silence; [`VaultError::Corrupt`] when what was read back differs; errors of the disk. No file
    /// is left behind then.
    pub fn write(self, target: &Path, watcher: BackupWatcher<'_>) -> Result<Backup, VaultError> {
        let mut part = target.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let mut draft = Draft::new(part.clone())?;
        let header = self.header.encode();
        let length = u16::try_from(header.len()).map_err(|_| VaultError::Corrupt("header"))?;
        draft.file.write_all(&length.to_be_bytes())?;
        draft.file.write_all(&header)?;
        let mut out = Out::new(draft.file.try_clone()?, self.sealer)?;
        out.record(
            &Record::Keyring {
                length: self.keyring.len() as u64,
            },
            &self.keyring,
        )?;
        let mut told = Told {
            watcher,
            done: 0,
            total: 0,
        };
        let files = whole_files(&self.shared.current().files)?;
        let bytes: u64 = files.iter().map(|(_, file)| file.length()).sum();
        let rows = {
            // Nobody writes: what is read is of one moment.
            let writer = self.shared.writer();
            if writer.is_on() {
                return Err(VaultError::RekeyUnderWay);
            }
            let opened = self.cell.opened()?;
            let engine = opened.current.engine.as_ref();
            told.total = bytes + ROW_BYTES * all(engine)?;
            let rows = write_rows(engine, &opened.keys, &mut out, &mut told)?;
            drop(writer);
            rows
        };
        let contents = Contents {
            rows,
            files: files.len() as u64,
        };
        for (id, file) in files {
            write_file(id, file, &mut out, &mut told)?;
        }
        let end = Record::End {
            rows: contents.rows.clone(),
            files: contents.files,
        };
        out.record(&end, &[])?;
        let opener = out.finish()?;
        reached(Step::BackupWritten);
        let size = check(&part, &header, opener, &contents, told.watcher)?;
        reached(Step::BackupChecked);
        draft.keep(target)?;
        reached(Step::BackupPlaced);
        Ok(Backup {
            id: self.id,
            place: target.to_owned(),
            made_at: self.header.made_at(),
            generation: self.header.generation(),
            size,
            messages: contents.of(Message::TREE),
            contacts: contents.of(Contact::TREE),
            files: contents.files,
            recovery: self.header.recovery_id(),
        })
    }
}

impl core::fmt::Debug for BackupWriter {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BackupWriter")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

/// Progress of the first half.
struct Told<'a> {
    watcher: BackupWatcher<'a>,
    done: u64,
    total: u64,
}

impl Told<'_> {
    fn add(&mut self, done: u64) -> Result<(), VaultError> {
        self.done += done;
        let progress = BackupProgress {
            is_checking: false,
            done: self.done,
            total: self.total,
        };
        if (self.watcher)(progress) {
            Ok(())
        } else {
            Err(VaultError::Cancelled)
        }
    }
}

/// How many rows there will be, to foresee how long it takes.
fn all(engine: &dyn Engine) -> Result<u64, VaultError> {
    let trees = OPENED.iter().map(|(tree, _)| tree).chain(CARRIED);
    let counts = trees.map(|tree| engine.count(tree, &[]));
    counts.sum()
}

fn write_rows(
    engine: &dyn Engine,
    keys: &Keys,
    out: &mut Out,
    told: &mut Told<'_>,
) -> Result<BTreeMap<String, u64>, VaultError> {
    let mut rows = BTreeMap::new();
    for (tree, schema) in OPENED.iter().copied() {
        let mut written = 0;
        let mut write = |plain: &[u8]| {
            written += 1;
            let head = Record::Row {
                tree: tree.to_owned(),
                schema,
                length: plain.len() as u64,
            };
            out.record(&head, plain)
        };
        if tree == Message::TREE {
            in_order(engine, keys, told, &mut write)?;
        } else {
            pages(engine, tree, told, |(key, stored)| {
                let plain = keys.open(tree, schema, &key, &stored)?;
                // An index row of the time when it did not name its envelope; a message does.
                if tree == ENVELOPES && plain.len() <= lists::NAME {
                    return Ok(());
                }
                write(&plain)
            })?;
        }
        // What is not in its list would be lost.
        if tree != ENVELOPES && written != engine.count(tree, &[])? {
            return Err(DIFFERS);
        }
        rows.insert(tree.to_owned(), written);
    }
    for tree in CARRIED.iter().copied() {
        let mut written = 0;
        pages(engine, tree, told, |(key, value)| {
            written += 1;
            let head = Record::Carried {
                tree: tree.to_owned(),
                key,
                length: value.len() as u64,
            };
            out.record(&head, &value)
        })?;
        rows.insert(tree.to_owned(), written);
    }
    Ok(rows)
}

/// Messages in the order of their lists, which they get again by being written in it.
fn in_order(
    engine: &dyn Engine,
    keys: &Keys,
    told: &mut Told<'_>,
    write: &mut impl FnMut(&[u8]) -> Result<(), VaultError>,
) -> Result<(), VaultError> {
    for list in [INBOX_PLACES, SENT_PLACES] {
        pages(engine, list, told, |(place, stored)| {
            let head: Head = decode(list, &keys.open(list, lists::SCHEMA, &place, &stored)?)?;
            let name = Message::name(&(head.mailbox, head.id));
            let key = keys.hide(Message::TREE, &name)?;
            let broken = VaultError::DoesNotOpen(Message::TREE);
            let stored = engine.load(Message::TREE, &key)?.ok_or(broken)?;
            write(&keys.open(Message::TREE, Message::SCHEMA, &key, &stored)?)
        })?;
    }
    Ok(())
}

fn pages(
    engine: &dyn Engine,
    tree: &'static str,
    told: &mut Told<'_>,
    mut row: impl FnMut(Raw) -> Result<(), VaultError>,
) -> Result<(), VaultError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let rows = engine.page(tree, &[], after.as_deref(), Order::OldestFirst, PAGE)?;
        let Some((last, _)) = rows.last() else {
            return Ok(());
        };
        after = Some(last.clone());
        told.add(ROW_BYTES * rows.len() as u64)?;
        rows.into_iter().try_for_each(&mut row)?;
    }
}

/// The attachments that are here whole, held open: removing one meanwhile does no harm, nor does a
/// re-key.
fn whole_files(files: &AtRest) -> Result<Vec<(AttachmentId, Reader)>, VaultError> {
    let mut found = Vec::new();
    for id in files.ids()? {
        match files.open(id) {
            Err(VaultError::Missing(_)) => {}
            file => found.push((id, file?)),
        }
    }
    Ok(found)
}

fn write_file(
    id: AttachmentId,
    mut file: Reader,
    out: &mut Out,
    told: &mut Told<'_>,
) -> Result<(), VaultError> {
    let length = file.length();
    out.head(&Record::File { id, length })?;
    let mut piece = Vec::with_capacity(PIECE);
    loop {
        piece.clear();
        match file.read(PIECE, &mut piece)? {
            0 => return Ok(()),
            read => {
                out.bytes(&piece)?;
                told.add(read as u64)?;
            }
        }
    }
}

/// Reads the file back from the disk to its end; answers its length.
fn check(
    part: &Path,
    header: &[u8],
    opener: Opener,
    contents: &Contents,
    watcher: BackupWatcher<'_>,
) -> Result<u64, VaultError> {
    let (read_back, source) = super::open(part)?;
    let mut source: BufReader<File> = source;
    if read_back.encode() != header {
        return Err(DIFFERS);
    }
    stream_header(&mut source)?;
    let total = fs::metadata(part)?.len();
    let mut progress = |done| {
        watcher(BackupProgress {
            is_checking: true,
            done,
            total,
        })
    };
    let read = walk(
        In::new(Sealed::new(source, opener, &mut progress)),
        &mut Reread,
    )?;
    if read == *contents {
        Ok(total)
    } else {
        Err(DIFFERS)
    }
}

/// Opening and counting is all.
struct Reread;

impl Visitor for Reread {}
