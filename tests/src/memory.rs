//! What is left in memory once the vault is locked: every page that the app's processes hold,
//! searched for what was open a moment ago.
//!
//! The pages are read from `/proc`. A core dump holds the same and, for a web engine, many gigabytes
//! that were reserved and never touched.

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use anyhow::{Context as _, Result, ensure};
use argon2::{Algorithm, Argon2, Params, Version};
use ciborium::Value;
use hkdf::Hkdf;
use memchr::memmem;
use sha2::Sha256;
use waxwing_crypto::kdf::Passphrase;
use waxwing_crypto::vault_header::Header;

use crate::desk::{Desk, family};
use crate::person::PASSPHRASE;

/// Subject and text of the message that is opened; they are written nowhere else. The driver's own
/// questions lie in the app's memory too, so it asks for their beginnings.
const SUBJECT: &str = "Herring in the third barrel";
const TEXT: &str = "Beneath the false floor lies what we spoke of in spring.";
/// Read at once.
const PIECE: usize = 8 << 20;
const PAGE: u64 = 4096;

/// What was found in one process.
#[derive(Debug)]
pub struct Searched {
    /// Its name, as the system shortens it.
    pub name: String,
    /// It is the app itself, which holds the keys; the others are the web engine's.
    pub is_shell: bool,
    /// How much memory it held, in bytes.
    pub bytes: u64,
    /// What was found, and how often.
    pub hits: Vec<(&'static str, usize)>,
}

impl Searched {
    /// How often anything was found.
    pub fn count(&self) -> usize {
        self.hits.iter().map(|(_, times)| times).sum()
    }
}

/// Sets a person up, opens a message, locks, unlocks, opens it again, locks, and searches the memory
/// of every process of the app.
///
/// # Errors
/// A window that does not do as told; a process whose memory may not be read.
pub async fn after_lock() -> Result<Vec<Searched>> {
    let desk = Desk::new()?;
    let alice = desk.open("default").await?;
    let code = alice.set_up_keeping_the_code("alice").await?;
    let bob = desk.open("second").await?;
    bob.set_up("bob").await?;
    bob.add_contact("alice@localhost").await?;
    bob.write_to("alice", SUBJECT, TEXT).await?;
    bob.send().await?;
    for again in [true, false] {
        alice.go("Inbox").await?;
        alice
            .see_row(&["bob", &SUBJECT[..7]])
            .await?
            .click()
            .await?;
        alice.see_text(&TEXT[..14]).await?;
        alice.press("Lock now").await?;
        alice.see_text("Waxwing is locked").await?;
        if again {
            alice.unlock().await?;
        }
    }
    let wanted = needles(&desk.profile("default"), &code)?;
    let shell = alice.pid()?;
    let searched = family(shell)?
        .into_iter()
        .map(|pid| search(pid, pid == shell, &wanted))
        .collect::<Result<_>>()?;
    alice.close().await?;
    bob.close().await?;
    Ok(searched)
}

/// Something to look for, with a word for what it is.
pub type Needle = (&'static str, Vec<u8>);

/// What must not be found. Text is looked for in both shapes that a web engine keeps it in.
fn needles(profile: &Path, code: &str) -> Result<Vec<Needle>> {
    let header = fs::read(profile.join("vault.cbor"))?;
    let root_key = root_key(&header).context("the header is not as docs/protocol.md says")?;
    let header = Header::decode(&header)?;
    let root = header.unwrap_with_passphrase(&Passphrase::new(PASSPHRASE))?;
    let keyring = header.open_keyring(&root)?;
    let mut needles = vec![
        ("root key", root_key),
        ("account key", keyring.account.expose().to_vec()),
        ("device key", keyring.device.expose().to_vec()),
    ];
    for (what, text) in [
        ("passphrase", PASSPHRASE),
        ("recovery code", code),
        ("subject", SUBJECT),
        ("text", TEXT),
    ] {
        needles.push((what, text.as_bytes().to_vec()));
        needles.push((
            what,
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ));
    }
    Ok(needles)
}

/// The root key from the primitives alone (docs/protocol.md section 6): the app gives it to nobody.
fn root_key(header: &[u8]) -> Option<Vec<u8>> {
    let header: Value = ciborium::from_reader(header).ok()?;
    let slot = field(&header, 4)?.as_array()?.first()?;
    let kdf = field(slot, 2)?;
    let number = |label| u32::try_from(field(kdf, label)?.as_integer()?).ok();
    let params = Params::new(number(2)?, number(3)?, number(4)?, Some(32)).ok()?;
    let mut stretched = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(PASSPHRASE.as_bytes(), bytes(kdf, 5)?, &mut stretched)
        .ok()?;
    let mut keys = [0; 64];
    Hkdf::<Sha256>::new(Some(bytes(&header, 2)?), &stretched)
        .expand(b"waxwing/vault/kek/v1", &mut keys)
        .ok()?;
    let bound = Value::Array(vec![
        Value::from("waxwing/vault/slot/v1"),
        field(&header, 2)?.clone(),
        field(slot, 1)?.clone(),
        kdf.clone(),
    ]);
    let mut aad = Vec::new();
    ciborium::into_writer(&bound, &mut aad).ok()?;
    let msg = bytes(slot, 5)?;
    let nonce = Nonce::try_from(bytes(slot, 4)?).ok()?;
    let key = Aes256Gcm::new_from_slice(&keys[..32]).ok()?;
    key.decrypt(&nonce, Payload { msg, aad: &aad }).ok()
}

fn field(map: &Value, label: u32) -> Option<&Value> {
    let (_, value) = map
        .as_map()?
        .iter()
        .find(|(key, _)| *key == Value::from(label))?;
    Some(value)
}

fn bytes(map: &Value, label: u32) -> Option<&[u8]> {
    field(map, label)?.as_bytes().map(Vec::as_slice)
}

/// Searches every page that a process holds.
///
/// # Errors
/// Its memory may not be read.
pub fn search(pid: u32, is_shell: bool, needles: &[Needle]) -> Result<Searched> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm"))?;
    let mut searched = Searched {
        name: name.trim().to_owned(),
        is_shell,
        bytes: 0,
        hits: Vec::new(),
    };
    let memory = File::open(format!("/proc/{pid}/mem")).context("the memory may not be read")?;
    let held = File::open(format!("/proc/{pid}/pagemap"))?;
    for line in fs::read_to_string(format!("/proc/{pid}/maps"))?.lines() {
        let (range, rest) = line.split_once(' ').context("a mapping")?;
        // Devices, and what the kernel lends, are not the process's own.
        if !rest.starts_with('r') || rest.contains(" /dev/") || rest.contains("[v") {
            continue;
        }
        let (from, to) = range.split_once('-').context("a range")?;
        let (from, to) = (u64::from_str_radix(from, 16)?, u64::from_str_radix(to, 16)?);
        for run in runs(&held, from..to)? {
            searched.look(&memory, run, needles)?;
        }
    }
    ensure!(searched.bytes > 0, "{} has no memory", searched.name);
    Ok(searched)
}

/// The parts of a mapping that are in memory (or swapped), whole pages each.
fn runs(held: &File, mapping: Range<u64>) -> Result<Vec<Range<u64>>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    let mut entries = vec![0; 1 << 20];
    let mut page = mapping.start / PAGE;
    while page < mapping.end / PAGE {
        let wanted = usize::try_from((mapping.end / PAGE - page) * 8)?.min(entries.len());
        let read = held.read_at(&mut entries[..wanted], page * 8)?;
        ensure!(read >= 8, "the pages of a mapping are not told");
        for entry in entries[..read].chunks_exact(8) {
            let is_held = entry[7] & 0b1100_0000 != 0;
            let from = page * PAGE;
            match runs.last_mut() {
                Some(run) if is_held && run.end == from => run.end += PAGE,
                _ if is_held => runs.push(from..from + PAGE),
                _ => {}
            }
            page += 1;
        }
    }
    Ok(runs)
}

impl Searched {
    /// Searches one run of pages, a piece at a time; what lies across two pieces is found too.
    fn look(&mut self, memory: &File, run: Range<u64>, needles: &[Needle]) -> Result<()> {
        let mut piece = vec![0; PIECE];
        let (mut at, mut kept) = (run.start, 0);
        while at < run.end {
            let wanted = usize::try_from(run.end - at)?.min(PIECE - kept);
            let Ok(read @ 1..) = memory.read_at(&mut piece[kept..kept + wanted], at) else {
                // Given back since it was listed.
                return Ok(());
            };
            let filled = kept + read;
            for (what, needle) in needles {
                // Not again what was whole in the piece before.
                let from = (kept + 1).saturating_sub(needle.len());
                for _ in memmem::find_iter(&piece[from..filled], needle) {
                    match self.hits.iter_mut().find(|(known, _)| known == what) {
                        Some((_, times)) => *times += 1,
                        None => self.hits.push((what, 1)),
                    }
                }
            }
            (at, self.bytes) = (at + read as u64, self.bytes + read as u64);
            let longest = needles.iter().map(|(_, needle)| needle.len()).max();
            let keep = longest.unwrap_or_default().min(filled);
            piece.copy_within(filled - keep..filled, 0);
            kept = keep;
        }
        Ok(())
    }
}
