//! What the fuzz targets check, apart from the fuzzer: `tests/corpus.rs` runs the same functions over the committed
//! corpus, with the compiler and the flags of every other test.

pub mod captures;
pub mod dns;
pub mod frames;
pub mod http;
pub mod policy;
pub mod proxy;
pub mod reassembly;
pub mod script;
pub mod secret;
pub mod tls;
