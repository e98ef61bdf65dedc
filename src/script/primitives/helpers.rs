//! Small functions on values.

use std::net::IpAddr;

use rhai::{Engine, EvalAltResult};

use super::super::docs::{Entry, Group};
use super::super::error::{ErrorKind, thrown};

pub(crate) const ENTRIES: &[Entry] = &[
    Entry {
        name: "in_network",
        signature: "in_network(address, network) -> bool",
        group: Group::Helper,
        doc: "Whether an address is in a network, such as \"10.0.0.0/8\" or \"2001:db8::/32\".",
        example: "flows().filter(|f| in_network(f.client, \"192.0.2.0/24\")).count()",
        needs: None,
    },
    Entry {
        name: "duration",
        signature: "duration(text) -> duration",
        group: Group::Helper,
        doc: "A duration, such as duration(\"1.5ms\"). Durations compare with texts directly: r.latency > \"100ms\".",
        example: "http_requests().filter(|r| r.latency > duration(\"10ms\")).count()",
        needs: None,
    },
];

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("in_network", |address: &str, network: &str| in_network(address, network));
    engine.register_fn("in_network", |(): (), _: &str| false);
}

fn in_network(address: &str, network: &str) -> Result<bool, Box<EvalAltResult>> {
    let Ok(address) = address.parse::<IpAddr>() else { return Ok(false) };
    let wrong = || thrown(ErrorKind::Usage, format!("`{network}` is not a network; write 10.0.0.0/8 or 2001:db8::/32"));
    let (base, bits) = network.split_once('/').ok_or_else(wrong)?;
    let base: IpAddr = base.parse().map_err(|_| wrong())?;
    let bits: u32 = bits.parse().map_err(|_| wrong())?;
    let same = |a: u128, b: u128, width: u32| {
        if bits > width { Err(wrong()) } else { Ok(bits == 0 || (a ^ b) >> (width - bits) == 0) }
    };
    match (address, base) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::in_network;

    #[test]
    fn addresses_are_looked_for_in_networks_of_their_family() {
        for (address, network, answer) in [
            ("192.0.2.7", "192.0.2.0/24", true),
            ("192.0.3.7", "192.0.2.0/24", false),
            ("192.0.2.7", "0.0.0.0/0", true),
            ("2001:db8::1", "2001:db8::/32", true),
            ("2001:db9::1", "2001:db8::/32", false),
            ("192.0.2.7", "2001:db8::/32", false),
        ] {
            assert_eq!(in_network(address, network).unwrap(), answer, "{address} in {network}");
        }
        assert!(in_network("192.0.2.7", "192.0.2.0/33").is_err());
        assert!(in_network("192.0.2.7", "everywhere").is_err());
    }
}
