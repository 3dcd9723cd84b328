//! Kills a process while it changes the vault's passphrase, gives the whole store a new root key, or
//! replaces the account's keys ([`renewal`]), and counts what was lost, what does not open, and what opens twice.
//!
//! The child ([`child`]) holds a vault, writes messages, drafts, outbox rows and everything else
//! without a pause, and meanwhile changes the passphrase (intention 1) or re-keys (intention 2), or
//! goes on with or undoes what a kill left under way. It dies at a random moment, or at one of the
//! named steps of [`waxwing_vault::steps`], each of which has its turn. After every kill the parent
//! looks: exactly one of the old and the new passphrase opens, and of the two codes; the vault knows
//! whether something is under way; nothing else is left in the folder; and every row that was told
//! to be written is there, in order (`model`).

use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_vault::steps::{self, Step};
use waxwing_vault::{Locked, Open, State, Vault};

use crate::kills::start;

pub mod child;
mod model;
pub mod renewal;

/// How long one life may take to come to its end.
const PATIENCE: Duration = Duration::from_secs(300);

/// What was found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Named steps at which a child was killed, of [`steps::ALL`].
    pub steps: usize,
    /// Passphrases changed.
    pub changed: u32,
    /// Re-keys finished.
    pub rekeyed: u32,
    /// Re-keys undone.
    pub undone: u32,
    /// Times that the account's keys were replaced.
    pub renewed: u32,
    /// Commits that were told to be written.
    pub acked: u64,
    /// Kills after which something that was told was missing or wrong.
    pub lost: u32,
    /// Kills after which neither passphrase, neither code, or not the one that was told opened.
    pub unopenable: u32,
    /// Kills after which both opened.
    pub both_open: u32,
}

/// What a child does beside writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Intention 1.
    Change,
    /// Intention 2, to its end; goes on with one that is under way.
    Rekey,
    /// Intention 2, given up on the way.
    Undo,
    /// Intention 3.
    Rotate,
    /// Intention 4.
    Reset,
}

impl Act {
    const ALL: [Self; 5] = [
        Self::Change,
        Self::Rekey,
        Self::Undo,
        Self::Rotate,
        Self::Reset,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Rekey => "rekey",
            Self::Undo => "undo",
            Self::Rotate => "rotate",
            Self::Reset => "reset",
        }
    }

    /// The act of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.name() == name)
    }

    fn comes_by(self, step: Step) -> bool {
        let of_undoing = matches!(step, Step::Undone | Step::NextRemoved);
        let of_renewal = matches!(
            step,
            Step::RenewalWanted
                | Step::RevocationKept
                | Step::RevocationOut
                | Step::KeysStaged
                | Step::CardStaged
                | Step::CardOut
                | Step::KeysSwapped
                | Step::CardAdopted
                | Step::LaneSealedAgain
                | Step::TakenBack
                | Step::SealedAgain
                | Step::NoticeSealed
        );
        match self {
            Self::Rotate | Self::Reset => of_renewal,
            Self::Rekey => !of_undoing && !of_renewal,
            Self::Undo => of_undoing,
            Self::Change => matches!(
                step,
                Step::DraftOpened
                    | Step::DraftWritten
                    | Step::DraftSynced
                    | Step::DraftChecked
                    | Step::HeaderRenamed
                    | Step::HeaderSynced
            ),
        }
    }
}

/// A way in, as it is passed to a child.
#[derive(Debug, Clone)]
pub struct Ways {
    /// The passphrase.
    pub passphrase: String,
    /// The recovery code's words, when they were told.
    pub code: Option<String>,
}

impl Ways {
    fn numbered(number: u32) -> Self {
        Self {
            passphrase: format!("passphrase number {number} of many"),
            code: None,
        }
    }
}

/// Runs the whole: `kills` kills, half of them of who changes the vault's keys and half of who replaces
/// the account's.
pub fn run(kills: u32, seed: u64) -> Result<Found> {
    let mut rng = StdRng::seed_from_u64(seed);
    let of_renewal = kills / 2;
    let (mut found, mut left) = vault(kills - of_renewal, &mut rng)?;
    renewal::run(of_renewal, &mut rng, &mut left, &mut found)?;
    found.steps = steps::ALL.len() - left.len();
    Ok(found)
}

/// Kills of who holds one vault, one after the other.
fn vault(kills: u32, rng: &mut StdRng) -> Result<(Found, Vec<Step>)> {
    let place = tempfile::tempdir()?;
    let dir = place.path().join("alice");
    let mut now = Ways::numbered(0);
    let passphrase = Passphrase::new(&now.passphrase);
    let keyring = model::keyring(rng);
    let (open, code) = Vault::create(&dir, &passphrase, KdfParams::FLOOR, keyring, rng)?;
    model::begin(&open, rng)?;
    drop(open);
    now.code = Some(code.words().join(" "));
    let mut yard = Yard {
        dir,
        now,
        to_come: None,
        numbers: 0,
        written: 0,
        left: steps::ALL.to_vec(),
        found: Found::default(),
    };
    for kill in 0..kills {
        yard.one_life(rng).with_context(|| format!("kill {kill}"))?;
        yard.found.steps = steps::ALL.len() - yard.left.len();
        if (kill + 1).is_multiple_of(50) {
            println!("{} of {kills}: {:?}", kill + 1, yard.found);
        }
    }
    Ok((yard.found, yard.left))
}

struct Yard {
    dir: PathBuf,
    /// What opens the vault.
    now: Ways,
    /// What a re-key that is under way will make open it.
    to_come: Option<Ways>,
    numbers: u32,
    /// The last commit that is known to be written.
    written: u64,
    /// Steps at which nobody died yet.
    left: Vec<Step>,
    found: Found,
}

/// What a child told before it died.
#[derive(Debug, Default)]
struct Told {
    acked: u64,
    all_acked: Vec<u64>,
    tried: u64,
    code: Option<String>,
    changed: bool,
    finished: bool,
    undone: bool,
    at: Option<String>,
}

impl Yard {
    fn one_life(&mut self, rng: &mut StdRng) -> Result<()> {
        let act = match self.to_come {
            Some(_) => *[Act::Rekey, Act::Rekey, Act::Undo]
                .choose(rng)
                .context("act")?,
            None => *[Act::Change, Act::Rekey, Act::Rekey, Act::Undo]
                .choose(rng)
                .context("act")?,
        };
        let next = match &self.to_come {
            Some(ways) => ways.clone(),
            None => {
                self.numbers += 1;
                Ways::numbered(self.numbers)
            }
        };
        let stop_at = rng.random_ratio(3, 5).then(|| self.next_stop(act, rng));
        let stop_at = stop_at.flatten();
        let told = self.live(act, &next, stop_at, rng)?;
        if let Some(name) = &told.at {
            self.left.retain(|step| format!("{step:?}") != *name);
        }
        self.look(act, next, &told)
            .with_context(|| format!("{act:?} {stop_at:?} {told:?}"))
    }

    /// A step at which nobody died yet, when the act comes by one.
    fn next_stop(&self, act: Act, rng: &mut StdRng) -> Option<Step> {
        let of = |steps: &[Step]| -> Vec<Step> {
            let steps = steps.iter().copied();
            steps.filter(|step| act.comes_by(*step)).collect()
        };
        let (left, all) = (of(&self.left), of(&steps::ALL));
        left.choose(rng).or_else(|| all.choose(rng)).copied()
    }

    /// Starts a child and kills it.
    fn live(
        &mut self,
        act: Act,
        next: &Ways,
        stop_at: Option<Step>,
        rng: &mut StdRng,
    ) -> Result<Told> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--child", "rotation", "--act", act.name(), "--dir"]);
        command.arg(&self.dir);
        command.args(["--from", &(self.written + 1).to_string()]);
        command.args(["--now", &self.now.passphrase, "--next", &next.passphrase]);
        if let Some(code) = &next.code {
            command.args(["--code", code]);
        }
        if let Some(step) = stop_at {
            command.args(["--stop-at", &format!("{step:?}")]);
            // The first time at once; later also where it comes by once more.
            let most = if self.left.contains(&step) { 0 } else { 2 };
            command.args(["--stop-after", &rng.random_range(0..=most).to_string()]);
        }
        let (mut child, lines) = start(&mut command)?;
        let mut told = Told::default();
        // One in eight dies while it unlocks, the others at their work.
        let patience = match stop_at {
            Some(_) => PATIENCE,
            None => {
                if !rng.random_ratio(1, 8) {
                    hear(&lines, &mut told, PATIENCE, |line| line == "ready")?;
                }
                Duration::from_micros(rng.random_range(0..=2_000_000))
            }
        };
        hear(&lines, &mut told, patience, |line| {
            line == "done" || line.starts_with("at ")
        })?;
        // Others go on for a moment, or wait for who stopped.
        let patience = Duration::from_micros(rng.random_range(0..=20_000));
        hear(&lines, &mut told, patience, |_| false)?;
        // SIGKILL: the process gets no chance to put anything in order.
        child.kill()?;
        child.wait()?;
        hear(&lines, &mut told, PATIENCE, |_| false)?;
        Ok(told)
    }

    /// Looks what a kill left.
    fn look(&mut self, act: Act, mut next: Ways, told: &Told) -> Result<()> {
        next.code = told.code.clone().or(next.code);
        let (by_next, locked) = opens(self.locked()?, &next.passphrase);
        let (by_now, locked) = opens(locked, &self.now.passphrase);
        let is_next = match (by_now, by_next) {
            (true, true) => {
                self.found.both_open += 1;
                bail!("both passphrases open");
            }
            (false, false) => {
                self.found.unopenable += 1;
                bail!("no passphrase opens");
            }
            (_, is_next) => is_next,
        };
        if is_next != (told.changed || told.finished) {
            // It may have died between the act and the word.
            if !is_next {
                self.found.unopenable += 1;
                eprintln!("{act:?}: told as done, and the old passphrase opens");
            }
        }
        let ways = if is_next { &next } else { &self.now };
        let open = locked
            .unlock(&Passphrase::new(&ways.passphrase))
            .map_err(|(_, error)| error)?;
        if !self.codes_are_right(&open, act, is_next, &next)? {
            self.found.unopenable += 1;
            eprintln!("{act:?}: the recovery codes are not right");
        }
        let is_under_way = open.rekey().is_some();
        let should_be = act != Act::Change && !is_next && !told.undone && next.code.is_some();
        if is_under_way && (act == Act::Change || told.undone) {
            self.found.lost += 1;
            eprintln!("{act:?}: under way, and nothing should be");
        }
        if should_be && !is_under_way && act != Act::Undo {
            self.found.lost += 1;
            eprintln!("{act:?}: begun, and nothing is under way");
        }
        if !model::is_tidy(&self.dir, is_under_way)? {
            self.found.lost += 1;
            eprintln!("{act:?}: something is left in the folder");
        }
        match model::check(&open, self.written.max(told.acked), told.tried) {
            Ok(written) => self.written = written,
            Err(error) => {
                self.found.lost += 1;
                bail!("{error:#}");
            }
        }
        drop(open);
        self.found.acked = self.written;
        match (act, is_next) {
            (Act::Change, true) => self.found.changed += 1,
            (_, true) => self.found.rekeyed += 1,
            _ => {}
        }
        self.found.undone += u32::from(told.undone);
        self.to_come = None;
        if is_next {
            if act == Act::Change {
                next.code = self.now.code.take();
            }
            self.now = next;
        } else if is_under_way {
            self.to_come = Some(next);
        }
        Ok(())
    }

    fn locked(&self) -> Result<Locked> {
        match Vault::look(&self.dir)? {
            State::Locked(locked) => Ok(locked),
            other => bail!("the vault is {other:?}"),
        }
    }

    /// The code that opens is the one that belongs to the passphrase that opens.
    fn codes_are_right(&self, open: &Open, act: Act, is_next: bool, next: &Ways) -> Result<bool> {
        let opens = |words: &Option<String>| -> Result<Option<bool>> {
            let code = words.as_deref().map(RecoveryCode::parse).transpose()?;
            Ok(code.map(|code| open.check_recovery(&code)).transpose()?)
        };
        let (by_now, by_next) = (opens(&self.now.code)?, opens(&next.code)?);
        let is_replaced = is_next && act != Act::Change;
        Ok(by_now.is_none_or(|opens| opens != is_replaced)
            && by_next.is_none_or(|opens| opens == is_replaced))
    }
}

/// Whether a passphrase opens the vault, which is locked again.
fn opens(locked: Locked, passphrase: &str) -> (bool, Locked) {
    match locked.unlock(&Passphrase::new(passphrase)) {
        Ok(open) => (true, open.lock()),
        Err((locked, _)) => (false, locked),
    }
}

/// Hears what a child tells until `enough`, its end or the end of patience.
fn hear(
    lines: &Receiver<String>,
    told: &mut Told,
    patience: Duration,
    enough: impl Fn(&str) -> bool,
) -> Result<()> {
    let end = Instant::now() + patience;
    loop {
        let line = match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) if patience == PATIENCE => {
                bail!("a child does not get on: {told:?}")
            }
            Err(_) => return Ok(()),
        };
        match line.split_once(' ') {
            Some(("try", number)) => told.tried = number.parse()?,
            Some(("ack", number)) => {
                told.acked = number.parse()?;
                told.all_acked.push(told.acked);
            }
            Some(("code", words)) => told.code = Some(words.to_owned()),
            Some(("at", step)) => told.at = Some(step.to_owned()),
            Some(("failed", why)) => bail!("a child failed: {why}"),
            _ => match line.as_str() {
                "changed" => told.changed = true,
                "finished" => told.finished = true,
                "undone" => told.undone = true,
                _ => {}
            },
        }
        if enough(&line) {
            return Ok(());
        }
    }
}
