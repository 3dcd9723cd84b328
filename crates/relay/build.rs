//! The relay carries the visitor's page (`ui/dist-drop`), which the face's build makes. A clone in
//! which it was not built yet has an empty folder, and its relay says so.

use std::io::Result;

fn main() -> Result<()> {
    std::fs::create_dir_all("../../ui/dist-drop")?;
    println!("cargo::rerun-if-changed=../../ui/dist-drop");
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}
