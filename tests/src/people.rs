//! Alice and Bob as the protocol sees them: keys, a card, prekeys. No disk, no network.

#![allow(clippy::expect_used, clippy::missing_panics_doc)]

use rand::Rng as _;
use waxwing_crypto::card::{Terms, sign_genesis};
use waxwing_crypto::envelope::{OwnDevice, Sealed, seal};
use waxwing_crypto::keys::{AccountKey, DeviceKey, TransportKey, device_entry};
use waxwing_crypto::message::{Body, Message};
use waxwing_crypto::prekey::{OwnPrekey, PrekeyTerms, generate};
use waxwing_crypto::vault_header::{AccountSeed, DeviceSeed, TransportSeed};
use waxwing_wire::card::{DeviceEntry, VerifiedCard};
use waxwing_wire::cose_key::Suite;
use waxwing_wire::envelope::{Envelope, Header};
use waxwing_wire::ids::{ConversationId, DeviceId, EnvelopeId, MailboxId, MessageId};
use waxwing_wire::prekey::{PrekeyKind, VerifiedPrekey};

/// The tests' clock, Unix seconds.
pub const NOW: u64 = 1_800_000_000;
/// A day, seconds.
pub const DAY: u64 = 86_400;

/// One account with one device.
pub struct Person {
    pub account: AccountKey,
    pub device: DeviceKey,
    pub transport: TransportKey,
    pub device_id: DeviceId,
    pub mailbox: MailboxId,
    pub card: VerifiedCard,
}

impl Person {
    /// Somebody new, with a valid first card.
    pub fn new() -> Self {
        let rng = &mut rand::rng();
        let account = AccountKey::generate(rng);
        let device = DeviceKey::generate(rng);
        let transport = TransportKey::generate(rng);
        let device_id = DeviceId::generate(rng);
        let mailbox = MailboxId::generate(rng);
        let entry = device_entry(device_id, mailbox, &device, &transport, NOW);
        let card = sign_genesis(&account, vec![entry], terms(NOW)).expect("a valid card");
        Self {
            account,
            device,
            transport,
            device_id,
            mailbox,
            card,
        }
    }

    /// Somebody whose keys and ids all follow from one number, the same in every run.
    pub fn from_number(number: u8) -> Self {
        let account = AccountKey::from_seed(&AccountSeed::new([number; 32]));
        let device = DeviceKey::from_seed(&DeviceSeed::new([number + 1; 32]));
        let transport = TransportKey::from_seed(&TransportSeed::new([number + 2; 32]));
        let device_id = DeviceId::new([number + 3; 16]);
        let mailbox = MailboxId::new([number + 4; 16]);
        let entry = device_entry(device_id, mailbox, &device, &transport, NOW);
        let card = sign_genesis(&account, vec![entry], terms(NOW)).expect("a valid card");
        Self {
            account,
            device,
            transport,
            device_id,
            mailbox,
            card,
        }
    }

    /// The device as the card lists it.
    pub fn entry(&self) -> DeviceEntry {
        device_entry(
            self.device_id,
            self.mailbox,
            &self.device,
            &self.transport,
            NOW,
        )
    }

    /// Who opens.
    pub fn own(&self) -> OwnDevice {
        OwnDevice {
            account_id: self.card.body().account_id,
            device_id: self.device_id,
            mailbox: self.mailbox,
        }
    }

    /// What a prekey of this person is made for.
    pub fn prekey_terms(&self, suite: Suite, kind: PrekeyKind) -> PrekeyTerms {
        PrekeyTerms {
            account_id: self.card.body().account_id,
            device_id: self.device_id,
            kind,
            suite,
            not_after: NOW + 37 * DAY,
            card_hash: self.card.hash(),
        }
    }

    /// A fresh one-time prekey: the secret, and what others hold of it.
    pub fn prekey(&self, suite: Suite) -> (OwnPrekey, VerifiedPrekey) {
        let terms = self.prekey_terms(suite, PrekeyKind::OneTime);
        let (own, record) = generate(&self.device, &terms, &mut rand::rng()).expect("a prekey");
        let verified = record.verify(&self.card, NOW).expect("a valid record");
        (own, verified)
    }

    /// A message to these people.
    pub fn message(&self, to: &[&Person], text: &str) -> Message {
        let mut members: Vec<_> = to.iter().map(|person| person.own().account_id).collect();
        let recipients = to
            .iter()
            .map(|person| (person.own().account_id, person.card.body().version))
            .collect();
        members.push(self.own().account_id);
        Message {
            msg_id: MessageId::generate(&mut rand::rng()),
            conversation: ConversationId::derive(&members),
            sender: self.own().account_id,
            device: self.device_id,
            sender_card: self.card.hash(),
            recipients,
            sent_at: NOW,
            seq: 1,
            previous: None,
            body: Body::text("A subject", text),
            attachments: Vec::new(),
        }
    }

    /// Seals a message to one device and gives its envelope.
    pub fn seal_to(&self, message: &Message, prekey: &VerifiedPrekey, header: Header) -> Envelope {
        let sealed = self.seal_all(message, std::slice::from_ref(prekey), header);
        let envelope = sealed.submissions[0].1.envelopes().next();
        envelope.expect("one envelope")
    }

    /// Seals a message to devices.
    pub fn seal_all(
        &self,
        message: &Message,
        prekeys: &[VerifiedPrekey],
        header: Header,
    ) -> Sealed {
        seal(message, &self.device, prekeys, header, &mut rand::rng()).expect("a sealed message")
    }
}

impl Default for Person {
    fn default() -> Self {
        Self::new()
    }
}

/// Terms of a card issued at a time, for 60 days.
pub fn terms(issued_at: u64) -> Terms {
    Terms {
        issued_at,
        expires_at: issued_at + 60 * DAY,
        min_suite: Suite::S1,
    }
}

/// A fresh header that expires in a week.
pub fn header() -> Header {
    let mut id = [0u8; 16];
    rand::rng().fill_bytes(&mut id);
    Header {
        env_id: EnvelopeId::new(id),
        expires_at: NOW + 7 * DAY,
    }
}
