//! `validator`: judges a model and ends with the exit code that `docs/exit-codes.md` lists.

fn main() -> std::process::ExitCode {
    validator::cli::start(std::env::args_os().collect()).into()
}
