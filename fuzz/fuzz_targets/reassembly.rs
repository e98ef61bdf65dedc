//! Segments of TCP in any order. See `netscript_fuzz::reassembly`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netscript_fuzz::reassembly::check(input));
