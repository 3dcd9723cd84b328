//! The window among what stands around it on a desktop: dropped files, pickers, notifications,
//! the tray, a second start.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use anyhow::{Context as _, Result, ensure};
use std::fs;
use waxwing_tests::desk::{Desk, family, gone, visible};
use waxwing_tests::desktop::{self, Logind, Notifications, Tray, let_go, until, xdotool};
use waxwing_tests::person::answer_picker;

#[tokio::test]
async fn files_are_dropped_a_notification_shows_no_text_and_a_file_is_saved_elsewhere() -> Result<()>
{
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    alice.set_up("alice").await?;
    let bob = desk.open("second").await?;
    bob.set_up("bob").await?;
    alice.add_contact("bob@localhost").await?;

    // Dropped on the draft that is being written.
    let chart = desk.path().join("chart.csv");
    fs::write(&chart, "hour,depth\n06:00,4.2\n")?;
    let notifications = Notifications::start(&desk).await?;
    alice
        .write_to("bob", "Soundings", "Only your eyes see this.")
        .await?;
    let film = desk.path().join("film.bin");
    fs::File::create(&film)?.set_len(64_000_000_000)?;
    let dragged = desktop::drag(&film, &alice).await?;
    alice
        .see_text("“film.bin” is larger than the relay takes")
        .await?;
    drop(dragged);
    let dragged = desktop::drag(&chart, &alice).await?;
    alice
        .see("//button[@aria-label='Take chart.csv off']")
        .await?;
    drop(dragged);

    // The other one looks elsewhere, and is told how many wait (the first is the test envelope of
    // the set-up), and no more.
    alice.activate()?;
    alice.send().await?;
    let shown = notifications.see("2 envelopes wait").await?;
    for secret in ["alice", "Soundings", "eyes", "chart"] {
        ensure!(
            !shown.contains(secret),
            "a notification shows {secret:?}: {shown}"
        );
    }

    // Who chose to see the sender sees the sender, and still no text.
    bob.go("Settings").await?;
    bob.press("Who").await?;
    alice.activate()?;
    alice.write_to("bob", "Again", "And not this.").await?;
    alice.send().await?;
    let shown = notifications.see("An envelope from alice").await?;
    for secret in ["Soundings", "Again", "eyes", "not this"] {
        ensure!(
            !shown.contains(secret),
            "a notification shows {secret:?}: {shown}"
        );
    }

    // Saved under the name and in the folder that the person gives.
    bob.go("Inbox").await?;
    bob.see_row(&["alice", "Soundings"]).await?.click().await?;
    let elsewhere = desk.path().join("kept").join("soundings.csv");
    fs::create_dir(elsewhere.parent().unwrap())?;
    bob.press("Save as … chart.csv").await?;
    answer_picker("Save File", &elsewhere)?;
    bob.see_text("Saved as").await?;
    assert_eq!(fs::read(&elsewhere)?, fs::read(&chart)?);

    bob.close().await?;
    alice.close().await
}

#[tokio::test]
async fn the_tray_keeps_opens_locks_and_quits() -> Result<()> {
    let desk = Desk::new()?;
    let mut tray = Tray::start().await?;
    let alice = desk.open("default").await?;
    let icon = tray.icon().await?;
    alice.set_up("alice").await?;
    let labels: Vec<String> = tray
        .entries(&icon)
        .await?
        .into_iter()
        .map(|(_, label)| label)
        .collect();
    assert_eq!(labels, ["Open Waxwing", "Open Keys", "Lock now", "Quit"]);

    // Who chose so closes the window and keeps the app.
    alice.go("Settings").await?;
    alice
        .press_switch("Keep running when the window is closed")
        .await?;
    alice.activate()?;
    xdotool(&["key", "alt+F4"])?;
    until("the window did not close", || {
        Ok(visible(&alice.title())?.is_none().then_some(()))
    })
    .await?;
    tray.press(&icon, "Open Waxwing").await?;
    until("the window did not come back", || visible(&alice.title())).await?;

    tray.press(&icon, "Lock now").await?;
    alice.see_text("Waxwing is locked").await?;

    let pid = alice.pid()?;
    tray.press(&icon, "Quit").await?;
    gone(pid)
}

#[tokio::test]
async fn without_a_tray_closing_the_window_quits() -> Result<()> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    alice.set_up("alice").await?;
    let pid = alice.pid()?;
    alice.activate()?;
    xdotool(&["key", "alt+F4"])?;
    gone(pid)
}

#[tokio::test]
async fn starting_an_open_profile_again_brings_its_window_to_the_front_and_says_so() -> Result<()> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    alice.set_up("alice").await?;
    let bob = desk.open("second").await?;
    bob.activate()?;
    ensure!(desktop::in_front()? == "Waxwing (second)");

    let again = desk.start_again("default").await?;
    ensure!(again.success(), "the second start ended with {again}");
    alice.see_text("This vault was already open here.").await?;
    until("the open window did not come to the front", || {
        Ok((desktop::in_front()? == "Waxwing").then_some(()))
    })
    .await?;

    bob.close().await?;
    alice.close().await
}

#[tokio::test]
async fn sleep_waits_until_the_window_is_locked_and_a_locked_session_locks_it() -> Result<()> {
    let mut logind = Logind::start().await?;
    let desk = Desk::on_system_bus(logind.address())?;
    let alice = desk.open("default").await?;
    let held = logind.held_back().await?;
    alice.set_up("alice").await?;

    logind.sleep(true).await?;
    let_go(held).await?;
    alice.see_text("Waxwing is locked").await?;
    logind.sleep(false).await?;
    let held = logind.held_back().await?;
    alice.unlock().await?;
    alice.see_row(&["A test envelope"]).await?;

    logind.lock_session().await?;
    alice.see_text("Waxwing is locked").await?;
    drop(held);
    alice.close().await
}

/// A region that may be both written and executed, as large as a JIT's; drawing without a graphics
/// card has small ones.
const JIT_REGION: u64 = 64 << 20;

#[tokio::test]
async fn the_page_runs_without_a_compiler() -> Result<()> {
    let desk = Desk::new()?;
    let window = desk.open("default").await?;
    window
        .see_text("Messages only their recipients can open")
        .await?;
    let mut pages = 0;
    for pid in family(window.pid()?)? {
        let name = fs::read_to_string(format!("/proc/{pid}/comm"))?;
        if !name.starts_with("WebKitWebProces") {
            continue;
        }
        pages += 1;
        let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
        for line in maps.lines().filter(|line| line.contains(" rwxp ")) {
            let range = line.split_whitespace().next().unwrap_or_default();
            let (from, to) = range.split_once('-').context("a range")?;
            let size = u64::from_str_radix(to, 16)? - u64::from_str_radix(from, 16)?;
            ensure!(size < JIT_REGION, "the page may write and execute {line}");
        }
    }
    ensure!(pages == 1, "the page has {pages} processes");
    window.close().await
}
