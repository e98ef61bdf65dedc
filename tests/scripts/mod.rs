//! Every stock script and every documented example: captures in, exact output and exit code out.

mod demo;
mod egress;
mod examples;
mod hunt;
mod policy;
mod secrets;
