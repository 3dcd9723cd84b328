//! Files: sealed as they are chosen, fetched and opened as they are saved.
//!
//! Everything is streamed: a file is never in memory as a whole, never passes the IPC, and lies in
//! the clear only where the person put it. A save that is cut off leaves no half file behind.

use crate::app::{App, blocking};
use crate::contacts::id;
use crate::drafts::draft_name;
use crate::failure::Failure;
use crate::letters::letter_key;
use crate::line::LineError;
use crate::names::{free_path, safe_name};
use crate::settings::disk;
use crate::transfers::Ended;
use crate::view::{Change, FileState, FileView, Reason};
use futures_util::StreamExt;
use reqwest::Response;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;
use waxwing_crypto::stream::AttachmentKey;
use waxwing_vault::rows::{Attachment, DraftFile, DraftId, Message};
use waxwing_vault::{Files, SealedFile};
use waxwing_wire::ids::AttachmentId;
use waxwing_wire::problem::Slug;
use zeroize::Zeroizing;

/// Until the relay has said what it takes.
pub(crate) const FILE_LIMIT: u64 = 2 * 1024 * 1024 * 1024;

impl App {
    /// Stops sealing, sending or saving a file.
    pub fn cancel_transfer(&self, file: &str) {
        if let Ok(file) = id::<AttachmentId>(file) {
            self.transfers.stop(&file);
        }
    }

    /// Saves a file into a folder, under a name that is free there.
    ///
    /// # Errors
    /// [`Failure::Relay`] when it cannot be fetched, [`Failure::Cancelled`], [`Failure::DiskFull`],
    /// [`Failure::Corrupt`] when it does not verify. Nothing is left behind.
    pub async fn save_file(
        &self,
        envelope: String,
        file: String,
        folder: PathBuf,
    ) -> Result<FileView, Failure> {
        let name = self.file_name(&envelope, &file).await?;
        let path = blocking(move || free_path(&folder, &name).map_err(disk)).await?;
        self.save_file_to(envelope, file, path).await
    }

    /// The name that a sender gave to a file, safe to use in a folder.
    ///
    /// # Errors
    /// [`Failure::NotFound`].
    pub async fn file_name(&self, envelope: &str, file: &str) -> Result<String, Failure> {
        Ok(safe_name(&self.attachment(envelope, file).await?.name))
    }

    /// Saves a file at a place that the person chose.
    ///
    /// # Errors
    /// As [`App::save_file`].
    pub async fn save_file_to(
        &self,
        envelope: String,
        file: String,
        path: PathBuf,
    ) -> Result<FileView, Failure> {
        let attachment = self.attachment(&envelope, &file).await?;
        let id = attachment.id;
        let stop = self.transfers.begin(id, attachment.sealed_length);
        let saved = self
            .fetch_and_open(&envelope, &attachment, &path, &stop)
            .await;
        match &saved {
            Ok(()) => self.transfers.end_with(&id, Ended::Saved(path)),
            Err(Failure::Relay { reason }) => self.transfers.end_with(&id, Ended::Failed(*reason)),
            Err(_) => self.transfers.end(&id),
        }
        let total = attachment.sealed_length;
        self.tell(Change::Transfer {
            owner: envelope,
            file,
            done: total,
            total,
        });
        saved.map(|()| self.shown_attachment(&attachment))
    }

    async fn fetch_and_open(
        &self,
        envelope: &str,
        attachment: &Attachment,
        path: &Path,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let sealed = sealed(attachment);
        if !self.files().await?.has(attachment.id) {
            self.fetch(envelope, &sealed, stop).await?;
        }
        let key = AttachmentKey::new(*attachment.key);
        let (path, stop, files) = (path.to_owned(), stop.clone(), self.files().await?);
        blocking(move || {
            files.open(&sealed, &key, &path, &mut |_, _| !stop.is_cancelled())?;
            // Kept sealed: saving again needs no network, and what locks is ciphertext.
            Ok(())
        })
        .await
    }

    /// Fetches ciphertext from where the last try ended. While it waits for the network it holds
    /// nothing of the vault.
    pub(crate) async fn fetch(
        &self,
        envelope: &str,
        sealed: &SealedFile,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let (file, total) = (sealed.id, sealed.sealed_length);
        let mut at = {
            let files = self.files().await?;
            blocking(move || Ok(files.fetched_length(file)?)).await?
        };
        if at < total {
            let mut pieces = self.download(&file, at).await?.bytes_stream();
            while let Some(piece) = tokio::select! {
                () = stop.cancelled() => return Err(Failure::Cancelled),
                piece = pieces.next() => piece,
            } {
                let piece = piece.map_err(LineError::from)?;
                let (files, from) = (self.files().await?, at);
                at += u64::try_from(piece.len()).unwrap_or_default();
                blocking(move || Ok(files.append_fetched(file, from, &piece)?)).await?;
                self.transfers.step(&file, at, total);
                self.tell(Change::Transfer {
                    owner: envelope.to_owned(),
                    file: file.to_string(),
                    done: at,
                    total,
                });
            }
        }
        let (files, sealed) = (self.files().await?, sealed.clone());
        let mut rng = self.chance.draw();
        blocking(move || Ok(files.finish_fetched(&sealed, &mut rng)?)).await
    }

    /// The rest of a file, from the relay that has it.
    async fn download(&self, file: &AttachmentId, from: u64) -> Result<Response, LineError> {
        let mut missing = LineError::of(Reason::AttachmentMissing);
        for line in self.lines().await? {
            match line.download(file, from).await {
                Err(error) if error.slug == Some(Slug::UnknownAttachment) => missing = error,
                other => return other,
            }
        }
        Err(missing)
    }

    /// Seals a file of a draft in the background.
    pub(crate) fn begin_sealing(&self, draft: DraftId, file: DraftFile) {
        let stop = self.transfers.begin(file.id, file.length);
        let app = self.clone();
        self.spawn(async move {
            let id = file.id;
            match app.seal_file(draft, file, stop).await {
                Ok(()) => app.transfers.end(&id),
                Err(Failure::Cancelled) => {
                    app.transfers.end(&id);
                    // What the person stopped is taken out of the draft.
                    let gone = app.change_draft(draft, move |draft| {
                        draft.files.retain(|file| file.id != id);
                        Ok(())
                    });
                    if let Err(failure) = gone.await {
                        tracing::info!(%failure, "a file was not taken out of its draft");
                    }
                }
                Err(failure) => {
                    tracing::warn!(%failure, "a file could not be sealed");
                    let reason = match failure {
                        Failure::DiskFull => Reason::DiskFull,
                        _ => Reason::FileUnreadable,
                    };
                    app.transfers.end_with(&id, Ended::Failed(reason));
                }
            }
            app.tell(Change::Drafts(Some(draft_name(&draft))));
            app.sealed.notify_waiters();
        });
    }

    async fn seal_file(
        &self,
        draft: DraftId,
        file: DraftFile,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        let files = self.files().await?;
        let app = self.clone();
        let mut rng = self.chance.draw();
        let row = file.clone();
        let attachment = blocking(move || {
            let key = AttachmentKey::generate(&mut rng);
            let mut progress = |done, total| {
                app.transfers.step(&row.id, done, total);
                app.tell(Change::Transfer {
                    owner: draft_name(&draft),
                    file: row.id.to_string(),
                    done,
                    total,
                });
                !stop.is_cancelled()
            };
            let sealed = files.seal(&row.path, row.id, &key, &mut progress, &mut rng)?;
            Ok(Attachment {
                id: row.id,
                key: Zeroizing::new(*key.expose()),
                sealed_length: sealed.sealed_length,
                sha256: sealed.sha256,
                length: sealed.length,
                name: safe_name(&row.name),
                media_type: row.media_type,
            })
        })
        .await?;
        let id = file.id;
        let kept = self
            .change_draft(draft, move |draft| {
                let file = draft
                    .files
                    .iter_mut()
                    .find(|file| file.id == id)
                    .ok_or(Failure::NotFound)?;
                file.length = attachment.length;
                file.sealed = Some(attachment);
                Ok(())
            })
            .await;
        if let Err(Failure::NotFound) = kept {
            // Taken out of the draft meanwhile.
            self.forget_file(id).await;
            return Ok(());
        }
        kept
    }

    /// Seals again what a crash or a lock cut off.
    pub(crate) async fn resume_sealing(&self) -> Result<(), Failure> {
        let drafts = self
            .with_store(|store| Ok(store.all::<waxwing_vault::rows::Draft>()?))
            .await?;
        for draft in drafts {
            for file in draft.files {
                if file.sealed.is_none() && self.transfers.progress(&file.id).is_none() {
                    self.begin_sealing(draft.id, file);
                }
            }
        }
        Ok(())
    }

    /// Removes a sealed file that nothing refers to any more.
    pub(crate) async fn forget_file(&self, file: AttachmentId) {
        self.transfers.stop(&file);
        let removed = match self.files().await {
            Ok(files) => blocking(move || Ok(files.remove(file)?)).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = removed {
            tracing::warn!(%failure, "a sealed file could not be removed");
        }
    }

    pub(crate) async fn files(&self) -> Result<Files, Failure> {
        let carriage = self.carriage().ok_or(Failure::Locked)?;
        blocking(move || Ok(carriage.files()?)).await
    }

    pub(crate) fn shown_attachment(&self, attachment: &Attachment) -> FileView {
        let state = if let Some(path) = self.transfers.saved(&attachment.id) {
            FileState::Saved {
                path: path.display().to_string(),
            }
        } else if let Some(reason) = self.transfers.failure(&attachment.id) {
            FileState::Failed { reason }
        } else if let Some((done, total)) = self.transfers.progress(&attachment.id) {
            FileState::Transferring { done, total }
        } else if self
            .carriage()
            .and_then(|carriage| carriage.files().ok())
            .is_some_and(|f| f.has(attachment.id))
        {
            FileState::Here
        } else {
            FileState::AtRelay
        };
        FileView {
            id: attachment.id.to_string(),
            name: attachment.name.clone(),
            size: attachment.length,
            media_type: attachment.media_type.clone(),
            state,
        }
    }

    async fn attachment(&self, envelope: &str, file: &str) -> Result<Attachment, Failure> {
        let key = letter_key(envelope)?;
        let file: AttachmentId = id(file)?;
        self.with_store(move |store| {
            let message = store.load::<Message>(&key)?.ok_or(Failure::NotFound)?;
            message
                .attachments
                .into_iter()
                .find(|a| a.id == file)
                .ok_or(Failure::NotFound)
        })
        .await
    }
}

fn sealed(attachment: &Attachment) -> SealedFile {
    SealedFile {
        id: attachment.id,
        length: attachment.length,
        sealed_length: attachment.sealed_length,
        sha256: attachment.sha256,
    }
}
