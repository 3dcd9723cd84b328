//! The keys of an open vault, dropped as one when it is locked.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use rand_core::CryptoRng;
use waxwing_crypto::vault_header::{IndexKey, Keyring, RecordKey, RootKey};
use waxwing_wire::cbor::{self, Value};
use zeroize::Zeroizing;

use crate::VaultError;
use crate::shared::Current;

/// The epoch of record keys. A re-key makes another root key, and with it other keys of this epoch.
const RECORD_EPOCH: u32 = 0;

/// Everything that opens rows.
pub(crate) struct Keys {
    root: RootKey,
    trees: BTreeMap<&'static str, TreeKeys>,
    /// Changes with the keyring, at once for everybody: a destroyed epoch is destroyed.
    prekey_epochs: RwLock<BTreeMap<u32, RecordKey>>,
}

struct TreeKeys {
    record: RecordKey,
    index: IndexKey,
}

impl Keys {
    pub(crate) fn derive(root: RootKey, keyring: &Keyring) -> Self {
        let trees = crate::trees::SEALED
            .iter()
            .map(|tree| {
                let keys = TreeKeys {
                    record: root.record_key(tree, RECORD_EPOCH),
                    index: root.index_key(tree),
                };
                (*tree, keys)
            })
            .collect();
        Self {
            root,
            trees,
            prekey_epochs: RwLock::new(prekey_epochs(keyring)),
        }
    }

    pub(crate) fn root(&self) -> &RootKey {
        &self.root
    }

    /// Follows a changed keyring.
    pub(crate) fn follow(&self, keyring: &Keyring) {
        *self
            .prekey_epochs
            .write()
            .unwrap_or_else(PoisonError::into_inner) = prekey_epochs(keyring);
    }

    fn tree(&self, tree: &'static str) -> Result<&TreeKeys, VaultError> {
        self.trees
            .get(tree)
            .ok_or(VaultError::Corrupt("no such tree"))
    }

    /// The row key that stands on disk for a name.
    pub(crate) fn hide(&self, tree: &'static str, name: &[u8]) -> Result<Vec<u8>, VaultError> {
        Ok(self.tree(tree)?.index.derive(name).to_vec())
    }

    /// Seals a row for its place: `be32(epoch) || nonce || ciphertext || tag`.
    pub(crate) fn seal(
        &self,
        tree: &'static str,
        schema: u32,
        key: &[u8],
        plain: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, VaultError> {
        let sealed = self
            .tree(tree)?
            .record
            .seal(&aad(tree, key, schema), plain, rng);
        Ok([RECORD_EPOCH.to_be_bytes().as_slice(), &sealed].concat())
    }

    pub(crate) fn open(
        &self,
        tree: &'static str,
        schema: u32,
        key: &[u8],
        stored: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let broken = VaultError::DoesNotOpen(tree);
        let (epoch, sealed) = stored.split_first_chunk::<4>().ok_or(broken)?;
        if u32::from_be_bytes(*epoch) != RECORD_EPOCH {
            return Err(broken);
        }
        self.tree(tree)?
            .record
            .open(&aad(tree, key, schema), sealed)
            .map_err(|_| broken)
    }

    /// Whether the weekly key of a stored row is still there.
    pub(crate) fn has_epoch_of(&self, stored: &[u8]) -> bool {
        let epochs = self
            .prekey_epochs
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let epoch = stored.first_chunk::<4>().copied().map(u32::from_be_bytes);
        epoch.is_some_and(|epoch| epochs.contains_key(&epoch))
    }

    /// As [`seal`](Self::seal), but under the weekly key `epoch` of the keyring.
    pub(crate) fn seal_in_epoch(
        &self,
        epoch: u32,
        (tree, schema, key): (&'static str, u32, &[u8]),
        plain: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, VaultError> {
        let epochs = self
            .prekey_epochs
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let record = epochs.get(&epoch).ok_or(VaultError::EpochGone)?;
        let sealed = record.seal(&aad(tree, key, schema), plain, rng);
        Ok([epoch.to_be_bytes().as_slice(), &sealed].concat())
    }

    pub(crate) fn open_in_epoch(
        &self,
        (tree, schema, key): (&'static str, u32, &[u8]),
        stored: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let broken = VaultError::DoesNotOpen(tree);
        let (epoch, sealed) = stored.split_first_chunk::<4>().ok_or(broken)?;
        let epochs = self
            .prekey_epochs
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let record = epochs
            .get(&u32::from_be_bytes(*epoch))
            .ok_or(VaultError::EpochGone)?;
        record
            .open(&aad(tree, key, schema), sealed)
            .map_err(|_| broken)
    }
}

fn prekey_epochs(keyring: &Keyring) -> BTreeMap<u32, RecordKey> {
    keyring
        .epochs()
        .map(|(id, key)| (id.0, key.record_key()))
        .collect()
}

/// `det-CBOR([tree, record key, schema version])`
fn aad(tree: &str, key: &[u8], schema: u32) -> Vec<u8> {
    cbor::encode(&Value::Array(vec![
        Value::from(tree),
        cbor::bytes(key),
        Value::from(schema),
    ]))
}

/// The keys and the store that they open.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) keys: Arc<Keys>,
    pub(crate) current: Arc<Current>,
}

/// The shared place of the keys: full while the vault is open, empty once it is locked. Whoever is in
/// the middle of something keeps them until he is done.
#[derive(Clone, Default)]
pub(crate) struct KeyCell(Arc<RwLock<Option<Opened>>>);

impl KeyCell {
    pub(crate) fn new(opened: Opened) -> Self {
        Self(Arc::new(RwLock::new(Some(opened))))
    }

    pub(crate) fn opened(&self) -> Result<Opened, VaultError> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or(VaultError::Locked)
    }

    /// Other keys of another store, for everybody at once.
    pub(crate) fn exchange(&self, opened: Opened) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(opened);
    }

    /// Drops the keys; whoever is in the middle of something finishes it.
    pub(crate) fn empty(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// A row as bytes. Room ahead, so that growing leaves few copies behind.
pub(crate) fn encode<T: serde::Serialize>(row: &T) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let mut out = Zeroizing::new(Vec::with_capacity(4096));
    ciborium::into_writer(row, &mut *out)
        .map_err(|_| VaultError::Corrupt("row cannot be written"))?;
    Ok(out)
}

/// A row from its bytes.
pub(crate) fn decode<T: serde::de::DeserializeOwned>(
    tree: &'static str,
    bytes: &[u8],
) -> Result<T, VaultError> {
    // Texts pass through the scratch, which would stay on the stack if the library made it.
    let mut scratch = Zeroizing::new([0; 4096].to_vec());
    ciborium::de::from_reader_with_buffer(bytes, &mut scratch)
        .map_err(|_| VaultError::DoesNotOpen(tree))
}
