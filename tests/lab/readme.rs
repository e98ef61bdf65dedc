//! What the README shows of `netscript run egress-check`.

use crate::program::Folder;
use crate::support::{Netns, by_words, needs, shown, succeed, tool};
use std::process::Command;

/// Reaches for an address, whatever it is called.
const REACH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/programs/reach.c");

#[test]
fn the_readme_shows_what_egress_check_prints() {
    needs!("cc", "make");
    let folder = Folder::new();
    folder.write("Makefile", "build:\n\t@./telemetry || true\n\t@echo compiled\n");
    folder.write("telemetry", "#!/bin/sh\n./telemetryd tcp 192.0.2.9 443\nexit 0\n");
    succeed(Command::new(tool("chmod")).arg("+x").arg(folder.path("telemetry")));
    succeed(Command::new(tool("cc")).args(["-w", "-static", "-o"]).arg(folder.path("telemetryd")).arg(REACH));
    // A namespace without a route.
    let ended = Netns::new().netscript(&folder, &["run", "egress-check", "--", "make", "build"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let shown = shown("README.md", "sudo netscript run egress-check -- make build");
    assert_eq!(
        by_words(&(ended.stdout + &*ended.stderr), without_what_changes),
        by_words(&shown, without_what_changes)
    );
}

/// A word, unless it is the number of a process or a time, which are others each time.
fn without_what_changes(word: &str) -> String {
    match word.trim_matches(['(', ')', ',']).parse::<u32>() {
        Ok(10..) => "…".to_owned(),
        _ if word.contains('T') && word.ends_with('Z') => "…".to_owned(),
        _ => word.to_owned(),
    }
}
