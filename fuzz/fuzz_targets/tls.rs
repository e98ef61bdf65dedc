//! Conversations that may be TLS over TCP or QUIC. See `netscript_fuzz::tls`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netscript_fuzz::tls::check(input));
