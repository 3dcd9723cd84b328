//! Drop boxes: made in a real window, written to in a stranger's browser on the page that the relay
//! serves, and read in the window again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use anyhow::Result;
use std::fs;
use waxwing_tests::browser::Browser;
use waxwing_tests::desk::{Desk, Window, pictures};

const TEXT: &str = "//textarea";
const SEND: &str = "//button[@type='submit']";

#[tokio::test]
async fn a_stranger_writes_through_a_link_and_the_owner_reads_it() -> Result<()> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    alice.set_up("alice").await?;
    let link = make(&alice, "Front desk", "Keep open until then").await?;
    alice.picture("box-made")?;

    let noise: Vec<u8> = (0..650_000u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let file = desk.path().join("noise.bin");
    fs::write(&file, &noise)?;
    let stranger = Browser::open().await?;
    stranger.driver.goto(&link).await?;
    stranger.see_text("Write to Front desk").await?;
    stranger
        .see(TEXT)
        .await?
        .send_keys("Under the third stone.\nÄöü 日本")
        .await?;
    stranger
        .see("//input[not(@type)]")
        .await?
        .send_keys("Locker 12")
        .await?;
    stranger
        .see("//input[@type='file']")
        .await?
        .send_keys(file.to_string_lossy())
        .await?;
    stranger.see_text("noise.bin").await?;
    stranger.picture(&pictures()?.join("visit.png")).await?;
    stranger.see(SEND).await?.click().await?;
    stranger.see_text("Sealed and handed over").await?;
    stranger
        .picture(&pictures()?.join("visit-receipt.png"))
        .await?;
    let receipt = stranger.see("//dd/*[contains(@class, 'number')]").await?;
    let receipt = receipt.text().await?;

    alice.go("Inbox").await?;
    let row = ["Drop box: Front desk", "Message from a visitor"];
    alice.see_row(&row).await?.click().await?;
    alice.see_text("Under the third stone.").await?;
    alice.see_text("Äöü 日本").await?;
    alice.see_text("Nobody vouches for who wrote this.").await?;
    alice.see_text("Locker 12").await?;
    alice.see_text(&format!("Receipt number {receipt}")).await?;
    let saved = alice.save("noise.bin", &desk.downloads()).await?;
    assert_eq!(fs::read(saved)?, noise);
    alice.picture("box-read")?;

    alice.go("Drop boxes").await?;
    alice.see_row(&["Front desk", "1 opened"]).await?;

    // A key that the link does not name gets nothing, and a deleted box takes nothing.
    let (address, _) = link.split_once('#').unwrap();
    let other = format!("{address}#{}", "A".repeat(43));
    stranger.driver.goto("about:blank").await?;
    stranger.driver.goto(&other).await?;
    stranger
        .see_text("This is another key than the link says")
        .await?;
    alice.see_row(&["Front desk"]).await?.click().await?;
    alice.press("Delete this drop box").await?;
    alice.press("Delete").await?;
    alice.see_text("No drop boxes").await?;
    stranger.driver.goto("about:blank").await?;
    stranger.driver.goto(&link).await?;
    stranger.see_text("This drop box has ended").await?;

    stranger.close().await?;
    alice.close().await
}

#[tokio::test]
async fn a_box_for_one_message_takes_no_second() -> Result<()> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    alice.set_up("alice").await?;
    let link = make(&alice, "For one", "One message only").await?;

    let (first, second) = (Browser::open().await?, Browser::open().await?);
    for stranger in [&first, &second] {
        stranger.driver.goto(&link).await?;
        stranger.see_text("one message only").await?;
    }
    first.see(TEXT).await?.send_keys("I was first.").await?;
    first.see(SEND).await?.click().await?;
    first.see_text("Sealed and handed over").await?;
    second.see(TEXT).await?.send_keys("I was not.").await?;
    second.see(SEND).await?.click().await?;
    second.see_text("This box has ended meanwhile").await?;
    let kept = second.see(TEXT).await?.prop("value").await?;
    assert_eq!(kept.as_deref(), Some("I was not."));

    alice.see_row(&["For one", "Ended", "1 opened"]).await?;
    alice.go("Inbox").await?;
    alice.see_row(&["Drop box: For one"]).await?.click().await?;
    alice.see_text("I was first.").await?;

    first.close().await?;
    second.close().await?;
    alice.close().await
}

/// Makes a drop box in the window; gives its link.
async fn make(window: &Window, name: &str, burn: &str) -> Result<String> {
    window.go("Drop boxes").await?;
    window.press("Make a drop box").await?;
    window.type_into("Name that visitors see", name).await?;
    window.press(burn).await?;
    window.press("Make the drop box").await?;
    let link = window.see("//*[@data-testid='box-link']").await?;
    window.see_row(&[name, "Open"]).await?;
    Ok(link.text().await?)
}
