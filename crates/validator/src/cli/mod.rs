//! The command line: from arguments and variables to a run, and from its end to an exit code.

mod arguments;
mod attestation;
mod check;
mod logging;
#[cfg(test)]
mod pipelines;
mod start;
mod verify;

pub use start::start;
