//! The calling device's own mailbox: long poll, and acknowledgement once the device's disk has
//! what it fetched (docs/protocol.md section 3, step 12).

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use waxwing_wire::api::{Ack as AckBody, Acked, MailboxItem, MailboxPage, MailboxQuery};
use waxwing_wire::b64::B64;
use waxwing_wire::envelope::Envelope;
use waxwing_wire::ids::EnvelopeId;
use waxwing_wire::problem::Slug;
use waxwing_wire::retry::Retry;

use super::caller::{Caller, Signed};
use super::{App, Refusal, Shared};
use crate::store::{Ack, Topic};

/// The longest that a poll waits, in seconds.
pub(super) const LONGEST_WAIT: u64 = 30;
/// Envelopes in one page, unless asked for fewer, and their bytes.
const PAGE: u64 = 500;
const PAGE_BYTES: usize = 4 << 20;
/// Acknowledgements in one call.
const ACKS: usize = 1000;

/// The device's waiting envelopes after `after`. With `wait`, answers when there is something,
/// or with an empty page when the time is over or the relay stops.
#[utoipa::path(get, path = "/v1/mailbox", tag = "mailbox",
    params(("after" = Option<u64>, Query), ("limit" = Option<u64>, Query),
        ("wait" = Option<u64>, Query, description = "Seconds, at most 30")),
    responses((status = 200, body = MailboxPage)))]
pub(super) async fn fetch(
    State(app): State<Shared>,
    query: Result<Query<MailboxQuery>, QueryRejection>,
    signed: Signed,
) -> Result<Json<MailboxPage>, Refusal> {
    let Query(query) =
        query.map_err(|_| Refusal::because(Slug::BodyInvalid, "The query cannot be read."))?;
    let mailbox = signed.caller.mailbox;
    let limit = usize::try_from(query.limit.unwrap_or(PAGE).min(PAGE)).unwrap_or(0);
    let over = tokio::time::sleep(Duration::from_secs(query.wait.min(LONGEST_WAIT)));
    tokio::pin!(over);
    let mut wake = app
        .store
        .wake(Topic::Arrived(mailbox.as_bytes().to_vec().into()));
    let items = loop {
        let items = app
            .store
            .read(mailbox.as_bytes(), query.after, limit, PAGE_BYTES)
            .await?;
        if !items.is_empty() || query.wait == 0 || limit == 0 {
            break items;
        }
        tokio::select! {
            () = wake.changed() => {}
            () = &mut over => break items,
            () = app.stopping.cancelled() => break items,
        }
    };
    let last_seq = items.last().map_or(query.after, |item| item.seq);
    let items = items
        .into_iter()
        .map(|item| MailboxItem {
            seq: item.seq,
            received_at: item.received_at,
            envelope: B64(item.body.to_vec()),
        })
        .collect();
    Ok(Json(MailboxPage { items, last_seq }))
}

/// Acknowledges: these are durable on the device's own disk. Those in `retries` it cannot open;
/// their signed statements wait for the sender. A device that was locked acknowledges first and
/// finds out later that it cannot open: its statement is taken then too. What is not there any more
/// is passed over otherwise.
#[utoipa::path(post, path = "/v1/mailbox/ack", tag = "mailbox",
    request_body = AckBody,
    responses((status = 200, body = Acked)))]
pub(super) async fn ack(State(app): State<Shared>, signed: Signed) -> Result<Json<Acked>, Refusal> {
    let body: AckBody = signed.json()?;
    if body.seqs.len() + body.retries.len() > ACKS {
        return Err(Refusal::because(
            Slug::TooLarge,
            format!("At most {ACKS} in one call."),
        ));
    }
    let mailbox = signed.caller.mailbox.as_bytes();
    let mut acks = Vec::with_capacity(body.seqs.len() + body.retries.len());
    for retry in body.retries {
        let about = check_statement(&app, &signed.caller, retry.seq, &retry.statement).await?;
        let note = retry.statement.0.into();
        match about {
            About::Waiting => acks.push(Ack {
                seq: retry.seq,
                note: Some(note),
            }),
            About::Gone(env_id) => {
                app.store.annotate(mailbox, env_id.as_bytes(), note).await?;
            }
        }
    }
    // A number in both lists is a retry: the store takes the first of each.
    acks.extend(body.seqs.into_iter().map(|seq| Ack { seq, note: None }));
    let removed = app.store.ack(mailbox, acks).await?;
    Ok(Json(Acked { removed }))
}

/// Which envelope a retry statement is about.
enum About {
    /// The one that waits under the statement's sequence number.
    Waiting,
    /// One that does not wait any more, by its id.
    Gone(EnvelopeId),
}

/// Proves that a retry statement is this device's, about an envelope to its own mailbox.
async fn check_statement(
    app: &App,
    caller: &Caller,
    seq: u64,
    statement: &B64,
) -> Result<About, Refusal> {
    let invalid = || {
        Refusal::because(
            Slug::BodyInvalid,
            "A retry statement does not fit its envelope.",
        )
    };
    let retry = Retry::decode(statement.as_slice()).map_err(|_| invalid())?;
    let retry = retry.verify(&caller.current.card).map_err(|_| invalid())?;
    if retry.device_id() != caller.device || retry.body().to != caller.mailbox {
        return Err(invalid());
    }
    let Some(before) = seq.checked_sub(1) else {
        return Err(invalid());
    };
    let found = app
        .store
        .read(caller.mailbox.as_bytes(), before, 1, usize::MAX)
        .await?;
    let Some(item) = found.first().filter(|item| item.seq == seq) else {
        return Ok(About::Gone(retry.body().env_id));
    };
    let envelope = Envelope::decode(&item.body).map_err(|_| Slug::Internal)?;
    if envelope.header.env_id == retry.body().env_id {
        Ok(About::Waiting)
    } else {
        Err(invalid())
    }
}
