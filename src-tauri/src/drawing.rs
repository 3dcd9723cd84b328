//! Drawing where there is no graphics card. `WebKitGTK` shares its pictures with the screen by
//! DMA-BUF; without a render node the window would stay black.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// What turns that way of drawing off in `WebKitGTK`.
const OFF: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";

/// Starts this process anew with the other way of drawing, where that is needed. Returns where it is
/// not, or cannot be done.
pub(crate) fn settle() {
    if std::env::var_os(OFF).is_some() || Path::new("/dev/dri").exists() {
        return;
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let mut arguments = std::env::args_os();
    let error = Command::new(program)
        .arg0(arguments.next().unwrap_or_default())
        .args(arguments)
        .env(OFF, "1")
        .exec();
    tracing::warn!(%error, "the window may stay black on a computer without a graphics card");
}
