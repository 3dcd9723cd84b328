//! What a relay is told before it starts.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use waxwing_wire::address::Address;
use waxwing_wire::api::Limits;
use waxwing_wire::limits::{MAX_ENVELOPE_BYTES, MAX_TTL};

use crate::clock::{Clock, SystemClock};

/// How a relay is set up. [`Config::new`] gives the usual values.
#[derive(Clone)]
pub struct Config {
    /// The folder that the relay owns; made when absent.
    pub data_dir: PathBuf,
    /// The name after `@` in addresses.
    pub name: String,
    /// What it accepts, as it tells its clients.
    pub limits: Limits,
    /// One-time prekeys that may wait for one device and suite.
    pub prekeys_waiting: u64,
    /// Names that one account may have.
    pub names: usize,
    /// Requests of one device; `None` for no limit.
    pub device_rate: Option<Rate>,
    /// Claims of one contact's prekeys by one account: each costs the contact a one-time prekey.
    pub claim_rate: Option<Rate>,
    /// New accounts of the whole relay.
    pub account_rate: Option<Rate>,
    /// Requests about links between devices, of the whole relay: they are not signed.
    pub link_rate: Option<Rate>,
    /// Links between devices at the same time.
    pub links: usize,
    /// The key service.
    pub key_service: KeyService,
    /// Drop boxes of one account that have not ended.
    pub drop_boxes: usize,
    /// Files in one drop box, and their bytes.
    pub drop_files: u64,
    /// Bytes of the files in one drop box, and of the largest.
    pub drop_file_bytes: u64,
    /// A mailbox in which so many envelopes wait takes no drop: the rest is for who signs.
    pub drops_waiting: u64,
    /// A mailbox in which so many bytes wait takes no drop.
    pub drop_bytes: u64,
    /// Requests of one address about drop boxes: they are not signed.
    pub visitor_rate: Option<Rate>,
    /// Requests of all addresses about drop boxes.
    pub visitors_rate: Option<Rate>,
    /// A proxy in front says for whom it asks, in the last place of `X-Forwarded-For`.
    pub is_behind_proxy: bool,
    /// The authorities (`host` or `host:port`) by which clients know this relay. A signature for
    /// another authority is refused, so that another relay cannot pass its clients' requests on.
    /// Empty: the listener's own address, and `localhost` with its port when that is loopback.
    pub authorities: Vec<String>,
    /// The longest time a request body may take to arrive.
    pub body_time: Duration,
    /// The longest time a request may take altogether, a long poll's waiting included.
    pub request_time: Duration,
    /// Connections at the same time; more wait to be accepted.
    pub connections: usize,
    /// The longest time that stopping may take.
    pub stop_time: Duration,
    /// Memory for the store's cache, in bytes.
    pub cache_bytes: u64,
    /// Writes are refused when the disk has fewer free bytes than this.
    pub reserve_bytes: u64,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What the key service at `/Service` takes.
#[derive(Debug, Clone)]
pub struct KeyService {
    /// It answers at all.
    pub served: bool,
    /// Bytes of a request with form data: a sealed file of 100 MiB fits in Base64 twice over.
    pub request_bytes: u64,
    /// Bytes of a request with an urlencoded body, which is read whole.
    pub form_bytes: u64,
    /// Bytes of text and files in the clear in one request.
    pub plain_bytes: u64,
    /// Memory for what comes in the clear, of all requests together, in bytes.
    pub memory_bytes: u64,
    /// Messages that may wait for one key.
    pub waiting_messages: u64,
    /// Their bytes, sealed.
    pub waiting_bytes: u64,
    /// Requests from one address.
    pub address_rate: Option<Rate>,
    /// New keys of the whole relay.
    pub key_rate: Option<Rate>,
}

impl Default for KeyService {
    fn default() -> Self {
        Self {
            served: true,
            request_bytes: 384 << 20,
            form_bytes: 16 << 20,
            plain_bytes: 100 << 20,
            memory_bytes: 512 << 20,
            waiting_messages: 1000,
            waiting_bytes: 512 << 20,
            address_rate: Rate::new(20, 200),
            key_rate: Rate::new(2, 200),
        }
    }
}

/// So many a second, and so many at once after a rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In the long run.
    pub per_second: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

impl Rate {
    /// `None` when one of the two is zero.
    pub const fn new(per_second: u32, burst: u32) -> Option<Self> {
        match (NonZeroU32::new(per_second), NonZeroU32::new(burst)) {
            (Some(per_second), Some(burst)) => Some(Self { per_second, burst }),
            _ => None,
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The name cannot stand after `@`.
    #[error("the relay's name is a host name in lower case, perhaps with a port")]
    Name,
    /// A limit is greater than the protocol allows, or so small that nothing fits.
    #[error("the limit `{0}` is out of its range")]
    Limit(&'static str),
}

impl Config {
    /// The usual values for a relay with this folder and name.
    pub fn new(data_dir: impl Into<PathBuf>, name: impl Into<String>) -> Self {
        Self {
            data_dir: data_dir.into(),
            name: name.into(),
            limits: Limits {
                envelope_bytes: MAX_ENVELOPE_BYTES as u64,
                attachment_bytes: 1 << 30,
                chunk_bytes: 1 << 20,
                ttl_seconds: MAX_TTL,
                mailbox_envelopes: 10_000,
                mailbox_bytes: 256 << 20,
                account_attachment_bytes: 4 << 30,
            },
            prekeys_waiting: 200,
            names: 16,
            device_rate: Rate::new(100, 1000),
            claim_rate: Rate::new(1, 100),
            account_rate: Rate::new(50, 5000),
            link_rate: Rate::new(50, 1000),
            links: 1000,
            key_service: KeyService::default(),
            drop_boxes: 16,
            drop_files: 1000,
            drop_file_bytes: 1 << 30,
            drops_waiting: 1000,
            drop_bytes: 64 << 20,
            visitor_rate: Rate::new(20, 400),
            visitors_rate: Rate::new(200, 4000),
            is_behind_proxy: false,
            authorities: Vec::new(),
            body_time: Duration::from_secs(30),
            request_time: Duration::from_secs(75),
            connections: 4096,
            stop_time: Duration::from_secs(9),
            cache_bytes: 64 << 20,
            reserve_bytes: 256 << 20,
            clock: Arc::new(SystemClock),
        }
    }

    /// Checks what can be checked without touching the disk.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn check(&self) -> Result<(), ConfigError> {
        let known = format!("xx@{}", self.name).parse::<Address>();
        if !known.is_ok_and(|address| address.relay == self.name) {
            return Err(ConfigError::Name);
        }
        let limits = &self.limits;
        let within = [
            (
                "envelope_bytes",
                limits.envelope_bytes,
                4096,
                MAX_ENVELOPE_BYTES as u64,
            ),
            ("chunk_bytes", limits.chunk_bytes, 1024, 16 << 20),
            ("ttl_seconds", limits.ttl_seconds, 60, MAX_TTL),
            ("mailbox_envelopes", limits.mailbox_envelopes, 1, u64::MAX),
            ("mailbox_bytes", limits.mailbox_bytes, 1, u64::MAX),
        ];
        match within
            .iter()
            .find(|(_, value, least, most)| value < least || value > most)
        {
            Some((limit, ..)) => Err(ConfigError::Limit(limit)),
            None => Ok(()),
        }
    }
}
