//! The records of a backup and of a history, each a head that says what its body is and how long.
//!
//! ```text
//! record  be16(n) || head (n bytes of det-CBOR) || body
//! head    [0, length]               body: the keyring, without weekly keys
//!         [1, tree, schema, length] body: a sealed row, opened
//!         [2, tree, key, length]    body: a row that is readable while locked, as it is
//!         [3, att_id, length]       body: a sealed attachment, as it lies in files/
//!         [4, { tree: rows }, files] no body: the end, with how many there are of everything
//!         [5, att_id, offset, length, sealed length, SHA-256] body: a piece of a sealed attachment
//! ```

use std::collections::BTreeMap;

use waxwing_wire::cbor::{self, ShapeError, Value};
use waxwing_wire::ids::{AttachmentId, Digest};

use crate::vault_header::HeaderError;

/// The largest head that is read, in bytes.
pub const MAX_RECORD_LEN: usize = 4096;

const KEYRING: u64 = 0;
const ROW: u64 = 1;
const CARRIED: u64 = 2;
const FILE: u64 = 3;
const END: u64 = 4;
const PIECE: u64 = 5;

/// The head of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// The keyring, first of all.
    Keyring {
        /// Length of the body.
        length: u64,
    },
    /// A row that is sealed in the vault.
    Row {
        /// Its tree.
        tree: String,
        /// Version of its shape.
        schema: u32,
        /// Length of the body.
        length: u64,
    },
    /// A row that is readable while the vault is locked.
    Carried {
        /// Its tree.
        tree: String,
        /// Its key.
        key: Vec<u8>,
        /// Length of the body.
        length: u64,
    },
    /// A sealed attachment.
    File {
        /// The attachment.
        id: AttachmentId,
        /// Length of the body.
        length: u64,
    },
    /// A piece of a sealed attachment, in a history alone.
    Piece {
        /// The attachment.
        id: AttachmentId,
        /// Where in its ciphertext the piece begins.
        offset: u64,
        /// Length of the body.
        length: u64,
        /// Length of the whole ciphertext.
        sealed_length: u64,
        /// SHA-256 of the whole ciphertext.
        sha256: Digest,
    },
    /// The end: nothing comes after it.
    End {
        /// How many rows of each tree there are.
        rows: BTreeMap<String, u64>,
        /// How many attachments.
        files: u64,
    },
}

impl Record {
    /// Length of the body behind the head.
    pub fn length(&self) -> u64 {
        match self {
            Self::Keyring { length }
            | Self::Row { length, .. }
            | Self::Carried { length, .. }
            | Self::File { length, .. }
            | Self::Piece { length, .. } => *length,
            Self::End { .. } => 0,
        }
    }

    /// The bytes of the head: Core Deterministic CBOR.
    pub fn encode(&self) -> Vec<u8> {
        let items = match self {
            Self::Keyring { length } => vec![Value::from(KEYRING), Value::from(*length)],
            Self::Row {
                tree,
                schema,
                length,
            } => vec![
                Value::from(ROW),
                Value::from(tree.as_str()),
                Value::from(*schema),
                Value::from(*length),
            ],
            Self::Carried { tree, key, length } => vec![
                Value::from(CARRIED),
                Value::from(tree.as_str()),
                cbor::bytes(key),
                Value::from(*length),
            ],
            Self::File { id, length } => {
                vec![Value::from(FILE), cbor::bytes(id), Value::from(*length)]
            }
            Self::Piece {
                id,
                offset,
                length,
                sealed_length,
                sha256,
            } => vec![
                Value::from(PIECE),
                cbor::bytes(id),
                Value::from(*offset),
                Value::from(*length),
                Value::from(*sealed_length),
                cbor::bytes(sha256),
            ],
            Self::End { rows, files } => {
                let rows = rows
                    .iter()
                    .map(|(tree, rows)| (Value::from(tree.as_str()), Value::from(*rows)));
                vec![
                    Value::from(END),
                    Value::Map(rows.collect()),
                    Value::from(*files),
                ]
            }
        };
        cbor::encode(&Value::Array(items))
    }

    /// Reads a head.
    ///
    /// # Errors
    /// [`HeaderError::Corrupt`] for anything that is not exactly a head.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let value = cbor::decode(bytes, MAX_RECORD_LEN)?;
        let mut items = cbor::as_array(value, "record")?.into_iter();
        let mut next = |what| items.next().ok_or(ShapeError::Missing(what));
        let uint = |value: Value, what| cbor::as_uint(&value, what);
        let text = |value: Value| value.into_text().map_err(|_| ShapeError::Wrong("tree"));
        let record = match uint(next("kind")?, "kind")? {
            KEYRING => Self::Keyring {
                length: uint(next("length")?, "length")?,
            },
            ROW => Self::Row {
                tree: text(next("tree")?)?,
                schema: u32::try_from(uint(next("schema")?, "schema")?)
                    .map_err(|_| HeaderError::Corrupt("schema"))?,
                length: uint(next("length")?, "length")?,
            },
            CARRIED => Self::Carried {
                tree: text(next("tree")?)?,
                key: cbor::as_bytes(next("key")?, "key")?,
                length: uint(next("length")?, "length")?,
            },
            FILE => Self::File {
                id: cbor::as_id(&next("attachment")?, "attachment")?,
                length: uint(next("length")?, "length")?,
            },
            PIECE => Self::Piece {
                id: cbor::as_id(&next("attachment")?, "attachment")?,
                offset: uint(next("offset")?, "offset")?,
                length: uint(next("length")?, "length")?,
                sealed_length: uint(next("sealed length")?, "sealed length")?,
                sha256: cbor::as_id(&next("sha256")?, "sha256")?,
            },
            END => {
                let Value::Map(entries) = next("rows")? else {
                    return Err(HeaderError::Corrupt("rows"));
                };
                let rows = entries
                    .into_iter()
                    .map(|(tree, rows)| Ok((text(tree)?, uint(rows, "rows")?)))
                    .collect::<Result<_, ShapeError>>()?;
                Self::End {
                    rows,
                    files: uint(next("files")?, "files")?,
                }
            }
            _ => return Err(HeaderError::Corrupt("kind of record")),
        };
        match items.next() {
            None => Ok(record),
            Some(_) => Err(HeaderError::Corrupt("record")),
        }
    }
}
