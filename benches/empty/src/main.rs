//! A Tauri window with nothing in it: what a window costs before it does anything. The figures of
//! Waxwing's window stand beside its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    match tauri::Builder::default().run(tauri::generate_context!()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
