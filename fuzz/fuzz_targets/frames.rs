//! Packets of any link type. See `netscript_fuzz::frames`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netscript_fuzz::frames::check(input));
