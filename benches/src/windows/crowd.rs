//! Many envelopes in a closed vault, written as the inbox keeps what it opened.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rand::Rng as _;
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_tests::person::PASSPHRASE;
use waxwing_vault::rows::{Contact, MailBox, Message, Party};
use waxwing_vault::{Locked, State, Vault, VaultError};
use waxwing_wire::ids::{AccountId, ConversationId, DeviceId, MessageId};
use zeroize::Zeroizing;

/// How many envelopes.
pub(super) const CROWD: u64 = 100_000;
/// Written in one commit.
const BATCH: usize = 200;
/// When the first came, Unix seconds; the others follow every five minutes.
const FIRST: u64 = 1_750_000_000;

/// Fills the inbox of the vault in `folder`, whose only contact wrote all of it; answers the vault's
/// passphrase parameters.
pub(super) fn fill(folder: &Path) -> Result<KdfParams> {
    let locked = closed(folder)?;
    let params = locked.params();
    let open = locked
        .unlock(&Passphrase::new(PASSPHRASE))
        .map_err(|(_, error)| error)?;
    let (store, me) = (open.store(), open.keyring().account_id);
    let contacts = store.all::<Contact>()?;
    let sender = contacts.iter().find(|contact| contact.account != me);
    let sender = sender.context("a contact")?.account;
    let rng = &mut rand::rng();
    let mut numbers = (0..CROWD).peekable();
    while numbers.peek().is_some() {
        let batch: Vec<Message> = numbers
            .by_ref()
            .take(BATCH)
            .map(|number| envelope(number, sender, me))
            .collect();
        store.commit(rng, |tx| {
            batch.iter().try_for_each(|message| tx.put(message))?;
            Ok::<_, VaultError>(())
        })?;
    }
    Ok(params)
}

/// The vault in `folder`, once the window that had it has let go.
fn closed(folder: &Path) -> Result<Locked> {
    for _ in 0..200 {
        match Vault::look(folder)? {
            State::Locked(locked) => return Ok(locked),
            State::InUse => std::thread::sleep(Duration::from_millis(50)),
            other => bail!("no closed vault but {other:?}"),
        }
    }
    bail!("the window keeps its vault")
}

/// One envelope in ten was not looked at yet.
fn envelope(number: u64, sender: AccountId, me: AccountId) -> Message {
    let rng = &mut rand::rng();
    let mut conversation = [0; 32];
    rng.fill_bytes(&mut conversation);
    let at = FIRST + number * 300;
    Message {
        id: MessageId::generate(rng),
        mailbox: MailBox::Inbox,
        sender,
        sender_device: DeviceId::new([7; 16]),
        recipients: vec![Party {
            is_copy: false,
            account: me,
            card_version: 1,
            deliveries: Vec::new(),
            left_out: 0,
        }],
        subject: Zeroizing::new(format!("Minutes of the harbour board, number {number}")),
        body: Zeroizing::new("The tide tables for the coming week are attached. ".repeat(20)),
        unknown: None,
        at,
        claimed_at: at,
        relay_seq: Some(number),
        relay_at: Some(at),
        conversation: ConversationId::new(conversation),
        seq: number,
        previous: None,
        sender_card: None,
        gap: false,
        missing: 0,
        other_before: false,
        in_reply_to: None,
        drop: None,
        attachments: Vec::new(),
        opened: !number.is_multiple_of(10),
    }
}
