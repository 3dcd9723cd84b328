//! The line to the relay: every call of `/v1`, signed by this device's transport key.
//!
//! One call is one request; nothing is retried here. Every failure is a [`LineError`] with a
//! [`Reason`] that the face has a sentence for.

use crate::call::{Call, header};
use crate::clock::Clock;
use crate::view::Reason;
use reqwest::header::{HeaderValue, IF_MATCH, IF_NONE_MATCH, RANGE};
use reqwest::{Client, Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;
use url::Url;
use waxwing_crypto::keys::TransportKey;
use waxwing_wire::address::Name;
use waxwing_wire::api::{
    Accepted, Ack, Acked, AttachmentState, ClaimPrekeys, CreateAttachment, DevicesSeen, MEDIA_CARD,
    MEDIA_PARTIAL_UPLOAD, MEDIA_REVOCATION, MEDIA_SUBMISSION, MailboxPage, NameRecord,
    NamedAccount, PrekeyBundle, PrekeyStock, PublishPrekeys, PutDrop, Recalled, RelayInfo,
    Revocations, Rotations, StatusAsk, StatusPage, StatusQuery,
};
use waxwing_wire::ids::{AccountId, AttachmentId, DeviceId, DropId, EnvelopeId, MailboxId};
use waxwing_wire::problem::{Problem, Slug};

/// The relay answers a long poll within 30 seconds; a little more for the way.
pub(crate) const LONG_POLL_SECONDS: u64 = 25;
pub(crate) const LONG_POLL_PATIENCE: Duration = Duration::from_secs(40);
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// One piece of a large file over a slow line.
const PIECE_PATIENCE: Duration = Duration::from_secs(120);

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason:?} ({slug:?})")]
pub(crate) struct LineError {
    pub(crate) reason: Reason,
    pub(crate) slug: Option<Slug>,
    /// Where an upload continues.
    pub(crate) offset: Option<u64>,
    /// Seconds to wait, when the relay says so.
    pub(crate) retry_after: Option<u64>,
    /// The card that is there instead.
    pub(crate) current_card: Option<Vec<u8>>,
}

impl LineError {
    pub(crate) fn of(reason: Reason) -> Self {
        Self {
            reason,
            slug: None,
            offset: None,
            retry_after: None,
            current_card: None,
        }
    }

    /// Nobody whom the envelope is for is at that relay.
    pub(crate) fn is_elsewhere(&self) -> bool {
        matches!(self.slug, Some(Slug::UnknownMailbox | Slug::UnknownAccount))
    }

    /// The relay does not know the key that signed: this device's, or the account, is not there so.
    pub(crate) fn is_about_signer(&self) -> bool {
        matches!(
            self.slug,
            Some(Slug::SignatureInvalid | Slug::UnknownDevice)
        )
    }

    /// Trying again later cannot help.
    pub(crate) fn is_permanent(&self) -> bool {
        matches!(
            self.slug,
            Some(
                Slug::UnknownMailbox
                    | Slug::UnknownAccount
                    | Slug::TooLarge
                    | Slug::SubmissionInvalid
                    | Slug::EnvelopeConflict
                    | Slug::AttachmentConflict
                    | Slug::BodyInvalid
                    | Slug::Forbidden
            )
        )
    }
}

impl From<reqwest::Error> for LineError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::of(Reason::TimedOut);
        }
        let mut cause = error.source();
        while let Some(inner) = cause {
            if let Some(io) = inner.downcast_ref::<std::io::Error>()
                && io.kind() == std::io::ErrorKind::ConnectionRefused
            {
                return Self::of(Reason::RelayRefused);
            }
            let words = inner.to_string();
            if words.contains("dns error") || words.contains("failed to lookup") {
                return Self::of(Reason::NameNotFound);
            }
            if words.contains("certificate") || words.contains("TLS") || words.contains("handshake")
            {
                return Self::of(Reason::TlsFailed);
            }
            cause = inner.source();
        }
        Self::of(if error.is_decode() {
            Reason::RelayError
        } else {
            Reason::RelayUnreachable
        })
    }
}

impl From<Problem> for LineError {
    fn from(problem: Problem) -> Self {
        let slug = problem.slug();
        let reason = match slug {
            Some(Slug::ClockSkew) => Reason::ClockDiffers,
            Some(Slug::MailboxFull) => Reason::MailboxFull,
            Some(Slug::TooManyRequests | Slug::AttachmentQuota) => Reason::QuotaFull,
            Some(Slug::TooLarge) => Reason::TooLarge,
            Some(Slug::StorageFull) => Reason::RelayFull,
            Some(Slug::UnknownMailbox | Slug::UnknownAccount | Slug::UnknownName) => {
                Reason::RecipientGone
            }
            Some(Slug::UnknownAttachment) => Reason::AttachmentMissing,
            Some(Slug::Internal | Slug::Unavailable) | None => Reason::RelayError,
            Some(_) => Reason::Rejected,
        };
        Self {
            reason,
            slug,
            offset: problem.offset,
            retry_after: problem.retry_after,
            current_card: problem.current_card.map(|card| card.0),
        }
    }
}

/// What signs this device's requests. It stays when the vault is locked.
pub(crate) struct Signer {
    pub(crate) account: AccountId,
    pub(crate) device: DeviceId,
    pub(crate) mailbox: MailboxId,
    pub(crate) key: TransportKey,
}

/// A line to one relay.
#[derive(Clone)]
pub(crate) struct Line {
    http: Client,
    base: Url,
    clock: Arc<dyn Clock>,
    signer: Arc<Signer>,
    relay: u32,
}

impl Line {
    pub(crate) fn new(
        http: Client,
        base: Url,
        clock: Arc<dyn Clock>,
        signer: Arc<Signer>,
        relay: u32,
    ) -> Self {
        Self {
            http,
            base,
            clock,
            signer,
            relay,
        }
    }

    /// The same line, signed by other keys.
    pub(crate) fn signed_by(&self, signer: Arc<Signer>) -> Self {
        Self {
            signer,
            ..self.clone()
        }
    }

    /// The relay's number among those of this device.
    pub(crate) fn relay(&self) -> u32 {
        self.relay
    }

    /// What the relay says of itself.
    pub(crate) async fn info(&self) -> Result<RelayInfo, LineError> {
        info(&self.http, &self.base).await
    }

    pub(crate) async fn put_card(
        &self,
        card: Vec<u8>,
        replaces: Option<u64>,
    ) -> Result<(), LineError> {
        let condition = match replaces {
            None => (IF_NONE_MATCH, HeaderValue::from_static("*")),
            Some(version) => (IF_MATCH, header(&format!("\"{version}\""))),
        };
        let path = format!("v1/accounts/{}/card", self.signer.account);
        self.call(
            Call::new(Method::PUT, &path)
                .body(MEDIA_CARD, card)
                .header(condition),
        )
        .await?;
        Ok(())
    }

    pub(crate) async fn card(&self, account: &AccountId) -> Result<Vec<u8>, LineError> {
        let path = format!("v1/accounts/{account}/card");
        let answer = self.call(Call::new(Method::GET, &path)).await?;
        Ok(answer.bytes().await?.to_vec())
    }

    /// Every revocation of an account that the relay has.
    pub(crate) async fn revocations(&self, account: &AccountId) -> Result<Vec<Vec<u8>>, LineError> {
        let path = format!("v1/accounts/{account}/revocation");
        let known: Revocations = self.ask(Call::new(Method::GET, &path)).await?;
        let statements = known.statements.into_iter();
        Ok(statements.map(|statement| statement.0).collect())
    }

    /// The cards after a version by which an account's keys followed each other, oldest first; the
    /// relay gives a part of many.
    pub(crate) async fn rotations(
        &self,
        account: &AccountId,
        after: u64,
    ) -> Result<Vec<Vec<u8>>, LineError> {
        let path = format!("v1/accounts/{account}/rotations?after={after}");
        let rotations: Rotations = self.ask(Call::new(Method::GET, &path)).await?;
        Ok(rotations.cards.into_iter().map(|card| card.0).collect())
    }

    /// When the account's devices last asked this relay for something.
    pub(crate) async fn devices_seen(&self) -> Result<DevicesSeen, LineError> {
        let path = format!("v1/accounts/{}/devices", self.signer.account);
        self.ask(Call::new(Method::GET, &path)).await
    }

    /// Revokes the key of an account; the statement speaks for itself.
    pub(crate) async fn revoke(
        &self,
        account: &AccountId,
        statement: Vec<u8>,
    ) -> Result<(), LineError> {
        let path = format!("v1/accounts/{account}/revocation");
        self.call(Call::new(Method::PUT, &path).body(MEDIA_REVOCATION, statement))
            .await?;
        Ok(())
    }

    pub(crate) async fn take_name(&self, name: &Name) -> Result<(), LineError> {
        let record = NameRecord {
            account_id: self.signer.account,
        };
        self.call(Call::new(Method::PUT, &format!("v1/names/{name}")).json(&record)?)
            .await?;
        Ok(())
    }

    pub(crate) async fn account_of(&self, name: &Name) -> Result<AccountId, LineError> {
        let record: NameRecord = self
            .ask(Call::new(Method::GET, &format!("v1/names/{name}")))
            .await?;
        Ok(record.account_id)
    }

    pub(crate) async fn name_of(&self, account: &AccountId) -> Result<Name, LineError> {
        let named: NamedAccount = self
            .ask(Call::new(
                Method::GET,
                &format!("v1/accounts/{account}/name"),
            ))
            .await?;
        Ok(named.name)
    }

    pub(crate) async fn publish_prekeys(
        &self,
        prekeys: &PublishPrekeys,
    ) -> Result<PrekeyStock, LineError> {
        self.ask(Call::new(Method::POST, "v1/prekeys").json(prekeys)?)
            .await
    }

    pub(crate) async fn prekey_stock(&self) -> Result<PrekeyStock, LineError> {
        self.ask(Call::new(Method::GET, "v1/prekeys")).await
    }

    pub(crate) async fn claim_prekeys(
        &self,
        account: &AccountId,
        suite: u64,
    ) -> Result<PrekeyBundle, LineError> {
        let path = format!("v1/accounts/{account}/prekeys/claim");
        self.ask(Call::new(Method::POST, &path).json(&ClaimPrekeys { suite })?)
            .await
    }

    pub(crate) async fn submit(&self, submission: Vec<u8>) -> Result<Accepted, LineError> {
        self.ask(Call::new(Method::POST, "v1/envelopes").body(MEDIA_SUBMISSION, submission))
            .await
    }

    /// Waits up to 25 seconds for something after a sequence number.
    pub(crate) async fn mailbox(&self, after: u64, wait: bool) -> Result<MailboxPage, LineError> {
        let wait = if wait { LONG_POLL_SECONDS } else { 0 };
        let path = format!("v1/mailbox?after={after}&limit=64&wait={wait}");
        self.ask(Call::new(Method::GET, &path).patience(LONG_POLL_PATIENCE))
            .await
    }

    pub(crate) async fn acknowledge(&self, ack: &Ack) -> Result<Acked, LineError> {
        self.ask(Call::new(Method::POST, "v1/mailbox/ack").json(ack)?)
            .await
    }

    /// The states of envelopes; to wait is up to 25 seconds, for one to differ from what is known.
    pub(crate) async fn status(
        &self,
        items: Vec<StatusAsk>,
        wait: bool,
    ) -> Result<StatusPage, LineError> {
        let wait = if wait { LONG_POLL_SECONDS } else { 0 };
        let query = StatusQuery { wait, items };
        self.ask(
            Call::new(Method::POST, "v1/status")
                .json(&query)?
                .patience(LONG_POLL_PATIENCE),
        )
        .await
    }

    pub(crate) async fn recall(
        &self,
        envelope: &EnvelopeId,
        to: &MailboxId,
    ) -> Result<Recalled, LineError> {
        self.ask(Call::new(
            Method::DELETE,
            &format!("v1/envelopes/{envelope}/{to}"),
        ))
        .await
    }

    pub(crate) async fn announce(
        &self,
        upload: &CreateAttachment,
    ) -> Result<AttachmentState, LineError> {
        self.ask(Call::new(Method::POST, "v1/attachments").json(upload)?)
            .await
    }

    /// Hands in a piece of a file; gives the offset where the next one begins.
    pub(crate) async fn upload(
        &self,
        id: &AttachmentId,
        offset: u64,
        piece: Vec<u8>,
    ) -> Result<u64, LineError> {
        let next = offset + u64::try_from(piece.len()).unwrap_or(u64::MAX);
        let call = Call::new(Method::PATCH, &format!("v1/attachments/{id}"))
            .body(MEDIA_PARTIAL_UPLOAD, piece)
            .upload_offset(offset)
            .patience(PIECE_PATIENCE);
        self.call(call).await?;
        Ok(next)
    }

    /// The ciphertext of a file from an offset on.
    pub(crate) async fn download(
        &self,
        id: &AttachmentId,
        from: u64,
    ) -> Result<Response, LineError> {
        let range = (RANGE, header(&format!("bytes={from}-")));
        let call = Call::new(Method::GET, &format!("v1/attachments/{id}"))
            .header(range)
            .patience(Duration::MAX);
        self.call(call).await
    }

    pub(crate) async fn put_drop(&self, id: &DropId, terms: &PutDrop) -> Result<(), LineError> {
        let path = format!("v1/drops/{id}");
        self.call(Call::new(Method::PUT, &path).json(terms)?)
            .await?;
        Ok(())
    }

    pub(crate) async fn end_drop(&self, id: &DropId) -> Result<(), LineError> {
        let path = format!("v1/drops/{id}");
        self.call(Call::new(Method::DELETE, &path)).await?;
        Ok(())
    }

    /// Where visitors find something at this relay.
    pub(crate) fn address_of(&self, path: &str) -> Result<Url, LineError> {
        let url = self.base.join(path);
        url.map_err(|_| LineError::of(Reason::RelayUnreachable))
    }

    async fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T, LineError> {
        Ok(self.call(call).await?.json().await?)
    }

    async fn call(&self, call: Call) -> Result<Response, LineError> {
        let url = self
            .base
            .join(&call.path)
            .map_err(|_| LineError::of(Reason::RelayUnreachable))?;
        let mut request = self.http.request(call.method.clone(), url.clone());
        let signed = {
            let mut rng = rand::rng();
            call.sign(&url, &self.signer, self.clock.now(), &mut rng)?
        };
        request = request.headers(call.headers).headers(signed);
        if call.patience != Duration::MAX {
            request = request.timeout(call.patience);
        }
        if let Some((_, body)) = call.body {
            request = request.body(body);
        }
        accept(request.send().await?).await
    }
}

/// What a relay says of itself; needs no key.
pub(crate) async fn info(http: &Client, base: &Url) -> Result<RelayInfo, LineError> {
    let url = base
        .join("v1/relay")
        .map_err(|_| LineError::of(Reason::RelayUnreachable))?;
    let answer = accept(http.get(url).timeout(PATIENCE).send().await?).await?;
    Ok(answer.json().await?)
}

/// The HTTP client that all lines share. It follows no redirect: a signature names its target.
pub(crate) fn http() -> Result<Client, LineError> {
    Ok(Client::builder()
        .connect_timeout(CONNECT_PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("waxwing/", env!("CARGO_PKG_VERSION")))
        .build()?)
}

pub(crate) async fn accept(answer: Response) -> Result<Response, LineError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    match answer.json::<Problem>().await {
        Ok(problem) => Err(problem.into()),
        Err(_) if status == StatusCode::REQUEST_TIMEOUT => Err(LineError::of(Reason::TimedOut)),
        Err(_) => Err(LineError::of(Reason::RelayError)),
    }
}
