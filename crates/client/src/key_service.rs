//! A client of the key service, at our relay or at any other host (docs/relay.md, "The key
//! service"; docs/protocol.md, section 9).
//!
//! What is sent is sealed here, to the public key of a token; what came sealed is opened here. Only
//! who reads with a passphrase lets the service open it.

use std::fmt;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::multipart::Form;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use url::Url;
use waxwing_compat as compat;
use waxwing_compat::{File, MAX_SEALED, RsaPrivate, RsaPublic, Sealed};
use zeroize::Zeroizing;

use crate::line::{self, LONG_POLL_PATIENCE, LineError, PATIENCE};
use crate::settings::relay_url;
use crate::view::Reason;

/// An answer is at most this long, in bytes: two messages of the greatest length.
const MAX_ANSWER: usize = 2 * MAX_SEALED;
/// A sentence of the service is shown no further than this, in characters.
const MAX_SENTENCE: usize = 300;
/// The original's passphrase of a message. A field that is longer is sealed.
const PASSPHRASE_CHARS: usize = 172;
/// Seconds for each MiB of a message, beside the patience for any call.
const SECONDS_PER_MIB: usize = 8;

/// Why the key service did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyServiceError {
    /// Not an address of a host: `https`, or `http` on this computer.
    #[error("not an address of a key service")]
    Address,
    /// A token, passphrase or hash with a line break or another control character in it.
    #[error("not what a token, passphrase or hash can be")]
    Unsendable,
    /// The host was not reached, or broke off.
    #[error("the key service was not reached ({0:?})")]
    Unreachable(Reason),
    /// There is no such token.
    #[error("the key service does not know the token")]
    UnknownToken,
    /// The service refused, in its own words: a wrong passphrase, a date, a limit. Foreign text.
    #[error("the key service refused it: {0}")]
    Refused(String),
    /// The service asks to come again later.
    #[error("the key service is busy")]
    Busy {
        /// Seconds to wait, when it says so.
        retry_after: Option<u64>,
    },
    /// What came is no answer of a key service, or too long.
    #[error("not an answer of a key service")]
    Answer,
    /// The key or the message cannot be used.
    #[error(transparent)]
    Format(#[from] compat::Error),
}

impl From<reqwest::Error> for KeyServiceError {
    fn from(error: reqwest::Error) -> Self {
        Self::Unreachable(LineError::from(error).reason)
    }
}

impl From<Elapsed> for KeyServiceError {
    fn from(_: Elapsed) -> Self {
        Self::Unreachable(Reason::TimedOut)
    }
}

/// What lets somebody read the messages of a token.
pub enum Access {
    /// The service opens them.
    Passphrase(Zeroizing<String>),
    /// They come sealed and are opened here.
    Key {
        /// The private key.
        key: Box<RsaPrivate>,
        /// What the service knows its owner by.
        hash: Zeroizing<String>,
    },
}

impl Access {
    /// From the text of a private key. The hash is the key's own, unless the key was given to the
    /// service with another one.
    ///
    /// # Errors
    /// What [`RsaPrivate::from_xml_of_any_size`] answers.
    pub fn key(xml: &str, hash: Option<&str>) -> Result<Self, KeyServiceError> {
        let key = RsaPrivate::from_xml_of_any_size(xml)?;
        let hash = hash.map_or_else(|| key.hash(), str::to_owned);
        Ok(Self::Key {
            key: Box::new(key),
            hash: Zeroizing::new(hash),
        })
    }

    /// From a private key that the service's passphrase cipher wraps.
    ///
    /// # Errors
    /// [`compat::Error::Closed`] for a wrong passphrase; else what [`Access::key`] answers.
    pub fn wrapped_key(
        wrapped: &str,
        passphrase: &str,
        hash: Option<&str>,
    ) -> Result<Self, KeyServiceError> {
        Self::key(&compat::text::decrypt(wrapped, passphrase)?, hash)
    }
}

/// A message that waits.
pub struct Message {
    /// Its number, given by the service.
    pub id: u64,
    /// When it was sent, by the service's clock, in Unix seconds; nothing when it does not say.
    pub sent_at: Option<u64>,
    /// What is in it, or why it does not open: one that does not open hides no other.
    pub content: Result<Content, compat::Error>,
}

/// What is in a message.
pub enum Content {
    /// A text.
    Text(Zeroizing<String>),
    /// A file, with a name that is safe to write.
    File(File),
}

/// A key service at one host.
pub struct KeyService {
    http: Client,
    address: Url,
}

impl KeyService {
    /// The service of a host, such as `https://relay.example`.
    ///
    /// # Errors
    /// [`KeyServiceError::Address`].
    pub fn at(host: &str) -> Result<Self, KeyServiceError> {
        let host = relay_url(host).map_err(|_| KeyServiceError::Address)?;
        let address = host.join("/Service?format=json&v=1");
        Ok(Self {
            http: line::http().map_err(|error| KeyServiceError::Unreachable(error.reason))?,
            address: address.map_err(|_| KeyServiceError::Address)?,
        })
    }

    /// The public key of a token, to which everything is sealed. The service could give another
    /// one, and read what is sent: nothing about the token says which is right.
    ///
    /// # Errors
    /// [`KeyServiceError`]
    pub async fn public_key(&self, token: &str) -> Result<RsaPublic, KeyServiceError> {
        let request = self
            .http
            .get(self.address.clone())
            .headers(secret(&[("token", token)])?);
        let key: KeyFields = read(call(request, 0).await?).await?;
        Ok(RsaPublic::from_xml(&key.public_key)?)
    }

    /// Seals a text and sends it.
    ///
    /// # Errors
    /// [`KeyServiceError`]
    pub async fn send_text(&self, token: &str, text: &str) -> Result<(), KeyServiceError> {
        let key = self.public_key(token).await?;
        let text = Zeroizing::new(text.to_owned());
        let sealed = work(move || compat::seal(&key, &text)).await?;
        self.put(token, sealed, false).await
    }

    /// Seals a file and sends it.
    ///
    /// # Errors
    /// [`KeyServiceError`]
    pub async fn send_file(
        &self,
        token: &str,
        name: &str,
        bytes: Zeroizing<Vec<u8>>,
    ) -> Result<(), KeyServiceError> {
        let key = self.public_key(token).await?;
        let name = name.to_owned();
        let sealed = work(move || compat::seal_file(&key, &name, &bytes)).await?;
        self.put(token, sealed, true).await
    }

    /// What waits, oldest first. A key may be made so that reading removes it.
    ///
    /// # Errors
    /// [`KeyServiceError`]
    pub async fn fetch(
        &self,
        token: &str,
        access: Access,
    ) -> Result<Vec<Message>, KeyServiceError> {
        let request = self.http.get(self.address.clone());
        let request = request.headers(access.headers(token)?);
        let answer = call(request, 0).await?;
        if answer.status() == StatusCode::NOT_MODIFIED {
            return Ok(Vec::new());
        }
        let fields: Vec<MessageFields> = read(answer).await?;
        work(move || {
            let messages = fields.into_iter().map(|fields| fields.open(&access));
            Ok(messages.collect())
        })
        .await
    }

    /// Removes the key with everything that waits for it.
    ///
    /// # Errors
    /// [`KeyServiceError`]
    pub async fn delete(&self, token: &str, access: &Access) -> Result<(), KeyServiceError> {
        let request = self.http.delete(self.address.clone());
        call(request.headers(access.headers(token)?), 0).await?;
        Ok(())
    }

    /// The token comes first, so that the service can store the rest as it comes.
    async fn put(&self, token: &str, sealed: Sealed, is_file: bool) -> Result<(), KeyServiceError> {
        let length = sealed.encryptedmessage.len();
        let mut form = Form::new()
            .text("token", token.to_owned())
            .text("encryptionkey", sealed.encryptionkey)
            .text("isfile", is_file.to_string());
        if let Some(hash) = sealed.messagehash {
            form = form.text("messagehash", hash);
        }
        let form = form.text("encryptedmessage", sealed.encryptedmessage);
        call(self.http.put(self.address.clone()).multipart(form), length).await?;
        Ok(())
    }
}

impl Access {
    fn headers(&self, token: &str) -> Result<HeaderMap, KeyServiceError> {
        match self {
            Self::Passphrase(passphrase) => secret(&[("token", token), ("passphrase", passphrase)]),
            Self::Key { hash, .. } => secret(&[("token", token), ("privatekeyhash", hash)]),
        }
    }
}

/// A key, as far as it is needed.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyFields {
    public_key: String,
}

/// A message, as the service tells it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MessageFields {
    message_id: u64,
    message_data: Zeroizing<String>,
    #[serde(default)]
    encryption_key: Option<Zeroizing<String>>,
    #[serde(default)]
    message_hash: Option<String>,
    #[serde(default)]
    created: String,
    #[serde(default)]
    is_file: bool,
}

impl MessageFields {
    fn open(self, access: &Access) -> Message {
        let milliseconds = self.created.strip_prefix("/Date(");
        let milliseconds = milliseconds.and_then(|rest| rest.strip_suffix(")/"));
        let sent_at = milliseconds.and_then(|number| number.parse::<u64>().ok());
        Message {
            id: self.message_id,
            sent_at: sent_at.map(|number| number / 1000),
            content: self.content(access),
        }
    }

    /// A field of the passphrase's length is the passphrase, which the original tells beside what
    /// it opened.
    fn content(mut self, access: &Access) -> Result<Content, compat::Error> {
        let sealed_key = self
            .encryption_key
            .filter(|key| key.len() > PASSPHRASE_CHARS);
        let Some(encryption_key) = sealed_key else {
            return match (access, self.is_file) {
                (Access::Key { .. }, _) => Err(compat::Error::Closed),
                (Access::Passphrase(_), false) => Ok(Content::Text(self.message_data)),
                (Access::Passphrase(_), true) => {
                    compat::unpack_file(&self.message_data).map(Content::File)
                }
            };
        };
        let Access::Key { key, .. } = access else {
            return Err(compat::Error::Closed);
        };
        let sealed = Sealed {
            encryptedmessage: std::mem::take(&mut *self.message_data),
            encryptionkey: encryption_key.to_string(),
            messagehash: self.message_hash,
        };
        if self.is_file {
            compat::open_file(key, &sealed).map(Content::File)
        } else {
            compat::open(key, &sealed).map(Content::Text)
        }
    }
}

/// Headers that no log shows.
fn secret(fields: &[(&'static str, &str)]) -> Result<HeaderMap, KeyServiceError> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let value = HeaderValue::from_bytes(value.as_bytes());
        let mut value = value.map_err(|_| KeyServiceError::Unsendable)?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(headers)
}

/// One call with time for so many bytes on their way up; its answer, unless it is a refusal. The
/// service may take as long as for a long poll: it stretches passphrases, one after the other.
async fn call(request: RequestBuilder, bytes: usize) -> Result<Response, KeyServiceError> {
    let more = u32::try_from((bytes >> 20) * SECONDS_PER_MIB).unwrap_or(u32::MAX);
    let patience = LONG_POLL_PATIENCE + Duration::from_secs(more.into());
    let answer = timeout(patience, request.send()).await??;
    match answer.status() {
        StatusCode::OK | StatusCode::NOT_MODIFIED => Ok(answer),
        StatusCode::NOT_FOUND => Err(KeyServiceError::UnknownToken),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let after = answer.headers().get(reqwest::header::RETRY_AFTER);
            let after = after.and_then(|value| value.to_str().ok()?.parse().ok());
            Err(KeyServiceError::Busy { retry_after: after })
        }
        _ => {
            let sentence: String = read(answer).await?;
            let sentence = sentence.chars().filter(|char| !char.is_control());
            Err(KeyServiceError::Refused(
                sentence.take(MAX_SENTENCE).collect(),
            ))
        }
    }
}

/// Reads an answer of bounded length.
async fn read<T: DeserializeOwned>(mut answer: Response) -> Result<T, KeyServiceError> {
    let mut body = Zeroizing::new(Vec::new());
    while let Some(piece) = timeout(PATIENCE, answer.chunk()).await?? {
        if body.len() + piece.len() > MAX_ANSWER {
            return Err(KeyServiceError::Answer);
        }
        body.extend_from_slice(&piece);
    }
    serde_json::from_slice(&body).map_err(|_| KeyServiceError::Answer)
}

/// Does what takes long away from the threads that others wait for.
async fn work<T: Send + 'static>(
    what: impl FnOnce() -> Result<T, compat::Error> + Send + 'static,
) -> Result<T, KeyServiceError> {
    let done = tokio::task::spawn_blocking(what).await;
    Ok(done.map_err(|_| compat::Error::System)??)
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passphrase(_) => f.write_str("Access::Passphrase"),
            Self::Key { .. } => f.write_str("Access::Key"),
        }
    }
}
