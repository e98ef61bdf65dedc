//! Pieces of a page, for pages that are made elsewhere and look the same.

use super::rows::Rows;
use crate::record::Row;
use crate::report::markup;

/// How pages look.
pub(crate) const STYLE: &str = include_str!("style.css");

/// Text as it stands in a page, on one line: markup is escaped, what is invisible is written out. At most that many
/// columns of it.
pub(crate) fn text(text: &str, limit: usize) -> String {
    markup::text(text, limit)
}

/// Rows as a table with their main fields.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut table = Rows::new(&[]);
    rows.iter().for_each(|row| table.push(row));
    table.end()
}
