//! The `deployer` binary: parses the command line, runs one command, exits with its code.

fn main() -> std::process::ExitCode {
    deployer::cli::main()
}
