//! What a program gives back is overwritten.
//!
//! Passphrases and texts cross buffers of libraries, which give them back unwiped. The C library
//! overwrites what is given back when it is told to before the start (`mallopt(3)`, `M_PERTURB`),
//! unless its per-thread cache takes it first, so that one is off.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
const TUNABLES: &str = "GLIBC_TUNABLES";
/// Set when it was tried: whoever strips the environment must not start it for ever.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const STARTED_AGAIN: &str = "WAXWING_STARTED_AGAIN";
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const OVERWRITE: &str = "glibc.malloc.perturb=165:glibc.malloc.tcache_count=0";

/// Starts this program again, in this process, with what is freed overwritten and `besides` in its
/// environment, unless that was done. To be called before anything else.
///
/// # Errors
/// When it cannot be started again: then it may go on as it is.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn overwrite_what_is_freed(besides: &[(&str, &str)]) -> std::io::Result<()> {
    use std::env;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    let chosen = env::var(TUNABLES).unwrap_or_default();
    let is_set = |(name, _): &(&str, &str)| env::var_os(name).is_some();
    if (chosen.contains(OVERWRITE) && besides.iter().all(is_set))
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
    again
        .args(arguments)
        .env(TUNABLES, tunables)
        .env(STARTED_AGAIN, "")
        .envs(besides.iter().copied());
    Err(again.exec())
}

/// Elsewhere nothing is known to do it.
///
/// # Errors
/// None.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn overwrite_what_is_freed(_besides: &[(&str, &str)]) -> std::io::Result<()> {
    Ok(())
}
