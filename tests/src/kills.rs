//! Kills a sender's and a receiver's engine at random moments while they send and open, and counts
//! what was promised and not kept.
//!
//! The relay runs in the parent. The sender's child tells `ack SUBJECT` once `send_draft` returned:
//! from then on the message is sealed and must be opened exactly once by the receiver, whatever is
//! killed when. Both vaults go on from kill to kill; at the end both run undisturbed until the
//! receiver has everything.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::runtime::Runtime;
use waxwing_client::view::{EnvelopeRow, Folder, IncomingState, Stage};
use waxwing_client::{App, Changes, Config, Failure};

use crate::engine::{LoopbackRelay, PASSPHRASE, Street, passphrase, text};

/// Every so many messages carry a file.
const FILE_EVERY: u64 = 8;
/// So many wait in the outbox before the next is written.
const MOST_WAITING: u32 = 20;
/// How long one life may take to get ready, and the last lives to come to their end.
const PATIENCE: Duration = Duration::from_secs(300);

/// What was found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Messages that were told to be sealed.
    pub acked: usize,
    /// Of those, never opened by the receiver.
    pub lost: usize,
    /// In the receiver's inbox more than once.
    pub doubled: usize,
    /// Envelopes that the receiver keeps and cannot open, files that do not, and vaults that do not.
    pub unopenable: usize,
}

/// Who a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sends without end.
    Sender,
    /// Opens what comes.
    Receiver,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
        }
    }

    /// The role of that name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Sender, Self::Receiver]
            .into_iter()
            .find(|role| role.name() == name)
    }
}

/// Runs the whole: `kills` kills, two in three of them of the sender.
pub fn run(kills: u32, seed: u64) -> Result<Found> {
    let runtime = Runtime::new()?;
    let mut rng = StdRng::seed_from_u64(seed);
    let street = runtime.block_on(Street::with(|config| {
        // One sender for one receiver, faster than any person.
        (config.claim_rate, config.device_rate) = (None, None);
    }));
    runtime.block_on(async {
        let sender = street.person(Role::Sender.name()).await;
        let receiver = street.person(Role::Receiver.name()).await;
        sender.add(Role::Receiver.name()).await;
        sender.close().await;
        receiver.close().await;
    });
    let mut lives = Lives {
        street,
        told: BTreeSet::new(),
        next: 0,
        unopenable: 0,
    };
    let mut receiver = lives.start(Role::Receiver, false)?;
    let mut sender = lives.start(Role::Sender, false)?;
    for _ in 0..kills {
        let victim = if rng.random_ratio(2, 3) {
            &mut sender
        } else {
            &mut receiver
        };
        // One in five dies while it unlocks, the others at their work.
        if !rng.random_ratio(1, 5) {
            lives.hear(victim, PATIENCE, |line| line == "ready")?;
        }
        let patience = Duration::from_micros(rng.random_range(0..=900_000));
        lives.hear(victim, patience, |_| false)?;
        // SIGKILL: the process gets no chance to put anything in order.
        victim.child.kill()?;
        victim.child.wait()?;
        lives.hear(victim, PATIENCE, |_| false)?;
        let role = victim.role;
        *victim = lives.start(role, false)?;
        let other = if role == Role::Sender {
            &mut receiver
        } else {
            &mut sender
        };
        lives.hear(other, Duration::ZERO, |_| false)?;
    }
    lives.finish(sender, receiver)
}

struct Lives {
    street: Street,
    /// Numbers of the messages that were told to be sealed.
    told: BTreeSet<u64>,
    next: u64,
    unopenable: usize,
}

struct Life {
    role: Role,
    child: Child,
    lines: Receiver<String>,
    /// Was told that it is ready.
    is_ready: bool,
}

impl Lives {
    fn start(&self, role: Role, last: bool) -> Result<Life> {
        let (child, lines) = start(
            Command::new(std::env::current_exe()?)
                .args(["--child", role.name(), "--from", &self.next.to_string()])
                .arg("--dir")
                .arg(self.street.dir(""))
                .args(last.then_some("--last")),
        )?;
        Ok(Life {
            role,
            child,
            lines,
            is_ready: false,
        })
    }

    /// Hears what a child tells until `enough`, its end or the end of patience.
    fn hear(
        &mut self,
        life: &mut Life,
        patience: Duration,
        enough: impl Fn(&str) -> bool,
    ) -> Result<()> {
        if life.is_ready && enough("ready") {
            return Ok(());
        }
        let end = Instant::now() + patience;
        loop {
            let line = match life
                .lines
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) if patience == PATIENCE => {
                    bail!("a {} does not get on", life.role.name());
                }
                Err(_) => return Ok(()),
            };
            life.is_ready |= line == "ready";
            match line.split_once(' ') {
                Some(("try", number)) => self.next = number.parse::<u64>()? + 1,
                Some(("ack", number)) => drop(self.told.insert(number.parse()?)),
                Some(("unopenable", why)) => {
                    eprintln!("{}: {why}", life.role.name());
                    self.unopenable += 1;
                }
                _ => {}
            }
            if enough(&line) {
                return Ok(());
            }
        }
    }

    /// Lets both come to their end undisturbed, and looks what the receiver has.
    fn finish(mut self, mut sender: Life, mut receiver: Life) -> Result<Found> {
        for life in [&mut sender, &mut receiver] {
            life.child.kill()?;
            life.child.wait()?;
            self.hear(life, PATIENCE, |_| false)?;
        }
        let mut receiver = self.start(Role::Receiver, true)?;
        let mut sender = self.start(Role::Sender, true)?;
        self.hear(&mut sender, PATIENCE, |line| line == "empty")?;
        self.hear(&mut receiver, PATIENCE, |line| line == "ready")?;
        // Everything that was sealed is at the relay or further; the receiver is told how many.
        let begun = Instant::now();
        let mut seen = BTreeMap::new();
        while begun.elapsed() < PATIENCE {
            seen = self.inbox(&mut receiver)?;
            if self.told.iter().all(|number| seen.contains_key(number)) {
                break;
            }
        }
        for life in [&mut sender, &mut receiver] {
            life.child.kill()?;
            life.child.wait()?;
        }
        let lost = self.told.iter().filter(|number| !seen.contains_key(number));
        Ok(Found {
            acked: self.told.len(),
            lost: lost.count(),
            doubled: seen.values().filter(|count| **count > 1).count(),
            unopenable: self.unopenable,
        })
    }

    /// The next whole look into the inbox that the last receiver tells.
    fn inbox(&mut self, receiver: &mut Life) -> Result<BTreeMap<u64, u32>> {
        let mut seen = BTreeMap::new();
        loop {
            let line = receiver.lines.recv_timeout(PATIENCE);
            let line = line.map_err(|_| anyhow!("the receiver does not get on"))?;
            match line.split_once(' ') {
                Some(("has", number)) => *seen.entry(number.parse()?).or_default() += 1,
                Some(("unopenable", why)) => {
                    eprintln!("receiver: {why}");
                    self.unopenable += 1;
                }
                _ if line == "looked" => return Ok(seen),
                _ => {}
            }
        }
    }
}

/// Tells the parent, at once.
pub(crate) fn tell(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Runs the child's side until it is killed.
pub fn child(role: Role, dir: &Path, from: u64, last: bool) -> Result<()> {
    let worked = Runtime::new()?.block_on(async {
        let app = open(role, dir).await?;
        match role {
            Role::Sender if last => send_rest(&app).await,
            Role::Sender => send(&app, dir, from).await,
            Role::Receiver if last => tell_inbox(&app).await,
            Role::Receiver => open_all(&app).await,
        }
    });
    if let Err(error) = &worked {
        tell(&format!("unopenable {error:#}"))?;
    }
    worked
}

async fn open(role: Role, dir: &Path) -> Result<App> {
    let config = Config::new(
        role.name().to_owned(),
        dir.join(role.name()),
        dir.join("no-relay"),
        Arc::new(LoopbackRelay::default()),
    );
    let app = App::start(config)
        .await
        .map_err(|error| anyhow!("{error}"))?;
    let stage = app.unlock(passphrase(PASSPHRASE)).await?;
    if stage != Stage::Open {
        bail!("the vault is {stage:?}");
    }
    tell("ready")?;
    Ok(app)
}

async fn send(app: &App, dir: &Path, from: u64) -> Result<()> {
    let contacts = app.contacts().await?;
    let to = &contacts.first().context("a contact")?.account;
    let mut changes = app.changes();
    for number in from.. {
        while app.status().await.outbox > MOST_WAITING {
            next(&mut changes).await;
        }
        tell(&format!("try {number}"))?;
        let draft = app.new_draft(None).await?.id;
        if number % FILE_EVERY == 0 {
            app.attach(draft.clone(), vec![file(dir, number)?]).await?;
        }
        app.send_draft(draft, text(&[to], &number.to_string()))
            .await?;
        tell(&format!("ack {number}"))?;
    }
    Ok(())
}

fn file(dir: &Path, number: u64) -> Result<PathBuf> {
    let path = dir.join(format!("file-{number}"));
    std::fs::write(&path, content(number))?;
    Ok(path)
}

fn content(number: u64) -> Vec<u8> {
    let mut bytes = vec![0; 50_000];
    StdRng::seed_from_u64(number).fill(&mut bytes[..]);
    bytes
}

/// Waits until the outbox is empty.
async fn send_rest(app: &App) -> Result<()> {
    let mut changes = app.changes();
    while app.status().await.outbox > 0 {
        app.try_now(None).await?;
        next(&mut changes).await;
    }
    tell("empty")?;
    // The relay may yet bring a statement that an envelope did not open.
    std::future::pending().await
}

async fn open_all(app: &App) -> Result<()> {
    let mut changes = app.changes();
    loop {
        // Looking at one is a write too.
        let newest = app.envelopes(Folder::Inbox, None, 50).await?.items;
        if let Some(row) = newest.into_iter().find(is_waiting) {
            app.envelope(row.id).await?;
        } else {
            next(&mut changes).await;
        }
    }
}

fn is_waiting(row: &EnvelopeRow) -> bool {
    row.incoming == Some(IncomingState::Waiting)
}

/// Tells what is in the inbox, whenever that changes, after fetching and checking the files.
async fn tell_inbox(app: &App) -> Result<()> {
    let mut changes = app.changes();
    let mut checked = BTreeSet::new();
    loop {
        for row in inbox(app).await? {
            if let Some(IncomingState::Unopenable { reason }) = row.incoming {
                if checked.insert(row.id) {
                    tell(&format!("unopenable {reason:?}"))?;
                }
                continue;
            }
            if row.attachments > 0 && !checked.contains(&row.id) {
                match check_file(app, &row.id, row.subject.parse()?).await {
                    Ok(()) => drop(checked.insert(row.id.clone())),
                    Err(error) => tell(&format!("unopenable file: {error:#}"))?,
                }
            }
            tell(&format!("has {}", row.subject))?;
        }
        tell("looked")?;
        next(&mut changes).await;
    }
}

async fn check_file(app: &App, envelope: &str, number: u64) -> Result<()> {
    let view = app.envelope(envelope.to_owned()).await?;
    let folder = tempfile::tempdir()?;
    let file = view.files.first().context("a file")?;
    let path = folder.path().join("file");
    app.save_file_to(envelope.to_owned(), file.id.clone(), path.clone())
        .await?;
    if std::fs::read(path)? != content(number) {
        bail!("file {number} differs");
    }
    Ok(())
}

pub(crate) async fn inbox(app: &App) -> Result<Vec<EnvelopeRow>, Failure> {
    let mut rows = Vec::new();
    let mut cursor = None;
    loop {
        let page = app.envelopes(Folder::Inbox, cursor, 500).await?;
        rows.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(rows);
        }
    }
}

/// Waits for a change, and a second at most; what is told meanwhile counts as one.
async fn next(changes: &mut Changes) {
    let mut patience = Duration::from_secs(1);
    while let Ok(Some(_)) = tokio::time::timeout(patience, changes.next()).await {
        patience = Duration::ZERO;
    }
}

/// Starts a child and gives the lines that it tells.
pub(crate) fn start(command: &mut Command) -> Result<(Child, Receiver<String>)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("the child does not start")?;
    let out = child.stdout.take().context("the child has no output")?;
    let (send, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(std::io::Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    Ok((child, lines))
}
