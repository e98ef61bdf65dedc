//! The program as a whole: scripts and documented examples, the command line, bad input.
//!
//! Everything here runs the binary, on captures that the project makes itself. `tshark`, `tcpdump`, `gzip` and `zstd`
//! have to be installed.

mod cli;
mod input;
mod scripts;
mod support;
