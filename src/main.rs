//! The program: see the library's documentation, and `patchspan --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    patchspan::cli::run()
}
