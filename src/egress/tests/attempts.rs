//! Everything that can become of an attempt.

use super::super::attempt::{Attempt, Reached, Whose};
use super::super::attempts::Open;
use super::super::event::{Happening, How, Step};
use super::super::hook::Counted;
use super::{at, end, process};
use crate::record::{Record as _, Value};

const PEER: &str = "203.0.113.9:443";
const OTHER: &str = "203.0.113.8:443";
const USED: Step = Step::Closed { used: true };
const UNUSED: Step = Step::Closed { used: false };
const CONNECT: Step = Step::Begun(How::Connect);
const SEND: Step = Step::Begun(How::Send);

/// What happens to the sockets of one process, a millisecond after the other.
#[derive(Default)]
struct Scene {
    open: Open,
    time: i64,
    over: Vec<Attempt>,
}

fn tcp(step: Step) -> Happening {
    let peer = end(PEER);
    Happening { cookie: 42, step, protocol: 6, peer, local: None, error: 0, bytes: [0, 0] }
}

fn udp(step: Step) -> Happening {
    Happening { protocol: 17, ..tcp(step) }
}

impl Scene {
    fn then(mut self, happening: Happening) -> Self {
        self.over.extend(self.open.take(&happening, &process(7, "curl"), at(self.time)));
        self.time += 1;
        self
    }

    /// Those that are over, in short: when, whom, what came of it.
    fn over(&self) -> Vec<String> {
        self.over.iter().map(brief).collect()
    }

    fn rest(mut self) -> Vec<String> {
        self.open.rest().iter().map(|(cookie, attempt)| format!("{cookie}: {}", brief(attempt))).collect()
    }
}

fn brief(attempt: &Attempt) -> String {
    let milliseconds = |time: crate::record::Time| time.as_nanos() / 1_000_000;
    let (begin, end) = (milliseconds(attempt.time), attempt.end.map(milliseconds));
    let end = end.map_or_else(|| "…".to_owned(), |end| end.to_string());
    let error = field(attempt, "error");
    let bytes = attempt.bytes.map(|[out, back]| format!(" {out}/{back}")).unwrap_or_default();
    format!("{begin}-{end} {} {}{error}{bytes}", attempt.peer, attempt.reached.name())
}

/// A field with a blank before it; nothing if it has no value.
fn field(attempt: &Attempt, name: &str) -> String {
    match attempt.get(name) {
        None => panic!("there is no field {name}"),
        Some(Value::None) => String::new(),
        Some(value) => format!(" {value}"),
    }
}

#[test]
fn a_connection_counts_its_bytes_when_it_is_closed() {
    let local = Some(end("192.0.2.1:50000"));
    let scene = Scene::default().then(tcp(CONNECT)).then(Happening { local, ..tcp(Step::Connected) });
    assert!(scene.over().is_empty());
    let scene = scene.then(Happening { bytes: [120, 4096], ..tcp(USED) });
    assert_eq!(scene.over(), ["0-2 203.0.113.9:443 connected 120/4096"]);
    let attempt = &scene.over[0];
    assert_eq!((field(attempt, "source"), field(attempt, "source_port")), (" 192.0.2.1".into(), " 50000".into()));
    assert!(scene.rest().is_empty());
}

#[test]
fn an_error_after_the_answer_takes_nothing_back() {
    let reset = Happening { error: 104, ..tcp(Step::Failed) };
    let scene = Scene::default().then(tcp(CONNECT)).then(tcp(Step::Connected)).then(reset);
    let scene = scene.then(Happening { error: 104, bytes: [10, 0], ..tcp(USED) });
    assert_eq!(scene.over(), ["0-3 203.0.113.9:443 connected 10/0"]);
}

#[test]
fn what_the_kernel_says_of_a_connection_that_fails_is_what_came_of_it() {
    for (error, said) in [
        (111, "refused ECONNREFUSED"),
        (104, "refused ECONNRESET"),
        (110, "no answer ETIMEDOUT"),
        (113, "unreachable EHOSTUNREACH"),
        (101, "unreachable ENETUNREACH"),
        (1, "denied EPERM"),
        (13, "denied EACCES"),
        (99, "failed EADDRNOTAVAIL"),
        (71, "failed errno 71"),
    ] {
        let happening = |step| Happening { error, ..tcp(step) };
        // Some errors come before the socket is closed, some with it, some both ways; it is one attempt.
        let told = Scene::default().then(tcp(CONNECT)).then(happening(Step::Failed)).then(happening(UNUSED));
        assert_eq!(told.over(), [format!("0-1 203.0.113.9:443 {said}")]);
        let closed = Scene::default().then(tcp(CONNECT)).then(happening(USED));
        assert_eq!(closed.over(), [format!("0-1 203.0.113.9:443 {said} 0/0")]);
    }
}

#[test]
fn who_gives_up_waiting_got_no_answer_and_who_never_sent_did_not_send() {
    let gave_up = Scene::default().then(tcp(CONNECT)).then(tcp(USED));
    assert_eq!(gave_up.over(), ["0-1 203.0.113.9:443 no answer 0/0"]);
    let unsent = Scene::default().then(tcp(CONNECT)).then(tcp(UNUSED));
    assert_eq!(unsent.over(), ["0-1 203.0.113.9:443 not sent"]);
}

#[test]
fn a_socket_that_connects_again_makes_another_attempt() {
    let again = Happening { peer: end(OTHER), ..tcp(CONNECT) };
    let refused = Happening { error: 111, ..tcp(Step::Failed) };
    let after_error = Scene::default().then(tcp(CONNECT)).then(refused).then(again).then(tcp(Step::Connected));
    let after_error = after_error.then(Happening { bytes: [5, 6], ..tcp(USED) });
    assert_eq!(after_error.over(), ["0-1 203.0.113.9:443 refused ECONNREFUSED", "2-4 203.0.113.8:443 connected 5/6"]);
    // Without a word about the first one, too.
    let at_once = Scene::default().then(tcp(CONNECT)).then(again);
    assert_eq!(at_once.over(), ["0-1 203.0.113.9:443 not sent"]);
    assert_eq!(at_once.rest(), ["42: 1-… 203.0.113.8:443 pending"]);
}

#[test]
fn one_socket_may_send_datagrams_to_several_peers() {
    let other = |step| Happening { peer: end(OTHER), ..udp(step) };
    let scene = Scene::default().then(udp(SEND)).then(other(SEND));
    let scene = scene.then(other(Step::Connected)).then(Happening { error: 111, ..udp(Step::Failed) });
    assert!(scene.over().is_empty(), "a datagram that failed does not close a socket");
    let scene = scene.then(udp(UNUSED));
    assert_eq!(scene.over(), ["0-4 203.0.113.9:443 refused ECONNREFUSED", "1-4 203.0.113.8:443 answered"]);
}

#[test]
fn datagrams_are_what_was_counted_of_them() {
    let counted = |sent, received, how| {
        let mut scene = Scene::default().then(udp(Step::Begun(how))).then(udp(UNUSED));
        scene.over[0].count(Counted { sent, received });
        let attempt = &scene.over[0];
        let packets = ["packets_out", "packets_in"].map(|name| field(attempt, name)).concat();
        format!("{}{packets}", brief(attempt))
    };
    assert_eq!(counted([0, 0], [0, 0], How::Connect), "0-1 203.0.113.9:443 not sent 0/0 0 0");
    assert_eq!(counted([2, 90], [0, 0], How::Send), "0-1 203.0.113.9:443 sent 90/0 2 0");
    assert_eq!(counted([2, 90], [1, 60], How::Send), "0-1 203.0.113.9:443 answered 90/60 2 1");
    // A packet that was seen to leave was sent, whoever counts.
    assert_eq!(counted([0, 0], [0, 0], How::Packet), "0-1 203.0.113.9:443 sent 0/0 0 0");
}

#[test]
fn what_a_firewall_dropped_stays_dropped_when_the_process_hears_of_it() {
    let dropped = Happening { error: 1, ..tcp(Step::Dropped) };
    let denied = Happening { error: 1, ..tcp(Step::Failed) };
    let told = Scene::default().then(tcp(CONNECT)).then(dropped).then(denied);
    assert_eq!(told.over(), ["0-2 203.0.113.9:443 dropped EPERM"]);
    let timed_out = Happening { error: 110, ..tcp(USED) };
    let silent = Scene::default().then(tcp(CONNECT)).then(Happening { error: 0, ..dropped }).then(timed_out);
    assert_eq!(silent.over(), ["0-2 203.0.113.9:443 dropped 0/0"]);
    let datagram = Happening { protocol: 17, ..dropped };
    let datagram = Scene::default().then(udp(SEND)).then(datagram).then(Happening { protocol: 17, ..denied });
    assert_eq!(datagram.then(udp(UNUSED)).over(), ["0-3 203.0.113.9:443 dropped EPERM"]);
}

#[test]
fn what_the_rules_refuse_is_an_attempt_of_its_own() {
    let blocked = Happening { error: 1, ..tcp(Step::Refused(How::Connect)) };
    let scene = Scene::default().then(tcp(CONNECT)).then(blocked);
    assert_eq!(scene.over(), ["1-1 203.0.113.9:443 blocked EPERM"]);
    assert_eq!(scene.rest(), ["42: 0-… 203.0.113.9:443 pending"]);
}

#[test]
fn what_was_not_begun_is_not_made_up() {
    let steps = [Step::Connected, Step::Failed, Step::Dropped, USED, UNUSED];
    let scene =
        steps.into_iter().fold(Scene::default(), |scene, step| scene.then(Happening { error: 111, ..tcp(step) }));
    assert!(scene.over().is_empty());
    assert!(scene.rest().is_empty());
    // An error about a peer that this socket did not send to, neither.
    let scene = Scene::default().then(udp(SEND));
    let scene = scene.then(Happening { peer: end(OTHER), error: 111, ..udp(Step::Failed) }).then(udp(UNUSED));
    assert_eq!(scene.over(), ["0-2 203.0.113.9:443 not sent"]);
}

#[test]
fn what_is_open_at_the_end_is_pending_unless_it_is_known_better() {
    let cookie = |cookie, happening| Happening { cookie, ..happening };
    let scene = Scene::default().then(cookie(3, tcp(CONNECT))).then(cookie(1, tcp(CONNECT)));
    let scene = scene.then(cookie(1, tcp(Step::Connected))).then(cookie(2, udp(SEND)));
    assert_eq!(
        scene.rest(),
        ["3: 0-… 203.0.113.9:443 pending", "1: 1-… 203.0.113.9:443 connected", "2: 3-… 203.0.113.9:443 not sent"]
    );
}

#[test]
fn what_a_process_sent_past_the_network_stack_ends_with_it() {
    let happening = Happening { cookie: 1 << 63 | 7, ..udp(Step::Begun(How::PacketSocket)) };
    let mut scene = Scene::default().then(happening);
    assert!(scene.open.exited(8, at(5)).is_empty());
    assert_eq!(
        scene.open.exited(7, at(5)).iter().map(|(_, attempt)| brief(attempt)).collect::<Vec<_>>(),
        ["0-5 203.0.113.9:443 sent"]
    );
}

/// The only attempt of a scene that ends with this.
fn attempt(happening: Happening) -> Attempt {
    let close = Happening { step: USED, ..happening };
    Scene::default().then(happening).then(close).over.remove(0)
}

#[test]
fn protocols_without_ports_have_none() {
    let shown = |protocol, peer| {
        let attempt = attempt(Happening { protocol, peer: end(peer), ..tcp(SEND) });
        ["protocol", "address", "port"].map(|name| field(&attempt, name)).concat()
    };
    assert_eq!(shown(6, PEER), " tcp 203.0.113.9 443");
    assert_eq!(shown(262, PEER), " tcp 203.0.113.9 443");
    assert_eq!(shown(17, "[2001:db8::9]:53"), " udp 2001:db8::9 53");
    // Of a socket for pings the kernel tells the identifier as a port.
    assert_eq!(shown(1, "203.0.113.9:77"), " icmp 203.0.113.9");
    assert_eq!(shown(58, "[2001:db8::9]:77"), " icmp6 2001:db8::9");
    assert_eq!(shown(47, "203.0.113.9:0"), " gre 203.0.113.9");
    assert_eq!(shown(261, PEER), " unknown 203.0.113.9 443");
}

#[test]
fn whether_somebody_was_reached_is_only_said_where_it_is_known() {
    use Reached::{
        Answered, Blocked, Connected, Denied, Dropped, Failed, NoAnswer, NotSent, Pending, Refused, Sent, Unreachable,
    };
    let through = |reached| field(&Attempt { reached, ..attempt(tcp(CONNECT)) }, "reached");
    assert_eq!([Connected, Answered].map(through), [" true", " true"]);
    assert_eq!([Sent, Pending].map(through), ["", ""]);
    for reached in [Refused, NoAnswer, Unreachable, Dropped, Denied, Blocked, Failed, NotSent] {
        assert_eq!(through(reached), " false", "{}", reached.name());
    }
}

#[test]
fn it_is_said_whose_attempt_it_is_and_how_that_is_known() {
    let whose = |whose| field(&Attempt { whose, ..attempt(tcp(CONNECT)) }, "attribution");
    assert_eq!(whose(Whose::Descent), " descent");
    assert_eq!(whose(Whose::Container), " container");
    assert_eq!(whose(Whose::Packet), " packet");
    assert_eq!(whose(Whose::Unknown("others ask, too".into())), " unknown: others ask, too");
    let shown = ["process", "pid", "command", "container", "noticed"];
    assert_eq!(shown.map(|name| field(&attempt(tcp(CONNECT)), name)).concat(), " curl 7 connect");
}
