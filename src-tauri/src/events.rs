//! What a window hears: past tense, and only which thing changed.

use crate::clipboard::Copied;
use serde::{Deserialize, Serialize};
use specta::Type;
use tauri::{AppHandle, Manager as _};
use tauri_specta::Event;
use waxwing_client::view::{Change, Folder};
use waxwing_client::{App, Failure};

macro_rules! event {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Serialize, Deserialize, Type, Event)]
        #[serde(rename_all = "camelCase")]
        pub(crate) struct $name { $($(#[$field_doc])* pub(crate) $field: $type),* }
    };
}

event!(/// The window's stage changed.
    StageChanged {});
event!(/// The status bar changed.
    StatusChanged {});
event!(/// A list of envelopes changed.
EnvelopesChanged {
    /// The list.
    folder: Folder,
    /// The message, when it is only one.
    id: Option<String>,
});
event!(/// Drafts changed.
DraftsChanged {
    /// The draft, when it is only one.
    id: Option<String>,
});
event!(/// Contacts changed.
ContactsChanged {
    /// The account, when it is only one.
    account: Option<String>,
});
event!(/// The list of drop boxes, or what came through them, changed.
    DropBoxesChanged {});
event!(/// Settings changed.
    SettingsChanged {});
event!(/// A new root key for the whole vault began, moved on, stopped or ended.
    RekeyChanged {});
event!(/// The replacement of the account's keys, or who has heard of it, moved on.
    RenewalChanged {});
event!(/// A backup began, moved on or ended, or the list of them changed.
    BackupChanged {});
event!(/// A link with another computer, or the list of the account's computers, changed.
    LinkChanged {});
event!(/// A file moved on.
TransferChanged {
    /// Draft or message id.
    owner: String,
    /// Attachment id.
    file: String,
    /// Bytes done.
    done: u64,
    /// Bytes in all.
    total: u64,
});
event!(/// Dropped files were attached, as far as they could be.
FilesDropped {
    /// The draft they went to.
    draft: String,
    /// Why not all of them were.
    failure: Option<Failure>,
});
event!(/// Waxwing was started again for this profile, and this window came to the front.
    Reopened {});

/// Tells every window of a change.
pub(crate) fn tell(app: &AppHandle, change: Change) {
    let told = match change {
        Change::Stage => {
            if !app.state::<App>().is_open() {
                crate::windows::close_keys(app);
                app.state::<Copied>().forget();
            }
            StageChanged {}.emit(app)
        }
        Change::Status => StatusChanged {}.emit(app),
        Change::Envelopes { folder, id } => EnvelopesChanged { folder, id }.emit(app),
        Change::Drafts(id) => DraftsChanged { id }.emit(app),
        Change::Contacts(account) => ContactsChanged { account }.emit(app),
        Change::DropBoxes => DropBoxesChanged {}.emit(app),
        Change::Settings => SettingsChanged {}.emit(app),
        Change::Rekey => RekeyChanged {}.emit(app),
        Change::Renewal => RenewalChanged {}.emit(app),
        Change::Backup => BackupChanged {}.emit(app),
        Change::Link => LinkChanged {}.emit(app),
        Change::Transfer {
            owner,
            file,
            done,
            total,
        } => TransferChanged {
            owner,
            file,
            done,
            total,
        }
        .emit(app),
        Change::Arrived { waiting, sender } => {
            crate::notify::arrived(app, waiting, sender.as_deref());
            StatusChanged {}.emit(app)
        }
    };
    if let Err(error) = told {
        tracing::warn!(%error, "a window could not be told of a change");
    }
}
