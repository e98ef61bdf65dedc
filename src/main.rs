//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    netscript::cli::main()
}
