//! People, this account among them, and what is known of their keys.

use super::Millis;
use serde::{Deserialize, Serialize};
use specta::Type;

/// Somebody at the other end, with the trust state in a place of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Party {
    /// Account id.
    pub account: String,
    /// The name that this person gave them.
    pub name: String,
    /// `name@relay`.
    pub address: String,
    /// What is known of their key.
    pub compared: ComparedState,
}

/// What is known of a contact's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum ComparedState {
    /// Never compared.
    NotCompared,
    /// Compared and the same.
    Compared,
    /// Changed, and the previous key signed the new one.
    ChangedSigned,
    /// Changed without proof from the previous key.
    ChangedUnexplained,
    /// Compared, and the codes differed: sending is held.
    Differs,
    /// They revoked their key, and no other was accepted yet: sending is held.
    Revoked,
    /// This account itself.
    You,
}

/// Somebody this person writes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// Account id.
    pub account: String,
    /// The name this person gave them.
    pub name: String,
    /// `name@relay`.
    pub address: String,
    /// When they were added.
    pub added_at: Millis,
    /// What is known of their key.
    pub compared: ComparedState,
    /// When the key codes were compared.
    pub compared_at: Option<Millis>,
    /// Twelve groups of five digits, the same on both sides.
    pub key_code: Vec<String>,
    /// Everything seen of their key, oldest first.
    pub evidence: Vec<Evidence>,
    /// Sending is held until the person decides.
    pub held: bool,
    /// They wrote first, or were removed: known, but not in the list of contacts.
    pub stranger: bool,
}

/// One thing seen of a contact's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// When.
    pub at: Millis,
    /// What.
    pub kind: EvidenceKind,
}

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum EvidenceKind {
    /// The first card.
    First,
    /// The first card seen here, under a key that is not the account's first.
    FirstChanged,
    /// A later card under the same key.
    Renewed,
    /// A new key that the previous one signed.
    SignedChange,
    /// A new key without the previous one's word.
    UnexplainedChange,
    /// The person compared the key codes.
    Compared,
    /// The person compared the key codes and they differed.
    Differed,
    /// The person accepted an unexplained change.
    Accepted,
    /// The relay showed an older card, which was refused.
    OlderShown,
    /// The relay showed another card of the same version, which was refused.
    OtherShown,
    /// The relay showed a card that allows weaker sealing than before, which was refused.
    WeakerShown,
    /// They revoked their key.
    Revoked,
}

/// A QR code: as many rows as columns, each a text of `1` where it is dark and `0` where it is
/// light, without the quiet zone around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Qr {
    /// From the top.
    pub rows: Vec<String>,
}

/// What the QR code of a contact's key says of the key that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum QrComparison {
    /// It is the same.
    Same,
    /// They have another key than the one that is known here.
    TheirsDiffers,
    /// They see another key for this account than it has.
    OursDiffers,
    /// It is this account's own code.
    Own,
    /// It is other people's, or both keys differ.
    Neither,
}

/// This account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// Name.
    pub name: String,
    /// `name@relay`.
    pub address: String,
    /// Account id.
    pub account: String,
    /// This account's half of a key code: six groups of five digits.
    pub own_code: Vec<String>,
    /// When the account was made.
    pub created_at: Millis,
    /// When this account's present key was revoked.
    pub revoked_at: Option<Millis>,
    /// What the relay shows as this account's card.
    pub relay_shows: RelayShows,
    /// When this computer learned that another one of the account's removed it.
    pub removed_at: Option<Millis>,
}

/// What the relay shows as this account's card, compared with ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum RelayShows {
    /// It was not asked yet.
    NotAsked,
    /// None: it does not know this account.
    Nothing,
    /// The same.
    Agrees,
    /// An older one of ours; the present one is on its way.
    Older,
    /// A later one that our key signed elsewhere: another device or copy of this account made it.
    Newer,
    /// One of a key that is neither ours nor was: nothing is published over it.
    DifferentKey,
}
