//! Entries at stable places, each in one of a few queues.

/// In chunks, so that growing copies nothing and frees nothing in one big step.
const CHUNK: usize = 1 << 12;

/// Stands for no slot.
const NONE: u32 = u32::MAX;

/// Entries by slot number, each in one of `QUEUES` queues. Everything takes the same time however many there are.
#[derive(Debug)]
pub(super) struct Slab<T, const QUEUES: usize> {
    chunks: Vec<Vec<Slot<T>>>,
    /// How many slots were ever used.
    used: u32,
    /// The first slot that can be used again; the others follow through `next`.
    free: u32,
    queues: [Ends; QUEUES],
    len: usize,
}

#[derive(Debug)]
struct Slot<T> {
    entry: Option<T>,
    previous: u32,
    next: u32,
    queue: u8,
}

/// First and last slot of a queue.
#[derive(Debug, Clone, Copy)]
struct Ends {
    first: u32,
    last: u32,
}

impl<T, const QUEUES: usize> Slab<T, QUEUES> {
    pub(super) const fn new() -> Self {
        Self { chunks: Vec::new(), used: 0, free: NONE, queues: [Ends { first: NONE, last: NONE }; QUEUES], len: 0 }
    }

    /// What an entry takes, in bytes.
    #[cfg(test)]
    pub(super) const SLOT: usize = size_of::<Slot<T>>();

    /// How many entries there are.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Puts an entry into a free slot, at the end of a queue.
    pub(super) fn insert(&mut self, entry: T, queue: u8) -> u32 {
        self.len += 1;
        let vacant = self.free;
        let slot = match self.slot_mut(vacant) {
            Some(place) => {
                place.entry = Some(entry);
                let next = place.next;
                self.free = next;
                vacant
            }
            None => {
                if self.used as usize / CHUNK == self.chunks.len() {
                    self.chunks.push(Vec::with_capacity(CHUNK));
                }
                self.chunks[self.used as usize / CHUNK].push(Slot {
                    entry: Some(entry),
                    previous: NONE,
                    next: NONE,
                    queue,
                });
                self.used += 1;
                self.used - 1
            }
        };
        self.append(slot, queue);
        slot
    }

    #[inline]
    pub(super) fn get(&self, slot: u32) -> Option<&T> {
        self.slot(slot)?.entry.as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slot_mut(slot)?.entry.as_mut()
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, slot: u32) -> Option<T> {
        let entry = self.slot_mut(slot)?.entry.take()?;
        self.unlink(slot);
        let free = self.free;
        if let Some(place) = self.slot_mut(slot) {
            place.next = free;
            self.free = slot;
        }
        self.len -= 1;
        Some(entry)
    }

    /// The queue that an entry is in.
    #[inline]
    pub(super) fn queue(&self, slot: u32) -> Option<u8> {
        self.slot(slot).map(|place| place.queue)
    }

    /// Moves an entry to the end of a queue, which may be the one that it is in.
    pub(super) fn move_to_end(&mut self, slot: u32, queue: u8) {
        if self.get(slot).is_some() {
            self.unlink(slot);
            self.append(slot, queue);
        }
    }

    /// The entry that is in a queue for the longest time.
    #[inline]
    pub(super) fn first(&self, queue: u8) -> Option<(u32, &T)> {
        let slot = self.queues.get(usize::from(queue))?.first;
        Some((slot, self.get(slot)?))
    }

    /// All entries, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.chunks.iter().flatten().zip(0..).filter_map(|(place, slot)| Some((slot, place.entry.as_ref()?)))
    }

    #[inline]
    fn slot(&self, slot: u32) -> Option<&Slot<T>> {
        self.chunks.get(slot as usize / CHUNK)?.get(slot as usize % CHUNK)
    }

    #[inline]
    fn slot_mut(&mut self, slot: u32) -> Option<&mut Slot<T>> {
        self.chunks.get_mut(slot as usize / CHUNK)?.get_mut(slot as usize % CHUNK)
    }

    fn append(&mut self, slot: u32, queue: u8) {
        let last = self.queues[usize::from(queue)].last;
        if let Some(place) = self.slot_mut(slot) {
            (place.previous, place.next, place.queue) = (last, NONE, queue);
        }
        match self.slot_mut(last) {
            Some(previous) => previous.next = slot,
            None => self.queues[usize::from(queue)].first = slot,
        }
        self.queues[usize::from(queue)].last = slot;
    }

    fn unlink(&mut self, slot: u32) {
        let Some(place) = self.slot(slot) else { return };
        let (previous, next, queue) = (place.previous, place.next, usize::from(place.queue));
        match self.slot_mut(previous) {
            Some(place) => place.next = next,
            None => self.queues[queue].first = next,
        }
        match self.slot_mut(next) {
            Some(place) => place.previous = previous,
            None => self.queues[queue].last = previous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The entries of a queue, taken out in order.
    fn drain(slab: &mut Slab<char, 2>, queue: u8) -> String {
        let mut entries = String::new();
        while let Some((slot, entry)) = slab.first(queue) {
            entries.push(*entry);
            slab.remove(slot);
        }
        entries
    }

    #[test]
    fn entries_come_out_of_their_queue_in_the_order_in_which_they_were_put_at_its_end() {
        let mut slab = Slab::new();
        let [_, b, c, d, _] = ['a', 'b', 'c', 'd', 'e'].map(|entry| slab.insert(entry, 0));
        let f = slab.insert('f', 1);
        slab.move_to_end(c, 0);
        slab.move_to_end(b, 1);
        slab.move_to_end(f, 0);
        slab.remove(d);
        slab.insert('g', 1);
        assert_eq!((slab.queue(f), slab.queue(b), slab.len()), (Some(0), Some(1), 6));
        assert_eq!(drain(&mut slab, 0), "aecf");
        assert_eq!(drain(&mut slab, 1), "bg");
        assert_eq!((slab.len(), slab.first(0), slab.first(1)), (0, None, None));
    }

    #[test]
    fn slots_are_used_again_before_new_ones() {
        let mut slab: Slab<usize, 1> = Slab::new();
        let slots: Vec<_> = (0..2 * CHUNK + 1).map(|entry| slab.insert(entry, 0)).collect();
        for slot in &slots {
            assert_eq!(slab.remove(*slot), Some(*slot as usize));
            assert_eq!((slab.remove(*slot), slab.get(*slot)), (None, None));
        }
        let mut again: Vec<_> = (0..slots.len()).map(|entry| slab.insert(entry, 0)).collect();
        again.sort_unstable();
        assert_eq!(again, slots);
        assert_eq!(slab.iter().count(), slots.len());
    }
}
