//! Any number of ascending runs into one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Entry;

/// Merges ascending runs; rows with the same output and weight are counted together.
///
/// It holds one entry a run. The first error of any run ends the merge.
pub fn merge<I, E>(runs: impl IntoIterator<Item = I>) -> Merge<I>
where
    I: Iterator<Item = Result<Entry, E>>,
{
    Merge {
        runs: runs.into_iter().map(Some).collect(),
        heads: Vec::new(),
        order: BinaryHeap::new(),
        started: false,
    }
}

/// The merged run; see [`merge`].
#[derive(Debug)]
pub struct Merge<I> {
    runs: Vec<Option<I>>,
    heads: Vec<Option<Entry>>,
    order: BinaryHeap<Reverse<((u64, u64), usize)>>,
    started: bool,
}

impl<I, E> Merge<I>
where
    I: Iterator<Item = Result<Entry, E>>,
{
    /// Takes the next entry of a run to the heads.
    fn pull(&mut self, run: usize) -> Result<(), E> {
        let next = self.runs[run].as_mut().and_then(Iterator::next);
        self.heads[run] = next.transpose()?;
        match &self.heads[run] {
            Some(entry) => self.order.push(Reverse((entry.order(), run))),
            None => self.runs[run] = None,
        }
        Ok(())
    }

    fn step(&mut self) -> Result<Option<Entry>, E> {
        if !self.started {
            self.started = true;
            self.heads = vec![None; self.runs.len()];
            for run in 0..self.runs.len() {
                self.pull(run)?;
            }
        }
        let Some(Reverse((order, first))) = self.order.pop() else {
            return Ok(None);
        };
        let Some(mut merged) = self.heads[first] else {
            return Ok(None);
        };
        self.pull(first)?;
        while let Some(&Reverse((next, run))) = self.order.peek()
            && next == order
        {
            self.order.pop();
            if let Some(entry) = self.heads[run] {
                // A run counts its rows, so sums of real rows cannot overflow.
                merged.positives = merged.positives.saturating_add(entry.positives);
                merged.negatives = merged.negatives.saturating_add(entry.negatives);
            }
            self.pull(run)?;
        }
        Ok(Some(merged))
    }
}

impl<I, E> Iterator for Merge<I>
where
    I: Iterator<Item = Result<Entry, E>>,
{
    type Item = Result<Entry, E>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.runs.clear();
            self.order.clear();
        }
        step.transpose()
    }
}
