//! A message's data at rest: a short one in its row, a longer one as blobs of one piece each, so
//! that neither taking nor giving it needs it in memory.
//!
//! A piece is announced for an hour, and for the message's life once all of them are there: what was
//! broken off is swept.

use axum::body::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Shared;
use super::answer::{Fault, fits_xml};
use super::keys::{self, Key};
use crate::store::{NewBlob, Quota, StoreError};

/// Bytes of a piece, and of data that is kept without one.
const PIECE: usize = 1 << 20;
const SHORT: usize = 16 * 1024;
/// Seconds that a piece of an unfinished message is kept.
const UNFINISHED: u64 = 3600;

/// Where a message's data is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Data {
    Here(String),
    /// So many pieces, of blobs named after this id.
    Pieces {
        id: [u8; 16],
        count: u32,
    },
}

impl Data {
    /// Removes the pieces.
    pub(super) async fn delete(&self, app: &Shared) -> Result<(), StoreError> {
        if let Self::Pieces { id, count } = self {
            for number in 0..*count {
                app.store.delete_blob(&blob_id(id, number)).await?;
            }
        }
        Ok(())
    }

    /// The whole, in memory.
    pub(super) async fn load(&self, app: &Shared) -> Result<String, Fault> {
        let mut text = String::new();
        match self {
            Self::Here(there) => text.push_str(there),
            Self::Pieces { id, count } => {
                for number in 0..*count {
                    text.push_str(&piece(app, id, number).await?);
                }
            }
        }
        Ok(text)
    }
}

/// One piece of data.
///
/// # Errors
/// The store.
pub(super) async fn piece(app: &Shared, id: &[u8; 16], number: u32) -> Result<String, Fault> {
    let bytes = app
        .store
        .read_blob(&blob_id(id, number), 0, 2 * PIECE)
        .await?;
    String::from_utf8(bytes.into()).map_err(|_| Fault::internal())
}

fn blob_id(id: &[u8; 16], number: u32) -> Vec<u8> {
    [&b"service/data/"[..], id, &number.to_be_bytes()].concat()
}

/// Takes data in, piece by piece, for the key that a token names.
pub(super) struct Writer {
    app: Shared,
    id: [u8; 16],
    /// Known from the first piece on.
    key: Option<Key>,
    rest: Vec<u8>,
    pieces: Vec<([u8; 32], u64)>,
}

impl Writer {
    pub(super) fn new(app: &Shared) -> Self {
        Self {
            app: app.clone(),
            id: rand::random(),
            key: None,
            rest: Vec::new(),
            pieces: Vec::new(),
        }
    }

    /// Adds bytes. `token`: what is known of it by now.
    ///
    /// # Errors
    /// No UTF-8, a control character, or the key takes nothing; nothing is kept then.
    pub(super) async fn push(&mut self, bytes: &[u8], token: Option<&str>) -> Result<(), Fault> {
        match self.add(bytes, token).await {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.abandon(fault).await),
        }
    }

    /// The data, kept until `expires_at`.
    ///
    /// # Errors
    /// As for [`Writer::push`], and the quota.
    pub(super) async fn finish(&mut self, key: &Key, expires_at: u64) -> Result<Data, Fault> {
        match self.end(key, expires_at).await {
            Ok(data) => Ok(data),
            Err(fault) => Err(self.abandon(fault).await),
        }
    }

    async fn add(&mut self, bytes: &[u8], token: Option<&str>) -> Result<(), Fault> {
        for part in bytes.chunks(PIECE) {
            self.rest.extend_from_slice(part);
            if self.rest.len() < PIECE {
                continue;
            }
            if self.key.is_none() {
                let token = token.ok_or_else(|| {
                    Fault::invalid("In form data with a long message `token` must come before it.")
                })?;
                let token = token.parse().map_err(|()| Fault::unknown())?;
                self.key = Some(keys::taking(&self.app, &token).await?);
            }
            let mut tail = self.rest.split_off(PIECE);
            // A character that is not all there goes with the next piece.
            let whole = match std::str::from_utf8(&self.rest) {
                Ok(_) => PIECE,
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                Err(_) => return Err(no_text()),
            };
            let mut next = self.rest.split_off(whole);
            next.append(&mut tail);
            let piece = std::mem::replace(&mut self.rest, next);
            self.store(piece).await?;
        }
        Ok(())
    }

    async fn end(&mut self, key: &Key, expires_at: u64) -> Result<Data, Fault> {
        let rest = std::mem::take(&mut self.rest);
        if self.pieces.is_empty() && rest.len() <= SHORT {
            let text = String::from_utf8(rest).map_err(|_| no_text())?;
            return check(&text).map(|()| Data::Here(text));
        }
        self.key = Some(key.clone());
        if !rest.is_empty() {
            self.store(rest).await?;
        }
        for number in 0..self.pieces.len() {
            self.announce(number, expires_at).await?;
        }
        let count = u32::try_from(self.pieces.len()).map_err(|_| Fault::internal())?;
        Ok(Data::Pieces { id: self.id, count })
    }

    /// Removes what was stored so far: the message does not come to be. What cannot be removed goes
    /// within the hour.
    async fn abandon(&mut self, fault: Fault) -> Fault {
        let pieces = std::mem::take(&mut self.pieces);
        let count = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
        let data = Data::Pieces { id: self.id, count };
        match data.delete(&self.app).await {
            Ok(()) => fault,
            Err(error) => error.into(),
        }
    }

    async fn store(&mut self, piece: Vec<u8>) -> Result<(), Fault> {
        check(std::str::from_utf8(&piece).map_err(|_| no_text())?)?;
        let number = self.pieces.len();
        let digest = Sha256::digest(&piece).into();
        self.pieces.push((digest, piece.len() as u64));
        let until = self.app.now().saturating_add(UNFINISHED);
        self.announce(number, until).await?;
        let id = blob_id(
            &self.id,
            u32::try_from(number).map_err(|_| Fault::internal())?,
        );
        self.app
            .store
            .append_blob(&id, 0, Bytes::from(piece))
            .await?;
        Ok(())
    }

    /// Also prolongs what was announced.
    async fn announce(&self, number: usize, expires_at: u64) -> Result<(), Fault> {
        let (Some((sha256, length)), Some(key)) = (self.pieces.get(number), &self.key) else {
            return Err(Fault::internal());
        };
        let id = blob_id(
            &self.id,
            u32::try_from(number).map_err(|_| Fault::internal())?,
        );
        let blob = NewBlob {
            id: id.into(),
            owner: keys::owner(&key.token),
            length: *length,
            sha256: *sha256,
            expires_at,
        };
        let quota = Quota {
            items: u64::MAX,
            bytes: self.app.config.key_service.waiting_bytes,
        };
        self.app.store.create_blob(blob, quota).await?;
        Ok(())
    }
}

fn check(text: &str) -> Result<(), Fault> {
    if fits_xml(text) {
        Ok(())
    } else {
        Err(Fault::invalid(
            "`encryptedmessage` has a control character, which XML could not give back; send Base64.",
        ))
    }
}

fn no_text() -> Fault {
    Fault::invalid("`encryptedmessage` must be text in UTF-8, such as Base64.")
}
