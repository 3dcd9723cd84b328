//! Prepares what the shell is compiled with: the face's folder, and who may call what.

use std::error::Error;
use std::fs;
use tauri_build::{AppManifest, Attributes};

fn main() -> Result<(), Box<dyn Error>> {
    // The shell embeds `ui/dist`; a fresh clone has none until the face is built.
    fs::create_dir_all("ui/dist")?;
    let commands: &'static [&'static str] = Vec::leak(granted()?);
    tauri_build::try_build(Attributes::new().app_manifest(AppManifest::new().commands(commands)))?;
    Ok(())
}

/// Our own commands that some window is granted. A command that no capability file names can be
/// called by no window; `src-tauri/src/lib.rs` tests that none is forgotten.
fn granted() -> Result<Vec<&'static str>, Box<dyn Error>> {
    let mut commands = Vec::new();
    for file in fs::read_dir("capabilities")? {
        let text = fs::read_to_string(file?.path())?;
        let capability: serde_json::Value = serde_json::from_str(&text)?;
        let permissions = capability["permissions"]
            .as_array()
            .ok_or("no permissions")?;
        commands.extend(
            permissions
                .iter()
                .filter_map(|permission| permission.as_str()?.strip_prefix("allow-"))
                .map(|name| &*name.replace('-', "_").leak()),
        );
    }
    commands.sort_unstable();
    commands.dedup();
    Ok(commands)
}
