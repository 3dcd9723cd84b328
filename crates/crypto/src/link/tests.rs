#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use waxwing_wire::limits::{MAX_CARD_LIFE, MAX_LINK_BYTES};

use super::*;
use crate::card::{Terms, sign_genesis};
use crate::keys::{AccountKey, device_entry};
use crate::vault_header::AccountSeed;

const NOW: u64 = 1_800_000_000;

struct Device {
    id: DeviceId,
    mailbox: MailboxId,
    signing: DeviceKey,
    transport: TransportKey,
}

impl Device {
    fn new() -> Self {
        let rng = &mut rand::rng();
        Self {
            id: DeviceId::generate(rng),
            mailbox: MailboxId::generate(rng),
            signing: DeviceKey::generate(rng),
            transport: TransportKey::generate(rng),
        }
    }

    fn begins(&self) -> NewDevice {
        NewDevice::begin(
            self.id,
            self.mailbox,
            &self.signing,
            &self.transport,
            &mut rand::rng(),
        )
        .unwrap()
    }
}

fn text_of(new: &NewDevice) -> LinkText {
    new.text(
        "http://127.0.0.1:8765/".to_owned(),
        "Alice's laptop".to_owned(),
    )
}

fn old_of(new: &NewDevice) -> OldDevice {
    OldDevice::begin(&text_of(new), &new.offer().encode(), &mut rand::rng()).unwrap()
}

/// An account whose card has `devices` devices, for the largest grant there may be.
fn grant(devices: usize) -> Grant {
    let key = AccountKey::generate(&mut rand::rng());
    let terms = Terms {
        issued_at: NOW,
        expires_at: NOW + MAX_CARD_LIFE,
        min_suite: Suite::S2,
    };
    let entry = |_| {
        let device = Device::new();
        device_entry(
            device.id,
            device.mailbox,
            &device.signing,
            &device.transport,
            NOW,
        )
    };
    let card = sign_genesis(&key, (0..devices).map(entry).collect(), terms).unwrap();
    Grant {
        account_id: key.genesis_account_id(),
        account: AccountSeed::new(*key.to_seed().expose()),
        card: card.card().clone(),
        name: "alice".to_owned(),
    }
}

/// Every byte of a message, changed in its turn.
fn flipped(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..bytes.len()).map(|at| {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        changed
    })
}

#[test]
fn two_devices_link_and_show_the_same_code() {
    let new = Device::new().begins();
    let text: LinkText = text_of(&new).expose().parse().unwrap();
    assert_eq!(
        (text.name(), text.rendezvous()),
        ("Alice's laptop", new.rendezvous())
    );
    let old = OldDevice::begin(&text, &new.offer().encode(), &mut rand::rng()).unwrap();
    let (code, waiting) = new.answer(&old.hello().encode()).unwrap();
    let digits = code.to_string();
    assert!(digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_digit()));
    assert!(
        old.code()
            .is(&format!(" {} {}", &digits[..2], &digits[2..]))
    );
    assert!(!old.code().is(&digits[..3]) && !old.code().is(""));
    // The largest card there may be passes in one message.
    let given = grant(waxwing_wire::limits::MAX_DEVICES);
    let sealed = old.grant(&given).unwrap();
    assert!(sealed.len() <= MAX_LINK_BYTES, "{} bytes", sealed.len());
    let got = waiting.open(&sealed).unwrap();
    assert_eq!(got.account.expose(), given.account.expose());
    assert_eq!((&got.card, &got.name), (&given.card, &given.name));
}

#[test]
fn another_offer_than_the_texts_is_refused() {
    let new = Device::new().begins();
    let text = text_of(&new);
    let others = Device::new().begins().offer().encode();
    for offer in flipped(&new.offer().encode()).chain([others]) {
        let refused = OldDevice::begin(&text, &offer, &mut rand::rng()).err();
        assert_eq!(refused, Some(LinkError::OtherOffer));
    }
}

#[test]
fn a_hello_of_who_has_no_text_does_not_open() {
    let new = Device::new().begins();
    // A relay has the offer and the rendezvous, and can make everything but the psk.
    let mut guessed = text_of(&new);
    guessed.psk = Secret::default();
    let offer = new.offer().encode();
    let relay = OldDevice::begin(&guessed, &offer, &mut rand::rng()).unwrap();
    let refused = new.answer(&relay.hello().encode()).err();
    assert_eq!(refused, Some(LinkError::DoesNotOpen));
    // Nor does one that was meant for another link of the same text.
    let elsewhere = old_of(&Device::new().begins());
    assert!(new.answer(&elsewhere.hello().encode()).is_err());
}

#[test]
fn every_flipped_byte_is_refused() {
    let new = Device::new().begins();
    let old = old_of(&new);
    let hello = old.hello().encode();
    for changed in flipped(&hello) {
        assert!(new.answer(&changed).is_err());
    }
    let sealed = old.grant(&grant(1)).unwrap();
    for changed in flipped(&sealed) {
        let (_, waiting) = new.answer(&hello).unwrap();
        assert!(waiting.open(&changed).is_err());
    }
    // The hello again in the grant's place: each message has its own number.
    let (_, waiting) = new.answer(&hello).unwrap();
    assert!(
        waiting
            .open(&Hello::decode(&hello).unwrap().sealed)
            .is_err()
    );
    let (_, waiting) = new.answer(&hello).unwrap();
    assert!(waiting.open(&sealed).is_ok());
}

#[test]
fn a_flipped_letter_of_the_text_links_nobody() {
    let new = Device::new().begins();
    let text = text_of(&new).expose();
    let offer = new.offer().encode();
    for at in 0..text.len() {
        let mut changed = text.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        if changed == text.as_bytes() {
            continue;
        }
        let Ok(read) = String::from_utf8(changed).unwrap().parse::<LinkText>() else {
            continue;
        };
        // Relay and name may be any: they say only where to look and what to show.
        if read.relay != "http://127.0.0.1:8765/" || read.name != "Alice's laptop" {
            continue;
        }
        let began = OldDevice::begin(&read, &offer, &mut rand::rng());
        assert!(began.map_or(true, |old| new.answer(&old.hello().encode()).is_err()));
    }
}

#[test]
fn a_grant_of_another_accounts_card_is_refused() {
    let new = Device::new().begins();
    let old = old_of(&new);
    let (_, waiting) = new.answer(&old.hello().encode()).unwrap();
    let wrong = Grant {
        card: grant(1).card,
        ..grant(1)
    };
    let sealed = old.grant(&wrong).unwrap();
    assert_eq!(
        waiting.open(&sealed).err(),
        Some(LinkError::Shape(ShapeError::Wrong("card")))
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(waxwing-link:)?[A-Za-z0-9_-]{0,200}") {
        if let Ok(read) = text.parse::<LinkText>() {
            let again = read.expose();
            prop_assert_eq!(again.as_str(), text.as_str());
        }
    }
}
