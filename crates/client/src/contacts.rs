//! People: found by address, pinned, compared, and this account itself.

use crate::app::App;
use crate::directory::{self, Outcome};
use crate::failure::Failure;
use crate::line::Line;
use crate::prekeys::own_card;
use crate::view::{self, Change, ComparedState, Me, Millis, Party, Reason};
use waxwing_crypto::key_code::{KeyCode, Side};
use waxwing_vault::Store;
use waxwing_vault::rows::{ActivityKind, Contact, EvidenceKind, OwnCard};
use waxwing_wire::address::Address;
use waxwing_wire::card::Card;
use waxwing_wire::ids::AccountId;

/// More rotations than anybody makes between two looks.
const MOST_ROTATIONS: usize = 256;

impl App {
    /// This account.
    ///
    /// # Errors
    /// [`Failure::Locked`].
    pub async fn me(&self) -> Result<Me, Failure> {
        let relay_shows = self.known().relay_shows;
        let account = self.signer().ok_or(Failure::Locked)?.account;
        self.with_store(move |store| {
            let own = store.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?;
            let me = store.load::<Contact>(&account)?.ok_or(Failure::NotFound)?;
            let card = own_card(&own)?;
            Ok(Me {
                name: own.name,
                address: me.address,
                account: account.to_string(),
                own_code: Side::derive(&card.body().identity, &account)
                    .groups()
                    .to_vec(),
                created_at: millis(me.added_at),
                revoked_at: own.revocation.map(|revocation| millis(revocation.at)),
                relay_shows,
                removed_at: own.removed_at.map(millis),
            })
        })
        .await
    }

    /// Everybody, by name.
    ///
    /// # Errors
    /// [`Failure::Locked`].
    pub async fn contacts(&self) -> Result<Vec<view::Contact>, Failure> {
        let me = self.signer().ok_or(Failure::Locked)?.account;
        self.with_store(move |store| {
            let own = own_side(store, &me)?;
            let mut contacts: Vec<Contact> = store.all()?;
            contacts.retain(|contact| contact.account != me);
            contacts.sort_by_cached_key(|contact| contact.petname.to_lowercase());
            Ok(contacts
                .iter()
                .map(|contact| shown(contact, &own))
                .collect())
        })
        .await
    }

    /// One contact.
    ///
    /// # Errors
    /// [`Failure::NotFound`].
    pub async fn contact(&self, account: String) -> Result<view::Contact, Failure> {
        let me = self.signer().ok_or(Failure::Locked)?.account;
        let account = id(&account)?;
        self.with_store(move |store| {
            let contact = store.load::<Contact>(&account)?.ok_or(Failure::NotFound)?;
            Ok(shown(&contact, &own_side(store, &me)?))
        })
        .await
    }

    /// Finds somebody at the relay, pins their card and fetches spare prekeys.
    ///
    /// # Errors
    /// [`Failure::AddressInvalid`], [`Failure::AddressUnknown`], [`Failure::AddressElsewhere`],
    /// [`Failure::ContactExists`], [`Failure::Relay`].
    pub async fn add_contact(&self, address: String) -> Result<view::Contact, Failure> {
        let address: Address = address.parse().map_err(|_| Failure::AddressInvalid)?;
        if address.relay != self.relay_name().await? {
            return Err(Failure::AddressElsewhere {
                relay: address.relay,
            });
        }
        let line = self.line().await?;
        let account = line.account_of(&address.name).await?;
        let me = self.signer().ok_or(Failure::Locked)?.account;
        if account == me {
            return Err(Failure::ContactExists);
        }
        let card = line.card(&account).await?;
        let now = self.now();
        let mut rng = self.chance.draw();
        self.with_store(move |store| {
            let fresh = directory::first(
                &account,
                &card,
                address.name.as_str(),
                &format!("{}@{}", address.name, address.relay),
                now,
            )
            .ok_or(Failure::Relay {
                reason: view::Reason::Rejected,
            })?;
            store.commit(&mut rng, |tx| {
                match tx.load::<Contact>(&account)? {
                    // Somebody who wrote first and was not in the list becomes a contact.
                    Some(mut known) if known.stranger => {
                        known.stranger = false;
                        known.address = fresh.address;
                        known.petname = fresh.petname;
                        tx.put(&known)?;
                    }
                    Some(_) => return Err(Failure::ContactExists),
                    None => tx.put(&fresh)?,
                }
                Ok(())
            })
        })
        .await?;
        // Adding worked; spare prekeys are fetched again before the first envelope is sealed.
        if let Err(failure) = self.fetch_spares(account).await {
            tracing::info!(%failure, "spare prekeys of a new contact are claimed later");
        }
        self.tell(Change::Contacts(Some(account.to_string())));
        self.contact(account.to_string()).await
    }

    /// Gives a contact another name here.
    ///
    /// # Errors
    /// [`Failure::NameInvalid`] for an empty or overlong one, [`Failure::NotFound`].
    pub async fn rename_contact(
        &self,
        account: String,
        name: String,
    ) -> Result<view::Contact, Failure> {
        let name = name.trim().to_owned();
        if name.is_empty() || name.chars().count() > 80 || name.chars().any(char::is_control) {
            return Err(Failure::NameInvalid);
        }
        self.change_contact(&account, move |contact, _| {
            contact.petname = name;
            contact.stranger = false;
            Ok(None)
        })
        .await
    }

    /// Forgets a contact; their envelopes stay.
    ///
    /// # Errors
    /// [`Failure::Locked`].
    pub async fn remove_contact(&self, account: String) -> Result<(), Failure> {
        // The pin and its evidence stay, so that coming back cannot hide a change of key.
        self.change_contact(&account, |contact, _| {
            contact.stranger = true;
            Ok(None)
        })
        .await
        .map(drop)
    }

    /// Keeps what comparing the key codes showed. A key that changed without proof is accepted when its
    /// code is the same. Codes that differ hold sending, also of what waits in the outbox, until they
    /// were found the same after all, or the person accepts the key.
    ///
    /// # Errors
    /// [`Failure::NotFound`].
    pub async fn mark_compared(
        &self,
        account: String,
        same: bool,
    ) -> Result<view::Contact, Failure> {
        let change = move |contact: &mut Contact, now| {
            if same {
                directory::accept(contact, now);
                contact.compared_at = Some(now);
                contact.held &= directory::is_revoked(contact);
                directory::note(contact, EvidenceKind::Compared, now, None);
                Ok(Some(ActivityKind::ContactCompared))
            } else {
                contact.compared_at = None;
                contact.held = true;
                directory::note(contact, EvidenceKind::ComparedDiffers, now, None);
                Ok(Some(ActivityKind::ContactChanged))
            }
        };
        let changed = self.change_contact(&account, change).await?;
        if changed.held {
            self.hold(id(&account)?, Reason::RecipientDiffers).await?;
        } else {
            self.go_on_with(id(&account)?).await?;
        }
        Ok(changed)
    }

    /// Accepts an unexplained change of key, or lets sending go on after codes differed.
    ///
    /// # Errors
    /// [`Failure::NotFound`]; [`Failure::ContactHeld`] when the key was revoked and there is no other
    /// to accept.
    pub async fn accept_change(&self, account: String) -> Result<view::Contact, Failure> {
        let changed = self
            .change_contact(&account, |contact, now| {
                if !directory::accept(contact, now) {
                    if directory::is_revoked(contact) {
                        return Err(Failure::ContactHeld {
                            account: contact.account.to_string(),
                        });
                    }
                    contact.held = false;
                    directory::note(contact, EvidenceKind::Accepted, now, None);
                }
                Ok(Some(ActivityKind::ContactAccepted))
            })
            .await?;
        self.go_on_with(id(&account)?).await?;
        Ok(changed)
    }

    /// What waited for the decision about a contact's key goes on, both ways.
    async fn go_on_with(&self, account: AccountId) -> Result<(), Failure> {
        self.release_held(account).await?;
        self.open_soon();
        self.wakers.upkeep.notify_one();
        Ok(())
    }

    async fn change_contact<F>(&self, account: &str, change: F) -> Result<view::Contact, Failure>
    where
        F: FnOnce(&mut Contact, u64) -> Result<Option<ActivityKind>, Failure> + Send + 'static,
    {
        let account: AccountId = id(account)?;
        let now = self.now();
        let mut rng = self.chance.draw();
        self.with_store(move |store| {
            store.commit(&mut rng, |tx| {
                let mut contact = tx.load::<Contact>(&account)?.ok_or(Failure::NotFound)?;
                if let Some(act) = change(&mut contact, now)? {
                    tx.record(now, act, &contact.petname)?;
                }
                Ok::<_, Failure>(tx.put(&contact)?)
            })
        })
        .await?;
        self.tell(Change::Contacts(Some(account.to_string())));
        self.contact(account.to_string()).await
    }

    /// Makes somebody who wrote first known, without making them a contact: their card is pinned.
    pub(crate) async fn meet(&self, line: &Line, account: AccountId) -> Result<(), Failure> {
        let card = line.card(&account).await?;
        let relay = line.info().await?.name;
        let name = line.name_of(&account).await.map(|name| name.to_string());
        let name = name.unwrap_or_else(|_| account.to_string().chars().take(8).collect());
        let now = self.now();
        let mut rng = self.chance.draw();
        self.with_store(move |store| {
            let mut fresh =
                directory::first(&account, &card, &name, &format!("{name}@{relay}"), now).ok_or(
                    Failure::Relay {
                        reason: view::Reason::Rejected,
                    },
                )?;
            fresh.stranger = true;
            store.commit(&mut rng, |tx| {
                if tx.load::<Contact>(&account)?.is_none() {
                    tx.put(&fresh)?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Asks the relays in turn for somebody's card, the present one first, and judges it.
    pub(crate) async fn look_everywhere(&self, account: AccountId) -> Result<Outcome, Failure> {
        for line in self.lines().await? {
            match self.look_again(&line, account).await {
                Err(Failure::AddressUnknown) => {}
                other => return other,
            }
        }
        Err(Failure::AddressUnknown)
    }

    /// Asks a relay for somebody's card, and whether their key was revoked, and judges both.
    pub(crate) async fn look_again(
        &self,
        line: &Line,
        account: AccountId,
    ) -> Result<Outcome, Failure> {
        // First: a key that was revoked has no word about what comes after it.
        let revoked = self.look_for_revocation(line, account).await?;
        let shown = line.card(&account).await?;
        let now = self.now();
        let rotations = self.rotations_to(line, account, &shown).await?;
        let mut rng = self.chance.draw();
        let outcome = self
            .with_store(move |store| {
                store.commit(&mut rng, |tx| {
                    let mut contact = tx.load::<Contact>(&account)?.ok_or(Failure::NotFound)?;
                    let outcome = directory::follow(&mut contact, &rotations, &shown, now);
                    tx.put(&contact)?;
                    Ok::<_, Failure>(outcome)
                })
            })
            .await?;
        if outcome != Outcome::Same || revoked {
            self.tell(Change::Contacts(Some(account.to_string())));
        }
        Ok(outcome)
    }

    /// The rotations between the pinned card and a shown one of another key: asked for only when the pinned
    /// key did not sign that one.
    async fn rotations_to(
        &self,
        line: &Line,
        account: AccountId,
        shown: &[u8],
    ) -> Result<Vec<Vec<u8>>, Failure> {
        let mut contact = self.find_contact(account).await?.ok_or(Failure::NotFound)?;
        let mut after = contact.card_version;
        let mut rotations = Vec::new();
        if directory::judge(&mut contact, shown, self.now()) != Outcome::Held {
            return Ok(rotations);
        }
        while rotations.len() < MOST_ROTATIONS {
            let more = line.rotations(&account, after).await?;
            let last = more.last().and_then(|card| Card::decode(card).ok());
            match last.map(|card| card.body().version) {
                Some(version) if version > after => after = version,
                _ => break,
            }
            rotations.extend(more);
        }
        Ok(rotations)
    }

    async fn look_for_revocation(&self, line: &Line, account: AccountId) -> Result<bool, Failure> {
        let statements = line.revocations(&account).await?;
        if statements.is_empty() {
            return Ok(false);
        }
        let now = self.now();
        let mut rng = self.chance.draw();
        let learned = self
            .with_store(move |store| {
                store.commit(&mut rng, |tx| {
                    let mut contact = tx.load::<Contact>(&account)?.ok_or(Failure::NotFound)?;
                    let mut learned = false;
                    for statement in &statements {
                        learned |= directory::learn_revocation(&mut contact, statement, now);
                    }
                    if learned {
                        tx.record(now, ActivityKind::ContactChanged, &contact.petname)?;
                        tx.put(&contact)?;
                    }
                    Ok::<_, Failure>(learned)
                })
            })
            .await?;
        if learned {
            self.hold(account, Reason::RecipientChanged).await?;
        }
        Ok(learned)
    }
}

/// Somebody, as a line of a list names them.
pub(crate) fn party(store: &Store, account: &AccountId, me: &AccountId) -> Result<Party, Failure> {
    let contact = store.load::<Contact>(account)?;
    let compared = match &contact {
        _ if account == me => ComparedState::You,
        Some(contact) => directory::compared(contact),
        None => ComparedState::NotCompared,
    };
    let (name, address) = contact.map_or_else(
        || (account.to_string().chars().take(8).collect(), String::new()),
        |contact| (contact.petname, contact.address),
    );
    Ok(Party {
        account: account.to_string(),
        name,
        address,
        compared,
    })
}

pub(crate) fn own_side(store: &Store, me: &AccountId) -> Result<Side, Failure> {
    let own = store.load::<OwnCard>(&())?.ok_or(Failure::NotFound)?;
    Ok(Side::derive(&own_card(&own)?.body().identity, me))
}

fn shown(contact: &Contact, own: &Side) -> view::Contact {
    let key_code = directory::to_compare(contact).map(|card| {
        let theirs = Side::derive(&card.body().identity, &contact.account);
        KeyCode::new(*own, theirs).groups().to_vec()
    });
    view::Contact {
        account: contact.account.to_string(),
        name: contact.petname.clone(),
        address: contact.address.clone(),
        added_at: millis(contact.added_at),
        compared: directory::compared(contact),
        compared_at: contact.compared_at.map(millis),
        key_code: key_code.unwrap_or_default(),
        evidence: contact
            .evidence
            .iter()
            .map(|evidence| view::Evidence {
                at: millis(evidence.at),
                kind: kind(evidence.kind),
            })
            .collect(),
        held: contact.held,
        stranger: contact.stranger,
    }
}

fn kind(kind: EvidenceKind) -> view::EvidenceKind {
    match kind {
        EvidenceKind::FirstSeen => view::EvidenceKind::First,
        EvidenceKind::FirstSeenRotated => view::EvidenceKind::FirstChanged,
        EvidenceKind::CardUpdated => view::EvidenceKind::Renewed,
        EvidenceKind::RotatedWithProof => view::EvidenceKind::SignedChange,
        EvidenceKind::ResetWithoutProof => view::EvidenceKind::UnexplainedChange,
        EvidenceKind::Compared => view::EvidenceKind::Compared,
        EvidenceKind::ComparedDiffers => view::EvidenceKind::Differed,
        EvidenceKind::Accepted => view::EvidenceKind::Accepted,
        EvidenceKind::Rollback => view::EvidenceKind::OlderShown,
        EvidenceKind::Fork => view::EvidenceKind::OtherShown,
        EvidenceKind::WeakerSuite => view::EvidenceKind::WeakerShown,
        EvidenceKind::Revoked => view::EvidenceKind::Revoked,
    }
}

/// An account id from the face.
pub(crate) fn id<T: std::str::FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| Failure::NotFound)
}

/// Seconds of the protocol as milliseconds of the face.
pub(crate) fn millis(seconds: u64) -> Millis {
    seconds.saturating_mul(1000)
}
