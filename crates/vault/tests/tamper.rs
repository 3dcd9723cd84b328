//! A disk attacker who can write the store, checksums and all: a row that was altered, moved or
//! exchanged does not open, and says so as damage of its tree.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use support::{EPOCH, Home, contact, home, message, prekey};
use waxwing_vault::VaultError;
use waxwing_vault::rows::{Contact, MailBox, Message, PrekeySecret};

fn two_contacts() -> Home {
    let mut home = home();
    let (open, _) = home.create();
    open.store()
        .commit(&mut home.rng, |tx| {
            tx.put(&contact(1))?;
            tx.put(&contact(2))?;
            tx.put(&message(MailBox::Inbox, 1, &"long ".repeat(3000)))?;
            tx.put(&prekey(1, EPOCH))
        })
        .unwrap();
    drop(open);
    home
}

fn rows(db: &sled::Db, tree: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let rows = db.open_tree(tree).unwrap().iter();
    rows.map(|row| row.map(|(k, v)| (k.to_vec(), v.to_vec())).unwrap())
        .collect()
}

#[test]
fn no_byte_of_a_row_can_be_changed_unnoticed() {
    let mut home = home();
    let (open, _) = home.create();
    let store = open.store();
    let numbers = 1..=80u8;
    store
        .commit(&mut home.rng, |tx| {
            numbers
                .clone()
                .try_for_each(|number| tx.put(&contact(number)))
        })
        .unwrap();
    drop((store, open));
    // one byte in each row: the first 40, which hold marker, epoch, nonce; the last 20, which hold
    // the tag; and some of the ciphertext between
    let db = home.raw_store();
    let tree = db.open_tree("contacts").unwrap();
    for (place, (key, mut value)) in rows(&db, "contacts").into_iter().enumerate() {
        let length = value.len();
        let at = match place {
            0..40 => place,
            40..60 => length - 1 - (place - 40),
            _ => 40 + (place - 60) * (length - 80) / 20,
        };
        value[at] ^= 1;
        tree.insert(key, value).unwrap();
    }
    db.flush().unwrap();
    drop((tree, db));
    let open = home.unlock();
    for number in numbers {
        let error = open
            .store()
            .load::<Contact>(&contact(number).account)
            .unwrap_err();
        assert!(
            matches!(
                error,
                VaultError::DoesNotOpen("contacts") | VaultError::Corrupt(_)
            ),
            "{error:?}"
        );
    }
}

#[test]
fn rows_cannot_be_exchanged_or_moved() {
    let home = two_contacts();
    let db = home.raw_store();
    let all = rows(&db, "contacts");
    let tree = db.open_tree("contacts").unwrap();
    tree.insert(&all[0].0, all[1].1.clone()).unwrap();
    tree.insert(&all[1].0, all[0].1.clone()).unwrap();
    db.open_tree("drafts")
        .unwrap()
        .insert(&all[0].0, all[0].1.clone())
        .unwrap();
    db.flush().unwrap();
    drop((tree, db));
    let open = home.unlock();
    for number in [1, 2] {
        let error = open
            .store()
            .load::<Contact>(&contact(number).account)
            .unwrap_err();
        assert_eq!(error, VaultError::DoesNotOpen("contacts"));
    }
    let error = open
        .store()
        .all::<waxwing_vault::rows::Draft>()
        .unwrap_err();
    assert_eq!(error, VaultError::DoesNotOpen("drafts"));
}

#[test]
fn a_row_in_pieces_is_one_row() {
    let home = two_contacts();
    let key = (MailBox::Inbox, message(MailBox::Inbox, 1, "").id);
    let db = home.raw_store();
    let pieces = rows(&db, "messages+");
    assert!(pieces.len() >= 2);
    let tree = db.open_tree("messages+").unwrap();
    tree.insert(&pieces[0].0, pieces[1].1.clone()).unwrap();
    db.flush().unwrap();
    drop((tree, db));
    let error = home.unlock().store().load::<Message>(&key).unwrap_err();
    assert_eq!(error, VaultError::DoesNotOpen("messages"));

    let db = home.raw_store();
    db.open_tree("messages+")
        .unwrap()
        .remove(&pieces[0].0)
        .unwrap();
    db.flush().unwrap();
    drop(db);
    let error = home.unlock().store().load::<Message>(&key).unwrap_err();
    assert!(matches!(error, VaultError::Corrupt(_)));
}

#[test]
fn a_prekey_does_not_open_under_another_epoch() {
    let home = two_contacts();
    let db = home.raw_store();
    let (key, mut value) = rows(&db, "prekeys").remove(0);
    // the epoch number stands in the clear behind the marker
    value[4] ^= 1;
    db.open_tree("prekeys").unwrap().insert(key, value).unwrap();
    db.flush().unwrap();
    drop(db);
    let open = home.unlock();
    assert_eq!(
        open.store()
            .load::<PrekeySecret>(&prekey(1, EPOCH).kid)
            .unwrap(),
        None
    );
}

#[test]
fn row_keys_show_nobody() {
    let home = two_contacts();
    let db = home.raw_store();
    for name in db.tree_names() {
        for (key, _) in rows(&db, &String::from_utf8_lossy(&name)) {
            assert!(
                !key.windows(8)
                    .any(|window| window == [1; 8] || window == [2; 8])
            );
        }
    }
}
