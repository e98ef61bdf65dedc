//! Ranges of ports as the kernel's map has them.

/// The fewest prefixes that are together exactly the ports from `first` to `last`: each a port, and how many of its 16
/// bits count. There are 30 at most.
pub(super) fn prefixes(first: u16, last: u16) -> Vec<(u16, u8)> {
    let mut prefixes = Vec::new();
    let (mut at, end) = (u32::from(first), u32::from(last) + 1);
    while at < end {
        // As large as the place where it begins allows, and no larger than what is left.
        let free = at.trailing_zeros().min(16).min((end - at).ilog2());
        // Below 65536: it is before the end.
        prefixes.push((at as u16, 16 - free as u8));
        at += 1 << free;
    }
    prefixes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(prefixes: &[(u16, u8)]) -> Vec<u16> {
        let of = |&(port, bits): &(u16, u8)| (u32::from(port)..).take(1 << (16 - bits)).map(|port| port as u16);
        prefixes.iter().flat_map(of).collect()
    }

    #[test]
    fn a_range_is_exactly_its_ports() {
        let ends = [0, 1, 2, 3, 80, 127, 128, 129, 5001, 5200, 32767, 32768, 65534, 65535];
        for first in ends {
            for last in ends.into_iter().filter(|last| *last >= first) {
                let prefixes = prefixes(first, last);
                assert_eq!(ports(&prefixes), (first..=last).collect::<Vec<_>>(), "{first}-{last}");
                assert!(prefixes.len() <= 30, "{first}-{last}: {}", prefixes.len());
            }
        }
    }

    #[test]
    fn a_range_has_the_fewest_prefixes() {
        assert_eq!(prefixes(5001, 5001), [(5001, 16)]);
        assert_eq!(prefixes(0, 65535), [(0, 0)]);
        assert_eq!(prefixes(5000, 5007), [(5000, 13)]);
        assert_eq!(prefixes(5001, 5004), [(5001, 16), (5002, 15), (5004, 16)]);
        assert_eq!(prefixes(1, 65534).len(), 30);
        assert_eq!(prefixes(2, 1), []);
    }
}
