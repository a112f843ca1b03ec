//! Records in order: in memory while they are few, in runs on disk beyond that.

use std::io::{BufReader, Read};

use crc32fast::Hasher;
use itertools::{Either, Itertools};
use verdict::metric::{Groups, Mass, Totals};
use verdict::rows::{Overview, Row, Rows, TaggedRow, groups};
use verdict::summary::{Entry, RunError};

use super::fault::Fault;
use super::part::Stretch;
use super::record::Record;
use super::spill::{Spill, Spills};

/// Records that a sorter of its own holds in memory: some 50 MB of rows.
const HELD_MAX: usize = 1 << 20;

/// Bytes that are read ahead of all runs of a merge, and of each at the most and at the least.
const READ_AHEAD_BYTES: usize = 1 << 24;
const READ_AHEAD_BYTES_OF_RUN: (usize, usize) = (1 << 12, 1 << 16);

/// Takes records in any order.
#[derive(Debug)]
pub struct Sorter<T: Record> {
    held: Vec<T>,
    held_max: usize,
    runs: Vec<Run<T>>,
}

impl<T: Record> Default for Sorter<T> {
    fn default() -> Self {
        Self::holding(HELD_MAX)
    }
}

impl<T: Record> Extend<T> for Sorter<T> {
    /// Holds records in memory, however many; see [`Self::spill`].
    fn extend<I: IntoIterator<Item = T>>(&mut self, records: I) {
        self.held.extend(records);
    }
}

impl<T: Record> Sorter<T> {
    /// Returns a sorter that holds at most so many records of those that [`Self::extend_within`]
    /// takes.
    const fn holding(held_max: usize) -> Self {
        Self {
            held: Vec::new(),
            held_max,
            runs: Vec::new(),
        }
    }

    /// Takes records and spills whenever more are held than memory is meant for.
    ///
    /// # Errors
    /// As [`Self::spill`].
    pub fn extend_within(
        &mut self,
        records: impl IntoIterator<Item = T>,
        spills: &mut Spills,
    ) -> Result<(), RunError> {
        for record in records {
            self.held.push(record);
            if self.held.len() >= self.held_max {
                self.spill(spills.gathered()?)?;
            }
        }
        Ok(())
    }

    /// Writes the records in memory to disk, and forgets them.
    ///
    /// # Errors
    /// [`RunError`], such as that of a full disk.
    pub fn spill(&mut self, spill: &mut Spill) -> Result<(), RunError> {
        if !self.held.is_empty() {
            self.held.sort_unstable_by(T::compare);
            let layout = T::layout(&self.held);
            let records = self.held.iter().copied();
            self.runs.push(spill.write_records(records, layout)?);
            self.held = Vec::new();
        }
        Ok(())
    }

    /// Brings everything into order, to be walked once: runs are merged on the way.
    ///
    /// # Errors
    /// As [`Self::spill`].
    pub fn finish_for_one_walk(mut self, spills: &mut Spills) -> Result<Sorted<T>, RunError> {
        if self.runs.is_empty() {
            self.held.sort_unstable_by(T::compare);
        } else {
            self.spill(spills.gathered()?)?;
        }
        Ok(Sorted {
            held: self.held,
            held_max: self.held_max,
            runs: self.runs,
            fault: Fault::default(),
        })
    }

    /// Brings everything into order, to be walked often: of several runs one is made.
    ///
    /// # Errors
    /// As [`Self::spill`], and those of reading.
    pub fn finish(self, spills: &mut Spills) -> Result<Sorted<T>, RunError> {
        let mut sorted = self.finish_for_one_walk(spills)?;
        let layouts = sorted.runs.iter().map(|run| run.layout);
        if sorted.runs.len() > 1
            && let Some(layout) = layouts.reduce(T::widest)
        {
            let run = spills.merged()?.write_records(sorted.iter(), layout)?;
            if let Some(error) = sorted.take_fault() {
                return Err(error);
            }
            sorted.runs = vec![run];
        }
        Ok(sorted)
    }
}

/// Records in order; those in runs are read as often as they are asked for.
#[derive(Debug)]
pub struct Sorted<T: Record> {
    /// All of them, or none where there are runs.
    held: Vec<T>,
    /// At most so many are held in memory of what is sorted again.
    held_max: usize,
    runs: Vec<Run<T>>,
    fault: Fault,
}

impl<T: Record> Sorted<T> {
    /// Iterates over the records in order. A run that cannot be read on ends there, and
    /// [`Self::take_fault`] says why.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        if self.runs.is_empty() {
            Either::Left(self.held.iter().copied())
        } else {
            Either::Right(merged(&self.runs, &self.fault))
        }
    }

    /// Gives the records in order, as [`Self::iter`].
    pub(super) fn into_iter(self) -> impl Iterator<Item = T> + use<T> {
        if self.runs.is_empty() {
            Either::Left(self.held.into_iter())
        } else {
            Either::Right(merged(&self.runs, &self.fault))
        }
    }

    /// Returns what all records have in common.
    pub fn layout(&self) -> T::Layout {
        let layouts = self.runs.iter().map(|run| run.layout);
        layouts
            .reduce(T::widest)
            .unwrap_or_else(|| T::layout(&self.held))
    }

    /// Takes the failure that cut a walk short; what was computed from it is void.
    pub fn take_fault(&self) -> Option<RunError> {
        self.fault.take()
    }

    /// Tells failures where those of other records are told.
    fn telling(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }
}

/// Rows in order, and what is known of all of them.
#[derive(Debug)]
pub struct SortedRows<const MODELS: usize = 1> {
    sorted: Sorted<Row<MODELS>>,
    overview: Overview,
}

impl<const MODELS: usize> SortedRows<MODELS> {
    /// Looks through ordered rows.
    ///
    /// # Errors
    /// [`RunError`] when they cannot be read.
    pub fn new(sorted: Sorted<Row<MODELS>>) -> Result<Self, RunError> {
        let overview = Overview::of(sorted.iter());
        match sorted.take_fault() {
            Some(error) => Err(error),
            None => Ok(Self { sorted, overview }),
        }
    }

    /// Tells whether every output is exact in single precision.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.sorted.layout().single
    }

    /// Takes the failure that cut a walk short; what was computed from it is void.
    #[must_use]
    pub fn take_fault(&self) -> Option<RunError> {
        self.sorted.take_fault()
    }
}

impl SortedRows {
    /// Iterates over the rows by output and by weight, as entries of a run; clusters are left aside.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        verdict::rows::entries(self.sorted.iter())
    }
}

impl<const MODELS: usize> Rows<MODELS> for SortedRows<MODELS> {
    fn overview(&self) -> &Overview {
        &self.overview
    }

    fn iter(&self) -> impl Iterator<Item = Row<MODELS>> {
        self.sorted.iter()
    }

    fn sort(&self, rows: impl Iterator<Item = TaggedRow>) -> impl Iterator<Item = TaggedRow> {
        let mut sorter = Sorter::holding(self.sorted.held_max);
        let mut spills = Spills::default();
        let sorted = sorter
            .extend_within(rows, &mut spills)
            .and_then(|()| sorter.finish_for_one_walk(&mut spills));
        let fault = &self.sorted.fault;
        sorted
            .map(|sorted| sorted.telling(fault.clone()))
            .map_err(|error| fault.keep(error))
            .into_iter()
            .flat_map(Sorted::into_iter)
    }
}

impl<const MODELS: usize> Groups for SortedRows<MODELS> {
    fn totals(&self) -> Totals {
        self.overview.totals
    }

    fn for_each_mass(&self, mut visit: impl FnMut(Mass)) {
        groups(self.iter()).for_each(|(_, mass)| visit(mass));
    }
}

fn merged<T: Record>(runs: &[Run<T>], fault: &Fault) -> impl Iterator<Item = T> + use<T> {
    let (least, most) = READ_AHEAD_BYTES_OF_RUN;
    let ahead = (READ_AHEAD_BYTES / runs.len().max(1)).clamp(least, most);
    let readers = runs.iter().map(|run| run.read(ahead, fault.clone()));
    let readers: Vec<_> = readers.collect();
    readers
        .into_iter()
        .kmerge_by(|left, right| left.compare(right).is_lt())
}

/// Sorted records of one layout in a file.
#[derive(Debug)]
pub(super) struct Run<T: Record> {
    pub(super) records: Stretch,
    pub(super) layout: T::Layout,
    /// Of all bytes.
    pub(super) checksum: u32,
}

impl<T: Record> Run<T> {
    fn read(&self, ahead: usize, fault: Fault) -> Reader<T> {
        Reader {
            bytes: BufReader::with_capacity(ahead, self.records.clone()),
            record: vec![0; T::size(self.layout)],
            layout: self.layout,
            expected: self.checksum,
            found: Hasher::new(),
            fault,
        }
    }
}

struct Reader<T: Record> {
    bytes: BufReader<Stretch>,
    record: Vec<u8>,
    layout: T::Layout,
    expected: u32,
    found: Hasher,
    fault: Fault,
}

impl<T: Record> Reader<T> {
    /// Reads the next record; nothing at the end of a run that is what was written.
    fn read(&mut self) -> Result<Option<T>, RunError> {
        if self.bytes.buffer().is_empty() && self.bytes.get_ref().is_at_end() {
            if self.found.clone().finalize() != self.expected {
                return Err(RunError::Damaged {
                    what: "the checksum of its rows does not match",
                });
            }
            return Ok(None);
        }
        self.bytes
            .read_exact(&mut self.record)
            .map_err(RunError::Io)?;
        self.found.update(&self.record);
        match T::read(self.layout, &self.record) {
            Some(record) => Ok(Some(record)),
            None => Err(RunError::Damaged {
                what: "a row in it is none",
            }),
        }
    }
}

impl<T: Record> Iterator for Reader<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.read().unwrap_or_else(|error| {
            self.fault.keep(error);
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use verdict::bootstrap::{Question, Resampling, Sample, bootstrap};
    use verdict::metric::{Metric, OutputKind, evaluate};
    use verdict::paired::compare;
    use verdict::rows::RowAccumulator;

    /// Rows with ties, under two models.
    fn rows(count: u64, weighted: bool, clustered: bool) -> Vec<Row<2>> {
        let row = |index: u64| Row {
            scores: [(index * 37 % 101) as f64, (index * 53 % 89) as f64 / 3.0],
            positive: index.is_multiple_of(3),
            weight: if weighted {
                1.0 + (index % 4) as f64
            } else {
                1.0
            },
            cluster: clustered.then_some(index % 50),
        };
        (0..count).map(|index| row(index).canonical()).collect()
    }

    fn sorted(rows: &[Row<2>], held_max: usize) -> SortedRows<2> {
        let (mut sorter, mut spills) = (Sorter::holding(held_max), Spills::default());
        sorter
            .extend_within(rows.iter().copied(), &mut spills)
            .expect("written");
        SortedRows::new(sorter.finish(&mut spills).expect("merged")).expect("read")
    }

    #[test]
    fn rows_on_disk_give_the_bits_of_rows_in_memory() {
        for (weighted, clustered) in [(false, false), (true, false), (false, true), (true, true)] {
            let rows = rows(500, weighted, clustered);
            let mut gathered = RowAccumulator::default();
            gathered.extend(rows.iter().copied());
            let expected = gathered.finish();
            for held_max in [1, 7, 499, 500, 1000] {
                let found = sorted(&rows, held_max);
                assert!(found.iter().eq(expected.iter()), "{held_max}");
                assert_eq!(found.overview(), expected.overview());
                assert_eq!(compare(&found), compare(&expected));
                let question = Question {
                    metric: Metric::AveragePrecision,
                    outputs: [OutputKind::Logits; 2],
                };
                let ask = |sample: Sample| {
                    let resampling = Resampling {
                        replicates: 20,
                        ..Resampling::default()
                    };
                    bootstrap(&sample, &[question], &resampling)
                };
                assert_eq!(
                    ask(Sample::of_rows(&found)),
                    ask(Sample::of_rows(&expected))
                );
                assert_eq!(
                    evaluate(&Metric::Auc, &found, OutputKind::Logits),
                    evaluate(&Metric::Auc, &expected, OutputKind::Logits)
                );
                assert!(found.take_fault().is_none());
            }
        }
    }

    /// The second batch has weights and outputs that the first can do without.
    #[test]
    fn runs_of_several_layouts_merge_to_the_widest() {
        let (mut sorter, mut spills) = (Sorter::default(), Spills::default());
        let plain = rows(40, false, false);
        let wide: Vec<_> = rows(40, true, false)
            .into_iter()
            .map(|row| Row {
                scores: row.scores.map(|score| score + 0.1),
                ..row
            })
            .collect();
        for batch in [&plain, &wide] {
            sorter.extend(batch.iter().copied());
            let spill = spills.gathered().expect("a file");
            sorter.spill(spill).expect("written");
        }
        let merged = sorter.finish(&mut spills).expect("merged");
        assert!(!merged.layout().single);
        let mut expected = [plain, wide].concat();
        expected.sort_unstable_by(Row::compare);
        assert!(merged.iter().eq(expected));
    }

    #[test]
    fn names_come_in_order_through_as_many_runs_as_it_takes() {
        let (mut sorter, mut spills) = (Sorter::holding(8), Spills::default());
        let names = (0..100u128).map(|name| (name * 37 % 100) << 100);
        sorter.extend_within(names, &mut spills).expect("written");
        let names = sorter.finish_for_one_walk(&mut spills).expect("written");
        assert!(names.iter().eq((0..100).map(|name| name << 100)));
    }

    /// Rows in one run, and the file that holds it.
    fn stored() -> (SortedRows<2>, Spills) {
        let (mut sorter, mut spills) = (Sorter::holding(50), Spills::default());
        let rows = rows(300, true, true);
        sorter.extend_within(rows, &mut spills).expect("written");
        let sorted = sorter.finish(&mut spills).expect("merged");
        (SortedRows::new(sorted).expect("read"), spills)
    }

    #[test]
    fn rows_that_can_no_longer_be_read_are_told_after_the_walk() {
        let (found, mut spills) = stored();
        spills.merged().expect("a file").truncate();
        let _ = compare(&found);
        let _ = Sample::of_rows(&found);
        assert!(matches!(found.take_fault(), Some(RunError::Io(_))));
    }

    #[test]
    fn a_byte_that_changed_on_disk_is_told_after_the_walk() {
        let (found, mut spills) = stored();
        let bytes = 300 * Row::<2>::size(found.sorted.layout()) as u64;
        for at in [0, 1, 12, 500, bytes - 1] {
            spills.merged().expect("a file").flip(at);
            found.iter().for_each(drop);
            let fault = found.take_fault();
            assert!(matches!(fault, Some(RunError::Damaged { .. })), "{at}");
            spills.merged().expect("a file").flip(at);
            found.iter().for_each(drop);
            assert!(found.take_fault().is_none(), "{at}");
        }
    }
}
