//! Something being written.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use waxwing_wire::ids::{AccountId, AttachmentId, MessageId};
use zeroize::Zeroizing;

use super::{Attachment, Row};

/// Names a draft; random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DraftId(pub [u8; 16]);

impl DraftId {
    /// A fresh one.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

/// Something being written; saved as it is typed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// Its name here.
    pub id: DraftId,
    /// To whom, as far as chosen.
    pub to: Vec<AccountId>,
    /// The first line.
    pub subject: Zeroizing<String>,
    /// The text.
    pub body: Zeroizing<String>,
    /// What it answers.
    pub in_reply_to: Option<MessageId>,
    /// Files chosen.
    pub files: Vec<DraftFile>,
    /// When it was last saved.
    pub saved_at: u64,
}

/// A file chosen for a draft. It is sealed into the vault's folder at once, so that what is sent is
/// what was chosen, even if the file changes or goes away before the message leaves.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct DraftFile {
    /// Its id at the relay, once it goes there.
    pub id: AttachmentId,
    /// Where it lies; read again when sealing was cut off.
    pub path: std::path::PathBuf,
    /// Its name as it will be shown.
    pub name: String,
    /// Its media type, guessed from the name.
    pub media_type: String,
    /// Its length in bytes when it was chosen.
    pub length: u64,
    /// The sealed file's descriptor; `None` while it is being sealed.
    pub sealed: Option<Attachment>,
}

impl core::fmt::Debug for DraftFile {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DraftFile")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Draft {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Draft")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Row for Draft {
    type Key = DraftId;
    const TREE: &'static str = "drafts";

    fn key(&self) -> DraftId {
        self.id
    }

    fn name(key: &DraftId) -> Vec<u8> {
        key.0.to_vec()
    }
}
