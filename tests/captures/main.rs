//! What netscript says about captures that others made, against what independent tools say: `data/README.md` tells
//! which, and how the tables in `data/truth` were made.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

mod conversations;
mod damage;
mod dns;
mod files;
mod filters;
mod frames;
mod http;
mod mutations;
mod packets;
mod rows;
mod support;
mod tcp;
mod tls;

/// Where a capture is.
fn capture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures/data").join(name)
}

/// The rows of a table in `data/truth`, by column.
fn truth(table: &str) -> Vec<HashMap<String, String>> {
    let text = std::fs::read_to_string(capture("truth").join(table)).expect("the table is there");
    let cells = |line: &str| line.split('\t').map(unescape).collect::<Vec<_>>();
    let mut lines = text.lines();
    let columns = cells(lines.next().expect("the first line names the columns"));
    lines.map(|line| columns.iter().cloned().zip(cells(line)).collect()).collect()
}

fn unescape(cell: &str) -> String {
    cell.replace("\\t", "\t").replace("\\n", "\n").replace("\\r", "\r").replace("\\\\", "\\")
}
