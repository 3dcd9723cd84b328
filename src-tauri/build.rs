//! Prepares what the shell is compiled with: the face's folder and the capability files.

fn main() {
    // The shell embeds `ui/dist`; a fresh clone has none until the face is built.
    let dist = std::path::Path::new("ui/dist");
    if let Err(error) = std::fs::create_dir_all(dist) {
        println!("cargo::warning=cannot create ui/dist: {error}");
    }
    tauri_build::build();
}
