//! First datagrams of clients, for another target if the first refuses them.

use std::collections::HashMap;
use std::time::Duration;

/// Bytes of all together.
const MOST: usize = 4 << 20;

/// How long they are kept: a refusal that takes longer is not waited for.
const TIME: Duration = Duration::from_secs(1);

/// Datagrams by their association. One that is too many is not kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    datagrams: HashMap<u64, (Duration, Box<[u8]>)>,
    size: usize,
}

impl Kept {
    pub(super) fn keep(&mut self, association: u64, now: Duration, datagram: &[u8]) {
        if self.size + cost(datagram) <= MOST {
            self.size += cost(datagram);
            self.datagrams.insert(association, (now, datagram.into()));
        }
    }

    pub(super) fn take(&mut self, association: u64) -> Option<Box<[u8]>> {
        let (_, datagram) = self.datagrams.remove(&association)?;
        self.size -= cost(&datagram);
        Some(datagram)
    }

    /// Gives up those that are old.
    pub(super) fn sweep(&mut self, now: Duration) {
        let size = &mut self.size;
        self.datagrams.retain(|_, (since, datagram)| {
            let is_young = now.saturating_sub(*since) < TIME;
            *size -= if is_young { 0 } else { cost(datagram) };
            is_young
        });
    }
}

/// Empty ones take room, too.
const fn cost(datagram: &[u8]) -> usize {
    datagram.len() + 64
}

#[cfg(test)]
mod tests {
    use super::{Kept, MOST};
    use std::time::Duration;

    #[test]
    fn datagrams_are_kept_for_a_second_and_within_their_room() {
        let mut kept = Kept::default();
        let large = vec![7; 65_535];
        for association in 0..100 {
            kept.keep(association, Duration::ZERO, &large);
        }
        assert!(kept.size <= MOST);
        assert_eq!(kept.take(0).as_deref(), Some(&large[..]));
        assert_eq!(kept.take(0), None);
        assert_eq!(kept.take(99), None, "there was no room for it");
        kept.keep(100, Duration::from_millis(500), b"");
        kept.sweep(Duration::from_secs(1));
        assert_eq!((kept.take(1), kept.take(100).as_deref()), (None, Some(&b""[..])));
        assert_eq!(kept.size, 0);
    }
}
