//! The computer that remembers: it writes parts, seals each to the one other device, and follows them.

use super::writing::Source;
use super::{all, load};
use crate::app::App;
use crate::failure::Failure;
use crate::prekeys::own_card;
use crate::sealing::{Me, Word, seal_word};
use crate::spares::{Devices, take_spares};
use crate::view::{Change, Reason};
use rand::rngs::StdRng;
use waxwing_crypto::message::{Body, HistoryPart};
use waxwing_crypto::stream::AttachmentKey;
use waxwing_vault::history::PartWriter;
use waxwing_vault::rows::{
    ActivityKind, Attachment, DeliveryState, Device, Given, GivenPart, GivenState, HistoryId,
    HistoryPlace, Outgoing, OwnCard,
};
use waxwing_vault::{Tx, VaultError};
use waxwing_wire::ids::{AttachmentId, DeviceId, EnvelopeId, MailboxId};
use zeroize::Zeroizing;

/// Begins to give a device what is remembered here; one that was begun before is over.
pub(crate) fn begin(
    tx: &mut Tx<'_>,
    device: DeviceId,
    now: u64,
    rng: &mut StdRng,
) -> Result<(), VaultError> {
    use rand::Rng as _;
    let mut row = load(tx)?;
    row.given.retain(|given| given.device != device);
    let mut id = HistoryId::default();
    rng.fill_bytes(&mut id);
    row.given.push(Given {
        device,
        id,
        begun: now,
        state: GivenState::Underway,
        since: now,
        done: 0,
        total: 0,
        next: HistoryPlace::Rows,
        next_part: AttachmentId::generate(rng),
        parts: Vec::new(),
    });
    tx.put(&row)
}

/// Takes a device's parts out of the outbox; gives their files, which nothing refers to any more.
pub(super) fn drop_parts(
    tx: &mut Tx<'_>,
    device: DeviceId,
    waiting: &[Outgoing],
) -> Result<Vec<AttachmentId>, VaultError> {
    let mut row = load(tx)?;
    let mut useless = Vec::new();
    for given in row.given.iter_mut().filter(|one| one.device == device) {
        useless.push(given.next_part);
        for part in given.parts.drain(..) {
            useless.push(part.file.id);
            let Some(delivery) = part.delivery else {
                continue;
            };
            for row in waiting {
                if row.envelope == delivery.envelope {
                    tx.carriage().remove(row)?;
                }
            }
            tx.carriage().unwatch(&delivery.envelope, &delivery.to);
        }
    }
    tx.put(&row)?;
    Ok(useless)
}

/// Keeps how far a part is. One that has come to nothing ends the history. False when the envelope is
/// none of a part.
pub(crate) fn enter_part(
    tx: &mut Tx<'_>,
    envelope: &EnvelopeId,
    to: &MailboxId,
    (state, since): (DeliveryState, u64),
) -> Result<bool, VaultError> {
    let mut row = load(tx)?;
    let Some((given, at)) = part_of(&mut row.given, envelope) else {
        return Ok(false);
    };
    let part = given
        .parts
        .get_mut(at)
        .and_then(|part| part.delivery.as_mut());
    if let Some(delivery) = part.filter(|delivery| delivery.to == *to) {
        (delivery.state, delivery.since) = (state, since);
    }
    let goes_on = matches!(
        state,
        DeliveryState::Sealed | DeliveryState::AtRelay | DeliveryState::Fetched
    );
    if !goes_on && given.state != GivenState::Taken {
        (given.state, given.since) = (GivenState::Failed, since);
    }
    tx.put(&row)?;
    Ok(true)
}

/// A part was taken out of its lane, or its device could not open it: it is sealed again. False when
/// the envelope is none of a part.
pub(crate) fn forget_part(tx: &mut Tx<'_>, envelope: &EnvelopeId) -> Result<bool, VaultError> {
    let mut row = load(tx)?;
    let Some((given, at)) = part_of(&mut row.given, envelope) else {
        return Ok(false);
    };
    if let Some(part) = given.parts.get_mut(at) {
        part.delivery = None;
    }
    if given.state == GivenState::Sent {
        given.state = GivenState::Underway;
    }
    tx.put(&row)?;
    Ok(true)
}

/// A device says that it has taken a history in.
pub(crate) fn was_taken(
    tx: &mut Tx<'_>,
    device: DeviceId,
    history: HistoryId,
    now: u64,
) -> Result<(), VaultError> {
    let mut row = load(tx)?;
    let mut given = row.given.iter_mut();
    let Some(given) = given.find(|given| given.device == device && given.id == history) else {
        return Ok(());
    };
    (given.state, given.since) = (GivenState::Taken, now);
    tx.put(&row)
}

fn part_of<'a>(given: &'a mut [Given], envelope: &EnvelopeId) -> Option<(&'a mut Given, usize)> {
    given.iter_mut().find_map(|given| {
        let mut parts = given.parts.iter();
        let at = parts.position(|part| {
            let delivery = part.delivery.as_ref();
            delivery.is_some_and(|delivery| delivery.envelope == *envelope)
        })?;
        Some((given, at))
    })
}

/// Of the history that a device is given, in this commit; none when another was begun since.
fn same<'a>(
    row: &'a mut waxwing_vault::rows::History,
    given: &Given,
) -> Result<&'a mut Given, Failure> {
    let mut all = row.given.iter_mut();
    all.find(|one| one.device == given.device && one.id == given.id)
        .ok_or(Failure::NotFound)
}

impl App {
    /// Takes one history as far as it goes now.
    pub(super) async fn give_on(&self, device: DeviceId) -> Result<(), Failure> {
        loop {
            let (given, is_ours) = self
                .with_store(move |store| {
                    let own = own_card(&store.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?)?;
                    let mut given = all(store)?.given.into_iter();
                    let given = given.find(|given| given.device == device);
                    Ok((given, own.body().device(&device).is_some()))
                })
                .await?;
            let Some(given) = given else { return Ok(()) };
            if !is_ours {
                return self.end_giving(device, true).await;
            }
            if given.state != GivenState::Underway {
                // Kept until then, to be sealed again.
                let is_over = given.state != GivenState::Sent && !given.parts.is_empty();
                return if is_over {
                    self.end_giving(device, false).await
                } else {
                    Ok(())
                };
            }
            let state = |part: &GivenPart| part.delivery.as_ref().map(|one| one.state);
            if let Some(part) = given.parts.iter().find(|part| part.delivery.is_none()) {
                self.seal_part(&given, part.clone()).await?;
            } else if given
                .parts
                .iter()
                .any(|part| state(part) == Some(DeliveryState::Sealed))
            {
                // Goes on when it has left: the disk holds one part at a time that waits.
                return Ok(());
            } else if given.next == HistoryPlace::End {
                return self.all_sent(given).await;
            } else {
                self.write_part(given).await?;
            }
            self.tell(Change::Link);
        }
    }

    /// Removes the files of a history that is over; and the history itself, when its device is no longer
    /// the account's.
    async fn end_giving(&self, device: DeviceId, is_gone: bool) -> Result<(), Failure> {
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        let mut rng = self.chance.draw();
        let useless = self
            .with_store(move |store| {
                let waiting = carriage.outbox()?;
                Ok(store.commit(&mut rng, |tx| {
                    let useless = drop_parts(tx, device, &waiting)?;
                    if is_gone {
                        let mut row = load(tx)?;
                        row.given.retain(|given| given.device != device);
                        tx.put(&row)?;
                    }
                    Ok::<_, VaultError>(useless)
                })?)
            })
            .await?;
        for file in useless {
            self.forget_file(file).await;
        }
        self.tell(Change::Link);
        Ok(())
    }

    async fn all_sent(&self, given: Given) -> Result<(), Failure> {
        let mut rng = self.chance.draw();
        let now = self.now();
        self.with_store(move |store| {
            store.commit(&mut rng, |tx| {
                let mut row = load(tx)?;
                let given = same(&mut row, &given)?;
                (given.state, given.since) = (GivenState::Sent, now);
                let device = given.device;
                tx.put(&row)?;
                let name = tx.load::<Device>(&device)?;
                let name = name.map_or_else(|| device.to_string(), |device| device.name);
                Ok::<_, Failure>(tx.record(now, ActivityKind::HistoryGiven, &name)?)
            })
        })
        .await?;
        self.tell(Change::Link);
        Ok(())
    }

    /// Seals one part's message to its device. Until that device has published prekeys it waits.
    async fn seal_part(&self, given: &Given, part: GivenPart) -> Result<(), Failure> {
        let signer = self.signer().ok_or(Failure::Locked)?;
        self.need_prekey(given.device).await?;
        let _signing = self.signing.read().await;
        let key = self.device_keys().await?;
        let me = Me {
            account: signer.account,
            device: signer.device,
        };
        let now = self.now();
        let mut rng = self.chance.draw();
        let mut seal_rng = self.chance.draw();
        let given = given.clone();
        self.with_store(move |store| {
            store.commit(&mut rng, |tx| {
                let word = Word {
                    to: me.account,
                    devices: Devices::Only(given.device),
                    body: Body::History(HistoryPart {
                        history: given.id,
                        begun: given.begun,
                        number: part.number,
                        is_last: part.is_last,
                        total: given.total,
                    }),
                    files: std::slice::from_ref(&part.file),
                };
                let deliveries = seal_word(tx, word, &me, &key, now, &mut seal_rng)?;
                let mut row = load(tx)?;
                let mut parts = same(&mut row, &given)?.parts.iter_mut();
                let sealed = parts.find(|one| one.number == part.number);
                let sealed = sealed.ok_or(Failure::NotFound)?;
                sealed.delivery = deliveries.into_iter().next();
                Ok::<_, Failure>(tx.put(&row)?)
            })
        })
        .await?;
        self.wakers.outbox.notify_one();
        Ok(())
    }

    /// Has a prekey of one of the account's devices at hand.
    pub(super) async fn need_prekey(&self, device: DeviceId) -> Result<(), Failure> {
        let account = self.signer().ok_or(Failure::Locked)?.account;
        for asks in [true, false] {
            let mut me = self.find_contact(account).await?.ok_or(Failure::NotFound)?;
            if take_spares(&mut me, Devices::Only(device), self.now()).is_some() {
                return Ok(());
            }
            if asks {
                self.fetch_spares(account).await?;
            }
        }
        Err(Reason::RecipientKeysMissing.into())
    }

    /// Writes the next part, and keeps where it ended.
    async fn write_part(&self, given: Given) -> Result<(), Failure> {
        let me = self.signer().ok_or(Failure::Locked)?.account;
        let files = self.files().await?;
        let settings = self.settings().await?;
        let mut rng = self.chance.draw();
        let mut seal_rng = self.chance.draw();
        self.with_store(move |store| {
            let source = Source {
                store,
                files: &files,
                me,
                settings: &settings,
            };
            let total = match given.next {
                HistoryPlace::Rows => source.foresee()?,
                _ => given.total,
            };
            let mut part = PartWriter::default();
            let mut next = given.next.clone();
            while next != HistoryPlace::End && !part.is_full() {
                next = source.write(next, &mut part)?;
            }
            let done = given.done + part.length();
            let key = AttachmentKey::generate(&mut seal_rng);
            let part = part.finish()?;
            let sealed = files.seal_bytes(&part, given.next_part, &key, &mut seal_rng)?;
            let is_last = next == HistoryPlace::End;
            let file = Attachment {
                id: sealed.id,
                key: Zeroizing::new(*key.expose()),
                sealed_length: sealed.sealed_length,
                sha256: sealed.sha256,
                length: sealed.length,
                name: "history".to_owned(),
                media_type: "application/octet-stream".to_owned(),
            };
            store.commit(&mut rng, |tx| {
                let mut row = load(tx)?;
                let given = same(&mut row, &given)?;
                given.parts.push(GivenPart {
                    number: given.parts.len() as u64 + 1,
                    is_last,
                    file,
                    delivery: None,
                });
                (given.next, given.done) = (next, done);
                // What was foreseen is no promise: a progress that is over is full.
                given.total = if is_last { done } else { total.max(done) };
                given.next_part = AttachmentId::generate(&mut seal_rng);
                Ok::<_, Failure>(tx.put(&row)?)
            })
        })
        .await
    }
}
