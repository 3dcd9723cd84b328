//! One part of a history: what another device of the account is told of what this one remembers.
//!
//! A part is a list of records as a backup has them (`crypto::backup::Record`): rows, opened; pieces of
//! sealed attachments; the end, with how many there were. It is sealed as any attachment is. Who reads
//! one is shown item by item and decides what to do with it; a part that is not whole ends in an error,
//! and what was taken in of it is taken in again with the next try.
//! Carries out docs/protocol.md section 8.

use std::collections::BTreeMap;

use waxwing_crypto::backup::Record;
use zeroize::Zeroizing;

use crate::VaultError;
use crate::backup::stream::{In, Records as _};
use crate::files::SealedFile;
use crate::keys::{decode, encode};
use crate::rows::{Contact, Device, Message, Row, Thread};

/// A part ends with the item that makes it longer than this.
pub const PART_BYTES: usize = 8 << 20;
/// The largest part that is read. An item is at most 16 MiB, and the first part has all small rows.
pub const MAX_PART_BYTES: u64 = 64 << 20;
/// The tree that settings stand under. It is no tree of the vault: they lie beside it.
const SETTINGS: &str = "settings";

/// What stands in a history.
pub enum Item {
    /// Somebody the account can write to.
    Contact(Box<Contact>),
    /// What a device of the account is called.
    Device(Device),
    /// How far a device has counted in a conversation.
    Thread(Thread),
    /// A message.
    Message(Box<Message>),
    /// What the person chose, in the client's own form.
    Settings(Vec<u8>),
    /// A piece of a sealed attachment.
    Piece {
        /// What the whole is; its true length is not told and 0.
        file: SealedFile,
        /// Where in the ciphertext the piece begins.
        offset: u64,
        /// The piece.
        bytes: Vec<u8>,
    },
}

impl core::fmt::Debug for Item {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Contact(_) => "Contact",
            Self::Device(_) => "Device",
            Self::Thread(_) => "Thread",
            Self::Message(_) => "Message",
            Self::Settings(_) => "Settings",
            Self::Piece { .. } => "Piece",
        })
    }
}

/// A part being written, in memory.
pub struct PartWriter {
    bytes: Zeroizing<Vec<u8>>,
    rows: BTreeMap<String, u64>,
    pieces: u64,
}

impl Default for PartWriter {
    fn default() -> Self {
        Self {
            // Growing would leave copies behind.
            bytes: Zeroizing::new(Vec::with_capacity(PART_BYTES + (1 << 20))),
            rows: BTreeMap::new(),
            pieces: 0,
        }
    }
}

impl PartWriter {
    /// Adds an item.
    ///
    /// # Errors
    /// [`VaultError::Corrupt`] for a row that cannot be written.
    pub fn add(&mut self, item: &Item) -> Result<(), VaultError> {
        match item {
            Item::Contact(row) => self.row(row.as_ref()),
            Item::Device(row) => self.row(row),
            Item::Thread(row) => self.row(row),
            Item::Message(row) => self.row(row.as_ref()),
            Item::Settings(bytes) => self.opened(SETTINGS, 1, bytes),
            Item::Piece {
                file,
                offset,
                bytes,
            } => {
                self.pieces += 1;
                let head = Record::Piece {
                    id: file.id,
                    offset: *offset,
                    length: bytes.len() as u64,
                    sealed_length: file.sealed_length,
                    sha256: file.sha256,
                };
                self.bytes.record(&head, bytes)
            }
        }
    }

    /// Whether the part is long enough.
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= PART_BYTES
    }

    /// How long it is so far, in bytes.
    pub fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The whole part.
    ///
    /// # Errors
    /// [`VaultError::Corrupt`].
    pub fn finish(mut self) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let end = Record::End {
            rows: self.rows,
            files: self.pieces,
        };
        self.bytes.head(&end)?;
        Ok(self.bytes)
    }

    fn row<T: Row>(&mut self, row: &T) -> Result<(), VaultError> {
        self.opened(T::TREE, T::SCHEMA, &encode(row)?)
    }

    fn opened(&mut self, tree: &str, schema: u32, plain: &[u8]) -> Result<(), VaultError> {
        *self.rows.entry(tree.to_owned()).or_default() += 1;
        let head = Record::Row {
            tree: tree.to_owned(),
            schema,
            length: plain.len() as u64,
        };
        self.bytes.record(&head, plain)
    }
}

impl core::fmt::Debug for PartWriter {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PartWriter")
            .field("length", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// Shows a part item by item, and counts it against its end. What `visit` was shown before an error is
/// as good as what it is shown without one; only the part is not whole.
///
/// # Errors
/// [`VaultError::Corrupt`], [`VaultError::Stream`] for a part that is damaged or cut off;
/// [`VaultError::Newer`] for a row of a later version; whatever `visit` answers.
pub fn read_part<E: From<VaultError>>(
    part: &[u8],
    mut visit: impl FnMut(Item) -> Result<(), E>,
) -> Result<(), E> {
    let mut from = In::new(part);
    let mut seen = BTreeMap::new();
    let mut pieces = 0;
    loop {
        let head = from.head()?;
        let item = match &head {
            Record::Row { tree, schema, .. } => {
                let plain = from.body(&head)?;
                *seen.entry(tree.clone()).or_default() += 1;
                opened(tree, *schema, &plain)?
            }
            Record::Piece {
                id,
                offset,
                sealed_length,
                sha256,
                ..
            } => {
                pieces += 1;
                Item::Piece {
                    file: SealedFile {
                        id: *id,
                        length: 0,
                        sealed_length: *sealed_length,
                        sha256: *sha256,
                    },
                    offset: *offset,
                    bytes: from.body(&head)?.to_vec(),
                }
            }
            Record::End { rows, files } => {
                return if from.is_over() && *rows == seen && *files == pieces {
                    Ok(())
                } else {
                    Err(VaultError::Corrupt("a history has another end").into())
                };
            }
            Record::Keyring { .. } | Record::Carried { .. } | Record::File { .. } => {
                return Err(VaultError::Corrupt("not a record of a history").into());
            }
        };
        visit(item)?;
    }
}

fn opened(tree: &str, schema: u32, plain: &[u8]) -> Result<Item, VaultError> {
    fn row<T: Row>(plain: &[u8]) -> Result<T, VaultError> {
        decode(T::TREE, plain)
    }
    match (tree, schema) {
        (Contact::TREE, Contact::SCHEMA) => Ok(Item::Contact(Box::new(row(plain)?))),
        (Device::TREE, Device::SCHEMA) => Ok(Item::Device(row(plain)?)),
        (Thread::TREE, Thread::SCHEMA) => Ok(Item::Thread(row(plain)?)),
        (Message::TREE, Message::SCHEMA) => Ok(Item::Message(Box::new(row(plain)?))),
        (SETTINGS, 1) => Ok(Item::Settings(plain.to_vec())),
        _ => Err(VaultError::Newer),
    }
}

#[cfg(test)]
mod tests;
