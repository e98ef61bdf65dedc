//! The command behind the options of a script.

use super::check;
use crate::support::program::Folder;

#[test]
fn a_command_reaches_the_script_as_it_was_given_and_is_granted_by_that() {
    let folder = Folder::new();
    folder.write(
        "watch.rhai",
        "//! What does a command say to whom?\n\
         //!\n\
         //! @command                  the command to watch\n\
         //! @param port: int = 443    only this port\n\
         //! @param quick: bool = false  do not wait\n\
         //! @example netscript run ./watch.rhai -- --port=80 make build\n\
         print(`${args.port} ${args.quick} ${args.command}`);\n",
    );
    folder.write("plain.rhai", "//! Takes none.\n//! @param port: int = 443\nprint(args.port);\n");
    check("command.txt", &folder);
}

#[test]
fn a_report_names_the_command_without_its_secrets() {
    let folder = Folder::new();
    folder.write("watch.rhai", "//! Watch.\n//! @command\n");
    let report = |options: &[&str]| {
        let command = ["--", "deploy", "--token", "hunter2hunter2", "-v"];
        let arguments = [&["run", "./watch.rhai", "-q", "-o", "md"][..], options, &command].concat();
        folder.netscript(arguments).stdout
    };
    let end = "\n\n**CLEAN**: nothing found\n\n0 packets captured, 0 received, 0 dropped\n";
    assert_eq!(report(&[]), format!("## ./watch.rhai\n\n`deploy --token **** -v`{end}"));
    let shown = format!("## ./watch.rhai\n\n`deploy --token hunter2hunter2 -v`{end}");
    assert_eq!(report(&["--show-secrets"]), shown);
    let file = report(&["-r", "x.pcap"]);
    assert!(file.starts_with("## ./watch.rhai\n\n`x.pcap, deploy --token **** -v`\n"), "{file}");
}
