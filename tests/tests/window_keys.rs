//! The keys window: a window of its own, where the passphrase is changed and the recovery code
//! tested, and which the main window cannot reach into.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use anyhow::{Result, ensure};
use arboard::{Clipboard, ImageData};
use thirtyfour::prelude::*;
use waxwing_tests::desk::{Desk, Window};
use waxwing_tests::person::PASSPHRASE;

const NEW: &str = "copper heron waits beside slow water";

#[tokio::test]
async fn the_passphrase_is_changed_and_the_code_tested_in_a_window_of_their_own() -> Result<()> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    let words = alice.set_up_keeping_the_code("alice").await?;

    // Commands of the keys window are not the main window's to call.
    alice.may_not_call("change_passphrase").await?;

    let main = alice.driver.window().await?;
    alice.keys(Key::Control + Key::Shift + "k").await?;
    let keys = alice.other_window(&main).await?;
    alice.driver.switch_to_window(keys.clone()).await?;
    alice
        .see_text("The relay shows your card as it is here.")
        .await?;
    alice.picture_of("Keys", "keys-mine")?;

    alice.keys(Key::Control + "4").await?;
    alice.press("Choose a new passphrase").await?;
    alice
        .type_into("Current passphrase", "not the passphrase")
        .await?;
    alice.press("Write my own").await?;
    alice.type_into("Passphrase", NEW).await?;
    alice.type_into("Type it once more", NEW).await?;
    alice.press("Change the passphrase").await?;
    alice
        .see_text("That passphrase does not open this vault.")
        .await?;
    alice.picture_of("Keys", "keys-wrong")?;
    let current = alice.field("Current passphrase").await?;
    current.clear().await?;
    current.send_keys(PASSPHRASE).await?;
    alice.press("Change the passphrase").await?;
    alice.see_text("The passphrase is changed").await?;
    alice.picture_of("Keys", "keys-changed")?;

    alice.press("Test my recovery code").await?;
    alice.type_into("Recovery code", &words).await?;
    alice.press("Test the code").await?;
    alice.see_text("This code opens the vault").await?;
    alice.keys(Key::Control + "6").await?;
    alice
        .see_row(&["Recovery code tested, and it works"])
        .await?;
    alice.see_row(&["Passphrase changed"]).await?;
    alice.see_text("The list is whole").await?;
    alice.picture_of("Keys", "keys-activity")?;

    // Locking closes it, and only the new passphrase opens the vault.
    lock(&alice, &main).await?;
    ensure!(
        alice.driver.windows().await?.len() == 1,
        "the keys window is still there"
    );
    alice.type_into("Passphrase", PASSPHRASE).await?;
    alice.press("Unlock").await?;
    alice
        .see_text("That passphrase does not open this vault.")
        .await?;
    alice.field("Passphrase").await?.clear().await?;
    alice.type_into("Passphrase", NEW).await?;
    alice.press("Unlock").await?;
    alice.see_row(&["A test envelope"]).await?;
    alice.close().await
}

#[tokio::test]
async fn the_vault_gets_a_new_key_across_a_lock() -> Result<()> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    alice.set_up("alice").await?;
    let main = alice.driver.window().await?;
    passphrase_section(&alice, &main).await?;
    alice.press("Give the vault a new key").await?;
    alice.type_into("Current passphrase", PASSPHRASE).await?;
    alice.press("Write my own").await?;
    alice.type_into("Passphrase", NEW).await?;
    alice.type_into("Type it once more", NEW).await?;
    alice.press("Give the vault a new key").await?;
    alice
        .see_text("It is finished as soon as you have typed back the new recovery code.")
        .await?;
    alice.picture_of("Keys", "keys-rekey-code")?;
    let lost = alice.recovery_code().await?;
    alice.press("Copy as text").await?;
    alice.see_text("On the clipboard for").await?;
    ensure!(
        copied() == Some(lost.concat().join(" ")),
        "the code was not copied"
    );

    // Locked before the code was typed back: the old passphrase opens, and the app knows.
    lock(&alice, &main).await?;
    ensure!(
        copied() != Some(lost.concat().join(" ")),
        "a locked vault left the code on the clipboard"
    );
    alice.type_into("Passphrase", NEW).await?;
    alice.press("Unlock").await?;
    alice
        .see_text("That passphrase does not open this vault.")
        .await?;
    alice.field("Passphrase").await?.clear().await?;
    alice.unlock().await?;
    alice.see_row(&["A test envelope"]).await?;
    passphrase_section(&alice, &main).await?;
    alice.see_text("Waxwing was locked or closed at").await?;
    alice.picture_of("Keys", "keys-rekey-interrupted")?;
    alice.type_into("The new passphrase", "another one").await?;
    alice.press("Continue").await?;
    alice
        .see_text("That is not the new passphrase that was chosen at the beginning.")
        .await?;
    alice.field("The new passphrase").await?.clear().await?;
    alice.type_into("The new passphrase", NEW).await?;
    alice.press("Continue").await?;
    let words = alice.recovery_code().await?;
    ensure!(words != lost, "the lost recovery code is shown again");
    alice.press("I have kept it").await?;
    for group in alice.groups_asked_for().await? {
        alice
            .type_into(&format!("Group {group}"), &words[group - 1].join(" "))
            .await?;
    }
    alice.picture_of("Keys", "keys-rekey-check")?;
    alice.press("Check").await?;
    alice.see_text("The vault has a new key").await?;
    alice.picture_of("Keys", "keys-rekey-done")?;
    alice.press("Test my recovery code").await?;
    alice
        .type_into("Recovery code", &words.concat().join(" "))
        .await?;
    alice.press("Test the code").await?;
    alice.see_text("This code opens the vault").await?;

    lock(&alice, &main).await?;
    alice.unlock().await?;
    alice
        .see_text("That passphrase does not open this vault.")
        .await?;
    alice.field("Passphrase").await?.clear().await?;
    alice.type_into("Passphrase", NEW).await?;
    alice.press("Unlock").await?;
    alice.see_row(&["A test envelope"]).await?;
    alice.close().await
}

#[tokio::test]
async fn two_people_compare_their_keys_by_qr_code() -> Result<()> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    alice.set_up("alice").await?;
    let bob = desk.open("second").await?;
    bob.set_up("bob").await?;
    alice.add_contact("bob@localhost").await?;
    bob.add_contact("alice@localhost").await?;

    bob.press("Compare by QR code").await?;
    bob.see("//*[@role='img' and contains(@aria-label,'QR code of your key')]")
        .await?
        .scroll_into_view()
        .await?;
    let shown = bob.picture("contact-qr-shown")?;
    alice.press("Compare by QR code").await?;
    alice.press("Use the copied picture").await?;
    alice
        .see_text("There is no picture on the clipboard.")
        .await?;
    let mut clipboard = Clipboard::new()?;
    clipboard.set_image(ImageData {
        width: 64,
        height: 64,
        bytes: vec![255; 64 * 64 * 4].into(),
    })?;
    alice.press("Use the copied picture").await?;
    alice
        .see_text("No key code was found in the picture.")
        .await?;
    let picture = image::open(shown)?.into_rgba8();
    clipboard.set_image(ImageData {
        width: picture.width() as usize,
        height: picture.height() as usize,
        bytes: picture.into_raw().into(),
    })?;
    alice.press("Use the copied picture").await?;
    alice.see_text("The keys are the same").await?;
    alice.see_text("Key compared on").await?;
    alice.picture("contact-qr")?;

    bob.close().await?;
    alice.close().await
}

/// The text on the clipboard.
fn copied() -> Option<String> {
    Clipboard::new().ok()?.get_text().ok()
}

/// Opens the keys window at the passphrase.
async fn passphrase_section(alice: &Window, main: &WindowHandle) -> Result<()> {
    alice.keys(Key::Control + Key::Shift + "k").await?;
    let keys = alice.other_window(main).await?;
    alice.driver.switch_to_window(keys).await?;
    alice
        .see_text("The relay shows your card as it is here.")
        .await?;
    alice.keys(Key::Control + "4").await?;
    Ok(())
}

/// Locks from the keys window, which closes, and goes on in the main one.
async fn lock(alice: &Window, main: &WindowHandle) -> Result<()> {
    // The window may be gone before its driver has answered.
    let _ = alice.keys(Key::Control + "l").await;
    alice.driver.switch_to_window(main.clone()).await?;
    alice.see_text("Waxwing is locked").await?;
    Ok(())
}
