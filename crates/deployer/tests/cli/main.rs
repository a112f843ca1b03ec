//! The real binary on a folder as target: what it prints, where, and with which exit code.

mod bad_input;
mod drift;
mod environments;
mod gate;
mod harness;
mod planning;
mod promotion;
mod readers;
mod signed;
