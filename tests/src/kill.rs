//! Killing a process at random moments and counting what it had promised: the harness, without
//! knowing what is promised.
//!
//! A [`Scenario`] runs in a child process and tells on standard output, one line each, what it is
//! about to do (`try N`), what is done and durable (`ack N`), and `ready` once it works. The parent
//! kills it with SIGKILL at a random moment and asks the scenario what of the acknowledged is lost,
//! doubled or torn. The folder goes on from kill to kill.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rand::RngExt as _;

/// What is promised, and how to check it.
pub trait Scenario {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// Runs in the child until it is killed, numbering what it does from `from`.
    fn work(&self, dir: &Path, from: u64, tell: &mut Tell) -> Result<()>;

    /// Runs in the parent after each kill (`full` is false: look at `recent` acknowledgements) and
    /// once at the end (`full` is true: look at all of `acked`).
    fn check(&self, dir: &Path, told: &Told, full: bool) -> Result<Verdict>;
}

/// How the child speaks to the parent.
pub struct Tell(std::io::Stdout);

impl Tell {
    fn line(&mut self, word: &str, number: u64) -> Result<()> {
        let mut out = self.0.lock();
        writeln!(out, "{word} {number}")?;
        Ok(out.flush()?)
    }

    /// The work begins.
    pub fn ready(&mut self) -> Result<()> {
        self.line("ready", 0)
    }

    /// Number `n` is about to be done.
    pub fn tried(&mut self, n: u64) -> Result<()> {
        self.line("try", n)
    }

    /// Number `n` is done and will not be lost.
    pub fn acked(&mut self, n: u64) -> Result<()> {
        self.line("ack", n)
    }
}

/// All that the children have told.
#[derive(Debug, Default)]
pub struct Told {
    /// Everything that was begun.
    pub tried: BTreeSet<u64>,
    /// Everything that was acknowledged.
    pub acked: BTreeSet<u64>,
    /// What was acknowledged since the last check.
    pub recent: BTreeSet<u64>,
}

impl Told {
    /// The number to go on from.
    pub fn next(&self) -> u64 {
        self.tried.last().map_or(0, |last| last + 1)
    }

    fn hear(&mut self, line: &str) -> Result<()> {
        let (word, number) = line.split_once(' ').context("a line without a number")?;
        let number = number.parse()?;
        match word {
            "try" => {
                self.tried.insert(number);
            }
            "ack" => {
                self.acked.insert(number);
                self.recent.insert(number);
            }
            _ => {}
        }
        Ok(())
    }
}

/// What a check found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Acknowledged and not there, or not whole.
    pub lost: u64,
    /// There more than once.
    pub doubled: u64,
    /// The folder does not open.
    pub unopenable: u64,
}

impl Verdict {
    fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.unopenable += other.unopenable;
    }
}

/// Runs the child's side; call it when the arguments say `child`.
pub fn child(scenario: &dyn Scenario, dir: &Path, from: u64) -> Result<()> {
    scenario.work(dir, from, &mut Tell(std::io::stdout()))
}

/// Kills `kills` children and answers what was acknowledged and what was found.
pub fn run(scenario: &dyn Scenario, dir: &Path, kills: u32) -> Result<(Told, Verdict)> {
    let mut told = Told::default();
    let mut found = Verdict::default();
    let mut rng = rand::rng();
    for _ in 0..kills {
        let mut child = start(scenario, dir, told.next())?;
        let lines = listen(&mut child)?;
        // One in five dies while it opens, the others while they write.
        let opening = rng.random_ratio(1, 5);
        // Of those that write, one in four gets so long that slow steps come to their end too.
        let most = match (opening, rng.random_ratio(1, 4)) {
            (true, _) => 100_000,
            (false, false) => 400_000,
            (false, true) => 4_000_000,
        };
        let patience = Duration::from_micros(rng.random_range(0..=most));
        if !opening {
            wait_until_ready(&lines, &mut told)?;
        }
        hear_for(&lines, patience, &mut told)?;
        // SIGKILL: the process gets no chance to put anything in order.
        child.kill()?;
        child.wait()?;
        for line in lines {
            told.hear(&line)?;
        }
        found.add(scenario.check(dir, &told, false)?);
        told.recent.clear();
    }
    found.add(scenario.check(dir, &told, true)?);
    Ok((told, found))
}

fn start(scenario: &dyn Scenario, dir: &Path, from: u64) -> Result<Child> {
    Command::new(std::env::current_exe()?)
        .args([
            "--child",
            scenario.name(),
            "--from",
            &from.to_string(),
            "--dir",
        ])
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("the child does not start")
}

fn listen(child: &mut Child) -> Result<Receiver<String>> {
    let out = child.stdout.take().context("the child has no output")?;
    let (send, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(std::io::Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    Ok(lines)
}

fn wait_until_ready(lines: &Receiver<String>, told: &mut Told) -> Result<()> {
    loop {
        let line = lines
            .recv_timeout(Duration::from_secs(180))
            .context("the child did not get ready")?;
        told.hear(&line)?;
        if line.starts_with("ready") {
            return Ok(());
        }
    }
}

fn hear_for(lines: &Receiver<String>, patience: Duration, told: &mut Told) -> Result<()> {
    let end = std::time::Instant::now() + patience;
    loop {
        match lines.recv_timeout(end.saturating_duration_since(std::time::Instant::now())) {
            Ok(line) => told.hear(&line)?,
            Err(RecvTimeoutError::Timeout) => return Ok(()),
            Err(RecvTimeoutError::Disconnected) => bail!("the child ended by itself"),
        }
    }
}
