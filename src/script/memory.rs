//! How much memory the process uses, looked at now and then.

use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use crate::limits::ByteSize;

/// A bound on the resident memory of the process.
#[derive(Debug)]
pub(super) struct Memory {
    limit: Option<ByteSize>,
    /// `/proc/self/statm`, where there is one.
    statm: Option<File>,
    page: u64,
    asked: Cell<u32>,
    exceeded: Cell<bool>,
}

/// Questions that one look answers: a look costs as much as keeping a row.
const EVERY: u32 = 256;

impl Memory {
    pub(super) fn new(limit: Option<ByteSize>) -> Self {
        let statm = limit.and_then(|_| File::open("/proc/self/statm").ok());
        let page = rustix::param::page_size() as u64;
        Self { limit, statm, page, asked: Cell::new(0), exceeded: Cell::new(false) }
    }

    /// Whether the process uses more than it may, as of the last look.
    #[inline]
    pub(super) fn is_exceeded(&self) -> bool {
        self.asked.set(self.asked.get().wrapping_add(1));
        if self.asked.get().is_multiple_of(EVERY) {
            self.look();
        }
        self.exceeded.get()
    }

    fn look(&self) {
        let (Some(limit), Some(statm)) = (self.limit, &self.statm) else { return };
        let mut text = [0; 64];
        let read = statm.read_at(&mut text, 0).unwrap_or(0);
        let resident =
            std::str::from_utf8(&text[..read]).ok().and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
        self.exceeded.set(resident.is_some_and(|pages| pages.saturating_mul(self.page) > limit.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_memory_than_allowed_is_noticed() {
        let asked_often = |memory: &Memory| (0..=EVERY).any(|_| memory.is_exceeded());
        assert!(asked_often(&Memory::new(Some(ByteSize(4096)))));
        assert!(!asked_often(&Memory::new(Some(ByteSize(u64::MAX)))));
        assert!(!asked_often(&Memory::new(None)));
    }
}
