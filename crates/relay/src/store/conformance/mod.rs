//! The storage contract as named cases, to be run against every backend.
//!
//! A backend's test gives a [`Subject`] and calls [`crate::conform!`], which makes one test of
//! each case; [`crash`] has the two halves of the crash case, which needs a child process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unnecessary_wraps,
    clippy::unused_async,
    clippy::missing_panics_doc,
    missing_docs
)]

pub mod bags;
pub mod blobs;
pub mod crash;
pub mod crowds;
pub mod logs;
pub mod mailboxes;
pub mod model;
pub mod versioned;

use std::pin::Pin;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{AnyStore, Append, NewBlob, Quota};
use crate::clock::ManualClock;

/// Opens the same store again after the one before was dropped.
pub type Open = Box<dyn Fn() -> Pin<Box<dyn Future<Output = AnyStore> + Send>> + Send + Sync>;

/// A backend under test: an empty store, its clock, and the way to open it again.
pub struct Subject {
    /// The store; `None` only while it is opened again.
    store: Option<AnyStore>,
    /// The clock that the store was opened with.
    pub clock: ManualClock,
    open: Open,
    /// What must live as long as the store (a folder, a server).
    _keep: Box<dyn std::any::Any + Send + Sync>,
}

impl Subject {
    /// Opens the store for the first time.
    pub async fn new(
        clock: ManualClock,
        open: Open,
        keep: impl std::any::Any + Send + Sync,
    ) -> Self {
        let store = Some(open().await);
        Self {
            store,
            clock,
            open,
            _keep: Box::new(keep),
        }
    }

    /// The store.
    pub fn store(&self) -> &AnyStore {
        self.store.as_ref().expect("open")
    }

    /// Closes the store and opens it again, as a restart does.
    pub async fn reopen(&mut self) {
        let store = self.store.take().expect("open");
        store.close().await.expect("closes");
        drop(store);
        self.store = Some((self.open)().await);
    }
}

/// The time at which every case begins.
pub const START: u64 = 1_800_000_000;

/// An append without a quota that lives for an hour.
pub fn item(mailbox: &[u8], key: &[u8], body: &[u8]) -> Append {
    Append {
        mailbox: Bytes::copy_from_slice(mailbox),
        key: Bytes::copy_from_slice(key),
        body: Bytes::copy_from_slice(body),
        expires_at: START + 3600,
        remember_until: START + 7200,
        quota: Quota::NONE,
    }
}

/// A blob of these bytes that lives for an hour.
pub fn blob(id: &[u8], owner: &[u8], bytes: &[u8]) -> NewBlob {
    NewBlob {
        id: Bytes::copy_from_slice(id),
        owner: Bytes::copy_from_slice(owner),
        length: bytes.len() as u64,
        sha256: Sha256::digest(bytes).into(),
        expires_at: START + 3600,
    }
}

/// Makes one test of each case. `$subject` is an async function that answers a [`Subject`].
#[macro_export]
macro_rules! conform {
    ($subject:path) => {
        $crate::conform! { @ $subject,
            mailboxes: [sequence_rises, reads_in_order_after_a_sequence, a_page_has_a_size,
                repeats_are_stored_once, a_repeat_after_the_ack_is_not_delivered_again,
                another_body_under_the_same_key_is_refused, acked_is_gone, acking_is_idempotent,
                an_ack_leaves_its_note, withdrawn_is_gone, what_was_acked_is_not_withdrawn,
                expired_is_not_returned, an_expired_fate_is_told_then_forgotten,
                a_quota_never_loses_older_mail, a_byte_quota_counts_bytes, room_comes_back,
                expired_mail_takes_no_room, ids_are_opaque, bodies_of_every_size,
                boxes_do_not_mix, wake_after_append, wake_after_ack, a_note_may_follow_the_ack, restart_keeps_mail,
                restart_keeps_the_sequence, a_clock_that_goes_back_loses_nothing,
                the_sweep_takes_only_what_expired];
            versioned: [absent_then_present, versions_rise, a_wrong_version_changes_nothing,
                a_deleted_key_does_not_repeat_its_versions, spaces_do_not_mix, large_values,
                restart_keeps_values];
            bags: [pops_oldest_first, pops_once, filling_twice_is_once, a_popped_item_never_returns,
                expired_items_are_not_popped, a_full_bag_takes_all_or_none, bags_do_not_mix,
                restart_keeps_what_was_popped_away];
            logs: [pages_both_ways, repeats_are_one_entry, logs_do_not_mix, restart_keeps_entries];
            blobs: [grows_in_chunks, a_wrong_offset_is_refused, a_chunk_beyond_the_end_is_refused,
                a_wrong_digest_starts_over, reads_ranges, not_readable_before_complete,
                announcing_twice, an_empty_blob_is_complete, owners_have_quotas, deleted_is_gone,
                expired_is_gone, restart_continues_an_upload];
            crowds: [poppers_never_share, writers_lose_no_update, putters_and_ackers,
                repeats_at_the_same_time_are_one, announcing_at_the_same_time];
            model: [behaves_like_the_model];
        }
    };
    (@ $subject:path, $($family:ident: [$($case:ident),* $(,)?];)*) => {
        $(mod $family {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let mut subject = $subject().await;
                $crate::store::conformance::$family::$case(&mut subject).await;
            })*
        })*
    };
}
