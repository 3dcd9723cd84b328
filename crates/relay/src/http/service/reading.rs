//! The answer to a reader: message by message, and within a long sealed one piece by piece.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use base64ct::{Base64, Encoding as _};
use futures_util::stream;
use waxwing_compat::{RsaPrivate, Sealed};
use zeroize::Zeroizing;

use super::Shared;
use super::answer::{Date, Fault, Format, Message, fits_xml};
use super::messages::{Row, Waiting};
use super::online;
use super::pieces::{Data, piece};

/// Characters that are escaped at once.
const STRIDE: usize = 256 * 1024;

/// How messages are given.
pub(super) struct Reading {
    pub(super) app: Shared,
    pub(super) format: Format,
    /// Opens them; without it they are given sealed.
    pub(super) key: Option<Arc<RsaPrivate>>,
}

enum Step {
    Text(Zeroizing<String>),
    /// To be escaped; from this byte on.
    Raw(Zeroizing<String>, usize),
    Piece([u8; 16], u32),
    Message(Box<Waiting>),
}

impl Reading {
    /// The list of these messages. `sent` runs once the last byte was taken by the connection, not
    /// when the reader went away before.
    pub(super) fn body(self, messages: Vec<Waiting>, sent: impl FnOnce() + Send + 'static) -> Body {
        let (before, between, after) = self.format.list();
        let text = |text: String| Step::Text(Zeroizing::new(text));
        let mut steps = VecDeque::from([text(before)]);
        for (number, message) in messages.into_iter().enumerate() {
            if number > 0 {
                steps.push_back(text(between.to_owned()));
            }
            steps.push_back(Step::Message(Box::new(message)));
        }
        steps.push_back(text(after.to_owned()));
        self.flow(steps, sent)
    }

    fn flow(self, steps: VecDeque<Step>, sent: impl FnOnce() + Send + 'static) -> Body {
        let start = (self, steps, Some(sent));
        Body::from_stream(stream::try_unfold(
            start,
            |(reading, mut steps, mut sent)| async move {
                loop {
                    let Some(step) = steps.pop_front() else {
                        if let Some(sent) = sent.take() {
                            sent();
                        }
                        return Ok::<_, Fault>(None);
                    };
                    let text = match step {
                        Step::Text(text) => text,
                        Step::Message(message) => {
                            for step in reading.write(*message).await?.into_iter().rev() {
                                steps.push_front(step);
                            }
                            continue;
                        }
                        Step::Piece(id, number) => {
                            let piece = piece(&reading.app, &id, number).await?;
                            steps.push_front(Step::Raw(Zeroizing::new(piece), 0));
                            continue;
                        }
                        Step::Raw(raw, from) => {
                            let to = (from + STRIDE..raw.len())
                                .find(|at| raw.is_char_boundary(*at))
                                .unwrap_or(raw.len());
                            let part = raw.get(from..to).unwrap_or_default();
                            let text = Zeroizing::new(reading.format.escape(part)?);
                            if to < raw.len() {
                                steps.push_front(Step::Raw(raw, to));
                            }
                            text
                        }
                    };
                    let bytes = Bytes::from_owner(Owned(text));
                    return Ok(Some((bytes, (reading, steps, sent))));
                }
            },
        ))
    }

    /// One message. One that the key does not open is given as it came.
    async fn write(&self, waiting: Waiting) -> Result<Vec<Step>, Fault> {
        let Waiting { seq, created, row } = waiting;
        let opened = match &self.key {
            Some(key) => {
                let sealed = sealed(&self.app, &row).await?;
                online::open(&self.app, key, sealed, row.is_file).await?
            }
            None => None,
        };
        let link = if row.is_file {
            let key = self.key.as_deref().filter(|_| opened.is_some());
            let files = &self.app.service.files;
            files.link(row.clone(), key, self.app.now())
        } else {
            None
        };
        let is_sealed = opened.is_none();
        let message = Message {
            id: seq,
            data: String::new(),
            encryption_key: is_sealed.then_some(row.encryption_key),
            hash: row.hash.filter(|_| is_sealed),
            created: Date {
                at: created,
                format: self.format,
            },
            is_file: row.is_file,
            temporary_download_id: link,
        };
        let (mut before, after) = self.format.cut(message)?;
        let mut steps = Vec::new();
        match (opened, row.data) {
            (Some(text), _) if self.format == Format::Xml && !fits_xml(&text) => {
                if let Some(open) = before.strip_suffix('>') {
                    before = format!("{open} encoding=\"base64\">");
                }
                let base64 = Base64::encode_string(text.as_bytes());
                steps.push(Step::Text(Zeroizing::new(base64)));
            }
            (Some(text), _) => steps.push(Step::Raw(text, 0)),
            (None, Data::Here(text)) => steps.push(Step::Raw(Zeroizing::new(text), 0)),
            (None, Data::Pieces { id, count }) => {
                steps.extend((0..count).map(|number| Step::Piece(id, number)));
            }
        }
        steps.insert(0, Step::Text(Zeroizing::new(before)));
        steps.push(Step::Text(Zeroizing::new(after)));
        Ok(steps)
    }
}

/// What the formats open.
pub(super) async fn sealed(app: &Shared, row: &Row) -> Result<Sealed, Fault> {
    Ok(Sealed {
        encryptedmessage: row.data.load(app).await?,
        encryptionkey: row.encryption_key.clone(),
        messagehash: row.hash.clone(),
    })
}

/// A sealed file's data as it came, piece by piece.
pub(super) fn raw(app: Shared, data: Data) -> Body {
    let (short, pieces) = match data {
        Data::Here(text) => (Some(text), None),
        Data::Pieces { id, count } => (None, Some((id, count))),
    };
    let (id, count) = pieces.unwrap_or_default();
    Body::from_stream(stream::try_unfold(
        (app, short, 0),
        move |(app, mut short, number)| async move {
            if let Some(text) = short.take() {
                return Ok::<_, Fault>(Some((Bytes::from(text), (app, None, number))));
            }
            if number >= count {
                return Ok(None);
            }
            let text = piece(&app, &id, number).await?;
            Ok(Some((Bytes::from(text), (app, None, number + 1))))
        },
    ))
}

/// Wiped when the connection has taken it.
pub(super) struct Owned<T>(pub(super) T);

impl AsRef<[u8]> for Owned<Zeroizing<String>> {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl AsRef<[u8]> for Owned<Zeroizing<Vec<u8>>> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
