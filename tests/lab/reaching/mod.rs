//! `netscript run egress-check`: real programs reach for a fake internet, in every way there is, and each is found, and
//! nothing else.

mod ends;
mod enforced;
mod engines;
mod hiding;
mod names;
mod quiet;
mod rules;
mod unhooked;
mod ways;

use std::process::Command;

use serde_json::{Value, json};

use crate::program::{Ended, Folder, run};
use crate::support::{Internet, Netns, reach};

/// A host with a way to an internet.
struct Client {
    host: Netns,
    internet: Internet,
    folder: Folder,
}

/// What a check says.
struct Checked {
    ended: Ended,
    lines: Vec<Value>,
}

impl Client {
    fn new() -> Self {
        let host = Netns::new();
        Self { internet: Internet::new(&host), host, folder: Folder::new() }
    }

    /// netscript on this host, for commands that know the program of [`reach`] as `$REACH`.
    fn netscript(&self, arguments: &[&str]) -> Command {
        let mut netscript = self.internet.netscript_command(&self.host, &self.folder);
        netscript.env("REACH", reach()).args(arguments);
        netscript
    }

    /// Checks a line of shell.
    fn check(&self, line: &str) -> Checked {
        self.check_with(&[], line)
    }

    /// Checks a line of shell, with these parameters of the script.
    fn check_with(&self, parameters: &[&str], line: &str) -> Checked {
        self.check_command(parameters, &["sh", "-c", line])
    }

    fn check_command(&self, parameters: &[&str], command: &[&str]) -> Checked {
        Checked::new(run(&mut self.netscript(&[&CHECK, parameters, command].concat())))
    }

    /// The attempts that a line of shell makes.
    fn attempts(&self, line: &str) -> Vec<Value> {
        let run_it = format!("run({})", json!(["sh", "-c", line]));
        let ended = run(&mut self.netscript(&["eval", "-q", "--json", "--allow=exec", &run_it]));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        parsed(&ended)
    }
}

const CHECK: [&str; 4] = ["run", "egress-check", "--json", "--"];

fn parsed(ended: &Ended) -> Vec<Value> {
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

impl Checked {
    fn new(ended: Ended) -> Self {
        Self { lines: parsed(&ended), ended }
    }

    /// What it says of this kind.
    fn records(&self, record: &str) -> Vec<&Value> {
        self.lines.iter().filter(|line| line["record"] == record).collect()
    }

    /// What one finding is based on.
    fn evidence(&self, title: &str) -> &Value {
        let findings = self.records("finding");
        let finding = findings.iter().find(|finding| finding["title"] == title);
        &finding.unwrap_or_else(|| panic!("{title}: {:?}", self.ended))["evidence"][0]
    }

    /// The titles of what was found, in order of the alphabet.
    fn titles(&self) -> Vec<&str> {
        let mut titles: Vec<_> = self.records("finding").iter().map(|finding| text(&finding["title"])).collect();
        titles.sort_unstable();
        titles
    }

    fn verdict(&self) -> &Value {
        self.lines.last().unwrap()
    }

    /// The verdict, and the reasons that it gives.
    fn concluded(&self) -> (&str, Vec<&str>) {
        let reasons = self.verdict()["reasons"].as_array().unwrap();
        (text(&self.verdict()["verdict"]), reasons.iter().map(text).collect())
    }

    /// That this was found, and nothing else, and that the command went well.
    #[track_caller]
    fn found(&self, titles: &[&str]) {
        let mut expected = titles.to_vec();
        expected.sort_unstable();
        assert_eq!(self.titles(), expected, "{:?}", self.ended);
        assert_eq!((self.ended.code, self.concluded()), (Some(1), ("finding", vec![])), "{:?}", self.ended);
    }

    /// That nothing was found, and that it could be seen.
    #[track_caller]
    fn is_clean(&self) {
        assert_eq!((self.ended.code, self.titles()), (Some(0), vec![]), "{:?}", self.ended);
        assert_eq!(self.concluded().0, "clean", "{:?}", self.ended);
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}
