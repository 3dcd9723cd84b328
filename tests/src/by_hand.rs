//! A message that our own engine would not write, signed and sealed with somebody's real keys and
//! put into their real outbox: what a later version, or a careless program, may send.

#![allow(clippy::expect_used, clippy::missing_panics_doc)]

use rand::Rng as _;
use waxwing_crypto::envelope::seal;
use waxwing_crypto::keys::DeviceKey;
use waxwing_crypto::message::{Body, Message};
use waxwing_vault::rows::{Contact, Outgoing, OutgoingId, OutgoingState, OwnCard, Thread};
use waxwing_vault::{Open, VaultError};
use waxwing_wire::card::Card;
use waxwing_wire::envelope::Header;
use waxwing_wire::ids::{AccountId, ConversationId, Digest, EnvelopeId, MessageId};
use waxwing_wire::limits::MAX_TTL;
use waxwing_wire::prekey::Prekey;

/// Puts a message to a contact into the outbox of an open vault, after `change` made of it what the
/// test needs; it leaves when the engine is opened and unlocked. Goes on where the conversation
/// stands.
pub fn post(open: &Open, to: &str, change: impl FnOnce(&mut Message)) {
    post_through(open, open, to, change);
}

/// The same, put into the outbox of another vault: who has a copy of somebody's keys hands in what he
/// signs with them as somebody else.
pub fn post_through(through: &Open, open: &Open, to: &str, change: impl FnOnce(&mut Message)) {
    let rng = &mut rand::rng();
    let now = now();
    let (store, keyring) = (open.store(), open.keyring());
    let (me, device) = (keyring.account_id, keyring.device_id);
    let to: AccountId = to.parse().expect("an account");
    let own: OwnCard = store.load(&()).expect("it opens").expect("a card");
    let contact: Contact = store.load(&to).expect("it opens").expect("a contact");
    let card = Card::decode(&contact.card).expect("a card");
    let card = card.verify_self().expect("a signed card");
    let prekeys = contact.spares.iter().filter_map(|spare| {
        let record = Prekey::decode(spare.signed.as_deref()?).ok()?;
        record.verify(&card, now).ok()
    });
    let conversation = ConversationId::derive(&[me, to]);
    let thread: Option<Thread> = store.load(&(conversation, me, device)).expect("it opens");
    let mut message = Message {
        msg_id: MessageId::generate(rng),
        conversation,
        sender: me,
        device,
        sender_card: Digest::of(&own.card),
        recipients: vec![(to, card.body().version)],
        sent_at: now,
        seq: thread.as_ref().map_or(0, |thread| thread.seq) + 1,
        previous: thread.map(|thread| thread.last),
        body: Body::text("By hand", ""),
        attachments: Vec::new(),
    };
    change(&mut message);
    let header = Header {
        env_id: EnvelopeId::generate(rng),
        expires_at: now + MAX_TTL,
    };
    let key = DeviceKey::from_seed(&keyring.device);
    let prekeys: Vec<_> = prekeys.collect();
    let sealed = seal(&message, &key, &prekeys, header, rng).expect("it is sealed");
    let (_, submission) = &sealed.submissions[0];
    let mut id = [0; 16];
    rng.fill_bytes(&mut id);
    let mut row = Outgoing {
        id: OutgoingId::new(id),
        lane: through.store().lane(&to).expect("it opens"),
        position: 0,
        envelope: header.env_id,
        to: submission.entries.iter().map(|(to, _)| *to).collect(),
        relay: 0,
        uploads: Vec::new(),
        length: 0,
        state: OutgoingState::Queued,
        reason: None,
        attempts: 0,
        next_try: 0,
        queued_at: now,
        expires_at: header.expires_at,
        is_notice: false,
    };
    let kept = through.store().commit(rng, |tx| {
        tx.put(&Thread {
            conversation,
            account: me,
            device,
            seq: message.seq,
            last: sealed.payload_hash,
        })?;
        tx.carriage().append(&mut row, &submission.encode())?;
        Ok::<_, VaultError>(())
    });
    kept.expect("it is kept");
}

fn now() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    since.expect("a clock after 1970").as_secs()
}
