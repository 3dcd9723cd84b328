//! Prepares what the empty window is compiled with.

fn main() {
    tauri_build::build();
}
