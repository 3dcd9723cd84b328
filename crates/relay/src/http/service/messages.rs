//! Messages at rest: a mailbox for each key.

use axum::body::Bytes;
use serde::{Deserialize, Serialize};

use super::Shared;
use super::answer::Fault;
use super::keys::{self, Key};
use super::pieces::{Data, Writer};
use super::token::Token;
use crate::store::{Ack, Append, Quota, Seq, StoreError};

/// What is kept of a message; always sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) data: Data,
    pub(super) encryption_key: String,
    pub(super) hash: Option<String>,
    pub(super) is_file: bool,
}

/// A message that waits.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) seq: Seq,
    /// Unix seconds.
    pub(super) created: u64,
    pub(super) row: Row,
}

/// A sealed message on its way in.
pub(super) struct Sealed {
    pub(super) data: Writer,
    pub(super) encryption_key: String,
    pub(super) hash: Option<String>,
    pub(super) is_file: bool,
}

/// Keeps a message.
///
/// # Errors
/// The quota; the key went away meanwhile; the store.
pub(super) async fn add(app: &Shared, key: &Key, mut sealed: Sealed) -> Result<(), Fault> {
    let expires_at = key.message_expires(app.now());
    let data = sealed.data.finish(key, expires_at).await?;
    let row = Row {
        data,
        encryption_key: sealed.encryption_key,
        hash: sealed.hash,
        is_file: sealed.is_file,
    };
    let kept = keep(app, key, &row, expires_at).await;
    if kept.is_err() {
        row.data.delete(app).await?;
    }
    kept
}

async fn keep(app: &Shared, key: &Key, row: &Row, expires_at: u64) -> Result<(), Fault> {
    let limits = &app.config.key_service;
    let body = postcard::to_stdvec(row).map_err(|_| Fault::internal())?;
    let mailbox = mailbox(&key.token);
    let id = Bytes::copy_from_slice(&rand::random::<[u8; 16]>());
    let append = Append {
        mailbox: mailbox.clone(),
        key: id.clone(),
        body: body.into(),
        expires_at,
        remember_until: expires_at,
        quota: Quota {
            items: limits.waiting_messages,
            bytes: limits.waiting_bytes,
        },
    };
    app.store.append(append).await?;
    // Deleted since it was looked at: nobody could read the message.
    if keys::find(app, &key.token).await?.is_none() {
        app.store.withdraw(&mailbox, &id).await?;
        return Err(Fault::unknown());
    }
    Ok(())
}

/// All messages that wait, oldest first.
///
/// # Errors
/// The store.
pub(super) async fn all(app: &Shared, token: &Token) -> Result<Vec<Waiting>, Fault> {
    let items = app
        .store
        .read(&mailbox(token), 0, usize::MAX, usize::MAX)
        .await?;
    items
        .into_iter()
        .map(|item| {
            let row = postcard::from_bytes(&item.body).map_err(|_| Fault::internal())?;
            Ok(Waiting {
                seq: item.seq,
                created: item.received_at,
                row,
            })
        })
        .collect()
}

/// Removes messages with their data.
///
/// # Errors
/// The store.
pub(super) async fn remove(
    app: &Shared,
    token: &Token,
    messages: &[Waiting],
) -> Result<(), StoreError> {
    let acks = messages
        .iter()
        .map(|message| Ack {
            seq: message.seq,
            note: None,
        })
        .collect();
    app.store.ack(&mailbox(token), acks).await?;
    for message in messages {
        message.row.data.delete(app).await?;
    }
    Ok(())
}

fn mailbox(token: &Token) -> Bytes {
    format!("service/messages/{}", token.as_str()).into()
}
