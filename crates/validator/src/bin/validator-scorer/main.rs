//! `validator-scorer`: loads a TorchScript model and runs it for the gate that started it.
//!
//! The only binary that links libtorch. It is started by `validator` and by `model-server` with a
//! socket as its standard input, gives up what it does not need, and then answers one request
//! after the other until the socket closes. `torch.rs` is the only file that knows `tch`.

mod measure;
mod output;
mod serve;
mod torch;
mod width;

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match serve::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The gate keeps the end of what is printed here for its report.
            let mut stderr = std::io::stderr();
            drop(writeln!(stderr, "validator-scorer: {error}"));
            drop(writeln!(
                stderr,
                "validator-scorer is started by `validator` and `model-server`, not by hand"
            ));
            ExitCode::from(2)
        }
    }
}
