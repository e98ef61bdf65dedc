//! Which answer belongs to which query.

use super::*;

#[test]
fn a_query_is_told_when_its_answer_is_there() {
    let scene = Scene::new().client(ask(7, "db.example")).client(ask(8, "www.example"));
    assert!(scene.so_far().is_empty());
    let scene = scene.server(answer(8, "www.example", 9));
    assert_eq!(scene.so_far(), ["8 www.example A NOERROR [203.0.113.9] 1ms rd, ra"]);
    let scene = scene.server(refuse(7, "db.example", 3));
    assert_eq!(scene.so_far()[1..], ["7 db.example A NXDOMAIN [] 3ms rd, ra"]);
    assert_eq!(scene.told().len(), 2);
}

#[test]
fn a_query_that_is_sent_again_is_one_query_that_took_long() {
    let scene = Scene::new().client(ask(7, "db.example")).at(5000).client(ask(7, "db.example"));
    let row = scene.at(5020).server(answer(7, "db.example", 9)).only();
    assert_eq!(brief(&row), "7 db.example A NOERROR [203.0.113.9] 5.02s rd, ra retries 1");
    assert_eq!([row.time, row.end].map(Time::as_nanos), [0, 5_020_000_000]);
}

#[test]
fn the_same_packet_on_two_interfaces_is_neither_a_retry_nor_a_second_answer() {
    let (ask, answer) = (ask(7, "db.example"), answer(7, "db.example", 9));
    let scene = Scene::new().client(&ask).client(&ask).server(&answer).server(&answer).client(&ask);
    assert_eq!(scene.told(), ["7 db.example A NOERROR [203.0.113.9] 2ms rd, ra"]);
}

#[test]
fn case_makes_no_difference_for_pairing_and_is_shown_as_sent() {
    let scene = Scene::new().client(ask(7, "dB.eXample")).server(answer(7, "Db.Example", 9));
    assert_eq!(scene.told(), ["7 dB.eXample A NOERROR [203.0.113.9] 1ms rd, ra"]);
}

#[test]
fn no_answer_is_told_after_the_timeout_and_a_late_one_is_called_late() {
    let scene = Scene::new().client(ask(7, "db.example")).at(30_000).client(ask(8, "x.example"));
    assert!(scene.so_far().is_empty());
    // Any two packets tell the time.
    let others = ["192.0.2.1:40001", "192.0.2.2:41000"];
    let scene = scene.at(30_001).udp(others, b"no DNS").client(ask(9, "y.example"));
    assert_eq!(scene.so_far(), ["7 db.example A - [] - rd, no-answer"]);
    let scene = scene.server(answer(7, "db.example", 9));
    assert_eq!(scene.so_far()[1..], ["7 db.example A NOERROR [203.0.113.9] - rd, ra, late"]);
}

#[test]
fn a_single_packet_from_the_future_makes_no_query_unanswered() {
    let scene = Scene::new().client(ask(7, "db.example"));
    let scene = scene.at(900_000).udp(["192.0.2.1:40001", SERVER], ask(8, "x.example"));
    let told = scene.at(20).server(answer(7, "db.example", 9)).outcome().0;
    assert_eq!(told[0], "7 db.example A NOERROR [203.0.113.9] 20ms rd, ra");
}

#[test]
fn what_was_captured_until_too_soon_accuses_nobody() {
    assert_eq!(Scene::new().client(ask(7, "db.example")).told(), ["7 db.example A - [] - rd, open"]);
}

#[test]
fn an_identifier_that_is_used_again_asks_something_new() {
    let scene = Scene::new().client(ask(7, "a.example")).client(ask(7, "b.example"));
    let scene = scene.server(answer(7, "b.example", 2)).server(answer(7, "a.example", 1));
    let expected = ["7 b.example A NOERROR [203.0.113.2] 1ms rd, ra", "7 a.example A NOERROR [203.0.113.1] 3ms rd, ra"];
    assert_eq!(scene.told(), expected);
    let again = Scene::new().client(ask(7, "a.example")).server(answer(7, "a.example", 1));
    let again = again.at(1000).client(ask(7, "a.example")).server(answer(7, "a.example", 1));
    assert_eq!(again.told(), ["7 a.example A NOERROR [203.0.113.1] 1ms rd, ra"; 2]);
}

#[test]
fn an_answer_to_something_else_is_no_answer() {
    let scene = Scene::new().client(ask(7, "bank.example")).server(answer(7, "evil.example", 66));
    let scene = scene.server(answer(7, "bank.example", 1)).server(answer(7, "bank.example", 67));
    let expected = [
        "7 evil.example A NOERROR [203.0.113.66] - rd, ra, other-question",
        "7 bank.example A NOERROR [203.0.113.1] 2ms rd, ra",
        "7 bank.example A NOERROR [203.0.113.67] - rd, ra, duplicate",
    ];
    assert_eq!(scene.told(), expected);
}

#[test]
fn a_stranger_cannot_answer() {
    let scene = Scene::new().client(ask(7, "db.example"));
    let told = scene.udp(["192.0.2.66:53", CLIENT], answer(7, "db.example", 66)).told();
    assert_eq!(told, ["7 db.example A - [] - rd, open", "7 db.example A NOERROR [203.0.113.66] - rd, ra"]);
}

#[test]
fn an_answer_without_the_question_belongs_to_the_only_query_with_its_identifier() {
    let bare = header(7, ANSWER | 1, [0; 4]);
    let scene = Scene::new().client(ask(7, "a.example")).server(&bare);
    assert_eq!(scene.told(), ["7 a.example A FORMERR [] 1ms rd, ra"]);
    let scene = Scene::new().client(ask(7, "a.example")).client(ask(7, "b.example")).server(&bare);
    assert_eq!(scene.so_far(), ["7 - - FORMERR [] - rd, ra, other-question"]);
}

#[test]
fn an_answer_whose_query_was_not_captured_is_told_alone() {
    let told = Scene::new().server(answer(7, "db.example", 9)).told();
    assert_eq!(told, ["7 db.example A NOERROR [203.0.113.9] - rd, ra"]);
}

#[test]
fn swapped_packets_are_still_query_and_answer() {
    let row = Scene::new().server(answer(7, "db.example", 9)).client(ask(7, "db.example")).only();
    assert_eq!(brief(&row), "7 db.example A NOERROR [203.0.113.9] - rd, ra");
    assert_eq!(field(&row, "complete"), "true");
}

#[test]
fn whoever_has_the_name_answers_llmnr_and_mdns_of_ordinary_resolvers() {
    for (port, group, protocol) in [(5355, "224.0.0.252", "llmnr"), (5353, "224.0.0.251", "mdns")] {
        let [group, owner] = [group, "192.0.2.9"].map(|address| format!("{address}:{port}"));
        let scene = Scene::new().udp([CLIENT, &group], [header(7, 0, [1, 0, 0, 0]), question("nas", A)].concat());
        let response = [header(7, 0x8000, [1, 1, 0, 0]), question("nas", A), record(A, 30, &[192, 0, 2, 9])].concat();
        let row = scene.udp([&owner, CLIENT], response).only();
        assert_eq!(brief(&row), "7 nas A NOERROR [192.0.2.9] 1ms ");
        assert_eq!([field(&row, "protocol"), field(&row, "server")], [protocol, "192.0.2.9"]);
        let asked: SocketAddr = group.parse().unwrap();
        let flow = crate::flow::community_id(17, CLIENT.parse().unwrap(), asked, false);
        assert_eq!(field(&row, "flow"), flow, "it is that of the query");
    }
}

#[test]
fn what_mdns_says_to_the_group_stands_alone() {
    const GROUP: &str = "224.0.0.251:5353";
    let query = [header(0, 0, [2, 0, 0, 0]), question("a.local", A), question("b.local", TXT)].concat();
    let mut flush = [wire("a.local"), vec![0, 1, 0x80, 1, 0, 0, 0, 120, 0, 4, 192, 0, 2, 9]].concat();
    flush.splice(0..0, header(0, 0x8400, [0, 1, 0, 0]));
    let scene = Scene::new().udp(["192.0.2.1:5353", GROUP], query).udp(["192.0.2.9:5353", GROUP], flush);
    let rows = &scene.observer.told;
    assert_eq!(scene.so_far(), ["0 a.local A - [] - ", "0 - - NOERROR [192.0.2.9] - aa"]);
    let questions = "name: a.local, type: A, class: IN, name: b.local, type: TXT, class: IN";
    assert_eq!(field(&rows[0], "questions"), questions);
    assert_eq!([field(&rows[1], "client"), field(&rows[1], "server")], ["224.0.0.251", "192.0.2.9"]);
    assert_eq!(rows[1].records().map(|record| record.ttl).collect::<Vec<_>>(), [120]);
    assert_eq!(field(&rows[1], "records"), "answer a.local A 120 192.0.2.9");
}

#[test]
fn a_resolver_that_loopback_hides_behind_another_port_is_one() {
    let (stub, hidden, shown) = ("127.0.0.1:40000", "127.0.0.11:38953", "127.0.0.11:53");
    let scene = Scene::new().udp([stub, hidden], ask(7, "db.example"));
    let row = scene.udp([shown, stub], answer(7, "db.example", 9)).only();
    assert_eq!(brief(&row), "7 db.example A NOERROR [203.0.113.9] 1ms rd, ra");
    assert_eq!(field(&row, "server_port"), "53");
}

#[test]
fn too_many_queries_are_told_without_their_answers_and_that_is_said() {
    let limits = Limits { dns_pending_bytes: 20_000, ..Limits::default() };
    let scene = (0..100).fold(Scene::within(&limits), |scene, id| scene.client(ask(id, "db.example")));
    let told = scene.so_far();
    assert!((50..99).contains(&told.len()), "{}", told.len());
    assert_eq!(told[0], "0 db.example A - [] - rd, pending-limit");
    assert_eq!(scene.outcome().1, Loss { dns_pending: told.len() as u64, ..Loss::ZERO });
}
