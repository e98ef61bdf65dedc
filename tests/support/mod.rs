//! What the tests of the program share: captures that they make, the program itself, and transcripts to hold it to.

pub(crate) mod capture;
pub(crate) mod incident;
pub(crate) mod program;
pub(crate) mod transcript;
