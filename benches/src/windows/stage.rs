//! A program on a desk of its own, and how it is started.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use waxwing_tests::desk::{Desk, Window};

use super::page;

/// A built program and the desk that it runs on.
pub(super) struct Program {
    pub(super) desk: Desk,
    binary: PathBuf,
    /// Where the moment of the last start is written.
    started: PathBuf,
    /// Keeps the script's folder.
    _folder: tempfile::TempDir,
}

/// What is warm when the program starts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// Program and profile are read from the disk, and `WebKit` has no cache.
    Cold,
    /// As it was left a moment ago.
    Warm,
}

impl Program {
    /// The program of this name beside this one.
    pub(super) fn new(name: &str) -> Result<Self> {
        Self::with(name, "")
    }

    /// The same, with these variables in its environment: `A=1 B=2`.
    pub(super) fn with(name: &str, environment: &str) -> Result<Self> {
        let here = std::env::current_exe()?;
        let binary = here.with_file_name(name);
        ensure!(
            binary.exists(),
            "{name} is not built for release: run `make bench`"
        );
        let folder = tempfile::tempdir()?;
        let script = folder.path().join(name);
        let started = folder.path().join("started-at");
        fs::write(
            &script,
            format!(
                "#!/bin/bash\nexport {environment}\ndate +%s%N > '{}'\nexec -a \"$0\" '{}' \"$@\"\n",
                started.display(),
                binary.display()
            ),
        )?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700))?;
        Ok(Self {
            desk: Desk::of(script)?,
            binary,
            started,
            _folder: folder,
        })
    }

    pub(super) async fn start(&self, start: Start) -> Result<Window> {
        if start == Start::Cold {
            self.cool()?;
        }
        self.desk.open("default").await
    }

    /// Milliseconds from the start of the process to the first painted content; for Waxwing, a field
    /// that has the focus.
    pub(super) async fn shown(&self, window: &Window) -> Result<f64> {
        let started: f64 = fs::read_to_string(&self.started)?.trim().parse()?;
        Ok(page::painted(window).await? - started / 1e6)
    }

    fn cool(&self) -> Result<()> {
        let home = self.desk.path();
        for cache in [home.join("cache"), home.join("data/app.waxwing")] {
            if cache.exists() {
                fs::remove_dir_all(&cache)?;
            }
        }
        fs::create_dir_all(home.join("cache"))?;
        forget(&self.binary)?;
        forget_all(&home.join("data"))
    }
}

fn forget_all(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        let kind = entry.file_type()?;
        if kind.is_dir() {
            forget_all(&entry.path())?;
        } else if kind.is_file() {
            forget(&entry.path())?;
        }
    }
    Ok(())
}

/// Takes a file out of the system's cache.
fn forget(file: &Path) -> Result<()> {
    let mut of = std::ffi::OsString::from("if=");
    of.push(file);
    let done = Command::new("dd")
        .arg(of)
        .args(["iflag=nocache", "count=0", "status=none"])
        .status()
        .context("dd")?;
    ensure!(done.success(), "{} stays in memory", file.display());
    Ok(())
}
