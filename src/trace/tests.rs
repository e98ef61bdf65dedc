//! Traces of networks that are written down: `tests/trace/*.txt` say what a network does, and what the trace says of it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path as File;
use std::time::Duration;

use super::*;

/// What a network does with a probe: the reply that comes after some time.
#[derive(Debug, Clone)]
struct Event {
    at: Duration,
    probe: Probe,
    reply: Reply,
}

/// A network: for each time to live who answers, what, and after how long for each attempt.
#[derive(Debug, Default)]
struct Network {
    plan: Plan,
    protocol: Option<Protocol>,
    hops: HashMap<u8, Vec<Rule>>,
    stop: Option<Duration>,
}

#[derive(Debug, Clone)]
struct Rule {
    from: IpAddr,
    answer: Answer,
    /// Of each attempt; none if it is lost. The last one holds for all that follow.
    delays: Vec<Option<Duration>>,
}

const TARGET: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

impl Network {
    /// Reads the lines of a scenario:
    ///
    /// ```text
    /// plan last=6 probes=3 timeout=1s
    /// protocol udp
    /// 3 192.0.2.3 exceeded 1ms lost 20ms
    /// 4.. target accepted 5ms
    /// stop 300ms
    /// ```
    fn parse(text: &str) -> Self {
        let mut network = Self { plan: Plan { last: 12, ..Plan::default() }, ..Self::default() };
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[0] {
                "plan" => {
                    for (name, value) in words[1..].iter().map(|word| word.split_once('=').unwrap()) {
                        match name {
                            "first" => network.plan.first = value.parse().unwrap(),
                            "last" => network.plan.last = value.parse().unwrap(),
                            "probes" => network.plan.probes = value.parse().unwrap(),
                            "timeout" => network.plan.timeout = span(value),
                            "patience" => network.plan.patience = span(value),
                            _ => panic!("{line}"),
                        }
                    }
                }
                "protocol" => network.protocol = Protocol::ALL.into_iter().find(|known| known.name() == words[1]),
                "stop" => network.stop = Some(span(words[1])),
                ttls => {
                    let from = if words[1] == "target" { TARGET } else { words[1].parse().unwrap() };
                    let rule = Rule { from, answer: answer(words[2]), delays: words[3..].iter().map(delay).collect() };
                    let (first, last) = match ttls.split_once("..") {
                        Some((first, "")) => (first.parse().unwrap(), u8::MAX),
                        Some((first, last)) => (first.parse().unwrap(), last.parse().unwrap()),
                        None => (ttls.parse().unwrap(), ttls.parse().unwrap()),
                    };
                    for ttl in first..=last {
                        network.hops.entry(ttl).or_default().push(rule.clone());
                    }
                }
            }
        }
        network
    }

    fn protocol(&self) -> Protocol {
        self.protocol.unwrap_or(Protocol::Tcp)
    }

    fn replies(&self, probe: Probe, now: Duration) -> impl Iterator<Item = Event> {
        self.hops.get(&probe.ttl).into_iter().flatten().filter_map(move |rule| {
            let delay = rule.delays.get(usize::from(probe.attempt)).or(rule.delays.last()).copied().flatten()?;
            let reply = Reply { from: rule.from, answer: rule.answer, translation: None, labels: Vec::new() };
            Some(Event { at: now + delay, probe, reply })
        })
    }

    /// Traces it, in a time of its own, and says what came of it.
    fn trace(&self) -> String {
        let mut strategy = Strategy::new(self.plan.clone(), Path::new(TARGET, self.protocol()));
        let mut now = Duration::ZERO;
        let mut coming: Vec<Event> = Vec::new();
        let mut sent = 0;
        let mut interruption = None;
        loop {
            coming.sort_by_key(|event| event.at);
            while coming.first().is_some_and(|event| event.at <= now) {
                let event = coming.remove(0);
                strategy.receive(now, event.probe, event.reply);
            }
            match strategy.step(now) {
                Step::Send(probe) => {
                    sent += 1;
                    coming.extend(self.replies(probe, now));
                }
                Step::Wait(until) => {
                    assert!(until > now, "it waits for what has been");
                    now = coming.iter().map(|event| event.at).min().unwrap_or(until).min(until);
                    if self.stop.is_some_and(|stop| stop <= now) {
                        interruption = Some("it was stopped");
                        break;
                    }
                }
                Step::Finish => break,
            }
        }
        let path = strategy.finish(now);
        let conclusion = conclude(&path, interruption);
        let mut said = String::new();
        for ttl in path.probed().filter(|ttl| *ttl <= conclusion.last) {
            writeln!(said, "{}", hop(&Hop::of(&path, ttl))).unwrap();
        }
        let blocked_at = conclusion.blocked_at.map(|ttl| format!(" at {ttl}")).unwrap_or_default();
        let (verdict, reason) = (conclusion.verdict, conclusion.reason);
        writeln!(said, "{verdict}{blocked_at}: {reason}").unwrap();
        writeln!(said, "after {}, {sent} probes", crate::record::Duration::from(now)).unwrap();
        said
    }
}

fn hop(hop: &Hop) -> String {
    let mut line = hop.ttl.to_string();
    for address in &hop.addresses {
        write!(line, " {address}").unwrap();
    }
    for rtt in &hop.rtts {
        write!(line, " {rtt}").unwrap();
    }
    if hop.lost > 0 {
        write!(line, " {} lost", hop.lost).unwrap();
    }
    if hop.translation.is_some() {
        line.push_str(" translated");
    }
    line
}

fn span(text: &str) -> Duration {
    let span: crate::record::Duration = text.parse().unwrap();
    Duration::from_nanos(span.as_nanos().try_into().unwrap())
}

fn delay(word: &&str) -> Option<Duration> {
    (*word != "lost").then(|| span(word))
}

fn answer(word: &str) -> Answer {
    let icmp = |kind, code| Answer::Icmp(Icmp { v6: false, kind, code });
    match word {
        "accepted" => Answer::Accepted,
        "reset" => Answer::Reset,
        "exceeded" => icmp(11, 0),
        "host-unreachable" => icmp(3, 1),
        "port-unreachable" => icmp(3, 3),
        "prohibited" => icmp(3, 13),
        _ => panic!("{word}"),
    }
}

/// `NETSCRIPT_BLESS=1 cargo test` writes them anew.
#[test]
fn networks_that_are_written_down_are_told_as_they_are() {
    let folder = File::new(env!("CARGO_MANIFEST_DIR")).join("tests/trace");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 10);
    let mut wrong = String::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let (network, expected) = text.split_once("---\n").unwrap_or((&text, ""));
        let said = Network::parse(network).trace();
        if std::env::var_os("NETSCRIPT_BLESS").is_some() {
            std::fs::write(&file, format!("{network}---\n{said}")).unwrap();
        } else if said != expected {
            writeln!(wrong, "{}:\n{said}", file.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Whatever a network does, a trace ends within its time, and sends no more than it may.
#[test]
fn every_trace_ends_in_time() {
    let mut state = 1_u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for _ in 0..500 {
        let mut network = Network::default();
        network.plan.last = 1 + u8::try_from(random(40)).unwrap();
        network.plan.probes = 1 + u8::try_from(random(5)).unwrap();
        let words = ["accepted", "reset", "exceeded", "host-unreachable", "prohibited"];
        for ttl in 1..=network.plan.last {
            for _ in 0..random(3) {
                let from =
                    if random(4) == 0 { TARGET } else { IpAddr::from([192, 0, 2, u8::try_from(random(9)).unwrap()]) };
                let delays =
                    (0..3).map(|_| (random(3) > 0).then(|| Duration::from_micros(random(1_500_000)))).collect();
                let answer = answer(words[usize::try_from(random(5)).unwrap()]);
                network.hops.entry(ttl).or_default().push(Rule { from, answer, delays });
            }
        }
        let said = network.trace();
        let (_, after) = said.rsplit_once("after ").unwrap();
        let (after, probes) = after.split_once(", ").unwrap();
        let probes: u64 = probes.split(' ').next().unwrap().parse().unwrap();
        assert!(probes <= u64::from(network.plan.last) * u64::from(network.plan.probes), "{said}");
        // Each of them may be probed as late as the last answer was.
        assert!(span(after) < Duration::from_millis(2100), "{said}");
    }
}

mod recognition {
    use super::*;
    use etherparse::{Ipv4Header, TcpHeader};

    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const PROBE: Probe = Probe { ttl: 7, attempt: 1 };

    fn signature(protocol: Protocol) -> Signature {
        let first = Flow { attempt: 0, ttl: None, port: 40000, secret: 0x1111_1111 };
        let second = Flow { attempt: 1, ttl: Some(7), port: 40001, secret: 0x2222_2222 };
        let flows = vec![first, second];
        Signature::new(protocol, SOURCE, (TARGET, 443).into(), flows)
    }

    /// The time-exceeded message of a router that got this packet.
    fn exceeded(source: [u8; 4], destination: [u8; 4], transport: &[u8]) -> Vec<u8> {
        let length = u16::try_from(transport.len()).unwrap();
        let ip = Ipv4Header::new(length, 1, etherparse::IpNumber::TCP, source, destination).unwrap();
        [&[11, 0, 0, 0, 0, 0, 0, 0], ip.to_bytes().as_slice(), transport].concat()
    }

    fn recognised(message: &[u8]) -> Option<(Probe, Option<Translation>)> {
        match Message::parse(message, false) {
            Some(Message::Error { quote, .. }) => signature(Protocol::Tcp).quoted(&quote),
            _ => None,
        }
    }

    const HERE: [u8; 4] = [192, 0, 2, 1];
    const THERE: [u8; 4] = [203, 0, 113, 9];

    #[test]
    fn a_syn_is_as_the_standards_say() {
        let packet = signature(Protocol::Tcp).packet(PROBE).unwrap();
        let expected = [
            0x9c, 0x41, 0x01, 0xbb, 0x07, 0x22, 0x22, 0x22, 0, 0, 0, 0, 0x60, 0x02, 0xfa, 0xf0, 0xd7, 0xe9, 0, 0, 2, 4,
            0x05, 0xb4,
        ];
        assert_eq!(packet, expected);
    }

    #[test]
    fn a_quoted_probe_is_recognised_by_eight_bytes() {
        let packet = signature(Protocol::Tcp).packet(PROBE).unwrap();
        assert_eq!(recognised(&exceeded(HERE, THERE, &packet)), Some((PROBE, None)));
        assert_eq!(recognised(&exceeded(HERE, THERE, &packet[..8])), Some((PROBE, None)));
    }

    #[test]
    fn what_quotes_the_packet_of_somebody_else_is_ignored() {
        let signature = signature(Protocol::Tcp);
        let packet = signature.packet(PROBE).unwrap();
        for at in 5..8 {
            let mut other = packet.clone();
            other[at] ^= 1;
            assert_eq!(recognised(&exceeded(HERE, THERE, &other)), None, "sequence number, byte {at}");
        }
        let mut udp = exceeded(HERE, THERE, &packet);
        udp[8 + 9] = 17;
        assert_eq!(recognised(&udp), None);
        assert_eq!(recognised(&exceeded(HERE, THERE, &packet[..7])), None);
    }

    #[test]
    fn translations_are_seen_in_what_is_quoted() {
        let packet = signature(Protocol::Tcp).packet(PROBE).unwrap();
        let other = IpAddr::from([203, 0, 113, 10]);
        let elsewhere = exceeded(HERE, [203, 0, 113, 10], &packet);
        assert_eq!(recognised(&elsewhere), Some((PROBE, Some(Translation::Destination(other, 443)))));
        let from = exceeded([198, 51, 100, 1], THERE, &packet);
        let source = IpAddr::from([198, 51, 100, 1]);
        assert_eq!(recognised(&from), Some((PROBE, Some(Translation::Source(source, 40001)))));
        let mut back = packet.clone();
        back[16] ^= 1;
        assert_eq!(recognised(&exceeded(HERE, THERE, &back)), Some((PROBE, Some(Translation::Checksum))));
    }

    fn segment(change: impl FnOnce(&mut TcpHeader)) -> Vec<u8> {
        let mut tcp = TcpHeader::new(443, 40001, 99, 1000);
        tcp.ack = true;
        tcp.acknowledgment_number = 0x0722_2223;
        change(&mut tcp);
        tcp.to_bytes().to_vec()
    }

    #[test]
    fn only_the_target_answers_a_probe() {
        let answered = |from, segment: &[u8]| signature(Protocol::Tcp).answered(from, segment);
        assert_eq!(answered(TARGET, &segment(|tcp| tcp.syn = true)), Some((PROBE, Answer::Accepted)));
        assert_eq!(answered(TARGET, &segment(|tcp| tcp.rst = true)), Some((PROBE, Answer::Reset)));
        assert_eq!(answered(SOURCE, &segment(|tcp| tcp.syn = true)), None);
        assert_eq!(answered(TARGET, &segment(|tcp| tcp.acknowledgment_number += 2)), None);
        // That flow has no other time to live.
        assert_eq!(answered(TARGET, &segment(|tcp| tcp.acknowledgment_number += 1 << 24)), None);
        assert_eq!(answered(TARGET, &segment(|tcp| tcp.destination_port = 40000)), None);
        assert_eq!(answered(TARGET, &segment(|tcp| tcp.source_port = 80)), None);
        assert_eq!(answered(TARGET, &segment(|tcp| (tcp.rst, tcp.ack) = (true, false))), None);
    }

    #[test]
    fn echoes_are_recognised_by_what_they_carry() {
        let signature = signature(Protocol::Icmp);
        let packet = signature.packet(PROBE).unwrap();
        assert_eq!(packet[4..], [0x9c, 0x41, 0, 7, 0x22, 0x22, 0x22, 0x22]);
        assert_eq!(signature.echoed(TARGET, 40001, 7, &[0x22; 4]), Some(PROBE));
        assert_eq!(signature.echoed(TARGET, 40001, 7, &[0x11; 4]), None);
        assert_eq!(signature.echoed(SOURCE, 40001, 7, &[0x22; 4]), None);
    }
}
