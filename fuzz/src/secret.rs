//! Any bytes through the rules that find secrets.

use netscript::record::secret::{is_secret_header, mask_secret, mask_text};

/// A secret that is masked wherever it stands.
const HEADER: &[u8] = b"\r\n\r\nX-Api-Key: Zq9\r\n";

/// Masks the input as text, as a secret, and as the name of a header field.
pub fn check(input: &[u8]) {
    let has_secret = |text: &[u8]| text.windows(3).any(|part| part == b"Zq9");
    if !has_secret(input) {
        let text = [input, HEADER].concat();
        assert!(!has_secret(&mask_text(&text)), "the text before it hides a secret");
    }
    let text = String::from_utf8_lossy(input);
    let _ = is_secret_header(&text);
    assert!(mask_secret(&text).chars().count() <= 8);
}
