//! Locks before the computer sleeps and when the desktop's session is locked, as systemd-logind
//! tells it (org.freedesktop.login1). Where there is no logind, nothing is told and nothing locks.

use tauri::{AppHandle, Manager as _};
use waxwing_client::App;

/// Listens until the app ends.
pub(crate) fn watch(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Err(error) = linux::watch(&app).await {
            tracing::info!(%error, "nobody tells when the computer sleeps");
        }
    });
}

async fn lock(app: &AppHandle) {
    if let Err(failure) = app.state::<App>().lock().await {
        tracing::warn!(%failure, "the vault could not be locked");
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use futures_util::StreamExt as _;
    use tauri::AppHandle;
    use zbus::zvariant::{OwnedFd, OwnedObjectPath};
    use zbus::{Connection, proxy};

    #[proxy(
        interface = "org.freedesktop.login1.Manager",
        default_service = "org.freedesktop.login1",
        default_path = "/org/freedesktop/login1"
    )]
    trait Manager {
        fn inhibit(&self, what: &str, who: &str, why: &str, mode: &str) -> zbus::Result<OwnedFd>;
        fn get_session(&self, id: &str) -> zbus::Result<OwnedObjectPath>;
        #[zbus(signal)]
        fn prepare_for_sleep(&self, start: bool) -> zbus::Result<()>;
    }

    #[proxy(
        interface = "org.freedesktop.login1.Session",
        default_service = "org.freedesktop.login1"
    )]
    trait Session {
        #[zbus(signal)]
        fn lock(&self) -> zbus::Result<()>;
    }

    pub(super) async fn watch(app: &AppHandle) -> zbus::Result<()> {
        let system = Connection::system().await?;
        let manager = ManagerProxy::new(&system).await?;
        let session = SessionProxy::builder(&system)
            // The session that this process belongs to.
            .path(manager.get_session("auto").await?)?
            .build()
            .await?;
        let mut sleeps = manager.receive_prepare_for_sleep().await?;
        let mut locks = session.receive_lock().await?;
        let mut delay = hold_back(&manager).await;
        loop {
            tokio::select! {
                Some(sleep) = sleeps.next() => {
                    if sleep.args()?.start {
                        super::lock(app).await;
                        // Letting go of it lets the computer sleep.
                        delay = None;
                    } else if delay.is_none() {
                        delay = hold_back(&manager).await;
                    }
                }
                Some(_) = locks.next() => super::lock(app).await,
                else => return Ok(()),
            }
        }
    }

    /// Makes sleep wait until the vault is locked. Where it will not wait, it is still heard of.
    async fn hold_back(manager: &ManagerProxy<'_>) -> Option<OwnedFd> {
        manager
            .inhibit("sleep", "Waxwing", "The vault is being locked", "delay")
            .await
            .inspect_err(|error| tracing::warn!(%error, "sleep does not wait for the vault"))
            .ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod linux {
    pub(super) async fn watch(_: &tauri::AppHandle) -> Result<(), &'static str> {
        Err("this system is not asked yet")
    }
}
