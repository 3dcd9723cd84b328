//! A backup from the keys window, and a fresh computer that becomes the same person with it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use anyhow::{Context, Result, ensure};
use thirtyfour::prelude::*;
use waxwing_tests::desk::Desk;
use waxwing_tests::person::answer_picker;

const NEW: &str = "copper heron waits beside slow water";

#[tokio::test]
async fn a_backup_is_written_in_one_window_and_restored_on_a_fresh_computer() -> Result<()> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    let words = alice.set_up_keeping_the_code("alice").await?;
    alice.see_row(&["A test envelope"]).await?;
    let place = desk.path().join("alice.waxwing-backup");

    // Commands that write belong to the keys window alone.
    alice.may_not_call("write_backup").await?;

    let main = alice.driver.window().await?;
    alice.keys(Key::Control + Key::Shift + "k").await?;
    let keys = alice.other_window(&main).await?;
    alice.driver.switch_to_window(keys).await?;
    alice
        .see_text("The relay shows your card as it is here.")
        .await?;
    alice.keys(Key::Control + "5").await?;
    alice.see_text("No backup yet.").await?;
    alice.picture_of("Keys", "backup-none")?;
    alice.press("Write a backup …").await?;
    answer_picker("Save File", &place)?;
    alice.see_text("The backup is written").await?;
    alice.see_text("Opened by your recovery code.").await?;
    ensure!(place.exists(), "there is no file");
    alice.picture_of("Keys", "backup-written")?;
    std::fs::rename(&place, desk.path().join("moved.waxwing-backup"))?;
    alice.keys(Key::Control + "1").await?;
    alice.keys(Key::Control + "5").await?;
    alice
        .see_text("There is no file at this place now.")
        .await?;
    alice.driver.switch_to_window(main).await?;
    alice.close().await?;

    // The computer is lost; elsewhere there is only the file, and the words on paper.
    let fresh = desk.open("fresh").await?;
    fresh.press("Restore a backup").await?;
    fresh.see_text("You need the backup file").await?;
    fresh.picture("restore-begin")?;
    fresh.press("Choose the backup …").await?;
    answer_picker("Open File", &desk.path().join("moved.waxwing-backup"))?;
    fresh.see_text("moved.waxwing-backup").await?;

    // What is being typed is completed by the keyboard: four letters name a longer word for certain.
    let typed: Vec<&str> = words.split(' ').collect();
    let completed = typed[..23]
        .iter()
        .rposition(|word| word.len() > 4)
        .context("a word of more than four letters")?;
    let (before, begun) = (typed[..completed].join(" "), &typed[completed][..4]);
    fresh
        .type_into("Recovery code", &format!("{before} {begun}"))
        .await?;
    fresh.see("//*[@role='option']").await?;
    fresh.picture("restore-words")?;
    let field = fresh.field("Recovery code").await?;
    field.send_keys(Key::Down + "").await?;
    let chosen = fresh
        .see("//*[@role='option'][@aria-selected='true']")
        .await?;
    ensure!(chosen.text().await?.trim() == typed[completed]);
    field.send_keys(Key::Enter + "").await?;
    fresh.see_gone("//*[@role='option']").await?;
    field.send_keys(typed[completed + 1..].join(" ")).await?;
    fresh.see_text("24 of 24 words").await?;
    fresh.press("Write my own").await?;
    fresh.type_into("Passphrase", NEW).await?;
    fresh.type_into("Type it once more", NEW).await?;
    fresh.picture("restore-ready")?;
    fresh.press("Restore").await?;
    fresh.see_text("The backup is restored").await?;
    fresh
        .see_text("Do not use the other computer any more")
        .await?;
    fresh.picture("restore-done")?;
    fresh.press("Open Waxwing").await?;
    fresh.see_row(&["A test envelope"]).await?;
    fresh.see_text("localhost is reachable").await?;
    fresh.picture("restore-open")?;
    fresh.close().await
}
