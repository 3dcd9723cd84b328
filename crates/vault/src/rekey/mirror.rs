//! One row of the old store as it is to be in the next: opened, named and sealed anew.
//!
//! Every rule makes the next store what the old one is *now*. So a row may be mirrored as often as
//! one likes, and in any order with others, as long as its last change is mirrored after it was made.

use rand_core::CryptoRng;
use waxwing_wire::ids::MessageId;
use zeroize::Zeroizing;

use crate::engine::{Change, Engine, Op};
use crate::keys::{Keys, decode};
use crate::rows::{
    Activity, Backup, Contact, Device, Draft, DropBox, History, MailBox, Message, OwnCard,
    PrekeySecret, Renewal, Replay, Row, Thread,
};
use crate::trees::{
    ENVELOPES, FETCHED, INBOX_PLACES, INCOMING, OWED, PLACED, PLAIN, SENT_PLACES, SUBMISSIONS,
    UNOPENED, WATCH,
};
use crate::{VaultError, lists};

/// A row of the old store: its tree, its key there, what it is now, and what it was if it is gone.
#[derive(Clone, Copy)]
pub(super) struct OldRow<'a> {
    pub(super) tree: &'static str,
    pub(super) key: &'a [u8],
    pub(super) now: Option<&'a [u8]>,
    pub(super) before: Option<&'a [u8]>,
}

/// Gathers what the next store has to change.
pub(super) struct Mirror<'a> {
    old: &'a dyn Engine,
    from: &'a Keys,
    to: &'a Keys,
    rng: &'a mut dyn CryptoRng,
    ops: Vec<Op>,
    /// Met an index row that does not say which envelope it is of: written before it did.
    pub(super) is_old_index: bool,
}

impl<'a> Mirror<'a> {
    pub(super) fn new(
        old: &'a dyn Engine,
        from: &'a Keys,
        to: &'a Keys,
        rng: &'a mut dyn CryptoRng,
    ) -> Self {
        Self {
            old,
            from,
            to,
            rng,
            ops: Vec::new(),
            is_old_index: false,
        }
    }

    pub(super) fn into_ops(self) -> Vec<Op> {
        self.ops
    }

    pub(super) fn row(&mut self, row: OldRow<'_>) -> Result<(), VaultError> {
        match row.tree {
            Contact::TREE => self.hidden::<Contact>(row),
            Device::TREE => self.hidden::<Device>(row),
            OwnCard::TREE => self.hidden::<OwnCard>(row),
            Thread::TREE => self.hidden::<Thread>(row),
            Renewal::TREE => self.hidden::<Renewal>(row),
            History::TREE => self.hidden::<History>(row),
            Replay::TREE => self.hidden::<Replay>(row),
            Draft::TREE => self.hidden::<Draft>(row),
            DropBox::TREE => self.hidden::<DropBox>(row),
            Backup::TREE => self.hidden::<Backup>(row),
            PrekeySecret::TREE => self.prekey(row),
            Message::TREE => self.message(row),
            Activity::TREE => self.numbered(row, Activity::SCHEMA).map(drop),
            INBOX_PLACES | SENT_PLACES => self.place(row),
            ENVELOPES => self.envelope(row),
            WATCH => self.watched(row),
            SUBMISSIONS | INCOMING | FETCHED | OWED | PLAIN => {
                self.carried(row);
                Ok(())
            }
            _ => Err(VaultError::Corrupt("tree without a rule")),
        }
    }

    /// A row found by a keyed hash of its name: the next key makes another hash.
    fn hidden<T: Row>(&mut self, row: OldRow<'_>) -> Result<(), VaultError> {
        if let Some(plain) = self.open(row, T::SCHEMA)? {
            let name = T::name(&decode::<T>(T::TREE, &plain)?.key());
            self.put_hidden(T::TREE, T::SCHEMA, &name, row.now.map(|_| plain.as_slice()))?;
        }
        Ok(())
    }

    /// A prekey stays under its week's key. One whose week's key was destroyed is gone.
    fn prekey(&mut self, row: OldRow<'_>) -> Result<(), VaultError> {
        const TREE: &str = PrekeySecret::TREE;
        let schema = PrekeySecret::SCHEMA;
        let Some(stored) = row.now.or(row.before) else {
            return Ok(());
        };
        let plain = match self.from.open_in_epoch((TREE, schema, row.key), stored) {
            Err(VaultError::EpochGone) => return Ok(()),
            plain => plain?,
        };
        let prekey: PrekeySecret = decode(TREE, &plain)?;
        let key = self.to.hide(TREE, &PrekeySecret::name(&prekey.kid))?;
        let place = (TREE, schema, key.as_slice());
        let change = match row.now {
            None => Change::Delete,
            Some(_) => {
                match self.to.seal_in_epoch(prekey.epoch, place, &plain, self.rng) {
                    // Destroyed just now.
                    Err(VaultError::EpochGone) => return Ok(()),
                    sealed => Change::Put(sealed?),
                }
            }
        };
        self.push(TREE, key, change);
        Ok(())
    }

    /// A message, whether it was looked at, and its envelopes of the time when the index did not
    /// name them.
    fn message(&mut self, row: OldRow<'_>) -> Result<(), VaultError> {
        let Some(plain) = self.open(row, Message::SCHEMA)? else {
            return Ok(());
        };
        let message: Message = decode(Message::TREE, &plain)?;
        let name = Message::name(&message.key());
        let value = row.now.map(|_| plain.as_slice());
        self.put_hidden(Message::TREE, Message::SCHEMA, &name, value)?;
        let waits = row.now.is_some() && message.mailbox == MailBox::Inbox && !message.opened;
        self.put_hidden(UNOPENED, lists::SCHEMA, &name, waits.then_some(&[]))?;
        for delivery in message
            .recipients
            .iter()
            .flat_map(|party| &party.deliveries)
        {
            self.old_index(delivery.envelope.as_ref())?;
        }
        Ok(())
    }

    /// A place in a list, and the message's way to it.
    fn place(&mut self, row: OldRow<'_>) -> Result<(), VaultError> {
        let Some(plain) = self.numbered(row, lists::SCHEMA)? else {
            return Ok(());
        };
        let key: (MailBox, MessageId) = lists::message_at(row.tree, &plain)?;
        let name = Message::name(&key);
        let placed = self.from.hide(PLACED, &name)?;
        let number = match self.old.load(PLACED, &placed)? {
            Some(stored) => Some(self.from.open(PLACED, lists::SCHEMA, &placed, &stored)?),
            None => None,
        };
        let number = number.as_ref().map(|number| number.as_slice());
        self.put_hidden(PLACED, lists::SCHEMA, &name, number)
    }

    /// The way from an envelope to its message.
    fn envelope(&mut self, row: OldRow<'_>) -> Result<(), VaultError> {
        if let Some(plain) = self.open(row, lists::SCHEMA)? {
            match plain.get(lists::NAME..) {
                Some([]) | None => self.is_old_index = true,
                Some(envelope) => {
                    let value = row.now.map(|_| plain.as_slice());
                    self.put_hidden(ENVELOPES, lists::SCHEMA, envelope, value)?;
                }
            }
        }
        Ok(())
    }

    /// What is watched may be an earlier envelope, which no message names any more.
    fn watched(&mut self, row: OldRow<'_>) -> Result<(), VaultError> {
        self.carried(row);
        match row.key.split_first_chunk::<16>() {
            Some((envelope, _)) => self.old_index(envelope),
            None => Err(VaultError::DoesNotOpen(WATCH)),
        }
    }

    /// Brings an index row that does not say which envelope it is of, now that one is at hand.
    pub(super) fn old_index(&mut self, envelope: &[u8]) -> Result<(), VaultError> {
        let key = self.from.hide(ENVELOPES, envelope)?;
        let Some(stored) = self.old.load(ENVELOPES, &key)? else {
            return self.put_hidden(ENVELOPES, lists::SCHEMA, envelope, None);
        };
        let name = self.from.open(ENVELOPES, lists::SCHEMA, &key, &stored)?;
        if name.len() > lists::NAME {
            return Ok(());
        }
        let value = [name.as_slice(), envelope].concat();
        self.put_hidden(ENVELOPES, lists::SCHEMA, envelope, Some(&value))
    }

    /// A row found by a running number, which stays.
    fn numbered(
        &mut self,
        row: OldRow<'_>,
        schema: u32,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let plain = self.open(row, schema)?;
        let change = match (row.now, &plain) {
            (Some(_), Some(plain)) => {
                Change::Put(self.to.seal(row.tree, schema, row.key, plain, self.rng)?)
            }
            _ => Change::Delete,
        };
        self.push(row.tree, row.key.to_vec(), change);
        Ok(plain)
    }

    /// A row that is readable while locked stays as it is.
    fn carried(&mut self, row: OldRow<'_>) {
        let change = row
            .now
            .map_or(Change::Delete, |now| Change::Put(now.to_vec()));
        self.push(row.tree, row.key.to_vec(), change);
    }

    /// What the row is, or was.
    fn open(&self, row: OldRow<'_>, schema: u32) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let stored = row.now.or(row.before);
        stored
            .map(|stored| self.from.open(row.tree, schema, row.key, stored))
            .transpose()
    }

    fn put_hidden(
        &mut self,
        tree: &'static str,
        schema: u32,
        name: &[u8],
        plain: Option<&[u8]>,
    ) -> Result<(), VaultError> {
        let key = self.to.hide(tree, name)?;
        let change = match plain {
            Some(plain) => Change::Put(self.to.seal(tree, schema, &key, plain, self.rng)?),
            None => Change::Delete,
        };
        self.push(tree, key, change);
        Ok(())
    }

    fn push(&mut self, tree: &'static str, key: Vec<u8>, change: Change) {
        self.ops.push(Op { tree, key, change });
    }
}
