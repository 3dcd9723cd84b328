//! Reading long lists a page at a time.

use crate::engine::{Order, Raw};

/// Where a page ended; opaque, of this process only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub(crate) Vec<u8>);

/// Lower-case hex, to pass through a window and back.
impl core::fmt::Display for Cursor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl core::str::FromStr for Cursor {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        hex::decode(text).map(Self)
    }
}

/// Which page to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Read on from here; `None` is the beginning.
    pub after: Option<Cursor>,
    /// At most so many rows.
    pub limit: usize,
    /// Which way.
    pub order: Order,
}

impl Page {
    /// The first page, newest rows first.
    pub fn newest(limit: usize) -> Self {
        Self {
            after: None,
            limit,
            order: Order::NewestFirst,
        }
    }

    /// The first page, oldest rows first.
    pub fn oldest(limit: usize) -> Self {
        Self {
            after: None,
            limit,
            order: Order::OldestFirst,
        }
    }
}

/// A page of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing<T> {
    /// The rows, in the order asked for.
    pub rows: Vec<T>,
    /// Where to read on; `None` when this was the end.
    pub next: Option<Cursor>,
    /// How many rows the whole list has.
    pub total: u64,
}

/// The key to read on from after `rows`, when there may be more.
pub(crate) fn next(rows: &[Raw], limit: usize) -> Option<Vec<u8>> {
    let (key, _) = rows.last()?;
    (rows.len() == limit).then(|| key.clone())
}
