//! Drafts: saved as they are typed, with their files sealed as they are chosen.

use crate::app::App;
use crate::contacts::{id, millis};
use crate::failure::Failure;
use crate::files::FILE_LIMIT;
use crate::letters::letter_key;
use crate::view::{self, Change, DraftText, FileState, FileView, Page};
use std::path::{Path, PathBuf};
use waxwing_vault::rows::{Draft, DraftFile, DraftId, Message};
use waxwing_wire::ids::{AccountId, AttachmentId, MessageId};
use waxwing_wire::limits::MAX_ATTACHMENTS;
use zeroize::Zeroizing;

impl App {
    /// The drafts, last saved first.
    ///
    /// # Errors
    /// [`Failure::Locked`].
    pub async fn drafts(
        &self,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<view::Draft>, Failure> {
        let from: usize = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
        let limit = usize::try_from(limit.clamp(1, 500)).unwrap_or(500);
        let app = self.clone();
        self.with_store(move |store| {
            let mut drafts: Vec<Draft> = store.all()?;
            drafts.sort_by_key(|draft| std::cmp::Reverse(draft.saved_at));
            let total = drafts.len();
            let items = drafts
                .into_iter()
                .skip(from)
                .take(limit)
                .map(|draft| app.shown(&draft))
                .collect();
            let next = (from + limit < total).then(|| (from + limit).to_string());
            Ok(Page {
                items,
                next,
                total: u32::try_from(total).unwrap_or(u32::MAX),
            })
        })
        .await
    }

    /// One draft.
    ///
    /// # Errors
    /// [`Failure::NotFound`].
    pub async fn draft(&self, draft: String) -> Result<view::Draft, Failure> {
        let key = draft_id(&draft)?;
        let app = self.clone();
        self.with_store(move |store| {
            Ok(app.shown(&store.load::<Draft>(&key)?.ok_or(Failure::NotFound)?))
        })
        .await
    }

    /// Begins a message, perhaps as an answer.
    ///
    /// # Errors
    /// [`Failure::Locked`].
    pub async fn new_draft(&self, in_reply_to: Option<String>) -> Result<view::Draft, Failure> {
        let answered = in_reply_to.as_deref().map(letter_key).transpose()?;
        let app = self.clone();
        let mut rng = self.chance.draw();
        let draft = self
            .with_store(move |store| {
                let mut draft = Draft {
                    id: DraftId::generate(&mut rng),
                    to: Vec::new(),
                    subject: Zeroizing::default(),
                    body: Zeroizing::default(),
                    in_reply_to: answered.map(|(_, message)| message),
                    files: Vec::new(),
                    saved_at: app.now(),
                };
                if let Some(answered) = answered
                    && let Some(message) = store.load::<Message>(&answered)?
                {
                    // Nobody vouches for who wrote a drop: there is nobody to answer.
                    if message.drop.is_none() {
                        draft.to = vec![message.sender];
                    }
                    draft.subject = reply_subject(&message.subject);
                }
                store.commit(&mut rng, |tx| tx.put(&draft))?;
                Ok(app.shown(&draft))
            })
            .await?;
        self.tell(Change::Drafts(Some(draft.id.clone())));
        self.tell(Change::Status);
        Ok(draft)
    }

    /// Keeps what is written so far.
    ///
    /// # Errors
    /// [`Failure::NotFound`] when the draft was sent or thrown away meanwhile.
    pub async fn save_draft(&self, draft: String, text: DraftText) -> Result<(), Failure> {
        let key = draft_id(&draft)?;
        let now = self.now();
        self.change_draft(key, move |draft| {
            apply(draft, &text, now)?;
            Ok(())
        })
        .await?;
        self.tell(Change::Drafts(Some(draft)));
        Ok(())
    }

    /// Throws a draft and its sealed files away.
    ///
    /// # Errors
    /// [`Failure::Locked`].
    pub async fn discard_draft(&self, draft: String) -> Result<(), Failure> {
        let key = draft_id(&draft)?;
        let mut rng = self.chance.draw();
        let files = self
            .with_store(move |store| {
                let files = store
                    .load::<Draft>(&key)?
                    .map(|draft| draft.files)
                    .unwrap_or_default();
                store.commit(&mut rng, |tx| tx.delete::<Draft>(&key))?;
                Ok(files)
            })
            .await?;
        for file in files {
            self.forget_file(file.id).await;
        }
        self.tell(Change::Drafts(Some(draft)));
        self.tell(Change::Status);
        Ok(())
    }

    /// Attaches files to a draft; each is sealed in the background.
    ///
    /// # Errors
    /// [`Failure::FileUnreadable`], [`Failure::FileTooLarge`], [`Failure::TooManyFiles`]; files
    /// before it are attached.
    pub async fn attach(&self, draft: String, paths: Vec<PathBuf>) -> Result<view::Draft, Failure> {
        let key = draft_id(&draft)?;
        for path in paths {
            let file = self.look_at(&path).await?;
            let row = file.clone();
            self.change_draft(key, move |draft| {
                if draft.files.len() >= MAX_ATTACHMENTS {
                    let limit = u32::try_from(MAX_ATTACHMENTS).unwrap_or(u32::MAX);
                    return Err(Failure::TooManyFiles { limit });
                }
                draft.files.push(row);
                Ok(())
            })
            .await?;
            self.begin_sealing(key, file);
        }
        self.tell(Change::Drafts(Some(draft.clone())));
        self.draft(draft).await
    }

    /// Takes a file out of a draft.
    ///
    /// # Errors
    /// [`Failure::NotFound`].
    pub async fn detach(&self, draft: String, file: String) -> Result<view::Draft, Failure> {
        let key = draft_id(&draft)?;
        let attachment: AttachmentId = id(&file)?;
        self.change_draft(key, move |draft| {
            draft.files.retain(|file| file.id != attachment);
            Ok(())
        })
        .await?;
        self.forget_file(attachment).await;
        self.tell(Change::Drafts(Some(draft.clone())));
        self.draft(draft).await
    }

    pub(crate) async fn change_draft<F>(&self, key: DraftId, change: F) -> Result<(), Failure>
    where
        F: FnOnce(&mut Draft) -> Result<(), Failure> + Send + 'static,
    {
        let mut rng = self.chance.draw();
        self.with_store(move |store| {
            store.commit(&mut rng, |tx| {
                let mut draft = tx.load::<Draft>(&key)?.ok_or(Failure::NotFound)?;
                change(&mut draft)?;
                Ok(tx.put(&draft)?)
            })
        })
        .await
    }

    async fn look_at(&self, path: &Path) -> Result<DraftFile, Failure> {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let about = tokio::fs::metadata(path)
            .await
            .ok()
            .filter(std::fs::Metadata::is_file);
        let about = about.ok_or_else(|| Failure::FileUnreadable { name: name.clone() })?;
        let limit = self
            .known()
            .info
            .as_ref()
            .map_or(FILE_LIMIT, |info| info.limits.attachment_bytes);
        if about.len() > limit {
            return Err(Failure::FileTooLarge { name, limit });
        }
        Ok(DraftFile {
            id: AttachmentId::generate(&mut self.chance.draw()),
            path: path.to_owned(),
            media_type: mime_guess::from_path(path)
                .first_or_octet_stream()
                .to_string(),
            name,
            length: about.len(),
            sealed: None,
        })
    }

    fn shown(&self, draft: &Draft) -> view::Draft {
        view::Draft {
            id: draft_name(&draft.id),
            to: draft.to.iter().map(ToString::to_string).collect(),
            subject: draft.subject.to_string(),
            body: draft.body.to_string(),
            in_reply_to: draft.in_reply_to.map(|message| message.to_string()),
            files: draft
                .files
                .iter()
                .map(|file| self.shown_file(file))
                .collect(),
            saved_at: millis(draft.saved_at),
        }
    }

    fn shown_file(&self, file: &DraftFile) -> FileView {
        let total = file.length;
        let state = match (&file.sealed, self.transfers.progress(&file.id)) {
            (Some(_), _) => FileState::Here,
            (None, Some((done, total))) => FileState::Transferring { done, total },
            (None, None) => match self.transfers.failure(&file.id) {
                Some(reason) => FileState::Failed { reason },
                None => FileState::Transferring { done: 0, total },
            },
        };
        FileView {
            id: file.id.to_string(),
            name: file.name.clone(),
            size: total,
            media_type: file.media_type.clone(),
            state,
        }
    }
}

/// Puts what is written into a draft.
pub(crate) fn apply(draft: &mut Draft, text: &DraftText, now: u64) -> Result<(), Failure> {
    draft.to = text
        .to
        .iter()
        .map(|account| id::<AccountId>(account))
        .collect::<Result<_, _>>()?;
    draft.subject = Zeroizing::new(text.subject.clone());
    draft.body = Zeroizing::new(text.body.clone());
    draft.in_reply_to = text.in_reply_to.as_deref().map(id).transpose()?;
    draft.saved_at = now;
    Ok(())
}

fn reply_subject(subject: &str) -> Zeroizing<String> {
    let answered = subject
        .get(..3)
        .is_some_and(|start| start.eq_ignore_ascii_case("re:"));
    Zeroizing::new(if answered || subject.is_empty() {
        subject.to_owned()
    } else {
        format!("Re: {subject}")
    })
}

/// A draft's id, as the face writes it.
pub(crate) fn draft_name(draft: &DraftId) -> String {
    MessageId::new(draft.0).to_string()
}

/// A draft's id, from the face.
pub(crate) fn draft_id(text: &str) -> Result<DraftId, Failure> {
    Ok(DraftId(*id::<MessageId>(text)?.as_bytes()))
}
