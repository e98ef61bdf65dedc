//! What Prometheus reads: its text format, version 0.0.4.

use std::fmt::Write as _;

/// What its Content-Type is.
pub const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes what a metric is, before its values.
pub fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// The value of a label: backslash, quotation mark and line feed are escaped.
#[must_use]
pub fn label(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n")
}
