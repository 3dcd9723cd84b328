//! What is left in the app's memory once the vault is locked.

#![allow(missing_docs)]

use anyhow::{Context as _, Result, ensure};
use waxwing_tests::memory::after_lock;

/// The rest is counted by `make memory-after-lock`: a passphrase and an opened text pass through
/// buffers of the web engine and of libraries, which nobody wipes (docs/threats.md).
#[tokio::test]
async fn no_root_key_is_left_in_any_process() -> Result<()> {
    let searched = after_lock().await?;
    for process in &searched {
        ensure!(
            process.bytes > 10_000_000,
            "too little was searched: {process:?}"
        );
        let found = process.hits.iter().find(|(what, _)| *what == "root key");
        ensure!(found.is_none(), "left in {}: {found:?}", process.name);
    }
    ensure!(searched.iter().any(|process| process.is_shell));
    // The search does find what is there: the page had the text on it.
    let page = searched
        .iter()
        .find(|process| process.name.starts_with("WebKitWeb"));
    let page = page.context("the page was not searched")?;
    ensure!(page.count() > 0, "nothing was found anywhere");
    Ok(())
}
