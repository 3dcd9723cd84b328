//! Starts Waxwing's window for one profile.

#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    waxwing_shell::run(waxwing_shell::Options::parse())
}
