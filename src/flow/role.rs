//! Who is the client, and how that is known.

/// How it is known who opened a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A SYN, or the answer to one, was captured.
    Syn,
    /// One of the two ports is that of a well-known service.
    Port,
    /// Nothing but who spoke first in the capture.
    FirstPacket,
}

impl Role {
    /// The text that `role_known` shows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syn => "syn",
            Self::Port => "port",
            Self::FirstPacket => "first-packet",
        }
    }
}

/// Ports above 1023 on which services are so common that the other side is the client: proxies and web servers,
/// databases, message queues, DNS over others, remote desktops, orchestration, metrics.
const SERVICES: [u16; 44] = [
    1080, 1433, 1521, 1723, 1883, 2049, 2181, 2375, 2376, 2379, 2380, 3000, 3128, 3306, 3389, 4222, 4443, 4789, 5000,
    5060, 5201, 5353, 5355, 5432, 5601, 5672, 5900, 5984, 6379, 6443, 6667, 8000, 8008, 8080, 8081, 8086, 8088, 8443,
    8500, 8888, 9000, 9090, 9092, 9200,
];

/// Which of two ports is the service's: `Some(true)` for the first, `Some(false)` for the second, `None` if both or
/// neither could be.
pub(super) fn service(first: u16, second: u16) -> Option<bool> {
    let known = |port: u16| port != 0 && (port < 1024 || SERVICES.binary_search(&port).is_ok());
    match (known(first), known(second)) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_well_known_port_is_the_service() {
        assert!(SERVICES.is_sorted());
        assert_eq!(service(80, 40000), Some(true));
        assert_eq!(service(40000, 8080), Some(false));
        assert_eq!(service(53, 123), None);
        assert_eq!(service(40000, 50000), None);
    }
}
