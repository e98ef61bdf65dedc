//! What a policy says to scripts, and what its page shows.

use std::path::{Path, PathBuf};

use crate::support::incident::incident;
use crate::support::program::Folder;
use crate::support::transcript;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What stands between these fences first.
fn block<'a>(page: &'a str, fence: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("\n```{fence}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

/// A folder with the rules of the page, and the capture.
fn folder(page: &str) -> Folder {
    let folder = Folder::with("egress.rules", block(page, "text"));
    std::fs::create_dir(folder.path("demo")).unwrap();
    folder.write("demo/incident.pcap", incident().pcap());
    folder
}

#[test]
fn the_example_on_the_page_is_what_happens() {
    let path = project("docs/egress-policy.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let shown = block(&page, "console");
    let actual = transcript::replay(shown, &folder(&page));
    transcript::golden(&path, &page.replace(shown, &actual));
}

#[test]
fn scripts_are_told_what_is_wrong_and_what_is_outside() {
    let page = std::fs::read_to_string(project("docs/egress-policy.md")).unwrap();
    let folder = folder(&page);
    folder.write("wrong.rules", "allow hots a.example\nallow port https\n");
    folder.write("binary.rules", b"allow\n\xff\xfe\0");
    transcript::check(&project("tests/scripts/policy.txt"), &folder);
}
