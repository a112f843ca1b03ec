//! One run within a file, and many of them merged into one.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use verdict::summary::{KeyWidth, RunError, RunHeader, RunReader, RunTotals, RunWriter, merge};

/// A whole run that lies between two places of a file. The file is shared: each reader has a
/// position of its own.
#[derive(Clone, Debug)]
pub struct RunPart {
    file: Arc<File>,
    start: u64,
    bytes: u64,
}

/// A stretch of a file as a reader.
#[derive(Clone, Debug)]
pub struct Stretch {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Stretch {
    /// Names `bytes` bytes of a file from `start` on.
    pub(super) const fn new(file: Arc<File>, start: u64, bytes: u64) -> Self {
        Self {
            file,
            at: start,
            end: start + bytes,
        }
    }

    /// Tells whether everything was read.
    pub(super) const fn is_at_end(&self) -> bool {
        self.at == self.end
    }
}

impl Read for Stretch {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl RunPart {
    /// Names a run of `bytes` bytes from `start` on.
    #[must_use]
    pub const fn new(file: Arc<File>, start: u64, bytes: u64) -> Self {
        Self { file, start, bytes }
    }

    /// Opens the run for reading.
    ///
    /// # Errors
    /// [`RunError`] when there is no run.
    pub fn open(&self) -> Result<RunReader<BufReader<Stretch>>, RunError> {
        let file = Arc::clone(&self.file);
        RunReader::new(BufReader::new(Stretch::new(file, self.start, self.bytes)))
    }
}

/// What a merged run holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Merged {
    /// Rows and entries.
    pub totals: RunTotals,
    /// The least and the largest output; nothing without rows.
    pub range: Option<(f64, f64)>,
}

/// Merges runs into one, in memory that does not grow with the rows. `header` says what the run
/// belongs to; its key width is the wider one of the runs'.
///
/// # Errors
/// [`RunError`] of any run or of `sink`, which then holds no run.
pub fn merge_into<W: Write>(
    parts: &[RunPart],
    sink: W,
    header: RunHeader,
) -> Result<(W, Merged), RunError> {
    let readers = parts
        .iter()
        .map(RunPart::open)
        .collect::<Result<Vec<_>, _>>()?;
    let is_double = readers
        .iter()
        .any(|reader| reader.header().width == KeyWidth::Double);
    let header = RunHeader {
        width: if is_double {
            KeyWidth::Double
        } else {
            KeyWidth::Single
        },
        weighted: header.weighted || readers.iter().any(|reader| reader.header().weighted),
        ..header
    };
    let mut writer = RunWriter::new(sink, header)?;
    let mut range: Option<(f64, f64)> = None;
    for entry in merge(readers) {
        let entry = entry?;
        let score = entry.score();
        range = Some((range.map_or(score, |(least, _)| least), score));
        writer.push(&entry)?;
    }
    let (sink, totals) = writer.finish()?;
    Ok((sink, Merged { totals, range }))
}
