//! What the kernel refuses: the rules as it has them, and the addresses that go by a name.

use std::net::IpAddr;

use super::hook::{Hook, Settings, octets};
use super::policy::{Action, Entry, Filter};
use crate::host::BpfError;

/// How many rules the kernel takes.
pub(super) const MOST_RULES: usize = 1024;

/// A filter that the kernel has.
pub(super) struct Enforcement {
    filter: Filter,
    /// How many of its names the kernel knows in answers by itself.
    patterns: u32,
    /// Answers about names that were learned from.
    learned: u64,
}

impl Enforcement {
    /// Gives the kernel a filter, which has no effect before its settings have.
    pub(super) fn begin(filter: Filter, hook: &mut Hook) -> Result<Self, BpfError> {
        let mut patterns = 0;
        for (place, entry) in (0..).zip(filter.entries()) {
            hook.set_rule(place, rule(place, entry))?;
            if let Some(pattern) = pattern(place, entry) {
                hook.set_pattern(patterns, pattern)?;
                patterns += 1;
            }
        }
        Ok(Self { filter, patterns, learned: 0 })
    }

    /// The settings with which it has an effect.
    pub(super) fn settings(&self, settings: Settings) -> Settings {
        let rules = u32::try_from(self.filter.entries().len()).unwrap_or(u32::MAX);
        Settings { rules, patterns: self.patterns, ..settings }
    }

    /// Takes in that addresses go by these names.
    pub(super) fn learn(&self, names: &[String], addresses: &[IpAddr], hook: &mut Hook) {
        for (place, entry) in (0..).zip(self.filter.entries()) {
            if entry.has_name(names.iter().map(String::as_str)) {
                for address in addresses {
                    hook.learn(name_of(place), *address);
                }
            }
        }
    }

    /// Says that one more packet with an answer has been looked at: who waits for it may go on.
    pub(super) fn looked(&mut self, hook: &mut Hook) {
        self.learned += 1;
        hook.learned(self.learned);
    }
}

/// The number of the names of a rule.
const fn name_of(place: u32) -> u32 {
    place + 1
}

/// A `struct rule`.
fn rule(place: u32, entry: &Entry) -> [u8; 80] {
    let mut address = [0; 16];
    let mut address_mask = [0; 16];
    let mut family = 0;
    if let Some(network) = entry.network {
        (address, family) = octets(network.ip());
        address_mask = mask(network.prefix().into());
    }
    let (mut process, mut process_mask) = ([0; 16], [0; 16]);
    if let Some((begin, is_whole)) = &entry.process {
        let length = begin.len().min(15);
        process[..length].copy_from_slice(&begin.as_bytes()[..length]);
        process_mask = mask((length + usize::from(*is_whole)) * 8);
    }
    let (first, last) = entry.ports.unwrap_or((0, u16::MAX));
    let action = match entry.action {
        Action::Allow => 1,
        Action::Deny => 2,
    };
    let name = if entry.is_named() { name_of(place) } else { 0 };
    let mut bytes = [0; 80];
    let parts: [&[u8]; 10] = [
        &address,
        &address_mask,
        &process,
        &process_mask,
        &name.to_ne_bytes(),
        &first.to_ne_bytes(),
        &last.to_ne_bytes(),
        &[family],
        &[action],
        &[entry.protocol.unwrap_or(0)],
    ];
    let parts = parts.concat();
    bytes[..parts.len()].copy_from_slice(&parts);
    bytes
}

/// A `struct pattern`; none where the names of an entry are no end of a name, or a long one.
fn pattern(place: u32, entry: &Entry) -> Option<[u8; 72]> {
    let (suffix, is_below) = entry.suffix()?;
    let mut bytes = [0; 72];
    bytes[..4].copy_from_slice(&name_of(place).to_ne_bytes());
    bytes[4] = u8::try_from(suffix.len()).ok()?;
    bytes[5] = is_below.into();
    bytes[8..].get_mut(..suffix.len())?.copy_from_slice(&suffix);
    Some(bytes)
}

/// So many bits from the beginning on.
fn mask(bits: usize) -> [u8; 16] {
    std::array::from_fn(|place| {
        let left = bits.saturating_sub(place * 8).min(8);
        u8::try_from(0xff00_u16 >> left & 0xff).unwrap_or(u8::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::policy::{Policy, rules_of_file};

    #[test]
    fn a_mask_has_its_bits_at_the_beginning() {
        assert_eq!(mask(0), [0; 16]);
        assert_eq!(mask(12)[..3], [0xff, 0xf0, 0]);
        assert_eq!(mask(128), [0xff; 16]);
    }

    #[test]
    fn a_rule_has_its_conditions_where_the_kernel_looks_for_them() {
        let rules = b"deny cidr 203.0.113.0/24 port 8000-8100/udp process curl\nallow host x.example";
        let filter = Policy::new(rules_of_file("rules", rules, 1000).unwrap()).filter().unwrap();
        let bytes = rule(0, &filter.entries()[0]);
        assert_eq!(bytes[..5], [203, 0, 113, 0, 0]);
        assert_eq!(bytes[16..21], [0xff, 0xff, 0xff, 0, 0]);
        assert_eq!((&bytes[32..38], &bytes[48..54]), (&b"curl\0\0"[..], &[0xff, 0xff, 0xff, 0xff, 0xff, 0][..]));
        assert_eq!(bytes[64..68], [0; 4]);
        assert_eq!(bytes[68..72], [8000_u16.to_ne_bytes(), 8100_u16.to_ne_bytes()].concat());
        assert_eq!(bytes[72..75], [2, 2, 17], "IPv4, deny, UDP");
        let text = pattern(1, &filter.entries()[1]).unwrap();
        assert_eq!((&text[..4], &text[4..6]), (&2_u32.to_ne_bytes()[..], &[11, 0][..]));
        assert_eq!(&text[8..20], b"\x01x\x07example\0\0");
        let named = rule(1, &filter.entries()[1]);
        assert_eq!(named[64..68], 2_u32.to_ne_bytes());
        assert_eq!(named[72..75], [0, 1, 0]);
    }
}
