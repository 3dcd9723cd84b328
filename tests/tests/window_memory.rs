//! What is left in the app's memory once the vault is locked.

#![allow(missing_docs)]

use anyhow::{Context as _, Result, ensure};
use waxwing_tests::memory::after_lock;

/// What the page's process keeps is counted by `make memory-after-lock`: nobody can wipe the memory of
/// the web engine (docs/threats.md).
#[tokio::test]
async fn nothing_that_was_open_is_left_in_the_app_and_no_key_anywhere() -> Result<()> {
    let searched = after_lock().await?;
    for process in &searched {
        ensure!(
            process.bytes > 10_000_000,
            "too little was searched: {process:?}"
        );
        ensure!(
            !process.is_shell || process.count() == 0,
            "left in the app: {:?}",
            process.hits
        );
        let found = process.hits.iter().find(|(what, _)| what.ends_with("key"));
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
