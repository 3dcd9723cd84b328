//! What this process gives back is overwritten.
//!
//! A text on its way to the page lies in buffers of Tauri, `GLib` and the web engine's library, which
//! give them back unwiped: after the lock it would be found there until something else is put in
//! its place. The C library overwrites what is given back when it is told to before the start
//! (`mallopt(3)`, `M_PERTURB`), unless its per-thread cache takes it first, so that one is off. The
//! web engine has an allocator of its own, in this process too, and leaves the work to the C library's
//! when it is told so (bmalloc's `Environment.cpp`); its other processes inherit both.

use std::env;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

const TUNABLES: &str = "GLIBC_TUNABLES";
/// Set to anything, the web engine allocates with the C library.
const ENGINE_MALLOC: &str = "Malloc";
/// Set when it was tried: whoever strips the environment of the other must not start it for ever.
const STARTED_AGAIN: &str = "WAXWING_STARTED_AGAIN";
const OVERWRITE: &str = "glibc.malloc.perturb=165:glibc.malloc.tcache_count=0";

/// Starts this program again, in this process, with what is freed overwritten, unless that was done.
/// To be called before anything else.
///
/// # Errors
/// When it cannot be started again: then it may go on as it is.
pub(crate) fn overwrite_what_is_freed() -> io::Result<()> {
    let chosen = env::var(TUNABLES).unwrap_or_default();
    if (chosen.contains(OVERWRITE) && env::var_os(ENGINE_MALLOC).is_some())
        || env::var_os(STARTED_AGAIN).is_some()
    {
        return Ok(());
    }
    let tunables = match chosen.as_str() {
        "" => OVERWRITE.to_owned(),
        others => format!("{others}:{OVERWRITE}"),
    };
    let mut arguments = env::args_os();
    let mut again = Command::new(env::current_exe()?);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    again.args(arguments);
    again
        .env(TUNABLES, tunables)
        .env(ENGINE_MALLOC, "1")
        .env(STARTED_AGAIN, "");
    Err(again.exec())
}
