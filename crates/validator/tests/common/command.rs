//! The program under test, apart from what the machine's environment says.

use std::process::Command;

/// A run of the validator that inherits only what every program needs.
pub(crate) fn validator() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_validator"));
    command.env_clear();
    for name in ["PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}
