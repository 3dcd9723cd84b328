//! The whole street: two people on one computer exchange sealed messages through the relay inside
//! the first one's window, from two real windows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use anyhow::Result;
use std::fs;
use waxwing_tests::desk::{Desk, row};

#[tokio::test]
async fn two_people_exchange_sealed_messages() -> Result<()> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    alice.picture("welcome")?;
    alice.set_up("alice").await?;
    let bob = desk.open("second").await?;
    bob.set_up("bob").await?;

    alice.add_contact("bob@localhost").await?;
    bob.add_contact("alice@localhost").await?;

    // The first writes with two attachments, and sees it go all the way.
    let (notes, picture) = (desk.path().join("notes.txt"), desk.path().join("noise.bin"));
    fs::write(&notes, "Minutes of the harbour board\n")?;
    let noise: Vec<u8> = (0..3_000_000u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    fs::write(&picture, &noise)?;
    alice
        .write_to("bob", "Minutes", "Both files are for you alone.")
        .await?;
    alice.attach(&notes).await?;
    alice.attach(&picture).await?;
    alice.field("Text").await?.click().await?;
    alice.picture("composer")?;
    alice.send().await?;
    alice.go("Sent").await?;
    alice.see_row(&["bob", "Minutes", "Fetched"]).await?;
    alice.picture("sent")?;

    // The second opens it, saves the files byte for byte, and answers.
    bob.go("Inbox").await?;
    bob.see_row(&["alice", "Minutes"]).await?.click().await?;
    bob.see_text("Both files are for you alone.").await?;
    bob.picture("inbox")?;
    let saved = bob.save("notes.txt", &desk.downloads()).await?;
    assert_eq!(fs::read(saved)?, fs::read(&notes)?);
    bob.press("Save: noise.bin").await?;
    bob.see_text("Downloads/noise.bin").await?;
    assert_eq!(fs::read(desk.downloads().join("noise.bin"))?, noise);
    bob.picture("reader")?;
    bob.press("Reply").await?;
    bob.type_into("Text", "Received, thank you.").await?;
    bob.send().await?;
    alice.go("Inbox").await?;
    alice
        .see_row(&["bob", "Re: Minutes"])
        .await?
        .click()
        .await?;
    alice.see_text("Received, thank you.").await?;

    // What the relay keeps is not readable.
    for entry in walk(&desk.path().join("data/waxwing/relay"))? {
        let bytes = fs::read(&entry)?;
        for secret in ["Minutes", "for you alone", "notes.txt", "thank you"] {
            assert!(
                !contains(&bytes, secret.as_bytes()),
                "{} holds {secret:?}",
                entry.display()
            );
        }
    }

    bob.close().await?;
    alice.close().await
}

#[tokio::test]
async fn the_outbox_waits_with_its_reason_survives_kill_and_leaves_when_the_relay_is_back()
-> Result<()> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    alice.set_up("alice").await?;
    let bob = desk.open("second").await?;
    bob.set_up("bob").await?;
    bob.add_contact("alice@localhost").await?;

    alice.go("Settings").await?;
    alice.press("Stop").await?;
    bob.see_text("The relay on this computer is stopped")
        .await?;

    bob.write_to("alice", "Later", "This waits for the relay.")
        .await?;
    bob.send().await?;
    bob.go("Outbox").await?;
    bob.see_row(&[
        "alice",
        "Later",
        "Will be tried again at",
        "the relay does not take connections",
    ])
    .await?;
    bob.picture("outbox")?;
    bob.kill()?;

    let bob = desk.open("second").await?;
    bob.see_text("1 envelope is leaving").await?;
    bob.unlock().await?;
    bob.go("Outbox").await?;
    bob.see_row(&["alice", "Later"]).await?;

    alice.press("Start").await?;
    bob.see_gone(&row(&["alice", "Later", "Will be tried again"]))
        .await?;
    bob.go("Sent").await?;
    bob.see_row(&["alice", "Later", "Fetched"]).await?;
    alice.go("Inbox").await?;
    alice.see_row(&["bob", "Later"]).await?;

    bob.close().await?;
    alice.close().await
}

#[tokio::test]
async fn a_locked_window_counts_what_arrives_and_unlocking_opens_it() -> Result<()> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    alice.set_up("alice").await?;
    let bob = desk.open("second").await?;
    bob.set_up("bob").await?;
    alice.add_contact("bob@localhost").await?;

    bob.press("Lock now").await?;
    bob.see_text("Waxwing is locked").await?;
    alice
        .write_to("bob", "Under seal", "Nobody reads this while it is locked.")
        .await?;
    alice.send().await?;
    alice.go("Sent").await?;
    alice.see_row(&["bob", "Under seal", "Fetched"]).await?;
    bob.see_text("1 envelope is waiting for you").await?;
    bob.picture("locked")?;
    let shown = bob.driver.source().await?;
    assert!(
        !shown.contains("Under seal") && !shown.contains("alice"),
        "a locked window shows content"
    );

    bob.type_into("Passphrase", "not the passphrase").await?;
    bob.press("Unlock").await?;
    bob.see_text("That passphrase does not open this vault.")
        .await?;
    bob.field("Passphrase").await?.clear().await?;
    bob.unlock().await?;
    bob.go("Inbox").await?;
    bob.see_row(&["alice", "Under seal"]).await?.click().await?;
    bob.see_text("Nobody reads this while it is locked.")
        .await?;

    bob.close().await?;
    alice.close().await
}

#[tokio::test]
async fn setting_up_goes_on_where_it_was_left() -> Result<()> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    alice.press("Set up Waxwing").await?;
    alice.type_into("Name", "alice").await?;
    alice.press("Continue").await?;
    alice.see_text("Choose a passphrase").await?;
    alice.kill()?;

    let alice = desk.open("default").await?;
    alice.choose_passphrase().await?;
    alice.see_text("Your recovery code").await?;
    alice.kill()?;

    // The code was never confirmed: after unlocking there is a new one.
    let alice = desk.open("default").await?;
    alice.unlock().await?;
    alice.keep_recovery_code().await?;
    alice.press("Open Waxwing").await?;
    alice.see_row(&["A test envelope"]).await?;
    alice.close().await
}

fn walk(folder: &std::path::Path) -> Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(walk(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
