//! The program.

use std::process::ExitCode;

fn main() -> ExitCode {
    meshcheck::cli::main()
}
