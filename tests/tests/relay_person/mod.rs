//! A person with one device, as a relay sees her: real keys, real signatures, a real socket.
#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use waxwing_crypto::card::{Terms, sign_genesis, sign_successor};
use waxwing_crypto::keys::{AccountKey, DeviceKey, TransportKey, device_entry};
use waxwing_crypto::prekey::{PrekeyTerms, generate};
use waxwing_crypto::request::sign_request;
use waxwing_relay::clock::{Clock, ManualClock};
use waxwing_relay::{Config, Relay, ServeError};
use waxwing_wire::b64::B64;
use waxwing_wire::card::{DeviceEntry, VerifiedCard};
use waxwing_wire::cose_key::Suite;
use waxwing_wire::envelope::{Content, Entry, Header, Submission};
use waxwing_wire::ids::{AccountId, DeviceId, Digest, EnvelopeId, KeyId, MailboxId};
use waxwing_wire::prekey::PrekeyKind;
use waxwing_wire::problem::{MEDIA_TYPE, Problem, Slug};
use waxwing_wire::request::{Params, Target, content_digest};

pub const START: u64 = 1_800_000_000;

/// A relay of this process, on a real socket.
pub struct Running {
    pub relay: Relay,
    pub address: SocketAddr,
    pub clock: ManualClock,
    pub shutdown: CancellationToken,
    pub serving: JoinHandle<Result<(), ServeError>>,
    pub folder: Arc<tempfile::TempDir>,
}

pub fn config(folder: &tempfile::TempDir, clock: &ManualClock) -> Config {
    let mut config = Config::new(folder.path().join("relay"), "localhost");
    config.clock = Arc::new(clock.clone());
    config.reserve_bytes = 0;
    config
}

pub async fn running() -> Running {
    running_with(|_| {}).await
}

pub async fn running_with(change: impl FnOnce(&mut Config)) -> Running {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    running_in(folder, ManualClock::new(START), change).await
}

pub async fn running_in(
    folder: Arc<tempfile::TempDir>,
    clock: ManualClock,
    change: impl FnOnce(&mut Config),
) -> Running {
    let mut config = config(&folder, &clock);
    change(&mut config);
    let relay = Relay::open(config).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn({
        let (relay, shutdown) = (relay.clone(), shutdown.clone());
        async move { relay.serve(listener, shutdown).await }
    });
    Running {
        relay,
        address,
        clock,
        shutdown,
        serving,
        folder,
    }
}

impl Running {
    /// Stops in order and opens the same folder again.
    pub async fn restart(self, change: impl FnOnce(&mut Config)) -> Self {
        self.shutdown.cancel();
        self.serving.await.unwrap().unwrap();
        drop(self.relay);
        running_in(self.folder, self.clock, change).await
    }

    pub async fn person(&self) -> Person {
        let person = Person::new(self.address, Arc::new(self.clock.clone()));
        person.put_first_card().await;
        person
    }
}

pub struct Person {
    pub account_key: AccountKey,
    pub device_key: DeviceKey,
    pub transport: TransportKey,
    pub device: DeviceId,
    pub mailbox: MailboxId,
    pub card: Mutex<VerifiedCard>,
    pub clock: Arc<dyn Clock>,
    pub address: SocketAddr,
    pub http: Client,
}

/// A request on its way, to be changed before or after it is signed.
pub struct Call {
    pub method: Method,
    pub path: String,
    pub body: Option<(String, Vec<u8>)>,
    pub headers: Vec<(&'static str, String)>,
    pub created: u64,
    pub nonce: [u8; 16],
    pub account: AccountId,
    pub device: DeviceId,
    pub authority: String,
}

impl Person {
    pub fn new(address: SocketAddr, clock: Arc<dyn Clock>) -> Self {
        let rng = &mut rand::rng();
        let (account_key, device_key, transport) = (
            AccountKey::generate(rng),
            DeviceKey::generate(rng),
            TransportKey::generate(rng),
        );
        let (device, mailbox) = (DeviceId::generate(rng), MailboxId::generate(rng));
        let entry = device_entry(device, mailbox, &device_key, &transport, clock.now());
        let card = sign_genesis(&account_key, vec![entry], terms(clock.now())).unwrap();
        let http = Client::builder().no_proxy().build().unwrap();
        let card = Mutex::new(card);
        Self {
            account_key,
            device_key,
            transport,
            device,
            mailbox,
            card,
            clock,
            address,
            http,
        }
    }

    pub fn account(&self) -> AccountId {
        self.account_key.genesis_account_id()
    }

    pub fn current(&self) -> VerifiedCard {
        self.card.lock().unwrap().clone()
    }

    pub fn call(&self, method: Method, path: impl Into<String>) -> Call {
        Call {
            method,
            path: path.into(),
            body: None,
            headers: Vec::new(),
            created: self.clock.now(),
            nonce: rand::random(),
            account: self.account(),
            device: self.device,
            authority: self.address.to_string(),
        }
    }

    pub async fn get(&self, path: impl Into<String>) -> Answer {
        self.send(self.call(Method::GET, path)).await
    }

    pub async fn delete(&self, path: impl Into<String>) -> Answer {
        self.send(self.call(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: impl Into<String>, body: &impl Serialize) -> Answer {
        self.send(self.call(Method::POST, path).json(body)).await
    }

    pub async fn put(&self, path: impl Into<String>, body: &impl Serialize) -> Answer {
        self.send(self.call(Method::PUT, path).json(body)).await
    }

    pub async fn send(&self, call: Call) -> Answer {
        self.try_send(call).await.unwrap()
    }

    pub async fn try_send(&self, call: Call) -> reqwest::Result<Answer> {
        let headers = self.signed(&call);
        self.send_as(call, headers).await
    }

    /// The signature headers of a call.
    pub fn signed(&self, call: &Call) -> HeaderMap {
        let (path, query) = match call.path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (call.path.as_str(), None),
        };
        let digest = call.body.as_ref().map(|(_, body)| content_digest(body));
        let header = |name: &str| {
            call.headers
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, text)| text.as_str())
        };
        let target = Target {
            method: call.method.as_str(),
            authority: &call.authority,
            path,
            query,
            content_digest: digest.as_deref(),
            content_type: call.body.as_ref().map(|(kind, _)| kind.as_str()),
            upload_offset: header("upload-offset"),
        };
        let params = Params {
            account_id: call.account,
            device_id: call.device,
            created: call.created,
            nonce: call.nonce,
        };
        let signed = sign_request(&self.transport, &target, &params).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("signature-input", signed.signature_input.parse().unwrap());
        headers.insert("signature", signed.signature.parse().unwrap());
        if let Some(digest) = digest {
            headers.insert("content-digest", digest.parse().unwrap());
        }
        headers
    }

    /// Sends a call with the given signature headers.
    pub async fn send_as(&self, call: Call, signature: HeaderMap) -> reqwest::Result<Answer> {
        let url = format!("http://{}{}", self.address, call.path);
        let mut request = self
            .http
            .request(call.method.clone(), url)
            .headers(signature);
        for (name, text) in &call.headers {
            request = request.header(
                HeaderName::from_static(name),
                HeaderValue::from_str(text).unwrap(),
            );
        }
        if let Some((kind, body)) = call.body {
            request = request.header("content-type", kind).body(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await?.to_vec();
        Ok(Answer {
            method: call.method,
            path: call.path,
            status,
            headers,
            body,
        })
    }

    pub fn card_path(&self) -> String {
        format!("/v1/accounts/{}/card", self.account())
    }

    pub fn put_card_call(&self, card: &[u8], precondition: (&'static str, String)) -> Call {
        let mut call = self.call(Method::PUT, self.card_path());
        call.body = Some(("application/cose".into(), card.to_vec()));
        call.headers.push(precondition);
        call
    }

    pub async fn put_first_card(&self) {
        let card = self.current();
        let put = self
            .send(self.put_card_call(card.as_bytes(), ("if-none-match", "*".into())))
            .await;
        assert_eq!(put.status, StatusCode::CREATED, "{put:?}");
    }

    pub fn entry(&self) -> DeviceEntry {
        self.current().body().devices[0].clone()
    }

    /// The next card with these devices.
    pub fn next_card(&self, devices: Vec<DeviceEntry>) -> VerifiedCard {
        sign_successor(
            &self.account_key,
            &self.current(),
            devices,
            terms(self.clock.now()),
        )
        .unwrap()
    }

    pub fn prekeys(&self, kind: PrekeyKind, count: usize, not_after: u64) -> Vec<B64> {
        let card_hash = self.current().hash();
        let terms = PrekeyTerms {
            account_id: self.account(),
            device_id: self.device,
            kind,
            suite: Suite::S1,
            not_after,
            card_hash,
        };
        let one = |_| {
            B64(generate(&self.device_key, &terms, &mut rand::rng())
                .unwrap()
                .1
                .as_bytes()
                .to_vec())
        };
        (0..count).map(one).collect()
    }

    pub async fn submit(&self, submission: &Submission) -> Answer {
        let mut call = self.call(Method::POST, "/v1/envelopes");
        call.body = Some(("application/cbor".into(), submission.encode()));
        self.send(call).await
    }

    pub async fn mailbox(&self, after: u64) -> waxwing_wire::api::MailboxPage {
        self.get(format!("/v1/mailbox?after={after}")).await.json()
    }
}

pub fn terms(now: u64) -> Terms {
    Terms {
        issued_at: now,
        expires_at: now + 80 * 86_400,
        min_suite: Suite::S1,
    }
}

/// A submission of random bytes to these mailboxes.
pub fn submission(to: &[MailboxId], size: usize, expires_at: u64) -> Submission {
    let mut ciphertext = vec![0; size];
    rand::fill(&mut ciphertext[..]);
    let suite = Suite::S1;
    let entry = || Entry {
        suite,
        kid: KeyId::new(rand::random()),
        ek: vec![7; suite.encapped_len()],
        ciphertext: [8; 48],
    };
    let mut to = to.to_vec();
    to.sort();
    Submission {
        header: Header {
            env_id: EnvelopeId::generate(&mut rand::rng()),
            expires_at,
        },
        content: Content {
            commit: Digest::new([1; 32]),
            iv: [2; 12],
            ciphertext,
        },
        entries: to.into_iter().map(|to| (to, entry())).collect(),
    }
}

impl Call {
    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.body = Some(("application/json".into(), serde_json::to_vec(body).unwrap()));
        self
    }

    pub fn body(mut self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some((kind.into(), body.into()));
        self
    }

    pub fn header(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.headers.push((name, text.into()));
        self
    }
}

#[derive(Debug)]
pub struct Answer {
    pub method: Method,
    pub path: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json<T: DeserializeOwned>(&self) -> T {
        assert!(self.status.is_success(), "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The problem, after checking that it has the one form and that the description of the
    /// call names it.
    pub fn problem(&self) -> (Slug, Problem) {
        assert_eq!(self.header("content-type"), MEDIA_TYPE, "{self:?}");
        let whole: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        let slug = problem.slug().unwrap();
        assert_eq!(self.status.as_u16(), slug.status());
        assert_eq!(problem.status, slug.status());
        let instance = format!("urn:uuid:{}", self.header("x-request-id"));
        assert_eq!(whole["instance"], instance);
        if let Some(seconds) = problem.retry_after {
            assert_eq!(self.header("retry-after"), seconds.to_string());
        }
        if !matches!(slug, Slug::NotFound | Slug::MethodNotAllowed) {
            assert!(
                described(&self.method, &self.path, slug),
                "{} {} {slug}",
                self.method,
                self.path
            );
        }
        SEEN.lock().unwrap().insert(slug.to_string());
        (slug, problem)
    }

    pub fn slug(&self) -> Slug {
        self.problem().0
    }
}

/// The slugs that were met in this process.
pub static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn described(method: &Method, path: &str, slug: Slug) -> bool {
    static API: LazyLock<serde_json::Value> =
        LazyLock::new(|| serde_json::to_value(Relay::openapi()).unwrap());
    let api = &*API;
    let path = path.split('?').next().unwrap();
    let fits = |template: &str| {
        let (wanted, given): (Vec<_>, Vec<_>) =
            (template.split('/').collect(), path.split('/').collect());
        wanted.len() == given.len()
            && wanted
                .iter()
                .zip(&given)
                .all(|(wanted, given)| wanted.starts_with('{') || wanted == given)
    };
    let paths = api["paths"].as_object().unwrap();
    paths
        .iter()
        .filter(|(template, _)| fits(template))
        .any(|(_, item)| {
            let answer =
                &item[method.as_str().to_lowercase()]["responses"][slug.status().to_string()];
            answer["description"]
                .as_str()
                .is_some_and(|text| text.contains(&format!("`{slug}`")))
        })
}

/// Waits for something that another task brings about.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("in time")
}
