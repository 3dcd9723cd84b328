//! Links: where two devices meet, of which one has no account yet (docs/protocol.md section 8).
//!
//! Nobody signs here, because the new device is nobody yet: who knows the rendezvous may write each
//! of a link's messages once, read them, and end it. So what one may keep here is bounded in size,
//! number and time, it is kept in memory alone, and it is ciphertext or public keys.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use waxwing_wire::api::{LinkQuery, MEDIA_LINK};
use waxwing_wire::ids::LinkId;
use waxwing_wire::limits::{LINK_LIFE, MAX_LINK_BYTES};
use waxwing_wire::link::LinkSlot;
use waxwing_wire::problem::Slug;

use super::caller::{need_media_type, read_body};
use super::mailbox::LONGEST_WAIT;
use super::{Refusal, Shared};

/// Writes a message of a link, once. The offer begins the link, which lives for five minutes.
///
/// Repeating the same message is answered with 200.
#[utoipa::path(put, path = "/v1/links/{link}/{slot}", tag = "links",
    params(("link" = LinkId, Path, description = "The rendezvous, hex"),
        ("slot" = String, Path, description = "`offer`, `hello` or `grant`")),
    request_body(content = Vec<u8>, content_type = "application/cbor"),
    responses(
        (status = 200, description = "It was here already"),
        (status = 201, description = "It is here")))]
pub(super) async fn put(
    State(app): State<Shared>,
    Path((link, slot)): Path<(String, String)>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let (link, slot) = (super::id(&link)?, slot_of(&slot)?);
    app.limits.link()?;
    let (parts, body) = request.into_parts();
    need_media_type(&parts.headers, MEDIA_LINK)?;
    let body = read_body(&parts.headers, body, MAX_LINK_BYTES, &app).await?;
    app.links.write(link, slot, body, app.now())
}

/// A message of a link. With `wait`, answers when it is there; 204 when it is not there yet.
#[utoipa::path(get, path = "/v1/links/{link}/{slot}", tag = "links",
    params(("link" = LinkId, Path, description = "The rendezvous, hex"),
        ("slot" = String, Path, description = "`offer`, `hello` or `grant`"),
        ("wait" = Option<u64>, Query, description = "Seconds, at most 30")),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/cbor"),
        (status = 204, description = "Not written yet")))]
pub(super) async fn get(
    State(app): State<Shared>,
    Path((link, slot)): Path<(String, String)>,
    query: Result<Query<LinkQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let (link, slot) = (super::id(&link)?, slot_of(&slot)?);
    let Query(query) =
        query.map_err(|_| Refusal::because(Slug::BodyInvalid, "The query cannot be read."))?;
    app.limits.link()?;
    let over = tokio::time::sleep(Duration::from_secs(query.wait.min(LONGEST_WAIT)));
    tokio::pin!(over);
    loop {
        let (written, mut changes) = app.links.read(link, slot, app.now())?;
        if let Some(body) = written {
            return Ok(([(header::CONTENT_TYPE, MEDIA_LINK)], body).into_response());
        }
        if query.wait == 0 {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        tokio::select! {
            // An error: the link's time is over, which the next look says.
            _ = changes.changed() => {}
            () = &mut over => return Ok(StatusCode::NO_CONTENT.into_response()),
            () = app.stopping.cancelled() => return Ok(StatusCode::NO_CONTENT.into_response()),
        }
    }
}

/// Ends a link: what was written is gone, and who asks is told. May be repeated.
#[utoipa::path(delete, path = "/v1/links/{link}", tag = "links",
    params(("link" = LinkId, Path, description = "The rendezvous, hex")),
    responses((status = 204, description = "It is ended, or was never begun")))]
pub(super) async fn end(
    State(app): State<Shared>,
    Path(link): Path<String>,
) -> Result<StatusCode, Refusal> {
    let link = super::id(&link)?;
    app.limits.link()?;
    app.links.end(link, app.now());
    Ok(StatusCode::NO_CONTENT)
}

fn slot_of(text: &str) -> Result<LinkSlot, Refusal> {
    text.parse().map_err(|_| Slug::NotFound.into())
}

/// All links of this moment.
pub(crate) struct Links {
    most: usize,
    open: Mutex<HashMap<LinkId, Link>>,
}

struct Link {
    until: u64,
    /// In the order of [`LinkSlot::ALL`]; `None` when the link was ended.
    slots: Option<[Option<Bytes>; 3]>,
    changes: watch::Sender<()>,
}

impl Links {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            open: Mutex::default(),
        }
    }

    fn write(
        &self,
        id: LinkId,
        slot: LinkSlot,
        body: Bytes,
        now: u64,
    ) -> Result<StatusCode, Refusal> {
        let mut open = self.alive(now);
        if slot == LinkSlot::Offer && !open.contains_key(&id) {
            if open.len() >= self.most {
                let detail = "Too many devices are being linked here; wait a little.";
                return Err(Refusal::because(Slug::TooManyRequests, detail)
                    .with(|problem| problem.retry_after = Some(LINK_LIFE)));
            }
            let link = Link {
                until: now.saturating_add(LINK_LIFE),
                slots: Some([Some(body), None, None]),
                changes: watch::Sender::new(()),
            };
            open.insert(id, link);
            return Ok(StatusCode::CREATED);
        }
        let link = open.get_mut(&id).ok_or(Slug::UnknownLink)?;
        let slots = link.slots.as_mut().ok_or(Slug::LinkEnded)?;
        match &slots[slot as usize] {
            Some(there) if *there == body => Ok(StatusCode::OK),
            Some(_) => Err(Slug::LinkConflict.into()),
            None => {
                slots[slot as usize] = Some(body);
                link.changes.send_replace(());
                Ok(StatusCode::CREATED)
            }
        }
    }

    fn read(
        &self,
        id: LinkId,
        slot: LinkSlot,
        now: u64,
    ) -> Result<(Option<Bytes>, watch::Receiver<()>), Refusal> {
        let open = self.alive(now);
        let link = open.get(&id).ok_or(Slug::UnknownLink)?;
        let slots = link.slots.as_ref().ok_or(Slug::LinkEnded)?;
        Ok((slots[slot as usize].clone(), link.changes.subscribe()))
    }

    fn end(&self, id: LinkId, now: u64) {
        if let Some(link) = self.alive(now).get_mut(&id) {
            link.slots = None;
            link.changes.send_replace(());
        }
    }

    /// Drops the links whose time is over.
    pub(crate) fn forget_over(&self, now: u64) {
        drop(self.alive(now));
    }

    fn alive(&self, now: u64) -> std::sync::MutexGuard<'_, HashMap<LinkId, Link>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, link| now < link.until);
        open
    }
}
