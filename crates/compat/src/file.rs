//! Files sealed to a key: a zip with one file, in base64.

use std::io::{Cursor, Write};

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::gzip::{measure, read};
use crate::sealed::{open_packed, seal_packed};
use crate::text::from_base64;
use crate::{Error, MAX_OPENED, RsaPrivate, RsaPublic, Sealed};

/// An opened file.
pub struct File {
    /// A name that cannot leave its folder.
    pub name: String,
    /// The content.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// Seals a file.
///
/// # Errors
/// [`Error::SmallKey`] for a key under 2048 bits, [`Error::FileName`], [`Error::TooLarge`],
/// [`Error::System`].
pub fn seal_file(key: &RsaPublic, name: &str, bytes: &[u8]) -> Result<Sealed, Error> {
    seal_packed(key, &pack_file(name, bytes)?)
}

/// Opens a file. Of several in one zip the first counts, as with the original.
///
/// # Errors
/// [`Error::Closed`], [`Error::Hash`], [`Error::Form`] when it is no file, [`Error::FileName`],
/// [`Error::TooLarge`].
pub fn open_file(key: &RsaPrivate, sealed: &Sealed) -> Result<File, Error> {
    unpack_file(&open_packed(key, sealed)?)
}

/// Opens a file as far as the original's server does: to a zip, in base64.
///
/// # Errors
/// [`Error::Closed`], [`Error::Hash`].
pub fn open_zip(key: &RsaPrivate, sealed: &Sealed) -> Result<Zeroizing<String>, Error> {
    open_packed(key, sealed)
}

/// Packs a file.
///
/// # Errors
/// [`Error::FileName`], [`Error::TooLarge`], [`Error::System`].
pub fn pack_file(name: &str, bytes: &[u8]) -> Result<Zeroizing<String>, Error> {
    if bytes.len() > MAX_OPENED {
        return Err(Error::TooLarge);
    }
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    let zipped = zip
        .start_file(safe_name(name)?, options)
        .and_then(|()| Ok(zip.write_all(bytes)?))
        .and_then(|()| zip.finish());
    let zipped = Zeroizing::new(zipped.map_err(|_| Error::System)?.into_inner());
    Ok(Zeroizing::new(Base64::encode_string(&zipped)))
}

/// Unpacks a file.
///
/// # Errors
/// [`Error::Form`], [`Error::FileName`], [`Error::TooLarge`].
pub fn unpack_file(packed: &str) -> Result<File, Error> {
    let zipped = from_base64(packed).map_err(|_| Error::Form)?;
    let zipped = Zeroizing::new(zipped);
    let mut zip = ZipArchive::new(Cursor::new(zipped.as_slice())).map_err(|_| Error::Form)?;
    let first = zip.by_index(0).map_err(|_| Error::Form)?;
    let name = safe_name(&first.name().map_err(|_| Error::Form)?)?;
    let length = measure(first)?;
    let bytes = read(zip.by_index(0).map_err(|_| Error::Form)?, length)?;
    Ok(File { name, bytes })
}

/// The last part of a path that stays in its folder, without what a file system cannot hold.
fn safe_name(path: &str) -> Result<String, Error> {
    let mut parts = path.split(['/', '\\']).peekable();
    let is_absolute = parts.peek().is_some_and(|first| first.is_empty());
    let mut name = "";
    for part in parts {
        if part == ".." {
            return Err(Error::FileName);
        }
        name = part;
    }
    if is_absolute {
        return Err(Error::FileName);
    }
    let options = sanitize_filename::Options {
        windows: true,
        truncate: true,
        replacement: "_",
    };
    let hides = |char: char| char == '.' || char.is_whitespace();
    let name = name.trim_start_matches(hides).trim_end();
    match sanitize_filename::sanitize_with_options(name, options) {
        safe if safe.is_empty() => Err(Error::FileName),
        safe => Ok(safe),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn zip(name: &str, bytes: &[u8]) -> String {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
        Base64::encode_string(&zip.finish().unwrap().into_inner())
    }

    #[test]
    fn a_name_that_leads_out_of_its_folder_is_refused() {
        for name in [
            "../a",
            "a/../../b",
            "/etc/passwd",
            "..\\a",
            "\\\\host\\a",
            "..",
            "a/",
            "",
        ] {
            let refused = unpack_file(&zip(name, b"x")).err();
            assert_eq!(refused, Some(Error::FileName), "{name:?}");
        }
    }

    #[test]
    fn a_name_is_cleaned() {
        for (name, clean) in [
            ("a.txt", "a.txt"),
            ("folder/a.txt", "a.txt"),
            ("C:\\Users\\Bob\\a.txt", "a.txt"),
            (".profile", "profile"),
            (". .con", "_"),
            ("a\u{0}b<c>.txt", "a_b_c_.txt"),
            ("con", "_"),
        ] {
            assert_eq!(
                unpack_file(&zip(name, b"x")).unwrap().name,
                clean,
                "{name:?}"
            );
        }
    }

    #[test]
    fn what_is_no_zip_or_too_large_is_refused() {
        let refused = |packed: &str| unpack_file(packed).err();
        assert_eq!(refused(""), Some(Error::Form));
        assert_eq!(refused("no base64"), Some(Error::Form));
        assert_eq!(
            refused(&Base64::encode_string(b"no zip")),
            Some(Error::Form)
        );
        let bomb = zip("a", &vec![0; MAX_OPENED + 1]);
        assert!(bomb.len() < MAX_OPENED / 100);
        assert_eq!(refused(&bomb), Some(Error::TooLarge));
    }
}
