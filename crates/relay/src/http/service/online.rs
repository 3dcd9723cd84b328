//! Online keys: made here, opened here, and kept only wrapped by their passphrase.
//!
//! Everything here keeps a processor busy, so it runs beside the async threads and in one of few
//! places. Passphrases and private keys are wiped when they are dropped.

use std::sync::Arc;

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde::{Deserialize, Serialize};
use waxwing_compat::{RsaPrivate, RsaPublic, Sealed, text};
use zeroize::{Zeroize as _, Zeroizing};

use super::Shared;
use super::answer::Fault;
use super::keys::{Key, Private};
use super::token::Token;

/// Bits of a key that is made here.
const BITS: usize = 3072;
/// Argon2id: 64 MiB, three passes, one lane (RFC 9106 section 4, second choice, with one lane).
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
/// Bytes of a passphrase.
const LONGEST: usize = 1024;

/// A private key under a passphrase: AES-256-GCM by what Argon2id makes of it, bound to the token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wrapped {
    salt: [u8; 16],
    nonce: [u8; 12],
    sealed: Vec<u8>,
}

impl Wrapped {
    fn wrap(xml: &str, passphrase: &str, token: &Token) -> Option<Self> {
        let salt = rand::random();
        let nonce = rand::random();
        let sealed = cipher(passphrase, &salt)?
            .encrypt(&Nonce::from(nonce), bound(xml.as_bytes(), token))
            .ok()?;
        Some(Self {
            salt,
            nonce,
            sealed,
        })
    }

    fn unwrap(&self, passphrase: &str, token: &Token) -> Option<Zeroizing<String>> {
        let cipher = cipher(passphrase, &self.salt)?;
        let xml = cipher
            .decrypt(&Nonce::from(self.nonce), bound(&self.sealed, token))
            .ok()?;
        super::files::text(xml)
    }

    /// What nobody's passphrase opens, for keys that have nothing to open.
    fn of_nobody() -> Self {
        Self {
            salt: [0; 16],
            nonce: [0; 12],
            sealed: vec![0; 2048],
        }
    }
}

fn bound<'a>(msg: &'a [u8], token: &'a Token) -> Payload<'a, 'a> {
    Payload {
        msg,
        aad: token.as_str().as_bytes(),
    }
}

fn cipher(passphrase: &str, salt: &[u8; 16]) -> Option<Aes256Gcm> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(32)).ok()?;
    let mut memory = vec![Block::new(); params.block_count()];
    let mut key = Zeroizing::new([0; 32]);
    let stretched = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(passphrase.as_bytes(), salt, &mut *key, &mut memory);
    // From this memory the passphrase could be guessed cheaply.
    memory.zeroize();
    stretched.ok()?;
    Aes256Gcm::new_from_slice(&*key).ok()
}

/// A key that was made here, and what its maker alone is told.
pub(super) struct Made {
    pub(super) public_key: String,
    pub(super) private_key: Private,
    /// In the original's passphrase cipher, for clients that open messages themselves.
    pub(super) told_key: String,
    pub(super) hash: String,
}

/// Makes a key.
///
/// # Errors
/// No place to work; a passphrase that is too long.
pub(super) async fn make(app: &Shared, token: &Token, passphrase: &str) -> Result<Made, Fault> {
    if passphrase.len() > LONGEST {
        return Err(Fault::invalid("A passphrase may have 1024 bytes."));
    }
    let (token, passphrase) = (token.clone(), Zeroizing::new(passphrase.to_owned()));
    work(app, move || {
        let key = RsaPrivate::generate(BITS).ok()?;
        Some(Made {
            public_key: key.public().to_xml().ok()?,
            private_key: Private::Wrapped(Wrapped::wrap(key.xml(), &passphrase, &token)?),
            told_key: text::encrypt(key.xml(), &passphrase).ok()?,
            hash: key.hash(),
        })
    })
    .await?
    .ok_or_else(Fault::internal)
}

/// The private key that a passphrase opens. Argon2id runs in any case, also for a key that does not
/// exist, so that the time tells nothing.
///
/// # Errors
/// No place to work.
pub(super) async fn unlock(
    app: &Shared,
    token: &Token,
    key: Option<&Key>,
    passphrase: &str,
) -> Result<Option<Arc<RsaPrivate>>, Fault> {
    if passphrase.len() > LONGEST {
        return Ok(None);
    }
    let private = key.map_or(Private::None, |key| key.row.private_key.clone());
    let public = key.map(|key| key.row.public_key.clone());
    let (token, passphrase) = (token.clone(), Zeroizing::new(passphrase.to_owned()));
    let opened = work(app, move || {
        let xml = match &private {
            Private::Wrapped(wrapped) => wrapped.unwrap(&passphrase, &token),
            other => {
                Wrapped::of_nobody().unwrap(&passphrase, &token);
                match other {
                    Private::Uploaded(base64) => text::decrypt(base64, &passphrase).ok(),
                    _ => None,
                }
            }
        };
        let opened = match RsaPrivate::from_xml(&xml?) {
            Err(waxwing_compat::Error::SmallKey(_)) => return Some(Err(too_small())),
            opened => opened.ok()?,
        };
        // What was uploaded may be anything: it counts when it is this key's other half.
        let public = RsaPublic::from_xml(&public?).ok()?;
        (*opened.public() == public).then(|| Ok(Arc::new(opened)))
    })
    .await?;
    opened.transpose()
}

/// The passphrase was right, and the key is one that only a computer of its owner's opens with.
fn too_small() -> Fault {
    Fault::invalid(
        "The key has fewer than 2048 bits and opens nothing here: read with `privatekeyhash`, and \
         open the messages on your own computer.",
    )
}

/// Seals what came in the clear, as the original's clients open it.
///
/// # Errors
/// No place to work; a key that nothing is sealed to.
pub(super) async fn seal(app: &Shared, key: &Key, content: Content) -> Result<Sealed, Fault> {
    let public = key.row.public_key.clone();
    let sealed = work(app, move || {
        let public = RsaPublic::from_xml(&public)?;
        match content {
            Content::Text(text) => waxwing_compat::seal(&public, &text),
            Content::File(name, bytes) => waxwing_compat::seal_file(&public, &name, &bytes),
        }
    })
    .await?;
    sealed.map_err(|error| match error {
        waxwing_compat::Error::System => Fault::internal(),
        waxwing_compat::Error::Key => Fault::invalid(
            "The key was uploaded in a form that is sealed to elsewhere: send `encryptedmessage`.",
        ),
        other => Fault::invalid(other.to_string()),
    })
}

/// What is sealed here.
pub(super) enum Content {
    Text(Zeroizing<String>),
    /// Name and bytes.
    File(String, Zeroizing<Vec<u8>>),
}

/// Opens a message: a text, or of a file its zip in Base64. `None` when it is not what this key
/// opens.
///
/// # Errors
/// No place to work.
pub(super) async fn open(
    app: &Shared,
    key: &Arc<RsaPrivate>,
    sealed: Sealed,
    is_file: bool,
) -> Result<Option<Zeroizing<String>>, Fault> {
    let key = Arc::clone(key);
    work(app, move || {
        if is_file {
            waxwing_compat::open_zip(&key, &sealed).ok()
        } else {
            waxwing_compat::open(&key, &sealed).ok()
        }
    })
    .await
}

/// Opens a file: its name and bytes.
///
/// # Errors
/// No place to work.
pub(super) async fn open_file(
    app: &Shared,
    key: Zeroizing<String>,
    sealed: Sealed,
) -> Result<Option<waxwing_compat::File>, Fault> {
    work(app, move || {
        let key = RsaPrivate::from_xml(&key).ok()?;
        waxwing_compat::open_file(&key, &sealed).ok()
    })
    .await
}

async fn work<T: Send + 'static>(
    app: &Shared,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    let place = app.service.guard.place().await?;
    let done = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(place);
        done
    });
    done.await.map_err(|_| Fault::internal())
}
