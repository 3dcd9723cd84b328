//! Identifiers: fixed-size byte strings that cannot be mixed up with each other.
//!
//! Text and JSON form is lower-case hex, CBOR form is a byte string (docs/protocol.md section 1).

use core::fmt;
use core::str::FromStr;

use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A text that is not an identifier of the wanted size in lower-case hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier: lower-case hex of the right length is expected")]
pub struct IdError;

macro_rules! fixed_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// From its bytes.
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = IdError;
            fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
                bytes.try_into().map(Self).map_err(|_| IdError)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                if text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(IdError);
                }
                let mut bytes = [0u8; $len];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| IdError)?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! random {
    ($name:ident) => {
        impl $name {
            /// A fresh random identifier.
            pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
                let mut bytes = [0u8; Self::LEN];
                rng.fill_bytes(&mut bytes);
                Self(bytes)
            }
        }
    };
}

fixed_bytes!(
    /// An account, for ever: `SHA-256("waxwing/acct/v1" || AIK_genesis_pub)`. It survives key
    /// rotation.
    AccountId,
    32
);
fixed_bytes!(
    /// One device of an account; random.
    DeviceId,
    16
);
fixed_bytes!(
    /// The opaque mailbox of one device at the relay; random, named in the card.
    MailboxId,
    16
);
fixed_bytes!(
    /// One envelope; random. The same for all recipients of one sealing.
    EnvelopeId,
    16
);
fixed_bytes!(
    /// One message; random, seen only by the people in it. A re-sealed message keeps it.
    MessageId,
    16
);
fixed_bytes!(
    /// One attachment at the relay; random.
    AttachmentId,
    16
);
fixed_bytes!(
    /// Where two devices meet at the relay to be linked; random, used once.
    LinkId,
    16
);
fixed_bytes!(
    /// One drop box (docs/protocol.md section 18); random. What is sealed to it has this in the place
    /// of a mailbox.
    DropId,
    16
);
fixed_bytes!(
    /// One conversation (docs/protocol.md section 3, payload field 2).
    ConversationId,
    32
);
fixed_bytes!(
    /// `kid`: the COSE Key Thumbprint (RFC 9679, SHA-256) cut to its first 16 bytes.
    KeyId,
    16
);
fixed_bytes!(
    /// A SHA-256 digest, written `H(x)` in docs/protocol.md.
    Digest,
    32
);
random!(DeviceId);
random!(MailboxId);
random!(EnvelopeId);
random!(MessageId);
random!(AttachmentId);
random!(LinkId);
random!(DropId);

impl DropId {
    /// What stands as `to` in a drop.
    pub const fn mailbox(&self) -> MailboxId {
        MailboxId::new(self.0)
    }
}

impl Digest {
    /// `H(bytes)`: SHA-256 (FIPS 180-4).
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl AccountId {
    /// Derives the id from the account's first identity key (docs/protocol.md section 1).
    pub fn derive(genesis: &[u8; 32]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"waxwing/acct/v1");
        hash.update(genesis);
        Self(hash.finalize().into())
    }
}

/// What the hash of a conversation's members begins with.
pub const CONVERSATION_LABEL: &[u8] = b"waxwing/conv/v1";

impl ConversationId {
    /// Derives the id of the conversation among exactly these accounts, the sender among them
    /// (order and repeats do not matter): `H("waxwing/conv/v1" || account ids, sorted)`
    /// (docs/protocol.md section 13).
    pub fn derive(members: &[AccountId]) -> Self {
        let mut sorted = members.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let mut hash = Sha256::new();
        hash.update(CONVERSATION_LABEL);
        for member in sorted {
            hash.update(member.as_bytes());
        }
        Self(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_form_is_lower_case_hex_and_nothing_else() {
        let id = DeviceId::new([0xab; 16]);
        assert_eq!(id.to_string(), "ab".repeat(16));
        assert_eq!(id.to_string().parse::<DeviceId>(), Ok(id));
        assert_eq!("AB".repeat(16).parse::<DeviceId>(), Err(IdError));
        assert_eq!("ab".repeat(15).parse::<DeviceId>(), Err(IdError));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<DeviceId>(&json).unwrap(), id);
    }

    #[test]
    fn a_conversation_does_not_depend_on_the_order_of_its_members() {
        let (a, b) = (AccountId::new([1; 32]), AccountId::new([2; 32]));
        assert_eq!(
            ConversationId::derive(&[a, b]),
            ConversationId::derive(&[b, a, b])
        );
        assert_ne!(
            ConversationId::derive(&[a, b]),
            ConversationId::derive(&[a])
        );
    }
}
