//! What the README shows of `netscript run egress-check`.

use crate::program::Folder;
use crate::support::{Netns, needs, succeed, tool};
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
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, shown) = readme.split_once("$ sudo netscript run egress-check -- make build\n").unwrap();
    let (shown, _) = shown.split_once("\n$ ").unwrap();
    // A namespace without a route.
    let ended = Netns::new().netscript(&folder, &["run", "egress-check", "--", "make", "build"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(without_what_changes(&(ended.stdout + &*ended.stderr)), without_what_changes(shown));
}

/// A text without the numbers of processes and the time, which are others each time.
fn without_what_changes(text: &str) -> String {
    let word = |word: &str| match word.trim_matches(['(', ')', ',']).parse::<u32>() {
        Ok(10..) => "…".to_owned(),
        _ if word.contains('T') && word.ends_with('Z') => "…".to_owned(),
        _ => word.to_owned(),
    };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}
