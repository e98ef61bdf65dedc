//! Apps of a proxy. See `netscript_fuzz::proxy`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netscript_fuzz::proxy::check(input));
