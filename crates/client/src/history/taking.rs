//! The computer that takes in: it fetches parts in their order, opens each, and merges what is in it.

use super::{all, load, merge};
use crate::app::App;
use crate::failure::Failure;
use crate::sealing::{Me, Word, seal_word};
use crate::spares::Devices;
use crate::view::{Change, Folder, Reason, Settings};
use waxwing_crypto::message::{Body, HistoryPart};
use waxwing_crypto::stream::AttachmentKey;
use waxwing_vault::history::{Item, MAX_PART_BYTES, read_part};
use waxwing_vault::rows::{ActivityKind, Attachment, Device, TakenIn, TakenState};
use waxwing_vault::{Files, SealedFile, Store, Tx, VaultError};
use waxwing_wire::ids::{AttachmentId, DeviceId};

/// Items that are taken in with one commit.
const BATCH: usize = 64;

/// Keeps that a part came. Gives files that nothing refers to any more.
pub(crate) fn arrived(
    tx: &mut Tx<'_>,
    device: DeviceId,
    part: HistoryPart,
    file: Option<Attachment>,
    now: u64,
) -> Result<Vec<AttachmentId>, VaultError> {
    let mut row = load(tx)?;
    let Some(file) = file else {
        return Ok(Vec::new());
    };
    let mut useless = Vec::new();
    let known = row.taken.iter().position(|taken| taken.device == device);
    let known = known.map(|at| row.taken.swap_remove(at));
    let mut taken = match known {
        Some(known) if known.id == part.history => known,
        // Of an earlier one, that came late.
        Some(known) if known.begun > part.begun => return Ok(useless),
        before => {
            let parts = before.into_iter().flat_map(|before| before.parts);
            useless.extend(parts.map(|(_, file)| file.id));
            TakenIn {
                device,
                id: part.history,
                begun: part.begun,
                state: TakenState::Underway,
                since: now,
                done: 0,
                total: 0,
                next: 1,
                last: None,
                parts: Vec::new(),
            }
        }
    };
    let is_new = taken.parts.iter().all(|(number, _)| *number != part.number);
    if is_new && part.number >= taken.next {
        taken.parts.push((part.number, file));
    }
    taken.total = part.total;
    if part.is_last {
        taken.last = Some(part.number);
    }
    row.taken.push(taken);
    tx.put(&row)?;
    Ok(useless)
}

/// The history that comes from a device, in this commit; none when another came since.
fn same<'a>(
    row: &'a mut waxwing_vault::rows::History,
    taken: &TakenIn,
) -> Result<&'a mut TakenIn, Failure> {
    let mut all = row.taken.iter_mut();
    all.find(|one| one.device == taken.device && one.id == taken.id)
        .ok_or(Failure::NotFound)
}

impl App {
    /// Takes one history in as far as it is here or at the relay.
    pub(super) async fn take_on(&self, device: DeviceId) -> Result<(), Failure> {
        loop {
            let row = self.with_store(all).await?;
            let mut rows = row.taken.into_iter();
            let Some(taken) = rows.find(|taken| taken.device == device) else {
                return Ok(());
            };
            if taken.state != TakenState::Underway {
                return Ok(());
            }
            if taken.last.is_some_and(|last| taken.next > last) {
                return self.all_taken(taken).await;
            }
            let mut parts = taken.parts.iter();
            let Some((_, file)) = parts.find(|(number, _)| *number == taken.next) else {
                // It is not here yet.
                return Ok(());
            };
            let file = file.clone();
            match self.take_part(&taken, &file).await {
                Ok(()) => self.forget_file(file.id).await,
                Err(
                    failure @ (Failure::Locked
                    | Failure::DiskFull
                    | Failure::Cancelled
                    | Failure::NotFound),
                ) => return Err(failure),
                Err(Failure::Relay { reason }) if reason != Reason::AttachmentMissing => {
                    return Err(reason.into());
                }
                Err(failure) => {
                    tracing::warn!(%failure, "a history cannot be taken in");
                    self.forget_file(file.id).await;
                    return self.cannot_take(taken).await;
                }
            }
            self.tell(Change::Link);
        }
    }

    /// Fetches, opens and merges one part, and keeps that it was.
    async fn take_part(&self, taken: &TakenIn, file: &Attachment) -> Result<(), Failure> {
        let sealed = SealedFile {
            id: file.id,
            length: file.length,
            sealed_length: file.sealed_length,
            sha256: file.sha256,
        };
        if sealed.length > MAX_PART_BYTES {
            return Err(Failure::Corrupt);
        }
        if !self.files().await?.has(file.id) {
            let stop = self.transfers.begin(file.id, file.sealed_length);
            let fetched = self.fetch("history", &sealed, &stop).await;
            self.transfers.end(&file.id);
            fetched?;
        }
        let files = self.files().await?;
        let signer = self.signer().ok_or(Failure::Locked)?;
        let me = merge::Here {
            account: signer.account,
            device: signer.device,
            now: self.now(),
        };
        let key = AttachmentKey::new(*file.key);
        let (app, taken) = (self.clone(), taken.clone());
        let length = file.length;
        let settings = self
            .with_store(move |store| {
                let part = files.open_bytes(&sealed, &key, MAX_PART_BYTES)?;
                let mut intake = Intake {
                    app: &app,
                    store,
                    files: &files,
                    me,
                    batch: Vec::new(),
                    settings: None,
                };
                read_part(&part, |item| intake.take(item))?;
                intake.flush()?;
                let settings = intake.settings;
                store.commit(&mut app.chance.draw(), |tx| {
                    let mut row = load(tx)?;
                    let taken = same(&mut row, &taken)?;
                    let number = taken.next;
                    taken.parts.retain(|(other, _)| *other != number);
                    taken.next += 1;
                    taken.done += length;
                    Ok::<_, Failure>(tx.put(&row)?)
                })?;
                Ok(settings)
            })
            .await?;
        if let Some(settings) = settings {
            self.take_settings(&settings).await?;
        }
        for folder in [Folder::Inbox, Folder::Sent] {
            self.tell(Change::Envelopes { folder, id: None });
        }
        self.tell(Change::Contacts(None));
        self.tell(Change::Status);
        Ok(())
    }

    /// Takes over what the person chose on the other computer, as long as nothing was chosen here.
    async fn take_settings(&self, theirs: &[u8]) -> Result<(), Failure> {
        let Ok(theirs) = serde_json::from_slice::<Settings>(theirs) else {
            tracing::info!("the settings of another version are left");
            return Ok(());
        };
        let here = self.settings().await?;
        let relay = here.relay.clone();
        let untouched = Settings {
            relay: relay.clone(),
            ..Settings::default()
        };
        if here == untouched {
            self.save_settings(Settings { relay, ..theirs }).await?;
        }
        Ok(())
    }

    async fn cannot_take(&self, taken: TakenIn) -> Result<(), Failure> {
        let (mut rng, now) = (self.chance.draw(), self.now());
        self.with_store(move |store| {
            store.commit(&mut rng, |tx| {
                let mut row = load(tx)?;
                let taken = same(&mut row, &taken)?;
                (taken.state, taken.since) = (TakenState::Failed, now);
                Ok::<_, Failure>(tx.put(&row)?)
            })
        })
        .await?;
        self.tell(Change::Link);
        Ok(())
    }

    /// All of it is here: the other device is told, as soon as it has a prekey at hand.
    async fn all_taken(&self, taken: TakenIn) -> Result<(), Failure> {
        self.need_prekey(taken.device).await?;
        let signer = self.signer().ok_or(Failure::Locked)?;
        let _signing = self.signing.read().await;
        let key = self.device_keys().await?;
        let me = Me {
            account: signer.account,
            device: signer.device,
        };
        let now = self.now();
        let mut rng = self.chance.draw();
        let mut seal_rng = self.chance.draw();
        self.with_store(move |store| {
            store.commit(&mut rng, |tx| {
                let mut row = load(tx)?;
                let taken = same(&mut row, &taken)?;
                (taken.state, taken.since) = (TakenState::Done, now);
                let (device, history) = (taken.device, taken.id);
                tx.put(&row)?;
                let word = Word {
                    to: me.account,
                    devices: Devices::Only(device),
                    body: Body::HistoryTaken { history },
                    files: &[],
                };
                seal_word(tx, word, &me, &key, now, &mut seal_rng)?;
                let name = tx.load::<Device>(&device)?;
                let name = name.map_or_else(|| device.to_string(), |device| device.name);
                Ok::<_, Failure>(tx.record(now, ActivityKind::HistoryTaken, &name)?)
            })
        })
        .await?;
        self.wakers.outbox.notify_one();
        self.tell(Change::Link);
        Ok(())
    }
}

/// Takes items in, so many with one commit.
struct Intake<'a> {
    app: &'a App,
    store: &'a Store,
    files: &'a Files,
    me: merge::Here,
    batch: Vec<Item>,
    settings: Option<Vec<u8>>,
}

impl Intake<'_> {
    fn take(&mut self, item: Item) -> Result<(), Failure> {
        match item {
            Item::Piece {
                file,
                offset,
                bytes,
            } => return self.keep_piece(&file, offset, &bytes),
            Item::Settings(bytes) => self.settings = Some(bytes),
            row => self.batch.push(row),
        }
        if self.batch.len() >= BATCH {
            self.flush()?;
        }
        Ok(())
    }

    /// Adds a piece to a file that is not here whole. One that does not fit is left: the file may have
    /// been fetched from the relay meanwhile, and can be.
    fn keep_piece(&self, file: &SealedFile, offset: u64, bytes: &[u8]) -> Result<(), Failure> {
        let files = self.files;
        if files.has(file.id) || files.fetched_length(file.id)? != offset {
            return Ok(());
        }
        files.append_fetched(file.id, offset, bytes)?;
        let end = offset + bytes.len() as u64;
        if end < file.sealed_length {
            return Ok(());
        }
        match files.finish_fetched(file, &mut self.app.chance.draw()) {
            Err(VaultError::Stream(_)) => {
                tracing::warn!("a file of a history is not the one that its message names");
                Ok(())
            }
            other => Ok(other?),
        }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        let me = self.me;
        Ok(self.store.commit(&mut self.app.chance.draw(), |tx| {
            batch
                .into_iter()
                .try_for_each(|item| merge::take_in(tx, item, me))
        })?)
    }
}
