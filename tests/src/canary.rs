//! What stays with the relay of what crosses its key service.
//!
//! Everything that is told to the service, or that it makes, carries a mark that is written nowhere
//! else. Afterwards the relay's store, its log at its most talkative, its temporary files and its
//! memory are searched for all of them.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use memchr::memmem;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use waxwing_compat::{RsaPrivate, seal, seal_file};

use crate::memory::{Needle, search};

/// How long the relay may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// Marks that were sent or made.
    pub markers: usize,
    /// Files and processes that were searched.
    pub places: usize,
    /// Each mark that was found, and where.
    pub hits: Vec<String>,
}

/// Runs the built relay, uses both halves of its service, and searches.
///
/// # Errors
/// A relay that is not built or does not do as told; memory that may not be read.
pub async fn run() -> Result<Found> {
    let folder = tempfile::tempdir()?;
    let relay = Relay::start(folder.path())?;
    let mut marks = Marks::default();
    for method in ["headers", "query", "body"] {
        relay.online(&mut marks, method).await?;
        relay.offline(&mut marks).await?;
    }
    relay.search(&marks)
}

/// What is looked for.
#[derive(Default)]
struct Marks {
    /// Told to the service or made by it: to be found nowhere.
    secret: Vec<Needle>,
    /// Opaque: the store has it, the log and temporary files do not.
    sealed: Vec<Needle>,
    count: usize,
}

impl Marks {
    /// A text with a new mark that must stay nowhere.
    fn secret(&mut self, what: &'static str) -> String {
        let text = format!("{what} {}", hex_of(&rand::random::<[u8; 16]>()));
        self.hide(what, &text);
        text
    }

    /// Looks for this, in every shape that programs here keep texts in.
    fn hide(&mut self, what: &'static str, text: &str) {
        let tail = text.get(text.len().saturating_sub(32)..).unwrap_or(text);
        self.count += 1;
        self.secret.push((what, tail.as_bytes().to_vec()));
        let wide = tail.encode_utf16().flat_map(u16::to_le_bytes).collect();
        self.secret.push((what, wide));
    }

    fn seal(&mut self, what: &'static str, text: &str) {
        self.count += 1;
        let tail = text.get(text.len().saturating_sub(48)..).unwrap_or(text);
        self.sealed.push((what, tail.as_bytes().to_vec()));
    }

    /// A private key by its private exponent.
    fn key(&mut self, what: &'static str, xml: &str) -> Result<()> {
        let (_, rest) = xml.split_once("<D>").context("a private exponent")?;
        let (exponent, _) = rest.split_once("</D>").context("its end")?;
        self.hide(what, exponent);
        Ok(())
    }
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Relay {
    child: Child,
    address: String,
    folder: PathBuf,
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Relay {
    fn start(folder: &Path) -> Result<Self> {
        let temporary = folder.join("temporary");
        fs::create_dir(&temporary)?;
        let program = std::env::current_exe()?.with_file_name("waxwing-relay");
        ensure!(
            program.exists(),
            "the relay is not built: run `make canary`"
        );
        let log = folder.join("log");
        let child = Command::new(program)
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(folder.join("store"))
            .env("WAXWING_RELAY_LOG", "trace")
            .env("TMPDIR", &temporary)
            .stdout(File::create(&log)?)
            .stderr(File::create(folder.join("errors"))?)
            .stdin(Stdio::null())
            .spawn()?;
        let mut relay = Self {
            child,
            address: String::new(),
            folder: folder.to_owned(),
        };
        let until = Instant::now() + PATIENCE;
        while relay.address.is_empty() {
            ensure!(Instant::now() < until, "the relay does not listen");
            std::thread::sleep(Duration::from_millis(20));
            for line in BufReader::new(File::open(&log)?).lines() {
                let line: Value = serde_json::from_str(&line?).unwrap_or_default();
                if line["message"] == "listening" {
                    relay.address = line["address"].as_str().unwrap_or_default().to_owned();
                }
            }
        }
        Ok(relay)
    }

    fn ask(&self, http: &Client, method: Method) -> RequestBuilder {
        http.request(method, format!("http://{}/Service", self.address))
    }

    /// A client of this moment: its connections end with it. HTTP/2 has a log of its own.
    fn client(how: &str) -> Result<Client> {
        let builder = Client::builder();
        let builder = if how == "headers" {
            builder.http2_prior_knowledge()
        } else {
            builder
        };
        Ok(builder.build()?)
    }

    async fn online(&self, marks: &mut Marks, how: &str) -> Result<()> {
        let http = Self::client(how)?;
        let passphrase = marks.secret("passphrase");
        let form = [("passphrase", passphrase.as_str())];
        let made = self.ask(&http, Method::POST);
        let made = if how == "query" {
            made.query(&form)
        } else {
            made.form(&form)
        };
        let made: Value = good(made).await?.json().await?;
        let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
        let token = text("KeyToken");
        marks.seal("token", &token);
        let xml = waxwing_compat::text::decrypt(&text("PrivateKey"), &passphrase)?;
        marks.key("private key made here", &xml)?;

        let (message, file) = (marks.secret("message"), marks.secret("file"));
        let name = marks.secret("name of a file").replace(' ', "-");
        let form = Form::new()
            .text("token", token.clone())
            .text("message", message.clone())
            .part(
                "file",
                Part::bytes(file.clone().into_bytes()).file_name(name),
            );
        good(self.ask(&http, Method::PUT).multipart(form)).await?;
        let short = marks.secret("message");
        let form = [("token", token.as_str()), ("message", short.as_str())];
        good(self.ask(&http, Method::PUT).form(&form)).await?;
        // A wrong passphrase may be a mistyped right one.
        let wrong = marks.secret("wrong passphrase");
        let refused = self
            .ask(&http, Method::GET)
            .header("token", &token)
            .header("passphrase", &wrong);
        ensure!(refused.send().await?.status() == StatusCode::BAD_REQUEST);

        let owner = [
            ("token", token.as_str()),
            ("passphrase", passphrase.as_str()),
        ];
        for format in ["json", "xml"] {
            let asked = self.ask(&http, Method::GET).query(&[("format", format)]);
            let asked = match how {
                "query" => asked.query(&owner),
                _ => asked
                    .header("token", &token)
                    .header("passphrase", &passphrase),
            };
            let answer = good(asked).await?.text().await?;
            ensure!(answer.contains(&message) && answer.contains(&short));
        }
        let listed: Vec<Value> = good(self.ask(&http, Method::GET).query(&owner))
            .await?
            .json()
            .await?;
        let link = listed
            .iter()
            .find_map(|one| one["TemporaryDownloadId"].as_str());
        let link = link.context("a link to the file")?;
        let link = format!("http://{}/Service/Files/{link}", self.address);
        ensure!(good(http.get(link)).await?.text().await? == file);
        if how == "body" {
            good(self.ask(&http, Method::DELETE).form(&owner)).await?;
        }
        Ok(())
    }

    async fn offline(&self, marks: &mut Marks) -> Result<()> {
        let http = Self::client("body")?;
        let key = RsaPrivate::generate(2048)?;
        marks.key("private key made elsewhere", key.xml())?;
        let passphrase = marks.secret("passphrase never told");
        let wrapped = waxwing_compat::text::encrypt(key.xml(), &passphrase)?;
        let hash = key.hash();
        marks.hide("privatekeyhash", &hash);
        marks.seal("wrapped private key", &wrapped);
        let form = [
            ("publickey", key.public().to_xml()?),
            ("privatekey", wrapped),
            ("privatekeyhash", hash.clone()),
        ];
        let made: Value = good(self.ask(&http, Method::POST).form(&form))
            .await?
            .json()
            .await?;
        let token = made["KeyToken"].as_str().context("a token")?;
        marks.seal("token", token);
        let sealed = [
            seal(key.public(), &marks.secret("message sealed elsewhere"))?,
            seal_file(
                key.public(),
                "a",
                marks.secret("file sealed elsewhere").as_bytes(),
            )?,
        ];
        for sealed in &sealed {
            marks.seal("sealed message", &sealed.encryptedmessage);
            marks.seal("sealed key", &sealed.encryptionkey);
            let form = [
                ("token", token),
                ("encryptedmessage", &sealed.encryptedmessage),
                ("encryptionkey", &sealed.encryptionkey),
            ];
            good(self.ask(&http, Method::PUT).form(&form)).await?;
        }
        let asked = self
            .ask(&http, Method::GET)
            .header("token", token)
            .header("privatekeyhash", &hash);
        let answer = good(asked).await?.text().await?;
        ensure!(answer.contains(&sealed[1].encryptionkey));
        Ok(())
    }

    fn search(&self, marks: &Marks) -> Result<Found> {
        let mut found = Found {
            markers: marks.count,
            places: 0,
            hits: Vec::new(),
        };
        let mut open = vec![self.folder.clone()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    open.push(path);
                    continue;
                }
                let bytes = fs::read(&path)?;
                let place = path.strip_prefix(&self.folder)?.display().to_string();
                let sealed = if place.starts_with("store") {
                    &[][..]
                } else {
                    &marks.sealed
                };
                for (what, needle) in marks.secret.iter().chain(sealed) {
                    if memmem::find(&bytes, needle).is_some() {
                        found.hits.push(format!("{what} in {place}"));
                    }
                }
                found.places += 1;
            }
        }
        ensure!(found.places > 3, "there is no store");
        // The control: the search finds what is there.
        ensure!(
            search(std::process::id(), false, &marks.secret)?.count() > 0,
            "the search finds nothing in the client's memory either"
        );
        let searched = search(self.child.id(), true, &marks.secret)?;
        found.places += 1;
        for (what, times) in &searched.hits {
            found
                .hits
                .push(format!("{what} in the relay's memory, {times} times"));
        }
        Ok(found)
    }
}

async fn good(request: RequestBuilder) -> Result<reqwest::Response> {
    let response = request.send().await?;
    let status = response.status();
    if status != StatusCode::OK {
        bail!("the service answered {status}: {}", response.text().await?);
    }
    Ok(response)
}
