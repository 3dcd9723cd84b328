//! What stands around a window on a person's desktop: a notification daemon, a file manager to
//! drag from, a tray. The first two are programs of Debian; the tray is a `StatusNotifierWatcher`
//! and a reader of menus, as the freedesktop and dbusmenu specifications have them.

use crate::desk::{Desk, root};
use anyhow::{Context, Result, ensure};
use serde_json::Value as Json;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};
use zbus::{Connection, connection, fdo, interface, proxy};

/// How long a person would wait before calling it broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often something outside that gives no sign is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// A program that ends with the test.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// dunst, which shows notifications and remembers them.
pub struct Notifications(#[allow(dead_code, reason = "ends with it")] Running);

impl Notifications {
    /// Starts the daemon and waits until it answers.
    pub async fn start(desk: &Desk) -> Result<Self> {
        let daemon = desk
            .command("dunst")
            .stderr(Stdio::null())
            .spawn()
            .context("dunst is missing: run `make setup-tests`")?;
        let notifications = Self(Running(daemon));
        let bus = fdo::DBusProxy::new(&Connection::session().await?).await?;
        // Asked of the bus: a question to the name itself would start a second daemon.
        let deadline = Instant::now() + PATIENCE;
        while !bus
            .name_has_owner("org.freedesktop.Notifications".try_into()?)
            .await?
        {
            ensure!(Instant::now() < deadline, "dunst does not take its name");
            tokio::time::sleep(LOOK).await;
        }
        Ok(notifications)
    }

    /// Waits for a notification with this body and gives everything that was shown so far.
    pub async fn see(&self, body: &str) -> Result<String> {
        until(&format!("no notification says {body:?}"), || {
            // Only what is closed stands in the history.
            Command::new("dunstctl").arg("close-all").status()?;
            let history = Command::new("dunstctl").arg("history").output()?.stdout;
            let history: Json = serde_json::from_slice(&history)?;
            let shown: Vec<&Json> = history["data"][0]
                .as_array()
                .into_iter()
                .flatten()
                .collect();
            let said = shown.iter().any(|one| one["body"]["data"] == body);
            Ok(said.then(|| history.to_string()))
        })
        .await
    }
}

/// Drags a file from another window to the middle of a window. The target asks the other window for
/// what was dropped: it must live until that is seen.
pub async fn drag(file: &Path, target: &crate::desk::Window) -> Result<Running> {
    const TITLE: &str = "Files to drag";
    const PLACE: (i64, i64) = (1300, 700);
    let mut source = Command::new("/usr/bin/python3")
        .arg(root().join("tests/desktop/drag_source.py"))
        .args([TITLE.to_owned(), PLACE.0.to_string(), PLACE.1.to_string()])
        .arg(file)
        .stdout(Stdio::piped())
        .spawn()?;
    let said = source.stdout.take().context("its output")?;
    let source = Running(source);
    let mut ready = String::new();
    BufReader::new(said).read_line(&mut ready)?;
    ensure!(
        ready == "ready\n",
        "python3-gi is missing: run `make setup-tests`"
    );
    // The window manager puts it where it asked to be.
    let from = until("the file manager has no place", || {
        Ok(middle(TITLE)?.filter(|(x, y)| *x > PLACE.0 && *y > PLACE.1))
    })
    .await?;
    let to = middle(&target.title())?.context("the window is not on the screen")?;
    xdotool(&["windowactivate", "--sync", &target.id()?])?;
    let at = |(x, y): (i64, i64), by: i64| [(x + by).to_string(), (y + by).to_string()];
    let move_to = |place: [String; 2]| xdotool(&["mousemove", "--sync", &place[0], &place[1]]);
    move_to(at(from, 0))?;
    xdotool(&["mousedown", "1"])?;
    // A drag begins when the hand has moved, and a target is told when it moves over it.
    for step in [4, 8, 16, 32] {
        move_to(at(from, step))?;
        tokio::time::sleep(LOOK).await;
    }
    for step in 0..12 {
        move_to(at(to, step))?;
        tokio::time::sleep(LOOK).await;
    }
    xdotool(&["mouseup", "1"])?;
    Ok(source)
}

/// The middle of a visible window, in pixels of the screen.
fn middle(title: &str) -> Result<Option<(i64, i64)>> {
    let found = Command::new("xdotool")
        .args(["search", "--onlyvisible", "--name", title])
        .args(["getwindowgeometry", "--shell", "%@"])
        .output()?;
    let text = String::from_utf8(found.stdout)?;
    let numbers: Vec<(&str, i64)> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
        .collect();
    // WINDOW, X, Y, WIDTH, HEIGHT and SCREEN of each; toolkits keep tiny windows of the same name
    // beside the screen.
    Ok(numbers.chunks(6).find_map(|window| {
        let number = |name| {
            window
                .iter()
                .find(|(found, _)| *found == name)
                .map(|(_, n)| *n)
        };
        let (width, height) = (number("WIDTH")?, number("HEIGHT")?);
        (width > 50 && height > 50).then_some((number("X")? + width / 2, number("Y")? + height / 2))
    }))
}

/// Presses keys as the hand does: whatever has the focus gets them, the window manager first.
pub fn xdotool(arguments: &[&str]) -> Result<()> {
    let done = Command::new("xdotool").args(arguments).status()?;
    ensure!(done.success(), "xdotool {arguments:?} failed");
    Ok(())
}

/// The title of the window that has the focus.
pub fn in_front() -> Result<String> {
    let name = Command::new("xdotool")
        .args(["getactivewindow", "getwindowname"])
        .output()?
        .stdout;
    Ok(String::from_utf8(name)?.trim().to_owned())
}

/// Waits until a look at something outside gives an answer.
pub async fn until<T>(otherwise: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        ensure!(Instant::now() < deadline, "{otherwise}");
        tokio::time::sleep(LOOK).await;
    }
}

/// A tray: programs put their icons here, and their menus are read and pressed.
pub struct Tray {
    bus: Connection,
    icons: tokio::sync::mpsc::UnboundedReceiver<Icon>,
}

/// An icon in the tray: who put it there and where it describes itself.
#[derive(Debug, Clone)]
pub struct Icon {
    owner: String,
    path: String,
}

struct Watcher(tokio::sync::mpsc::UnboundedSender<Icon>);

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(
        &self,
        service: &str,
        #[zbus(header)] header: zbus::message::Header<'_>,
    ) -> fdo::Result<()> {
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        // A path of the caller, or the name of a bus with the path that everybody uses.
        let icon = if service.starts_with('/') {
            Icon {
                owner: sender,
                path: service.to_owned(),
            }
        } else {
            Icon {
                owner: service.to_owned(),
                path: "/StatusNotifierItem".to_owned(),
            }
        };
        self.0
            .send(icon)
            .map_err(|_| fdo::Error::Failed("the tray is gone".to_owned()))
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}

#[proxy(interface = "org.kde.StatusNotifierItem", assume_defaults = false)]
trait StatusNotifierItem {
    #[zbus(property)]
    fn menu(&self) -> zbus::Result<OwnedObjectPath>;
}

type Layout = (
    i32,
    std::collections::HashMap<String, OwnedValue>,
    Vec<OwnedValue>,
);

#[proxy(interface = "com.canonical.dbusmenu", assume_defaults = false)]
trait Menu {
    fn get_layout(
        &self,
        parent: i32,
        depth: i32,
        properties: &[&str],
    ) -> zbus::Result<(u32, Layout)>;
    fn event(&self, id: i32, event: &str, data: &Value<'_>, timestamp: u32) -> zbus::Result<()>;
}

impl Tray {
    /// Puts a tray on the desktop.
    pub async fn start() -> Result<Self> {
        let (sender, icons) = tokio::sync::mpsc::unbounded_channel();
        let bus = connection::Builder::session()?
            .name("org.kde.StatusNotifierWatcher")?
            .serve_at("/StatusNotifierWatcher", Watcher(sender))?
            .build()
            .await
            .context("no session bus: use tools/with-display.sh")?;
        Ok(Self { bus, icons })
    }

    /// Waits for the next icon.
    pub async fn icon(&mut self) -> Result<Icon> {
        tokio::time::timeout(PATIENCE, self.icons.recv())
            .await
            .context("no icon was put into the tray")?
            .context("the tray is gone")
    }

    /// The entries of an icon's menu, in order, with the numbers that they are pressed by.
    pub async fn entries(&self, icon: &Icon) -> Result<Vec<(i32, String)>> {
        let (_, (_, _, children)) = self.menu(icon).await?.get_layout(0, 1, &["label"]).await?;
        let mut entries = Vec::new();
        for child in children {
            let (id, properties, _): Layout = Value::from(child).try_into()?;
            if let Some(label) = properties.get("label") {
                entries.push((id, label.downcast_ref::<String>()?.replace('_', "")));
            }
        }
        Ok(entries)
    }

    /// Presses an entry.
    pub async fn press(&self, icon: &Icon, label: &str) -> Result<()> {
        let entries = self.entries(icon).await?;
        let (id, _) = entries
            .iter()
            .find(|(_, entry)| entry == label)
            .with_context(|| format!("the tray's menu has only {entries:?}"))?;
        self.menu(icon)
            .await?
            .event(*id, "clicked", &Value::from(0i32), 0)
            .await?;
        Ok(())
    }

    async fn menu(&self, icon: &Icon) -> Result<MenuProxy<'_>> {
        let item = StatusNotifierItemProxy::builder(&self.bus)
            .destination(icon.owner.clone())?
            .path(icon.path.clone())?
            .build()
            .await?;
        let path = item.menu().await?;
        Ok(MenuProxy::builder(&self.bus)
            .destination(icon.owner.clone())?
            .path(path)?
            .build()
            .await?)
    }
}

/// systemd-logind, as far as an app hears it: a system bus of its own with the calls and signals of
/// `org.freedesktop.login1` that tell of sleep. No machine that runs tests can be put to sleep.
pub struct Logind {
    bus: Connection,
    held: tokio::sync::mpsc::UnboundedReceiver<std::io::PipeReader>,
    address: String,
    _daemon: Running,
}

struct LogindManager(tokio::sync::mpsc::UnboundedSender<std::io::PipeReader>);

#[interface(name = "org.freedesktop.login1.Manager")]
impl LogindManager {
    fn inhibit(
        &self,
        what: &str,
        _who: &str,
        _why: &str,
        mode: &str,
    ) -> fdo::Result<zbus::zvariant::OwnedFd> {
        if (what, mode) != ("sleep", "delay") {
            return Err(fdo::Error::InvalidArgs(format!("{what} {mode}")));
        }
        let failed = |error: std::io::Error| fdo::Error::Failed(error.to_string());
        let (ours, theirs) = std::io::pipe().map_err(failed)?;
        self.0
            .send(ours)
            .map_err(|_| fdo::Error::Failed("logind is gone".to_owned()))?;
        Ok(std::os::fd::OwnedFd::from(theirs).into())
    }

    fn get_session(&self, id: &str) -> fdo::Result<OwnedObjectPath> {
        if id != "auto" {
            return Err(fdo::Error::InvalidArgs(id.to_owned()));
        }
        OwnedObjectPath::try_from("/org/freedesktop/login1/session/_31")
            .map_err(|error| fdo::Error::Failed(error.to_string()))
    }

    #[zbus(signal)]
    async fn prepare_for_sleep(
        emitter: &zbus::object_server::SignalEmitter<'_>,
        start: bool,
    ) -> zbus::Result<()>;
}

impl Logind {
    /// Starts a system bus with logind on it.
    pub async fn start() -> Result<Self> {
        let mut daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--print-address"])
            .stdout(Stdio::piped())
            .spawn()
            .context("dbus-daemon is missing: run `make setup-tests`")?;
        let mut address = String::new();
        let told = daemon.stdout.take().context("its output")?;
        BufReader::new(told).read_line(&mut address)?;
        let address = address.trim().to_owned();
        let (sender, held) = tokio::sync::mpsc::unbounded_channel();
        let bus = connection::Builder::address(address.as_str())?
            .name("org.freedesktop.login1")?
            .serve_at("/org/freedesktop/login1", LogindManager(sender))?
            .build()
            .await?;
        Ok(Self {
            bus,
            held,
            address,
            _daemon: Running(daemon),
        })
    }

    /// Where the system bus is, for `DBUS_SYSTEM_BUS_ADDRESS`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits until somebody holds sleep back; the end of it is the end of the pipe.
    pub async fn held_back(&mut self) -> Result<std::io::PipeReader> {
        tokio::time::timeout(PATIENCE, self.held.recv())
            .await
            .context("nobody holds sleep back")?
            .context("logind is gone")
    }

    /// Tells that the computer is about to sleep, or has woken.
    pub async fn sleep(&self, start: bool) -> Result<()> {
        let emitter =
            zbus::object_server::SignalEmitter::new(&self.bus, "/org/freedesktop/login1")?;
        Ok(LogindManager::prepare_for_sleep(&emitter, start).await?)
    }

    /// Tells that the session was locked.
    pub async fn lock_session(&self) -> Result<()> {
        Ok(self
            .bus
            .emit_signal(
                None::<&str>,
                "/org/freedesktop/login1/session/_31",
                "org.freedesktop.login1.Session",
                "Lock",
                &(),
            )
            .await?)
    }
}

/// Waits until the other end of a pipe is let go.
pub async fn let_go(mut pipe: std::io::PipeReader) -> Result<()> {
    let ended = tokio::task::spawn_blocking(move || {
        std::io::Read::read(&mut pipe, &mut [0]).map(|read| read == 0)
    });
    let ended = tokio::time::timeout(PATIENCE, ended)
        .await
        .context("sleep is still held back")???;
    ensure!(ended, "somebody wrote where nothing is written");
    Ok(())
}
