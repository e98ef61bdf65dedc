//! Who conversations belong to.

use std::net::SocketAddr;
use std::sync::Arc;

use super::*;
use crate::flow::{Attributor, Found, Owner, Owners, Ownership};

/// Answers with these, one after another.
#[derive(Debug)]
struct Answers(Vec<Owners>);

impl Attributor for Answers {
    fn owners(&mut self, protocol: u8, client: SocketAddr, _: SocketAddr, start: Time, end: Time) -> Owners {
        assert_eq!((protocol, client.port()), (6, 40_000));
        assert!(start < end);
        self.0.remove(0)
    }

    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

fn known(process: &str, container: Option<&str>) -> Ownership {
    let container = container.map(Arc::from);
    Ownership::Known(Arc::new(Owner { pid: Some(7), process: Some(process.into()), container, found: Found::Hook }))
}

/// The fields of a connection with a request, when these answers are given.
fn fields(answers: impl IntoIterator<Item = (Ownership, Ownership)>) -> Vec<String> {
    let answers = answers.into_iter().map(|(client, server)| Owners { client, server }).collect();
    let mut scene = Scene::new();
    scene.table.attribute_by(Box::new(Answers(answers)));
    scene.segments(handshake()).segment(client().carrying(b"GET")).fields(&Owners::FIELDS)
}

#[test]
fn a_conversation_is_asked_about_once_if_both_ends_are_known() {
    let [client, server] = [known("curl", Some("shop")), known("nginx", Some("web"))];
    assert_eq!(fields([(client, server)]), ["curl 7 shop hook nginx web"]);
}

#[test]
fn what_is_unknown_is_asked_again_at_the_end() {
    let unknown = Ownership::Unknown("no socket has these endpoints".into());
    let answers = [(unknown.clone(), Ownership::Elsewhere), (known("curl", None), Ownership::Elsewhere)];
    assert_eq!(fields(answers), ["curl 7  hook  "]);
    let answers = [(unknown.clone(), Ownership::Elsewhere), (unknown, Ownership::Elsewhere)];
    assert_eq!(fields(answers), ["   unknown: no socket has these endpoints  "]);
}

#[test]
fn where_the_client_is_elsewhere_the_server_is_who_it_belongs_to() {
    assert_eq!(fields([(Ownership::Elsewhere, known("nginx", Some("web")))]), ["nginx 7 web hook nginx web"]);
    assert_eq!(fields([(Ownership::Elsewhere, Ownership::Elsewhere)]), ["     "]);
}

#[test]
fn without_anybody_to_ask_nothing_is_said() {
    assert_eq!(Scene::new().segments(handshake()).fields(&Owners::FIELDS), ["     "]);
}

#[test]
fn owners_are_written_as_a_person_would_say_it() {
    let text = |client, server| Owners { client, server }.to_string();
    assert_eq!(text(known("curl", Some("shop")), known("nginx", None)), "client curl[7] in shop, server nginx[7]");
    let address = Owner { pid: None, process: None, container: Some("web".into()), found: Found::Address };
    assert_eq!(text(Ownership::Elsewhere, Ownership::Known(Arc::new(address))), "server web");
    assert_eq!(text(Ownership::Elsewhere, Ownership::Unknown("so".into())), "");
}
