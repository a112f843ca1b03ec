//! Records in order: in memory while they are few, in runs on disk beyond that.

use std::io::{BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use itertools::{Either, Itertools};
use verdict::metric::{Groups, Mass, Totals};
use verdict::rows::{Overview, Row, Rows, groups};
use verdict::summary::{Entry, RunError};

use super::part::Stretch;
use super::record::Record;
use super::spill::{Spill, opened};

/// Records that a sorter of its own holds in memory: some 50 MB of rows.
const HELD_MAX: usize = 1 << 20;

/// Bytes that are read ahead of each run.
const READ_AHEAD_BYTES: usize = 1 << 16;

/// The first failure to read or write: walks over rows have no way to tell it.
#[derive(Clone, Debug, Default)]
pub(super) struct Fault(Arc<Mutex<Option<RunError>>>);

impl Fault {
    pub(super) fn keep(&self, error: RunError) {
        let mut fault = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        fault.get_or_insert(error);
    }

    pub(super) fn take(&self) -> Option<RunError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

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
        spill: &mut Option<Spill>,
    ) -> Result<(), RunError> {
        for record in records {
            self.held.push(record);
            if self.held.len() >= self.held_max {
                self.spill(opened(spill)?)?;
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
    pub fn finish_for_one_walk(mut self, spill: &mut Option<Spill>) -> Result<Sorted<T>, RunError> {
        if self.runs.is_empty() {
            self.held.sort_unstable_by(T::compare);
        } else {
            self.spill(opened(spill)?)?;
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
    pub fn finish(self, spill: &mut Option<Spill>) -> Result<Sorted<T>, RunError> {
        let mut sorted = self.finish_for_one_walk(spill)?;
        let layouts = sorted.runs.iter().map(|run| run.layout);
        if sorted.runs.len() > 1
            && let Some(layout) = layouts.reduce(T::widest)
        {
            let merged = opened(spill)?.write_records(sorted.iter(), layout)?;
            if let Some(error) = sorted.take_fault() {
                return Err(error);
            }
            sorted.runs = vec![merged];
        }
        Ok(sorted)
    }
}

/// Records in order; those in runs are read as often as they are asked for.
#[derive(Debug)]
pub struct Sorted<T: Record> {
    /// All of them, or none where there are runs.
    held: Vec<T>,
    /// For those that are made of these.
    held_max: usize,
    runs: Vec<Run<T>>,
    fault: Fault,
}

impl<T: Record> Sorted<T> {
    /// Iterates over the records in order. Where a run cannot be read it ends early, and
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

    /// Tells whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.overview.is_empty()
    }

    /// Tells whether every output is exact in single precision.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.sorted.layout().single
    }

    /// Iterates over the rows by the first model's output and by weight, as entries of a run;
    /// clusters are left aside.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        verdict::rows::entries(self.sorted.iter())
    }

    /// Takes the failure that cut a walk short; what was computed from it is void.
    #[must_use]
    pub fn take_fault(&self) -> Option<RunError> {
        self.sorted.take_fault()
    }
}

impl<const MODELS: usize> Rows<MODELS> for SortedRows<MODELS> {
    fn overview(&self) -> &Overview {
        &self.overview
    }

    fn iter(&self) -> impl Iterator<Item = Row<MODELS>> {
        self.sorted.iter()
    }

    fn sort(&self, rows: impl Iterator<Item = Row>) -> impl Iterator<Item = Row> {
        let (mut sorter, mut spill) = (Sorter::holding(self.sorted.held_max), None);
        let sorted = sorter
            .extend_within(rows, &mut spill)
            .and_then(|()| sorter.finish_for_one_walk(&mut spill));
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
    let readers: Vec<_> = runs.iter().map(|run| run.read(fault.clone())).collect();
    readers
        .into_iter()
        .kmerge_by(|left, right| left.compare(right).is_lt())
}

/// Sorted records of one layout in a file.
#[derive(Debug)]
pub(super) struct Run<T: Record> {
    pub(super) records: Stretch,
    pub(super) layout: T::Layout,
}

impl<T: Record> Run<T> {
    fn read(&self, fault: Fault) -> Reader<T> {
        Reader {
            bytes: BufReader::with_capacity(READ_AHEAD_BYTES, self.records.clone()),
            record: vec![0; T::size(self.layout)],
            layout: self.layout,
            fault,
        }
    }
}

struct Reader<T: Record> {
    bytes: BufReader<Stretch>,
    record: Vec<u8>,
    layout: T::Layout,
    fault: Fault,
}

impl<T: Record> Iterator for Reader<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.bytes.buffer().is_empty() && self.bytes.get_ref().is_at_end() {
            return None;
        }
        match self.bytes.read_exact(&mut self.record) {
            Ok(()) => Some(T::read(self.layout, &self.record)),
            Err(error) => {
                self.fault.keep(RunError::Io(error));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use verdict::bootstrap::{Question, Resampling, Sample, bootstrap};
    use verdict::metric::{Metric, OutputKind, evaluate};
    use verdict::paired::{compare, identical};
    use verdict::rows::RowAccumulator;

    /// Rows with ties, under two models.
    fn rows(count: u64, weighted: bool, clustered: bool) -> Vec<Row<2>> {
        let row = |index: u64| Row {
            scores: [(index * 37 % 101) as f64, (index * 53 % 89) as f64 / 3.0],
            positive: index % 3 == 0,
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
        let (mut sorter, mut spill) = (Sorter::holding(held_max), None);
        sorter
            .extend_within(rows.iter().copied(), &mut spill)
            .expect("written");
        SortedRows::new(sorter.finish(&mut spill).expect("merged")).expect("read")
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
        let (mut sorter, mut spill) = (Sorter::default(), Spill::new().expect("a file"));
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
            sorter.spill(&mut spill).expect("written");
        }
        let merged = sorter.finish(&mut Some(spill)).expect("merged");
        assert!(!merged.layout().single);
        let mut expected = [plain, wide].concat();
        expected.sort_unstable_by(Row::compare);
        assert!(merged.iter().eq(expected));
    }

    #[test]
    fn names_come_in_order_through_as_many_runs_as_it_takes() {
        let (mut sorter, mut spill) = (Sorter::holding(8), None);
        let names = (0..100u128).map(|name| name * 37 % 100 << 100);
        sorter.extend_within(names, &mut spill).expect("written");
        let names = sorter.finish_for_one_walk(&mut spill).expect("written");
        assert!(names.iter().eq((0..100).map(|name| name << 100)));
    }

    #[test]
    fn rows_that_can_no_longer_be_read_are_told_after_the_walk() {
        let rows = rows(300, false, false);
        let (mut sorter, mut spill) = (Sorter::holding(50), None);
        sorter.extend_within(rows, &mut spill).expect("written");
        let found = SortedRows::new(sorter.finish(&mut spill).expect("merged")).expect("read");
        spill.expect("spilled").truncate();
        assert!(!identical(&found) || found.take_fault().is_some());
        let _ = compare(&found);
        let _ = Sample::of_rows(&found);
        assert!(matches!(found.take_fault(), Some(RunError::Io(_))));
    }
}
