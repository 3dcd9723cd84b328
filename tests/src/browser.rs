//! A stranger's browser: Debian's Chromium without a screen, driven through `WebDriver`.

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use thirtyfour::prelude::*;

use crate::desk::{free_port, listening, said};

/// How long a person would wait before calling it broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// A browser with a profile of its own.
pub struct Browser {
    pub driver: WebDriver,
    server: Child,
    _home: tempfile::TempDir,
}

impl Browser {
    /// Opens one, of a phone's width.
    pub async fn open() -> Result<Self> {
        let home = tempfile::Builder::new()
            .prefix("waxwing-browser-")
            .tempdir()?;
        let port = free_port()?;
        let server = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .env("HOME", home.path())
            .env("LANG", "C.UTF-8")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("chromedriver is missing: run `make setup-tests`")?;
        listening(port)
            .await
            .context("chromedriver does not listen")?;
        let mut capabilities = DesiredCapabilities::chrome();
        capabilities.set_binary("/usr/bin/chromium")?;
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--window-size=390,844",
            &format!("--user-data-dir={}", home.path().join("profile").display()),
        ] {
            capabilities.add_arg(argument)?;
        }
        let driver = WebDriver::builder(format!("http://127.0.0.1:{port}"), capabilities)
            .request_timeout(PATIENCE)
            .await
            .context("no browser opened")?;
        Ok(Self {
            driver,
            server,
            _home: home,
        })
    }

    /// Waits for the element that an XPath names.
    pub async fn see(&self, xpath: &str) -> Result<WebElement> {
        let found = self
            .driver
            .query(By::XPath(xpath.to_owned()))
            .wait(PATIENCE, Duration::from_millis(50))
            .first()
            .await;
        match found {
            Ok(element) => Ok(element),
            Err(_) => bail!(
                "the browser never saw {xpath}: {}",
                self.driver.find(By::Tag("body")).await?.text().await?
            ),
        }
    }

    /// Waits for a text anywhere on the page.
    pub async fn see_text(&self, text: &str) -> Result<WebElement> {
        self.see(&said(text)).await
    }

    /// A picture of the page.
    pub async fn picture(&self, path: &Path) -> Result<()> {
        self.driver.screenshot(path).await?;
        Ok(())
    }

    /// Closes it.
    pub async fn close(self) -> Result<()> {
        self.driver.clone().quit().await?;
        Ok(())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
