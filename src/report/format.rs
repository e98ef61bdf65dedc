//! The formats by name, and what makes a renderer of each.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use super::output::Output;
use super::renderer::Renderer;
use super::{csv, html, json, junit, markdown, table};

/// How what a run says is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Text for a person: aligned tables, cards, bars.
    #[default]
    Table,
    /// One JSON object a line (NDJSON).
    Json,
    /// Comma-separated values (RFC 4180, with `\n` at the end of lines).
    Csv,
    /// Markdown as GitHub reads it.
    Markdown,
    /// One self-contained page.
    Html,
    /// The XML that CI systems read as test results.
    Junit,
}

/// How a renderer is to look, and what it is about.
#[derive(Debug, Clone, Default)]
pub struct Style {
    /// Whether terminal colours may be used.
    pub color: bool,
    /// Columns of the terminal that a person is looking at; none for a file or pipe, where nothing is cut, shortened
    /// or held back for the eye.
    pub width: Option<usize>,
    /// Whether this is `eval`, which gives its rows and values alone: no `record` key in JSON, no verdict.
    pub eval: bool,
    /// What ran: the name of the script; may be empty.
    pub title: String,
    /// What it looked at: `incident.pcap`, `eth0`; may be empty.
    pub source: String,
}

/// A name that does not say which format is meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownFormat {
    /// Not the name of a format.
    #[error("`{0}` is not an output format: use {names}", names = Format::names())]
    Name(String),
    /// A file name whose end says nothing.
    #[error("the end of `{0}` does not say which format to write: use {extensions}", extensions = Format::EXTENSIONS)]
    File(String),
}

impl Format {
    /// All of them, in the order in which help lists them.
    pub const ALL: [Self; 6] = [Self::Table, Self::Json, Self::Csv, Self::Markdown, Self::Html, Self::Junit];

    const EXTENSIONS: &str = ".html, .md, .csv, .json, .ndjson, .junit.xml, .xml or .txt";

    /// The name on the command line: `md`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Markdown => "md",
            Self::Html => "html",
            Self::Junit => "junit",
        }
    }

    /// `table, json, csv, md, html or junit`.
    fn names() -> String {
        let mut names = String::new();
        for (i, format) in Self::ALL.iter().enumerate() {
            names.push_str(match i {
                0 => "",
                _ if i + 1 == Self::ALL.len() => " or ",
                _ => ", ",
            });
            names.push_str(format.as_str());
        }
        names
    }

    /// The format that the end of a file name asks for: `report.html`, `results.junit.xml`.
    ///
    /// # Errors
    ///
    /// If it ends in nothing that is known; the message lists what is.
    pub fn from_path(path: &Path) -> Result<Self, UnknownFormat> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        match extension.as_str() {
            "html" | "htm" => Ok(Self::Html),
            "md" | "markdown" => Ok(Self::Markdown),
            "csv" => Ok(Self::Csv),
            "json" | "ndjson" | "jsonl" => Ok(Self::Json),
            "xml" => Ok(Self::Junit),
            "txt" => Ok(Self::Table),
            _ => Err(UnknownFormat::File(path.display().to_string())),
        }
    }

    /// A renderer of this format that writes there. It buffers by itself.
    #[must_use]
    pub fn renderer(self, to: Box<dyn Write + Send>, style: Style) -> Box<dyn Renderer> {
        let out = Output::new(to, style.width.is_some());
        match self {
            Self::Table => Box::new(table::Table::new(out, &style)),
            Self::Json => Box::new(json::Json::new(out, &style)),
            Self::Csv => Box::new(csv::Csv::new(out, &style)),
            Self::Markdown => Box::new(markdown::Markdown::new(out, &style)),
            Self::Html => Box::new(html::Html::new(out, style)),
            Self::Junit => Box::new(junit::Junit::new(out, style)),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|f| f.as_str() == name).ok_or_else(|| UnknownFormat::Name(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_a_wrong_one_lists_the_right_ones() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert_eq!(
            "yaml".parse::<Format>().unwrap_err().to_string(),
            "`yaml` is not an output format: use table, json, csv, md, html or junit"
        );
    }

    #[test]
    fn the_end_of_a_file_name_says_the_format() {
        for (name, format) in [
            ("report.html", Format::Html),
            ("REPORT.HTM", Format::Html),
            ("out/pr.md", Format::Markdown),
            ("rows.csv", Format::Csv),
            ("rows.ndjson", Format::Json),
            ("rows.json", Format::Json),
            ("ci.junit.xml", Format::Junit),
            ("ci.xml", Format::Junit),
            ("out.txt", Format::Table),
        ] {
            assert_eq!(Format::from_path(Path::new(name)), Ok(format), "{name}");
        }
        assert_eq!(
            Format::from_path(Path::new("report.pdf")).unwrap_err().to_string(),
            "the end of `report.pdf` does not say which format to write: use .html, .md, .csv, .json, .ndjson, .junit.xml, \
             .xml or .txt"
        );
        assert!(Format::from_path(Path::new("html")).is_err());
    }
}
