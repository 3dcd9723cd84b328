//! The pipeline: two threads take segments in order, work on them and write them at their place,
//! while the calling thread follows in order, hashing and telling progress. What is sealed is written
//! by the one who follows, because it is sealed once more in order.
//!
//! There are [`BUFFERS`] buffers of one segment each and no more: a worker takes a buffer before it
//! takes a segment, so memory does not depend on the file's length, and whoever holds the lowest
//! segment always has the buffer to finish it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use waxwing_crypto::stream::{Opener, SEGMENT_LEN, Sealer, StreamError, Ticket};
use waxwing_wire::ids::Digest;
use zeroize::Zeroizing;

use super::{Progress, Reader, Writer};
use crate::VaultError;

const WORKERS: usize = 2;
const BUFFERS: usize = 8;

/// Seals `source` into `target`; answers the SHA-256 of the ciphertext.
pub(super) fn seal(
    mut source: impl Read + Send,
    sealer: Sealer,
    target: &mut Writer,
    progress: Progress<'_>,
) -> Result<Digest, VaultError> {
    let plan = *sealer.plan();
    target.write(sealer.header())?;
    let mut hash = Sha256::new();
    hash.update(sealer.header());
    let mut sealer = sealer;
    run(
        plan.segments(),
        |buffer: &mut Vec<u8>| {
            let Some(ticket) = sealer.next_ticket() else {
                return Ok(None);
            };
            read_exactly(&mut source, ticket.true_bytes(), buffer)?;
            Ok(Some(ticket))
        },
        |ticket: Ticket, buffer| {
            let index = ticket.index();
            ticket.seal(buffer)?;
            Ok(index)
        },
        |index, buffer| {
            hash.update(buffer);
            target.write(buffer)?;
            Ok(progress(plan.sealed_range(index).end, plan.sealed_length()))
        },
    )?;
    if source.take(1).read(&mut [0])? != 0 {
        // It grew while it was read.
        return Err(StreamError::WrongLength.into());
    }
    Ok(Digest::new(hash.finalize().into()))
}

/// Opens `source`, which stands behind its header, into `target`.
pub(super) fn open(
    source: &mut Reader,
    opener: &Opener,
    target: &File,
    progress: Progress<'_>,
) -> Result<(), VaultError> {
    let plan = *opener.plan();
    let mut next = 0;
    run(
        plan.segments(),
        |buffer: &mut Vec<u8>| {
            if next == plan.segments() {
                return Ok(None);
            }
            let index = next;
            next += 1;
            let range = plan.sealed_range(index);
            // A segment is at most 1 MiB.
            let length = usize::try_from(range.end - range.start).unwrap_or(SEGMENT_LEN);
            buffer.clear();
            source.read(length, buffer)?;
            Ok(Some(index))
        },
        |index: u32, buffer| {
            opener.open_segment(index, buffer)?;
            write_at(target, buffer, plan.plain_range(index).start)?;
            Ok(index)
        },
        |index, _| {
            let done = plan.plain_range(index).end.min(plan.length());
            Ok(progress(done, plan.length()))
        },
    )
}

/// Runs `take` (one at a time, in order), `work` (in parallel) and `follow` (in order).
fn run<J: Send>(
    segments: u32,
    take: impl FnMut(&mut Vec<u8>) -> Result<Option<J>, VaultError> + Send,
    work: impl Fn(J, &mut Vec<u8>) -> Result<u32, VaultError> + Sync,
    mut follow: impl FnMut(u32, &[u8]) -> Result<bool, VaultError>,
) -> Result<(), VaultError> {
    let (free, buffers) = sync_channel::<Buffer>(BUFFERS);
    for _ in 0..BUFFERS {
        // The channel has room for all of them.
        let _ = free.send(Zeroizing::new(Vec::with_capacity(SEGMENT_LEN)));
    }
    let (done, finished) = sync_channel(BUFFERS);
    let feed = Mutex::new((take, buffers));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            let done = done.clone();
            let (feed, work) = (&feed, &work);
            scope.spawn(move || worker(feed, work, &done));
        }
        drop(done);
        // Both channels end with this closure, which ends the workers wherever they are.
        follow_in_order(segments, finished, free, &mut follow)
    })
}

/// Held plaintext at some time: wiped when it is let go.
type Buffer = Zeroizing<Vec<u8>>;

type Finished = Result<(u32, Buffer), VaultError>;

fn worker<J>(
    feed: &Mutex<(
        impl FnMut(&mut Vec<u8>) -> Result<Option<J>, VaultError>,
        Receiver<Buffer>,
    )>,
    work: &impl Fn(J, &mut Vec<u8>) -> Result<u32, VaultError>,
    done: &SyncSender<Finished>,
) {
    loop {
        let taken = {
            let mut feed = feed.lock().unwrap_or_else(PoisonError::into_inner);
            let Ok(mut buffer) = feed.1.recv() else {
                return;
            };
            match (feed.0)(&mut buffer) {
                Ok(None) => return,
                Ok(Some(job)) => Ok((job, buffer)),
                Err(error) => Err(error),
            }
        };
        let result = taken.and_then(|(job, mut buffer)| Ok((work(job, &mut buffer)?, buffer)));
        let failed = result.is_err();
        if done.send(result).is_err() || failed {
            return;
        }
    }
}

#[allow(clippy::needless_pass_by_value)] // taken by value so that the channels end with it
fn follow_in_order(
    segments: u32,
    finished: Receiver<Finished>,
    free: SyncSender<Buffer>,
    follow: &mut impl FnMut(u32, &[u8]) -> Result<bool, VaultError>,
) -> Result<(), VaultError> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    while next < segments {
        let (index, buffer) = finished
            .recv()
            .map_err(|_| VaultError::Io(io::ErrorKind::BrokenPipe))??;
        early.insert(index, buffer);
        while let Some(mut buffer) = early.remove(&next) {
            if !follow(next, &buffer)? {
                return Err(VaultError::Cancelled);
            }
            buffer.clear();
            // Workers that have nothing left to do no longer listen.
            let _ = free.send(buffer);
            next += 1;
        }
    }
    Ok(())
}

fn read_exactly(
    source: &mut impl Read,
    length: usize,
    buffer: &mut Vec<u8>,
) -> Result<(), VaultError> {
    buffer.clear();
    source.take(length as u64).read_to_end(buffer)?;
    if buffer.len() == length {
        Ok(())
    } else {
        Err(StreamError::WrongLength.into())
    }
}

#[cfg(unix)]
fn write_at(target: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(target, bytes, offset)
}

#[cfg(windows)]
fn write_at(target: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt as _;
    while !bytes.is_empty() {
        let written = target.seek_write(bytes, offset)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
        offset += written as u64;
    }
    Ok(())
}
