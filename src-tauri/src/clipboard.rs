//! The clipboard. A secret leaves it again: after a minute, at the lock and at the end, unless
//! something else was copied since. Clipboard managers are asked not to keep it.

use arboard::Clipboard;
#[cfg(target_os = "linux")]
use arboard::SetExtLinux as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use waxwing_client::Failure;
use zeroize::Zeroizing;

/// How long a secret stays.
pub(crate) const SECRET_STAYS: Duration = Duration::from_secs(60);

/// What this process put on the clipboard. On X11 and Wayland the owner serves it, so the handle
/// lives as long as the process.
#[derive(Clone, Default)]
pub(crate) struct Copied(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    clipboard: Option<Clipboard>,
    secret: Option<Secret>,
}

struct Secret {
    text: Zeroizing<String>,
    replaced: CancellationToken,
}

impl Copied {
    /// Puts a text there.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        let mut state = self.state();
        state.give_up_secret();
        state
            .clipboard()?
            .set_text(text)
            .map_err(|error| unusable(&error))
    }

    /// Puts a secret there, for `stays`.
    pub(crate) fn secret(&self, text: Zeroizing<String>, stays: Duration) -> Result<(), Failure> {
        let mut state = self.state();
        state.give_up_secret();
        let set = state.clipboard()?.set();
        #[cfg(target_os = "linux")]
        let set = set.exclude_from_history();
        set.text(text.as_str()).map_err(|error| unusable(&error))?;
        let replaced = CancellationToken::new();
        state.secret = Some(Secret {
            text,
            replaced: replaced.clone(),
        });
        drop(state);
        let copied = self.clone();
        tauri::async_runtime::spawn(async move {
            tokio::select! {
                () = replaced.cancelled() => {}
                () = tokio::time::sleep(stays) => copied.forget(),
            }
        });
        Ok(())
    }

    /// The picture that is there, in its bytes of red, green, blue and opacity with its width and height.
    pub(crate) fn picture(&self) -> Option<arboard::ImageData<'static>> {
        self.state().clipboard().ok()?.get_image().ok()
    }

    /// Takes a secret away, if it is still there.
    pub(crate) fn forget(&self) {
        let mut state = self.state();
        let Some(secret) = state.give_up_secret() else {
            return;
        };
        let Ok(clipboard) = state.clipboard() else {
            return;
        };
        let there = clipboard.get_text().map(Zeroizing::new);
        if there.is_ok_and(|there| *there == *secret)
            && let Err(error) = clipboard.clear()
        {
            tracing::warn!(%error, "a secret could not be taken off the clipboard");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn clipboard(&mut self) -> Result<&mut Clipboard, Failure> {
        let clipboard = match self.clipboard.take() {
            Some(clipboard) => clipboard,
            None => Clipboard::new().map_err(|error| unusable(&error))?,
        };
        Ok(self.clipboard.insert(clipboard))
    }

    /// Nothing waits for it any more.
    fn give_up_secret(&mut self) -> Option<Zeroizing<String>> {
        let secret = self.secret.take()?;
        secret.replaced.cancel();
        Some(secret.text)
    }
}

fn unusable(error: &arboard::Error) -> Failure {
    tracing::warn!(%error, "the clipboard cannot be used");
    Failure::internal("clipboard")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    const WORDS: &str = "abandon ability able";

    fn copy(copied: &Copied, stays: Duration) -> CancellationToken {
        let words = Zeroizing::new(WORDS.to_owned());
        copied.secret(words, stays).expect("a clipboard");
        let state = copied.state();
        state.secret.as_ref().unwrap().replaced.clone()
    }

    fn there(copied: &Copied) -> Option<String> {
        copied.state().clipboard().unwrap().get_text().ok()
    }

    /// One test, since there is one clipboard.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_secret_leaves_the_clipboard_and_nothing_else_does() {
        let copied = Copied::default();
        let gone = copy(&copied, Duration::from_millis(300));
        assert_eq!(there(&copied).as_deref(), Some(WORDS));
        gone.cancelled().await;
        assert_ne!(there(&copied).as_deref(), Some(WORDS));

        let replaced = copy(&copied, Duration::from_secs(3600));
        copied.text("a key code").unwrap();
        assert!(replaced.is_cancelled());
        copied.forget();
        assert_eq!(there(&copied).as_deref(), Some("a key code"));

        copy(&copied, Duration::from_secs(3600));
        let mut another = Clipboard::new().unwrap();
        another.set_text("of another program").unwrap();
        copied.forget();
        assert_eq!(there(&copied).as_deref(), Some("of another program"));

        copy(&copied, Duration::from_secs(3600));
        copied.forget();
        assert_ne!(there(&copied).as_deref(), Some(WORDS));
    }
}
