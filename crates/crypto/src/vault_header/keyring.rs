//! The keyring: the secret keys of this device, and the weekly keys over its prekeys.
//!
//! What stands here and nowhere else can be destroyed: the header file is replaced as a whole at
//! every write, while the store keeps deleted bytes. Dropping an epoch here makes every prekey that
//! was sealed under it unreadable for good.

use std::collections::BTreeMap;
use std::fmt;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use waxwing_wire::ids::{AccountId, DeviceId, MailboxId};
use zeroize::{Zeroize as _, Zeroizing};

use super::HeaderError;
use super::root::{RecordKey, Secret, copied, random};

const LABEL: &str = "waxwing/keyring/v1";
const SECONDS_PER_EPOCH: u64 = 7 * 24 * 60 * 60;
/// More epochs than could ever be alive at once; a bound for the decoder.
const MAX_EPOCHS: usize = 64;

macro_rules! seed {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name(Secret);

        impl $name {
            /// From its 32 bytes.
            pub fn new(bytes: [u8; 32]) -> Self {
                Self::copy(&bytes)
            }

            fn copy(bytes: &[u8; 32]) -> Self {
                Self(copied(bytes))
            }

            /// A fresh random one.
            pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
                Self(random(rng))
            }

            /// The 32 bytes, to build the signing key from.
            pub fn expose(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

seed!(
    /// Seed (RFC 8032) of the account identity key, AIK: signs cards, its own revocation, and nothing else.
    AccountSeed
);
seed!(
    /// Seed of the device signing key, DSK: signs messages and prekeys.
    DeviceSeed
);
seed!(
    /// Seed of the transport key, TSK: signs requests to the relay and nothing else.
    TransportSeed
);
seed!(
    /// The key of one week's prekeys; lives in the keyring only.
    EpochKey
);

impl EpochKey {
    /// The key that seals the prekey rows of this epoch.
    pub fn record_key(&self) -> RecordKey {
        RecordKey::derive(self.expose(), None, &[b"waxwing/prekey-rec/v1"])
    }
}

/// A week, counted from the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpochId(pub u32);

impl EpochId {
    /// The week that `time` (Unix seconds) falls into.
    pub fn at(time: u64) -> Self {
        Self(u32::try_from(time / SECONDS_PER_EPOCH).unwrap_or(u32::MAX))
    }
}

/// The secret keys of one device.
#[derive(Debug)]
pub struct Keyring {
    /// The account, for ever.
    pub account_id: AccountId,
    /// This device.
    pub device_id: DeviceId,
    /// This device's mailbox at the relay.
    pub mailbox_id: MailboxId,
    /// Account identity key.
    pub account: AccountSeed,
    /// Device signing key.
    pub device: DeviceSeed,
    /// Transport key.
    pub transport: TransportSeed,
    epochs: BTreeMap<u32, EpochKey>,
    next: Option<NextKeys>,
}

/// The keys that are to take the place of the present ones, while the relay is being told.
#[derive(Debug)]
pub struct NextKeys {
    /// Account identity key.
    pub account: AccountSeed,
    /// Device signing key.
    pub device: DeviceSeed,
    /// Transport key.
    pub transport: TransportSeed,
}

impl Keyring {
    /// A keyring without prekey epochs.
    pub fn new(
        account_id: AccountId,
        device_id: DeviceId,
        mailbox_id: MailboxId,
        account: AccountSeed,
        device: DeviceSeed,
        transport: TransportSeed,
    ) -> Self {
        Self {
            account_id,
            device_id,
            mailbox_id,
            account,
            device,
            transport,
            epochs: BTreeMap::new(),
            next: None,
        }
    }

    /// The keys that are to come.
    pub fn next(&self) -> Option<&NextKeys> {
        self.next.as_ref()
    }

    /// Makes the keys that are to come; keeps those that are there.
    pub fn stage_next<R: CryptoRng + ?Sized>(&mut self, rng: &mut R) {
        self.next.get_or_insert_with(|| NextKeys {
            account: AccountSeed::generate(rng),
            device: DeviceSeed::generate(rng),
            transport: TransportSeed::generate(rng),
        });
    }

    /// Keeps another account key, which another device made, as the one that is to come; this device's
    /// own keys stay. In the place of keys that were to come.
    pub fn stage_account(&mut self, account: &AccountSeed) {
        self.next = Some(NextKeys {
            account: AccountSeed::copy(account.expose()),
            device: DeviceSeed::copy(self.device.expose()),
            transport: TransportSeed::copy(self.transport.expose()),
        });
    }

    /// Puts the keys that are to come in the place of the present ones, which are destroyed; nothing
    /// when there are none.
    pub fn adopt_next(&mut self) {
        if let Some(next) = self.next.take() {
            self.account = next.account;
            self.device = next.device;
            self.transport = next.transport;
        }
    }

    /// Destroys the keys that were to come.
    pub fn drop_next(&mut self) {
        self.next = None;
    }

    /// The key of an epoch, if it still exists.
    pub fn epoch(&self, epoch: EpochId) -> Option<&EpochKey> {
        self.epochs.get(&epoch.0)
    }

    /// All epochs that still have a key, oldest first.
    pub fn epochs(&self) -> impl Iterator<Item = (EpochId, &EpochKey)> {
        self.epochs.iter().map(|(id, key)| (EpochId(*id), key))
    }

    /// Makes the key of an epoch; keeps the one that is there.
    pub fn add_epoch<R: CryptoRng + ?Sized>(&mut self, epoch: EpochId, rng: &mut R) {
        self.epochs
            .entry(epoch.0)
            .or_insert_with(|| EpochKey::generate(rng));
    }

    /// Destroys the keys of all epochs before `oldest`; answers how many. What was sealed under them
    /// is gone once the header is written.
    pub fn drop_epochs_before(&mut self, oldest: EpochId) -> usize {
        let kept = self.epochs.split_off(&oldest.0);
        std::mem::replace(&mut self.epochs, kept).len()
    }

    /// For a backup: without the weekly keys, so that a backup opens nothing that was destroyed
    /// since (docs/protocol.md section 7).
    pub fn to_backup(&self) -> Zeroizing<Vec<u8>> {
        let mut copy = self.duplicate();
        copy.epochs.clear();
        copy.encode()
    }

    /// From a backup.
    ///
    /// # Errors
    /// [`HeaderError`] for anything that is not a keyring without weekly keys.
    pub fn from_backup(bytes: &[u8]) -> Result<Self, HeaderError> {
        let keyring = Self::decode(bytes)?;
        if keyring.epochs.is_empty() {
            Ok(keyring)
        } else {
            Err(HeaderError::Corrupt("weekly keys in a backup"))
        }
    }

    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let epochs = self
            .epochs
            .iter()
            .map(|(id, key)| (*id, Encoded::from(key.expose())))
            .collect();
        let content = Content(
            LABEL.to_owned(),
            ByteArray::new(*self.account_id.as_bytes()),
            ByteArray::new(*self.device_id.as_bytes()),
            ByteArray::new(*self.mailbox_id.as_bytes()),
            self.account.expose().into(),
            self.device.expose().into(),
            self.transport.expose().into(),
            epochs,
            self.next.as_ref().map(|next| {
                EncodedNext(
                    next.account.expose().into(),
                    next.device.expose().into(),
                    next.transport.expose().into(),
                )
            }),
        );
        // Room ahead, so that growing leaves no copies behind.
        let mut out = Zeroizing::new(Vec::with_capacity(640 + self.epochs.len() * 48));
        // Writing into a Vec does not fail.
        let _ = ciborium::into_writer(&content, &mut *out);
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut scratch = Zeroizing::new([0; 256]);
        let content: Content = ciborium::de::from_reader_with_buffer(bytes, scratch.as_mut_slice())
            .map_err(|_| HeaderError::Corrupt("keyring has a wrong shape"))?;
        if content.0 != LABEL {
            return Err(HeaderError::UnknownVersion);
        }
        if content.7.len() > MAX_EPOCHS {
            return Err(HeaderError::Corrupt("keyring has too many epochs"));
        }
        Ok(Self {
            account_id: AccountId::new(content.1.into_array()),
            device_id: DeviceId::new(content.2.into_array()),
            mailbox_id: MailboxId::new(content.3.into_array()),
            account: AccountSeed::copy(&content.4.0),
            device: DeviceSeed::copy(&content.5.0),
            transport: TransportSeed::copy(&content.6.0),
            epochs: content
                .7
                .iter()
                .map(|(id, key)| (*id, EpochKey::copy(&key.0)))
                .collect(),
            next: content.8.as_ref().map(|next| NextKeys {
                account: AccountSeed::copy(&next.0.0),
                device: DeviceSeed::copy(&next.1.0),
                transport: TransportSeed::copy(&next.2.0),
            }),
        })
    }

    /// A copy to change and write; the original stays until the write succeeded.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self {
            account_id: self.account_id,
            device_id: self.device_id,
            mailbox_id: self.mailbox_id,
            account: AccountSeed::copy(self.account.expose()),
            device: DeviceSeed::copy(self.device.expose()),
            transport: TransportSeed::copy(self.transport.expose()),
            epochs: self
                .epochs
                .iter()
                .map(|(id, key)| (*id, EpochKey::copy(key.expose())))
                .collect(),
            next: self.next.as_ref().map(|next| NextKeys {
                account: AccountSeed::copy(next.account.expose()),
                device: DeviceSeed::copy(next.device.expose()),
                transport: TransportSeed::copy(next.transport.expose()),
            }),
        }
    }
}

/// `[label, account id, device id, mailbox id, AIK, DSK, TSK, {epoch => key}, ?[AIK, DSK, TSK]]`; the
/// last only while keys are to come.
#[derive(Serialize, Deserialize)]
struct Content(
    String,
    ByteArray<32>,
    ByteArray<16>,
    ByteArray<16>,
    Encoded,
    Encoded,
    Encoded,
    BTreeMap<u32, Encoded>,
    #[serde(default, skip_serializing_if = "Option::is_none")] Option<EncodedNext>,
);

#[derive(Serialize, Deserialize)]
struct EncodedNext(Encoded, Encoded, Encoded);

/// A secret in the keyring's encoding.
struct Encoded(Secret);

impl From<&[u8; 32]> for Encoded {
    fn from(bytes: &[u8; 32]) -> Self {
        Self(copied(bytes))
    }
}

impl Serialize for Encoded {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.as_slice())
    }
}

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut bytes = ByteArray::<32>::deserialize(deserializer)?;
        let secret = Self::from(&*bytes);
        bytes.zeroize();
        Ok(secret)
    }
}
