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
    /// How much it may use before it is short of memory again.
    enough: Cell<u64>,
}

/// Questions that one look answers: a look costs as much as keeping a row.
const EVERY: u32 = 256;

impl Memory {
    pub(super) fn new(limit: Option<ByteSize>) -> Self {
        let statm = limit.and_then(|_| File::open("/proc/self/statm").ok());
        let page = rustix::param::page_size() as u64;
        // What the script keeps needs some, too.
        let enough = limit.map_or(u64::MAX, |limit| limit.0 / 4 * 3);
        Self { limit, statm, page, asked: Cell::new(0), exceeded: Cell::new(false), enough: Cell::new(enough) }
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
        let resident = self.resident();
        self.exceeded.set(resident.zip(self.limit).is_some_and(|(resident, limit)| resident > limit.0));
    }

    /// Whether something that was read should be let go of, as of now. What is let go of is used again rather than given
    /// back to the system, so after a yes only more memory than before leads to another one.
    pub(super) fn is_short(&self) -> bool {
        let (Some(resident), Some(limit)) = (self.resident(), self.limit) else { return false };
        let short = resident > self.enough.get();
        if short {
            self.enough.set(resident + limit.0 / 64);
        }
        short
    }

    /// How much the process uses, in bytes.
    fn resident(&self) -> Option<u64> {
        let mut text = [0; 64];
        let read = self.statm.as_ref()?.read_at(&mut text, 0).ok()?;
        let pages: u64 = std::str::from_utf8(&text[..read]).ok()?.split(' ').nth(1)?.parse().ok()?;
        Some(pages.saturating_mul(self.page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_of_memory_is_who_uses_most_of_it_and_then_who_uses_more() {
        let memory = Memory::new(Some(ByteSize(4 << 20)));
        assert!(memory.is_short());
        memory.enough.set(u64::MAX);
        assert!(!memory.is_short(), "nothing was added");
        assert!(!Memory::new(None).is_short());
    }

    #[test]
    fn more_memory_than_allowed_is_noticed() {
        let asked_often = |memory: &Memory| (0..=EVERY).any(|_| memory.is_exceeded());
        assert!(asked_often(&Memory::new(Some(ByteSize(4096)))));
        assert!(!asked_often(&Memory::new(Some(ByteSize(u64::MAX)))));
        assert!(!asked_often(&Memory::new(None)));
    }
}
