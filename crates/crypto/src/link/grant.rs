//! The account as the old device gives it to the new one.

use waxwing_wire::card::Card;
use waxwing_wire::cbor::{self, Fields, ShapeError, Value};
use waxwing_wire::ids::AccountId;
use waxwing_wire::limits::MAX_LINK_BYTES;
use zeroize::Zeroizing;

use crate::keys::AccountKey;
use crate::prekey::wipe;
use crate::vault_header::AccountSeed;

/// What makes a new device one of the account's: `{1: account_id, 2: AIK seed, 3: card, 4: name}`.
/// No key of another device is in it but the account's own.
pub struct Grant {
    /// The account.
    pub account_id: AccountId,
    /// Its identity key.
    pub account: AccountSeed,
    /// Its card, which names the new device.
    pub card: Card,
    /// Its name at the relay.
    pub name: String,
}

impl Grant {
    /// The bytes to seal, secret included.
    pub(super) fn expose(&self) -> Zeroizing<Vec<u8>> {
        let mut value = cbor::map([
            (1, cbor::bytes(self.account_id)),
            (2, cbor::bytes(self.account.expose())),
            (3, cbor::bytes(self.card.as_bytes())),
            (4, Value::from(self.name.as_str())),
        ]);
        let encoded = Zeroizing::new(cbor::encode(&value));
        wipe(&mut value);
        encoded
    }

    /// Reads what was opened, and checks that it belongs together: the card is the account's and of
    /// the key that came with it.
    pub(super) fn from_exposed(bytes: &[u8]) -> Result<Self, ShapeError> {
        let mut fields = Fields::open(cbor::decode(bytes, MAX_LINK_BYTES)?, "grant")?;
        let seed = Zeroizing::new(fields.bytes(2, "account key")?);
        let seed = <[u8; 32]>::try_from(seed.as_slice()).map(Zeroizing::new);
        let seed = seed.map_err(|_| ShapeError::Wrong("account key"))?;
        let grant = Self {
            account_id: fields.id(1, "account_id")?,
            account: AccountSeed::new(*seed),
            card: Card::decode(&fields.bytes(3, "card")?)?,
            name: fields.text(4, "name")?,
        };
        fields.finish()?;
        let body = grant.card.body();
        let key = AccountKey::from_seed(&grant.account);
        if body.account_id != grant.account_id || body.identity != *key.public() {
            return Err(ShapeError::Wrong("card"));
        }
        Ok(grant)
    }
}
