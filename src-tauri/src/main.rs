//! Starts Waxwing's window for one profile.

#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use clap::Parser;
use std::alloc::System;
use std::process::ExitCode;
use zeroizing_alloc::ZeroAlloc;

/// Wipes what is given back: a passphrase and an opened text pass through parsers and buffers of
/// libraries that do not.
#[global_allocator]
static WIPING: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    waxwing_shell::run(waxwing_shell::Options::parse())
}
