//! Everything that the documentation shows is run.

use std::path::{Path, PathBuf};

use netscript::script::docs::{Entry, entries};
use netscript::script::{Library, Origin, Permission};

use crate::support::incident::incident;
use crate::support::program::Folder;
use crate::support::transcript;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A folder with the files that examples read.
fn folder() -> Folder {
    let folder = Folder::with("incident.pcap", incident().pcap());
    let written = folder.shell("netscript eval --json -q -r incident.pcap 'http_requests()' > requests.ndjson");
    assert_eq!(written.code, Some(0), "{}", written.stderr);
    std::fs::copy(project("tests/captures/data/20-DnsPackets.pcap"), folder.path("names.pcap")).unwrap();
    std::fs::create_dir(folder.path("demo")).unwrap();
    folder.write("demo/incident.pcap", incident().pcap());
    folder.write("browser.pcap", std::fs::read(project("tests/captures/data/27-tls-split-client-hello.pcap")).unwrap());
    folder
}

/// The words of a command in a shell, quoted where they have to be.
fn quoted(script: &str) -> String {
    format!("'{}'", script.replace('\'', r"'\''"))
}

#[test]
fn the_example_of_every_function_gives_what_the_reference_says() {
    let folder = folder();
    // What is on a host, and what a command does on it, is different on each: the lab runs those examples, where it is known.
    let of_host = |entry: &&Entry| matches!(entry.needs, Some(Permission::Host | Permission::Act | Permission::Exec));
    let commands: Vec<String> = entries()
        .filter(|entry| !of_host(entry))
        .map(|entry| {
            let allow = match entry.needs {
                Some(permission @ (Permission::Write | Permission::Serve)) => format!(" --allow {permission}"),
                _ => String::new(),
            };
            format!("netscript eval -q -r incident.pcap{allow} {}", quoted(entry.example))
        })
        .collect();
    assert!(commands.len() > 20);
    let transcript = transcript::of_commands(commands.iter().map(String::as_str), &folder);
    transcript::golden(&project("tests/scripts/examples.txt"), &transcript);
    // Blessed or not: an example that fails is none.
    let codes: Vec<&str> = transcript.lines().skip_while(|line| *line != "$ echo $?").collect();
    for code in codes.windows(2).filter(|lines| lines[0] == "$ echo $?").map(|lines| lines[1]) {
        assert!(["0", "1", "3"].contains(&code), "an example ends with {code}:\n{transcript}");
    }
}

#[test]
fn examples_in_the_headers_of_scripts_are_commands_that_run() {
    let library = Library::new(Vec::new());
    let folder = folder();
    let mut run = 0;
    for listed in library.list() {
        assert_eq!(listed.origin, Origin::Stock);
        let script = library.find(&listed.name).unwrap();
        assert!(!script.header.examples.is_empty(), "{} shows no example", listed.name);
        // What is on a host is different on each, and what listens does so until somebody ends it: the lab runs those.
        let of_lab = |need: Permission| matches!(need, Permission::Host | Permission::Serve);
        if script.header.needs.iter().any(|need| of_lab(need.permission)) {
            continue;
        }
        for example in &script.header.examples {
            assert!(example.starts_with(&format!("netscript run {} ", listed.name)), "{example}");
            let ended = folder.shell(example);
            assert!(matches!(ended.code, Some(0 | 1 | 3)), "{example}: {}", ended.stderr);
            run += 1;
        }
    }
    assert!(run > 0);
}

/// Commands of the README that are about the machine and not about netscript, or that the lab runs.
const NOT_RUN: &[&str] = &[
    "./dev ",
    "cargo ",
    "git ",
    "sudo apt",
    "sudo netscript run noisy-container",
    "netscript run egress-trace",
    "sudo netscript run egress-check",
    "sudo netscript run proxy",
];

#[test]
fn commands_in_the_readme_print_what_it_says() {
    let folder = folder();
    let readme = std::fs::read_to_string(project("README.md")).unwrap();
    let mut actual = String::new();
    let mut run = 0;
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        actual += &format!("{line}\n");
        if line != "```console" {
            continue;
        }
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let mut commands =
            block.iter().filter_map(|line| line.strip_prefix("$ ")).filter(|command| *command != "echo $?");
        assert!(
            block.first().is_some_and(|line| line.starts_with("$ ")),
            "a console block begins with a command: {block:?}"
        );
        let text = block.iter().map(|line| format!("{line}\n")).collect::<String>();
        if commands.all(|command| NOT_RUN.iter().any(|begin| command.starts_with(begin))) {
            actual += &text;
        } else {
            actual += &transcript::replay(&text, &folder);
            run += 1;
        }
        actual += "```\n";
    }
    assert!(run > 0, "the README shows no command");
    transcript::golden(&project("README.md"), &actual);
}
