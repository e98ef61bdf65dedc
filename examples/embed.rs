//! A host program asks a question of a capture file: `cargo run --example embed -- FILE`.

use std::time::Duration;

use netscript::record::Value;
use netscript::{Limits, Netscript, Permission, Script};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).unwrap_or_else(|| "demo/incident.pcap".to_owned());
    // A session is granted nothing unless the host says so, and its engine runs on a thread of its own.
    let session = Netscript::builder()
        .allow(Permission::Capture)
        .limits(Limits { flows: 10_000, rows: 10_000, ..Limits::default() })
        .read(file)
        .register(|engine| {
            engine.register_fn("team_of", |client: &str| if client.ends_with(".23") { "billing" } else { "unknown" });
        })
        .build()?;

    let script = Script::new(
        "rejected",
        r#"
            let rejected = http_requests().filter(|r| r.status == 401).to_array();
            for r in rejected.distinct("origin") {
                finding("rejected", #{ subject: r.origin, title: `ask team ${team_of(r.origin)}`, evidence: r });
            }
            rejected
        "#,
    )?;
    let report = session.run(&script, &[]);
    for finding in &report.findings {
        println!("{}: {} ({})", finding.subject, finding.title, finding.severity);
    }
    if let Value::List(rows) = &report.value {
        let records = rows.iter().filter_map(|row| if let Value::Record(row) = row { Some(row) } else { None });
        let path = |row: &netscript::record::Row| row.get("path").map(|path| path.to_string());
        println!("{} rejected requests, first {:?}", rows.len(), records.take(1).find_map(path));
    }

    // Any thread can stop a run.
    let cancel = session.cancel();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        cancel.abort();
    });
    let stopped = session.run(&Script::new("endless", "loop { }")?, &[]);
    println!("{:?}: {}", stopped.outcome.verdict, stopped.outcome.reasons.join(", "));
    Ok(())
}
