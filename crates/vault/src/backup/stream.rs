//! Records into and out of the sealed stream, in constant memory.

use std::fs::File;
use std::io::{BufRead, Read as _, Write as _};

use waxwing_crypto::backup::{MAX_RECORD_LEN, Opener, Record, Sealer};
use waxwing_crypto::stream::{HEADER_LEN, SEGMENT_LEN, StreamError};
use zeroize::Zeroizing;

use super::MAX_BODY;
use crate::VaultError;

const CUT: VaultError = VaultError::Stream(StreamError::DoesNotOpen);

/// Where records go.
pub(crate) trait Records {
    /// Takes the next bytes.
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), VaultError>;

    /// Takes a head and the whole body.
    fn record(&mut self, head: &Record, body: &[u8]) -> Result<(), VaultError> {
        self.head(head)?;
        self.bytes(body)
    }

    /// Takes a head; as many bytes as it says must follow.
    fn head(&mut self, head: &Record) -> Result<(), VaultError> {
        let head = head.encode();
        let length = u16::try_from(head.len())
            .ok()
            .filter(|length| usize::from(*length) <= MAX_RECORD_LEN)
            .ok_or(VaultError::Corrupt("record"))?;
        self.bytes(&length.to_be_bytes())?;
        self.bytes(&head)
    }
}

/// Records in memory.
impl Records for Zeroizing<Vec<u8>> {
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), VaultError> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// Writes records into a sealed file.
pub(super) struct Out {
    file: File,
    sealer: Sealer,
    buffer: Zeroizing<Vec<u8>>,
}

impl Out {
    pub(super) fn new(mut file: File, sealer: Sealer) -> Result<Self, VaultError> {
        file.write_all(sealer.header())?;
        Ok(Self {
            file,
            sealer,
            // Never grows: a segment and its tag are at most that long.
            buffer: Zeroizing::new(Vec::with_capacity(SEGMENT_LEN)),
        })
    }

    /// Ends the stream and makes it durable; answers what opens it again.
    pub(super) fn finish(mut self) -> Result<Opener, VaultError> {
        self.seal(true)?;
        self.file.sync_all()?;
        Ok(self.sealer.opener())
    }

    fn seal(&mut self, is_last: bool) -> Result<(), VaultError> {
        self.sealer.seal(&mut self.buffer, is_last)?;
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl Records for Out {
    fn bytes(&mut self, mut bytes: &[u8]) -> Result<(), VaultError> {
        while !bytes.is_empty() {
            let capacity = self.sealer.capacity().ok_or(CUT)?;
            if self.buffer.len() == capacity {
                self.seal(false)?;
                continue;
            }
            let fits = (capacity - self.buffer.len()).min(bytes.len());
            let (now, later) = bytes.split_at(fits);
            self.buffer.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }
}

/// Where records come from, opened.
pub(crate) trait Segments {
    /// Puts the next bytes, at least one, into the empty `buffer`.
    fn next(&mut self, buffer: &mut Zeroizing<Vec<u8>>) -> Result<(), VaultError>;
    /// Nothing is left.
    fn is_over(&self) -> bool;
}

/// The segments of a sealed file.
pub(super) struct Sealed<'a, R> {
    source: R,
    opener: Opener,
    read: u64,
    /// Told how many bytes of the file are read.
    progress: &'a mut dyn FnMut(u64) -> bool,
}

/// Records in memory.
impl Segments for &[u8] {
    fn next(&mut self, buffer: &mut Zeroizing<Vec<u8>>) -> Result<(), VaultError> {
        if self.is_empty() {
            return Err(CUT);
        }
        buffer.extend_from_slice(std::mem::take(self));
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.is_empty()
    }
}

/// Reads records.
pub(crate) struct In<S> {
    source: S,
    buffer: Zeroizing<Vec<u8>>,
    at: usize,
}

/// What a stream begins with.
pub(super) fn stream_header(source: &mut impl BufRead) -> Result<[u8; HEADER_LEN], VaultError> {
    let mut header = [0; HEADER_LEN];
    source.read_exact(&mut header).map_err(cut)?;
    Ok(header)
}

impl<'a, R> Sealed<'a, R> {
    pub(super) fn new(source: R, opener: Opener, progress: &'a mut dyn FnMut(u64) -> bool) -> Self {
        Self {
            source,
            opener,
            read: 0,
            progress,
        }
    }
}

impl<R: BufRead> Segments for Sealed<'_, R> {
    fn next(&mut self, buffer: &mut Zeroizing<Vec<u8>>) -> Result<(), VaultError> {
        let length = self.opener.segment_len().ok_or(CUT)?;
        let read = self
            .source
            .by_ref()
            .take(length as u64)
            .read_to_end(buffer)?;
        let is_last = self.source.fill_buf()?.is_empty();
        self.opener.open(buffer, is_last)?;
        if buffer.is_empty() {
            // Only an empty stream has an empty segment, and there is none.
            return Err(CUT);
        }
        self.read += read as u64;
        if (self.progress)(self.read) {
            Ok(())
        } else {
            Err(VaultError::Cancelled)
        }
    }

    fn is_over(&self) -> bool {
        self.opener.segment_len().is_none()
    }
}

impl<S: Segments> In<S> {
    pub(crate) fn new(source: S) -> Self {
        Self {
            source,
            buffer: Zeroizing::new(Vec::with_capacity(SEGMENT_LEN)),
            at: 0,
        }
    }

    pub(crate) fn head(&mut self) -> Result<Record, VaultError> {
        let mut length = [0; 2];
        self.fill(&mut length)?;
        let length = usize::from(u16::from_be_bytes(length));
        if length > MAX_RECORD_LEN {
            return Err(VaultError::Corrupt("record"));
        }
        let mut head = vec![0; length];
        self.fill(&mut head)?;
        Ok(Record::decode(&head)?)
    }

    pub(crate) fn body(&mut self, head: &Record) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let length = head.length();
        if length > MAX_BODY {
            return Err(VaultError::Corrupt("record"));
        }
        let length = usize::try_from(length).map_err(|_| VaultError::Corrupt("record"))?;
        let mut body = Zeroizing::new(vec![0; length]);
        self.fill(&mut body)?;
        Ok(body)
    }

    /// The next bytes, at most `most` and at least one.
    pub(crate) fn some(&mut self, most: u64) -> Result<&[u8], VaultError> {
        if self.at == self.buffer.len() {
            self.segment()?;
        }
        let there = self.buffer.len() - self.at;
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(there);
        let from = self.at;
        self.at += length;
        self.buffer.get(from..self.at).ok_or(CUT)
    }

    /// Nothing is left.
    pub(crate) fn is_over(&self) -> bool {
        self.at == self.buffer.len() && self.source.is_over()
    }

    fn fill(&mut self, mut out: &mut [u8]) -> Result<(), VaultError> {
        while !out.is_empty() {
            let some = self.some(out.len() as u64)?;
            let (now, later) = out.split_at_mut(some.len());
            now.copy_from_slice(some);
            out = later;
        }
        Ok(())
    }

    fn segment(&mut self) -> Result<(), VaultError> {
        self.buffer.clear();
        self.at = 0;
        self.source.next(&mut self.buffer)
    }
}

/// A file that ends too early is damaged, and not a fault of the disk.
#[allow(clippy::needless_pass_by_value, reason = "stands in map_err")]
fn cut(error: std::io::Error) -> VaultError {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        CUT
    } else {
        error.into()
    }
}
