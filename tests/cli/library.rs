//! `list`, `help`, `check`, `eject`, and where scripts are found.

use super::{check, folder};
use crate::support::program::{Folder, NETSCRIPT, run};

#[test]
fn scripts_and_functions_explain_themselves() {
    check("help.txt", &folder());
}

#[test]
fn help_of_the_command_itself_goes_to_standard_output() {
    let folder = Folder::new();
    for arguments in [&["--help"][..], &["run", "--help"], &["eval", "--help"], &["help"], &["list"], &["--version"]] {
        let help = folder.netscript(arguments);
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(!help.stdout.is_empty(), "{arguments:?}");
    }
    let nothing = folder.netscript([""; 0]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(2), ""));
    assert!(nothing.stderr.contains("Usage: netscript <COMMAND>"), "{}", nothing.stderr);
}

#[test]
fn scripts_are_checked_without_being_run() {
    let folder = Folder::new();
    folder.write("good.rhai", "//! Fine.\nprint(\"not run\");\n");
    folder.write("syntax.rhai", "//! Not fine.\n\nlet x = ;\n");
    folder.write("header.rhai", "//! Not fine.\n//! @parm port: int\n");
    folder.write("tabs.rhai", "fn f() {\n\tlet y = 1;\n\treturn y +;\n}\n");
    folder.write("binary.rhai", b"//! \xff\xfe\n");
    check("check.txt", &folder);
}

#[test]
fn an_ejected_script_is_the_stock_script_and_runs() {
    let folder = folder();
    check("eject.txt", &folder);
    let stock = include_str!("../../scripts/expired-token-hunt.rhai");
    // The transcript appends a line to see that it is not overwritten.
    assert_eq!(String::from_utf8(folder.read("expired-token-hunt.rhai")).unwrap(), format!("{stock}// mine\n"));
}

#[test]
fn a_script_in_the_path_shadows_the_stock_script_but_not_under_sudo() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path(".local/share/netscript/scripts")).unwrap();
    std::fs::create_dir(folder.path("mine")).unwrap();
    folder.write("mine/expired-token-hunt.rhai", "//! Mine.\nprint(\"mine\");\n");
    folder.write(".local/share/netscript/scripts/of-user.rhai", "//! Of the user.\nprint(\"of the user\");\n");
    let netscript = |arguments: &[&str], sudo: bool| {
        let mut command = folder.command(NETSCRIPT);
        command.args(arguments).env("NETSCRIPT_PATH", "mine");
        if sudo {
            command.env("SUDO_UID", "1000");
        }
        run(&mut command)
    };
    assert!(netscript(&["run", "expired-token-hunt"], false).stdout.starts_with("mine\n"));
    assert!(netscript(&["run", "of-user"], false).stdout.starts_with("of the user\n"));
    let listed = netscript(&["list", "--json"], false).stdout;
    let listed: Vec<serde_json::Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found: Vec<_> = listed.iter().map(|script| (&script["name"], &script["origin"], &script["shadowed"])).collect();
    let of_user = folder.path(".local/share/netscript/scripts/of-user.rhai");
    assert_eq!(
        serde_json::json!(found),
        serde_json::json!([
            ["egress-check", "stock", false],
            ["egress-trace", "stock", false],
            ["expired-token-hunt", "mine/expired-token-hunt.rhai", false],
            ["expired-token-hunt", "stock", true],
            ["noisy-container", "stock", false],
            ["of-user", of_user, false],
            ["proxy", "stock", false],
        ])
    );
    assert_eq!(netscript(&["list"], true).stdout.lines().count(), 10);
    assert_eq!(netscript(&["run", "of-user"], true).code, Some(2));
    // A path is explicit, and counts.
    assert!(netscript(&["run", "mine/expired-token-hunt.rhai"], true).stdout.starts_with("mine\n"));
}
