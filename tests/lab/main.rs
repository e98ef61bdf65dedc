//! The lab: real network namespaces and interfaces, a real Docker Engine, real programs. None of it has a way out.
//!
//! A test begins with [`needs!`](support::needs), which skips it where the lab cannot be had: without root, or without a
//! program that it names. With `NETSCRIPT_LAB=required` it fails instead, as in CI. What a test builds it holds in
//! guards, and everything is put back when they go out of scope, also when the test fails or its process is killed.

mod attribution;
mod containers;
mod egress;
mod host;
mod itself;
mod live;
#[path = "../support/program.rs"]
#[expect(dead_code, reason = "the lab runs the program in namespaces, and needs not all ways to run it")]
mod program;
mod proxy;
mod reaching;
mod readme;
mod support;
mod trace;
