//! People without a window: the engine itself, over the real relay on a real socket.
//!
//! A [`Street`] is a relay and a folder for each person; an [`Engine`] is one person's
//! `waxwing_client::App`. Waiting is listening to what the engine tells: a state that changes without
//! being told shows as a test that waits for ever, and so fails.

#![allow(clippy::expect_used, clippy::missing_panics_doc)]

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use waxwing_client::host::{HostFuture, RelayHost};
use waxwing_client::view::{
    DraftText, EnvelopeRow, EnvelopeView, Folder, IncomingState, OutgoingState, RelayChoice,
    RelayState, Stage,
};
use waxwing_client::{App, Config, Failure};
use waxwing_crypto::kdf::Passphrase;
use waxwing_relay::Relay;
use waxwing_relay::clock::SystemClock;
use waxwing_relay::store::{AnyStore, OpenStoreError, SledOptions, SledStore};
use waxwing_vault::{Open, State, Vault};
use zeroize::Zeroizing;

/// Everybody's passphrase.
pub const PASSPHRASE: &str = "seven quiet birds carry wax over the river";
/// Nothing here takes so long, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between looks whether a closed engine's last thread has let go of its folder.
const LET_GO: Duration = Duration::from_millis(10);

/// The relay library, run in this process.
#[derive(Default)]
pub struct LoopbackRelay {
    running: Mutex<Option<Running>>,
    configure: Option<Configure>,
}

type Configure = Box<dyn Fn(&mut waxwing_relay::Config) + Send + Sync>;

#[derive(Debug)]
struct Running {
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl LoopbackRelay {
    fn running(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RelayHost for LoopbackRelay {
    fn start<'a>(
        &'a self,
        dir: &'a Path,
        port: u16,
    ) -> HostFuture<'a, std::io::Result<SocketAddr>> {
        Box::pin(async move {
            let mut config = waxwing_relay::Config::new(dir, "localhost");
            if let Some(configure) = &self.configure {
                configure(&mut config);
            }
            let relay = Relay::open(config).await.map_err(std::io::Error::other)?;
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
            let address = listener.local_addr()?;
            let stop = CancellationToken::new();
            let until = stop.clone();
            let served = tokio::spawn(async move {
                relay.serve(listener, until).await.expect("it serves");
            });
            *self.running() = Some(Running { stop, served });
            Ok(address)
        })
    }

    fn stop(&self) -> HostFuture<'_, ()> {
        Box::pin(async move {
            let running = self.running().take();
            if let Some(Running { stop, served }) = running {
                stop.cancel();
                served.await.expect("the relay ends well");
            }
        })
    }

    fn is_running(&self) -> bool {
        self.running().is_some()
    }
}

/// A relay and the folders of those who use it.
pub struct Street {
    root: TempDir,
    relay: LoopbackRelay,
    address: SocketAddr,
}

impl Street {
    /// A street with a running relay and nobody on it.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A street whose relay is set up in another way.
    pub async fn with(
        configure: impl Fn(&mut waxwing_relay::Config) + Send + Sync + 'static,
    ) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let relay = LoopbackRelay {
            configure: Some(Box::new(configure)),
            ..LoopbackRelay::default()
        };
        let address = relay.start(&root.path().join("relay"), 0).await;
        Self {
            address: address.expect("the relay starts"),
            root,
            relay,
        }
    }

    /// Stops the relay.
    pub async fn stop_relay(&self) {
        self.relay.stop().await;
    }

    /// Starts the relay again, in its folder and at its address.
    pub async fn start_relay(&self) {
        let dir = self.relay_dir();
        let started = self.relay.start(&dir, self.address.port()).await;
        started.expect("the relay starts again");
    }

    /// Stops the relay, changes what it keeps behind its back, and starts it again.
    pub async fn lie(&self, change: impl AsyncFnOnce(&AnyStore)) {
        self.stop_relay().await;
        let options = SledOptions {
            folder: self.relay_dir(),
            cache_bytes: 8 << 20,
            reserve_bytes: 0,
            clock: Arc::new(SystemClock),
        };
        let store = loop {
            match SledStore::open(&options) {
                // A call that was under way still holds it.
                Err(OpenStoreError::InUse) => tokio::time::sleep(LET_GO).await,
                opened => break opened.expect("its folder").into_any(),
            }
        };
        change(&store).await;
        store.close().await.expect("it closes");
        drop(store);
        self.start_relay().await;
    }

    /// The relay's folder.
    pub fn relay_dir(&self) -> PathBuf {
        self.root.path().join("relay")
    }

    /// Where the relay listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A folder for files of the test.
    pub fn desk(&self) -> PathBuf {
        let desk = self.root.path().join("desk");
        std::fs::create_dir_all(&desk).expect("a folder");
        desk
    }

    /// Somebody's profile folder.
    pub fn dir(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Somebody new, set up.
    pub async fn person(&self, name: &str) -> Engine {
        self.person_at(name, self.address).await
    }

    /// Somebody new who reaches the relay at another address.
    pub async fn person_at(&self, name: &str, relay: SocketAddr) -> Engine {
        let engine = self.open(name).await;
        engine.set_up(name, relay).await;
        engine
    }

    /// Somebody's engine, started over whatever is in the folder.
    pub async fn open(&self, name: &str) -> Engine {
        loop {
            let config = Config::new(
                name.to_owned(),
                self.dir(name),
                self.root.path().join("no-relay"),
                Arc::new(LoopbackRelay::default()),
            );
            let app = App::start(config).await.expect("the engine starts");
            if app.stage().await != Stage::InUse {
                let name = name.to_owned();
                return Engine { app, name };
            }
            // A thread of the engine before it still writes.
            app.close().await;
            tokio::time::sleep(LET_GO).await;
        }
    }

    /// Somebody who closes Waxwing, opens it and unlocks.
    pub async fn restart(&self, engine: Engine) -> Engine {
        let name = engine.name.clone();
        engine.close().await;
        let engine = self.open(&name).await;
        engine.unlock().await;
        engine
    }

    /// Looks into the vault of somebody whose Waxwing is closed, or changes it.
    pub fn with_vault<T>(&self, name: &str, look: impl FnOnce(&Open) -> T) -> T {
        let locked = loop {
            match Vault::look(&self.dir(name)) {
                Ok(State::Locked(locked)) => break locked,
                Ok(State::InUse) => std::thread::sleep(LET_GO),
                other => unreachable!("a closed vault, not {other:?}"),
            }
        };
        let open = locked.unlock(&Passphrase::new(PASSPHRASE));
        look(&open.expect("the passphrase opens it"))
    }
}

/// One person's engine.
pub struct Engine {
    /// The engine.
    pub app: App,
    /// Name and folder.
    pub name: String,
}

impl Deref for Engine {
    type Target = App;
    fn deref(&self) -> &App {
        &self.app
    }
}

impl Engine {
    /// Sets up a new account, as the first run does; gives the recovery words.
    pub async fn set_up(&self, name: &str, relay: SocketAddr) -> String {
        let url = format!("http://{relay}");
        let app = &self.app;
        app.choose_identity(name.to_owned(), RelayChoice::Address { url })
            .await
            .expect("a name and a relay");
        app.create_vault(passphrase(PASSPHRASE))
            .await
            .expect("a vault");
        let words = app.recovery_code().await.expect("a code");
        let groups = words.chunks(4).map(|group| group.join(" "));
        app.confirm_recovery((0..).zip(groups).collect())
            .await
            .expect("the code is right");
        let stage = app.finish_onboarding(false).await.expect("all set up");
        assert_eq!(stage, Stage::Open);
        self.online().await;
        words.join(" ")
    }

    /// Unlocks.
    pub async fn unlock(&self) {
        let unlocked = self.app.unlock(passphrase(PASSPHRASE)).await;
        assert_eq!(unlocked, Ok(Stage::Open));
    }

    /// Locks.
    pub async fn lock(&self) {
        let locked = self.app.lock().await.expect("it locks");
        assert!(matches!(locked, Stage::Locked { .. }), "{locked:?}");
    }

    /// Closes Waxwing and lets go of the folder.
    pub async fn close(self) {
        self.app.close().await;
    }

    /// This account's id.
    pub async fn account(&self) -> String {
        self.me().await.expect("open").account
    }

    /// Moves to another relay.
    pub async fn move_to(&self, relay: SocketAddr) -> Result<(), Failure> {
        let mut settings = self.settings().await?;
        settings.relay = RelayChoice::Address {
            url: format!("http://{relay}"),
        };
        self.save_settings(settings).await.map(drop)
    }

    /// Finds somebody by address; gives the account.
    pub async fn add(&self, name: &str) -> String {
        let contact = self.add_contact(format!("{name}@localhost")).await;
        contact.expect("found").account
    }

    /// Writes and sends; gives the message's id.
    pub async fn send(&self, to: &[&str], subject: &str) -> Result<String, Failure> {
        self.send_files(to, subject, &[]).await
    }

    /// Writes and sends, with files.
    pub async fn send_files(
        &self,
        to: &[&str],
        subject: &str,
        files: &[PathBuf],
    ) -> Result<String, Failure> {
        let draft = self.new_draft(None).await?.id;
        if !files.is_empty() {
            self.attach(draft.clone(), files.to_vec()).await?;
        }
        self.send_draft(draft, text(to, subject)).await
    }

    /// Waits for something to be so, looking again whenever the engine tells a change.
    pub async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let mut changes = self.changes();
        let found = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                changes.next().await.expect("the engine lives");
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        match found {
            Ok(found) => found,
            Err(_) => unreachable!("{} waited in vain: {what}", self.name),
        }
    }

    /// Waits for the relay to answer.
    pub async fn online(&self) {
        self.until("online", async || {
            matches!(self.status().await.relay, RelayState::Online { .. }).then_some(())
        })
        .await;
    }

    /// Waits for the relay to be missed.
    pub async fn offline(&self) {
        self.until("offline", async || {
            matches!(self.status().await.relay, RelayState::Offline { .. }).then_some(())
        })
        .await;
    }

    /// A whole list, newest first.
    pub async fn list(&self, folder: Folder) -> Vec<EnvelopeRow> {
        let page = self.envelopes(folder, None, 500).await;
        page.expect("open").items
    }

    /// The subjects of a list, oldest first.
    pub async fn subjects(&self, folder: Folder) -> Vec<String> {
        let rows = self.list(folder).await;
        rows.into_iter().rev().map(|row| row.subject).collect()
    }

    /// How often an opened message with this subject stands in the inbox.
    pub async fn copies(&self, subject: &str) -> usize {
        let rows = self.list(Folder::Inbox).await;
        rows.iter().filter(|row| row.subject == subject).count()
    }

    /// Waits for a message and opens it.
    pub async fn receive(&self, subject: &str) -> EnvelopeView {
        let id = self
            .until(&format!("received: {subject}"), async || {
                let rows = self.list(Folder::Inbox).await;
                let row = rows.into_iter().find(|row| {
                    row.subject == subject
                        && !matches!(row.incoming, Some(IncomingState::Unopenable { .. }))
                });
                row.map(|row| row.id)
            })
            .await;
        self.envelope(id).await.expect("it opens")
    }

    /// How far a message is for its first recipient.
    pub async fn state(&self, message: &str) -> OutgoingState {
        let view = self.envelope(message.to_owned()).await.expect("it is here");
        view.row.to[0].state
    }

    /// Waits for a message to get so far.
    pub async fn until_state(
        &self,
        message: &str,
        what: &str,
        wanted: impl Fn(OutgoingState) -> bool,
    ) -> OutgoingState {
        self.until(what, async || {
            let state = self.state(message).await;
            wanted(state).then_some(state)
        })
        .await
    }

    /// Waits until the recipient's computer has it.
    pub async fn until_fetched(&self, message: &str) {
        self.until_state(message, "fetched", |state| state == OutgoingState::Fetched)
            .await;
    }
}

/// A text whose body follows from its subject.
pub fn text(to: &[&str], subject: &str) -> DraftText {
    DraftText {
        to: to.iter().map(|&account| account.to_owned()).collect(),
        subject: subject.to_owned(),
        body: format!("The text of {subject}.\n\nSecond paragraph: ä 漢 🕊"),
        in_reply_to: None,
    }
}

/// A passphrase as the engine takes it.
pub fn passphrase(typed: &str) -> Zeroizing<String> {
    Zeroizing::new(typed.to_owned())
}
