//! What a crash left behind, seen and cleared at the next unlock.

use std::fs;

use waxwing_crypto::vault_header::Header;

use super::{RekeyProgress, copy};
use crate::files;
use crate::folder;
use crate::shared::Shared;

/// How far a re-key is; `None` when none is under way.
pub(crate) fn under_way(shared: &Shared, header: &Header) -> Option<RekeyProgress> {
    let next = header.next_store()?;
    Some(copy::progress(shared, next).unwrap_or_default())
}

/// Removes what neither counts nor is under way: the store, the draft of a header and what was fetched
/// of a whole file that a crash left. Only once the keyring was opened, because then the header is no forgery and names its
/// store. What cannot be removed now is tried again at the next unlock.
pub(crate) fn clear_leftovers(shared: &Shared, header: &Header) {
    let folder = &shared.folder;
    // A header that a power cut may take back must not cost the store that the one before names.
    if folder.sync().is_err() {
        return;
    }
    let _ = folder.remove_draft();
    for number in folder.stores().unwrap_or_default() {
        if number == header.store() {
            let _ = folder.finish_store(number);
        } else if header.next_store() == Some(number) {
            // Under way.
        } else if number < header.store() || folder.is_unfinished(number) {
            let _ = folder::remove_store(&folder.store(number));
        } else {
            // Of one that was just begun, or nearly removed, an empty folder may be left; others stay.
            let _ = fs::remove_dir(folder.store(number));
        }
    }
    if header.next_store().is_none() {
        let _ = copy::clear_traces(shared.current().engine.as_ref());
    }
    if let Ok(arriving) = folder.arriving() {
        let _ = files::clear_arrived(&arriving, &shared.current().files);
    }
}
