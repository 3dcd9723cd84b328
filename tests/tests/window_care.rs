//! The window with care: what is sent can be stopped and taken back, the keyboard alone is enough,
//! a small dark window holds every screen, and what is wrong has its sentence and its way out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use anyhow::{Context, Result, ensure};
use std::fs;
use thirtyfour::prelude::*;
use waxwing_tests::desk::{Desk, row};
use waxwing_tests::person::{PASSPHRASE, answer_picker};

#[tokio::test]
async fn what_is_sent_shows_its_progress_and_can_be_stopped_and_taken_back() -> Result<()> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    alice.set_up("alice").await?;
    let bob = desk.open("second").await?;
    bob.set_up("bob").await?;
    alice.add_contact("bob@localhost").await?;
    bob.close().await?;

    // Sealing a large file shows how far it is, and can be stopped.
    let film = desk.path().join("film.bin");
    fs::File::create(&film)?.set_len(1_000_000_000)?;
    let notes = desk.path().join("notes.txt");
    fs::write(&notes, "One page\n")?;
    alice.write_to("bob", "Film", "For the evening.").await?;
    alice.press("Attach files").await?;
    answer_picker("Open File", &film)?;
    alice.see("//*[@role='progressbar']").await?;
    alice.press("Stop film.bin").await?;
    alice.see_gone("//*[@role='progressbar']").await?;
    if alice
        .shows("//button[@aria-label='Take film.bin off']")
        .await?
    {
        alice.press("Take film.bin off").await?;
    }
    alice.attach(&notes).await?;

    // What waits in the outbox becomes a draft again, with its file.
    alice.go("Settings").await?;
    alice.press("Stop").await?;
    alice.go("Drafts").await?;
    alice.see_row(&["Film"]).await?.click().await?;
    alice.send().await?;
    alice.go("Outbox").await?;
    alice.see_row(&["bob", "Film"]).await?.click().await?;
    alice.press("Cancel and edit").await?;
    alice
        .see("//button[@aria-label='Take notes.txt off']")
        .await?;
    alice.type_into("Text", " And a page.").await?;

    // What waits at the relay can be taken back, and the other never sees it.
    alice.go("Settings").await?;
    alice.press("Start").await?;
    alice.go("Drafts").await?;
    alice.see_row(&["Film"]).await?.click().await?;
    alice.send().await?;
    alice.go("Sent").await?;
    alice
        .see_row(&["bob", "Film", "At the relay"])
        .await?
        .click()
        .await?;
    alice.press("Recall").await?;
    alice.see_row(&["bob", "Film", "Recalled"]).await?;
    alice.write_to("bob", "Instead", "This one stays.").await?;
    alice.send().await?;

    let bob = desk.open("second").await?;
    bob.unlock().await?;
    bob.go("Inbox").await?;
    bob.see_row(&["alice", "Instead"]).await?;
    ensure!(
        !bob.shows(&row(&["Film"])).await?,
        "a recalled envelope arrived"
    );

    bob.close().await?;
    alice.close().await
}

#[tokio::test]
async fn the_keyboard_alone_is_enough() -> Result<()> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    // The set-up, from the first key on.
    alice.tab_to("Set up Waxwing").await?;
    alice.keys(Key::Enter).await?;
    alice.tab_to("Name").await?;
    alice.keys("alice").await?;
    alice.keys(Key::Enter).await?;
    alice.see_text("Choose a passphrase").await?;
    alice.tab_to_role("radio").await?;
    alice.keys(Key::Down).await?;
    alice.tab_to("Passphrase").await?;
    alice.keys(PASSPHRASE).await?;
    alice.tab_to("Type it once more").await?;
    alice.keys(PASSPHRASE).await?;
    alice.keys(Key::Enter).await?;
    alice.see_text("Your recovery code").await?;
    let words = alice.recovery_code().await?;
    alice.tab_to("I have kept it").await?;
    alice.keys(Key::Enter).await?;
    alice.see_text("Check what you kept").await?;
    for group in alice.groups_asked_for().await? {
        alice.tab_to(&format!("Group {group}")).await?;
        alice.keys(words[group - 1].join(" ")).await?;
    }
    alice.keys(Key::Enter).await?;
    alice.tab_to("Open Waxwing").await?;
    alice.keys(Key::Enter).await?;
    alice.see_text("localhost is reachable").await?;

    // A note to oneself, found among the contacts by typing.
    alice.keys(Key::Control + "n").await?;
    alice.see("//form[@aria-label='New envelope']").await?;
    alice.keys("alice").await?;
    alice
        .see("//*[contains(@class, 'menu')]//*[contains(normalize-space(.), 'alice@localhost')]")
        .await?;
    alice.keys(Key::Down + "").await?;
    alice.keys(Key::Enter + "").await?;
    alice.tab_to("Subject").await?;
    alice.keys("By hand").await?;
    alice.tab_to("Text").await?;
    alice.keys("Not one click.").await?;
    alice.keys(Key::Control + Key::Enter).await?;
    alice.see_gone("//form[@aria-label='New envelope']").await?;
    alice.keys(Key::Control + "1").await?;
    alice.see_row(&["By hand"]).await?;
    alice.keys(Key::F6 + "").await?;
    alice.keys("j").await?;
    alice.see_text("Not one click.").await?;

    // Search, the palette, the sheet, and the lock.
    alice.keys(Key::Control + "f").await?;
    alice.keys("hand").await?;
    alice
        .see_text("1 found. Searched the whole folder.")
        .await?;
    alice.keys(Key::Control + "k").await?;
    alice.keys("keyboard").await?;
    alice.see("//*[@role='dialog']//*[@role='option']").await?;
    alice.keys(Key::Enter + "").await?;
    alice
        .see("//*[@role='dialog']//*[contains(normalize-space(.), 'Ctrl+Shift+A')]")
        .await?;
    alice.keys(Key::Escape + "").await?;
    alice.see_gone("//*[@role='dialog']").await?;
    alice.keys(Key::Control + "l").await?;
    alice.see_text("Waxwing is locked").await?;
    // The field has the focus.
    alice.keys(PASSPHRASE).await?;
    alice.keys(Key::Enter + "").await?;
    alice.see_row(&["By hand"]).await?;
    alice.close().await
}

#[tokio::test]
async fn a_small_dark_window_holds_every_screen() -> Result<()> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    alice.set_up("alice").await?;
    alice.go("Settings").await?;
    alice.press("Dark").await?;
    for (width, height) in [(1200, 800), (620, 640), (400, 480)] {
        alice.size(width, height).await?;
        for place in ["Inbox", "Outbox", "Sent", "Drafts", "Contacts", "Settings"] {
            alice.go(place).await?;
            alice
                .fits(&format!("dark-{width}-{}", place.to_lowercase()))
                .await?;
        }
        alice.press("Write").await?;
        alice.see("//form[@aria-label='New envelope']").await?;
        alice.fits(&format!("dark-{width}-write")).await?;
        alice.keys(Key::Escape + "").await?;
        alice.go("Inbox").await?;
        alice.see_row(&["A test envelope"]).await?.click().await?;
        alice.see_text("Received").await?;
        alice.fits(&format!("dark-{width}-read")).await?;
        alice.keys(Key::Escape + "").await?;
    }
    alice.keys(Key::Control + "l").await?;
    alice.see_text("Waxwing is locked").await?;
    alice.fits("dark-400-locked").await?;
    alice.close().await
}

#[tokio::test]
async fn a_vault_that_is_held_or_damaged_says_so_and_loses_nothing() -> Result<()> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    alice.set_up("alice").await?;
    alice.see_row(&["A test envelope"]).await?;
    alice.close().await?;
    let profile = desk.profile("default");

    // Another process holds it: the window waits and goes on.
    let lock = fs::File::open(profile.join("lock"))?;
    lock.lock()?;
    let alice = desk.open("default").await?;
    alice.see_text("This vault is open somewhere else").await?;
    alice.picture("in-use")?;
    drop(lock);
    alice.press("Look again").await?;
    alice.see_text("Waxwing is locked").await?;
    alice.close().await?;

    // A header that was cut off is not taken for no vault, and nothing is overwritten.
    let header = profile.join("vault.cbor");
    let whole = fs::read(&header)?;
    fs::write(&header, &whole[..whole.len() / 2])?;
    let alice = desk.open("default").await?;
    alice.see_text("The vault cannot be read").await?;
    alice.picture("corrupt")?;
    fs::write(&header, &whole)?;
    alice.press("Try to open it again").await?;
    alice.unlock().await?;
    alice.see_row(&["A test envelope"]).await?;
    alice.close().await?;

    // Nor is a store that something else wrote into.
    let store = profile.join("store/conf");
    let good = fs::read(&store)?;
    fs::write(&store, vec![0x5a; good.len()])?;
    let alice = desk.open("default").await?;
    alice.see_text("The vault cannot be read").await?;
    fs::write(&store, &good)?;
    alice.press("Try to open it again").await?;
    alice.unlock().await?;
    alice.see_row(&["A test envelope"]).await?;
    alice.close().await?;

    // Who gives it up keeps the damaged vault beside the new one.
    fs::write(&header, &whole[..whole.len() / 2])?;
    let alice = desk.open("default").await?;
    alice.see_text("The vault cannot be read").await?;
    alice.press("Start over").await?;
    alice.press("Rename and start over").await?;
    alice
        .see_text("Messages only their recipients can open")
        .await?;
    alice.close().await?;
    let kept: Vec<_> = fs::read_dir(profile.parent().context("a parent")?)?
        .filter_map(|entry| Some(entry.ok()?.path().join("vault.cbor")))
        .filter(|path| path.exists())
        .collect();
    ensure!(
        kept.len() == 1,
        "the damaged vault is not where it was kept: {kept:?}"
    );
    assert_eq!(fs::read(&kept[0])?, &whole[..whole.len() / 2]);
    Ok(())
}

#[tokio::test]
async fn a_full_disk_says_so_and_what_was_written_is_there_when_there_is_room() -> Result<()> {
    let desk = Desk::on_a_small_disk(400)?;
    let chart = desk.path().join("chart.bin");
    fs::File::create(&chart)?.set_len(2_000_000)?;
    let alice = desk.open("default").await?;
    alice.set_up("alice").await?;
    alice.press("Write").await?;
    alice.type_into("Subject", "Room").await?;
    alice.see_text("Saved ").await?;
    let full = desk.fill_the_disk(alice.pid()?)?;
    alice
        .type_into("Text", "There is no room for this yet.")
        .await?;
    alice
        .see_text("The disk is full. Nothing was lost; make room and try again.")
        .await?;
    alice.see_text("Not saved").await?;
    alice.picture("disk-full")?;
    alice.press("Write").await?;
    alice.see_text("This did not work").await?;
    fs::remove_file(full)?;
    alice.see_row(&["Room"]).await?.click().await?;
    alice.attach(&chart).await?;
    alice
        .see_gone("//*[contains(normalize-space(.), 'he disk is full')]")
        .await?;
    alice.type_into("Text", " Now there is.").await?;
    alice
        .see_gone("//*[starts-with(normalize-space(.), 'Not saved')]")
        .await?;
    alice.press("Lock now").await?;
    alice.unlock().await?;
    alice.go("Drafts").await?;
    alice.see_row(&["Room"]).await?.click().await?;
    let text = alice.field("Text").await?.prop("value").await?;
    assert_eq!(
        text.as_deref(),
        Some("There is no room for this yet. Now there is.")
    );
    alice
        .see("//button[@aria-label='Take chart.bin off']")
        .await?;
    alice.close().await
}

#[tokio::test]
async fn a_file_that_is_too_large_or_gone_is_named() -> Result<()> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    alice.set_up("alice").await?;
    let film = desk.path().join("film.bin");
    fs::File::create(&film)?.set_len(64_000_000_000)?;
    alice.press("Write").await?;
    alice.press("Attach files").await?;
    answer_picker("Open File", &film)?;
    alice
        .see_text("“film.bin” is larger than the relay takes")
        .await?;
    alice.picture("too-large")?;
    ensure!(
        !alice
            .shows("//button[@aria-label='Take film.bin off']")
            .await?
    );
    alice.close().await
}
