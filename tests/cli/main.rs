//! The deployer's binary on a folder as its target, with hooks as local processes: the whole chain
//! of gate and release without a cluster, and every way of being told wrong.

mod bad_input;
mod chain;
mod created;
mod folder;
mod readers;
