//! Sends marked messages, passphrases and keys through the relay's key service, online and offline,
//! and searches everything the relay keeps for the marks. The last line is
//! `markers=M places_searched=P hits=H`; it fails when there is a hit.

use std::process::ExitCode;

use anyhow::Result;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let found = waxwing_tests::canary::run().await?;
    for hit in &found.hits {
        println!("{hit}");
    }
    println!(
        "markers={} places_searched={} hits={}",
        found.markers,
        found.places,
        found.hits.len()
    );
    Ok(if found.hits.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
