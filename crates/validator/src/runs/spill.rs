//! A file without a name that sorted rows are spilled to. The system removes it when the process
//! ends, however it ends.

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::sync::Arc;

use verdict::bootstrap::OrderedRows;
use verdict::score::RankedScores;
use verdict::summary::{KeyWidth, RunError, RunHeader, RunWriter};

use super::part::{Merged, RunPart, merge_into};

/// Rows that are gathered before they are spilled. With their sort they take some 100 MB.
pub const SPILL_ROWS: u64 = 1 << 23;

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
    pub fn write_weighted(&mut self, rows: &OrderedRows) -> Result<RunPart, RunError> {
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
            writer.finish().map(|_| ())
        })
        .map(|((), part)| part)
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

    /// Loses everything, as a disk can.
    #[cfg(test)]
    pub(super) fn truncate(&self) {
        self.file.set_len(0).expect("truncated");
    }

    fn append<T>(
        &mut self,
        write: impl FnOnce(&mut BufWriter<&File>) -> Result<T, RunError>,
    ) -> Result<(T, RunPart), RunError> {
        let mut file = self.file.as_ref();
        let start = file.seek(std::io::SeekFrom::End(0)).map_err(RunError::Io)?;
        let mut sink = BufWriter::with_capacity(1 << 20, file);
        let written = write(&mut sink)?;
        sink.flush().map_err(RunError::Io)?;
        drop(sink);
        let end = file.stream_position().map_err(RunError::Io)?;
        let part = RunPart::new(Arc::clone(&self.file), start, end - start);
        Ok((written, part))
    }
}
