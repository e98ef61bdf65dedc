//! Text with secrets in it. See `netscript_fuzz::secret`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netscript_fuzz::secret::check(input));
