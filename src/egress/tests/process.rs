//! Processes that come and go.

use std::sync::Arc;

use super::super::event::{Reason, What};
use super::super::process::{Process, Processes};
use super::event;

/// What Docker calls a container.
const ID: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f900112233445566778899aabbccddeeff";

fn fork(processes: &mut Processes, parent: u32, pid: u32) {
    assert_eq!(processes.take(&event(pid, "fork", What::Forked { parent })), None);
}

fn exec(processes: &mut Processes, pid: u32, name: &str, arguments: &[u8], group: &str) -> Arc<Process> {
    let groups = [group.to_owned(), "//".to_owned()];
    processes.take(&event(pid, name, What::Executed { arguments: arguments.to_vec(), groups })).unwrap()
}

fn texts(list: &[Arc<str>]) -> Vec<&str> {
    list.iter().map(|text| &**text).collect()
}

/// `make`, number 10, which netscript has begun.
fn make() -> Processes {
    let mut processes = Processes::new(false);
    fork(&mut processes, 1, 10);
    exec(&mut processes, 10, "make", b"make\0build\0", "//");
    processes
}

#[test]
fn a_process_is_called_as_the_program_that_it_runs_and_knows_who_made_it() {
    let mut processes = make();
    fork(&mut processes, 10, 11);
    // Until it runs a program of its own, it is what made it.
    let child = processes.numbered(11).unwrap();
    assert_eq!((&*child.name, &*child.command, texts(&child.parents)), ("make", "make build", vec!["make (10)"]));
    exec(&mut processes, 11, "sh", b"sh\0-c\0curl a.example\0", "//");
    fork(&mut processes, 11, 12);
    let curl = exec(&mut processes, 12, "curl", b"curl\0a.example\0", "//");
    assert_eq!((curl.pid, &*curl.name, &*curl.command), (12, "curl", "curl a.example"));
    assert_eq!(texts(&curl.parents), ["sh (11)", "make (10)"]);
    assert_eq!(processes.numbered(12), Some(curl));
}

#[test]
fn the_command_itself_has_no_parents() {
    let make = make().numbered(10).unwrap();
    assert_eq!((&*make.command, texts(&make.parents)), ("make build", vec![]));
}

#[test]
fn of_its_ancestors_the_sixteen_nearest_are_kept() {
    let mut processes = make();
    for pid in 11..=40 {
        fork(&mut processes, pid - 1, pid);
    }
    let last = processes.numbered(40).unwrap();
    let nearest: Vec<String> = (24..40).rev().map(|pid| format!("make ({pid})")).collect();
    assert_eq!(texts(&last.parents), nearest);
}

#[test]
fn a_parent_that_has_ended_stays_a_parent() {
    let mut processes = make();
    fork(&mut processes, 10, 11);
    assert_eq!(processes.take(&event(10, "make", What::Exited)), None);
    assert_eq!(processes.numbered(10), None);
    assert_eq!(texts(&processes.numbered(11).unwrap().parents), ["make (10)"]);
}

#[test]
fn a_number_that_is_used_again_is_somebody_else() {
    let mut processes = make();
    fork(&mut processes, 10, 11);
    exec(&mut processes, 11, "curl", b"curl\0", "//");
    processes.take(&event(11, "curl", What::Exited));
    fork(&mut processes, 10, 11);
    assert_eq!(&*processes.numbered(11).unwrap().name, "make");
    processes.take(&event(11, "make", What::Exited));
    // Of whoever has it then, nothing was told but what it is called.
    let stranger = processes.get(&event(11, "wget", What::Exited));
    assert_eq!((&*stranger.name, &*stranger.command, texts(&stranger.parents)), ("wget", "", vec![]));
}

#[test]
fn a_container_is_known_by_a_control_group_and_inherited() {
    let mut processes = make();
    fork(&mut processes, 10, 11);
    let version_2 = format!("/system.slice/docker-{ID}.scope");
    assert_eq!(exec(&mut processes, 11, "sh", b"sh\0", &version_2).container.as_deref(), Some(ID));
    fork(&mut processes, 11, 12);
    assert_eq!(processes.numbered(12).unwrap().container.as_deref(), Some(ID));
    // In groups of its own inside, it is in the container all the same.
    assert_eq!(exec(&mut processes, 12, "apk", b"apk\0", "/init.scope/inner").container.as_deref(), Some(ID));
    assert_eq!(processes.in_containers().collect::<Vec<_>>(), [ID, ID]);
    // Where control groups are of version 1, the second place has it.
    let groups = ["//".to_owned(), format!("/docker/{ID}")];
    let begun = processes.take(&event(10, "sh", What::Executed { arguments: Vec::new(), groups })).unwrap();
    assert_eq!(begun.container.as_deref(), Some(ID));
}

#[test]
fn secrets_in_command_lines_are_masked_unless_they_are_to_be_shown() {
    let line = b"agent\0--token\0sk_live_4eC3\0-v\0";
    for (show_secrets, shown) in [(false, "agent --token **** -v"), (true, "agent --token sk_live_4eC3 -v")] {
        let mut processes = Processes::new(show_secrets);
        fork(&mut processes, 1, 10);
        assert_eq!(&*exec(&mut processes, 10, "agent", line, "//").command, shown);
    }
}

#[test]
fn arguments_are_any_bytes_and_may_be_cut_or_none() {
    let mut processes = make();
    let mut command = |arguments: &[u8]| exec(&mut processes, 10, "x", arguments, "//").command.to_string();
    assert_eq!(command(b"x\0a\0\0b\0"), "x a  b");
    assert_eq!(command(b"x\0cut he"), "x cut he");
    assert_eq!(command(b"x\0\xff\0"), "x \u{fffd}");
    assert_eq!(command(b""), "");
}

#[test]
fn those_of_the_command_are_told_from_those_of_engines() {
    let mut processes = make();
    processes.add(20, "dockerd", "dockerd -H fd://", None, Reason::ENGINE);
    let mut forked = event(21, "dockerd", What::Forked { parent: 20 });
    forked.reason = Reason::ENGINE;
    processes.take(&forked);
    let child = processes.numbered(21).unwrap();
    assert_eq!((child.reason, &*child.command), (Reason::ENGINE, "dockerd -H fd://"));
    assert_eq!(processes.of_command().map(|process| process.pid).collect::<Vec<_>>(), [10]);
}
