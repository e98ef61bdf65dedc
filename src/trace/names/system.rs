//! What this host is told about names: resolv.conf(5) and hosts(5).

use std::net::{IpAddr, Ipv4Addr};

/// How name servers are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    /// In the order in which they are asked.
    pub(super) servers: Vec<IpAddr>,
    search: Vec<String>,
    /// A name with so many dots is tried as it is first.
    ndots: usize,
}

impl Settings {
    /// Those of this host. A file that is not there is an empty one.
    pub(super) fn of_host() -> Self {
        Self::parse(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let mut settings = Self { servers: Vec::new(), search: Vec::new(), ndots: 1 };
        for line in text.lines().filter(|line| !line.starts_with(['#', ';'])) {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    // A scope (fe80::1%eth0) belongs to the host that wrote it.
                    settings.servers.extend(words.next().and_then(|server| server.parse::<IpAddr>().ok()));
                }
                Some("search" | "domain") => settings.search = words.map(str::to_owned).collect(),
                Some("options") => {
                    let ndots = words.find_map(|option| option.strip_prefix("ndots:")?.parse().ok());
                    settings.ndots = ndots.unwrap_or(settings.ndots).min(15);
                }
                _ => {}
            }
        }
        // The C library looks at three.
        settings.servers.truncate(3);
        settings.search.truncate(6);
        if settings.servers.is_empty() {
            settings.servers.push(Ipv4Addr::LOCALHOST.into());
        }
        settings
    }

    /// The names to try for a name, in their order.
    pub(super) fn candidates(&self, name: &str) -> Vec<String> {
        if let Some(absolute) = name.strip_suffix('.') {
            return vec![absolute.to_owned()];
        }
        let mut candidates: Vec<String> = self.search.iter().map(|domain| format!("{name}.{domain}")).collect();
        let as_it_is = if name.matches('.').count() >= self.ndots { 0 } else { candidates.len() };
        candidates.insert(as_it_is, name.to_owned());
        candidates
    }
}

/// The addresses that a file like /etc/hosts has for a name.
pub(super) fn listed(hosts: &str, name: &str) -> Vec<IpAddr> {
    let name = name.trim_end_matches('.');
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default().split_whitespace());
    let of_name = lines.filter_map(|mut words| {
        let address = words.next()?.parse().ok()?;
        words.any(|known| known.eq_ignore_ascii_case(name)).then_some(address)
    });
    of_name.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_the_c_library_reads_them() {
        let text = "# ours\nnameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch a.example b.example\noptions rotate ndots:2\n";
        let settings = Settings::parse(text);
        assert_eq!(settings.servers, ["192.0.2.53".parse::<IpAddr>().unwrap(), "2001:db8::53".parse().unwrap()]);
        assert_eq!(settings.candidates("db.x"), ["db.x.a.example", "db.x.b.example", "db.x"]);
        assert_eq!(settings.candidates("db.x.y"), ["db.x.y", "db.x.y.a.example", "db.x.y.b.example"]);
        assert_eq!(settings.candidates("db."), ["db"]);
        assert_eq!(Settings::parse("").servers, [IpAddr::from([127, 0, 0, 1])]);
    }

    #[test]
    fn hosts_have_names_and_aliases() {
        let hosts =
            "127.0.0.1 localhost\n192.0.2.7 web.example Web # the one\n2001:db8::7 web.example\n# 192.0.2.8 web\n";
        assert_eq!(listed(hosts, "web"), [IpAddr::from([192, 0, 2, 7])]);
        assert_eq!(
            listed(hosts, "web.example."),
            ["192.0.2.7".parse::<IpAddr>().unwrap(), "2001:db8::7".parse().unwrap()]
        );
        assert!(listed(hosts, "one").is_empty());
    }
}
