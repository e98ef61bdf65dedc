//! A run as a step of GitHub Actions.

use super::folder;
use crate::support::program::{Ended, Folder, NETSCRIPT, run};

/// Runs netscript as a step.
fn step(folder: &Folder, summary: Option<&str>, arguments: &[&str]) -> Ended {
    let mut command = folder.command(NETSCRIPT);
    command.args(arguments).env("GITHUB_ACTIONS", "true");
    if let Some(summary) = summary {
        command.env("GITHUB_STEP_SUMMARY", folder.path(summary));
    }
    run(&mut command)
}

const HUNT: &[&str] = &["run", "expired-token-hunt", "-q", "-r", "incident.pcap"];

#[test]
fn findings_are_annotations_without_secrets_also_when_it_is_to_be_quiet() {
    let folder = folder();
    let alone = folder.netscript(HUNT);
    assert_eq!(alone.stderr, "");
    let ended = step(&folder, None, HUNT);
    assert_eq!((ended.code, &ended.stdout), (alone.code, &alone.stdout));
    assert_eq!(
        ended.stderr,
        "::error title=expired-credential%3A 7982acd30ec9::203.0.113.54 still sends Bearer ****UduA, rejected 14 times, \
         28m1.9s after it expired\n"
    );
}

#[test]
fn a_verdict_that_is_open_is_a_warning_with_its_reasons() {
    let folder = Folder::new();
    folder.write(
        "open.rhai",
        "finding(\"leak\", #{ subject: \"a,b\", title: \"100 %\\n::error::x\", severity: \"low\" });\n\
         inconclusive(\"late\");\n",
    );
    folder.write("late.rhai", "inconclusive(\"late: 5 %\"); inconclusive(\"dropped\");\n");
    for (script, code, told) in [
        ("./open.rhai", 1, "::warning title=leak%3A a%2Cb::100 %25%0A::error::x\n"),
        ("./late.rhai", 3, "::warning title=could not see enough to tell::late: 5 %25%0Adropped\n"),
    ] {
        let ended = step(&folder, None, &["run", script, "-q"]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(code), told));
    }
    // Questions in a line are no checks.
    let ended = step(&folder, Some("summary.md"), &["eval", "-q", "inconclusive(\"late\")"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(3), "netscript: late\n"));
    assert!(!folder.has("summary.md"));
}

#[test]
fn the_report_is_appended_to_the_summary_of_the_step() {
    let folder = folder();
    let report = folder.netscript([HUNT, &["-o", "md"]].concat()).stdout;
    folder.write("summary.md", "# Before\n");
    let ended = step(&folder, Some("summary.md"), HUNT);
    assert_eq!(ended.stdout, folder.netscript(HUNT).stdout);
    assert_eq!(String::from_utf8(folder.read("summary.md")).unwrap(), format!("# Before\n{report}"));
}

#[test]
fn a_summary_that_cannot_be_written_is_said_and_changes_nothing() {
    let folder = folder();
    let alone = folder.netscript(HUNT);
    folder.tool("ln", ["-s", "/dev/full", "full.md"]);
    for (path, why) in [
        ("no/such/folder.md", "No such file or directory (os error 2)"),
        ("full.md", "No space left on device (os error 28)"),
    ] {
        let ended = step(&folder, Some(path), HUNT);
        assert_eq!((ended.code, &ended.stdout), (alone.code, &alone.stdout), "{path}");
        let said =
            format!("netscript: cannot write the summary of the step to `{}`: {why}", folder.path(path).display());
        assert_eq!(ended.stderr.lines().last(), Some(said.as_str()));
    }
}

#[test]
fn a_summary_that_github_would_not_take_is_cut_and_keeps_its_verdict() {
    let folder = folder();
    folder.write("long.rhai", "let x = \"x\"; x.pad(1000, \"x\"); for i in 0..2000 { print(x); }\n");
    let ended = step(&folder, Some("summary.md"), &["run", "./long.rhai", "-q"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let summary = String::from_utf8(folder.read("summary.md")).unwrap();
    assert!((900_000..1 << 20).contains(&summary.len()), "{} bytes", summary.len());
    let end = "x\n\n(and more, which is left out here)\n\n**CLEAN**: nothing found\n\n0 packets captured, 0 received, 0 dropped\n";
    assert!(summary.ends_with(end), "{}", &summary[summary.len() - 1200..]);
}
