//! The desktop shell: windows, commands, events, translation. It decides nothing; every answer
//! comes from `waxwing-client`, and the face in `ui/` shows it.

mod clipboard;
mod commands;
mod drop_target;
mod events;
mod host;
#[cfg(target_os = "linux")]
mod notify;
mod paths;
mod pictures;
mod sleep;
mod text;
mod tray;
#[cfg(target_os = "linux")]
mod web_process;
mod windows;

use clap::Parser;
use std::process::ExitCode;
use std::sync::Arc;
use tauri::{AppHandle, DragDropEvent, Manager, WindowEvent};
use tauri_specta::{Builder, Event, collect_commands, collect_events};
use waxwing_client::{App, Config};
#[cfg(target_os = "linux")]
use waxwing_relay::overwrite::overwrite_what_is_freed;

/// Sealed messages through a relay that cannot read them.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Options {
    /// Whose vault to open; each profile is a person of its own.
    #[arg(long, default_value = "default", value_parser = profile_name)]
    profile: String,
}

/// A profile's name is a folder's name: lower-case letters, digits and dashes.
fn profile_name(name: &str) -> Result<String, String> {
    let fits = (1..=32).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    fits.then(|| name.to_owned())
        .ok_or_else(|| "use 1 to 32 lower-case letters, digits and dashes".to_owned())
}

/// Every command and event, for the handler and for the face's generated bindings.
#[allow(clippy::too_many_lines, reason = "a list, a line each")]
fn interface() -> Builder<tauri::Wry> {
    use commands::{
        backups, contacts, devices, drops, envelopes, keys, onboarding, settings, vault,
    };
    Builder::<tauri::Wry>::new()
        // One shape for both directions; times and sizes stay below 2⁵³.
        .disable_serde_phases()
        .dangerously_cast_bigints_to_number()
        .commands(collect_commands![
            vault::stage,
            vault::status,
            vault::unlock,
            vault::lock,
            vault::recover,
            vault::start_over,
            vault::still_here,
            vault::suggest_passphrase,
            vault::passphrase_strength,
            vault::unlock_time,
            vault::word_list,
            onboarding::choose_identity,
            onboarding::back_to_identity,
            onboarding::create_vault,
            onboarding::recovery_code,
            onboarding::confirm_recovery,
            onboarding::finish_onboarding,
            envelopes::envelopes,
            envelopes::envelope,
            envelopes::drafts,
            envelopes::draft,
            envelopes::new_draft,
            envelopes::save_draft,
            envelopes::discard_draft,
            envelopes::attach_files,
            envelopes::detach_file,
            envelopes::set_drop_target,
            envelopes::send_draft,
            envelopes::cancel_send,
            envelopes::recall,
            envelopes::try_now,
            envelopes::delete_envelope,
            envelopes::save_file,
            envelopes::save_file_as,
            envelopes::cancel_transfer,
            contacts::me,
            contacts::contacts,
            contacts::contact,
            contacts::add_contact,
            contacts::rename_contact,
            contacts::remove_contact,
            contacts::mark_compared,
            contacts::accept_change,
            contacts::own_qr,
            contacts::contact_qr,
            contacts::compare_qr_file,
            contacts::compare_qr_clipboard,
            settings::settings,
            settings::save_settings,
            settings::set_local_relay,
            settings::copy_text,
            settings::copy_secret,
            keys::open_keys,
            keys::vault_keys,
            keys::change_passphrase,
            keys::strengthen,
            keys::test_recovery,
            keys::rekey,
            keys::begin_rekey,
            keys::rekey_code,
            keys::confirm_rekey_code,
            keys::pause_rekey,
            keys::resume_rekey,
            keys::continue_rekey,
            keys::undo_rekey,
            keys::renewal_preflight,
            keys::rotate_key,
            keys::reset_key,
            keys::revoke_key,
            keys::key_renewal,
            keys::revocation_statement,
            keys::publish_revocation,
            keys::export_card,
            keys::activity,
            backups::backups,
            backups::forget_backup,
            backups::write_backup,
            backups::backup_progress,
            backups::cancel_backup,
            backups::choose_backup,
            backups::restore_backup,
            devices::begin_link,
            devices::link_status,
            devices::cancel_link,
            devices::finish_link,
            devices::devices,
            devices::accept_link,
            devices::accept_link_file,
            devices::accept_link_clipboard,
            devices::confirm_link,
            devices::remove_device,
            devices::rename_device,
            devices::histories,
            devices::give_history,
            drops::drop_boxes,
            drops::make_drop_box,
            drops::remove_drop_box,
            drops::drop_box_qr,
        ])
        .events(collect_events![
            events::StageChanged,
            events::StatusChanged,
            events::EnvelopesChanged,
            events::DraftsChanged,
            events::ContactsChanged,
            events::DropBoxesChanged,
            events::SettingsChanged,
            events::RekeyChanged,
            events::RenewalChanged,
            events::BackupChanged,
            events::LinkChanged,
            events::TransferChanged,
            events::FilesDropped,
            events::Reopened,
        ])
}

/// Opens the window and runs until it is closed. To be called before anything else is done.
pub fn run(options: Options) -> ExitCode {
    #[cfg(target_os = "linux")]
    let overwritten = overwrite_what_is_freed(web_process::ALLOCATOR);
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    #[cfg(target_os = "linux")]
    {
        if let Err(error) = overwritten {
            tracing::warn!(%error, "what this process frees is not overwritten");
        }
        web_process::prepare();
    }
    let Some(home) = paths::home() else {
        tracing::error!("this system names no folder for a person's data");
        return ExitCode::FAILURE;
    };
    let Options { profile } = options;
    let interface = interface();

    let built = tauri::Builder::default()
        .plugin(
            tauri_plugin_single_instance::Builder::new()
                .dbus_id(format!("app.waxwing.profile-{profile}"))
                .callback(|app, _, _| came_again(app))
                .build(),
        )
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_notification::init())
        .plugin(
            tauri_plugin_window_state::Builder::new()
                .with_filename(format!("window-{profile}.json"))
                .build(),
        )
        .invoke_handler(interface.invoke_handler())
        .setup(move |app| {
            interface.mount_events(app);
            let config = Config::new(
                profile.clone(),
                paths::profile(&home, &profile),
                paths::relay(&home),
                Arc::new(host::EmbeddedRelay::default()),
            );
            let engine = tauri::async_runtime::block_on(App::start(config))?;
            let mut changes = engine.changes();
            app.manage(engine);
            app.manage(clipboard::Copied::default());
            app.manage(drop_target::DropTarget::default());
            let handle = app.handle().clone();
            tauri::async_runtime::spawn(async move {
                while let Some(change) = changes.next().await {
                    events::tell(&handle, change);
                }
            });
            windows::open_main(app.handle(), &profile)?;
            tray::show(app.handle());
            sleep::watch(app.handle());
            Ok(())
        })
        .on_window_event(|window, event| match event {
            _ if window.label() != windows::MAIN => {}
            WindowEvent::DragDrop(DragDropEvent::Drop { paths, .. }) => {
                drop_target::dropped(window.app_handle(), paths.clone());
            }
            WindowEvent::CloseRequested { api, .. } => tray::closing(window, api),
            WindowEvent::Destroyed => windows::close_keys(window.app_handle()),
            _ => {}
        })
        .build(tauri::generate_context!());
    match built {
        Ok(app) => {
            app.run(|app, event| {
                if let tauri::RunEvent::Exit = event {
                    app.state::<clipboard::Copied>().forget();
                    tauri::async_runtime::block_on(app.state::<App>().close());
                }
            });
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(%error, "Waxwing could not start");
            ExitCode::FAILURE
        }
    }
}

/// Waxwing was started again for this profile: its window comes to the front and says so.
fn came_again(app: &AppHandle) {
    windows::raise_main(app);
    if let Err(error) = (events::Reopened {}).emit(app) {
        tracing::warn!(%error, "the window could not be told that it was opened again");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use specta_typescript::Typescript;
    use std::collections::BTreeSet;

    /// What no capability file names, no window can call; what is named there and gone is stale.
    #[test]
    fn every_command_is_granted_by_name_to_some_window() {
        let dir = tempfile::tempdir().unwrap();
        let bindings = dir.path().join("bindings.ts");
        super::interface()
            .export(Typescript::default(), &bindings)
            .unwrap();
        let bindings = std::fs::read_to_string(bindings).unwrap();
        let commands: BTreeSet<String> = bindings
            .split("__TAURI_INVOKE(\"")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
            .collect();
        let granted = |capability: &str| -> BTreeSet<String> {
            let capability: serde_json::Value = serde_json::from_str(capability).unwrap();
            capability["permissions"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|permission| permission.as_str()?.strip_prefix("allow-"))
                .map(|name| name.replace('-', "_"))
                .collect()
        };
        let main = granted(include_str!("../../capabilities/main.json"));
        let keys = granted(include_str!("../../capabilities/keys.json"));
        assert!(commands.contains("send_draft"), "no commands were found");
        assert_eq!(commands, &main | &keys);
        for act in [
            "vault_keys",
            "change_passphrase",
            "strengthen",
            "test_recovery",
            "begin_rekey",
            "rekey_code",
            "confirm_rekey_code",
            "continue_rekey",
            "undo_rekey",
            "activity",
            "backups",
            "forget_backup",
            "write_backup",
        ] {
            assert!(!main.contains(act), "the main window may {act}");
        }
    }

    /// The face's bindings are generated from the commands and events here; `make bindings`
    /// writes them anew.
    #[test]
    fn the_generated_bindings_are_current() {
        let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/ui/src/ipc/bindings.ts");
        if std::env::var_os("WAXWING_WRITE_BINDINGS").is_some() {
            super::interface()
                .export(Typescript::default(), committed)
                .unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let fresh = dir.path().join("bindings.ts");
        super::interface()
            .export(Typescript::default(), &fresh)
            .unwrap();
        assert_eq!(
            std::fs::read_to_string(fresh).unwrap(),
            std::fs::read_to_string(committed).unwrap(),
            "ui/src/ipc/bindings.ts is stale: run `make bindings`"
        );
    }
}
