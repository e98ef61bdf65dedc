//! How wide each column of a table is.

use super::super::values::TimeForm;

/// What a column holds, which says how it is aligned and what may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Aligned on the right, and kept whole as long as anything else can be cut.
    Number,
    /// Loses decimals first.
    Time,
    /// Cut only when nothing else helps.
    Address,
    /// Cut first, the widest before the others.
    Text,
}

/// A column as the first rows show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Measure {
    /// Width of the name above it.
    pub(super) header: usize,
    /// Width of its widest value; of times, without decimals.
    pub(super) content: usize,
    pub(super) class: Class,
    /// Whether no row has a value here.
    pub(super) empty: bool,
}

impl Measure {
    /// Width of the values with times in that form.
    fn values(&self, time: TimeForm) -> usize {
        match decimals(time) {
            1.. if self.class == Class::Time => self.content + 1 + decimals(time),
            _ => self.content,
        }
    }

    /// Width at which neither the values nor the name are cut.
    fn whole(&self, time: TimeForm) -> usize {
        self.values(time).max(self.header)
    }
}

/// Where the columns stand. Once made it changes only to take in wider numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// The columns that are shown, from the left.
    pub(super) columns: Vec<Placed>,
    /// The columns that had to be left out.
    pub(super) hidden: Vec<usize>,
    /// Spaces between columns.
    pub(super) gap: usize,
    /// How times are written.
    pub(super) time: TimeForm,
}

/// A column that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    /// Its place among all columns.
    pub(super) index: usize,
    pub(super) width: usize,
    pub(super) class: Class,
}

/// Text keeps this many columns, in steps, as long as something else can still give way.
const TEXT: [usize; 3] = [16, 11, 6];
/// An address keeps this many before whole columns are left out: room for any IPv4 address and its port.
const ADDRESS: usize = 21;
/// A name above a column keeps this many if its values are shorter.
const HEADER: usize = 4;

impl Layout {
    /// Everything at its full width if there is room, or the best that the room allows. `time` says the form with
    /// all decimals that are worth showing.
    pub(super) fn new(measures: &[Measure], time: TimeForm, room: usize) -> Self {
        let columns = measures.iter().enumerate();
        let columns = columns.map(|(index, m)| Placed { index, width: m.header.max(m.content), class: m.class });
        let mut layout = Self { columns: columns.collect(), hidden: Vec::new(), gap: 2, time };
        layout.set_decimals(measures, decimals(time));
        // Each step is taken only if what came before was not enough.
        if layout.total() > room {
            layout.columns.retain(|c| !measures[c.index].empty);
        }
        if layout.total() > room {
            layout.set_decimals(measures, decimals(time).min(3));
        }
        layout.shrink(Class::Text, |_| TEXT[0], room);
        layout.narrow_headers(measures, room);
        layout.shrink(Class::Text, |_| TEXT[1], room);
        if layout.total() > room {
            layout.set_decimals(measures, 0);
        }
        if layout.total() > room {
            layout.gap = 1;
        }
        layout.shrink(Class::Text, |_| TEXT[2], room);
        layout.shrink(Class::Address, |_| ADDRESS, room);
        while layout.total() > room && layout.columns.len() > 1 {
            let Some(last) = layout.columns.pop() else { break };
            layout.hidden.insert(0, last.index);
        }
        if let [only] = layout.columns.as_mut_slice() {
            only.width = only.width.min(room);
        }
        layout.give_back(measures, room);
        layout
    }

    /// Gives what is free in the end to cut columns, first to those that need the least.
    fn give_back(&mut self, measures: &[Measure], room: usize) {
        while self.total() < room {
            let time = self.time;
            let lacks = |c: &Placed| measures[c.index].whole(time).saturating_sub(c.width);
            let cut = self.columns.iter_mut().filter(|c| lacks(c) > 0);
            match cut.min_by_key(|c| lacks(c)) {
                Some(column) => column.width += 1,
                None => return,
            }
        }
    }

    /// Columns from the left edge to the right one.
    fn total(&self) -> usize {
        let gaps = self.gap * self.columns.len().saturating_sub(1);
        self.columns.iter().fold(gaps, |sum, column| sum.saturating_add(column.width))
    }

    /// Shows times with so many decimals.
    fn set_decimals(&mut self, measures: &[Measure], decimals: usize) {
        if let TimeForm::Date(d) | TimeForm::Clock(_, d) = &mut self.time {
            *d = decimals;
        }
        for column in self.columns.iter_mut().filter(|c| c.class == Class::Time) {
            column.width = measures[column.index].whole(self.time);
        }
    }

    /// Takes from the widest columns of a class, down to what each has to keep, until everything fits.
    fn shrink(&mut self, class: Class, keep: impl Fn(&Placed) -> usize, room: usize) {
        while self.total() > room {
            let can_give = self.columns.iter_mut().filter(|c| c.class == class && c.width > keep(c));
            match can_give.max_by_key(|c| c.width) {
                Some(widest) => widest.width -= 1,
                None => return,
            }
        }
    }

    /// Cuts the names above columns whose values are shorter.
    fn narrow_headers(&mut self, measures: &[Measure], room: usize) {
        for class in [Class::Text, Class::Number, Class::Address, Class::Time] {
            let time = self.time;
            self.shrink(class, |c| measures[c.index].values(time).max(HEADER), room);
        }
    }

    /// Widens a column for a value that has to be seen whole, at the cost of free room and of texts, if that is enough.
    pub(super) fn widen(&mut self, column: usize, width: usize, room: usize) {
        if self.columns[column].width >= width {
            return;
        }
        let before = self.clone();
        self.columns[column].width = width;
        self.shrink(Class::Text, |_| TEXT[2], room);
        if self.total() > room {
            *self = before;
        }
    }
}

const fn decimals(time: TimeForm) -> usize {
    match time {
        TimeForm::Exact => 0,
        TimeForm::Date(d) | TimeForm::Clock(_, d) => d,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(header: usize, content: usize, class: Class) -> Measure {
        Measure { header, content, class, empty: content == 0 }
    }

    /// time, client, method, host, path, status, latency.
    fn exchanges() -> [Measure; 7] {
        [
            measure(4, 8, Class::Time),
            measure(11, 15, Class::Address),
            measure(6, 4, Class::Text),
            measure(4, 20, Class::Text),
            measure(4, 60, Class::Text),
            measure(6, 3, Class::Number),
            measure(7, 5, Class::Number),
        ]
    }

    fn widths(layout: &Layout) -> Vec<usize> {
        layout.columns.iter().map(|c| c.width).collect()
    }

    #[test]
    fn everything_is_whole_where_there_is_room() {
        let layout = Layout::new(&exchanges(), TimeForm::Clock(0, 6), usize::MAX);
        assert_eq!(widths(&layout), [15, 15, 6, 20, 60, 6, 7]);
        assert_eq!((layout.gap, layout.time), (2, TimeForm::Clock(0, 6)));
    }

    #[test]
    fn long_texts_give_way_first_and_no_width_is_exceeded() {
        let layout = Layout::new(&exchanges(), TimeForm::Clock(0, 6), 100);
        assert_eq!(widths(&layout), [12, 15, 6, 20, 22, 6, 7]);
        let layout = Layout::new(&exchanges(), TimeForm::Clock(0, 6), 80);
        assert_eq!(widths(&layout), [12, 15, 4, 14, 14, 4, 5]);
        for room in 1..200 {
            assert!(Layout::new(&exchanges(), TimeForm::Clock(0, 6), room).total() <= room, "{room}");
        }
    }

    #[test]
    fn room_that_is_left_completes_what_needs_the_least() {
        let measures = [measure(8, 3, Class::Text), measure(4, 60, Class::Text), measure(20, 10, Class::Number)];
        assert_eq!(widths(&Layout::new(&measures, TimeForm::Exact, 70)), [8, 38, 20]);
        assert_eq!(widths(&Layout::new(&measures, TimeForm::Exact, 36)), [4, 16, 12]);
        assert_eq!(widths(&Layout::new(&measures, TimeForm::Exact, 20)), [8, 11]);
    }

    #[test]
    fn columns_that_do_not_fit_at_all_are_left_out_from_the_right() {
        let layout = Layout::new(&exchanges(), TimeForm::Clock(0, 6), 40);
        assert_eq!(widths(&layout), [8, 15, 6, 8]);
        assert_eq!(layout.hidden, [4, 5, 6]);
    }

    #[test]
    fn a_column_without_values_goes_before_anything_is_cut() {
        let measures = [measure(4, 30, Class::Text), measure(10, 0, Class::Text), measure(4, 30, Class::Text)];
        assert_eq!(widths(&Layout::new(&measures, TimeForm::Exact, 80)), [30, 10, 30]);
        assert_eq!(widths(&Layout::new(&measures, TimeForm::Exact, 70)), [30, 30]);
    }

    #[test]
    fn a_wider_number_takes_from_the_texts() {
        let mut layout = Layout::new(&[measure(4, 30, Class::Text), measure(5, 5, Class::Number)], TimeForm::Exact, 37);
        layout.widen(1, 9, 37);
        assert_eq!(widths(&layout), [26, 9]);
        layout.widen(1, 40, 37);
        assert_eq!(widths(&layout), [26, 9]);
    }
}
