//! Strict CBOR: Core Deterministic Encoding (RFC 8949 section 4.2.1) or nothing.
//!
//! What is decoded is encoded again and must be the same bytes, so that one structure has exactly
//! one form: a hash or signature over it cannot be ambiguous. Refused are indefinite lengths,
//! longer-than-needed integers, unsorted or repeated map keys, trailing bytes, floats, deep nesting,
//! sizes over the limit, and unknown integer labels below 100, which are critical
//! (docs/protocol.md, "Conventions").

pub use ciborium::Value;
use zeroize::Zeroizing;

/// The lowest integer label that a reader may skip when it does not know it.
pub const FIRST_OPTIONAL_LABEL: i64 = 100;

const MAX_DEPTH: usize = 12;
/// Bytes of a text or byte string that are read at once.
const SCRATCH: usize = 4096;

/// Bytes that are not the structure which they should be. Carries no content, safe to log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// More bytes than the structure may have.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Not well-formed CBOR, or trailing bytes, or a type that is not used here.
    #[error("not well-formed")]
    Malformed,
    /// Well-formed but not Core Deterministic Encoding.
    #[error("not deterministically encoded")]
    NotDeterministic,
    /// A required field is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field has the wrong type, size or value.
    #[error("`{0}` has the wrong type, size or value")]
    Wrong(&'static str),
    /// An unknown critical label.
    #[error("unknown label {0}")]
    UnknownLabel(i64),
}

/// Encodes a value in Core Deterministic form: map keys are sorted by their encoded bytes.
/// Repeated map keys are the caller's mistake and are kept (a decoder will refuse them).
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Array(items) => {
            write_head(4, items.len() as u64, out);
            for item in items {
                write(item, out);
            }
        }
        Value::Map(entries) => {
            write_head(5, entries.len() as u64, out);
            let mut encoded: Vec<(Vec<u8>, &Value)> =
                entries.iter().map(|(k, v)| (encode(k), v)).collect();
            encoded.sort_by(|a, b| a.0.cmp(&b.0));
            for (key, item) in encoded {
                out.extend_from_slice(&key);
                write(item, out);
            }
        }
        Value::Tag(tag, inner) => {
            write_head(6, *tag, out);
            write(inner, out);
        }
        // Writing into a Vec cannot fail, and ciborium writes leaves in shortest form.
        leaf => drop(ciborium::into_writer(leaf, &mut *out)),
    }
}

/// The initial byte and argument of a container (RFC 8949 section 3), in shortest form.
fn write_head(major: u8, length: u64, out: &mut Vec<u8>) {
    let mut encoder = ciborium_ll::Encoder::from(&mut *out);
    let header = match major {
        4 => ciborium_ll::Header::Array(usize::try_from(length).ok()),
        5 => ciborium_ll::Header::Map(usize::try_from(length).ok()),
        _ => ciborium_ll::Header::Tag(length),
    };
    drop(encoder.push(header));
}

/// Decodes exactly one deterministic item of at most `limit` bytes.
///
/// # Errors
/// [`ShapeError`] for anything but the one deterministic form.
pub fn decode(bytes: &[u8], limit: usize) -> Result<Value, ShapeError> {
    if bytes.len() > limit {
        return Err(ShapeError::TooLarge { limit });
    }
    let mut rest = bytes;
    // Texts pass through the scratch, which would stay on the stack if the library made it.
    let mut scratch = Zeroizing::new([0; SCRATCH].to_vec());
    let value: Value = ciborium::de::from_reader_with_buffer(&mut rest, &mut scratch)
        .map_err(|_| ShapeError::Malformed)?;
    if !rest.is_empty() {
        return Err(ShapeError::Malformed);
    }
    check(&value, MAX_DEPTH)?;
    if encode(&value) != bytes {
        return Err(ShapeError::NotDeterministic);
    }
    Ok(value)
}

/// Only what is used here, in containers at most `deeper` deep.
fn check(value: &Value, deeper: usize) -> Result<(), ShapeError> {
    let within = || deeper.checked_sub(1).ok_or(ShapeError::Malformed);
    match value {
        Value::Float(_) => Err(ShapeError::Malformed),
        Value::Array(items) => {
            let deeper = within()?;
            items.iter().try_for_each(|item| check(item, deeper))
        }
        Value::Tag(_, inner) => check(inner, within()?),
        Value::Map(entries) => {
            let deeper = within()?;
            let mut last: Option<Vec<u8>> = None;
            for (key, item) in entries {
                check(key, deeper)?;
                check(item, deeper)?;
                let encoded = encode(key);
                if last.is_some_and(|last| last >= encoded) {
                    return Err(ShapeError::NotDeterministic);
                }
                last = Some(encoded);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// A byte string value.
pub fn bytes(content: impl AsRef<[u8]>) -> Value {
    Value::Bytes(content.as_ref().to_vec())
}

/// A map with integer labels.
pub fn map(entries: impl IntoIterator<Item = (i64, Value)>) -> Value {
    Value::Map(
        entries
            .into_iter()
            .map(|(label, value)| (Value::from(label), value))
            .collect(),
    )
}

/// Reads a map field by field; [`Fields::finish`] refuses what nobody took.
#[derive(Debug)]
pub struct Fields(Vec<(Value, Value)>);

impl Fields {
    /// Opens a map.
    ///
    /// # Errors
    /// [`ShapeError::Wrong`] with `what` when the value is no map.
    pub fn open(value: Value, what: &'static str) -> Result<Self, ShapeError> {
        match value {
            Value::Map(entries) => Ok(Self(entries)),
            _ => Err(ShapeError::Wrong(what)),
        }
    }

    /// Takes the value of an integer label out, if it is there.
    pub fn take(&mut self, label: i64) -> Option<Value> {
        let wanted = Value::from(label);
        let at = self.0.iter().position(|(key, _)| *key == wanted)?;
        Some(self.0.remove(at).1)
    }

    /// Takes the value of a text label out, if it is there.
    pub fn take_text(&mut self, label: &str) -> Option<Value> {
        let at = self
            .0
            .iter()
            .position(|(key, _)| key.as_text() == Some(label))?;
        Some(self.0.remove(at).1)
    }

    /// Takes a required field.
    ///
    /// # Errors
    /// [`ShapeError::Missing`].
    pub fn need(&mut self, label: i64, what: &'static str) -> Result<Value, ShapeError> {
        self.take(label).ok_or(ShapeError::Missing(what))
    }

    /// Takes a required unsigned integer.
    ///
    /// # Errors
    /// [`ShapeError`] when missing or another type.
    pub fn uint(&mut self, label: i64, what: &'static str) -> Result<u64, ShapeError> {
        as_uint(&self.need(label, what)?, what)
    }

    /// Takes a required byte string.
    ///
    /// # Errors
    /// [`ShapeError`] when missing or another type.
    pub fn bytes(&mut self, label: i64, what: &'static str) -> Result<Vec<u8>, ShapeError> {
        as_bytes(self.need(label, what)?, what)
    }

    /// Takes a required byte string of fixed size, as an id.
    ///
    /// # Errors
    /// [`ShapeError`] when missing, another type or another size.
    pub fn id<T>(&mut self, label: i64, what: &'static str) -> Result<T, ShapeError>
    where
        T: for<'a> TryFrom<&'a [u8]>,
    {
        as_id(&self.need(label, what)?, what)
    }

    /// Takes a required text.
    ///
    /// # Errors
    /// [`ShapeError`] when missing or another type.
    pub fn text(&mut self, label: i64, what: &'static str) -> Result<String, ShapeError> {
        self.need(label, what)?
            .into_text()
            .map_err(|_| ShapeError::Wrong(what))
    }

    /// Takes a required array.
    ///
    /// # Errors
    /// [`ShapeError`] when missing or another type.
    pub fn array(&mut self, label: i64, what: &'static str) -> Result<Vec<Value>, ShapeError> {
        as_array(self.need(label, what)?, what)
    }

    /// Ends reading: only optional labels (text, or integers from 100) may be left.
    ///
    /// # Errors
    /// [`ShapeError::UnknownLabel`] for a critical label, [`ShapeError::Malformed`] for a label
    /// that is neither an integer nor text.
    pub fn finish(self) -> Result<(), ShapeError> {
        for (key, _) in self.0 {
            match key {
                Value::Text(_) => {}
                Value::Integer(label) => {
                    let label = i64::try_from(label).map_err(|_| ShapeError::Malformed)?;
                    if label < FIRST_OPTIONAL_LABEL {
                        return Err(ShapeError::UnknownLabel(label));
                    }
                }
                _ => return Err(ShapeError::Malformed),
            }
        }
        Ok(())
    }
}

/// Reads an unsigned integer.
///
/// # Errors
/// [`ShapeError::Wrong`].
pub fn as_uint(value: &Value, what: &'static str) -> Result<u64, ShapeError> {
    value
        .as_integer()
        .and_then(|number| u64::try_from(number).ok())
        .ok_or(ShapeError::Wrong(what))
}

/// Reads a byte string.
///
/// # Errors
/// [`ShapeError::Wrong`].
pub fn as_bytes(value: Value, what: &'static str) -> Result<Vec<u8>, ShapeError> {
    value.into_bytes().map_err(|_| ShapeError::Wrong(what))
}

/// Reads an array.
///
/// # Errors
/// [`ShapeError::Wrong`].
pub fn as_array(value: Value, what: &'static str) -> Result<Vec<Value>, ShapeError> {
    value.into_array().map_err(|_| ShapeError::Wrong(what))
}

/// Reads an array of exactly `N` items.
///
/// # Errors
/// [`ShapeError::Wrong`].
pub fn as_tuple<const N: usize>(
    value: Value,
    what: &'static str,
) -> Result<[Value; N], ShapeError> {
    as_array(value, what)?
        .try_into()
        .map_err(|_| ShapeError::Wrong(what))
}

/// Reads a byte string of fixed size.
///
/// # Errors
/// [`ShapeError::Wrong`].
pub fn as_id<T>(value: &Value, what: &'static str) -> Result<T, ShapeError>
where
    T: for<'a> TryFrom<&'a [u8]>,
{
    value
        .as_bytes()
        .and_then(|content| T::try_from(content.as_slice()).ok())
        .ok_or(ShapeError::Wrong(what))
}

/// An optional value as itself or `null`.
pub fn or_null(value: Option<Value>) -> Value {
    value.unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_one_deterministic_form_is_accepted() {
        let refused = [
            ("1801", "an integer longer than needed"),
            ("9f01ff", "an indefinite array"),
            ("5f4101ff", "an indefinite byte string"),
            ("a201000100", "a repeated key"),
            ("a202000100", "unsorted keys"),
            ("0101", "trailing bytes"),
            ("f93c00", "a float"),
            ("c24101", "a big number for a small one"),
            ("", "nothing"),
            ("61ff", "text that is not UTF-8"),
            ("9b7fffffffffffffff", "a length that lies"),
        ];
        for (hexed, why) in refused {
            assert!(
                decode(&hex::decode(hexed).unwrap(), 100).is_err(),
                "{why} was accepted"
            );
        }
        assert!(decode(&hex::decode("a201000200").unwrap(), 100).is_ok());
        assert_eq!(
            decode(&[0x41, 0], 1),
            Err(ShapeError::TooLarge { limit: 1 })
        );
        assert!(decode(&[0x81; 64], 100).is_err(), "deep nesting");
        let nested = |depth| [vec![0x81; depth], vec![0]].concat();
        assert!(decode(&nested(MAX_DEPTH), 100).is_ok(), "as deep as may be");
        assert!(decode(&nested(MAX_DEPTH + 1), 100).is_err(), "deeper");
    }

    #[test]
    fn map_keys_are_sorted_by_their_encoding() {
        let value = map([(-1, Value::Null), (10, Value::Null), (1, Value::Null)]);
        assert_eq!(hex::encode(encode(&value)), "a301f60af620f6");
    }

    #[test]
    fn unknown_labels_below_one_hundred_are_critical() {
        let open = |label| Fields::open(map([(label, Value::Null)]), "x").unwrap();
        assert_eq!(open(99).finish(), Err(ShapeError::UnknownLabel(99)));
        assert_eq!(open(-7).finish(), Err(ShapeError::UnknownLabel(-7)));
        assert_eq!(open(100).finish(), Ok(()));
    }
}
