//! What `WebKitGTK` and the processes that it starts read from their environment. It has no other
//! place for these choices.
//!
//! * No JIT: most exploits of a web engine go through its compiler or end in the region that it may
//!   both write and execute. Without it the page's process also takes 70 MB less, and the face
//!   computes nothing that it would make faster to the eye.
//! * Where there is no graphics card, pictures are not shared with the screen by DMA-BUF: without a
//!   render node the window would stay black.
//!
//! Who sets one of these before the start has the last word.

use std::path::Path;

/// Makes the web engine, which has an allocator of its own, leave the work to the C library's, here and in
/// its other processes (bmalloc's `Environment.cpp`). It is read before `main`.
pub(crate) const ALLOCATOR: &[(&str, &str)] = &[("Malloc", "1")];

/// Makes the choices. To be called before there is a second thread, since threads read the
/// environment too.
pub(crate) fn prepare() {
    choose("JSC_useJIT", "0");
    if !Path::new("/dev/dri").exists() {
        choose("WEBKIT_DISABLE_DMABUF_RENDERER", "1");
    }
}

fn choose(name: &str, value: &str) {
    if let Err(error) = glib::setenv(name, value, false) {
        tracing::warn!(%error, name, "the page's process starts without a choice of ours");
    }
}
