//! The gzip of a text, one character for each byte, as the key service carries it.

use std::io::{Read, Write};

use flate2::bufread::GzDecoder;
use flate2::{Compression, write::GzEncoder};
use zeroize::Zeroizing;

use crate::text::collect;
use crate::{Error, MAX_OPENED};

/// Packs a text.
///
/// The original takes each character for a byte and loses those above U+00FF. A text that it can
/// carry is written its way; any other is written in UTF-8. So is a text whose Latin-1 would be
/// read as UTF-8.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::System`].
pub fn pack_text(text: &str) -> Result<Zeroizing<String>, Error> {
    if text.len() > MAX_OPENED {
        return Err(Error::TooLarge);
    }
    let latin: Option<Vec<u8>> = text.chars().map(|char| u8::try_from(char).ok()).collect();
    let latin = latin.map(Zeroizing::new);
    let bytes = match &latin {
        Some(latin) if std::str::from_utf8(latin).is_err() => latin,
        _ => text.as_bytes(),
    };
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    let packed = Zeroizing::new(packed.map_err(|_| Error::System)?);
    collect(|| packed.iter().map(|byte| Ok::<_, Error>(char::from(*byte))))
}

/// Unpacks a text: UTF-8 when it is valid as such, else one character for each byte.
///
/// # Errors
/// [`Error::Form`], [`Error::TooLarge`].
pub fn unpack_text(chars: &str) -> Result<Zeroizing<String>, Error> {
    let packed: Result<Vec<u8>, _> = chars.chars().map(u8::try_from).collect();
    let packed = Zeroizing::new(packed.map_err(|_| Error::Form)?);
    let mut rest = packed.as_slice();
    let length = measure(GzDecoder::new(&mut rest))?;
    if !rest.is_empty() {
        return Err(Error::Form);
    }
    let bytes = read(GzDecoder::new(packed.as_slice()), length)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => collect(|| bytes.iter().map(|byte| Ok::<_, Error>(char::from(*byte)))),
    }
}

/// How long that is which can be read, before any of it is kept.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::Form`] when it cannot be read to its end.
pub(crate) fn measure(reader: impl Read) -> Result<usize, Error> {
    let limit = MAX_OPENED as u64;
    let length = std::io::copy(&mut reader.take(limit + 1), &mut std::io::sink());
    let length = length.map_err(|_| Error::Form)?;
    match usize::try_from(length) {
        Ok(length) if length <= MAX_OPENED => Ok(length),
        _ => Err(Error::TooLarge),
    }
}

/// Reads what was measured into memory of exactly its length.
pub(crate) fn read(mut reader: impl Read, length: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut bytes = Zeroizing::new(vec![0; length]);
    reader.read_exact(&mut bytes).map_err(|_| Error::Form)?;
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The original loses what is above U+00FF when it packs, and what is longer than the packed
    /// form when it unpacks.
    #[test]
    fn what_the_original_cuts_or_loses_is_read_whole() {
        let vectors = include_str!("../../../tests/vectors/keyservice.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let (mut cut, mut lost) = (0, 0);
        for case in vectors["gzip_string"].as_array().unwrap() {
            let [text, packed, by_original] = ["text", "compressed_chars", "decompressed"]
                .map(|name| case[name].as_str().unwrap());
            let low_byte = |char| char::from(u32::from(char).to_le_bytes()[0]);
            let packed_text: String = text.chars().map(low_byte).collect();
            assert_eq!(*unpack_text(packed).unwrap(), packed_text);
            assert_eq!(*unpack_text(&pack_text(text).unwrap()).unwrap(), text);
            cut += usize::from(by_original.len() < packed_text.len());
            lost += usize::from(packed_text != text);
        }
        assert_eq!((cut, lost), (1, 1), "both defects are in the vectors");
    }

    #[test]
    fn latin_is_packed_as_the_original_does_unless_it_would_be_read_as_utf_8() {
        let bytes = |text| {
            let packed: Vec<u8> = pack_text(text)
                .unwrap()
                .chars()
                .map(|char| char as u8)
                .collect();
            let mut bytes = Vec::new();
            GzDecoder::new(&*packed).read_to_end(&mut bytes).unwrap();
            bytes
        };
        assert_eq!(bytes("été"), [0xe9, b't', 0xe9]);
        assert_eq!(bytes("Ã©"), "Ã©".as_bytes());
        assert_eq!(bytes("☃"), "☃".as_bytes());
    }

    #[test]
    fn a_bomb_is_refused_before_it_unpacks_into_memory() {
        let packed = |length: usize| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            let one = vec![b'a'; 1 << 20];
            for _ in 0..length >> 20 {
                encoder.write_all(&one).unwrap();
            }
            let bytes = encoder.finish().unwrap();
            bytes.into_iter().map(char::from).collect::<String>()
        };
        assert_eq!(
            unpack_text(&packed(MAX_OPENED + (1 << 20))),
            Err(Error::TooLarge)
        );
        assert_eq!(unpack_text(&packed(MAX_OPENED)).unwrap().len(), MAX_OPENED);
    }

    #[test]
    fn what_is_no_gzip_of_bytes_is_refused() {
        let whole = pack_text("a text").unwrap();
        let short: String = whole.chars().take(20).collect();
        let longer = format!("{}x", *whole);
        for packed in ["", "a text", "\u{1f8b}", &short, &longer] {
            assert_eq!(unpack_text(packed), Err(Error::Form), "{packed:?}");
        }
    }
}
