//! One table: rows under their columns, laid out from the first ones while the others still come.

use super::super::columns::{Column, Columns, Defaults};
use super::super::values::{Form, TimeForm, date, day, write_value};
use super::super::visible;
use super::layout::{Class, Layout, Measure};
use super::screen::{Ink, Screen, pad};
use crate::record::{Record, Row, Time, Value};

/// Rows that are looked at before the widths are fixed.
const HELD: usize = 50;

/// A table that is being written.
///
/// The first rows are held back until there are 50 of them, or [`release`](Self::release) or the end comes. Later rows
/// are written at once, into the widths that the first ones gave.
pub(in crate::report) struct Grid {
    screen: Screen,
    columns: Columns,
    held: Vec<Row>,
    layout: Option<Layout>,
    /// Whether any row was there.
    any: bool,
    /// Whether an empty line has to stand before what comes next.
    apart: bool,
    /// The cell that is being written.
    cell: String,
}

impl Grid {
    pub(in crate::report) fn new(columns: &[String], screen: Screen) -> Self {
        let defaults = if screen.width.is_some() { Defaults::Endpoints } else { Defaults::Main };
        let columns = Columns::new(columns, defaults);
        Self { screen, columns, held: Vec::new(), layout: None, any: false, apart: false, cell: String::new() }
    }

    /// Takes the next row in, and appends what can be written by now.
    pub(in crate::report) fn push(&mut self, row: &Row, to: &mut String) {
        if self.columns.would_change(row) {
            self.end(to);
            self.layout = None;
            self.apart = true;
        }
        self.columns.adopt(row);
        self.any = true;
        if self.layout.is_some() {
            self.write(row, to);
            return;
        }
        self.held.push(row.clone());
        if self.held.len() == HELD {
            self.release(to);
        }
    }

    /// Appends the rows that were held back. Widths are fixed from then on.
    pub(in crate::report) fn release(&mut self, to: &mut String) {
        self.lay_out(false, to);
    }

    /// Appends the rows that were held back, and begins anew with the next one, below what comes in between.
    pub(in crate::report) fn restart(&mut self, to: &mut String) {
        self.lay_out(false, to);
        self.tell_hidden(to);
        self.layout = None;
        self.apart = true;
    }

    /// Appends what is left to say at the end of the table.
    pub(in crate::report) fn end(&mut self, to: &mut String) {
        if !self.any {
            self.screen.line(to, Ink::DIM, "(no rows)");
        }
        self.lay_out(true, to);
        self.tell_hidden(to);
    }

    /// Says which columns found no room.
    fn tell_hidden(&self, to: &mut String) {
        if let Some(layout) = self.layout.as_ref().filter(|layout| !layout.hidden.is_empty()) {
            let names: Vec<_> = layout.hidden.iter().map(|&i| self.columns.list()[i].name.as_str()).collect();
            self.screen.line(to, Ink::DIM, &format!("(no room for {})", names.join(", ")));
        }
    }

    fn lay_out(&mut self, complete: bool, to: &mut String) {
        let held = std::mem::take(&mut self.held);
        let Some(first) = held.first() else { return };
        to.push_str(if std::mem::take(&mut self.apart) { "\n" } else { "" });
        self.columns.adopt(first);
        let time = if self.screen.width.is_some() { self.time_form(&held, complete) } else { TimeForm::Exact };
        let measures: Vec<_> = (0..self.columns.list().len()).map(|i| self.measure(i, &held, time)).collect();
        let layout = Layout::new(&measures, time, self.screen.room());
        self.write_header(&layout, to);
        self.layout = Some(layout);
        for row in &held {
            self.write(row, to);
        }
    }

    /// The shortest form of time in which nothing of these rows is lost down to the microsecond.
    fn time_form(&mut self, rows: &[Row], complete: bool) -> TimeForm {
        let mut days: Option<(i64, i64)> = None;
        let mut fine = !complete;
        for row in rows {
            self.columns.adopt(row);
            for column in self.columns.list() {
                if let Some(time) = time_in(column, row.as_ref()) {
                    let day = day(time);
                    days = Some(days.map_or((day, day), |(first, last)| (day.min(first), day.max(last))));
                    fine |= time.as_nanos() % 1_000_000_000 != 0;
                }
            }
        }
        let decimals = if fine { 6 } else { 0 };
        match days {
            Some((first, last)) if first == last => TimeForm::Clock(first, decimals),
            _ => TimeForm::Date(decimals),
        }
    }

    fn measure(&mut self, index: usize, rows: &[Row], time: TimeForm) -> Measure {
        let form = Form { time: without_decimals(time), ..self.screen.form() };
        let limit = self.screen.room();
        let (mut content, mut class, mut empty) = (0, None, true);
        for row in rows {
            self.columns.adopt(row);
            let column = &self.columns.list()[index];
            self.cell.clear();
            let cell = &mut self.cell;
            let (width, of) = column.visit(row.as_ref(), |value, unit| {
                let width = visible::append(cell, limit, |to| write_value(to, value, unit, form));
                (width, if column.is_endpoint() { Some(Class::Address) } else { class_of(value) })
            });
            if let Some(of) = of {
                empty = false;
                class = Some(if class.is_none_or(|so_far| so_far == of) { of } else { Class::Text });
            }
            content = content.max(if of.is_some() { width } else { 1 });
        }
        let header = visible::append(&mut String::new(), limit, |to| to.write_str(&self.columns.list()[index].name));
        Measure { header, content, class: class.unwrap_or(Class::Text), empty }
    }

    fn write_header(&self, layout: &Layout, to: &mut String) {
        let screen = self.screen;
        if let TimeForm::Clock(today, _) = layout.time {
            screen.line(to, Ink::DIM, &format!("{} UTC", date(today)));
        }
        screen.begin(to);
        screen.inked(to, Ink::BOLD, |to| {
            for (i, placed) in layout.columns.iter().enumerate() {
                pad(to, if i > 0 { layout.gap } else { 0 });
                let name = visible::line(&self.columns.list()[placed.index].name, placed.width);
                let free = placed.width.saturating_sub(visible::width(&name));
                if placed.class == Class::Number {
                    pad(to, free);
                }
                to.push_str(&name);
                if placed.class != Class::Number && i + 1 < layout.columns.len() {
                    pad(to, free);
                }
            }
        });
        to.push('\n');
    }

    fn write(&mut self, row: &Row, to: &mut String) {
        self.columns.adopt(row);
        let Self { screen, columns, layout: Some(layout), cell, .. } = self else { return };
        let (screen, row) = (*screen, row.as_ref());
        if let TimeForm::Clock(said, decimals) = layout.time {
            let now = columns.list().iter().find_map(|column| time_in(column, row)).map_or(said, day);
            if now != said {
                layout.time = TimeForm::Clock(now, decimals);
                screen.line(to, Ink::DIM, &format!("{} UTC", date(now)));
            }
        }
        let form = Form { time: layout.time, ..screen.form() };
        let fill = |cell: &mut String, column: &Column, limit: usize| {
            cell.clear();
            column.visit(row, |value, unit| {
                (visible::append(cell, limit, |to| write_value(to, value, unit, form)), class_of(value))
            })
        };
        if screen.width.is_some() {
            // Numbers and times that outgrow their column are seen whole if there is any way.
            for i in 0..layout.columns.len() {
                if layout.columns[i].class != Class::Text {
                    let (width, of) = fill(cell, &columns.list()[layout.columns[i].index], screen.room());
                    if of != Some(Class::Text) {
                        layout.widen(i, width, screen.room());
                    }
                }
            }
        }
        screen.begin(to);
        let mut used = 0;
        for (i, placed) in layout.columns.iter().enumerate() {
            let last = i + 1 == layout.columns.len();
            let gap = if i > 0 { layout.gap } else { 0 };
            pad(to, gap);
            used += gap;
            // What is free on the right belongs to a text that stands there.
            let rest = if last && placed.class == Class::Text { screen.room().saturating_sub(used) } else { 0 };
            let limit = if screen.width.is_some() { placed.width.max(rest) } else { usize::MAX };
            let (width, of) = fill(cell, &columns.list()[placed.index], limit);
            let width = width.max(usize::from(of.is_none()));
            let free = placed.width.saturating_sub(width);
            if placed.class == Class::Number {
                pad(to, free);
            }
            if of.is_none() {
                screen.inked(to, Ink::DIM, |to| to.push('-'));
            } else {
                to.push_str(cell);
            }
            if placed.class != Class::Number && !last {
                pad(to, free);
            }
            used += placed.width.max(width);
        }
        to.push('\n');
    }
}

fn time_in(column: &Column, row: &dyn Record) -> Option<Time> {
    column.visit(row, |value, _| if let Value::Time(time) = value { Some(*time) } else { None })
}

const fn without_decimals(time: TimeForm) -> TimeForm {
    match time {
        TimeForm::Exact => TimeForm::Exact,
        TimeForm::Date(_) => TimeForm::Date(0),
        TimeForm::Clock(day, _) => TimeForm::Clock(day, 0),
    }
}

/// What a value is for the layout; none for no value.
const fn class_of(value: &Value<'_>) -> Option<Class> {
    match value {
        Value::None => None,
        Value::Integer(_) | Value::Float(_) | Value::Duration(_) => Some(Class::Number),
        Value::Time(_) => Some(Class::Time),
        Value::Address(_) => Some(Class::Address),
        _ => Some(Class::Text),
    }
}
