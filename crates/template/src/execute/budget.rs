//! What an execution may still use: steps, time, memory, depth.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use crate::{stack, templates::Limits, value::Value};

/// The clock is read once in so many steps.
const STEPS_PER_CLOCK: u64 = 1 << 10;

/// What is left of the limits of one execution.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    start: Instant,
    steps: Cell<u64>,
    memory_bytes: Cell<usize>,
    depth: Cell<usize>,
}

/// One level of nested templates, given back when dropped.
pub(crate) struct Level<'b>(&'b Budget);

impl Drop for Level<'_> {
    fn drop(&mut self) {
        self.0.depth.set(self.0.depth.get() - 1);
    }
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            start: Instant::now(),
            steps: Cell::new(0),
            memory_bytes: Cell::new(0),
            depth: Cell::new(0),
        }
    }

    /// Counts a step.
    ///
    /// # Errors
    /// A text that names the limit of steps or of time, whichever is reached.
    pub(crate) fn step(&self) -> Result<(), String> {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if steps > self.limits.steps {
            return Err(format!("exceeded the limit of {} steps", self.limits.steps));
        }
        if steps.is_multiple_of(STEPS_PER_CLOCK) {
            self.check_time()
        } else {
            Ok(())
        }
    }

    /// Fails when the time is used up.
    pub(crate) fn check_time(&self) -> Result<(), String> {
        if self.start.elapsed() > self.limits.time {
            return Err(format!(
                "exceeded the time limit of {}",
                seconds(self.limits.time)
            ));
        }
        Ok(())
    }

    /// Counts bytes that a function is about to produce.
    pub(crate) fn charge(&self, bytes: usize) -> Result<(), String> {
        let used = self.memory_bytes.get().saturating_add(bytes);
        if bytes > self.limits.output_bytes || used > self.limits.memory_bytes {
            return Err(format!(
                "exceeded the memory limit of {} bytes",
                self.limits.memory_bytes
            ));
        }
        self.memory_bytes.set(used);
        Ok(())
    }

    /// Fails when a value has more parts than memory could hold once each is written: a dictionary
    /// that stands twice within another, which stands twice within a third, grows without bound.
    pub(crate) fn check_weight(&self, value: &Value) -> Result<(), String> {
        const BYTES_PER_PART: usize = 64;
        let mut left = self.limits.memory_bytes / BYTES_PER_PART;
        if is_heavier(value, &mut left, 0) {
            return Err(format!(
                "exceeded the memory limit of {} bytes",
                self.limits.memory_bytes
            ));
        }
        Ok(())
    }

    /// Fails when an output has grown too long.
    pub(crate) fn check_output(&self, bytes: usize) -> Result<(), String> {
        if bytes > self.limits.output_bytes {
            return Err(format!(
                "exceeded the output limit of {} bytes",
                self.limits.output_bytes
            ));
        }
        Ok(())
    }

    /// Goes one template deeper.
    pub(crate) fn enter(&self) -> Result<Level<'_>, String> {
        if self.depth.get() >= self.limits.depth {
            return Err(format!(
                "exceeded maximum template depth ({})",
                self.limits.depth
            ));
        }
        self.depth.set(self.depth.get() + 1);
        Ok(Level(self))
    }
}

/// Whether a value has more than `left` parts, each counted as often as it stands in it.
fn is_heavier(value: &Value, left: &mut usize, depth: usize) -> bool {
    // Deeper ones are refused where they are made, or stand within themselves.
    const DEPTH_MAX: usize = 2_500;
    if *left == 0 || depth > DEPTH_MAX {
        return *left == 0;
    }
    *left -= 1;
    match value {
        Value::List(list) => {
            let list = list.borrow();
            stack::grown(|| list.iter().any(|item| is_heavier(item, left, depth + 1)))
        }
        Value::Map(map) => {
            let map = map.borrow();
            stack::grown(|| map.values().any(|item| is_heavier(item, left, depth + 1)))
        }
        _ => false,
    }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}
