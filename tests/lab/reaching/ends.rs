//! How a check ends: exit codes, signals, and what it leaves.

use aya::programs::loaded_programs;
use rustix::process::Signal;

use super::{CHECK, Checked, Client};
use crate::program::{NETSCRIPT, run};
use crate::support::{Running, UNPRIVILEGED, needs, reach, until};

const NOTHING: &str = "no attempt to reach the outside was seen; 0 stayed inside, 0 are allowed by rules";

#[test]
fn where_nothing_is_found_it_ends_as_the_command_did() {
    needs!("cc", "nft", "dnsmasq");
    let client = Client::new();
    for (line, code, why) in [
        ("exit 7", 7, "the command failed: exit code 7"),
        ("kill -9 $$", 137, "the command failed: signal 9"),
        ("kill -TERM $$", 143, "the command failed: signal 15"),
    ] {
        let checked = client.check(line);
        assert_eq!((checked.ended.code, checked.concluded()), (Some(code), ("clean", vec![NOTHING, why])), "{line}");
    }
}

#[test]
fn a_finding_counts_more_than_a_command_that_failed_and_both_are_told() {
    needs!("cc", "nft", "dnsmasq");
    let checked = Client::new().check("$REACH tcp 203.0.113.1 80; exit 7");
    assert_eq!(checked.titles(), ["reach reached 203.0.113.1 80/tcp: connected"]);
    assert_eq!(
        (checked.ended.code, checked.concluded()),
        (Some(1), ("finding", vec!["the command failed: exit code 7"]))
    );
    assert_eq!(checked.verdict()["command"]["exit"], 7);
}

#[test]
fn a_command_that_cannot_be_run_is_a_mistake() {
    needs!("cc", "nft", "dnsmasq");
    let client = Client::new();
    client.folder.write("plain", "");
    for (command, why) in [
        ("./no-such-program", "cannot run `./no-such-program`: there is no such program"),
        ("./plain", "cannot run `./plain`: it may not be executed"),
    ] {
        let checked = client.check_command(&[], &[command]);
        assert_eq!((checked.ended.code, checked.concluded()), (Some(2), ("error", vec![why])), "{:?}", checked.ended);
        assert!(checked.ended.stderr.contains(why), "{:?}", checked.ended);
    }
}

#[test]
fn without_privileges_the_command_is_not_begun() {
    needs!("setpriv", "touch");
    let folder = crate::program::Folder::new();
    // Whoever is nobody could write there.
    folder.tool("chmod", ["0777", "."]);
    let mut nobody = folder.command("setpriv");
    nobody.args(UNPRIVILEGED).arg(NETSCRIPT).args(CHECK);
    let ended = run(nobody.args(["touch", "begun"]));
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("no permission to watch what a command does: this needs CAP_BPF"), "{ended:?}");
    assert!(!folder.has("begun"));
    let mut nobody = folder.command("setpriv");
    run(nobody.args(UNPRIVILEGED).args(["touch", "begun"]));
    assert!(folder.has("begun"));
}

#[test]
fn what_is_left_behind_is_named_unless_that_does_not_matter() {
    needs!("cc", "nft", "dnsmasq");
    let client = Client::new();
    let line = "sleep 1000 <&- >&- 2>&- & echo $! >pid";
    let checked = client.check_with(&["--linger=200ms"], line);
    let pid = String::from_utf8(client.folder.read("pid")).unwrap();
    let left = format!("of the command there still runs, and is not watched any more: sleep ({})", pid.trim());
    assert_eq!((checked.ended.code, checked.concluded()), (Some(3), ("inconclusive", vec![&*left])));
    client.check_with(&["--linger=200ms", "--leave"], line).is_clean();
}

#[test]
fn what_is_left_behind_is_waited_for() {
    needs!("cc", "nft", "dnsmasq");
    // It reaches for somebody when its parent has ended.
    let line = "(while kill -0 $$ 2>&-; do :; done; exec $REACH tcp 203.0.113.1 80) & exit 0";
    Client::new().check(line).found(&["reach reached 203.0.113.1 80/tcp: connected"]);
}

#[test]
fn the_command_keeps_its_input_output_and_errors() {
    needs!("cc", "nft", "dnsmasq");
    let client = Client::new();
    let mut netscript = client.netscript(&["run", "egress-check", "-q", "--report", "report.json", "--"]);
    netscript.args(["sh", "-c", "cat; echo out; echo err >&2; exit 5"]);
    let text = "a line\nand one without an end".repeat(10_000);
    let ended = crate::program::run_reading(&mut netscript, |input| input.write_all(text.as_bytes()));
    assert_eq!((ended.code, &*ended.stderr), (Some(5), "err\n"));
    assert!(ended.stdout.starts_with(&format!("{text}out\n")), "{} bytes", ended.stdout.len());
}

/// A check of a command that says `running`, and then waits for the file `go`, bounded by the length of a test.
fn waiting(client: &Client, line: &str) -> Running {
    let script = format!("echo running >&2; {line}");
    let mut running = Running::spawn(&mut client.netscript(&[&CHECK[..], &["sh", "-c", &script]].concat()));
    running.says("running");
    running
}

#[test]
fn killed_in_the_middle_it_leaves_the_command_alone_and_nothing_in_the_kernel() {
    needs!("cc", "nft", "dnsmasq");
    let client = Client::new();
    let running = waiting(&client, "until [ -e go ]; do :; done; $REACH tcp 203.0.113.1 80; echo $? >end");
    let programs = programs(running.pid());
    assert!(programs.len() > 10, "{programs:?}");
    running.signal(Signal::KILL);
    client.folder.write("go", "");
    until("the end of the command", || client.folder.has("end").then_some(()));
    // Its output is a pipe that the command has, too.
    running.ended();
    until("the programs to go", || {
        let left = loaded_programs().filter_map(Result::ok).any(|program| programs.contains(&program.id()));
        (!left).then_some(())
    });
}

/// The numbers of the programs for the kernel that a process holds.
fn programs(pid: u32) -> Vec<u32> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap();
    let said = descriptors.filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok());
    said.filter_map(|said| said.lines().find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok())).collect()
}

/// Reaches for somebody, and goes on until it is told to end.
const ENDLESS: &str =
    "$REACH tcp 203.0.113.1 80; trap 'echo told >told; exit 4' TERM; echo ready >&2; while :; do :; done";

#[test]
fn ctrl_c_ends_the_command_and_what_was_found_is_told() {
    needs!("cc", "nft", "dnsmasq");
    let client = Client::new();
    let mut running = waiting(&client, ENDLESS);
    running.says("ready");
    running.signal(Signal::INT);
    let checked = Checked::new(running.ended());
    assert_eq!(checked.titles(), ["reach reached 203.0.113.1 80/tcp: connected"], "{:?}", checked.ended);
    assert_eq!(
        (checked.ended.code, &checked.verdict()["command"]["exit"]),
        (Some(1), &4.into()),
        "{:?}",
        checked.ended
    );
    assert!(client.folder.has("told"));
}

#[test]
fn sigterm_ends_the_command_and_the_script() {
    needs!("cc", "nft", "dnsmasq");
    let client = Client::new();
    let mut running = waiting(&client, ENDLESS);
    running.says("ready");
    running.signal(Signal::TERM);
    let checked = Checked::new(running.ended());
    let (verdict, reasons) = checked.concluded();
    // Whether the command's own end is known by then is a race.
    assert_eq!((checked.ended.code, verdict, reasons[0]), (Some(3), "inconclusive", "stopped"), "{:?}", checked.ended);
    assert!(client.folder.has("told"));
}

#[test]
fn after_its_duration_the_command_is_told_to_end() {
    needs!("cc", "nft", "dnsmasq");
    let client = Client::new();
    let mut netscript = client.netscript(&["run", "egress-check", "--duration=300ms", "--json", "--"]);
    let checked = Checked::new(run(netscript.args([reach(), "many", "10.1.0.1", "1000000000"])));
    assert_eq!(checked.ended.code, Some(143), "{:?}", checked.ended);
}
