//! Reading a backup from its first record to its last.

use waxwing_crypto::backup::Record;
use waxwing_crypto::vault_header::Keyring;
use waxwing_wire::ids::AttachmentId;

use super::stream::{In, Segments};
use super::{Contents, content};
use crate::VaultError;

/// Who is shown what is in a backup, in its order.
pub(super) trait Visitor {
    /// The keyring, first of all.
    fn keyring(&mut self, _keyring: Keyring) -> Result<(), VaultError> {
        Ok(())
    }
    /// A row, opened.
    fn row(&mut self, _tree: &'static str, _plain: &[u8]) -> Result<(), VaultError> {
        Ok(())
    }
    /// A row that is readable while locked.
    fn carried(
        &mut self,
        _tree: &'static str,
        _key: Vec<u8>,
        _value: &[u8],
    ) -> Result<(), VaultError> {
        Ok(())
    }
    /// An attachment; so many bytes of it follow.
    fn file(&mut self, _id: AttachmentId, _length: u64) -> Result<(), VaultError> {
        Ok(())
    }
    /// The next bytes of it.
    fn bytes(&mut self, _bytes: &[u8]) -> Result<(), VaultError> {
        Ok(())
    }
    /// There are no more of it.
    fn file_ends(&mut self) -> Result<(), VaultError> {
        Ok(())
    }
}

/// Shows everything, and counts it against the end.
pub(super) fn walk<S: Segments>(
    mut from: In<S>,
    to: &mut impl Visitor,
) -> Result<Contents, VaultError> {
    let mut seen = Contents::default();
    // Also trees of which there is no row.
    for tree in content::OPENED
        .iter()
        .map(|(tree, _)| tree)
        .chain(content::CARRIED)
    {
        seen.rows.insert((*tree).to_owned(), 0);
    }
    let first = from.head()?;
    if !matches!(first, Record::Keyring { .. }) {
        return Err(VaultError::Corrupt("a backup without keyring"));
    }
    to.keyring(Keyring::from_backup(&from.body(&first)?)?)?;
    loop {
        let head = from.head()?;
        match &head {
            Record::Keyring { .. } => return Err(VaultError::Corrupt("a second keyring")),
            Record::Row { tree, schema, .. } => {
                let tree = content::opened(tree, *schema)?;
                to.row(tree, &from.body(&head)?)?;
                count(&mut seen, tree);
            }
            Record::Carried { tree, key, .. } => {
                let tree = content::carried(tree)?;
                to.carried(tree, key.clone(), &from.body(&head)?)?;
                count(&mut seen, tree);
            }
            Record::File { id, length } => {
                to.file(*id, *length)?;
                let mut left = *length;
                while left > 0 {
                    let some = from.some(left)?;
                    to.bytes(some)?;
                    left -= some.len() as u64;
                }
                to.file_ends()?;
                seen.files += 1;
            }
            Record::Piece { .. } => return Err(VaultError::Corrupt("a piece in a backup")),
            Record::End { rows, files } => {
                return if from.is_over() && *rows == seen.rows && *files == seen.files {
                    Ok(seen)
                } else {
                    Err(VaultError::Corrupt("a backup has another end"))
                };
            }
        }
    }
}

fn count(seen: &mut Contents, tree: &str) {
    if let Some(rows) = seen.rows.get_mut(tree) {
        *rows += 1;
    }
}
