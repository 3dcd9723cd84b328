//! A file of 1 GiB, tmpfs to tmpfs, through the vault's own sealing and opening, against the
//! programs that people have.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use rand::Rng as _;
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_crypto::stream::AttachmentKey;
use waxwing_crypto::vault_header::Keyring;
use waxwing_vault::{Files, SealedFile, Vault};
use waxwing_wire::ids::AttachmentId;

use crate::people::Person;
use crate::table::{Table, median, seconds};

const ROUNDS: usize = 5;
const LENGTH: usize = 1 << 30;

pub(crate) fn measure(table: &mut Table) -> Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("waxwing-bench-")
        .tempdir_in("/dev/shm")
        .context("/dev/shm is needed for the file figures")?;
    let at = |name: &str| folder.path().join(name);
    let mut content = vec![0u8; LENGTH];
    rand::rng().fill_bytes(&mut content);
    fs::write(at("plain"), &content)?;

    let person = Person::new();
    let keyring = Keyring::new(
        person.own().account_id,
        person.device_id,
        person.mailbox,
        person.account.to_seed(),
        person.device.to_seed(),
        person.transport.to_seed(),
    );
    let passphrase = Passphrase::new("a long passphrase for an example");
    let rng = &mut rand::rng();
    let vault = at("vault");
    let (open, _) = Vault::create(&vault, &passphrase, KdfParams::FLOOR, keyring, rng)?;
    let files = open.carriage().files()?;
    let key = AttachmentKey::generate(rng);

    let recipient = age_identity(&at("identity"));
    let mut ours = (Vec::new(), Vec::new());
    let mut cp = Vec::new();
    let mut age = (Vec::new(), Vec::new());
    let mut others = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (sealed, sealing) = seal(&files, &key, &at("plain"))?;
        ours.0.push(sealing);
        ours.1
            .push(open_file(&files, &sealed, &key, &at("opened"))?);
        ensure!(
            fs::read(at("opened"))? == content,
            "the file came back changed"
        );
        fs::remove_file(at("opened"))?;
        files.remove(sealed.id)?;
        cp.push(timed(
            Command::new("cp").arg(at("plain")).arg(at("copy")),
            &at("copy"),
        )?);
        if let Ok(recipient) = &recipient {
            let mut command = Command::new("age");
            command
                .args(["-r", recipient, "-o"])
                .arg(at("age"))
                .arg(at("plain"));
            age.0.push(seconds(&mut command)?);
            let mut command = Command::new("age");
            command
                .arg("-d")
                .arg("-i")
                .arg(at("identity"))
                .arg("-o")
                .arg(at("out"))
                .arg(at("age"));
            age.1.push(timed(&mut command, &at("out"))?);
            fs::remove_file(at("age"))?;
        }
    }
    for _ in 0..3 {
        others.0.push(gpg(folder.path()));
        others.1.push(openssl(folder.path()));
    }
    let (sealing, opening) = (median(ours.0), median(ours.1));
    let work = "1 GiB file sealed";
    table.row(work, sealing, ("cp", median(cp)), "s", Some(1.35));
    match recipient {
        Ok(_) => {
            table.row(work, sealing, ("age", median(age.0)), "s", Some(0.67));
            table.row(
                "1 GiB file opened",
                opening,
                ("age -d", median(age.1)),
                "s",
                Some(0.6),
            );
        }
        Err(error) => table.missing(work, "age", &error.to_string()),
    }
    for (name, figures) in [
        ("gpg --symmetric -z 0", others.0),
        ("openssl cms aes-256-gcm", others.1),
    ] {
        match figures.into_iter().collect::<Result<Vec<f64>>>() {
            Ok(figures) => table.row(work, sealing, (name, median(figures)), "s", Some(0.5)),
            Err(error) => table.missing(work, name, &error.to_string()),
        }
    }
    Ok(())
}

fn seal(files: &Files, key: &AttachmentKey, source: &Path) -> Result<(SealedFile, f64)> {
    let rng = &mut rand::rng();
    let id = AttachmentId::generate(rng);
    let start = Instant::now();
    let sealed = files.seal(source, id, key, &mut |_, _| true, rng)?;
    Ok((sealed, start.elapsed().as_secs_f64()))
}

fn open_file(
    files: &Files,
    sealed: &SealedFile,
    key: &AttachmentKey,
    target: &Path,
) -> Result<f64> {
    let start = Instant::now();
    files.open(sealed, key, target, &mut |_, _| true)?;
    Ok(start.elapsed().as_secs_f64())
}

/// Times a command and removes what it wrote.
fn timed(command: &mut Command, written: &Path) -> Result<f64> {
    let figure = seconds(command)?;
    fs::remove_file(written)?;
    Ok(figure)
}

/// Makes an identity for age; its recipient.
fn age_identity(path: &Path) -> Result<String> {
    seconds(Command::new("age-keygen").arg("-o").arg(path))
        .context("age is not installed (apt-get install age)")?;
    let text = fs::read_to_string(path)?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("# public key: "));
    Ok(line.context("no public key")?.to_owned())
}

fn gpg(folder: &Path) -> Result<f64> {
    let home = folder.join("gnupg");
    fs::create_dir_all(&home)?;
    let mut command = Command::new("gpg");
    command.env("GNUPGHOME", &home).current_dir(folder);
    command.args(["--batch", "--quiet", "--yes", "--pinentry-mode", "loopback"]);
    command.args([
        "--passphrase",
        "x",
        "--cipher-algo",
        "AES256",
        "-z",
        "0",
        "--symmetric",
    ]);
    command.args(["--s2k-count", "1024", "--output", "gpg", "plain"]);
    let figure = timed(&mut command, &folder.join("gpg"));
    // gpg leaves an agent behind, which would hold the folder.
    let _ = Command::new("gpgconf")
        .env("GNUPGHOME", &home)
        .args(["--kill", "all"])
        .output();
    figure
}

fn openssl(folder: &Path) -> Result<f64> {
    if !folder.join("cert.pem").exists() {
        let mut command = Command::new("openssl");
        command
            .current_dir(folder)
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes"]);
        command.args([
            "-subj",
            "/CN=bench",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ]);
        seconds(&mut command)?;
    }
    let mut command = Command::new("openssl");
    command
        .current_dir(folder)
        .args(["cms", "-encrypt", "-binary", "-stream", "-outform", "DER"]);
    command.args(["-aes-256-gcm", "-in", "plain", "-out", "cms", "cert.pem"]);
    timed(&mut command, &folder.join("cms"))
}
