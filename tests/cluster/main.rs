//! The whole chain on a real cluster: hook Jobs with the real images, data on S3, readiness of real
//! pods, and Helm 3 and 4 working on the same releases.
//!
//! Needs what `cargo xtask cluster env` prints; see tests/README.md.

mod atomic;
mod chain;
mod classic;
mod environments;
mod evidence;
mod flags;
mod hooks;
mod interop;
mod local_hooks;
mod recreate;
mod rights;
mod room;
mod shards;
mod shown;
mod stack;
mod stage;
mod terminal;
mod waiting;
