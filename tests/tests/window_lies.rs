//! A relay that lies and clocks that differ, as a person at a window meets them: each has its
//! sentence, and nothing is lost. Bob sits at the window; Alice and the relay are in this process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use anyhow::{Context, Result, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use thirtyfour::By;
use waxwing_client::view::OutgoingState;
use waxwing_relay::clock::{Clock, SystemClock};
use waxwing_relay::store::{Ack, Append, Quota};
use waxwing_tests::desk::{Desk, Window, row};
use waxwing_tests::engine::Street;
use waxwing_vault::rows::Contact;
use waxwing_wire::card::Card;
use waxwing_wire::ids::AccountId;

/// A clock that goes ahead by so many seconds.
#[derive(Clone, Default)]
struct Ahead(Arc<AtomicU64>);

impl Clock for Ahead {
    fn now(&self) -> u64 {
        SystemClock.now() + self.0.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_relay_changes_doubles_or_invents_is_said_and_the_rest_is_opened() -> Result<()> {
    let street = Street::new().await;
    let alice = street.person("alice").await;
    let desk = Desk::new()?;
    let bob = desk.open("default").await?;
    bob.set_up_at("bob", &format!("http://{}", street.address()))
        .await?;
    let to_bob = alice.add("bob").await;
    bob.close().await?;
    for subject in ["First", "Second"] {
        let sent = alice.send(&[&to_bob], subject).await.unwrap();
        alice
            .until_state(&sent, "at the relay", |state| {
                state == OutgoingState::AtRelay
            })
            .await;
    }
    alice.close().await;

    let mailbox = street.with_vault("alice", |open| {
        let account: AccountId = to_bob.parse().unwrap();
        let contact: Contact = open.store().load(&account).unwrap().unwrap();
        let card = Card::decode(&contact.card).unwrap().verify_self().unwrap();
        card.body().devices[0].mailbox
    });
    street
        .lie(async |store| {
            let waiting = store
                .read(mailbox.as_bytes(), 0, 10, usize::MAX)
                .await
                .unwrap();
            let first = waiting[0].body.to_vec();
            let mut changed = first.clone();
            *changed.last_mut().unwrap() ^= 1;
            // The first comes only after a changed copy of it.
            let kept_back = Ack {
                seq: waiting[0].seq,
                note: None,
            };
            store
                .ack(mailbox.as_bytes(), vec![kept_back])
                .await
                .unwrap();
            for (key, body) in [
                ("changed", changed),
                ("doubled", waiting[1].body.to_vec()),
                ("invented", b"no envelope at all".to_vec()),
                ("late", first),
            ] {
                let lie = Append {
                    mailbox: mailbox.as_bytes().to_vec().into(),
                    key: key.into(),
                    body: body.into(),
                    expires_at: waiting[0].expires_at,
                    remember_until: waiting[0].expires_at,
                    quota: Quota::NONE,
                };
                store.append(lie).await.unwrap();
            }
        })
        .await;

    let bob = desk.open("default").await?;
    bob.unlock().await?;
    bob.see_row(&["alice", "First"]).await?;
    bob.see_row(&["alice", "Second"]).await?;
    bob.see_row(&["Cannot be opened", "It was changed or damaged on the way."])
        .await?
        .click()
        .await?;
    bob.see_text("It is kept as it came.").await?;
    bob.picture("unopenable")?;
    ensure!(count(&bob, &["First"]).await? == 1, "First is there twice");
    ensure!(
        count(&bob, &["Second"]).await? == 1,
        "Second is there twice"
    );
    ensure!(
        count(&bob, &["Cannot be opened"]).await? == 2,
        "what was invented is not said"
    );
    bob.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_differ_are_said_and_what_waited_leaves_when_they_agree() -> Result<()> {
    let ahead = Ahead::default();
    let clock = ahead.clone();
    let street = Street::with(move |config| config.clock = Arc::new(clock.clone())).await;
    let alice = street.person("alice").await;
    let desk = Desk::new()?;
    let bob = desk.open("default").await?;
    bob.set_up_at("bob", &format!("http://{}", street.address()))
        .await?;
    bob.add_contact("alice@localhost").await?;

    ahead.0.store(3600, Ordering::SeqCst);
    bob.write_to("alice", "On time", "By whose clock?").await?;
    bob.send().await?;
    bob.go("Outbox").await?;
    bob.see_row(&[
        "alice",
        "this computer’s clock and the relay’s are too far apart",
    ])
    .await?;
    bob.picture("clocks")?;

    ahead.0.store(0, Ordering::SeqCst);
    bob.see_row(&["On time"]).await?.click().await?;
    bob.press("Try now").await?;
    alice.receive("On time").await;
    bob.go("Sent").await?;
    bob.see_row(&["alice", "On time", "Fetched"]).await?;
    bob.close().await
}

/// How many lines of the list have all these parts in their names.
async fn count(window: &Window, parts: &[&str]) -> Result<usize> {
    Ok(window
        .driver
        .find_all(By::XPath(row(parts)))
        .await
        .context("the list")?
        .len())
}
