//! The encoding of a run.
//!
//! ```text
//! header   "VDRUNS" version:u16 width:u8 weighted:u8 identity:[32] shard:u32 shards:u32 crc:u32
//! block    entries:u32 (above 0) bytes:u32 payload crc:u32            any number of times
//! trailer  0:u32 entries:u64 positives:u64 negatives:u64 crc:u32      then the end
//! ```
//!
//! Integers are little-endian; a CRC-32 covers what stands before it in its part. The payload
//! holds, per entry, the distance of the key from the one before (absolute at the start of a
//! block) as a LEB128 integer, the weight as eight bytes if the run is weighted, and the
//! counts: 0 for one negative row, 1 for one positive, else 2 and both counts. A million
//! single-precision scores take some 4 MB.

use std::io::{self, Read, Write};

use super::Entry;
use crate::score::{RankedScores, key_double, key_of_single, score_of_single};

const MAGIC: &[u8; 6] = b"VDRUNS";
/// The version that is written, and the newest that is read.
const VERSION: u16 = 1;
const ENTRIES_OF_BLOCK: u32 = 16_384;
/// Ten bytes for each of three integers, eight for the weight, one for the tag.
const ENTRY_BYTES_MAXIMUM: usize = 39;

/// How keys are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyWidth {
    /// Every output is exactly representable in single precision.
    Single,
    /// Any output.
    Double,
}

/// What a run belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunHeader {
    /// How keys are written.
    pub width: KeyWidth,
    /// Whether entries carry weights.
    pub weighted: bool,
    /// A digest over everything that shards must have in common: model, dataset, settings.
    pub identity: [u8; 32],
    /// Which shard this is, from 0.
    pub shard: u32,
    /// How many shards there are.
    pub shards: u32,
}

/// What a whole run holds, repeated at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunTotals {
    /// Entries.
    pub entries: u64,
    /// Rows of the positive class.
    pub positives: u64,
    /// Rows of the negative class.
    pub negatives: u64,
}

impl RunTotals {
    fn add(&mut self, entry: &Entry) -> Option<()> {
        self.entries += 1;
        self.positives = self.positives.checked_add(entry.positives)?;
        self.negatives = self.negatives.checked_add(entry.negatives)?;
        Some(())
    }
}

/// Why a run cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The file, pipe or object failed.
    #[error("failed to read or write the run")]
    Io(#[source] io::Error),
    /// The bytes are no run at all.
    #[error("this is no summary of scores: it does not begin with `VDRUNS`")]
    NotARun,
    /// The run was written by a newer program.
    #[error("the summary has version {found}; this program reads up to {VERSION}")]
    NewerVersion {
        /// The version found.
        found: u16,
    },
    /// The bytes end too early.
    #[error("the summary is cut off")]
    Truncated,
    /// The bytes were changed, or were never right.
    #[error("the summary is damaged: {what}")]
    Damaged {
        /// What does not hold.
        what: &'static str,
    },
    /// Entries must ascend strictly.
    #[error("entries do not ascend")]
    Order,
    /// A key does not fit the width that was chosen.
    #[error("the output {score} is not representable in single precision")]
    Width {
        /// The output.
        score: f64,
    },
    /// A weight other than 1 in a run without weights.
    #[error("a weighted row in a summary without weights")]
    Weighted,
    /// More rows than a run can count.
    #[error("more rows than a summary can count")]
    TooManyRows,
}

fn damaged(what: &'static str) -> RunError {
    RunError::Damaged { what }
}

/// Writes a run entry by entry.
#[derive(Debug)]
pub struct RunWriter<W: Write> {
    sink: W,
    header: RunHeader,
    totals: RunTotals,
    last: Option<(u64, u64)>,
    key_before: u64,
    entries: u32,
    payload: Vec<u8>,
}

impl<W: Write> RunWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn new(mut sink: W, header: RunHeader) -> Result<Self, RunError> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.push(u8::from(header.width == KeyWidth::Double));
        bytes.push(u8::from(header.weighted));
        bytes.extend(header.identity);
        bytes.extend(header.shard.to_le_bytes());
        bytes.extend(header.shards.to_le_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        sink.write_all(&bytes).map_err(RunError::Io)?;
        Ok(Self {
            sink,
            header,
            totals: RunTotals::default(),
            last: None,
            key_before: 0,
            entries: 0,
            payload: Vec::new(),
        })
    }

    /// Adds the next entry, above the one before; one without rows is left out.
    ///
    /// # Errors
    /// [`RunError::Order`], [`RunError::Width`], [`RunError::Weighted`],
    /// [`RunError::TooManyRows`], [`RunError::Io`].
    pub fn push(&mut self, entry: &Entry) -> Result<(), RunError> {
        if entry.positives == 0 && entry.negatives == 0 {
            return Ok(());
        }
        if self.last.is_some_and(|last| last >= entry.order()) {
            return Err(RunError::Order);
        }
        if !self.header.weighted && entry.weight() != 1.0 {
            return Err(RunError::Weighted);
        }
        let key = match self.header.width {
            KeyWidth::Double => entry.key(),
            KeyWidth::Single => {
                let score = entry.score();
                if !entry.is_single() {
                    return Err(RunError::Width { score });
                }
                u64::from(key_of_single(score as f32))
            }
        };
        self.totals.add(entry).ok_or(RunError::TooManyRows)?;
        self.last = Some(entry.order());
        put(&mut self.payload, key - self.key_before);
        self.key_before = key;
        if self.header.weighted {
            self.payload.extend(entry.weight().to_le_bytes());
        }
        match (entry.positives, entry.negatives) {
            (0, 1) => self.payload.push(0),
            (1, 0) => self.payload.push(1),
            (positives, negatives) => {
                self.payload.push(2);
                put(&mut self.payload, positives);
                put(&mut self.payload, negatives);
            }
        }
        self.entries += 1;
        if self.entries == ENTRIES_OF_BLOCK {
            self.flush_block()?;
        }
        Ok(())
    }

    /// Adds all rows of one shard, or of one part that is spilled, above the entries before.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn push_scores(&mut self, scores: &RankedScores) -> Result<(), RunError> {
        let mut outcome = Ok(());
        scores.for_each_tie_group(|group| {
            let entry = Entry::new(group.score, group.positives, group.negatives);
            if let (Ok(()), Some(entry)) = (&outcome, entry) {
                outcome = self.push(&entry);
            }
        });
        outcome
    }

    fn flush_block(&mut self) -> Result<(), RunError> {
        if self.entries == 0 {
            return Ok(());
        }
        let mut block = Vec::with_capacity(self.payload.len() + 12);
        block.extend(self.entries.to_le_bytes());
        block.extend((self.payload.len() as u32).to_le_bytes());
        block.append(&mut self.payload);
        block.extend(crc32fast::hash(&block).to_le_bytes());
        self.entries = 0;
        self.key_before = 0;
        self.sink.write_all(&block).map_err(RunError::Io)
    }

    /// Writes the trailer and returns the sink and what was written.
    ///
    /// # Errors
    /// [`RunError::Io`]; the run is then not whole.
    pub fn finish(mut self) -> Result<(W, RunTotals), RunError> {
        self.flush_block()?;
        let mut bytes = 0u32.to_le_bytes().to_vec();
        for count in [
            self.totals.entries,
            self.totals.positives,
            self.totals.negatives,
        ] {
            bytes.extend(count.to_le_bytes());
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        self.sink.write_all(&bytes).map_err(RunError::Io)?;
        self.sink.flush().map_err(RunError::Io)?;
        Ok((self.sink, self.totals))
    }
}

/// Returns the checksum that runs carry (CRC-32), for what is written beside them.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Reads a run entry by entry; an iterator that ends after the first error. Memory is bounded
/// whatever the bytes say.
#[derive(Debug)]
pub struct RunReader<R: Read> {
    source: R,
    header: RunHeader,
    totals: RunTotals,
    last: Option<(u64, u64)>,
    key_before: u64,
    left: u32,
    payload: Vec<u8>,
    at: usize,
    done: bool,
}

impl<R: Read> RunReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn new(mut source: R) -> Result<Self, RunError> {
        let mut magic = [0; 6];
        fill(&mut source, &mut magic).map_err(|error| match error {
            RunError::Truncated => RunError::NotARun,
            other => other,
        })?;
        if &magic != MAGIC {
            return Err(RunError::NotARun);
        }
        let mut rest = [0; 48];
        fill(&mut source, &mut rest[..2])?;
        let version = u16::from_le_bytes([rest[0], rest[1]]);
        if version > VERSION {
            return Err(RunError::NewerVersion { found: version });
        }
        fill(&mut source, &mut rest[2..])?;
        let mut crc = crc32fast::Hasher::new();
        crc.update(&magic);
        crc.update(&rest[..44]);
        if crc.finalize() != integer(&rest[44..]) {
            return Err(damaged("the checksum of the header does not match"));
        }
        let mut identity = [0; 32];
        identity.copy_from_slice(&rest[4..36]);
        let header = RunHeader {
            width: match rest[2] {
                0 => KeyWidth::Single,
                1 => KeyWidth::Double,
                _ => return Err(damaged("the key width is unknown")),
            },
            weighted: rest[3] != 0,
            identity,
            shard: integer(&rest[36..40]),
            shards: integer(&rest[40..44]),
        };
        Ok(Self {
            source,
            header,
            totals: RunTotals::default(),
            last: None,
            key_before: 0,
            left: 0,
            payload: Vec::new(),
            at: 0,
            done: version == 0,
        })
    }

    /// Returns what the run belongs to.
    #[must_use]
    pub const fn header(&self) -> &RunHeader {
        &self.header
    }

    /// Returns what was read so far; of the whole run once the iterator has ended.
    #[must_use]
    pub const fn totals(&self) -> &RunTotals {
        &self.totals
    }

    fn step(&mut self) -> Result<Option<Entry>, RunError> {
        if self.left == 0 && !self.open_block()? {
            return Ok(None);
        }
        let distance = self.take()?;
        let key = self
            .key_before
            .checked_add(distance)
            .ok_or(damaged("a key is out of range"))?;
        self.key_before = key;
        let key = match self.header.width {
            KeyWidth::Double => key,
            KeyWidth::Single => {
                let key = u32::try_from(key).map_err(|_| damaged("a key is out of range"))?;
                let score = score_of_single(key);
                if score.is_nan() || key_of_single(score) != key {
                    return Err(damaged("a key stands for no number"));
                }
                key_double(f64::from(score))
            }
        };
        let weight = if self.header.weighted {
            let bytes = self
                .payload
                .get(self.at..self.at + 8)
                .ok_or(damaged("an entry is cut off"))?;
            self.at += 8;
            let mut weight = [0; 8];
            weight.copy_from_slice(bytes);
            f64::from_le_bytes(weight)
        } else {
            1.0
        };
        let tag = *self
            .payload
            .get(self.at)
            .ok_or(damaged("an entry is cut off"))?;
        self.at += 1;
        let (positives, negatives) = match tag {
            0 => (0, 1),
            1 => (1, 0),
            2 => (self.take()?, self.take()?),
            _ => return Err(damaged("the tag of an entry is unknown")),
        };
        if positives == 0 && negatives == 0 {
            return Err(damaged("an entry has no rows"));
        }
        let entry = Entry::of_key(key, weight, positives, negatives)
            .ok_or(damaged("an entry is no number"))?;
        if self.last.is_some_and(|last| last >= entry.order()) {
            return Err(damaged("entries do not ascend"));
        }
        self.last = Some(entry.order());
        self.totals.add(&entry).ok_or(RunError::TooManyRows)?;
        self.left -= 1;
        if self.left == 0 && self.at != self.payload.len() {
            return Err(damaged("a block is longer than its entries"));
        }
        Ok(Some(entry))
    }

    /// Reads the next block; false after a whole and matching trailer.
    fn open_block(&mut self) -> Result<bool, RunError> {
        let mut word = [0; 4];
        fill(&mut self.source, &mut word)?;
        let entries = u32::from_le_bytes(word);
        if entries == 0 {
            self.close(word)?;
            return Ok(false);
        }
        let mut crc = crc32fast::Hasher::new();
        crc.update(&word);
        fill(&mut self.source, &mut word)?;
        crc.update(&word);
        let bytes = u32::from_le_bytes(word) as usize;
        if entries > ENTRIES_OF_BLOCK || bytes > ENTRIES_OF_BLOCK as usize * ENTRY_BYTES_MAXIMUM {
            return Err(damaged("a block is too large"));
        }
        self.payload.resize(bytes, 0);
        fill(&mut self.source, &mut self.payload)?;
        crc.update(&self.payload);
        fill(&mut self.source, &mut word)?;
        if crc.finalize() != u32::from_le_bytes(word) {
            return Err(damaged("the checksum of a block does not match"));
        }
        self.left = entries;
        self.at = 0;
        self.key_before = 0;
        Ok(true)
    }

    fn close(&mut self, zero: [u8; 4]) -> Result<(), RunError> {
        let mut trailer = [0; 28];
        fill(&mut self.source, &mut trailer)?;
        let mut crc = crc32fast::Hasher::new();
        crc.update(&zero);
        crc.update(&trailer[..24]);
        if crc.finalize() != integer(&trailer[24..]) {
            return Err(damaged("the checksum of the trailer does not match"));
        }
        let count = |at: usize| {
            u64::from(integer(&trailer[at..])) | (u64::from(integer(&trailer[at + 4..])) << 32)
        };
        let expected = RunTotals {
            entries: count(0),
            positives: count(8),
            negatives: count(16),
        };
        if expected != self.totals {
            return Err(damaged("the totals do not match the entries"));
        }
        if fill(&mut self.source, &mut [0]).is_ok() {
            return Err(damaged("bytes follow the end"));
        }
        Ok(())
    }

    fn take(&mut self) -> Result<u64, RunError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self
                .payload
                .get(self.at)
                .ok_or(damaged("an entry is cut off"))?;
            self.at += 1;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                break;
            }
            value |= part << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(damaged("an integer is too long"))
    }
}

impl<R: Read> Iterator for RunReader<R> {
    type Item = Result<Entry, RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step();
        self.done = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}

/// Returns the little-endian integer at the start of the bytes.
fn integer(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .take(4)
        .rev()
        .fold(0, |value, &byte| (value << 8) | u32::from(byte))
}

fn fill(source: &mut impl Read, bytes: &mut [u8]) -> Result<(), RunError> {
    source.read_exact(bytes).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            RunError::Truncated
        } else {
            RunError::Io(error)
        }
    })
}
