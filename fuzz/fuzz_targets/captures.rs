//! Capture files, plain and compressed. See `netscript_fuzz::captures`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netscript_fuzz::captures::check(input));
