//! A desk: one person's computer in a folder of its own, with real Waxwing windows on it, driven
//! through `WebDriver` (tauri-driver in front of Debian's `WebKitWebDriver`).
//!
//! Nothing here is skipped: a missing driver, display or built window is a failed test with a
//! sentence that says what to run.

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use std::collections::HashMap;
use std::io::{ErrorKind, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use thirtyfour::prelude::*;

/// How long a person would wait before calling it broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// One computer with its data folder.
pub struct Desk {
    home: tempfile::TempDir,
    application: PathBuf,
    /// The size of the disk that data lies on, in MiB, when it is a small one.
    disk: Option<u32>,
    /// The address of the system bus, when it is not the machine's.
    system_bus: Option<String>,
}

/// A window of one profile.
pub struct Window {
    pub driver: WebDriver,
    pub profile: String,
    home: PathBuf,
    application: PathBuf,
    server: Child,
}

impl Desk {
    pub fn new() -> Result<Self> {
        Self::of(application()?)
    }

    /// A desk on which another program stands in the window's place.
    pub fn of(application: PathBuf) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("waxwing-desk-").tempdir()?;
        for folder in ["data", "config", "cache", "Downloads", "runtime"] {
            std::fs::create_dir(home.path().join(folder))?;
        }
        std::fs::write(
            home.path().join("config/user-dirs.dirs"),
            "XDG_DOWNLOAD_DIR=\"$HOME/Downloads\"\n",
        )?;
        Ok(Self {
            home,
            application,
            disk: None,
            system_bus: None,
        })
    }

    /// A computer whose data lies on a disk of so many MiB, which only its windows see.
    pub fn on_a_small_disk(mebibytes: u32) -> Result<Self> {
        Ok(Self {
            disk: Some(mebibytes),
            ..Self::new()?
        })
    }

    /// A computer with another system bus.
    pub fn on_system_bus(address: &str) -> Result<Self> {
        Ok(Self {
            system_bus: Some(address.to_owned()),
            ..Self::new()?
        })
    }

    /// Fills the small disk that a window sees to the last byte; gives the file that fills it.
    pub fn fill_the_disk(&self, window: u32) -> Result<PathBuf> {
        let inside = self.path().join("data/everything-else");
        let path = Path::new(&format!("/proc/{window}/root")).join(inside.strip_prefix("/")?);
        let mut file = std::fs::File::create(&path)?;
        for size in [1 << 20, 1 << 12, 1] {
            let block = vec![1; size];
            loop {
                match file.write_all(&block) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(path)
    }

    pub fn path(&self) -> &Path {
        self.home.path()
    }

    pub fn downloads(&self) -> PathBuf {
        self.home.path().join("Downloads")
    }

    /// A profile's folder on disk.
    pub fn profile(&self, name: &str) -> PathBuf {
        self.home.path().join("data/waxwing/profiles").join(name)
    }

    /// Opens a profile's window.
    pub async fn open(&self, profile: &str) -> Result<Window> {
        let (port, native) = (free_port()?, free_port()?);
        let server = self
            .driver()
            .args([
                "--port",
                &port.to_string(),
                "--native-port",
                &native.to_string(),
            ])
            .args(["--native-driver", "/usr/bin/WebKitWebDriver"])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(
                pictures()?.join(format!("{profile}.log")),
            )?)
            // Driver, native driver and window end together.
            .process_group(0)
            .spawn()
            .context("tauri-driver is missing: run `make setup-tests`")?;
        let mut window = Window {
            driver: connect(port, native, &self.application, profile).await?,
            profile: profile.to_owned(),
            home: self.home.path().to_owned(),
            application: self.application.clone(),
            server,
        };
        ensure!(
            window.server.try_wait()?.is_none(),
            "tauri-driver ended by itself"
        );
        window.size(1200, 800).await?;
        Ok(window)
    }

    /// The driver in front of the window, on the disk that the desk has.
    fn driver(&self) -> Command {
        let Some(mebibytes) = self.disk else {
            return self.command("tauri-driver");
        };
        let mut command = self.command("unshare");
        // Who is not root gets the right to mount in a namespace of his own.
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
        if !is_root {
            command.args(["--user", "--map-current-user", "--keep-caps"]);
        }
        command.args(["--mount", "sh", "-c"]);
        command.arg(format!(
            "mount -t tmpfs -o size={mebibytes}m tmpfs \"$XDG_DATA_HOME\" && exec \"$@\""
        ));
        command.args(["sh", "tauri-driver"]);
        command
    }

    /// Starts a profile that is already open, and waits until that second start has ended.
    pub async fn start_again(&self, profile: &str) -> Result<std::process::ExitStatus> {
        let mut again = self
            .command(&self.application.to_string_lossy())
            .args(["--profile", profile])
            .spawn()?;
        crate::desktop::until("the second start did not end", || Ok(again.try_wait()?)).await
    }

    /// A command that sees this desk as the person's home.
    pub fn command(&self, program: &str) -> Command {
        let home = self.home.path();
        let mut command = Command::new(program);
        command
            .env("HOME", home)
            .env("XDG_DATA_HOME", home.join("data"))
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("LANG", "C.UTF-8")
            .env("LC_ALL", "C.UTF-8")
            .env("RUST_LOG", "warn")
            .envs(
                self.system_bus
                    .iter()
                    .map(|address| ("DBUS_SYSTEM_BUS_ADDRESS", address)),
            );
        command
    }
}

async fn connect(port: u16, native: u16, application: &Path, profile: &str) -> Result<WebDriver> {
    // A request that comes before both drivers listen is never answered.
    listening(port)
        .await
        .context("tauri-driver does not listen")?;
    listening(native)
        .await
        .context("WebKitWebDriver does not listen")?;
    let mut capabilities = Capabilities::new();
    capabilities.set("browserName", "wry")?;
    capabilities.set(
        "tauri:options",
        json!({ "application": application, "args": ["--profile", profile] }),
    )?;
    WebDriver::builder(format!("http://127.0.0.1:{port}"), capabilities)
        .request_timeout(PATIENCE)
        .await
        .context("no window opened: is there a display? use tools/with-display.sh")
}

pub(crate) async fn listening(port: u16) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .is_err()
    {
        ensure!(Instant::now() < deadline, "nothing listens on port {port}");
        // The driver gives no sign but its open port.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

impl Window {
    /// Resizes the window.
    pub async fn size(&self, width: u32, height: u32) -> Result<()> {
        self.driver.set_window_rect(0, 0, width, height).await?;
        Ok(())
    }

    /// Waits for the element that an XPath names. The face keeps nothing in the page that is not
    /// shown, but for its live region.
    pub async fn see(&self, xpath: &str) -> Result<WebElement> {
        self.see_within(PATIENCE, xpath).await
    }

    async fn see_within(&self, patience: Duration, xpath: &str) -> Result<WebElement> {
        let found = self
            .driver
            .query(By::XPath(xpath.to_owned()))
            .wait(patience, Duration::from_millis(50))
            .first()
            .await;
        if let Ok(element) = found {
            return Ok(element);
        }
        let picture = self.picture(&format!("failed-{}", self.profile))?;
        bail!(
            "{}: never saw {xpath}; see {}",
            self.profile,
            picture.display()
        )
    }

    /// Waits for a text anywhere on the screen.
    pub async fn see_text(&self, text: &str) -> Result<WebElement> {
        self.see(&said(text)).await
    }

    /// Waits for a text that comes with the next answer of the relay, which keeps a device that has
    /// nothing to fetch waiting for half a minute.
    pub async fn see_text_of_the_relay(&self, text: &str) -> Result<WebElement> {
        self.see_within(PATIENCE * 3, &said(text)).await
    }

    /// Waits until an element is gone.
    pub async fn see_gone(&self, xpath: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.shows(xpath).await? {
            ensure!(
                Instant::now() < deadline,
                "{}: still there: {xpath}",
                self.profile
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Presses the button, link or tab with this accessible name.
    pub async fn press(&self, name: &str) -> Result<()> {
        let element = self.see(&named("*[self::button or self::a or @role='button' or @role='tab' or @role='radio' or @role='option' or @role='menuitem']", name)).await?;
        element
            .wait_until()
            .wait(PATIENCE, Duration::from_millis(50))
            .enabled()
            .await?;
        element.click().await?;
        Ok(())
    }

    /// Types into the field with this label, after what is there.
    pub async fn type_into(&self, label: &str, text: &str) -> Result<()> {
        let field = self.field(label).await?;
        field.send_keys(text).await?;
        Ok(())
    }

    /// The field with this label.
    pub async fn field(&self, label: &str) -> Result<WebElement> {
        self.see(&format!(
            "//*[self::input or self::textarea][@aria-label={label:?} or @id = //label[normalize-space(.)={label:?}]/@for]"
        ))
        .await
    }

    /// Whether the element that an XPath names is there now.
    pub async fn shows(&self, xpath: &str) -> Result<bool> {
        Ok(self
            .driver
            .query(By::XPath(xpath.to_owned()))
            .nowait()
            .exists()
            .await?)
    }

    /// A line of a list whose accessible name has all these parts.
    pub async fn see_row(&self, parts: &[&str]) -> Result<WebElement> {
        self.see(&row(parts)).await
    }

    /// Presses keys in the window, wherever the focus is.
    pub async fn keys(&self, keys: impl Into<TypingData>) -> Result<()> {
        self.driver.active_element().await?.send_keys(keys).await?;
        Ok(())
    }

    /// The window beside this one, once it is there.
    pub async fn other_window(&self, main: &WindowHandle) -> Result<WindowHandle> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let all = self.driver.windows().await?;
            if let Some(other) = all.into_iter().find(|window| window != main) {
                return Ok(other);
            }
            ensure!(Instant::now() < deadline, "no second window opened");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Fails when the window that is driven may call this command of the shell.
    pub async fn may_not_call(&self, command: &str) -> Result<()> {
        let said = self
            .driver
            .execute_async(
                "const done = arguments[arguments.length - 1];
                 window.__TAURI_INTERNALS__.invoke(arguments[0], {})
                   .then(() => done('allowed'), (why) => done(String(why)));",
                vec![command.into()],
            )
            .await?
            .convert::<String>()?;
        ensure!(
            said.contains("not allowed"),
            "it may call {command}: {said}"
        );
        Ok(())
    }

    /// A picture of the window as it stands on the screen.
    pub fn picture(&self, name: &str) -> Result<PathBuf> {
        picture(&self.activate()?, name)
    }

    /// A picture of another window of this app, by its own name.
    pub fn picture_of(&self, window: &str, name: &str) -> Result<PathBuf> {
        let title = format!("{} – {window}$", self.title().trim_end_matches('$'));
        let id = visible(&title)?.with_context(|| format!("no window is called {title}"))?;
        crate::desktop::xdotool(&["windowactivate", "--sync", &id])?;
        picture(&id, name)
    }

    /// Brings the window to the front, as a click on it would, and gives its number.
    pub fn activate(&self) -> Result<String> {
        let id = self.id()?;
        crate::desktop::xdotool(&["windowactivate", "--sync", &id])?;
        Ok(id)
    }

    /// The title, as a regular expression.
    pub fn title(&self) -> String {
        match self.profile.as_str() {
            "default" => "^Waxwing$".to_owned(),
            other => format!("^Waxwing .{other}.$"),
        }
    }

    /// The number that the screen knows the visible window by.
    pub fn id(&self) -> Result<String> {
        let title = self.title();
        let deadline = Instant::now() + PATIENCE;
        // The search ends early when some other window goes while it looks.
        loop {
            if let Some(id) = visible(&title)? {
                return Ok(id);
            }
            ensure!(Instant::now() < deadline, "no window is called {title}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// `kill -9` of the app: no destructor runs, nothing is flushed.
    pub fn kill(self) -> Result<()> {
        let pid = self.pid()?;
        drop(self);
        gone(pid)
    }

    /// Closes the window as a person would.
    pub async fn close(self) -> Result<()> {
        let pid = self.pid()?;
        self.driver.clone().quit().await?;
        gone(pid)
    }

    /// The app's process: the one that runs this profile on this desk.
    pub fn pid(&self) -> Result<u32> {
        let wanted = format!("XDG_DATA_HOME={}", self.home.join("data").display());
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok())
            else {
                continue;
            };
            let read = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
            let arguments = read("cmdline");
            let mut parts = arguments.split(|byte| *byte == 0);
            let is_app = parts
                .next()
                .is_some_and(|program| program == self.application.as_os_str().as_bytes());
            let is_profile = parts.any(|part| part == self.profile.as_bytes());
            if is_app
                && is_profile
                && read("environ")
                    .split(|byte| *byte == 0)
                    .any(|part| part == wanted.as_bytes())
            {
                return Ok(pid);
            }
        }
        bail!("the app of profile {} does not run", self.profile)
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // The session ends with its processes; asking the driver politely would wait for it.
        let _ = self.driver.clone().leak();
        let group = format!("-{}", self.server.id());
        let _ = Command::new("kill").args(["-9", "--", &group]).status();
        let _ = self.server.wait();
    }
}

/// `XPath` of a line of a list whose accessible name has all these parts.
pub fn row(parts: &[&str]) -> String {
    let all: Vec<String> = parts
        .iter()
        .map(|part| format!("contains(@aria-label, {part:?})"))
        .collect();
    format!("//*[@role='option'][{}]", all.join(" and "))
}

/// `XPath` of an element by its accessible name: its label or its text.
pub fn named(element: &str, name: &str) -> String {
    format!("//{element}[@aria-label={name:?} or normalize-space(.)={name:?} or @title={name:?}]")
}

/// `XPath` of the innermost element that shows a text.
pub(crate) fn said(text: &str) -> String {
    format!(
        "//*[contains(normalize-space(.), {text:?})][not(self::script)][not(*[contains(normalize-space(.), {text:?})])]"
    )
}

/// A picture of the window with this number, which is in front.
fn picture(id: &str, name: &str) -> Result<PathBuf> {
    let path = pictures()?.join(format!("{name}.png"));
    let taken = Command::new("import")
        .args(["-window", id])
        .arg(&path)
        .status()?;
    ensure!(taken.success(), "no picture {name}");
    Ok(path)
}

/// Where pictures of windows and what they log are kept: `target/screens/window`.
pub fn pictures() -> Result<PathBuf> {
    let folder = root().join("target/screens/window");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The visible window with this title.
pub fn visible(title: &str) -> Result<Option<String>> {
    let found = Command::new("xdotool")
        .args(["search", "--onlyvisible", "--name", title])
        .output()?;
    Ok(String::from_utf8(found.stdout)?
        .lines()
        .last()
        .map(str::to_owned))
}

/// A process and everything that it started.
pub fn family(root: u32) -> Result<Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // Behind the name, which may hold anything: state, then the parent.
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        if let (Some(pid), Some(parent)) = (pid, parent) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut family = vec![root];
    let mut next = 0;
    while let Some(pid) = family.get(next) {
        family.extend(children.remove(pid).unwrap_or_default());
        next += 1;
    }
    Ok(family)
}

/// Waits until a process has ended: not there, or waiting to be reaped.
pub fn gone(pid: u32) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while Path::new(&format!("/proc/{pid}/exe")).exists() {
        ensure!(Instant::now() < deadline, "the app did not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// The repository's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The built window.
pub fn application() -> Result<PathBuf> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let path = target.join("debug/waxwing");
    ensure!(
        path.exists(),
        "{} is not built: run `make suite`",
        path.display()
    );
    Ok(std::fs::canonicalize(path)?)
}
