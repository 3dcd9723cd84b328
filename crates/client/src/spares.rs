//! Spare prekeys of others: for each device of a contact a bundle is claimed ahead, so that sealing
//! never waits for the network; what was used is replaced afterwards (docs/protocol.md section 12).

use crate::app::App;
use crate::directory::{self, Outcome};
use crate::failure::Failure;
use crate::line::Line;
use crate::prekeys::{ROUND, SUITE};
use crate::view::Change;
use waxwing_vault::rows::{Contact, DeviceSpares};
use waxwing_wire::api::PrekeyBundle;
use waxwing_wire::card::VerifiedCard;
use waxwing_wire::ids::{AccountId, DeviceId};
use waxwing_wire::prekey::{Prekey, VerifiedPrekey};
use waxwing_wire::problem::Slug;

/// Whether some device of a contact lacks a one-time or a signed prekey that lasts until the next
/// round.
pub(crate) fn wants_spares(contact: &Contact, now: u64) -> bool {
    asks_for(contact, now, |card, spare| {
        let until = now + ROUND.as_secs();
        let lasts = |record: &Option<Vec<u8>>| usable(record.as_deref(), card, until).is_some();
        lasts(&spare.one_time) && lasts(&spare.signed)
    })
}

/// Whether some device of a contact has no prekey at all that can be sealed to.
pub(crate) fn lacks_prekeys(contact: &Contact, now: u64) -> bool {
    asks_for(contact, now, |card, spare| {
        let is_usable = |record: &Option<Vec<u8>>| usable(record.as_deref(), card, now).is_some();
        is_usable(&spare.one_time) || is_usable(&spare.signed)
    })
}

/// Whether the relay is to be asked because a device has not enough. What was claimed without
/// getting more is not asked for again before the next round: the relay has none.
fn asks_for(
    contact: &Contact,
    now: u64,
    is_enough: impl Fn(&VerifiedCard, &DeviceSpares) -> bool,
) -> bool {
    let Some(card) = directory::pinned(contact) else {
        return true;
    };
    let patient = now.saturating_sub(ROUND.as_secs() / 2);
    card.body().devices.iter().any(|device| {
        spare_of(contact, &device.device_id)
            .is_none_or(|spare| spare.claimed_at < patient && !is_enough(&card, spare))
    })
}

fn spare_of<'a>(contact: &'a Contact, device: &DeviceId) -> Option<&'a DeviceSpares> {
    let mut spares = contact.spares.iter();
    spares.find(|spare| spare.device == *device)
}

/// A record that the device of a card signed and that may be sealed to at a time.
fn usable(record: Option<&[u8]>, card: &VerifiedCard, at: u64) -> Option<VerifiedPrekey> {
    let prekey = Prekey::decode(record?).ok()?;
    prekey.verify(card, at).ok()
}

/// Claims fresh prekeys for every device of a contact and judges the card that comes with them.
async fn claim_spares(app: &App, line: &Line, account: AccountId) -> Result<(), Failure> {
    let bundle = match line.claim_prekeys(&account, SUITE.number()).await {
        Err(error) if error.slug == Some(Slug::AccountRevoked) => {
            // Why not, they say themselves.
            app.look_again(line, account).await?;
            return Ok(());
        }
        claimed => claimed?,
    };
    let now = app.now();
    let mut rng = app.chance.draw();
    let outcome = app
        .with_store(move |store| {
            store.commit(&mut rng, |tx| {
                let Some(mut contact) = tx.load::<Contact>(&account)? else {
                    return Ok(None);
                };
                let outcome = directory::judge(&mut contact, bundle.card.as_slice(), now);
                if matches!(outcome, Outcome::Same | Outcome::Taken) {
                    keep_spares(&mut contact, &bundle, now);
                }
                tx.put(&contact)?;
                Ok::<_, Failure>(Some(outcome))
            })
        })
        .await?;
    if !matches!(outcome, Some(Outcome::Same) | None) {
        app.tell(Change::Contacts(Some(account.to_string())));
    }
    Ok(())
}

fn keep_spares(contact: &mut Contact, bundle: &PrekeyBundle, now: u64) {
    let Some(card) = directory::pinned(contact) else {
        return;
    };
    let genuine = |record: &Option<waxwing_wire::b64::B64>| {
        let bytes = record.as_ref()?.as_slice();
        Prekey::decode(bytes).ok()?.verify(&card, now).ok()?;
        Some(bytes.to_vec())
    };
    for device in &bundle.devices {
        let fresh = DeviceSpares {
            device: device.device_id,
            signed: genuine(&device.signed),
            one_time: genuine(&device.one_time),
            claimed_at: now,
        };
        contact
            .spares
            .retain(|spare| spare.device != device.device_id);
        contact.spares.push(fresh);
    }
}

/// Which of an account's devices something is sealed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Devices {
    /// Each of them.
    All,
    /// Each but this one: for one's own account.
    AllBut(DeviceId),
    /// This one alone.
    Only(DeviceId),
}

impl Devices {
    fn has(self, device: &DeviceId) -> bool {
        match self {
            Self::All => true,
            Self::AllBut(other) => other != *device,
            Self::Only(only) => only == *device,
        }
    }
}

/// What is at hand to seal to a contact.
pub(crate) struct Taken {
    /// The card that the prekeys were checked against.
    pub(crate) card: VerifiedCard,
    /// One for each device that has one.
    pub(crate) prekeys: Vec<VerifiedPrekey>,
    /// How many devices have none, and get nothing.
    pub(crate) left_out: u32,
}

/// Takes one prekey for each of these devices of a contact: the one-time one at hand, else the signed
/// one. None when no device has one.
pub(crate) fn take_spares(contact: &mut Contact, devices: Devices, now: u64) -> Option<Taken> {
    let card = directory::pinned(contact)?;
    let (mut prekeys, mut left_out) = (Vec::new(), 0);
    let listed = card.body().devices.iter();
    for device in listed.filter(|device| devices.has(&device.device_id)) {
        let mut spares = contact.spares.iter_mut();
        let spare = spares.find(|spare| spare.device == device.device_id);
        let taken = spare.and_then(|spare| {
            let one_time = usable(spare.one_time.as_deref(), &card, now);
            spare.one_time = None;
            if one_time.is_some() {
                spare.claimed_at = 0;
            }
            one_time.or_else(|| usable(spare.signed.as_deref(), &card, now))
        });
        match taken {
            Some(prekey) => prekeys.push(prekey),
            None => left_out += 1,
        }
    }
    (!prekeys.is_empty()).then_some(Taken {
        card,
        prekeys,
        left_out,
    })
}

impl App {
    /// Claims a spare bundle of a contact from the first relay that knows them.
    pub(crate) async fn fetch_spares(&self, account: AccountId) -> Result<(), Failure> {
        for line in self.lines().await? {
            match claim_spares(self, &line, account).await {
                Err(Failure::AddressUnknown) => {}
                other => return other,
            }
        }
        Err(Failure::AddressUnknown)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use waxwing_crypto::card::{Terms, sign_genesis};
    use waxwing_crypto::keys::{AccountKey, DeviceKey, TransportKey, device_entry};
    use waxwing_crypto::prekey::{self, PrekeyTerms};
    use waxwing_wire::ids::MailboxId;
    use waxwing_wire::prekey::PrekeyKind as WireKind;

    const DAY: u64 = 86_400;
    const NOW: u64 = 1_800_000_000;

    /// A contact with one computer whose prekeys, if there are any, may be used until then.
    fn contact(signed_until: Option<u64>, one_time_until: Option<u64>) -> Contact {
        let rng = &mut rand::rng();
        let (account, key) = (AccountKey::generate(rng), DeviceKey::generate(rng));
        let (device_id, mailbox) = (DeviceId::generate(rng), MailboxId::generate(rng));
        let transport = TransportKey::generate(rng);
        let terms = Terms {
            issued_at: NOW,
            expires_at: NOW + 60 * DAY,
            min_suite: SUITE,
        };
        let entry = device_entry(device_id, mailbox, &key, &transport, NOW);
        let card = sign_genesis(&account, vec![entry], terms).unwrap();
        let account_id = card.body().account_id;
        let mut contact = directory::first(&account_id, card.as_bytes(), "bob", "", NOW).unwrap();
        let record = |kind, until: Option<u64>| {
            let terms = PrekeyTerms {
                account_id,
                device_id,
                kind,
                suite: SUITE,
                not_after: until?,
                card_hash: card.hash(),
            };
            let (_, record) = prekey::generate(&key, &terms, &mut rand::rng()).unwrap();
            Some(record.as_bytes().to_vec())
        };
        contact.spares = vec![DeviceSpares {
            device: device_id,
            signed: record(WireKind::Signed, signed_until),
            one_time: record(WireKind::OneTime, one_time_until),
            claimed_at: NOW - DAY,
        }];
        contact
    }

    #[test]
    fn spares_that_are_over_or_missing_are_claimed_anew() {
        let (over, soon, later) = (NOW - 1, NOW + 60, NOW + DAY);
        assert!(!wants_spares(&contact(Some(later), Some(later)), NOW));
        assert!(wants_spares(&contact(Some(later), None), NOW));
        assert!(wants_spares(&contact(Some(later), Some(over)), NOW));
        assert!(wants_spares(&contact(Some(over), Some(later)), NOW));
        assert!(wants_spares(&contact(Some(soon), Some(later)), NOW));
        assert!(wants_spares(&contact(None, None), NOW));
        // Just claimed: the relay had no more.
        let mut asked = contact(Some(later), None);
        asked.spares[0].claimed_at = NOW - 60;
        assert!(!wants_spares(&asked, NOW));
    }

    #[test]
    fn a_computer_lacks_prekeys_only_when_none_can_be_sealed_to() {
        let (over, later) = (NOW - 1, NOW + DAY);
        assert!(!lacks_prekeys(&contact(Some(later), Some(over)), NOW));
        assert!(!lacks_prekeys(&contact(None, Some(later)), NOW));
        assert!(lacks_prekeys(&contact(Some(over), Some(over)), NOW));
        let taken = take_spares(&mut contact(Some(later), Some(over)), Devices::All, NOW).unwrap();
        assert_eq!(taken.prekeys[0].body().kind, WireKind::Signed);
        assert!(take_spares(&mut contact(Some(over), None), Devices::All, NOW).is_none());
    }
}
