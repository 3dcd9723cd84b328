//! What the service answers: one type for each thing, written as JSON or as XML.
//!
//! Texts come whole in both. XML 1.0 cannot carry some characters at all: a `MessageData` with one
//! of them is written there in Base64, with the attribute `encoding="base64"`.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use headers_accept::Accept;
use jiff::Timestamp;
use quick_xml::escape::partial_escape;
use quick_xml::se::to_string_with_root;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::request::query;
use crate::store::StoreError;

const XML_HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>";

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Xml,
}

impl Format {
    /// What `format=` says, else what `Accept` likes best, else JSON.
    ///
    /// # Errors
    /// Another format was named.
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Result<Self, Fault> {
        let mut named = None;
        for (name, value) in query(uri)? {
            if name.eq_ignore_ascii_case("format") {
                named = Some(value);
            }
        }
        match named.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("json") => return Ok(Self::Json),
            Some("xml") => return Ok(Self::Xml),
            Some(_) => return Err(Fault::invalid("The formats are `json` and `xml`.")),
            None => {}
        }
        let accept = headers
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok()?.parse::<Accept>().ok());
        let offered = [
            mediatype("application/json"),
            mediatype("application/xml"),
            mediatype("text/xml"),
            mediatype("application/json; charset=utf-8"),
            mediatype("application/xml; charset=utf-8"),
            mediatype("text/xml; charset=utf-8"),
        ];
        let offered: Vec<_> = offered.into_iter().flatten().collect();
        let best = accept.and_then(|accept| accept.negotiate(&offered).map(|best| best.subty));
        Ok(match best {
            Some(subtype) if subtype == "xml" => Self::Xml,
            _ => Self::Json,
        })
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json; charset=utf-8",
            Self::Xml => "text/xml; charset=utf-8",
        })
    }

    /// A whole answer.
    pub(super) fn write<T: Serialize>(self, value: &T) -> Result<Response, Fault> {
        let text = match self {
            Self::Json => serde_json::to_string(value).map_err(|_| Fault::internal())?,
            Self::Xml => format!("{XML_HEAD}{}", self.element("response", value)?),
        };
        Ok(self.respond(text))
    }

    /// An answer with this body.
    pub(super) fn respond(self, body: impl Into<Body>) -> Response {
        ([(header::CONTENT_TYPE, self.content_type())], body.into()).into_response()
    }

    /// A value as a member of a list.
    fn element<T: Serialize>(self, name: &str, value: &T) -> Result<String, Fault> {
        match self {
            Self::Json => serde_json::to_string(value).map_err(|_| Fault::internal()),
            Self::Xml => to_string_with_root(name, value)
                .map(keep_returns)
                .map_err(|_| Fault::internal()),
        }
    }

    /// What stands before, between and after the members of a list.
    pub(super) fn list(self) -> (String, &'static str, &'static str) {
        match self {
            Self::Json => ("[".to_owned(), ",", "]"),
            Self::Xml => (format!("{XML_HEAD}<response>"), "", "</response>"),
        }
    }

    /// A message cut at its data, so that the data need not be in memory.
    pub(super) fn cut(self, mut message: Message) -> Result<(String, String), Fault> {
        let mark = hex::encode(rand::random::<[u8; 16]>());
        message.data.clone_from(&mark);
        let whole = self.element("Message", &message)?;
        whole
            .split_once(&mark)
            .map(|(before, after)| (before.to_owned(), after.to_owned()))
            .ok_or_else(Fault::internal)
    }

    /// A piece of text as it stands within an answer.
    pub(super) fn escape(self, piece: &str) -> Result<String, Fault> {
        match self {
            Self::Json => {
                let quoted = serde_json::to_string(piece).map_err(|_| Fault::internal())?;
                Ok(quoted
                    .get(1..quoted.len() - 1)
                    .unwrap_or_default()
                    .to_owned())
            }
            Self::Xml => Ok(keep_returns(partial_escape(piece).into_owned())),
        }
    }
}

fn mediatype(text: &str) -> Option<mediatype::MediaType<'_>> {
    mediatype::MediaType::parse(text).ok()
}

/// A reader of XML turns a bare carriage return into a line feed.
fn keep_returns(text: String) -> String {
    if text.contains('\r') {
        text.replace('\r', "&#13;")
    } else {
        text
    }
}

/// Whether XML 1.0 can carry a text (its production `Char`).
pub(super) fn fits_xml(text: &str) -> bool {
    !text.chars().any(|char| {
        matches!(char, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
    })
}

/// A time, to the second: `/Date(milliseconds)/` in JSON, as the original's serialiser wrote it, and
/// RFC 3339 in XML.
#[derive(Debug, Clone, Copy)]
pub(super) struct Date {
    /// Unix seconds.
    pub(super) at: u64,
    pub(super) format: Format,
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.format {
            Format::Json => {
                to.collect_str(&format_args!("/Date({})/", self.at.saturating_mul(1000)))
            }
            Format::Xml => {
                let at = i64::try_from(self.at).unwrap_or(i64::MAX);
                to.collect_str(&Timestamp::from_second(at).unwrap_or(Timestamp::MAX))
            }
        }
    }
}

/// A key, as its maker and who has its token see it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = CryptoKey)]
// The original's fields.
#[allow(clippy::struct_excessive_bools)]
pub(super) struct CryptoKey {
    /// A number made of the token.
    pub(super) key_id: u32,
    /// What senders and the owner name the key by.
    pub(super) key_token: String,
    /// The public key, as it was given or, of a key made here, as .NET XML.
    pub(super) public_key: String,
    /// The private key in the original's passphrase cipher: told once, to who made it here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) private_key: Option<String>,
    /// Told once, to who made the key here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) private_key_hash: Option<String>,
    /// A private key is kept here, and never in the clear.
    pub(super) is_private_key_encrypted: bool,
    /// No private key is kept here.
    pub(super) is_public_key_only: bool,
    /// The release date is over.
    pub(super) is_released: bool,
    #[schema(value_type = String)]
    pub(super) request_date: Date,
    /// Nothing is told before it.
    #[schema(value_type = String)]
    pub(super) release_date: Date,
    /// No message is taken after it.
    #[schema(value_type = String)]
    pub(super) lock_date: Date,
    pub(super) delete_messages_after_reading: bool,
    pub(super) delete_key_after_reading: bool,
    /// Always empty: nobody is notified.
    pub(super) notifications: Vec<String>,
    /// Always empty here: messages are read with GET.
    pub(super) messages: Vec<String>,
    /// The token.
    #[serde(rename = "URI")]
    pub(super) uri: String,
}

/// A message that waits.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = KeyServiceMessage)]
pub(super) struct Message {
    /// Its number among the key's messages.
    #[serde(rename = "MessageId")]
    pub(super) id: u64,
    /// Opened: the text, or of a file its zip in Base64. Sealed: what the sender gave.
    #[serde(rename = "MessageData")]
    pub(super) data: String,
    /// Sealed only: the message's key under the public key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encryption_key: Option<String>,
    /// The hash of what was sealed, when the sender gave one.
    #[serde(rename = "MessageHash", skip_serializing_if = "Option::is_none")]
    pub(super) hash: Option<String>,
    /// When it was sent.
    #[schema(value_type = String)]
    pub(super) created: Date,
    pub(super) is_file: bool,
    /// Of a file: `/Service/Files/{id}` gives it, once, within 120 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) temporary_download_id: Option<String>,
}

/// The service's "no": a status and a sentence. Never anything of the request.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{sentence}")]
pub(crate) struct Fault {
    status: StatusCode,
    sentence: Cow<'static, str>,
    retry_after: Option<u64>,
}

impl Fault {
    pub(super) fn new(status: StatusCode, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            sentence: sentence.into(),
            retry_after: None,
        }
    }

    /// 400.
    pub(super) fn invalid(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, sentence)
    }

    /// 404.
    pub(super) fn unknown() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "There is no key with this token, or it was deleted.",
        )
    }

    /// 413.
    pub(super) fn too_large(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, sentence)
    }

    /// 429.
    pub(super) fn too_many(sentence: &'static str, seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds.max(1)),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, sentence)
        }
    }

    /// 503.
    pub(super) fn busy() -> Self {
        Self {
            retry_after: Some(5),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "The service has too much to do; try again later.",
            )
        }
    }

    /// 500.
    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something went wrong in the service.",
        )
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::QuotaFull => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "As much as may wait for this key waits already.",
            ),
            StoreError::DiskFull => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "Nothing new is taken until the disk has room again.",
            ),
            StoreError::Unavailable => Self::busy(),
            other => {
                tracing::error!(error = %other, "an answer of the store was not expected");
                Self::internal()
            }
        }
    }
}

/// Empty: [`in_shape`] writes the sentence, because only there the format is known for certain.
impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The format in which a path of the service answers also what went wrong; `None`: another path.
pub(crate) fn format_of(uri: &Uri, headers: &HeaderMap) -> Option<Format> {
    let first = uri.path().split('/').nth(1)?;
    if !first.eq_ignore_ascii_case("Service") {
        return None;
    }
    Some(Format::of(uri, headers).unwrap_or(Format::Json))
}

/// Writes a refusal's sentence as its body, whoever refused.
pub(crate) fn in_shape(response: Response, format: Format) -> Response {
    let (mut parts, _) = response.into_parts();
    let fault = parts.extensions.remove::<Fault>();
    let sentence = match &fault {
        Some(fault) => fault.sentence.as_ref(),
        None => of_status(parts.status),
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    let body = match format.write(&sentence) {
        Ok(written) => written,
        Err(fault) => return fault.into_response(),
    };
    parts
        .headers
        .insert(header::CONTENT_TYPE, format.content_type());
    Response::from_parts(parts, body.into_body())
}

fn of_status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "There is nothing at this address.",
        StatusCode::METHOD_NOT_ALLOWED => "The service knows GET, POST, PUT and DELETE.",
        _ if status.is_client_error() => "The request cannot be read.",
        _ => "Something went wrong in the service.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str, accept: &str) -> Option<Format> {
        let uri: Uri = format!("/Service{query}").parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
        Format::of(&uri, &headers).ok()
    }

    #[test]
    fn the_format_is_what_was_asked_for() {
        for (query, accept, format) in [
            ("", "*/*", Format::Json),
            ("", "text/html", Format::Json),
            ("", "application/xml", Format::Xml),
            ("", "text/xml; charset=utf-8", Format::Xml),
            (
                "",
                "application/xml;q=0.5, application/json;q=0.9",
                Format::Json,
            ),
            (
                "",
                "application/json;q=0.5, text/xml;q=0.9, */*;q=0.1",
                Format::Xml,
            ),
            ("?format=xml", "application/json", Format::Xml),
            ("?FORMAT=Json", "application/xml", Format::Json),
        ] {
            assert_eq!(asked(query, accept), Some(format), "{query} {accept}");
        }
        assert_eq!(asked("?format=yaml", "*/*"), None);
    }

    #[test]
    fn dates_are_written_as_each_format_knows_them() {
        let json = serde_json::to_string(&Date {
            at: 1_800_000_000,
            format: Format::Json,
        })
        .unwrap();
        assert_eq!(json, "\"/Date(1800000000000)/\"");
        let date = Date {
            at: 1_800_000_000,
            format: Format::Xml,
        };
        let xml = Format::Xml.element("Created", &date).unwrap();
        assert_eq!(xml, "<Created>2027-01-15T08:00:00Z</Created>");
    }

    #[test]
    fn a_text_stands_whole_in_both_formats() {
        let text = "a\r\n\"<&>]]>\\ \u{1f30a}\u{85}";
        let json = format!("\"{}\"", Format::Json.escape(text).unwrap());
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        let xml = format!("<a>{}</a>", Format::Xml.escape(text).unwrap());
        assert_eq!(quick_xml::de::from_str::<String>(&xml).unwrap(), text);
        assert!(fits_xml(text) && !fits_xml("\u{1}") && !fits_xml("\u{ffff}"));
    }
}
