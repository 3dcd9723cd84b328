//! What a request gives: parameters from query, headers and body, in whatever mixture.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use futures_util::{Stream, StreamExt as _};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use zeroize::Zeroizing;

use super::super::App;
use super::answer::{Fault, fits_xml};
use super::pieces::Writer;
use super::token::Token;

/// Every parameter there is; others are passed over.
const NAMES: &[&str] = &[
    "token",
    "passphrase",
    "publickey",
    "privatekey",
    "privatekeyhash",
    "message",
    "encryptedmessage",
    "encryptionkey",
    "messagehash",
    "isfile",
    "releasedate",
    "lockdate",
    "deletemessagesafterreading",
    "deletekeyafterreading",
    "format",
    "v",
];
/// Those that may come as headers.
const IN_HEADERS: &[&str] = &["token", "passphrase", "privatekeyhash"];
/// Those that do not belong into a URL.
const SECRET: &[&str] = &["passphrase", "privatekeyhash"];
/// Bytes of any parameter but a message; and of those that are kept with each message.
const SMALL: usize = 64 * 1024;
const SMALLER: usize = 8 * 1024;
/// A body must come at this speed at least, in bytes a second.
const SLOWEST: u64 = 16 * 1024;

/// The parameters of a query.
///
/// # Errors
/// It is not UTF-8.
pub(super) fn query(uri: &Uri) -> Result<Vec<(String, String)>, Fault> {
    urlencoded(uri.query().unwrap_or_default())
}

fn urlencoded(text: &str) -> Result<Vec<(String, String)>, Fault> {
    // The decoder would replace what is no UTF-8.
    if percent_decode_str(text).decode_utf8().is_err() {
        return Err(Fault::invalid("The parameters must be UTF-8."));
    }
    serde_urlencoded::from_str(text).map_err(|_| Fault::invalid("The parameters cannot be read."))
}

/// A file that came as form data.
pub(super) struct File {
    pub(super) name: String,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

/// What a request gives.
#[derive(Default)]
pub(super) struct Ask {
    given: BTreeMap<&'static str, Zeroizing<String>>,
    /// An `encryptedmessage` of a form, already stored.
    pub(super) sealed: Option<Writer>,
    pub(super) files: Vec<File>,
    /// What of the memory for all is taken.
    room: Option<OwnedSemaphorePermit>,
    /// A secret stood in the URL.
    pub(super) secret_in_url: bool,
}

impl Ask {
    /// Query and headers.
    ///
    /// # Errors
    /// Two values for one parameter, a version that is not served, or no UTF-8.
    pub(super) fn of_head(parts: &Parts) -> Result<Self, Fault> {
        let mut ask = Self::default();
        for (name, value) in query(&parts.uri)? {
            ask.secret_in_url |= SECRET
                .iter()
                .any(|secret| name.eq_ignore_ascii_case(secret));
            ask.put(&name, value)?;
        }
        for name in IN_HEADERS {
            for value in parts.headers.get_all(*name) {
                let value = std::str::from_utf8(value.as_bytes()).map_err(|_| {
                    Fault::invalid("A header is not UTF-8; send such a value in the body.")
                })?;
                ask.put(name, value.to_owned())?;
            }
        }
        ask.check_version()?;
        Ok(ask)
    }

    /// Adds the body's: urlencoded, or form data.
    ///
    /// # Errors
    /// As for the head; a body of another kind, too large, too slow, or cut.
    pub(super) async fn read_body(
        &mut self,
        app: &super::Shared,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(), Fault> {
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        let limits = &app.config.key_service;
        if let Ok(boundary) = multer::parse_boundary(kind) {
            let stream = InTime::new(app, body, limits.request_bytes);
            self.read_form(app, multer::Multipart::new(stream, boundary))
                .await?;
        } else {
            let mut stream = InTime::new(app, body, limits.form_bytes);
            let mut text = Zeroizing::new(Vec::new());
            while let Some(chunk) = stream.next().await {
                let chunk = chunk?;
                self.take_room(app, chunk.len())?;
                text.extend_from_slice(&chunk);
            }
            if !text.is_empty() {
                if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
                    return Err(Fault::invalid(
                        "The body must be `application/x-www-form-urlencoded` or `multipart/form-data`.",
                    ));
                }
                let text = std::str::from_utf8(&text)
                    .map_err(|_| Fault::invalid("The parameters must be UTF-8."))?;
                for (name, value) in urlencoded(text)? {
                    self.put(&name, value)?;
                }
            }
        }
        self.check_version()
    }

    async fn read_form(
        &mut self,
        app: &super::Shared,
        mut form: multer::Multipart<'_>,
    ) -> Result<(), Fault> {
        let plain = app.config.key_service.plain_bytes;
        let mut plain = usize::try_from(plain).unwrap_or(usize::MAX);
        while let Some(mut field) = form.next_field().await.map_err(broken)? {
            let name = field.name().unwrap_or_default().to_ascii_lowercase();
            if name == "encryptedmessage" {
                self.store_sealed(app, field).await?;
                continue;
            }
            let known = NAMES.contains(&name.as_str());
            let file = field.file_name().filter(|_| !known).map(str::to_owned);
            if !known && file.is_none() {
                continue;
            }
            let is_long = name == "message" || file.is_some();
            let most = if is_long { plain } else { SMALL };
            let mut bytes = Zeroizing::new(Vec::new());
            while let Some(chunk) = field.chunk().await.map_err(broken)? {
                if bytes.len() + chunk.len() > most {
                    return Err(Fault::too_large(if is_long {
                        "Text and files together may have 100 MiB; sealed ones may have more."
                    } else {
                        "A parameter may have 64 KiB."
                    }));
                }
                self.take_room(app, chunk.len())?;
                bytes.extend_from_slice(&chunk);
            }
            if is_long {
                plain -= bytes.len();
            }
            if let Some(name) = file {
                self.files.push(File { name, bytes });
            } else {
                let text = std::str::from_utf8(&bytes)
                    .map_err(|_| Fault::invalid("The parameters must be UTF-8."))?;
                self.put(&name, text.to_owned())?;
            }
        }
        Ok(())
    }

    async fn store_sealed(
        &mut self,
        app: &super::Shared,
        mut field: multer::Field<'_>,
    ) -> Result<(), Fault> {
        let twice = self.sealed.is_some() || self.given.contains_key("encryptedmessage");
        if twice {
            return Err(Fault::invalid("`encryptedmessage` is given twice."));
        }
        let mut writer = Writer::new(app);
        let token = self.text("token");
        while let Some(chunk) = field.chunk().await.map_err(broken)? {
            writer.push(&chunk, token).await?;
        }
        self.sealed = Some(writer);
        Ok(())
    }

    /// Memory for the clear is shared; there may be none left.
    fn take_room(&mut self, app: &super::Shared, bytes: usize) -> Result<(), Fault> {
        let needed = u32::try_from(bytes.div_ceil(1024)).map_err(|_| Fault::busy())?;
        let room = Arc::clone(&app.service.room)
            .try_acquire_many_owned(needed)
            .map_err(|_| Fault::busy())?;
        match &mut self.room {
            Some(taken) => taken.merge(room),
            None => self.room = Some(room),
        }
        Ok(())
    }

    /// The message, also an empty one, moved out.
    pub(super) fn take_message(&mut self) -> Option<Zeroizing<String>> {
        self.given.remove("message")
    }

    fn put(&mut self, name: &str, value: String) -> Result<(), Fault> {
        let value = Zeroizing::new(value);
        let Some(name) = NAMES.iter().find(|known| name.eq_ignore_ascii_case(known)) else {
            return Ok(());
        };
        let is_message = matches!(*name, "message" | "encryptedmessage");
        let most = match *name {
            "encryptionkey" | "messagehash" => SMALLER,
            _ => SMALL,
        };
        if !is_message && value.len() > most {
            return Err(Fault::too_large(format!(
                "`{name}` may have {} KiB.",
                most / 1024
            )));
        }
        // An `encryptedmessage` is looked at when it is stored.
        let of_text = !matches!(*name, "message" | "encryptedmessage" | "passphrase");
        if of_text && !fits_xml(&value) {
            return Err(Fault::invalid(format!(
                "`{name}` has a control character, which XML could not give back."
            )));
        }
        match self.given.get(name) {
            Some(there) if *there != value => Err(Fault::invalid(format!(
                "`{name}` is given twice, with different values."
            ))),
            _ => {
                self.given.insert(name, value);
                Ok(())
            }
        }
    }

    fn check_version(&self) -> Result<(), Fault> {
        match self.text("v") {
            None | Some("1") => Ok(()),
            Some(_) => Err(Fault::invalid("The version served is 1.")),
        }
    }

    /// A parameter; an empty one is absent.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.whole(name).filter(|value| !value.is_empty())
    }

    /// A parameter, also an empty one.
    pub(super) fn whole(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(|value| value.as_str())
    }

    /// The token, which must be there.
    pub(super) fn token(&self) -> Result<Token, Fault> {
        let text = self
            .text("token")
            .ok_or_else(|| Fault::invalid("`token` is needed."))?;
        text.parse().map_err(|()| Fault::unknown())
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool, Fault> {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1" | "on") => Ok(true),
            Some(_) => Err(Fault::invalid(format!("`{name}` is `true` or `false`."))),
        }
    }

    /// A time in Unix seconds.
    pub(super) fn time(&self, name: &'static str) -> Result<Option<u64>, Fault> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let wrong = || {
            Fault::invalid(format!(
                "`{name}` is a time like `2027-01-15T08:00:00Z` or `/Date(1800000000000)/`."
            ))
        };
        let inner = text
            .strip_prefix("/Date(")
            .and_then(|text| text.strip_suffix(")/"));
        let time = match inner {
            Some(milliseconds) => milliseconds
                .parse()
                .ok()
                .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok()),
            None => text.parse().ok(),
        };
        let seconds = time.ok_or_else(wrong)?.as_second();
        u64::try_from(seconds).map(Some).map_err(|_| wrong())
    }
}

fn broken(error: multer::Error) -> Fault {
    match error {
        multer::Error::StreamReadFailed(error) => match error.downcast::<Fault>() {
            Ok(fault) => *fault,
            Err(_) => Fault::invalid("The body ended early."),
        },
        _ => Fault::invalid("The form data cannot be read."),
    }
}

/// A body that is neither too large nor too slow: it may take the configured time, and a second more
/// for each 16 KiB that have come.
struct InTime {
    body: BodyDataStream,
    begun: Instant,
    patience: Duration,
    over: Pin<Box<Sleep>>,
    come: u64,
    most: u64,
}

impl InTime {
    fn new(app: &App, body: Body, most: u64) -> Self {
        let patience = app.config.body_time;
        Self {
            body: body.into_data_stream(),
            begun: Instant::now(),
            patience,
            over: Box::pin(tokio::time::sleep(patience)),
            come: 0,
            most,
        }
    }
}

impl Stream for InTime {
    type Item = Result<Bytes, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(Fault::invalid(
                "The body took too long to arrive.",
            ))));
        }
        let chunk = match ready!(self.body.poll_next_unpin(context)) {
            None => return Poll::Ready(None),
            Some(Err(_)) => return Poll::Ready(Some(Err(Fault::invalid("The body ended early.")))),
            Some(Ok(chunk)) => chunk,
        };
        self.come += chunk.len() as u64;
        if self.come > self.most {
            let sentence = format!(
                "At most {} bytes are accepted in a body of this kind.",
                self.most
            );
            return Poll::Ready(Some(Err(Fault::too_large(sentence))));
        }
        let until = self.begun + self.patience + Duration::from_secs(self.come / SLOWEST);
        self.over.as_mut().reset(until.into());
        Poll::Ready(Some(Ok(chunk)))
    }
}
