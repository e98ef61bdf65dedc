//! What scripts may do is granted by whoever runs them.

use super::folder;
use crate::support::program::{Ended, Folder, NETSCRIPT, run};

#[test]
fn a_script_that_needs_more_than_was_granted_is_not_begun() {
    let folder = Folder::new();
    for need in ["exec", "act", "serve", "write"] {
        folder.write("script.rhai", format!("//! Needs it.\n//! @needs capture, {need}\nprint(\"begun\");\n"));
        let arguments = ["run", "./script.rhai", "-r", "missing.pcap"];
        let refused = folder.netscript(arguments);
        assert_eq!(refused.code, Some(2));
        let message = format!("./script.rhai needs the permission `{need}`, which was not granted; add --allow {need}");
        assert_eq!(refused.stderr, format!("error: {message}\n"));
        assert!(!refused.stdout.contains("begun"), "{}", refused.stdout);
        let granted = folder.netscript([&arguments[..], &["--allow", &format!("probe,{need}")]].concat());
        assert_eq!((granted.code, granted.stdout.starts_with("begun\n")), (Some(0), true), "{}", granted.stderr);
    }
}

#[test]
fn nothing_is_written_and_nothing_opened_without_permission_to_write() {
    let folder = folder();
    // That the capture does not exist would be told if it were opened first.
    let refused = folder.netscript(["eval", "-r", "missing.pcap", "capture().save(\"out.pcapng\")"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.starts_with(
            "error: save(\"out.pcapng\") needs the permission `write`, which was not granted; add --allow write\n"
        ),
        "{}",
        refused.stderr
    );
    assert!(!folder.has("out.pcapng"));
    // A script can catch that, and goes on.
    let caught = "try { capture().save(\"out.pcapng\") } catch (e) { print(e.kind) } capture().count()";
    let caught = folder.netscript(["eval", "-q", "-r", "incident.pcap", caught]);
    assert_eq!((caught.stdout.as_str(), caught.code), ("permission\n344\n", Some(0)), "{}", caught.stderr);
    assert!(!folder.has("out.pcapng"));
}

#[test]
fn with_permission_packets_are_saved_as_they_were() {
    let folder = folder();
    let saved = folder.netscript([
        "eval",
        "-q",
        "-r",
        "incident.pcap",
        "--allow",
        "write",
        "capture(\"ip6\").save(\"out.pcapng\")",
    ]);
    assert_eq!((saved.stdout.as_str(), saved.code), ("10\n", Some(0)), "{}", saved.stderr);
    let list = |file: &str, filter: &str| folder.tool("tcpdump", ["-nn", "-tttt", "-XX", "-r", file, filter]);
    assert_eq!(list("out.pcapng", ""), list("incident.pcap", "ip6"));
}

#[test]
fn a_file_that_the_command_line_names_may_be_written() {
    let folder = folder();
    let script = "capture(\"ip6\").save(\"out.pcapng\")";
    let saved = folder.netscript(["eval", "-q", "-r", "incident.pcap", "-w", "out.pcapng", script]);
    assert_eq!((saved.stdout.as_str(), saved.code), ("10\n", Some(0)), "{}", saved.stderr);
}

#[test]
fn scripts_cannot_reach_the_system_in_other_ways() {
    let folder = Folder::with("secret.txt", "secret");
    for script in ["eval(\"1\")", "import \"secret\" as s;", "open_file(\"secret.txt\")", "run([\"ls\"])"] {
        let ended = folder.netscript(["eval", "-q", script]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{script}");
    }
}

/// Without any privilege, whoever runs the tests.
fn unprivileged(folder: &Folder, arguments: &[&str]) -> Ended {
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = folder.command("setpriv");
        command.args(["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", NETSCRIPT]);
        command
    } else {
        folder.command(NETSCRIPT)
    };
    run(command.args(arguments))
}

#[test]
fn a_script_begins_no_command_that_was_not_granted() {
    let folder = Folder::new();
    let refused = folder.netscript(["eval", "run([\"touch\", \"begun\"]).count()"]);
    let message = "run() needs the permission `exec`, which was not granted; add --allow exec\n";
    assert!(refused.stderr.starts_with(&format!("error: {message}")), "{}", refused.stderr);
    assert_eq!((refused.code, folder.has("begun")), (Some(2), false));
    // A command that a person gave is granted, and no other one.
    folder
        .write("script.rhai", "//! Begins another.\n//! @command  what to run\nrun([\"touch\", \"begun\"]).count();\n");
    let refused = folder.netscript(["run", "./script.rhai", "--", "true"]);
    assert!(refused.stderr.contains(message), "{}", refused.stderr);
    assert_eq!((refused.code, folder.has("begun")), (Some(2), false));
}

#[test]
fn nothing_is_begun_that_cannot_be_watched() {
    let folder = Folder::new();
    let message =
        "error: no permission to watch what a command does: this needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN";
    // Whether there is such a program is not looked at before.
    for script in ["run([\"touch\", \"begun\"]).count()", "run([\"there-is-no-such-program\"]).flows().count()"] {
        let ended = unprivileged(&folder, &["eval", "--allow", "exec", script]);
        assert!(ended.stderr.starts_with(message), "{}", ended.stderr);
        assert_eq!((ended.code, folder.has("begun")), (Some(3), false));
    }
    let ended = unprivileged(&folder, &["run", "egress-check", "--", "touch", "begun"]);
    assert!(ended.stderr.contains(message), "{}", ended.stderr);
    assert_eq!((ended.code, folder.has("begun")), (Some(3), false));
}
