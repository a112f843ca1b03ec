//! A file without a name that sorted rows are spilled to. The system removes it when the process
//! ends, however it ends.

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
#[cfg(test)]
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crc32fast::Hasher;
use verdict::score::RankedScores;
use verdict::summary::{KeyWidth, RunError, RunHeader, RunWriter};

use super::part::{Merged, RunPart, Stretch, merge_into};
use super::record::Record;
use super::sorted::{Run, SortedRows};

/// Scores that are gathered before they are spilled. With their sort they take some 100 MB.
pub const SPILL_ROWS: u64 = 1 << 23;

/// As so many scores counts a row that is gathered whole, with its weight, its group or the
/// champion's output.
pub const SCORES_PER_ROW: u64 = 8;

/// Stands for the identity of runs that no other process reads.
const OWN: RunHeader = RunHeader {
    width: KeyWidth::Single,
    weighted: false,
    identity: [0; 32],
    shard: 0,
    shards: 1,
};

/// Where runs are spilled to.
#[derive(Debug)]
pub struct Spill {
    file: Arc<File>,
}

impl Spill {
    /// Makes a file without a name in the system's folder for temporary files.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn new() -> Result<Self, RunError> {
        let file = tempfile::tempfile().map_err(RunError::Io)?;
        Ok(Self {
            file: Arc::new(file),
        })
    }

    /// Writes sorted rows as one run.
    ///
    /// # Errors
    /// [`RunError`], such as that of a full disk.
    pub fn write(&mut self, scores: &RankedScores) -> Result<RunPart, RunError> {
        let width = if scores.is_single() {
            KeyWidth::Single
        } else {
            KeyWidth::Double
        };
        self.append(|sink| {
            let mut writer = RunWriter::new(sink, RunHeader { width, ..OWN })?;
            writer.push_scores(scores)?;
            writer.finish().map(|_| ())
        })
        .map(|((), part)| part)
    }

    /// Writes rows with their weights as one run.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_weighted(&mut self, rows: &SortedRows) -> Result<RunPart, RunError> {
        let width = if rows.is_single() {
            KeyWidth::Single
        } else {
            KeyWidth::Double
        };
        self.append(|sink| {
            let header = RunHeader {
                width,
                weighted: true,
                ..OWN
            };
            let mut writer = RunWriter::new(sink, header)?;
            rows.entries().try_for_each(|entry| writer.push(&entry))?;
            match rows.take_fault() {
                Some(error) => Err(error),
                None => writer.finish().map(|_| ()),
            }
        })
        .map(|((), part)| part)
    }

    /// Writes records that are in order.
    pub(super) fn write_records<T: Record>(
        &mut self,
        records: impl Iterator<Item = T>,
        layout: T::Layout,
    ) -> Result<Run<T>, RunError> {
        let (checksum, (start, bytes)) = self.append_bytes(|sink| {
            let mut checksum = Hasher::new();
            let mut bytes = Vec::with_capacity(T::size(layout));
            for record in records {
                bytes.clear();
                record.write(layout, &mut bytes);
                checksum.update(&bytes);
                sink.write_all(&bytes).map_err(RunError::Io)?;
            }
            Ok(checksum.finalize())
        })?;
        Ok(Run {
            records: Stretch::new(Arc::clone(&self.file), start, bytes),
            layout,
            checksum,
        })
    }

    /// Merges runs, of this file or of others, into one run of this file.
    ///
    /// # Errors
    /// As [`Self::write`], and those of the runs.
    pub fn merge(&mut self, parts: &[RunPart]) -> Result<(RunPart, Merged), RunError> {
        let (merged, part) =
            self.append(|sink| merge_into(parts, sink, OWN).map(|(_, merged)| merged))?;
        Ok((part, merged))
    }

    /// Changes a byte, as a disk can.
    #[cfg(test)]
    pub(super) fn flip(&self, at: u64) {
        let mut byte = [0];
        self.file.read_exact_at(&mut byte, at).expect("read");
        self.file.write_all_at(&[!byte[0]], at).expect("written");
    }

    /// Loses everything, as a disk can.
    #[cfg(test)]
    pub(super) fn truncate(&self) {
        self.file.set_len(0).expect("truncated");
    }

    fn append<T>(
        &mut self,
        write: impl FnOnce(&mut BufWriter<&File>) -> Result<T, RunError>,
    ) -> Result<(T, RunPart), RunError> {
        let (written, (start, bytes)) = self.append_bytes(write)?;
        let part = RunPart::new(Arc::clone(&self.file), start, bytes);
        Ok((written, part))
    }

    /// Returns beside what was written where it begins, and how many bytes it takes.
    fn append_bytes<T>(
        &mut self,
        write: impl FnOnce(&mut BufWriter<&File>) -> Result<T, RunError>,
    ) -> Result<(T, (u64, u64)), RunError> {
        let mut file = self.file.as_ref();
        let start = file.seek(std::io::SeekFrom::End(0)).map_err(RunError::Io)?;
        let mut sink = BufWriter::with_capacity(1 << 20, file);
        let written = write(&mut sink)?;
        sink.flush().map_err(RunError::Io)?;
        drop(sink);
        let end = file.stream_position().map_err(RunError::Io)?;
        Ok((written, (start, end - start)))
    }
}

/// The files of a gatherer, made on first use. What was gathered is given up, and its room with it,
/// once everything that is kept was merged.
#[derive(Debug, Default)]
pub struct Spills {
    gathered: Option<Spill>,
    merged: Option<Spill>,
}

impl Spills {
    /// Returns the file for what is gathered.
    ///
    /// # Errors
    /// As [`Spill::new`].
    pub fn gathered(&mut self) -> Result<&mut Spill, RunError> {
        opened(&mut self.gathered)
    }

    /// Returns the file for what was merged.
    ///
    /// # Errors
    /// As [`Spill::new`].
    pub fn merged(&mut self) -> Result<&mut Spill, RunError> {
        opened(&mut self.merged)
    }
}

fn opened(spill: &mut Option<Spill>) -> Result<&mut Spill, RunError> {
    if spill.is_none() {
        *spill = Some(Spill::new()?);
    }
    Ok(spill.as_mut().expect("it was just made"))
}
