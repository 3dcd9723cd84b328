//! What becomes of a row that another device of the account remembers (docs/protocol.md section 8).
//!
//! Taking the same row in twice changes nothing the second time, and what is here is never made older.

use crate::directory;
use waxwing_vault::history::Item;
use waxwing_vault::rows::{Contact, Device, Message, Row as _, Thread};
use waxwing_vault::{Tx, VaultError};
use waxwing_wire::ids::{AccountId, DeviceId};

/// Who takes in, and when.
#[derive(Clone, Copy)]
pub(super) struct Here {
    pub(super) account: AccountId,
    pub(super) device: DeviceId,
    pub(super) now: u64,
}

/// Takes one row in.
pub(super) fn take_in(tx: &mut Tx<'_>, item: Item, here: Here) -> Result<(), VaultError> {
    match item {
        Item::Contact(theirs) if theirs.account != here.account => {
            let merged = match tx.load::<Contact>(&theirs.account)? {
                None => Contact {
                    spares: Vec::new(),
                    ..*theirs
                },
                Some(mine) => contact(mine, *theirs, here.now),
            };
            tx.put(&merged)
        }
        Item::Device(device) if tx.load::<Device>(&device.id)?.is_none() => tx.put(&device),
        Item::Thread(theirs) => {
            // This device counts for itself what it sends.
            let is_own = theirs.account == here.account && theirs.device == here.device;
            let mine = tx.load::<Thread>(&theirs.key())?;
            if is_own || mine.is_some_and(|mine| mine.seq >= theirs.seq) {
                return Ok(());
            }
            tx.put(&theirs)
        }
        Item::Message(mut message) if tx.load::<Message>(&message.key())?.is_none() => {
            for party in &mut message.recipients {
                party.deliveries = Vec::new();
            }
            tx.put_by_time(&message)
        }
        _ => Ok(()),
    }
}

/// Both devices know somebody. Of two pins of one key the later counts. Of two keys the other device's
/// does, which knew them first; a later card that was pinned here is judged by it as if a relay showed it.
/// What either saw of the key is kept, and what either compared, as long as it is of the key that counts.
fn contact(mine: Contact, theirs: Contact, now: u64) -> Contact {
    let mut merged = Contact {
        spares: Vec::new(),
        ..theirs
    };
    if mine.card != merged.card && mine.card_version >= merged.card_version {
        if mine.card_version > merged.card_version && is_same_key(&mine, &merged) {
            merged.card.clone_from(&mine.card);
            merged.card_digest = mine.card_digest;
            merged.card_version = mine.card_version;
            merged.former.clone_from(&mine.former);
        } else {
            directory::judge(&mut merged, &mine.card, now);
        }
    }
    if is_same_key(&mine, &merged) {
        merged.compared_at = merged.compared_at.or(mine.compared_at);
        merged.held |= mine.held;
    }
    if mine.card == merged.card {
        merged.spares = mine.spares;
    }
    if !mine.stranger {
        // The person chose the name here.
        merged.petname = mine.petname;
        merged.stranger = false;
    }
    for seen in mine.evidence {
        let mut known = merged.evidence.iter();
        if known.all(|known| known.kind != seen.kind || known.card_digest != seen.card_digest) {
            merged.evidence.push(seen);
        }
    }
    merged.evidence.sort_by_key(|seen| seen.at);
    merged.min_suite = merged.min_suite.max(mine.min_suite);
    merged.knows_own = merged.knows_own.max(mine.knows_own);
    merged.added_at = merged.added_at.min(mine.added_at);
    merged.looked_at = mine.looked_at;
    merged
}

fn is_same_key(one: &Contact, other: &Contact) -> bool {
    let (one, other) = (directory::pinned(one), directory::pinned(other));
    one.zip(other)
        .is_some_and(|(one, other)| one.body().identity == other.body().identity)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use waxwing_crypto::card::{Terms, sign_genesis, sign_reset, sign_successor};
    use waxwing_crypto::keys::{AccountKey, DeviceKey, TransportKey, device_entry};
    use waxwing_vault::rows::EvidenceKind;
    use waxwing_wire::card::VerifiedCard;
    use waxwing_wire::cose_key::Suite;
    use waxwing_wire::ids::MailboxId;

    const NOW: u64 = 1_800_000_000;

    struct Cards {
        first: VerifiedCard,
        second: VerifiedCard,
        fork: VerifiedCard,
        reset: VerifiedCard,
    }

    fn cards() -> Cards {
        let rng = &mut rand::rng();
        let (key, other) = (AccountKey::generate(rng), AccountKey::generate(rng));
        let entry = device_entry(
            DeviceId::generate(rng),
            MailboxId::generate(rng),
            &DeviceKey::generate(rng),
            &TransportKey::generate(rng),
            NOW,
        );
        let terms = |issued_at| Terms {
            issued_at,
            expires_at: NOW + 86_400,
            min_suite: Suite::S2,
        };
        let devices = || vec![entry.clone()];
        let first = sign_genesis(&key, devices(), terms(NOW)).unwrap();
        Cards {
            second: sign_successor(&key, &first, devices(), terms(NOW + 1)).unwrap(),
            fork: sign_successor(&key, &first, devices(), terms(NOW + 2)).unwrap(),
            reset: sign_reset(&other, &first, devices(), terms(NOW + 3)).unwrap(),
            first,
        }
    }

    fn met(card: &VerifiedCard, name: &str) -> Contact {
        let account = card.body().account_id;
        let mut contact =
            directory::first(&account, card.as_bytes(), name, "bob@localhost", NOW).unwrap();
        contact.stranger = true;
        contact
    }

    /// As the other device knows him: named and compared.
    fn known(card: &VerifiedCard) -> Contact {
        Contact {
            stranger: false,
            compared_at: Some(NOW),
            ..met(card, "Bob")
        }
    }

    fn kinds(contact: &Contact) -> Vec<EvidenceKind> {
        contact.evidence.iter().map(|seen| seen.kind).collect()
    }

    #[test]
    fn who_was_met_by_chance_becomes_who_the_other_device_knows() {
        let cards = cards();
        for (mine, theirs, pin) in [
            (&cards.first, &cards.first, &cards.first),
            (&cards.first, &cards.second, &cards.second),
            (&cards.second, &cards.first, &cards.second),
        ] {
            let merged = contact(met(mine, "bob"), known(theirs), NOW);
            assert_eq!(merged.card, pin.as_bytes());
            assert_eq!(merged.card_version, pin.body().version);
            assert_eq!(merged.compared_at, Some(NOW));
            assert_eq!((merged.petname.as_str(), merged.stranger), ("Bob", false));
            // Once more changes nothing.
            assert_eq!(contact(merged.clone(), known(theirs), NOW), merged);
        }
    }

    #[test]
    fn a_name_that_was_given_here_stays() {
        let cards = cards();
        let mine = Contact {
            petname: "Robert".to_owned(),
            ..known(&cards.first)
        };
        let merged = contact(mine, known(&cards.second), NOW);
        assert_eq!(merged.petname, "Robert");
    }

    #[test]
    fn two_devices_that_were_shown_different_cards_find_out() {
        let cards = cards();
        let merged = contact(met(&cards.fork, "bob"), known(&cards.second), NOW);
        assert_eq!(merged.card, cards.second.as_bytes());
        assert!(kinds(&merged).contains(&EvidenceKind::Fork));
        let merged = contact(met(&cards.reset, "bob"), known(&cards.first), NOW + 9);
        assert_eq!(merged.card, cards.first.as_bytes());
        assert!(merged.held, "the person decides");
        assert!(kinds(&merged).contains(&EvidenceKind::ResetWithoutProof));
    }
}
