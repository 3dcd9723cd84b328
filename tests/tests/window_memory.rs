//! What is left in the app's memory once the vault is locked.

#![allow(missing_docs)]

use anyhow::{Context as _, Result, ensure};
use waxwing_tests::memory::after_lock;

/// What the shell's process must not hold once it is locked. Of the opened text some is
/// left in what carries answers to the page, see docs/threats.md.
const SECRETS: [&str; 3] = ["passphrase", "recovery code", "root key"];

#[tokio::test]
async fn no_passphrase_and_no_root_key_is_left_in_the_shell() -> Result<()> {
    let searched = after_lock().await?;
    let shell = searched.iter().find(|process| process.is_shell);
    let shell = shell.context("the app was not searched")?;
    ensure!(
        shell.bytes > 50_000_000,
        "too little was searched: {shell:?}"
    );
    let found: Vec<_> = shell
        .hits
        .iter()
        .filter(|(what, _)| SECRETS.contains(what))
        .collect();
    ensure!(found.is_empty(), "left in the shell: {found:?}");
    // The search does find what is there: the page had the text on it.
    let page = searched
        .iter()
        .find(|process| process.name.starts_with("WebKitWeb"));
    let page = page.context("the page was not searched")?;
    ensure!(page.count() > 0, "nothing was found anywhere");
    Ok(())
}
