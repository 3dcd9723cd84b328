//! What a person does at a window, in the words of the screen.

use crate::desk::{Window, named, visible};
use crate::desktop::xdotool;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thirtyfour::Key;

/// A passphrase that the strength estimate accepts.
pub const PASSPHRASE: &str = "amber lantern drifts over quiet harbour";

impl Window {
    /// Sets up a new person and ends in the open window.
    pub async fn set_up(&self, name: &str) -> Result<()> {
        self.press("Set up Waxwing").await?;
        self.type_into("Name", name).await?;
        self.see_text(&format!("{name}@localhost")).await?;
        self.press("Continue").await?;
        self.finish_set_up().await
    }

    /// As [`set_up`](Self::set_up), and gives the words of the recovery code.
    pub async fn set_up_keeping_the_code(&self, name: &str) -> Result<String> {
        self.press("Set up Waxwing").await?;
        self.type_into("Name", name).await?;
        self.see_text(&format!("{name}@localhost")).await?;
        self.press("Continue").await?;
        self.choose_passphrase().await?;
        self.see_text("Your recovery code").await?;
        let words = self.recovery_code().await?.concat().join(" ");
        self.keep_recovery_code().await?;
        self.begin().await?;
        Ok(words)
    }

    /// Sets up a new person at a relay of this address.
    pub async fn set_up_at(&self, name: &str, relay: &str) -> Result<()> {
        self.press("Set up Waxwing").await?;
        self.type_into("Name", name).await?;
        self.press("Use another relay").await?;
        self.type_into("Address of the relay", relay).await?;
        self.press("Continue").await?;
        self.finish_set_up().await
    }

    /// From the choice of a passphrase to the open window.
    pub async fn finish_set_up(&self) -> Result<()> {
        self.choose_passphrase().await?;
        self.keep_recovery_code().await?;
        self.begin().await
    }

    /// The last step of setting up.
    async fn begin(&self) -> Result<()> {
        self.see_text("Give this address to the people who should write to you.")
            .await?;
        self.press("Open Waxwing").await?;
        self.see_text("localhost is reachable").await?;
        Ok(())
    }

    pub async fn choose_passphrase(&self) -> Result<()> {
        self.press("Write my own").await?;
        self.type_into("Passphrase", PASSPHRASE).await?;
        self.type_into("Type it once more", PASSPHRASE).await?;
        self.press("Make the vault").await
    }

    /// Reads the recovery code off the screen and types the two groups back that are asked for.
    pub async fn keep_recovery_code(&self) -> Result<()> {
        self.see_text("Your recovery code").await?;
        let words = self.recovery_code().await?;
        self.press("I have kept it").await?;
        self.see_text("Check what you kept").await?;
        for group in self.groups_asked_for().await? {
            self.type_into(&format!("Group {group}"), &words[group - 1].join(" "))
                .await?;
        }
        self.press("Check").await
    }

    /// The recovery code on the screen: six groups of four words.
    pub async fn recovery_code(&self) -> Result<Vec<Vec<String>>> {
        let mut words = Vec::new();
        for group in 1..=6 {
            words.push(self.group(group).await?);
        }
        ensure!(
            words.iter().all(|group| group.len() == 4),
            "a group has not four words: {words:?}"
        );
        Ok(words)
    }

    /// The numbers of the groups that are to be typed back.
    pub async fn groups_asked_for(&self) -> Result<Vec<usize>> {
        let mut asked = Vec::new();
        for group in 1..=6 {
            let label = format!("Group {group}");
            if self
                .shows(&format!("//label[normalize-space(.)={label:?}]"))
                .await?
            {
                asked.push(group);
            }
        }
        ensure!(asked.len() == 2, "two groups are asked for, not {asked:?}");
        Ok(asked)
    }

    async fn group(&self, number: usize) -> Result<Vec<String>> {
        let spoken = format!("Group {number}: ");
        let group = self
            .see(&format!("//*[starts-with(@aria-label, {spoken:?})]"))
            .await?;
        let label = group.attr("aria-label").await?.unwrap_or_default();
        Ok(label
            .trim_start_matches(&spoken)
            .split_whitespace()
            .map(str::to_owned)
            .collect())
    }

    pub async fn unlock(&self) -> Result<()> {
        self.type_into("Passphrase", PASSPHRASE).await?;
        self.press("Unlock").await
    }

    /// Turns a switch to the other side.
    pub async fn press_switch(&self, label: &str) -> Result<()> {
        self.see(&format!(
            "//button[@role='switch'][@id = //label[normalize-space(.)={label:?}]/@for]"
        ))
        .await?
        .click()
        .await?;
        Ok(())
    }

    /// Moves the focus by Tab until it stands on what has this accessible name.
    pub async fn tab_to(&self, name: &str) -> Result<()> {
        self.tab_until(name, "return arguments[1] === arguments[0]")
            .await
    }

    /// Moves the focus by Tab until it stands on what has this role.
    pub async fn tab_to_role(&self, role: &str) -> Result<()> {
        self.tab_until(
            role,
            "return document.activeElement.getAttribute('role') === arguments[0]",
        )
        .await
    }

    async fn tab_until(&self, wanted: &str, reached: &str) -> Result<()> {
        let reached = format!(
            "const on = document.activeElement;
             const label = on.id && document.querySelector(`label[for=\"${{on.id}}\"]`);
             const name = on.getAttribute('aria-label') ?? (label || on).textContent.trim();
             return ((...arguments) => {{ {reached} }})(arguments[0], name);"
        );
        let mut seen = Vec::new();
        for _ in 0..40 {
            let there = self
                .driver
                .execute(&*reached, vec![wanted.into()])
                .await?
                .convert::<bool>()?;
            if there {
                return Ok(());
            }
            self.keys(Key::Tab + "").await?;
            let on = self.driver.active_element().await?;
            seen.push(on.attr("aria-label").await?.unwrap_or(on.text().await?));
        }
        anyhow::bail!("Tab never reaches {wanted:?}: {seen:?}")
    }

    /// Nothing is wider than the window, and the paper is dark. Keeps a picture.
    pub async fn fits(&self, picture: &str) -> Result<()> {
        self.picture(picture)?;
        let [over, light] = self
            .driver
            .execute(
                "const page = document.documentElement;
                 const parts = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g);
                 return [page.scrollWidth - innerWidth, Math.max(...parts.slice(0, 3).map(Number))];",
                vec![],
            )
            .await?
            .convert::<[f64; 2]>()?;
        ensure!(over <= 0.0, "{picture}: {over} px wider than the window");
        ensure!(light < 80.0, "{picture}: the paper is not dark ({light})");
        Ok(())
    }

    /// Goes to a folder in the rail.
    pub async fn go(&self, folder: &str) -> Result<()> {
        self.see(&format!(
            "//nav[@aria-label='Folders']//button[starts-with(@aria-label, {folder:?})]"
        ))
        .await?
        .click()
        .await?;
        Ok(())
    }

    pub async fn add_contact(&self, address: &str) -> Result<()> {
        self.go("Contacts").await?;
        self.press("Add a contact").await?;
        self.type_into("Address", address).await?;
        self.press("Add").await?;
        self.see_row(&[address]).await?;
        Ok(())
    }

    /// Begins an envelope to a contact.
    pub async fn write_to(&self, name: &str, subject: &str, text: &str) -> Result<()> {
        self.press("Write").await?;
        self.type_into("To", name).await?;
        self.see(&format!(
            "//*[contains(@class, 'menu')]//*[contains(normalize-space(.), {name:?})]"
        ))
        .await?;
        self.field("To").await?.send_keys(Key::Down + "").await?;
        self.field("To").await?.send_keys(Key::Enter + "").await?;
        self.see(&named("button", &format!("Remove {name}")))
            .await?;
        self.type_into("Subject", subject).await?;
        self.type_into("Text", text).await?;
        Ok(())
    }

    pub async fn send(&self) -> Result<()> {
        self.press("Seal and send").await?;
        self.see_gone("//form[@aria-label='New envelope' or @aria-label='Reply']")
            .await
    }

    /// Attaches a file through the system's own picker.
    pub async fn attach(&self, file: &Path) -> Result<()> {
        self.press("Attach files").await?;
        answer_picker("Open File", file)?;
        let name = file
            .file_name()
            .context("a file has a name")?
            .to_string_lossy()
            .into_owned();
        self.see(&named("button", &format!("Take {name} off")))
            .await?;
        Ok(())
    }

    /// Saves a file of the open envelope and gives the place that the window names.
    pub async fn save(&self, name: &str, downloads: &Path) -> Result<PathBuf> {
        self.press(&format!("Save: {name}")).await?;
        self.see_text("Saved as").await?;
        Ok(downloads.join(name))
    }
}

/// Types a path into the picker of the system and confirms it.
pub fn answer_picker(title: &str, path: &Path) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let window = loop {
        if let Some(id) = visible(title)? {
            break id;
        }
        ensure!(
            Instant::now() < deadline,
            "the picker {title:?} did not open"
        );
        std::thread::sleep(Duration::from_millis(50));
    };
    let path = path.to_str().context("a path in UTF-8")?;
    for step in [
        vec!["windowactivate", "--sync", &window],
        // The field for a path first: what is typed while it opens would be lost.
        vec!["key", "--delay", "200", "ctrl+l"],
        vec!["key", "--delay", "200", "ctrl+a"],
        vec!["type", "--delay", "10", path],
    ] {
        xdotool(&step)?;
    }
    // The first may only close the list of completions.
    while visible(title)?.is_some() {
        ensure!(
            Instant::now() < deadline,
            "the picker {title:?} did not close"
        );
        xdotool(&["key", "--delay", "300", "Return"])?;
    }
    Ok(())
}
