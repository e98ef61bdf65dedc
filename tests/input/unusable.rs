//! Input that is no capture, or cannot be opened.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use super::small;
use crate::support::capture::{block, little};
use crate::support::program::{Ended, Folder, NETSCRIPT, run};
use crate::support::transcript;

#[test]
fn what_is_no_capture_is_an_error_that_says_what_it_is() {
    let folder = Folder::new();
    folder.write("empty", "");
    folder.write("text", "Dear diary,\n");
    folder.write("zeros", vec![0; 4096]);
    folder.write("short", [0xd4, 0xc3]);
    folder.write("page.html", "<!doctype html>\n<title>Not found</title>\n");
    folder.write("version.pcap", little(&[0xa1b2_c3d4, 0x0004_0063, 0, 0, 0xffff, 1]));
    folder.write("not-first.pcapng", block(6, &[0; 32]));
    folder.write("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    folder.write("count.rhai", "//! Counts.\ncapture().count()\n");
    std::fs::create_dir(folder.path("folder")).unwrap();
    for command in ["gzip -kc text > text.gz", "zstd -qc text > text.zst", ": | gzip > empty.gz"] {
        assert_eq!(folder.shell(command).code, Some(0));
    }
    transcript::check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/input/unusable.txt"), &folder);
}

/// Runs as a user who may read nothing that others keep to themselves.
fn as_nobody(folder: &Folder, arguments: &[&str]) -> Ended {
    const NOBODY: u32 = 65534;
    folder.make_public();
    // The binary may be where only its owner looks.
    let binary = folder.path("netscript");
    std::fs::copy(NETSCRIPT, &binary).unwrap();
    let mut command = folder.command(&binary);
    command.args(arguments);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    run(&mut command)
}

#[test]
fn a_file_without_permission_could_not_be_observed() {
    let folder = Folder::with("secret.pcap", small().pcap());
    std::fs::set_permissions(folder.path("secret.pcap"), PermissionsExt::from_mode(0o000)).unwrap();
    let ended = as_nobody(&folder, &["eval", "-r", "secret.pcap", "capture().count()"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""), "{}", ended.stderr);
    let message = "error: cannot open `secret.pcap`: no permission to read it; ask its owner for access, or run as a \
                   user who has it\n";
    assert!(ended.stderr.starts_with(message), "{}", ended.stderr);
}

#[test]
fn reading_a_file_needs_no_root() {
    let folder = Folder::with("capture.pcap", small().pcap());
    let ended = as_nobody(&folder, &["eval", "-q", "-r", "capture.pcap", "http_requests().count()"]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("2\n", ""));
}
