//! Problems: what the relay answers when it says no (RFC 9457, `application/problem+json`).
//!
//! The slugs are stable and shared by relay and client, so that a client decides by slug and never
//! by words. A problem never repeats anything of the request's body.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::b64::B64;
use crate::ids::Digest;

/// Media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";
/// What stands before the slug in `type`.
pub const TYPE_BASE: &str = "https://waxwing.invalid/problems/";

macro_rules! slugs {
    ($($(#[$doc:meta])* $name:ident = $slug:literal, $status:literal, $title:literal;)*) => {
        /// Every reason for which the relay says no.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum Slug {
            $($(#[$doc])* $name,)*
        }

        impl Slug {
            /// Every slug.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable text.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// A short title, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

slugs! {
    /// `If-Match` or `If-None-Match` does not fit; carries `current_version`, `current_hash` and
    /// `current_card`.
    CardChanged = "card-changed", 412, "The card was changed meanwhile";
    /// The card is no valid card, or does not follow the one before.
    CardInvalid = "card-invalid", 422, "The card is not valid";
    /// The account's key was revoked; only a card that resets the identity is taken.
    AccountRevoked = "account-revoked", 410, "The account's key was revoked";
    /// The revocation does not verify, or is not of the key in force.
    RevocationInvalid = "revocation-invalid", 422, "The revocation is not valid";
    /// No such account.
    UnknownAccount = "unknown-account", 404, "There is no such account";
    /// The name belongs to another account.
    NameTaken = "name-taken", 409, "The name is taken";
    /// The name is not well-formed.
    NameInvalid = "name-invalid", 422, "The name is not allowed";
    /// No such name.
    UnknownName = "unknown-name", 404, "There is no such name";
    /// A prekey record does not verify.
    PrekeyInvalid = "prekey-invalid", 422, "A prekey is not valid";
    /// No such mailbox.
    UnknownMailbox = "unknown-mailbox", 404, "There is no such mailbox";
    /// Body or envelope over the limit.
    TooLarge = "too-large", 413, "Too large";
    /// The recipient's mailbox is full; perhaps `retry_after`.
    MailboxFull = "mailbox-full", 429, "The mailbox is full";
    /// Too many requests; carries `retry_after`.
    TooManyRequests = "too-many-requests", 429, "Too many requests";
    /// The submission is malformed, expired, or wants to live too long.
    SubmissionInvalid = "submission-invalid", 422, "The submission is not valid";
    /// The same envelope id was submitted with other content.
    EnvelopeConflict = "envelope-conflict", 409, "That envelope id was used with other content";
    /// The attachment id is taken by another attachment.
    AttachmentConflict = "attachment-conflict", 409, "The attachment id is taken";
    /// No such attachment, or not complete yet.
    UnknownAttachment = "unknown-attachment", 404, "There is no such attachment";
    /// The account's attachments use up its share.
    AttachmentQuota = "attachment-quota", 429, "No room for more attachments";
    /// `Upload-Offset` is not where the upload stands; carries `offset`.
    OffsetMismatch = "offset-mismatch", 409, "The upload continues elsewhere";
    /// The finished upload has another digest; it starts over at 0.
    DigestMismatch = "digest-mismatch", 422, "The digest does not match";
    /// The range cannot be served.
    RangeNotSatisfiable = "range-not-satisfiable", 416, "The range cannot be served";
    /// No such link between devices, or its time is over.
    UnknownLink = "unknown-link", 404, "There is no such link";
    /// That message of the link was written before, with other content.
    LinkConflict = "link-conflict", 409, "The link was used already";
    /// One of the two devices ended the link.
    LinkEnded = "link-ended", 410, "The link was ended";
    /// The relay never had this drop box.
    UnknownDrop = "unknown-drop", 404, "There is no such drop box";
    /// The drop box takes nothing any more: its time is over, its owner ended it, or it took its one
    /// drop.
    DropEnded = "drop-ended", 410, "The drop box has ended";
    /// As many drops or files wait as may; perhaps `retry_after`.
    DropFull = "drop-full", 429, "The drop box is full";
    /// The drop id stands for another record, or another device's box.
    DropConflict = "drop-conflict", 409, "The drop box was announced otherwise";
    /// The record of a drop box, or its time, is not one.
    DropInvalid = "drop-invalid", 422, "The drop box is not valid";
    /// The request carries no signature.
    Unsigned = "unsigned", 401, "The request is not signed";
    /// The request's signature does not verify.
    SignatureInvalid = "signature-invalid", 401, "The signature does not verify";
    /// `created` is too far from the relay's clock; carries `time`.
    ClockSkew = "clock-skew", 401, "The clocks differ too much";
    /// The nonce was used before.
    ReplayedRequest = "replayed-request", 401, "The request was seen before";
    /// The signing device is not in its account's current card.
    UnknownDevice = "unknown-device", 401, "The device is not known";
    /// Not this device's to do.
    Forbidden = "forbidden", 403, "Not allowed";
    /// No such path.
    NotFound = "not-found", 404, "There is nothing here";
    /// The path has no such method.
    MethodNotAllowed = "method-not-allowed", 405, "The method is not allowed";
    /// Another `Content-Type` is expected.
    UnsupportedMediaType = "unsupported-media-type", 415, "The media type is not supported";
    /// The body cannot be read.
    BodyInvalid = "body-invalid", 400, "The body cannot be read";
    /// A precondition header is required.
    PreconditionRequired = "precondition-required", 428, "If-Match or If-None-Match is required";
    /// The relay's disk is full.
    StorageFull = "storage-full", 507, "The relay's disk is full";
    /// The relay is stopping or not ready.
    Unavailable = "unavailable", 503, "The relay is not ready";
    /// A fault of the relay.
    Internal = "internal", 500, "The relay failed";
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A problem document (RFC 9457 section 3) with the extension members used here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// [`TYPE_BASE`] and the slug.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The slug's title.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Words a person can act on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Where the upload stands, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The relay's time, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<u64>,
    /// The current card's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_version: Option<u64>,
    /// Seconds to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// Hash of the current card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_hash: Option<Digest>,
    /// The current card: who lost a race sees by its signature that he did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_card: Option<B64>,
}

impl Problem {
    /// A problem with its slug's title and status.
    pub fn new(slug: Slug) -> Self {
        Self {
            type_uri: format!("{TYPE_BASE}{slug}"),
            title: slug.title().to_owned(),
            status: slug.status(),
            detail: None,
            offset: None,
            time: None,
            current_version: None,
            retry_after: None,
            current_hash: None,
            current_card: None,
        }
    }

    /// With words a person can act on.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The slug; `None` for a type that is not known here.
    pub fn slug(&self) -> Option<Slug> {
        let text = self.type_uri.strip_prefix(TYPE_BASE)?;
        Slug::ALL.iter().copied().find(|slug| slug.as_str() == text)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            Some(detail) => write!(f, "{}: {detail}", self.title),
            None => f.write_str(&self.title),
        }
    }
}

impl core::error::Error for Problem {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_slug_survives_the_wire_and_matches_its_serde_name() {
        for slug in Slug::ALL {
            let json = serde_json::to_string(&Problem::new(*slug)).unwrap();
            let back: Problem = serde_json::from_str(&json).unwrap();
            assert_eq!(back.slug(), Some(*slug));
            assert_eq!(
                serde_json::to_value(slug).unwrap().as_str(),
                Some(slug.as_str())
            );
            assert!(back.status >= 400);
        }
    }
}
