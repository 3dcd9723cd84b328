//! Addresses: `name@relay-name`, what a person types to reach another one.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is no address or name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no `@`, or more than one.
    #[error("an address looks like name@relay")]
    Form,
    /// The name is not 2 to 32 of `a-z 0-9 . _ -` starting with a letter.
    #[error("a name has 2 to 32 of a-z, 0-9, dot, underscore or dash, and starts with a letter")]
    Name,
    /// The relay name is not a host name, perhaps with a port.
    #[error("the part after @ is not a relay name")]
    Relay,
}

/// A name within one relay: 2 to 32 of `[a-z0-9._-]`, starting with a letter, lower-cased on
/// reading.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String))]
pub struct Name(String);

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let name = text.trim().to_ascii_lowercase();
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        let starts = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if (2..=32).contains(&name.len()) && starts && name.bytes().all(allowed) {
            Ok(Self(name))
        } else {
            Err(AddressError::Name)
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name at a relay. The relay name is a host name, an IPv4 address or `localhost` (the relay on
/// this computer), perhaps with a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The name.
    pub name: Name,
    /// The relay's name.
    pub relay: String,
}

impl FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (name, relay) = text.trim().split_once('@').ok_or(AddressError::Form)?;
        let relay = relay.to_ascii_lowercase();
        if relay.contains('@') {
            return Err(AddressError::Form);
        }
        let (host, port) = match relay.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (relay.as_str(), None),
        };
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let port_fits = port.is_none_or(|port| {
            port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0)
        });
        if host.len() > 253 || !host.split('.').all(label) || !port_fits {
            return Err(AddressError::Relay);
        }
        Ok(Self {
            name: name.parse()?,
            relay,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.relay)
    }
}

macro_rules! serde_as_text {
    ($name:ident) => {
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
serde_as_text!(Name);
serde_as_text!(Address);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_read_in_one_form() {
        let address: Address = " Alice@LocalHost ".parse().unwrap();
        assert_eq!(address.to_string(), "alice@localhost");
        assert!("bob@relay.example:8443".parse::<Address>().is_ok());
        for wrong in [
            "",
            "alice",
            "a@localhost",
            "1a@localhost",
            "alice@",
            "alice@a@b",
            "al ice@x",
            "alice@x:0",
            "alice@x:99999",
            "alice@-x",
            "alice@x/y",
            "älice@x",
        ] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong} was accepted");
        }
    }
}
