//! Kills who replaces the account's keys (intentions 3 and 4), alone and together with a re-key, while it
//! writes to somebody; over the real relay.
//!
//! The relay and the one who is written to run in the parent. He accepts every change of key, so that
//! nothing stays held. After every kill exactly one passphrase opens, every message that was told to be
//! sealed is there, and the keys are those of the card. In the end he has opened every message once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use tokio::runtime::Runtime;
use waxwing_client::view::{IncomingState, RenewalKind, RenewalState, Stage, ToldState};
use waxwing_client::{App, Changes, Config, Failure};
use waxwing_crypto::keys::AccountKey;
use waxwing_vault::rows::{MailBox, OwnCard, Renewal};
use waxwing_vault::steps::{self, Step};
use waxwing_vault::{Open, Page, State, Vault};
use waxwing_wire::card::Card;

use super::{Act, Found, PATIENCE, Told, Ways, child, hear, opens};
use crate::engine::{Engine, LoopbackRelay, PASSPHRASE, Street, passphrase, text};
use crate::kills::{start, tell};

const NAME: &str = "alice";
/// So many wait in the outbox before the next is written.
const MOST_WAITING: u32 = 12;

/// Runs the whole: `kills` kills, one after the other, of who replaces one account's keys.
pub(super) fn run(
    kills: u32,
    rng: &mut StdRng,
    left: &mut Vec<Step>,
    found: &mut Found,
) -> Result<()> {
    let runtime = Runtime::new()?;
    let street = runtime.block_on(Street::with(|config| {
        // One sender for one receiver, faster than any person.
        (config.claim_rate, config.device_rate) = (None, None);
    }));
    let bob = runtime.block_on(async {
        let alice = street.person(NAME).await;
        let bob = street.person("bob").await;
        alice.add("bob").await;
        let account = bob.add(NAME).await;
        alice.close().await;
        // Many kills take longer than the time after which he would be locked.
        let mut settings = bob.app.settings().await?;
        settings.lock_after_minutes = None;
        bob.app.save_settings(settings).await?;
        tokio::spawn(accept_all(bob.app.clone(), account));
        anyhow::Ok(bob)
    })?;
    let mut yard = Yard {
        street,
        now: PASSPHRASE.to_owned(),
        number: 0,
        told: BTreeSet::new(),
        tried: 0,
    };
    for kill in 0..kills {
        yard.one_life(rng, left, found)
            .with_context(|| format!("kill {kill} of a renewal"))?;
        if (kill + 1).is_multiple_of(50) {
            println!("{} of {kills}: {found:?}", kill + 1);
        }
    }
    runtime.block_on(yard.finish(&bob, found))
}

struct Yard {
    street: Street,
    /// What opens the vault.
    now: String,
    number: u32,
    /// Messages that were told to be sealed.
    told: BTreeSet<u64>,
    tried: u64,
}

impl Yard {
    fn next(&self) -> String {
        format!("passphrase number {} of many", self.number)
    }

    fn one_life(
        &mut self,
        rng: &mut StdRng,
        left: &mut Vec<Step>,
        found: &mut Found,
    ) -> Result<()> {
        let act = *[Act::Rotate, Act::Reset].choose(rng).context("act")?;
        let of = |steps: &[Step]| -> Vec<Step> {
            let steps = steps.iter().copied();
            steps.filter(|step| act.comes_by(*step)).collect()
        };
        let (still, all) = (of(left), of(&steps::ALL));
        let stop_at = still.choose(rng).or_else(|| all.choose(rng)).copied();
        let stop_at = stop_at.filter(|_| rng.random_ratio(3, 5));
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--child", "renewal", "--act", act.name(), "--dir"]);
        command.arg(self.street.dir(""));
        command.args(["--from", &(self.tried + 1).to_string()]);
        command.args(["--now", &self.now, "--next", &self.next()]);
        if rng.random_ratio(1, 3) {
            command.arg("--last");
        }
        if let Some(step) = stop_at {
            command.args(["--stop-at", &format!("{step:?}")]);
            command.args(["--stop-after", "0"]);
        }
        let (mut process, lines) = start(&mut command)?;
        let mut told = Told::default();
        hear(&lines, &mut told, PATIENCE, |line| line == "ready")?;
        let patience = match stop_at {
            Some(_) => PATIENCE,
            None => Duration::from_micros(rng.random_range(0..=4_000_000)),
        };
        hear(&lines, &mut told, patience, |line| {
            line == "done" || line.starts_with("at ")
        })?;
        let patience = Duration::from_micros(rng.random_range(0..=20_000));
        hear(&lines, &mut told, patience, |_| false)?;
        // SIGKILL: the process gets no chance to put anything in order.
        process.kill()?;
        process.wait()?;
        hear(&lines, &mut told, PATIENCE, |_| false)?;
        if let Some(name) = &told.at {
            left.retain(|step| format!("{step:?}") != *name);
        }
        self.told.extend(&told.all_acked);
        self.tried = self.tried.max(told.tried);
        self.look(found)
            .with_context(|| format!("{act:?} {stop_at:?} {told:?}"))
    }

    /// Looks what a kill left.
    fn look(&mut self, found: &mut Found) -> Result<()> {
        let locked = match Vault::look(&self.street.dir(NAME))? {
            State::Locked(locked) => locked,
            other => bail!("the vault is {other:?}"),
        };
        let next = self.next();
        let (by_next, locked) = opens(locked, &next);
        let (by_now, locked) = opens(locked, &self.now);
        match (by_now, by_next) {
            (true, true) => found.both_open += 1,
            (false, false) => found.unopenable += 1,
            (_, true) => {
                self.now = next;
                self.number += 1;
                found.rekeyed += 1;
            }
            (true, false) => {}
        }
        let pass = waxwing_crypto::kdf::Passphrase::new(&self.now);
        let open = locked.unlock(&pass).map_err(|(_, error)| error)?;
        let missing = self.missing(&open)?;
        if missing > 0 || !fits(&open)? {
            found.lost += 1;
            eprintln!("{missing} messages are missing, or keys and card do not fit");
        }
        Ok(())
    }

    /// How many of the messages that were told to be sealed are not there.
    fn missing(&self, open: &Open) -> Result<usize> {
        let rows = open
            .store()
            .messages(MailBox::Sent, &Page::oldest(1_000_000))?;
        let there: BTreeSet<u64> = rows
            .rows
            .iter()
            .filter_map(|row| row.subject.parse().ok())
            .collect();
        Ok(self.told.difference(&there).count())
    }

    /// Lets it come to its end undisturbed, and looks what was opened.
    async fn finish(self, bob: &Engine, found: &mut Found) -> Result<()> {
        let alice = self.street.open(NAME).await;
        let unlocked = alice.app.unlock(passphrase(&self.now)).await?;
        anyhow::ensure!(unlocked == Stage::Open, "{unlocked:?}");
        if alice.rekey().await?.is_some() {
            go_on_rekeying(&alice.app, &self.next()).await?;
        }
        until_over(&alice.app).await?;
        let mut changes = alice.changes();
        while alice.status().await.outbox > 0 {
            alice.try_now(None).await?;
            changed(&mut changes).await;
        }
        let begun = std::time::Instant::now();
        let mut changes = bob.changes();
        let (mut seen, mut unopenable) = (BTreeMap::<u64, u32>::new(), 0);
        while begun.elapsed() < PATIENCE {
            (seen, unopenable) = (BTreeMap::new(), 0);
            for row in crate::kills::inbox(&bob.app).await? {
                if matches!(row.incoming, Some(IncomingState::Unopenable { .. })) {
                    unopenable += 1;
                } else {
                    *seen.entry(row.subject.parse()?).or_default() += 1;
                }
            }
            if unopenable == 0 && self.told.iter().all(|number| seen.contains_key(number)) {
                break;
            }
            // What waits to be opened again is, whenever something comes.
            alice
                .send(&[&bob.account().await], &u64::MAX.to_string())
                .await?;
            changed(&mut changes).await;
        }
        seen.remove(&u64::MAX);
        let missing: Vec<&u64> = self.told.iter().filter(|n| !seen.contains_key(n)).collect();
        let doubled = seen.values().filter(|count| **count > 1).count();
        if !missing.is_empty() || doubled > 0 {
            eprintln!("missing {missing:?}, doubled {doubled}");
        }
        found.lost += u32::try_from(missing.len() + doubled)?;
        found.unopenable += unopenable;
        found.acked += self.told.len() as u64;
        let renewed = alice.activity(None, 500).await?.items.into_iter();
        let renewed = renewed.filter(|line| {
            use waxwing_client::view::ActivityKind as Kind;
            matches!(line.kind, Kind::KeyRotated | Kind::KeyReset)
        });
        found.renewed += u32::try_from(renewed.count())?;
        alice.close().await;
        Ok(())
    }
}

/// The keys are those of the own card, or of the one that is about to be.
fn fits(open: &Open) -> Result<bool> {
    let store = open.store();
    let own = store.load::<OwnCard>(&())?.context("an own card")?;
    let staged = store.load::<Renewal>(&())?.and_then(|row| row.card);
    let key = AccountKey::from_seed(&open.keyring().account);
    let is_of =
        |bytes: &[u8]| Card::decode(bytes).is_ok_and(|card| card.body().identity == *key.public());
    Ok(is_of(&own.card) || staged.is_some_and(|card| is_of(&card)))
}

/// Bob accepts every change of Alice's key.
async fn accept_all(bob: App, account: String) {
    let mut changes = bob.changes();
    loop {
        if bob
            .contact(account.clone())
            .await
            .is_ok_and(|contact| contact.held)
        {
            // Only revoked yet: there is nothing to accept.
            let _ = bob.accept_change(account.clone()).await;
        }
        if changes.next().await.is_none() {
            return;
        }
    }
}

/// Waits for a change, and a second at most.
async fn changed(changes: &mut Changes) {
    let _ = tokio::time::timeout(Duration::from_secs(1), changes.next()).await;
}

/// Waits until no key is being replaced any more and nothing is left to do after it.
async fn until_over(app: &App) -> Result<()> {
    let mut changes = app.changes();
    loop {
        let is_copied = app.rekey().await?.is_none();
        let is_renewed = app.key_renewal().await?.is_none_or(|renewal| {
            let mut told = renewal.told.iter();
            renewal.state == RenewalState::Done
                && renewal.to_seal_again == 0
                && told.all(|told| told.state != ToldState::NotYet)
        });
        if is_copied && is_renewed {
            return Ok(());
        }
        changed(&mut changes).await;
    }
}

async fn go_on_rekeying(app: &App, next: &str) -> Result<()> {
    app.continue_rekey(passphrase(next), None).await?;
    confirm(app).await
}

async fn confirm(app: &App) -> Result<()> {
    let words = app.rekey_code().await?;
    let groups = words.chunks(4).map(|group| group.join(" "));
    match app.confirm_rekey_code((0..).zip(groups).collect()).await {
        Ok(_) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The process that is killed.
pub fn run_child(
    act: Act,
    dir: &Path,
    from: u64,
    (now, next): (&str, Ways),
    with_rekey: bool,
    stop_at: Option<(String, u32)>,
) -> Result<()> {
    if let Some((step, after)) = stop_at {
        child::stop_at(step, AtomicU32::new(after));
    }
    let worked =
        Runtime::new()?.block_on(work(act, dir, from, (now, &next.passphrase), with_rekey));
    if let Err(error) = &worked {
        tell(&format!("failed {error:#}"))?;
    }
    worked
}

async fn work(
    act: Act,
    dir: &Path,
    from: u64,
    (now, next): (&str, &str),
    with_rekey: bool,
) -> Result<()> {
    let config = Config::new(
        NAME.to_owned(),
        dir.join(NAME),
        dir.join("no-relay"),
        Arc::new(LoopbackRelay::default()),
    );
    let app = App::start(config)
        .await
        .map_err(|error| anyhow!("{error}"))?;
    let stage = app.unlock(passphrase(now)).await?;
    anyhow::ensure!(stage == Stage::Open, "{stage:?}");
    tell("ready")?;
    let sending = tokio::spawn(send(app.clone(), from));
    let kind = match act {
        Act::Reset => RenewalKind::Reset,
        _ => RenewalKind::Rotate,
    };
    if app.rekey().await?.is_some() {
        go_on_rekeying(&app, next).await?;
    } else {
        let typed = passphrase(now);
        let asked = match kind {
            _ if with_rekey => {
                let begun = app
                    .begin_rekey(typed, passphrase(next), true, Some(kind))
                    .await;
                match begun {
                    Ok(_) => {
                        confirm(&app).await?;
                        Ok(())
                    }
                    Err(failure) => Err(failure),
                }
            }
            RenewalKind::Rotate => app.rotate_key(typed).await,
            RenewalKind::Reset => app.reset_key(typed).await,
        };
        match asked {
            // One that a kill left goes on; a key that was revoked is reset.
            Ok(()) | Err(Failure::RenewalUnderWay) => {}
            Err(Failure::KeyRevoked) => app.reset_key(passphrase(now)).await?,
            Err(failure) => return Err(failure.into()),
        }
    }
    tokio::select! {
        over = until_over(&app) => over?,
        sent = sending => sent??,
    }
    tell("done")?;
    std::future::pending().await
}

async fn send(app: App, from: u64) -> Result<()> {
    let contacts = app.contacts().await?;
    let to = &contacts.first().context("a contact")?.account;
    let mut changes = app.changes();
    for number in from.. {
        while app.status().await.outbox > MOST_WAITING {
            changed(&mut changes).await;
        }
        tell(&format!("try {number}"))?;
        let draft = app.new_draft(None).await?.id;
        app.send_draft(draft, text(&[to], &number.to_string()))
            .await?;
        tell(&format!("ack {number}"))?;
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    Ok(())
}
