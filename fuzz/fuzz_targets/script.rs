//! Scripts, and lines of the REPL. See `netscript_fuzz::script`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netscript_fuzz::script::check(input));
