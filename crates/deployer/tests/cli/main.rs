//! The real binary on a folder as target: what it prints, where, and with which exit code.

mod bad_input;
mod environments;
mod gate;
mod harness;
mod readers;
