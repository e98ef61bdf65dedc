//! What netscript says of captures that others made, held against what other tools say of them.

mod frames;
mod mutations;
mod packets;
