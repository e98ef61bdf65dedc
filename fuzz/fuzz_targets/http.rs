//! Bytes of HTTP connections. See `netscript_fuzz::http`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netscript_fuzz::http::check(input));
