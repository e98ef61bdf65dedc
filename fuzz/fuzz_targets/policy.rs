//! Rules of a policy. See `netscript_fuzz::policy`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netscript_fuzz::policy::check(input));
