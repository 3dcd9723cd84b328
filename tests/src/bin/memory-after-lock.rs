//! Searches the memory of the app's processes after locking for the passphrase, the keys and the
//! opened text. The last line is `processes=P searched_bytes=B hits=H`; it fails when the app's own
//! process has any. What the web engine's processes have is explained in docs/threats.md.

use std::process::ExitCode;

use anyhow::Result;
use waxwing_tests::memory::after_lock;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let searched = after_lock().await?;
    for process in &searched {
        println!(
            "{}: {} bytes, {} hits {:?}",
            process.name,
            process.bytes,
            process.count(),
            process.hits
        );
    }
    println!(
        "processes={} searched_bytes={} hits={}",
        searched.len(),
        searched.iter().map(|process| process.bytes).sum::<u64>(),
        searched
            .iter()
            .map(|process| process.count())
            .sum::<usize>()
    );
    let is_clean =
        |process: &waxwing_tests::memory::Searched| !process.is_shell || process.count() == 0;
    Ok(if searched.iter().all(is_clean) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
