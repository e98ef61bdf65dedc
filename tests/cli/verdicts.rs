//! Verdicts and their exit codes.

use serde_json::{Value, json};

use super::{check, folder};
use crate::support::program::Folder;

/// The last line of NDJSON.
fn verdict(stdout: &str) -> Value {
    serde_json::from_str(stdout.lines().last().unwrap_or_default()).unwrap_or_else(|error| panic!("{error}: {stdout}"))
}

#[test]
fn every_verdict_has_its_exit_code_and_its_line() {
    let folder = folder();
    for (script, code, verdict_line) in [
        ("", 0, json!(["clean", [], 0, 0])),
        ("pass(\"all is well\");", 0, json!(["clean", ["all is well"], 0, 0])),
        ("capture().count();", 0, json!(["clean", [], 344, 344])),
        ("capture(\"udp\").count();", 0, json!(["clean", [], 0, 344])),
        ("finding(\"x\", #{});", 1, json!(["finding", [], 0, 0])),
        ("finding(\"x\", #{}); inconclusive(\"too little\");", 1, json!(["finding", ["too little"], 0, 0])),
        ("inconclusive(\"too little\");", 3, json!(["inconclusive", ["too little"], 0, 0])),
        ("pass(\"this\"); inconclusive(\"not that\");", 3, json!(["inconclusive", ["not that"], 0, 0])),
        ("nonsense()", 2, json!(["error", ["there is no function `nonsense` for ()"], 0, 0])),
        ("finding(\"x\", #{}); nonsense()", 2, json!(["error", ["there is no function `nonsense` for ()"], 0, 0])),
        ("throw \"out\"", 2, json!(["error", ["out"], 0, 0])),
    ] {
        folder.write("script.rhai", script);
        let ended = folder.netscript(["run", "./script.rhai", "--json", "-q", "-r", "incident.pcap"]);
        let line = verdict(&ended.stdout);
        let [verdict, reasons, captured, received] = verdict_line.as_array().unwrap().as_slice() else {
            unreachable!()
        };
        let expected = json!({
            "record": "verdict", "schema": 1, "verdict": verdict, "reasons": reasons,
            "captured": captured, "received": received, "dropped": 0,
        });
        assert_eq!((ended.code, line), (Some(code), expected), "{script}");
    }
}

#[test]
fn the_verdict_has_these_keys_in_this_order() {
    let folder = folder();
    let ended = folder.netscript(["run", "expired-token-hunt", "--json", "-r", "incident.pcap"]);
    let last = ended.stdout.lines().last().unwrap_or_default();
    assert_eq!(
        last,
        r#"{"record":"verdict","schema":1,"verdict":"finding","reasons":[],"captured":344,"received":344,"dropped":0}"#
    );
}

#[test]
fn every_line_of_a_run_says_what_it_is_and_rows_of_eval_stand_alone() {
    let folder = folder();
    folder.write(
        "script.rhai",
        "flows().take(1).table(); http_requests().take(1).table(); capture().take(1).table();\n\
                                 http_requests().count_by(\"status\").table(); finding(\"x\", #{}); print(\"hello\");",
    );
    let ended = folder.netscript(["run", "./script.rhai", "--json", "-r", "incident.pcap"]);
    let records: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = records.iter().map(|record| record["record"].as_str().unwrap()).collect();
    assert_eq!(names[..3], ["flow", "http_exchange", "packet"]);
    assert!(names[3..8].iter().all(|name| *name == "count"), "{names:?}");
    assert_eq!(names[8..], ["finding", "text", "verdict"]);
    let rows = folder.netscript(["eval", "--json", "-r", "incident.pcap", "flows()"]);
    assert_eq!(rows.stdout.lines().count(), 13);
    for line in rows.stdout.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        assert!(row.get("record").is_none() && row["protocol"] == "tcp", "{line}");
    }
}

#[test]
fn loss_turns_clean_into_inconclusive_unless_the_script_says_that_it_does_not_matter() {
    let folder = Folder::new();
    let whole = crate::support::incident::incident().pcap();
    folder.write("cut.pcap", &whole[..whole.len() - 10]);
    folder.write("quiet.rhai", "capture().count();");
    folder.write("loud.rhai", "capture().count(); finding(\"x\", #{});");
    folder.write("careless.rhai", "capture().count(); ignore_loss();");
    check("loss.txt", &folder);
}

#[test]
fn mistakes_are_explained_with_their_place() {
    let folder = folder();
    folder.write(
        "deep.rhai",
        "//! Deep.\nfn inner(r) {\n    r.statsu == 401\n}\nhttp_requests().filter(|r| inner(r)).count();\n",
    );
    check("mistakes.txt", &folder);
}
