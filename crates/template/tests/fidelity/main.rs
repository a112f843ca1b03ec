//! Fidelity, measured: thousands of generated calls, programs and documents are given to Helm's own
//! engine and to this crate, and results and error texts are compared.
//!
//! The other side is `go/main.go`, built with the pinned Helm through the Go module proxy and kept,
//! with its answers, in the project's cache folder. Where Go is absent, or the program cannot be
//! built, the tests say so aloud. `FIDELITY_SEED` and `FIDELITY_COUNT` run other and more seeds.

#![expect(
    clippy::print_stdout,
    reason = "a test says what it compared or skipped"
)]

mod expressions;
mod functions;
mod go_tests;
mod oracle;
mod pools;
mod programs;
mod random;
mod shapes;
mod values;
mod yaml;
