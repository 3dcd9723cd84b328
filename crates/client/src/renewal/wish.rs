//! What is kept of what a person asked for: that the keys are to be replaced, and that the present one is
//! revoked. Both survive whatever ends the process.

use crate::app::{App, Inner};
use crate::failure::Failure;
use crate::view::Change;
use waxwing_crypto::keys::AccountKey;
use waxwing_crypto::revocation::sign_revocation;
use waxwing_vault::rows::{
    ActivityKind, OwnCard, OwnRevocation, Renewal, RenewalKind, RenewalState,
};
use waxwing_vault::steps::{Step, reached};
use waxwing_vault::{Open, Store};

/// The replacement that is to go on now. One that waited for a re-key goes on when that is finished, and
/// is dropped when it was undone.
pub(super) fn wanted(app: &App, open: &mut Open) -> Result<Option<Renewal>, Failure> {
    let store = open.store();
    let Some(mut row) = store.load::<Renewal>(&())? else {
        return Ok(None);
    };
    match row.state {
        RenewalState::Wanted => {}
        RenewalState::Done | RenewalState::Lost => return Ok(None),
        RenewalState::AfterRekey { store: left } if open.store_number() == left => {
            // One that was to begin with a reset, and was cut off before it did.
            if open.rekey().is_some() {
                if row.kind == RenewalKind::Reset {
                    keep_revocation(app, open)?;
                }
            } else {
                store.commit(&mut app.chance.draw(), |tx| tx.delete::<Renewal>(&()))?;
                app.tell(Change::Renewal);
            }
            return Ok(None);
        }
        RenewalState::AfterRekey { .. } => {
            (row.state, row.since) = (RenewalState::Wanted, app.now());
            store.commit(&mut app.chance.draw(), |tx| tx.put(&row))?;
            app.tell(Change::Renewal);
        }
    }
    if row.kind == RenewalKind::Reset {
        keep_revocation(app, open)?;
    }
    Ok(Some(row))
}

/// Keeps that the keys are to be replaced when the re-key that begins now is finished. Gives what was
/// kept before.
pub(crate) fn wish(app: &App, open: &Open, kind: RenewalKind) -> Result<Option<Renewal>, Failure> {
    let store = open.store();
    refuse_second(&store, kind)?;
    let before = store.load::<Renewal>(&())?;
    let left = open.store_number();
    keep_wish(app, open, kind, RenewalState::AfterRekey { store: left })?;
    Ok(before)
}

/// The re-key did not begin: what was kept before the wish is kept again.
pub(crate) fn unwish(app: &App, open: &Open, before: Option<&Renewal>) -> Result<(), Failure> {
    Ok(open
        .store()
        .commit(&mut app.chance.draw(), |tx| match before {
            Some(row) => tx.put(row),
            None => tx.delete::<Renewal>(&()),
        })?)
}

/// The re-key was undone: what waited for it is not wanted any more.
pub(crate) fn drop_wish(app: &App, open: &mut Open) -> Result<(), Failure> {
    wanted(app, open).map(drop)
}

/// Signs the revocation of the present key and keeps it, unless that was done.
pub(crate) fn keep_revocation(app: &Inner, open: &Open) -> Result<(), Failure> {
    let store = open.store();
    let mut own = store.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?;
    if own.revocation.is_some() {
        return Ok(());
    }
    let (key, now) = (AccountKey::from_seed(&open.keyring().account), app.now());
    own.revocation = Some(OwnRevocation {
        statement: sign_revocation(&key, open.keyring().account_id, now),
        at: now,
        is_out: false,
    });
    store.commit(&mut app.chance.draw(), |tx| {
        tx.put(&own)?;
        tx.record(now, ActivityKind::Revoked, "")
    })?;
    reached(Step::RevocationKept);
    Ok(())
}

/// Keeps what a person asked for, in the place of what was asked for before.
pub(super) fn keep_wish(
    app: &App,
    open: &Open,
    kind: RenewalKind,
    state: RenewalState,
) -> Result<(), Failure> {
    let store = open.store();
    let before = store.load::<Renewal>(&())?;
    // What the replacement before did not finish is finished with this one.
    let (to_seal_again, lanes) = before
        .map(|row| (row.to_seal_again, row.lanes))
        .unwrap_or_default();
    let row = Renewal {
        kind,
        state,
        since: app.now(),
        card: None,
        to_seal_again,
        lanes,
        told: Vec::new(),
        is_followed: false,
    };
    store.commit(&mut app.chance.draw(), |tx| tx.put(&row))?;
    reached(Step::RenewalWanted);
    Ok(())
}

/// One replacement at a time, and a revoked key vouches for none.
pub(super) fn refuse_second(store: &Store, kind: RenewalKind) -> Result<(), Failure> {
    refuse_under_way(store)?;
    if kind == RenewalKind::Rotate && own(store)?.revocation.is_some() {
        return Err(Failure::KeyRevoked);
    }
    Ok(())
}

pub(super) fn refuse_under_way(store: &Store) -> Result<(), Failure> {
    match store.load::<Renewal>(&())?.map(|row| row.state) {
        None | Some(RenewalState::Done | RenewalState::Lost) => Ok(()),
        Some(RenewalState::AfterRekey { .. } | RenewalState::Wanted) => {
            Err(Failure::RenewalUnderWay)
        }
    }
}

pub(super) fn own(store: &Store) -> Result<OwnCard, Failure> {
    store.load::<OwnCard>(&())?.ok_or(Failure::NotFound)
}
