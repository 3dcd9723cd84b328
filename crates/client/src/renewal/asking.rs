//! What a person asks for: another key, the end of the present one, and how far that is.

use super::keys::card_of;
use super::wish::{keep_revocation, keep_wish, own, refuse_second, refuse_under_way};
use crate::app::{App, blocking};
use crate::contacts::{millis, party};
use crate::failure::Failure;
use crate::letters::outbox_count;
use crate::prekeys::own_card;
use crate::view::{
    self, Change, KeyRenewal, Preflight, PreflightCheck, Reason, RelayShows, ToldOf, ToldState,
};
use pem_rfc7468::LineEnding;
use waxwing_crypto::kdf::Passphrase;
use waxwing_crypto::key_code::Side;
use waxwing_crypto::keys::AccountKey;
use waxwing_crypto::revocation::sign_revocation;
use waxwing_vault::rows::{
    ActivityKind, Contact, DeliveryState, OwnRevocation, Renewal, RenewalKind, RenewalState, Told,
};
use waxwing_vault::{Open, Store};
use waxwing_wire::ids::AccountId;
use waxwing_wire::limits::REQUEST_WINDOW;
use waxwing_wire::revocation::Revocation;
use zeroize::Zeroizing;

/// What stands in the first line of an exported card.
const CARD_TITLE: &str = "WAXWING CARD";
/// What stands in the first line of a revocation on paper.
const REVOCATION_TITLE: &str = "WAXWING REVOCATION";

impl App {
    /// Replaces this account's keys, with the old key's word for the new one: somebody may have a copy.
    /// It happens at once, or as soon as the relay is there.
    ///
    /// # Errors
    /// [`Failure::WrongPassphrase`]; [`Failure::RekeyUnderWay`]; [`Failure::RenewalUnderWay`];
    /// [`Failure::KeyRevoked`].
    pub async fn rotate_key(&self, typed: Zeroizing<String>) -> Result<(), Failure> {
        self.ask_for(typed, RenewalKind::Rotate).await
    }

    /// Revokes this account's key and puts another in its place without its word: the key is in other
    /// hands. Contacts compare again.
    ///
    /// # Errors
    /// [`Failure::WrongPassphrase`]; [`Failure::RekeyUnderWay`]; [`Failure::RenewalUnderWay`].
    pub async fn reset_key(&self, typed: Zeroizing<String>) -> Result<(), Failure> {
        self.ask_for(typed, RenewalKind::Reset).await
    }

    async fn ask_for(&self, typed: Zeroizing<String>, kind: RenewalKind) -> Result<(), Failure> {
        self.with_open(move |app, open| {
            check_passphrase(open, &typed)?;
            if open.rekey().is_some() {
                return Err(Failure::RekeyUnderWay);
            }
            refuse_second(&open.store(), kind)?;
            if kind == RenewalKind::Reset {
                keep_revocation(app, open)?;
            }
            keep_wish(app, open, kind, RenewalState::Wanted)
        })
        .await?;
        self.tell(Change::Renewal);
        self.tell(Change::Contacts(None));
        self.wakers.upkeep.notify_one();
        Ok(())
    }

    /// Revokes this account's key, for good: at once, or as soon as the relay is there. After it nobody
    /// writes to this account, until [`reset_key`](Self::reset_key) gives it another key. `last_four`:
    /// the last four digits of the own key code, typed.
    ///
    /// # Errors
    /// [`Failure::WrongPassphrase`]; [`Failure::KeyCodeDiffers`]; [`Failure::RenewalUnderWay`].
    pub async fn revoke_key(
        &self,
        typed: Zeroizing<String>,
        last_four: String,
    ) -> Result<(), Failure> {
        self.with_open(move |app, open| {
            check_passphrase(open, &typed)?;
            let own = own(&open.store())?;
            let account = open.keyring().account_id;
            let code = Side::derive(&own_card(&own)?.body().identity, &account)
                .groups()
                .concat();
            let is_right = code
                .get(code.len().saturating_sub(4)..)
                .is_some_and(|end| end == last_four.trim());
            if !is_right {
                return Err(Failure::KeyCodeDiffers);
            }
            refuse_under_way(&open.store())?;
            keep_revocation(app, open)
        })
        .await?;
        self.revoked();
        Ok(())
    }

    /// Hands in a revocation that was made ahead.
    ///
    /// # Errors
    /// [`Failure::RevocationInvalid`] when it is not one of this account's present key;
    /// [`Failure::RenewalUnderWay`].
    pub async fn publish_revocation(&self, text: String) -> Result<(), Failure> {
        let read = pem_rfc7468::decode_vec(text.trim().as_bytes());
        let Ok((REVOCATION_TITLE, statement)) = read else {
            return Err(Failure::RevocationInvalid);
        };
        let revocation = Revocation::decode(&statement)
            .ok()
            .and_then(|revocation| revocation.verify().ok())
            .ok_or(Failure::RevocationInvalid)?;
        self.with_open(move |app, open| {
            let store = open.store();
            let mut own = own(&store)?;
            if !revocation.is_of(own_card(&own)?.body()) {
                return Err(Failure::RevocationInvalid);
            }
            refuse_under_way(&store)?;
            if own.revocation.is_some() {
                return Ok(());
            }
            let now = app.now();
            own.revocation = Some(OwnRevocation {
                statement,
                at: now,
                is_out: false,
            });
            store.commit(&mut app.chance.draw(), |tx| {
                tx.put(&own)?;
                Ok::<_, Failure>(tx.record(now, ActivityKind::Revoked, "")?)
            })
        })
        .await?;
        self.revoked();
        Ok(())
    }

    fn revoked(&self) {
        self.tell(Change::Contacts(None));
        self.wakers.upkeep.notify_one();
    }

    /// A revocation of the present key, to be kept on paper: whoever has it can end the key, and do
    /// nothing else with it.
    ///
    /// # Errors
    /// [`Failure::WrongPassphrase`].
    pub async fn revocation_statement(&self, typed: Zeroizing<String>) -> Result<String, Failure> {
        self.with_open(move |app, open| {
            check_passphrase(open, &typed)?;
            let key = AccountKey::from_seed(&open.keyring().account);
            let statement = sign_revocation(&key, open.keyring().account_id, app.now());
            app.note(open, ActivityKind::RevocationExported, "");
            armored(REVOCATION_TITLE, &statement)
        })
        .await
    }

    /// This account's public card as text.
    ///
    /// # Errors
    /// [`Failure::Locked`].
    pub async fn export_card(&self) -> Result<String, Failure> {
        self.with_open(|app, open| {
            let own = own(&open.store())?;
            app.note(open, ActivityKind::CardExported, "");
            armored(CARD_TITLE, &own.card)
        })
        .await
    }

    /// How far the replacement of the keys that was asked for last is; none when none was.
    ///
    /// # Errors
    /// [`Failure::Locked`].
    pub async fn key_renewal(&self) -> Result<Option<KeyRenewal>, Failure> {
        let waits = self.known().renewal_waits;
        let me = self.signer().ok_or(Failure::Locked)?.account;
        self.with_store(move |store| {
            let Some(row) = store.load::<Renewal>(&())? else {
                return Ok(None);
            };
            // The card of these keys: a later one of the same keys does not make it unknown.
            let card = card_of(&row);
            let version = card.map(|card| card.body().version);
            let told = row
                .told
                .iter()
                .filter(|told| told.account != me)
                .map(|told| told_of(store, told, &me, version));
            Ok(Some(KeyRenewal {
                kind: row.kind.into(),
                state: match (row.state, waits) {
                    (RenewalState::AfterRekey { .. }, _) => view::RenewalState::AfterRekey,
                    (RenewalState::Wanted, None) => view::RenewalState::Replacing,
                    (RenewalState::Wanted, Some(reason)) => {
                        view::RenewalState::WaitsForRelay { reason }
                    }
                    (RenewalState::Done, _) => view::RenewalState::Done,
                    (RenewalState::Lost, _) => view::RenewalState::LostToAnotherDevice,
                },
                since: millis(row.since),
                to_seal_again: crate::reader::count(row.to_seal_again.len()),
                told: told.collect::<Result<_, _>>()?,
            }))
        })
        .await
    }

    /// What is looked at before keys are replaced.
    ///
    /// # Errors
    /// [`Failure::Locked`].
    pub async fn renewal_preflight(&self) -> Result<Vec<Preflight>, Failure> {
        let info = match self.line().await {
            Ok(line) => line.info().await,
            Err(error) => Err(error),
        };
        let clock = info
            .as_ref()
            .ok()
            .map(|info| info.time.abs_diff(self.now()));
        let reason = info.err().map(|error| error.reason);
        let shows = match self.line().await {
            Ok(line) if reason.is_none() => self.publish_own_card(&line).await,
            _ => Err(Reason::RelayUnreachable.into()),
        };
        let shows = shows.unwrap_or(RelayShows::NotAsked);
        if shows != RelayShows::NotAsked {
            self.relay_showed(shows);
        }
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let (outbox, at_relay) = blocking(move || {
            let watched = carriage.watched()?;
            let waiting = watched
                .iter()
                .filter(|watch| watch.state == DeliveryState::AtRelay);
            let waiting = crate::reader::count(waiting.count());
            Ok((outbox_count(&carriage)?, waiting))
        })
        .await?;
        let (needed, free) = self.with_open(|_, open| Ok(open.rekey_room()?)).await?;
        let line = |check, passes| Preflight { check, passes };
        let seconds = clock.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX));
        Ok(vec![
            line(PreflightCheck::Relay { reason }, reason.is_none()),
            line(PreflightCheck::Card { shows }, shows == RelayShows::Agrees),
            // In nobody's way: it is sealed again.
            line(PreflightCheck::Unfetched { outbox, at_relay }, true),
            line(PreflightCheck::Room { needed, free }, needed <= free),
            line(
                PreflightCheck::Clock { seconds },
                clock.is_some_and(|seconds| seconds <= REQUEST_WINDOW / 2),
            ),
        ])
    }
}

pub(crate) fn check_passphrase(open: &Open, typed: &str) -> Result<(), Failure> {
    let is_right = open.check_passphrase(&Passphrase::new(typed))?;
    is_right.then_some(()).ok_or(Failure::WrongPassphrase)
}

fn armored(title: &str, bytes: &[u8]) -> Result<String, Failure> {
    pem_rfc7468::encode_string(title, LineEnding::LF, bytes).map_err(|_| Failure::internal("armor"))
}

fn told_of(
    store: &Store,
    told: &Told,
    me: &AccountId,
    version: Option<u64>,
) -> Result<ToldOf, Failure> {
    let knows = store
        .load::<Contact>(&told.account)?
        .map_or(0, |contact| contact.knows_own);
    let has = |state| told.deliveries.iter().any(|one| one.state == state);
    let state = if version.is_some_and(|version| knows >= version) {
        ToldState::WritesToIt
    } else if has(DeliveryState::Fetched) {
        ToldState::Fetched
    } else if has(DeliveryState::AtRelay) {
        ToldState::AtRelay
    } else if told.deliveries.is_empty() {
        ToldState::NotYet
    } else {
        ToldState::Sealed
    };
    Ok(ToldOf {
        party: party(store, &told.account, me)?,
        state,
        since: told.deliveries.iter().map(|one| millis(one.since)).max(),
    })
}

impl From<RenewalKind> for view::RenewalKind {
    fn from(kind: RenewalKind) -> Self {
        match kind {
            RenewalKind::Rotate => Self::Rotate,
            RenewalKind::Reset => Self::Reset,
        }
    }
}

impl From<view::RenewalKind> for RenewalKind {
    fn from(kind: view::RenewalKind) -> Self {
        match kind {
            view::RenewalKind::Rotate => Self::Rotate,
            view::RenewalKind::Reset => Self::Reset,
        }
    }
}
