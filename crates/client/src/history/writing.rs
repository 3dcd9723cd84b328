//! What goes into a history, and in which order: small rows, messages, pieces of attachments.

use crate::failure::Failure;
use crate::view::Settings;
use waxwing_crypto::stream::SEGMENT_LEN;
use waxwing_vault::history::{Item, PartWriter};
use waxwing_vault::rows::{Contact, Device, HistoryPlace, MailBox, Message, Thread};
use waxwing_vault::{Files, Order, Page, SealedFile, Store, VaultError};
use waxwing_wire::ids::{AccountId, MessageId};

/// Messages that are read at a time.
const PAGE: usize = 16;
/// What a row is foreseen to take, in bytes.
const ROW_BYTES: u64 = 2048;

/// What a history is made of.
pub(super) struct Source<'a> {
    pub(super) store: &'a Store,
    pub(super) files: &'a Files,
    pub(super) me: AccountId,
    pub(super) settings: &'a Settings,
}

impl Source<'_> {
    /// How many bytes it will be, about.
    pub(super) fn foresee(&self) -> Result<u64, Failure> {
        let rows = self.store.count::<Contact>()?
            + self.store.count::<Thread>()?
            + self.store.count::<Message>()?;
        let mut total = rows * ROW_BYTES;
        for list in [MailBox::Inbox, MailBox::Sent] {
            let mut page = Page::newest(256);
            loop {
                let listing = self.store.messages(list, &page)?;
                for head in listing.rows.iter().filter(|head| head.attachments > 0) {
                    for file in self
                        .message(list, head.id)?
                        .into_iter()
                        .flat_map(|m| m.attachments)
                    {
                        if self.files.has(file.id) {
                            total += file.sealed_length;
                        }
                    }
                }
                match listing.next {
                    Some(next) => page.after = Some(next),
                    None => break,
                }
            }
        }
        Ok(total)
    }

    fn message(&self, list: MailBox, id: MessageId) -> Result<Option<Message>, Failure> {
        Ok(self.store.load::<Message>(&(list, id))?)
    }

    /// Writes what stands at a place; gives the next one.
    pub(super) fn write(
        &self,
        place: HistoryPlace,
        part: &mut PartWriter,
    ) -> Result<HistoryPlace, Failure> {
        match place {
            HistoryPlace::Rows => self.rows(part),
            HistoryPlace::Messages(list, after) => self.messages(list, after.as_deref(), part),
            HistoryPlace::Files {
                list,
                after,
                number,
                offset,
            } => self.files(list, after.as_deref(), (number, offset), part),
            HistoryPlace::End => Ok(HistoryPlace::End),
        }
    }

    fn rows(&self, part: &mut PartWriter) -> Result<HistoryPlace, Failure> {
        for contact in self.store.all::<Contact>()? {
            // Prekeys claimed ahead are for the messages of this device alone.
            let spares = Vec::new();
            if contact.account != self.me {
                part.add(&Item::Contact(Box::new(Contact { spares, ..contact })))?;
            }
        }
        for device in self.store.all::<Device>()? {
            part.add(&Item::Device(device))?;
        }
        for thread in self.store.all::<Thread>()? {
            part.add(&Item::Thread(thread))?;
        }
        let settings =
            serde_json::to_vec(self.settings).map_err(|_| Failure::internal("settings"))?;
        part.add(&Item::Settings(settings))?;
        Ok(HistoryPlace::Messages(MailBox::Inbox, None))
    }

    fn messages(
        &self,
        list: MailBox,
        after: Option<&str>,
        part: &mut PartWriter,
    ) -> Result<HistoryPlace, Failure> {
        let listing = self.store.messages(list, &page(after, PAGE)?)?;
        for head in &listing.rows {
            let Some(mut message) = self.message(list, head.id)? else {
                continue;
            };
            // How far it is, only the device knows that sent it.
            for party in &mut message.recipients {
                party.deliveries = Vec::new();
            }
            part.add(&Item::Message(Box::new(message)))?;
        }
        Ok(match (listing.next, list) {
            (Some(next), _) => HistoryPlace::Messages(list, Some(next.to_string())),
            (None, MailBox::Inbox) => HistoryPlace::Messages(MailBox::Sent, None),
            (None, MailBox::Sent) => first_file(MailBox::Inbox, None),
        })
    }

    fn files(
        &self,
        list: MailBox,
        after: Option<&str>,
        (number, offset): (usize, u64),
        part: &mut PartWriter,
    ) -> Result<HistoryPlace, Failure> {
        let listing = self.store.messages(list, &page(after, 1)?)?;
        let next_message = || match (listing.next.clone(), list) {
            (Some(next), _) => first_file(list, Some(next.to_string())),
            (None, MailBox::Inbox) => first_file(MailBox::Sent, None),
            (None, MailBox::Sent) => HistoryPlace::End,
        };
        let head = listing.rows.first().filter(|head| head.attachments > 0);
        let message = match head {
            Some(head) => self.message(list, head.id)?,
            None => None,
        };
        let Some(file) = message.and_then(|message| message.attachments.into_iter().nth(number))
        else {
            return Ok(next_message());
        };
        let at = |number, offset| HistoryPlace::Files {
            list,
            after: after.map(str::to_owned),
            number,
            offset,
        };
        let bytes = match self.files.read(file.id, offset, SEGMENT_LEN) {
            // It is not here whole, or not any more.
            Err(VaultError::Missing(_)) => Vec::new(),
            bytes => bytes?,
        };
        if bytes.is_empty() {
            return Ok(at(number + 1, 0));
        }
        let next = offset + bytes.len() as u64;
        part.add(&Item::Piece {
            file: SealedFile {
                id: file.id,
                length: file.length,
                sealed_length: file.sealed_length,
                sha256: file.sha256,
            },
            offset,
            bytes,
        })?;
        Ok(if next < file.sealed_length {
            at(number, next)
        } else {
            at(number + 1, 0)
        })
    }
}

fn first_file(list: MailBox, after: Option<String>) -> HistoryPlace {
    HistoryPlace::Files {
        list,
        after,
        number: 0,
        offset: 0,
    }
}

fn page(after: Option<&str>, limit: usize) -> Result<Page, Failure> {
    let after = after.map(str::parse).transpose();
    Ok(Page {
        after: after.map_err(|_| Failure::Corrupt)?,
        limit,
        order: Order::NewestFirst,
    })
}
