//! What the program gives back is overwritten.
//!
//! Passphrases and messages of the key service cross buffers of the HTTP library, which gives them
//! back unwiped. The C library overwrites what is given back when it is told to before the start
//! (`mallopt(3)`, `M_PERTURB`), unless its per-thread cache takes it first, so that one is off.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn overwrite_what_is_freed() -> std::io::Result<()> {
    use std::env;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    const TUNABLES: &str = "GLIBC_TUNABLES";
    /// Set when it was tried: whoever strips the environment must not start it for ever.
    const STARTED_AGAIN: &str = "WAXWING_RELAY_STARTED_AGAIN";
    const OVERWRITE: &str = "glibc.malloc.perturb=165:glibc.malloc.tcache_count=0";

    let chosen = env::var(TUNABLES).unwrap_or_default();
    if chosen.contains(OVERWRITE) || env::var_os(STARTED_AGAIN).is_some() {
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
    again
        .args(arguments)
        .env(TUNABLES, tunables)
        .env(STARTED_AGAIN, "");
    Err(again.exec())
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn overwrite_what_is_freed() -> std::io::Result<()> {
    Ok(())
}
