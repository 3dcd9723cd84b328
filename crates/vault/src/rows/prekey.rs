//! The secret half of a published prekey.

use serde::{Deserialize, Serialize};
use waxwing_wire::ids::KeyId;
use zeroize::Zeroizing;

use super::Row;

/// Which kind of prekey (docs/protocol.md section 2, record field 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PrekeyKind {
    /// Weekly, recipient key of last resort.
    Signed,
    /// One use.
    OneTime,
}

/// The secret half of a published prekey. Sealed under its weekly epoch key, which lives only in the
/// keyring of `vault.cbor`: dropping the epoch there destroys what sled still holds of deleted rows
/// (docs/protocol.md section 6).
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct PrekeySecret {
    /// Its `kid` on the wire; the row's key on disk is a keyed hash of it.
    pub kid: KeyId,
    /// Which kind.
    pub kind: PrekeyKind,
    /// HPKE suite number, as in the card's `min_suite`.
    pub suite: i64,
    /// The epoch whose key seals this row.
    pub epoch: u32,
    /// The secret key, as the crypto crate encodes it.
    #[serde(with = "secret_bytes")]
    pub secret: Zeroizing<Vec<u8>>,
    /// The published record, exact bytes: its hash is bound into every envelope sealed to it.
    #[serde(with = "serde_bytes")]
    pub record: Vec<u8>,
    /// When it was made.
    pub made_at: u64,
    /// Until when senders may use it (signed).
    pub not_after: u64,
}

impl core::fmt::Debug for PrekeySecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PrekeySecret")
            .field("kid", &self.kid)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

mod secret_bytes {
    use serde::{Deserializer, Serializer};
    use zeroize::Zeroizing;

    pub(super) fn serialize<S: Serializer>(
        bytes: &Zeroizing<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Zeroizing<Vec<u8>>, D::Error> {
        serde_bytes::deserialize::<Vec<u8>, D>(deserializer).map(Zeroizing::new)
    }
}

impl Row for PrekeySecret {
    type Key = KeyId;
    const TREE: &'static str = "prekeys";
    const IN_EPOCHS: bool = true;

    fn key(&self) -> KeyId {
        self.kid
    }

    fn name(key: &KeyId) -> Vec<u8> {
        key.as_bytes().to_vec()
    }

    fn epoch(&self) -> Option<u32> {
        Some(self.epoch)
    }
}
