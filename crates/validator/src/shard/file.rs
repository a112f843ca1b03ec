//! The file that a shard leaves.
//!
//! ```text
//! "VSHARD" version:u16   runs, one after the other   facts: JSON
//! bytes_of_facts:u64 crc:u32 (of the facts) "VSHARD" version:u16
//! ```
//!
//! Integers are little-endian. The facts say where each run lies; runs carry checksums and totals of
//! their own (`verdict::summary`). As the facts come last, a file that was cut off has none.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use verdict::report::{ConfigurationEntry, DatasetSection, Environment, ModelSection, Timings};
use verdict::summary::{KeyWidth, RunError, RunHeader};

use super::error::ShardsError;
use crate::dataset::FileRead;
use crate::judge::RunsOfPart;
use crate::runs::{RunPart, merge_into};
use crate::scorer::LatencySamples;

/// The version that is written, and the one that is read.
const SHARD_VERSION: u16 = 1;
const MAGIC: &[u8; 6] = b"VSHARD";
const MARK_BYTES: u64 = 8;
const TAIL_BYTES: u64 = 8 + 4 + MARK_BYTES;
/// The most bytes of facts: those of some million files.
const FACTS_BYTES_MAX: u64 = 1 << 30;

/// What all shards of a run have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The version of the program.
    pub validator_version: String,
    /// The digest of what is asked.
    pub gate_digest: String,
    /// The model's SHA-256, in hexadecimal.
    pub model_sha256: String,
    /// The digest of the dataset's listing.
    pub listing_digest: String,
    /// How many files it has.
    pub files_total: u64,
    /// How many shards there are.
    pub shards: u32,
}

impl Identity {
    /// Returns the digest that every run of the shard carries.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for text in [
            &self.validator_version,
            &self.gate_digest,
            &self.model_sha256,
            &self.listing_digest,
        ] {
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text);
        }
        digest.update(self.files_total.to_le_bytes());
        digest.update(self.shards.to_le_bytes());
        digest.finalize().into()
    }
}

/// Everything that a shard tells besides its runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// What it has in common with the others.
    pub identity: Identity,
    /// Which shard it is, from 0.
    pub shard: u32,
    /// Rows that were scored.
    pub rows: u64,
    /// Numbers a row; 0 without rows.
    pub width: u64,
    /// How many raw outputs were infinite.
    pub infinite: u64,
    /// Whether some label was 0 or false.
    pub labels_zero: bool,
    /// Whether some label was -1.
    pub labels_minus_one: bool,
    /// The effective settings.
    pub configuration: BTreeMap<String, ConfigurationEntry>,
    /// The model.
    pub model: ModelSection,
    /// The dataset as it was listed.
    pub dataset: DatasetSection,
    /// Row groups that were read.
    pub files: Vec<FileRead>,
    /// Where the runs lie.
    pub populations: Vec<PopulationAt>,
    /// The timed calls of each latency check.
    pub latency: Vec<LatencyOfShard>,
    /// Where it ran.
    pub environment: Environment,
    /// How long it took.
    pub timings: Timings,
    /// What to keep in mind.
    pub warnings: Vec<String>,
}

/// A population's run within the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PopulationAt {
    /// Which of the gate's ways to cut the data it belongs to; null for all rows.
    pub cut: Option<usize>,
    /// What the rows have in common.
    pub name: String,
    /// Rows of both classes.
    pub rows: u64,
    /// Where the run begins.
    pub start: u64,
    /// How long it is.
    pub bytes: u64,
}

/// The timed calls of one latency check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyOfShard {
    /// The check's name.
    pub name: String,
    /// Distinct rows that were used in turn.
    pub distinct_rows: u64,
    /// The calls.
    pub samples: LatencySamples,
}

fn mark() -> [u8; MARK_BYTES as usize] {
    let mut mark = [0; MARK_BYTES as usize];
    mark[..6].copy_from_slice(MAGIC);
    mark[6..].copy_from_slice(&SHARD_VERSION.to_le_bytes());
    mark
}

/// Writes a shard's file; `facts.populations` is filled in.
///
/// # Errors
/// [`RunError`] of the runs or of the disk; the file is then not whole.
pub fn write(file: &File, mut facts: Facts, runs: &[RunsOfPart]) -> Result<u64, RunError> {
    let mut sink = Counting {
        sink: BufWriter::with_capacity(1 << 20, file),
        bytes: 0,
    };
    sink.write_all(&mark()).map_err(RunError::Io)?;
    let header = RunHeader {
        width: KeyWidth::Single,
        weighted: false,
        identity: facts.identity.digest(),
        shard: facts.shard,
        shards: facts.identity.shards,
    };
    for part in runs {
        let start = sink.bytes;
        (sink, _) = merge_into(&part.runs, sink, header)?;
        facts.populations.push(PopulationAt {
            cut: part.cut,
            name: part.name.clone(),
            rows: part.rows,
            start,
            bytes: sink.bytes - start,
        });
    }
    let json = serde_json::to_vec(&facts).map_err(|error| RunError::Io(error.into()))?;
    let mut tail = (json.len() as u64).to_le_bytes().to_vec();
    tail.extend(verdict::summary::checksum(&json).to_le_bytes());
    tail.extend(mark());
    sink.write_all(&json)
        .and_then(|()| sink.write_all(&tail))
        .and_then(|()| sink.flush())
        .map_err(RunError::Io)?;
    Ok(sink.bytes)
}

/// A sink that knows how far it is.
struct Counting<W> {
    sink: W,
    bytes: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let written = self.sink.write(buffer)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.sink.flush()
    }
}

/// A shard's file, opened.
#[derive(Debug)]
pub struct ShardFile {
    /// Its name, for messages.
    pub name: String,
    /// What it tells.
    pub facts: Facts,
    file: Arc<File>,
}

impl ShardFile {
    /// Reads the facts of a file.
    ///
    /// # Errors
    /// [`ShardsError`] when it is no whole summary of this version.
    pub fn open(name: String, file: File) -> Result<Self, ShardsError> {
        let io = |source| ShardsError::Io {
            name: name.clone(),
            source,
        };
        let damaged = |what: &str| ShardsError::Damaged {
            name: name.clone(),
            what: what.to_owned(),
        };
        let length = file.metadata().map_err(io)?.len();
        let mut first = [0; MARK_BYTES as usize];
        if length < MARK_BYTES {
            return Err(ShardsError::Foreign { name });
        }
        file.read_exact_at(&mut first, 0).map_err(io)?;
        if &first[..6] != MAGIC {
            return Err(ShardsError::Foreign { name });
        }
        let version = u16::from_le_bytes([first[6], first[7]]);
        if version != SHARD_VERSION {
            return Err(ShardsError::Version {
                name,
                found: version.into(),
                expected: SHARD_VERSION.into(),
            });
        }
        let mut tail = [0; TAIL_BYTES as usize];
        if length < MARK_BYTES + TAIL_BYTES {
            return Err(ShardsError::Truncated { name });
        }
        file.read_exact_at(&mut tail, length - TAIL_BYTES)
            .map_err(io)?;
        if tail[12..] != first {
            return Err(ShardsError::Truncated { name });
        }
        let (bytes, checksum) = tail[..12].split_at(8);
        let bytes = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let checksum = u32::from_le_bytes(checksum.try_into().expect("four bytes"));
        let end = length - TAIL_BYTES;
        if bytes > FACTS_BYTES_MAX || bytes > end - MARK_BYTES {
            return Err(damaged("its facts are longer than the file"));
        }
        let mut json = vec![0; bytes as usize];
        file.read_exact_at(&mut json, end - bytes).map_err(io)?;
        if verdict::summary::checksum(&json) != checksum {
            return Err(damaged("the checksum of its facts does not match"));
        }
        let facts: Facts = serde_json::from_slice(&json)
            .map_err(|error| damaged(&format!("its facts do not read: {error}")))?;
        let within = |at: &PopulationAt| {
            at.start
                .checked_add(at.bytes)
                .is_some_and(|after| after <= end - bytes)
        };
        if !facts.populations.iter().all(within) {
            return Err(damaged("a run lies outside of the file"));
        }
        Ok(Self {
            name,
            facts,
            file: Arc::new(file),
        })
    }

    /// Returns the runs, each of which belongs to this shard.
    ///
    /// # Errors
    /// [`ShardsError::Run`] and [`ShardsError::Damaged`].
    pub fn runs(&self) -> Result<Vec<RunsOfPart>, ShardsError> {
        let identity = self.facts.identity.digest();
        let parts = self.facts.populations.iter().map(|at| {
            let run = RunPart::new(Arc::clone(&self.file), at.start, at.bytes);
            let reader = run.open().map_err(|source| ShardsError::Run {
                name: self.name.clone(),
                source,
            })?;
            let header = reader.header();
            if (header.identity, header.shard) != (identity, self.facts.shard) {
                return Err(ShardsError::Damaged {
                    name: self.name.clone(),
                    what: "a run belongs to another shard".to_owned(),
                });
            }
            Ok(RunsOfPart {
                cut: at.cut,
                name: at.name.clone(),
                rows: at.rows,
                runs: vec![run],
            })
        });
        parts.collect()
    }

    /// Reads all runs to their ends.
    ///
    /// # Errors
    /// [`ShardsError::Run`] for the first one that is not whole.
    pub fn verify(&self) -> Result<(), ShardsError> {
        let mut runs = self.runs()?.into_iter().flat_map(|part| part.runs);
        runs.try_for_each(|run| run.open()?.try_for_each(|entry| entry.map(|_| ())))
            .map_err(|source| ShardsError::Run {
                name: self.name.clone(),
                source,
            })
    }
}
