//! DNS messages. See `netscript_fuzz::dns`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netscript_fuzz::dns::check(input));
