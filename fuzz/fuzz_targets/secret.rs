//! Any bytes through the rules that find secrets.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netscript::record::secret::{is_secret_header, mask_secret, mask_text};

fuzz_target!(|input: &[u8]| {
    let masked = mask_text(input);
    // A field with a secret name is masked whatever comes before it in the text.
    let after = [input, b"\r\n\r\nX-Api-Key: Zq9\r\n"].concat();
    assert!(!mask_text(&after).windows(3).any(|part| part == b"Zq9") || input.windows(3).any(|part| part == b"Zq9"));
    let text = String::from_utf8_lossy(&masked);
    let _ = is_secret_header(&text);
    let shown = mask_secret(&text);
    assert!(shown.chars().count() <= 8);
});
