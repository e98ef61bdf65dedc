//! Policies as a whole: files, judgements, what is learned.

use std::net::IpAddr;

use super::parse::LONGEST_LINE;
use super::word::words;
use super::{Action, Attempt, Observed, Policy, PolicyError, Query, Rule, network, rules_of_file, rules_of_items};
use crate::record::{Tuple, Value};

const MOST: usize = 1 << 20;

fn rules(text: &str) -> Result<Vec<Rule>, PolicyError> {
    rules_of_file("egress.rules", text.as_bytes(), MOST)
}

fn policy(text: &str) -> Policy {
    Policy::new(rules(text).unwrap())
}

/// `tcp 203.0.113.9:443 as a.example by curl in web`; behind the address, everything may be missing.
fn attempt(text: &str) -> Observed {
    let mut words = text.split(' ');
    let protocol = words.next().unwrap();
    let to = words.next().unwrap();
    let end = to.parse::<std::net::SocketAddr>().ok();
    let mut attempt = Attempt::new(end.map_or_else(|| to.parse().unwrap(), |end| end.ip()));
    attempt.port = end.map(|end| end.port());
    attempt.protocol = Some(protocol.parse().unwrap());
    while let Some(word) = words.next() {
        let value = words.next().unwrap().to_owned();
        match word {
            "as" => attempt.names.push(value),
            "by" => attempt.process = Some(value),
            _ => attempt.container = Some(value),
        }
    }
    Observed::Attempt(attempt)
}

fn query(name: &str, process: Option<&str>) -> Observed {
    Observed::Query(Query { name: name.to_owned(), process: process.map(str::to_owned), container: None })
}

fn judged(policy: &mut Policy, observed: &Observed) -> String {
    let judgement = policy.judge(observed);
    format!("{}: {judgement}", judgement.verdict())
}

#[test]
fn everything_that_is_wrong_with_a_file_is_said_at_once() {
    let text = "\
# rules
allow host *.debian.org port 443/tcp
alow host a.example
allow
allow hsot a.example
allow 10.0.0.0/8
allow a.example
allow frobnicate
allow host
allow host a.example port https
allow port 80 port 443
allow port 80/tcp protocol tcp
allow cidr a.example
allow cidr 10.0.0.1/8
allow query a.example port 53
deny protocol tpc
deny process \"
deny process \"\"
deny host a.example\u{7}
";
    assert_eq!(
        rules(text).unwrap_err().to_string(),
        "\
egress.rules:3: a rule begins with `allow` or `deny`, and not with `alow`; did you mean `allow`?
egress.rules:4: `allow` alone names nothing; write what, such as `allow host *.debian.org port 443/tcp`
egress.rules:5: there is no condition `hsot`; did you mean `host`?
egress.rules:6: there is no condition `10.0.0.0/8`; write `cidr 10.0.0.0/8`
egress.rules:7: there is no condition `a.example`; write `host a.example`
egress.rules:8: there is no condition `frobnicate`; there are cidr, host, port, protocol, process, container, query
egress.rules:9: `host` has nothing behind it; write `host *.debian.org`
egress.rules:10: `https` is not a port; write `443`, `8000-8100` or `443/tcp`
egress.rules:11: `port` is there twice; write a rule for each
egress.rules:12: `protocol` is there twice; write a rule for each
egress.rules:13: `a.example` is neither an address nor a network, such as `203.0.113.0/24`; for a name write `host a.example`
egress.rules:14: `10.0.0.1/8` names a host of a network; write `10.0.0.0/8` or `10.0.0.1`
egress.rules:15: `query` is about a question for a name, which has no `port`; write a rule for each (one with `host` \
allows the question, too)
egress.rules:16: `tpc` is not a protocol; write `tcp`, `udp`, `icmp`, `icmp6`, or a number from 0 to 255
egress.rules:17: a quote is not closed
egress.rules:18: `process` has an empty name behind it
egress.rules:19: has a control character (U+0007)"
    );
}

#[test]
fn hostile_files_are_errors() {
    let said = |bytes: &[u8]| rules_of_file("x", bytes, MOST).unwrap_err().to_string();
    assert_eq!(said(b"# fine\nallow host \xff\n"), "x:2: is not text in UTF-8");
    assert_eq!(said(b"\x7fELF\0\0"), "x:1: has a control character (U+007F)");
    assert_eq!(said(&vec![b'#'; MOST + 1]), "x: is longer than 1048576 bytes, which is more than a policy may have");
    let long = format!("allow host {}", "a".repeat(LONGEST_LINE));
    assert_eq!(said(long.as_bytes()), "x:1: is longer than 4096 bytes");
    let many = said(&b"x\n".repeat(1000));
    assert_eq!(many.lines().count(), 21);
    assert_eq!(many.lines().last(), Some("and 980 more"));
}

#[test]
fn errors_of_several_sources_stay_bounded_together() {
    let mut error = rules_of_file("a", &b"x\n".repeat(15), MOST).unwrap_err();
    error.extend(rules_of_file("b", &b"x\n".repeat(30), MOST).unwrap_err());
    let text = error.to_string();
    assert_eq!(text.lines().count(), 21);
    assert!(text.ends_with("\nand 25 more") && text.contains("b:5: "), "{text}");
}

#[test]
fn comments_blank_lines_and_other_ends_of_lines_are_fine() {
    let text = "\u{feff}# rules\r\n\r\n  allow host a.example  # why\r\n\tdeny\tport 25\n";
    let found: Vec<String> = rules(text).unwrap().iter().map(|rule| format!("{} {rule}", rule.place())).collect();
    assert_eq!(found, ["egress.rules:3 allow host a.example", "egress.rules:4 deny port 25"]);
}

#[test]
fn rules_are_written_in_one_form() {
    for (line, form) in [
        ("allow port 443 protocol tcp host A.Example.", "allow host a.example port 443/tcp"),
        ("allow cidr ::ffff:203.0.113.7/128", "allow cidr 203.0.113.7"),
        ("allow protocol 1", "allow protocol icmp"),
        ("allow protocol 99", "allow protocol 99"),
        ("allow process \"curl\" container \"a b\"", "allow process curl container \"a b\""),
        ("deny process \"a\\*b*\" query *", "deny query * process \"a\\*b*\""),
        ("allow host \"a..b\" port 1-2", "allow host \"a..b\" port 1-2"),
    ] {
        let read = rules(line).unwrap();
        assert_eq!(read[0].to_string(), form);
        assert_eq!(rules(form).unwrap(), read, "{form}");
    }
}

#[test]
fn short_forms_are_the_same_rules() {
    for (item, form) in [
        ("10.0.0.0/8", "allow cidr 10.0.0.0/8"),
        ("203.0.113.9", "allow cidr 203.0.113.9"),
        ("203.0.113.9:443", "allow cidr 203.0.113.9 port 443"),
        ("203.0.113.9/udp", "allow cidr 203.0.113.9 protocol udp"),
        ("203.0.113.0/24:8000-8100/tcp", "allow cidr 203.0.113.0/24 port 8000-8100/tcp"),
        ("*.debian.org:443", "allow host *.debian.org port 443"),
        (" registry.example:443/tcp ", "allow host registry.example port 443/tcp"),
        ("registry.example/icmp", "allow host registry.example protocol icmp"),
        ("*", "allow host *"),
        ("2001:db8::1", "allow cidr 2001:db8::1"),
        ("2001:db8::/32", "allow cidr 2001:db8::/32"),
        ("[2001:db8::1]:443", "allow cidr 2001:db8::1 port 443"),
        ("[2001:db8::/32]:53/udp", "allow cidr 2001:db8::/32 port 53/udp"),
        ("[2001:db8::1]/icmp6", "allow cidr 2001:db8::1 protocol icmp6"),
        ("[2001:db8::1]", "allow cidr 2001:db8::1"),
    ] {
        let found = rules_of_items(Action::Allow, &[item]).unwrap();
        assert_eq!(found[0].to_string(), form, "{item}");
        assert_eq!(found[0].place(), "allow[1]");
    }
    let items = [
        "a.example",
        "",
        ":443",
        "[2001:db8::1",
        "[2001:db8::1]443",
        "2001:db8::1/tcp",
        "a.example:https",
        "a.example:443/tpc",
        "https://a.example/",
        "10.0.0.1/8",
        "[a.example]:443",
        "10.0.0.0/33",
        "a b",
        "fe80::1%eth0",
    ];
    assert_eq!(
        rules_of_items(Action::Deny, &items).unwrap_err().to_string(),
        "\
deny[2]: is empty; write an address, a network or a name, such as `*.debian.org:443`
deny[3]: `:443` names nobody; write an address or a name before the port: `*:443`
deny[4]: in `[2001:db8::1` a bracket is not closed
deny[5]: behind the brackets of `[2001:db8::1]443` comes a port: `[2001:db8::1]:443`
deny[6]: `2001:db8::1/tcp` is not clear; write an IPv6 address in brackets: `[2001:db8::1]:443/tcp`
deny[7]: `https` is not a port; write `443`, `8000-8100` or `443/tcp`
deny[8]: `tpc` is not a protocol; write `tcp`, `udp`, `icmp`, `icmp6`, or a number from 0 to 255
deny[9]: `https://a.example/` is a URL; write its host, `a.example`
deny[10]: `10.0.0.1/8` names a host of a network; write `10.0.0.0/8` or `10.0.0.1`
deny[11]: `a.example` is neither an address nor a network, such as `203.0.113.0/24`
deny[12]: `10.0.0.0/33` is neither an address nor a network, such as `203.0.113.0/24`
deny[13]: `a b` is not the name of a host, such as `*.debian.org`
deny[14]: a zone (`eth0`) is known to one host only; write `fe80::1`"
    );
}

#[test]
fn attempts_are_judged_by_rules_and_then_by_where_they_go() {
    let mut policy = policy(
        "\
allow host *.debian.org port 443/tcp
allow cidr 203.0.113.0/28 port 8000-8100
allow protocol icmp cidr 203.0.113.200
allow process apt* port 80
allow container web* port 5432/tcp
deny host evil.debian.org
deny cidr 10.9.0.0/16
deny port 25
",
    )
    .with_inside(vec![network("198.51.100.0/24").unwrap()])
    .with_resolvers(&["203.0.113.53".parse().unwrap(), "::ffff:203.0.113.54".parse().unwrap()]);
    for (what, says) in [
        ("tcp 203.0.113.99:443 as deb.debian.org", "allowed: allow host *.debian.org port 443/tcp (egress.rules:1)"),
        (
            "tcp 203.0.113.99:443 as a.example as DEB.debian.org.",
            "allowed: allow host *.debian.org port 443/tcp (egress.rules:1)",
        ),
        ("udp 203.0.113.99:443 as deb.debian.org", "outside: not inside, and no rule speaks of it"),
        ("tcp 203.0.113.99:443 as debian.org", "outside: not inside, and no rule speaks of it"),
        ("tcp 203.0.113.99:443", "outside: not inside, and no rule speaks of it"),
        // A rule that denies wins, whichever comes first, and over what is inside.
        ("tcp 203.0.113.99:443 as evil.debian.org", "denied: deny host evil.debian.org (egress.rules:6)"),
        ("tcp 10.9.1.1:443", "denied: deny cidr 10.9.0.0/16 (egress.rules:7)"),
        ("tcp [::ffff:10.9.1.1]:443", "denied: deny cidr 10.9.0.0/16 (egress.rules:7)"),
        ("tcp 127.0.0.1:25", "denied: deny port 25 (egress.rules:8)"),
        ("tcp 10.8.1.1:443", "inside: a private address (RFC 1918)"),
        ("tcp 203.0.113.1:8000", "allowed: allow cidr 203.0.113.0/28 port 8000-8100 (egress.rules:2)"),
        ("udp [::ffff:203.0.113.15]:8100", "allowed: allow cidr 203.0.113.0/28 port 8000-8100 (egress.rules:2)"),
        ("tcp 203.0.113.16:8000", "outside: not inside, and no rule speaks of it"),
        ("tcp 203.0.113.1:8101", "outside: not inside, and no rule speaks of it"),
        ("icmp 203.0.113.1", "outside: not inside, and no rule speaks of it"),
        ("icmp 203.0.113.200", "allowed: allow cidr 203.0.113.200 protocol icmp (egress.rules:3)"),
        ("tcp 192.0.2.1:80 by apt-get", "allowed: allow port 80 process apt* (egress.rules:4)"),
        ("tcp 192.0.2.1:80 by curl", "outside: not inside, and no rule speaks of it"),
        ("tcp 192.0.2.1:80", "outside: not inside, and no rule speaks of it"),
        ("tcp 192.0.2.1:5432 in web-1", "allowed: allow port 5432/tcp container web* (egress.rules:5)"),
        ("tcp 192.0.2.1:5432", "outside: not inside, and no rule speaks of it"),
        ("tcp 198.51.100.7:1", "inside: in 198.51.100.0/24, which counts as inside"),
        ("udp 203.0.113.53:53", "inside: a name server in use"),
        ("tcp 203.0.113.54:853", "inside: a name server in use"),
        ("sctp 203.0.113.53:53", "outside: not inside, and no rule speaks of it"),
        ("tcp 203.0.113.53:443", "outside: not inside, and no rule speaks of it"),
        ("icmp 203.0.113.53", "outside: not inside, and no rule speaks of it"),
        ("udp [2001:db8::1]:53", "outside: not inside, and no rule speaks of it"),
    ] {
        assert_eq!(judged(&mut policy, &attempt(what)), says, "{what}");
    }
}

#[test]
fn questions_are_judged_by_the_name() {
    let mut policy = policy(
        "\
allow host *.debian.org port 443/tcp process apt
allow query *.example
deny host metrics.example
deny host mail.example port 25
deny query *.internal
deny process spy
deny host secret.example process curl
",
    );
    for (name, process, says) in [
        ("deb.debian.org", Some("apt"), "allowed: allow host *.debian.org port 443/tcp process apt (egress.rules:1)"),
        // A capture does not know who asked.
        ("deb.debian.org", None, "allowed: allow host *.debian.org port 443/tcp process apt (egress.rules:1)"),
        ("deb.debian.org", Some("curl"), "outside: not inside, and no rule speaks of it"),
        ("WWW.Example.", None, "allowed: allow query *.example (egress.rules:2)"),
        ("metrics.example", None, "denied: deny host metrics.example (egress.rules:3)"),
        // What is denied is the connection to a port, and not the question.
        ("mail.example", None, "allowed: allow query *.example (egress.rules:2)"),
        ("secret.example", None, "allowed: allow query *.example (egress.rules:2)"),
        ("secret.example", Some("curl"), "denied: deny host secret.example process curl (egress.rules:7)"),
        ("db.internal", None, "denied: deny query *.internal (egress.rules:5)"),
        ("localhost", Some("spy"), "denied: deny process spy (egress.rules:6)"),
        ("localhost", None, "inside: a name of this host (RFC 6761)"),
        ("a.test", None, "outside: not inside, and no rule speaks of it"),
    ] {
        assert_eq!(judged(&mut policy, &query(name, process)), says, "{name} {process:?}");
    }
    // To be allowed to ask is not to be allowed to connect.
    let says = judged(&mut policy, &attempt("tcp 192.0.2.1:443 as www.example"));
    assert_eq!(says, "outside: not inside, and no rule speaks of it");
}

#[test]
fn rules_that_matched_nothing_are_known() {
    let mut policy = policy("allow host a.example\nallow host b.example\ndeny port 25\nallow cidr 192.0.2.1\n");
    let unused = |policy: &Policy| policy.unused().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(unused(&policy).len(), 4);
    policy.judge(&attempt("tcp 192.0.2.1:25 as b.example"));
    // One that another one overruled has matched, too.
    assert_eq!(unused(&policy), ["allow host a.example"]);
    let _ = policy.learned(&[attempt("tcp 192.0.2.2:1 as a.example")]);
    assert_eq!(unused(&policy), ["allow host a.example"]);
}

#[test]
fn what_is_outside_is_learned_sorted_and_once() {
    let policy = policy("deny host evil.example\nallow host known.example\n");
    let learned = policy.learned(&[
        attempt("tcp 203.0.113.9:443 as Files.Example. as cdn.example by curl"),
        attempt("tcp 203.0.113.8:443 as files.example by curl"),
        attempt("icmp 203.0.113.9 by ping"),
        attempt("udp [2001:db8::1]:4500"),
        attempt("132 203.0.113.9:9"),
        attempt("tcp 203.0.113.9:443 as evil.example by curl"),
        attempt("tcp 203.0.113.9:443 as known.example by curl"),
        attempt("tcp 10.0.0.1:443 by curl"),
        query("files.example", None),
        query("files.example", Some("curl")),
        query("only-curl.example", Some("wget")),
        attempt("tcp 203.0.113.7:80 as only-curl.example by curl"),
        query("metrics.example.", Some("curl")),
        query("db.internal", None),
        query(&"x".repeat(5000), None),
        query(&format!("{}.example", "x".repeat(5000)), None),
    ]);
    assert_eq!(
        learned,
        "\
# Rules that allow what was observed outside, learned from one run. Read each before you keep it.
# To check against them: netscript run egress-check -- --rules=FILE COMMAND
# Left out: 1, of which a name is longer than a rule may be.
allow cidr 2001:db8::1 port 4500/udp
allow cidr 203.0.113.9 port 9/sctp
allow cidr 203.0.113.9 protocol icmp process ping
allow host files.example port 443/tcp process curl
allow host only-curl.example port 80/tcp process curl
allow query metrics.example
allow query only-curl.example
"
    );
}

/// Numbers that look like chance and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn text(&mut self) -> String {
        const SIGNS: [&str; 24] = [
            "a", "B", "7", ".", ".", "-", "_", "*", "\"", "\\", "#", " ", "\t", "\n", "\u{0}", "\u{202e}", "ü", "/",
            ":", "%", "[", "u{", "}", "example",
        ];
        // Some come again and again.
        if self.below(3) == 0 {
            return ["a.example", "curl"][self.below(2)].to_owned();
        }
        let length = 1 + self.below(8);
        (0..length).map(|_| SIGNS[self.below(SIGNS.len())]).collect()
    }

    fn maybe(&mut self) -> Option<String> {
        (self.below(2) == 0).then(|| self.text())
    }

    fn observed(&mut self) -> Observed {
        let (process, container) = (self.maybe(), self.maybe());
        if self.below(3) == 0 {
            return Observed::Query(Query { name: self.text(), process, container });
        }
        let last = u8::try_from(self.below(6)).unwrap();
        let address: IpAddr = match self.below(3) {
            0 => [203, 0, 113, last].into(),
            1 => format!("2001:db8::{last}").parse().unwrap(),
            _ => format!("::ffff:192.0.2.{last}").parse().unwrap(),
        };
        let mut attempt = Attempt::new(address);
        attempt.port = (self.below(4) > 0).then(|| u16::try_from(self.below(4)).unwrap() * 20_000);
        attempt.protocol = (self.below(4) > 0).then(|| self.below(256).to_string().parse().unwrap());
        attempt.names = (0..self.below(3)).map(|_| self.text()).collect();
        (attempt.process, attempt.container) = (process, container);
        Observed::Attempt(attempt)
    }
}

#[test]
fn what_is_learned_is_read_as_it_was_written_and_allows_what_it_was_learned_from_and_nothing_else() {
    for seed in 1..400 {
        let mut random = Random(seed * 0x9e37_79b9);
        let observed: Vec<Observed> = (0..random.below(12)).map(|_| random.observed()).collect();
        let text = Policy::default().learned(&observed);
        let read = rules(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let written: Vec<String> = read.iter().map(ToString::to_string).collect();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(written, lines, "seed {seed}");
        let mut learned = Policy::new(read);
        for it in &observed {
            let before = Policy::default().judge(it).verdict();
            let now = learned.judge(it).verdict();
            let expected = if before == "outside" { &["allowed"][..] } else { &["inside", "allowed"] };
            assert!(expected.contains(&now), "seed {seed}: {now} {it:?}\n{text}");
        }
        for it in &observed {
            let Observed::Attempt(attempt) = it else { continue };
            let elsewhere = Attempt { address: [198, 51, 100, 1].into(), names: Vec::new(), ..attempt.clone() };
            assert_eq!(
                learned.judge(&Observed::Attempt(elsewhere)).verdict(),
                "outside",
                "seed {seed}: {it:?}\n{text}"
            );
            let other_port = Attempt { port: Some(7), ..attempt.clone() };
            let has_port = observed.iter().all(|it| !matches!(it, Observed::Attempt(Attempt { port: None, .. })));
            if has_port {
                assert_eq!(
                    learned.judge(&Observed::Attempt(other_port)).verdict(),
                    "outside",
                    "seed {seed}: {it:?}\n{text}"
                );
            }
        }
    }
}

#[test]
fn any_line_is_read_or_refused() {
    let mut random = Random(7);
    for _ in 0..20_000 {
        let line: Vec<String> = (0..random.below(6))
            .map(|_| match random.below(3) {
                0 => ["allow", "deny", "host", "cidr", "port", "process", "query"][random.below(7)].to_owned(),
                1 => ["10.0.0.0/8", "443/tcp", "*.debian.org", "\"", "1-2", "::/0"][random.below(6)].to_owned(),
                _ => random.text(),
            })
            .collect();
        let line = line.join(" ");
        let _ = words(&line);
        if let Ok(read) = rules(&line) {
            let again: Vec<String> = read.iter().map(ToString::to_string).collect();
            assert_eq!(
                rules(&again.join("\n")).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>(),
                again,
                "{line}"
            );
        }
        let _ = rules_of_items(Action::Allow, &[random.text()]);
    }
}

#[test]
fn rows_of_every_kind_say_where_they_go() {
    let row = |fields: &[(&'static str, Value<'static>)]| {
        let (names, values) = fields.iter().cloned().map(|(name, value)| (name.into(), value)).unzip();
        Observed::of(Tuple::row("row", names, values).as_ref())
    };
    let names = Value::List(vec!["a.example".into(), "cdn.example".into()]);
    let found = row(&[
        ("address", "fe80::1%eth0".into()),
        ("port", 443_u16.into()),
        ("protocol", "6".into()),
        ("name", "a.example".into()),
        ("names", names),
        ("server_name", "sni.example".into()),
        ("process", "curl".into()),
        ("container", Value::None),
    ]);
    let expected = attempt("tcp [fe80::1]:443 as a.example as cdn.example as sni.example by curl");
    assert_eq!(found, Ok(expected));
    let address = |text: &str| Value::Address(text.parse().unwrap());
    let flow =
        row(&[("protocol", "icmp".into()), ("server", address("::ffff:203.0.113.9")), ("server_port", Value::None)]);
    assert_eq!(flow, Ok(attempt("icmp 203.0.113.9")));
    let asked = row(&[("server", address("192.0.2.53")), ("name", "a.example".into()), ("rcode", "NOERROR".into())]);
    assert_eq!(asked, Ok(query("a.example", None)));
    assert_eq!(row(&[("name", "".into()), ("type", "NS".into())]), Ok(query("", None)));
    let unreached = row(&[("address", Value::None), ("name", "a.example".into())]);
    assert_eq!(unreached, Ok(query("a.example", None)));
    let listener = Tuple::row("listener", vec!["address".into()], vec![address("203.0.113.9")]);
    assert_eq!(
        Observed::of(listener.as_ref()).unwrap_err(),
        "a policy judges rows of egress_attempt, flow and dns_query, and maps with their fields, and not a listener"
    );
    for (fields, why) in [
        (vec![("address", "everywhere".into())], "`everywhere` is not an address"),
        (vec![("address", "192.0.2.1".into()), ("port", 65536_u32.into())], "`65536` is not a port"),
        (vec![("address", "192.0.2.1".into()), ("port", "443".into())], "`443` is not a port"),
        (
            vec![("client", address("192.0.2.1"))],
            "a row to judge has an `address` (egress_attempt), a `server` (flow) or a `name` (dns_query); this has none",
        ),
    ] {
        assert_eq!(row(&fields).unwrap_err(), why);
    }
}
