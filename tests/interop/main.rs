//! Our deployer beside Helm 3 and Helm 4 on the same API server: records field by field, commands
//! in both directions, flags on the same input, storage drivers and sizes.
//!
//! Needs what `cargo xtask cluster env` prints, of the light cluster or the full one.

mod commands;
mod flags;
mod records;
mod shown;
mod storage;
mod tool;
