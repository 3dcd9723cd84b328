//! A new root key for the whole vault: "someone may have seen my passphrase".
//!
//! Begun by a person, who types the current and the new passphrase and writes down a new recovery
//! code; then a task copies the store page by page while everything else goes on. It finishes by
//! itself when all is copied and the code was typed back. Until then the old passphrase and code open
//! the vault. What stops it (a pause, a lock, a crash, a full disk) leaves it under way, and only a
//! person goes on with it or undoes it. What will open the vault is kept in memory until it does, and
//! dropped with the lock: who goes on after that types the new passphrase once more, and with it the
//! code, or is shown another.

use crate::app::{App, blocking, held};
use crate::failure::Failure;
use crate::onboarding;
use crate::passphrase;
use crate::renewal;
use crate::settings::disk;
use crate::vault::{Vaulted, mistyped};
use crate::view::{self, Change, RekeyState, RekeyStatus};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use waxwing_crypto::kdf::Passphrase;
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_vault::RekeyStep;
use waxwing_vault::rows::ActivityKind as Kind;
use zeroize::Zeroizing;

/// A re-key, as far as this process has to do with it.
#[derive(Default)]
pub(crate) struct Rekeying {
    state: RekeyState,
    ways: Option<Ways>,
    running: CancellationToken,
}

/// What will open the vault.
struct Ways {
    passphrase: Passphrase,
    code: RecoveryCode,
    /// The code was typed back.
    is_confirmed: bool,
}

impl Rekeying {
    fn is_confirmed(&self) -> bool {
        self.ways.as_ref().is_some_and(|ways| ways.is_confirmed)
    }

    /// Stops, and drops what will open the vault.
    pub(crate) fn forget(&mut self) {
        self.running.cancel();
        *self = Self::default();
    }
}

impl App {
    /// How far a re-key is and what is left to do; none when none is under way.
    ///
    /// # Errors
    /// None that a person can do anything about.
    pub async fn rekey(&self) -> Result<Option<RekeyStatus>, Failure> {
        let app = self.clone();
        let vault = Arc::clone(&self.vault).lock_owned().await;
        blocking(move || {
            let progress = match &*vault {
                Vaulted::Open(open) => open.rekey(),
                Vaulted::Locked(locked) => locked.rekey(),
                _ => None,
            };
            Ok(progress.map(|progress| RekeyStatus {
                percent: progress.percent(),
                copied: progress.copied,
                total: progress.total,
                state: held(&app.rekeying).state.clone(),
            }))
        })
        .await
    }

    /// Begins a re-key and answers the 24 words of the new recovery code, to be written down and
    /// typed back with [`confirm_rekey_code`](Self::confirm_rekey_code). Copying begins at once. With
    /// `renewal` the account's keys are replaced too, by themselves, when the re-key is finished; for a
    /// reset the present key is revoked at once.
    ///
    /// # Errors
    /// [`Failure::WrongPassphrase`] when `current` is not; [`Failure::SamePassphrase`];
    /// [`Failure::WeakPassphrase`] unless `although_weak`; [`Failure::RekeyUnderWay`];
    /// [`Failure::RenewalUnderWay`] or [`Failure::KeyRevoked`] with a `renewal`;
    /// [`Failure::DiskFull`] when there is no room for a second store;
    /// [`Failure::NotEnoughMemory`]. Nothing is under way then.
    pub async fn begin_rekey(
        &self,
        current: Zeroizing<String>,
        new: Zeroizing<String>,
        although_weak: bool,
        renewal: Option<view::RenewalKind>,
    ) -> Result<Vec<String>, Failure> {
        if !although_weak {
            passphrase::require_strong(&new)?;
        }
        if onboarding::load(&self.dir).map_err(disk)?.is_some() {
            return Err(Failure::NotFound);
        }
        let params = self.kdf().await?.0;
        let words = self
            .with_open(move |app, open| {
                let (current, passphrase) = (Passphrase::new(&current), Passphrase::new(&new));
                let mut rng = app.chance.draw();
                let params = params.or_costlier(open.params());
                let wish = renewal.map(|kind| renewal::wish(app, open, kind.into()));
                let wish = wish.transpose()?;
                let code = match open.begin_rekey(&current, &passphrase, params, &mut rng) {
                    Ok(code) => code,
                    Err(error) => {
                        if let Some(before) = wish {
                            renewal::unwish(app, open, before.as_ref())?;
                        }
                        return Err(error.into());
                    }
                };
                app.note(open, Kind::RekeyBegun, "");
                let words = app.keep_ways(passphrase, code, false);
                if renewal == Some(view::RenewalKind::Reset) {
                    renewal::keep_revocation(app, open)?;
                }
                Ok(words)
            })
            .await?;
        if renewal.is_some() {
            self.tell(Change::Renewal);
            self.tell(Change::Contacts(None));
            self.wakers.upkeep.notify_one();
        }
        self.go_on();
        Ok(words)
    }

    /// The words of the new recovery code, until they were typed back.
    ///
    /// # Errors
    /// [`Failure::NotFound`] when there is nothing to be typed back.
    #[allow(clippy::unused_async, reason = "a question like the others")]
    pub async fn rekey_code(&self) -> Result<Vec<String>, Failure> {
        let rekeying = held(&self.rekeying);
        let ways = rekeying.ways.as_ref().filter(|ways| !ways.is_confirmed);
        Ok(words(&ways.ok_or(Failure::NotFound)?.code))
    }

    /// Compares the groups of the new code that the person typed back; each is its number from 0 and
    /// its words. When everything is copied, the re-key is finished.
    ///
    /// # Errors
    /// [`Failure::RecoveryMismatch`] with the first group that differs; [`Failure::NotFound`] when
    /// there is nothing to be typed back.
    pub async fn confirm_rekey_code(
        &self,
        groups: Vec<(u32, String)>,
    ) -> Result<Option<RekeyStatus>, Failure> {
        let waits = {
            let mut rekeying = held(&self.rekeying);
            let ways = rekeying.ways.as_mut().ok_or(Failure::NotFound)?;
            onboarding::compare(&ways.code, &groups)?;
            ways.is_confirmed = true;
            rekeying.state == RekeyState::CodeUnconfirmed
        };
        if waits {
            self.go_on();
        }
        self.rekey().await
    }

    /// Pauses the copying. What is copied stays copied.
    ///
    /// # Errors
    /// As [`rekey`](Self::rekey).
    pub async fn pause_rekey(&self) -> Result<Option<RekeyStatus>, Failure> {
        {
            let mut rekeying = held(&self.rekeying);
            if rekeying.state == RekeyState::Copying {
                rekeying.running.cancel();
                rekeying.state = RekeyState::Paused;
            }
        }
        self.tell(Change::Rekey);
        self.rekey().await
    }

    /// Goes on after a pause, or after something stopped it that is over now.
    ///
    /// # Errors
    /// [`Failure::NotFound`] when what will open the vault is not in memory: after a lock or a start,
    /// [`continue_rekey`](Self::continue_rekey) goes on.
    pub async fn resume_rekey(&self) -> Result<Option<RekeyStatus>, Failure> {
        if held(&self.rekeying).ways.is_none() {
            return Err(Failure::NotFound);
        }
        self.go_on();
        self.rekey().await
    }

    /// Goes on after a lock or a start. Without `code` the new recovery code is replaced, to be
    /// shown and typed back as at the beginning.
    ///
    /// # Errors
    /// [`Failure::WrongPassphrase`] when `new` is not the one that was chosen;
    /// [`Failure::RecoveryMismatch`], [`Failure::RecoveryMistyped`], [`Failure::RecoveryOther`] for
    /// `code`; [`Failure::NotFound`] when none is under way.
    pub async fn continue_rekey(
        &self,
        new: Zeroizing<String>,
        code: Option<Zeroizing<String>>,
    ) -> Result<Option<RekeyStatus>, Failure> {
        let code = code.map(|words| RecoveryCode::parse(&words));
        let code = code.transpose().map_err(|error| mistyped(&error))?;
        self.with_open(move |app, open| {
            let passphrase = Passphrase::new(&new);
            if !open.check_next_passphrase(&passphrase)? {
                return Err(Failure::WrongPassphrase);
            }
            let is_confirmed = code.is_some();
            let code = match code {
                Some(code) if open.check_next_recovery(&code)? => code,
                Some(_) => return Err(Failure::RecoveryOther),
                None => open.replace_next_recovery(&mut app.chance.draw())?,
            };
            app.keep_ways(passphrase, code, is_confirmed);
            Ok(())
        })
        .await?;
        self.go_on();
        self.rekey().await
    }

    /// Gives the re-key up: the old passphrase and code stay, and so do the account's keys. A revocation
    /// that was made with it stays too.
    ///
    /// # Errors
    /// [`Failure::NotFound`] when none is under way, or when it was finished just now.
    pub async fn undo_rekey(&self) -> Result<(), Failure> {
        held(&self.rekeying).running.cancel();
        let undone = self
            .with_open(|app, open| {
                open.undo_rekey(&mut app.chance.draw())?;
                app.note(open, Kind::RekeyUndone, "");
                held(&app.rekeying).forget();
                renewal::drop_wish(app, open)
            })
            .await;
        if let Err(failure) = undone {
            // Nobody copies any more, and it is still under way.
            let mut rekeying = held(&self.rekeying);
            if rekeying.ways.is_some() {
                rekeying.state = RekeyState::Paused;
            }
            return Err(failure);
        }
        self.tell(Change::Rekey);
        self.tell(Change::Renewal);
        self.tell(Change::Stage);
        Ok(())
    }

    fn keep_ways(
        &self,
        passphrase: Passphrase,
        code: RecoveryCode,
        is_confirmed: bool,
    ) -> Vec<String> {
        let shown = words(&code);
        held(&self.rekeying).ways = Some(Ways {
            passphrase,
            code,
            is_confirmed,
        });
        shown
    }

    /// Starts the task that copies, in the place of one that does so already.
    fn go_on(&self) {
        let running = CancellationToken::new();
        {
            let mut rekeying = held(&self.rekeying);
            rekeying.running.cancel();
            rekeying.running = running.clone();
            rekeying.state = RekeyState::Copying;
        }
        self.tell(Change::Rekey);
        let app = self.clone();
        self.spawn(async move {
            if let Err(failure) = app.copy(&running).await {
                tracing::warn!(%failure, "the re-key stopped");
                app.turn(&running, RekeyState::Stopped { failure });
            }
        });
    }

    async fn copy(&self, running: &CancellationToken) -> Result<(), Failure> {
        let mut told = None;
        while !running.is_cancelled() {
            let still = running.clone();
            let step = self
                .with_open(move |app, open| {
                    // A lock, a pause or an undoing came first.
                    if still.is_cancelled() {
                        return Ok(None);
                    }
                    Ok(Some(open.step_rekey(&mut app.chance.draw())?))
                })
                .await?;
            match step {
                None => return Ok(()),
                Some(RekeyStep::Copying(progress)) => {
                    if told.replace(progress.percent()) != Some(progress.percent()) {
                        self.tell(Change::Rekey);
                    }
                }
                Some(RekeyStep::Ready) => {
                    if !held(&self.rekeying).is_confirmed() {
                        self.turn(running, RekeyState::CodeUnconfirmed);
                        // Typed back just before it was said that it is waited for?
                        if !held(&self.rekeying).is_confirmed() {
                            return Ok(());
                        }
                    }
                    self.turn(running, RekeyState::Finishing);
                    return self.finish(running.clone()).await;
                }
            }
        }
        Ok(())
    }

    async fn finish(&self, running: CancellationToken) -> Result<(), Failure> {
        let done = self
            .with_open(move |app, open| {
                if running.is_cancelled() {
                    return Ok(false);
                }
                let ways = held(&app.rekeying).ways.take();
                let ways = ways.ok_or(Failure::Locked)?;
                let mut rng = app.chance.draw();
                match open.finish_rekey(&ways.passphrase, &ways.code, &mut rng) {
                    Ok(()) => {
                        app.is_locked_anew();
                        app.note(open, Kind::RekeyFinished, "");
                        held(&app.rekeying).forget();
                        Ok(true)
                    }
                    Err(error) => {
                        held(&app.rekeying).ways = Some(ways);
                        Err(error.into())
                    }
                }
            })
            .await?;
        if done {
            self.tell(Change::Rekey);
            self.tell(Change::Stage);
            // A replacement of the account's keys may have waited for this.
            self.wakers.upkeep.notify_one();
        }
        Ok(())
    }

    /// Says what the task came to, unless another has taken its place.
    fn turn(&self, running: &CancellationToken, state: RekeyState) {
        {
            let mut rekeying = held(&self.rekeying);
            if running.is_cancelled() {
                return;
            }
            rekeying.state = state;
        }
        self.tell(Change::Rekey);
    }
}

fn words(code: &RecoveryCode) -> Vec<String> {
    code.words().into_iter().map(str::to_owned).collect()
}
