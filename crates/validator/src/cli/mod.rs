//! The command line: from arguments and variables to a run, and from its end to an exit code.

mod arguments;
mod check;
mod logging;
#[cfg(test)]
mod pipelines;
mod start;

pub use start::start;
