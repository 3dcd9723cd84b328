//! The window as a person meets it, driven through `WebDriver` on a virtual screen, beside a Tauri
//! window with nothing in it.
//!
//! Alice's vault holds [`CROWD`] envelopes. Every start of hers is followed by one of the empty
//! window, so that a busy moment hits both.

mod crowd;
mod memory;
mod page;
mod stage;

use anyhow::{Context as _, Result};
use std::time::{Duration, Instant};

use waxwing_crypto::kdf::{Passphrase, SALT_LEN, stretch};
use waxwing_tests::person::PASSPHRASE;

use crate::table::{Table, keep, median};
use crowd::CROWD;
use stage::{Program, Start};

const ROUNDS: usize = 5;
/// What Waxwing chooses for its page's process where there is no graphics card.
const AS_OURS: &str = "JSC_useJIT=0 WEBKIT_DISABLE_DMABUF_RENDERER=1";
/// What Waxwing may take beyond an empty window, in MB.
const MORE_MB: f64 = 60.0;
/// A window that was just used is left alone for so long before its memory is read.
const CALM: Duration = Duration::from_secs(3);

/// One figure of ours and one of the empty window, for each round.
#[derive(Default)]
struct Pair(Vec<f64>, Vec<f64>);

pub(crate) fn measure(table: &mut Table) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(measure_windows(table))
}

async fn measure_windows(table: &mut Table) -> Result<()> {
    let (ours, empty) = (Program::new("waxwing")?, Program::new("waxwing-empty")?);
    let bare = Program::with("waxwing-empty", AS_OURS)?;
    let vault = ours.desk.profile("default");
    meet(&ours).await?;
    let params = crowd::fill(&vault)?;

    let (mut cold, mut warm, mut memory) = <(Pair, Pair, Pair)>::default();
    let (mut unlock, mut kdf, mut list) = <(Vec<f64>, Vec<f64>, Vec<f64>)>::default();
    let (mut least, mut send) = <(Vec<f64>, Vec<f64>)>::default();
    for round in 0..ROUNDS {
        let window = ours.start(Start::Cold).await?;
        cold.0.push(ours.shown(&window).await?);
        window.close().await?;
        let window = empty.start(Start::Cold).await?;
        cold.1.push(empty.shown(&window).await?);
        window.close().await?;

        let window = empty.start(Start::Warm).await?;
        warm.1.push(empty.shown(&window).await?);
        tokio::time::sleep(CALM).await;
        memory.1.push(memory::of(window.pid()?)?);
        window.close().await?;
        let window = bare.start(Start::Warm).await?;
        bare.shown(&window).await?;
        tokio::time::sleep(CALM).await;
        least.push(memory::of(window.pid()?)?);
        window.close().await?;
        let window = ours.start(Start::Warm).await?;
        warm.0.push(ours.shown(&window).await?);

        let before = Instant::now();
        keep(stretch(
            &Passphrase::new(PASSPHRASE),
            &[7; SALT_LEN],
            params,
        )?);
        let stretched = before.elapsed().as_secs_f64() * 1e3;
        let unlocked = page::unlock(&window).await?;
        unlock.push(unlocked);
        kdf.push(stretched);
        list.push(unlocked - stretched);
        page::scroll(&window).await?;
        tokio::time::sleep(CALM).await;
        memory.0.push(memory::of(window.pid()?)?);

        window.see_text("localhost is reachable").await?;
        send.push(page::send(&window, "bob", &format!("Round {round}")).await?);
        window.close().await?;
    }

    let empty_window = |figures| ("an empty Tauri window", median(figures));
    let work = "launch to passphrase field, cold";
    table.row(work, median(cold.0), empty_window(cold.1), "ms", None);
    let work = "launch to passphrase field, warm";
    table.row(work, median(warm.0), empty_window(warm.1), "ms", None);
    let count = format!("{CROWD} envelopes");
    let argon2 = format!(
        "its argon2id ({} MiB, t {}, p {})",
        params.m_kib() / 1024,
        params.t(),
        params.p()
    );
    let work = format!("unlock to painted list, {count}");
    table.row(&work, median(unlock), (&argon2, median(kdf)), "ms", None);
    table.alone("the same without argon2id", median(list), "ms");
    let work = format!("memory (PSS), {count} scrolled");
    let (memory, peer) = (median(memory.0), empty_window(memory.1));
    table.at_most_more(&work, memory, peer, "MB", MORE_MB);
    let peer = ("an empty window without JIT and DMA-BUF", median(least));
    table.row("the same", memory, peer, "MB", None);
    table.alone("seal and send to \"At the relay\"", median(send), "ms");
    Ok(())
}

/// Alice and Bob are set up and know each other. Alice's window is closed again; Bob's stays a
/// locked folder, so that nothing of his runs beside hers.
async fn meet(program: &Program) -> Result<()> {
    let alice = program.desk.open("default").await?;
    alice.set_up("alice").await?;
    let bob = program.desk.open("bob").await?;
    bob.set_up("bob").await?;
    alice.add_contact("bob@localhost").await?;
    bob.close().await?;
    // The relay is hers: it stays in her window.
    alice.close().await.context("Alice's window closes")
}
