//! The reference in `docs` is what the code declares.

use std::path::Path;

/// `NETSCRIPT_BLESS=1 cargo test --test reference` writes it anew.
#[test]
fn the_reference_is_what_the_code_declares() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference.md");
    let expected = netscript::script::reference::markdown();
    if std::env::var_os("NETSCRIPT_BLESS").is_some() {
        std::fs::write(&path, &expected).expect("the reference can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == expected, "docs/reference.md is out of date: NETSCRIPT_BLESS=1 cargo test --test reference");
}
