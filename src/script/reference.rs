//! The reference, generated from what is declared: `docs/reference.md`.

use std::fmt::Write as _;

use super::docs::{self, Group};
use super::guide::one_line;
use super::primitives::KINDS;
use crate::protocol::{http1, tls};

/// The whole reference as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(
        "# Reference\n\nGenerated from the declarations in the code; `netscript help NAME` shows the same.\n\n\
         Times are UTC with nanoseconds, lengths are bytes. In JSON a time is a text (RFC 3339), a duration a number of\n\
         seconds, an address a text, and bytes are a text where they are UTF-8 and `{\"base64\": \"…\"}` where they are \
         not.\n",
    );
    for (group, title) in [
        (Group::Noun, "Nouns"),
        (Group::Verb, "Verbs, on streams and arrays of rows"),
        (Group::Verdict, "Verdicts"),
        (Group::Helper, "Helpers"),
    ] {
        let _ = writeln!(text, "\n## {title}");
        for entry in docs::entries().filter(|entry| entry.group == group) {
            let _ = writeln!(text, "\n### {}\n\n`{}`\n\n{}", entry.name, entry.signature, entry.doc);
            if let Some(needs) = entry.needs {
                let _ = writeln!(text, "\nNeeds the permission `{needs}`.");
            }
            let _ = writeln!(text, "\n```rhai\n{}\n```", entry.example);
        }
    }
    let _ = writeln!(text, "\n## Records");
    for kind in KINDS {
        let _ = writeln!(
            text,
            "\n### {}\n\n{}\n\n| field | type | meaning |\n| --- | --- | --- |",
            kind.name,
            one_line(&kind.doc)
        );
        for field in kind.fields.iter() {
            let unit = if field.unit.is_empty() { String::new() } else { format!(", {}", field.unit) };
            let doc = one_line(&field.doc).replace('|', "\\|");
            let _ = writeln!(text, "| {} | {}{unit} | {doc} |", field.name, field.ty);
        }
    }
    for (kind, flags) in [("http_exchange", http1::FLAGS), ("tls_handshake", tls::FLAGS)] {
        let _ = writeln!(text, "\n### Flags of {kind}\n\n| flag | meaning |\n| --- | --- |");
        for (flag, meaning) in flags {
            let _ = writeln!(text, "| `{flag}` | {} |", one_line(meaning));
        }
    }
    text
}
