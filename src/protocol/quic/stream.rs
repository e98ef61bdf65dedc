//! The bytes of CRYPTO frames in order.

/// Puts in order what one end sends.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Where the next byte belongs.
    next: u64,
    /// What came early, and where it belongs.
    early: Vec<(u64, Vec<u8>)>,
    /// What that costs, in bytes.
    cost: usize,
}

/// What a piece costs besides its bytes, so that tiny ones cannot become many.
const PIECE: usize = 64;

impl Stream {
    /// Takes in bytes that belong to this place, and gives out what is in order by then. Gives `false` if that is more than
    /// may be kept, or than there may be.
    pub(super) fn push(&mut self, place: u64, bytes: &[u8], limit: usize, emit: &mut dyn FnMut(&[u8])) -> bool {
        let end = place.saturating_add(bytes.len() as u64);
        if end > limit as u64 {
            return false;
        }
        if place > self.next {
            let is_known = |(start, known): &(u64, Vec<u8>)| *start <= place && end <= start + known.len() as u64;
            if !self.early.iter().any(is_known) {
                self.cost += PIECE + bytes.len();
                self.early.push((place, bytes.to_vec()));
            }
            return self.cost <= limit;
        }
        self.pass(place, bytes, emit);
        while let Some(first) = self.early.iter().position(|(start, _)| *start <= self.next) {
            let (start, bytes) = self.early.swap_remove(first);
            self.cost -= PIECE + bytes.len();
            self.pass(start, &bytes, emit);
        }
        true
    }

    /// Gives out what is new of bytes that do not belong behind the next one.
    fn pass(&mut self, place: u64, bytes: &[u8], emit: &mut dyn FnMut(&[u8])) {
        let known = usize::try_from(self.next - place).unwrap_or(usize::MAX);
        if let Some(new) = bytes.get(known..).filter(|new| !new.is_empty()) {
            self.next += new.len() as u64;
            emit(new);
        }
    }

    /// Whether bytes are missing before others that came.
    pub(super) const fn has_hole(&self) -> bool {
        !self.early.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What pieces of `abcdefgh` give, and whether all of them fit.
    fn ordered(pieces: &[(usize, usize)], limit: usize) -> (String, bool, bool) {
        let (mut stream, mut given, mut fits) = (Stream::default(), Vec::new(), true);
        for &(from, to) in pieces {
            fits &=
                stream.push(from as u64, &b"abcdefgh"[from..to], limit, &mut |bytes| given.extend_from_slice(bytes));
        }
        (String::from_utf8(given).unwrap(), fits, stream.has_hole())
    }

    #[test]
    fn pieces_are_put_in_order_each_byte_once() {
        for pieces in [
            &[(0, 8)][..],
            &[(0, 4), (4, 8)],
            &[(4, 8), (0, 4)],
            &[(6, 8), (2, 4), (4, 6), (0, 2)],
            &[(0, 5), (3, 8)],
            &[(3, 8), (0, 5), (0, 8)],
            &[(2, 8), (4, 6), (2, 8), (0, 3)],
        ] {
            assert_eq!(ordered(pieces, 1000), ("abcdefgh".to_owned(), true, false), "{pieces:?}");
        }
        assert_eq!(ordered(&[(0, 2), (3, 8)], 1000), ("ab".to_owned(), true, true));
    }

    #[test]
    fn no_more_is_kept_than_the_limit_says() {
        assert_eq!(ordered(&[(0, 8)], 8), ("abcdefgh".to_owned(), true, false));
        assert_eq!(ordered(&[(0, 8)], 7), (String::new(), false, false));
        assert_eq!(ordered(&[(1, 2), (3, 4), (5, 6)], 2 * 65), (String::new(), false, true), "many tiny pieces");
        assert_eq!(ordered(&[(1, 2), (0, 1), (3, 4), (2, 3), (5, 6), (4, 5)], 65), ("abcdef".to_owned(), true, false));
        assert!(!Stream::default().push(u64::MAX, b"a", 1000, &mut |_| ()));
    }
}
