//! Brings the sealed attachments into the next store, each sealed anew under its key.
//!
//! What is inside stays byte for byte, and keeps the name of its sealing: so what came, went or was
//! sealed again meanwhile is seen by comparing two folders, and needs no notes. A file that a crash
//! cut off is begun again; one that has its name in the next store is whole and on the disk.

use rand_core::CryptoRng;
use waxwing_crypto::stream::{HEADER_LEN, SEGMENT_LEN};
use waxwing_wire::ids::AttachmentId;

use crate::VaultError;
use crate::files::{self, AtRest, Reader, Writer};
use crate::folder::sync_dir;
use crate::steps::{Step, reached};

/// Segments that are copied at a time: a moment's work, so that who pauses need not wait.
const STEP_SEGMENTS: usize = 4;
/// A disk with less room is full: what the store needs to go on is left to it.
const RESERVE_BYTES: u64 = 32 << 20;
/// So many files are compared before the commit. Ids are random, so these are drawn by lot.
const SAMPLE: usize = 16;

const DIFFERS: VaultError = VaultError::Corrupt("the next store's files differ from the old one's");

/// How far the files are, in this process.
#[derive(Default)]
pub(super) struct Copying {
    /// Every file that was there was copied once.
    pub(super) is_done: bool,
    left: Vec<AttachmentId>,
    now: Option<Copy>,
    buffer: Vec<u8>,
}

struct Copy {
    id: AttachmentId,
    from: Reader,
    to: Writer,
}

impl Copying {
    /// Copies a bounded part; answers whether there was anything to do.
    pub(super) fn step(
        &mut self,
        from: &AtRest,
        to: &AtRest,
        rng: &mut dyn CryptoRng,
    ) -> Result<bool, VaultError> {
        let begun = self
            .now
            .take()
            .map_or_else(|| self.next(from, to, rng), |copy| Ok(Some(copy)))?;
        let Some(mut copy) = begun else {
            self.is_done = true;
            return Ok(false);
        };
        if fs4::available_space(to.dir())? < RESERVE_BYTES {
            return Err(VaultError::DiskFull);
        }
        for _ in 0..STEP_SEGMENTS {
            self.buffer.clear();
            if copy.from.read(SEGMENT_LEN, &mut self.buffer)? == 0 {
                reached(Step::FileCopied);
                let draft = copy.to.finish()?;
                reached(Step::FileSynced);
                draft.keep(&to.path(copy.id))?;
                reached(Step::FilePlaced);
                return Ok(true);
            }
            copy.to.write(&self.buffer)?;
        }
        self.now = Some(copy);
        Ok(true)
    }

    /// Copies every file that is there now, to the end.
    pub(super) fn all(
        &mut self,
        from: &AtRest,
        to: &AtRest,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        while self.step(from, to, rng)? && !(self.left.is_empty() && self.now.is_none()) {}
        Ok(())
    }

    /// Begins the next file that lacks; looks for them when none is known.
    fn next(
        &mut self,
        from: &AtRest,
        to: &AtRest,
        rng: &mut dyn CryptoRng,
    ) -> Result<Option<Copy>, VaultError> {
        if self.left.is_empty() {
            self.left = lacking(from, to)?;
        }
        while let Some(id) = self.left.pop() {
            let source = match from.open(id) {
                // Removed meanwhile.
                Err(VaultError::Missing(_)) => continue,
                source => source?,
            };
            let target = to.write(id, source.sealing(), source.length(), rng)?;
            let (from, to) = (source, target);
            return Ok(Some(Copy { id, from, to }));
        }
        Ok(None)
    }
}

/// The files that the next store lacks, or has as they were before they were sealed again. Removes
/// from it what is gone, and what a crash left.
fn lacking(from: &AtRest, to: &AtRest) -> Result<Vec<AttachmentId>, VaultError> {
    to.clear_drafts()?;
    let mut lacking = Vec::new();
    let there = from.ids()?;
    for id in &there {
        let source = match from.look(*id) {
            Err(VaultError::Missing(_)) => continue,
            source => source?,
        };
        let copy = to.look(*id);
        let is_there = copy.is_ok_and(|copy| copy.sealing() == source.sealing());
        if !is_there {
            lacking.push(*id);
        }
    }
    for id in to.ids()? {
        if there.binary_search(&id).is_err() {
            files::remove(&to.path(id))?;
        }
    }
    Ok(lacking)
}

/// Counts the copies, and compares some of them; makes them durable. Nobody else may place or remove
/// files meanwhile.
pub(super) fn check(from: &AtRest, to: &AtRest) -> Result<(), VaultError> {
    let there = from.ids()?;
    if to.ids()? != there {
        return Err(DIFFERS);
    }
    for id in &there {
        let (old, new) = (from.look(*id)?, to.look(*id)?);
        if (old.length, old.sealing()) != (new.length, new.sealing()) {
            return Err(DIFFERS);
        }
    }
    for id in there.iter().take(SAMPLE) {
        let (mut old, mut new) = (from.open(*id)?, to.open(*id)?);
        let last = old.length().saturating_sub(HEADER_LEN as u64);
        for offset in [0, last] {
            if part(&mut old, offset)? != part(&mut new, offset)? {
                return Err(DIFFERS);
            }
        }
    }
    Ok(sync_dir(to.dir())?)
}

fn part(of: &mut Reader, offset: u64) -> Result<[u8; HEADER_LEN], VaultError> {
    let mut part = [0; HEADER_LEN];
    of.seek(offset)?;
    of.read_exact(&mut part)?;
    Ok(part)
}

/// Bytes of files in the next store, and in all.
pub(super) fn progress(from: &AtRest, to: &AtRest) -> Result<(u64, u64), VaultError> {
    let total = from.size_on_disk()?;
    Ok((to.size_on_disk()?.min(total), total))
}
