//! Argon2id against libsodium, same parameters, one lane.

use std::time::Instant;

use anyhow::{Context as _, Result};
use waxwing_crypto::kdf::{KdfParams, Passphrase, SALT_LEN, stretch};

use crate::table::{Table, keep, libsodium, median};

pub(crate) fn measure(table: &mut Table) -> Result<()> {
    for mebibytes in [64, 256] {
        let work = format!("argon2id {mebibytes} MiB, t 3, p 1");
        let ours = stretched(mebibytes, 1)?;
        match libsodium("pwhash") {
            Ok(peer) => {
                let peer = peer[format!("ms_{mebibytes}")]
                    .as_f64()
                    .context("no figure")?;
                table.row(&work, ours, ("libsodium", peer), "ms", Some(0.95));
                if mebibytes == 256 {
                    let default = stretched(256, 4)?;
                    let work = "unlock at the default (256 MiB, t 3, p 4)";
                    table.row(work, default, ("libsodium, p 1", peer), "ms", Some(0.9));
                }
            }
            Err(error) => table.missing(&work, "libsodium", &error.to_string()),
        }
    }
    Ok(())
}

fn stretched(mebibytes: u32, lanes: u32) -> Result<f64> {
    let params = KdfParams::new(mebibytes * 1024, 3, lanes)?;
    let passphrase = Passphrase::new("a long passphrase for an example");
    let mut figures = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        keep(stretch(&passphrase, &[7; SALT_LEN], params)?);
        figures.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(figures))
}
