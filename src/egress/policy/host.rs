//! Names of hosts, and patterns of them.

use std::fmt;

use super::word::{Pattern, Piece, Word, shown};

/// Names of hosts: `debian.org`, `*.debian.org` for what is below it at any depth, `*` for every name; `*` elsewhere stands
/// for characters of one label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hosts {
    /// One label or more of any kind come before the others.
    below: bool,
    labels: Vec<Pattern>,
}

impl Hosts {
    /// The pattern that a word of a rule is.
    pub(super) fn of(word: &Word) -> Result<Self, String> {
        let text = word.pattern.text();
        if plain(&text).is_empty() {
            return Err("a name is empty".to_owned());
        }
        if !word.quoted
            && let Some(why) = mistake(&text)
        {
            return Err(why);
        }
        let mut pieces: Vec<Piece> = word.pattern.pieces().to_vec();
        while pieces.last() == Some(&Piece::Char('.')) {
            pieces.pop();
        }
        let lower = |piece: &Piece| match piece {
            Piece::Char(c) => Piece::Char(c.to_ascii_lowercase()),
            Piece::Any => Piece::Any,
        };
        let labels = pieces.split(|piece| *piece == Piece::Char('.'));
        let mut labels: Vec<Pattern> = labels.map(|label| label.iter().map(lower).collect()).collect();
        let below = labels[0].is_any();
        if below {
            labels.remove(0);
        }
        Ok(Self { below, labels })
    }

    /// The pattern that stands for this name alone.
    pub(super) fn literal(name: &str) -> Self {
        Self { below: false, labels: plain(name).split('.').map(Pattern::literal).collect() }
    }

    /// How they end on the wire (RFC 1035, section 3.1), and whether a label has to come before; none if a label has a `*`.
    pub(super) fn suffix(&self) -> Option<(Vec<u8>, bool)> {
        let mut wire = Vec::new();
        for label in &self.labels {
            let letter = |piece: &Piece| if let Piece::Char(letter) = piece { Some(*letter) } else { None };
            let text: String = label.pieces().iter().map(letter).collect::<Option<_>>()?;
            wire.push(u8::try_from(text.len()).ok().filter(|length| *length < 64)?);
            wire.extend(text.bytes());
        }
        wire.push(0);
        Some((wire, self.below))
    }

    /// Whether a name is one of them. The root has no name.
    pub(super) fn contain(&self, name: &str) -> bool {
        let name = plain(name);
        let labels: Vec<&str> = name.split('.').collect();
        let Some(before) = labels.len().checked_sub(self.labels.len()) else { return false };
        let is_deep_enough = if self.below { before > 0 } else { before == 0 };
        let matches = |(pattern, label): (&Pattern, &&str)| pattern.matches(label);
        !name.is_empty() && is_deep_enough && self.labels.iter().zip(&labels[before..]).all(matches)
    }
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any = self.below.then(|| Pattern::wild("*"));
        let labels: Vec<&Pattern> = any.iter().chain(&self.labels).collect();
        let pieces = labels.iter().enumerate().flat_map(|(at, label)| {
            let dot = (at > 0).then_some(Piece::Char('.'));
            dot.into_iter().chain(label.pieces().iter().copied())
        });
        let pattern: Pattern = pieces.collect();
        let has_star = pattern.pieces().contains(&Piece::Char('*'));
        if has_star || mistake(&pattern.text()).is_some() { f.write_str(&pattern.quoted()) } else { pattern.fmt(f) }
    }
}

/// A name as it is compared: in small letters, without the dot at its end.
pub(super) fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// What is wrong with a name that stands there without quotes.
fn mistake(text: &str) -> Option<String> {
    let name = text.trim_end_matches('.');
    let labels = || name.split('.');
    if text.parse::<std::net::IpAddr>().is_ok() || text.parse::<ipnetwork::IpNetwork>().is_ok() {
        return Some(format!("{} is an address; write `cidr {text}`", shown(text)));
    }
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        return Some(format!("{} is a URL; write its host, {}", shown(text), shown(host)));
    }
    if let Some((host, port)) = text.rsplit_once(':') {
        return Some(format!("{} has a port; write {}", shown(text), shown(&format!("host {host} port {port}"))));
    }
    if let Some(parent) = name.strip_prefix('.') {
        return Some(format!("{} begins with a dot; write {}", shown(text), shown(&format!("*.{parent}"))));
    }
    if !text.is_ascii() {
        return Some(format!("{} is not as it is sent over the network; write its form with `xn--`", shown(text)));
    }
    let is_usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*');
    if labels().any(|label| label.is_empty() || !label.chars().all(is_usual)) {
        return Some(format!("{} is not the name of a host, such as `*.debian.org`", shown(text)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::word::words;
    use super::*;

    fn hosts(text: &str) -> Result<Hosts, String> {
        Hosts::of(&words(text).unwrap()[0])
    }

    #[test]
    fn wildcards_stand_for_subdomains_at_any_depth_or_within_a_label() {
        for (pattern, name, answer) in [
            ("debian.org", "debian.org", true),
            ("debian.org", "DEBIAN.org.", true),
            ("Debian.Org.", "debian.org", true),
            ("debian.org", "deb.debian.org", false),
            ("*.debian.org", "deb.debian.org", true),
            ("*.debian.org", "a.b.debian.org", true),
            ("*.debian.org", "debian.org", false),
            ("*.debian.org", "evildebian.org", false),
            ("*.debian.org", "deb.debian.org.evil.example", false),
            ("*", "localhost", true),
            ("*", "a.b.c", true),
            ("*", ".", false),
            ("*", "", false),
            ("ftp*.debian.org", "ftp2.debian.org", true),
            ("ftp*.debian.org", "ftp.debian.org", true),
            ("ftp*.debian.org", "ftp.x.debian.org", false),
            ("db.*.example", "db.eu.example", true),
            ("db.*.example", "db.eu.west.example", false),
            ("*-db.example", "eu-db.example", true),
            ("*-db.example", "a.eu-db.example", false),
            ("*.*.example", "a.b.example", true),
            ("*.*.example", "b.example", false),
        ] {
            assert_eq!(hosts(pattern).unwrap().contain(name), answer, "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_right_form() {
        for (text, why) in [
            ("203.0.113.9", "`203.0.113.9` is an address; write `cidr 203.0.113.9`"),
            ("2001:db8::/32", "`2001:db8::/32` is an address; write `cidr 2001:db8::/32`"),
            ("https://a.example:1/x", "`https://a.example:1/x` is a URL; write its host, `a.example`"),
            ("a.example:443", "`a.example:443` has a port; write `host a.example port 443`"),
            (".a.example", "`.a.example` begins with a dot; write `*.a.example`"),
            ("bücher.example", "`bücher.example` is not as it is sent over the network; write its form with `xn--`"),
            ("a..example", "`a..example` is not the name of a host, such as `*.debian.org`"),
            ("a/b", "`a/b` is not the name of a host, such as `*.debian.org`"),
            (".", "a name is empty"),
            ("\"\"", "a name is empty"),
        ] {
            assert_eq!(hosts(text).unwrap_err(), why);
        }
    }

    #[test]
    fn a_pattern_is_read_as_it_is_written() {
        for text in ["debian.org", "*.debian.org", "*", "a*b.example", "\"a..b\"", "\"bücher.example\"", "\"a b\""] {
            assert_eq!(hosts(text).unwrap().to_string(), text);
        }
        for name in ["*.debian.org", "203.0.113.9", "a..", "a b.example", "\u{7}.example", "*"] {
            let literal = Hosts::literal(name);
            assert_eq!(hosts(&literal.to_string()), Ok(literal.clone()), "{literal}");
            assert!(literal.contain(name) && !literal.contain("deb.debian.org"), "{literal}");
        }
    }
}
