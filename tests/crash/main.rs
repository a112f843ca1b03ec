//! The real deployer against the real API server, ended or disturbed at any of its requests, and
//! many of them at once.
//!
//! Needs what `cargo xtask cluster env` prints, of the light cluster or the full one.

mod disturbed;
mod parallel;
mod scenario;
mod state;
