//! A new account key from the keys window: replaced with the old one's word, and after a revocation
//! without it; what the other side sees of both.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use anyhow::{Context, Result, ensure};
use thirtyfour::prelude::*;
use waxwing_tests::desk::{Desk, Window};
use waxwing_tests::person::PASSPHRASE;

#[tokio::test]
async fn the_account_gets_a_new_key_and_the_other_side_sees_whose_word_it_has() -> Result<()> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    alice.set_up("alice").await?;
    let bob = desk.open("second").await?;
    bob.set_up("bob").await?;
    alice.add_contact("bob@localhost").await?;
    bob.add_contact("alice@localhost").await?;
    bob.press("They are the same").await?;
    bob.see_text("Key compared on").await?;
    let before = code(&bob).await?;

    // Replaced: the old key signs the new one, and Bob is told.
    let main = alice.driver.window().await?;
    open_keys(&alice, &main).await?;
    alice.press("Replace my key …").await?;
    alice.see_text("The relay answers.").await?;
    alice.picture_of("Keys", "renewal-form")?;
    alice.type_into("Current passphrase", "not this").await?;
    alice.press("Replace my key").await?;
    alice
        .see_text("That passphrase does not open this vault.")
        .await?;
    alice.field("Current passphrase").await?.clear().await?;
    alice.type_into("Current passphrase", PASSPHRASE).await?;
    alice.press("Replace my key").await?;
    alice.see_text("Replaced on").await?;
    alice.see_text("Fetched by their computer").await?;
    alice.picture_of("Keys", "renewal-told")?;
    bob.see_text("The key was renewed").await?;
    ensure!(code(&bob).await? != before, "the key code stayed");
    bob.picture("renewal-contact")?;
    bob.press("They are the same").await?;

    // Both write on, and Bob's letter proves that he has it.
    bob.write_to("alice", "To the new key", "Sealed for it.")
        .await?;
    bob.send().await?;
    alice.see_text("Writes to the new key").await?;
    alice.driver.switch_to_window(main.clone()).await?;
    alice.go("Inbox").await?;
    alice.see_row(&["bob", "To the new key"]).await?;
    alice
        .write_to("bob", "From the new key", "Signed by it.")
        .await?;
    alice.send().await?;
    bob.go("Inbox").await?;
    bob.see_row(&["alice", "From the new key"]).await?;

    // Revoked, with the end of the code; then a key that stands alone.
    open_keys(&alice, &main).await?;
    alice.press("Revoke my key …").await?;
    let ends = alice
        .see("//*[@role='group' and @aria-label='This is at once and for good']//*[contains(@class,'code')]")
        .await?
        .text()
        .await?;
    let ends = ends.trim().split_at(ends.trim().len() - 4).1.to_owned();
    let other = if ends == "0000" { "0001" } else { "0000" };
    let digits = "The last four digits of your key code";
    alice.type_into(digits, other).await?;
    alice.type_into("Current passphrase", PASSPHRASE).await?;
    alice.press("Revoke my key for good").await?;
    alice
        .see_text("These are not the last four digits of your key code.")
        .await?;
    alice.field(digits).await?.clear().await?;
    alice.type_into(digits, &ends).await?;
    alice.picture_of("Keys", "renewal-revoke")?;
    alice.press("Revoke my key for good").await?;
    alice.see_text("Your key was revoked on").await?;
    alice.picture_of("Keys", "renewal-revoked")?;
    alice.press("Make a new key …").await?;
    alice.type_into("Current passphrase", PASSPHRASE).await?;
    alice.press("Make a new key").await?;
    alice.see_text("A new key since").await?;
    alice.picture_of("Keys", "renewal-reset")?;

    // Bob is held until he decides; then letters go both ways again.
    alice.driver.switch_to_window(main).await?;
    alice
        .write_to("bob", "After the theft", "This is me.")
        .await?;
    alice.send().await?;
    bob.go("Contacts").await?;
    bob.see_row(&["alice"]).await?.click().await?;
    bob.see_text("Sending to alice is held.").await?;
    bob.picture("renewal-held")?;
    let shown = code(&bob).await?;
    alice.go("Contacts").await?;
    alice.see_row(&["bob"]).await?.click().await?;
    ensure!(code(&alice).await? == shown, "not the new key's digits");
    bob.press("They are the same").await?;
    bob.see_text("Key compared on").await?;
    bob.go("Inbox").await?;
    bob.see_row(&["alice", "After the theft"]).await?;
    bob.write_to("alice", "Good to know", "Welcome back.")
        .await?;
    bob.send().await?;
    alice.go("Inbox").await?;
    alice.see_row(&["bob", "Good to know"]).await?;

    bob.close().await?;
    alice.close().await
}

/// The digits that are shown for a contact.
async fn code(window: &Window) -> Result<String> {
    let digits = window.see("//ol[@aria-label='Key code']").await?;
    Ok(digits.text().await?)
}

/// Opens the keys window, or goes to it, at one's own key.
async fn open_keys(window: &Window, main: &WindowHandle) -> Result<()> {
    window.keys(Key::Control + Key::Shift + "k").await?;
    for _ in 0..100 {
        let all = window.driver.windows().await?;
        if let Some(other) = all.into_iter().find(|window| window != main) {
            window.driver.switch_to_window(other).await?;
            return window.see_text("My key code").await.map(drop);
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    None.context("the keys window did not open")
}
