//! Two computers of one account: the new one is linked from real windows, by its QR code and by its
//! text, is written to, and is removed again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use anyhow::{Result, ensure};
use std::path::PathBuf;
use thirtyfour::prelude::*;
use waxwing_tests::desk::{Desk, Window};
use waxwing_tests::desktop::xdotool;
use waxwing_tests::person::{PASSPHRASE, answer_picker};

const TEXT: &str = "The text from the other computer";

#[tokio::test]
async fn a_computer_is_linked_written_to_and_removed() -> Result<()> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    alice.set_up("alice").await?;
    for command in [
        "devices",
        "accept_link",
        "accept_link_file",
        "accept_link_clipboard",
        "confirm_link",
        "remove_device",
        "rename_device",
    ] {
        alice.may_not_call(command).await?;
    }
    let main = alice.driver.window().await?;
    devices(&alice, &main).await?;
    alice.see_text("This computer").await?;
    for command in ["begin_link", "finish_link"] {
        alice.may_not_call(command).await?;
    }
    alice.picture_of("Keys", "devices-one")?;

    // By a picture of the QR code, as the screen shows it; and given up on the old computer.
    let laptop = desk.open("laptop").await?;
    laptop.press("Link to my other computer").await?;
    laptop
        .type_into("What to call this computer", "Laptop")
        .await?;
    laptop.press("Use the relay on this computer").await?;
    laptop.picture("link-asks")?;
    let shown = invited(&laptop).await?;
    alice.press("Link a computer …").await?;
    alice.see_text(TEXT).await?;
    alice.picture_of("Keys", "link-text")?;
    alice.press("Choose a picture …").await?;
    answer_picker("Open File", &shown)?;
    alice.see_text("Laptop shows four digits now").await?;
    code(&laptop).await?;
    alice.press("Cancel").await?;
    laptop
        .see_text("The link was ended on the other computer.")
        .await?;
    laptop.picture("link-ended")?;

    // By the text, copied in one window and pasted into the other.
    invited(&laptop).await?;
    laptop.press("Copy as text").await?;
    laptop.see_text("On the clipboard for").await?;
    alice.press("Link a computer …").await?;
    alice.field(TEXT).await?.click().await?;
    alice.picture_of("Keys", "link-paste")?;
    xdotool(&["key", "--delay", "100", "ctrl+v"])?;
    alice.press("Continue").await?;
    alice.see_text("Laptop shows four digits now").await?;
    let right = code(&laptop).await?;
    let wrong = if right == "0000" { "0001" } else { "0000" };
    alice.type_into("The four digits", wrong).await?;
    alice.type_into("Current passphrase", PASSPHRASE).await?;
    alice.press("Hand the account over").await?;
    alice.see_text("Tries left: 2.").await?;
    alice.picture_of("Keys", "link-wrong")?;
    alice.type_into("The four digits", &right).await?;
    alice.press("Hand the account over").await?;
    alice.see_text("Laptop is linked").await?;
    alice.picture_of("Keys", "link-given")?;
    laptop
        .see_text("This computer has the account of alice")
        .await?;
    laptop.picture("link-granted")?;
    laptop.finish_set_up().await?;

    // Each sees the other, and when it was last at the relay.
    let own = laptop.driver.window().await?;
    devices(&laptop, &own).await?;
    laptop.see_text("A computer without a name").await?;
    laptop.see_text("Last seen: ").await?;
    laptop.picture_of("Keys", "devices-laptop")?;
    laptop.driver.switch_to_window(own).await?;
    // Read anew: the laptop has been at the relay since.
    alice.keys(Key::Control + "1").await?;
    alice.keys(Key::Control + "2").await?;
    alice.see_text("Last seen: ").await?;
    alice.picture_of("Keys", "devices-two")?;

    // What is sent to the account reaches both.
    let bob = desk.open("second").await?;
    bob.set_up("bob").await?;
    bob.add_contact("alice@localhost").await?;
    bob.write_to("alice", "To both", "Wherever you sit.")
        .await?;
    bob.send().await?;
    laptop.go("Inbox").await?;
    laptop.see_row(&["bob", "To both"]).await?.click().await?;
    laptop.see_text("Wherever you sit.").await?;
    laptop.picture("link-received")?;
    let keys = alice.driver.window().await?;
    alice.driver.switch_to_window(main.clone()).await?;
    alice.go("Inbox").await?;
    alice.see_row(&["bob", "To both"]).await?.click().await?;
    alice.see_text("Wherever you sit.").await?;

    // Removed, it says so.
    alice.driver.switch_to_window(keys).await?;
    alice.press("Remove Laptop").await?;
    alice.see_text("Is it in other hands?").await?;
    alice.type_into("Current passphrase", PASSPHRASE).await?;
    alice.picture_of("Keys", "devices-remove")?;
    alice.press("Remove it").await?;
    alice.see_gone("//*[@aria-label='Remove Laptop']").await?;
    alice.see_gone("//form").await?;
    alice.picture_of("Keys", "devices-removed")?;
    laptop
        .see_text_of_the_relay("This computer was removed from your account on")
        .await?;
    laptop.picture("link-removed")?;

    alice.driver.switch_to_window(main).await?;
    for window in [bob, laptop, alice] {
        window.close().await?;
    }
    Ok(())
}

/// Opens the keys window at its devices, and goes on there.
async fn devices(person: &Window, main: &WindowHandle) -> Result<()> {
    person.keys(Key::Control + Key::Shift + "k").await?;
    let keys = person.other_window(main).await?;
    person.driver.switch_to_window(keys).await?;
    person
        .see_text("The relay shows your card as it is here.")
        .await?;
    person.keys(Key::Control + "2").await?;
    person.see("//h1[.='Devices']").await?;
    Ok(())
}

/// The new computer shows an invitation; gives a picture of it.
async fn invited(new: &Window) -> Result<PathBuf> {
    new.press("Continue").await?;
    new.see("//*[@aria-label='QR code of the link']").await?;
    new.see_text("Waiting for the other computer").await?;
    new.picture("link-shown")
}

/// The digits that the new computer shows.
async fn code(new: &Window) -> Result<String> {
    let shown = new.see("//output[@aria-label='The four digits']").await?;
    let code = shown.text().await?;
    new.picture("link-code")?;
    ensure!(code.len() == 4, "not four digits: {code:?}");
    Ok(code)
}
