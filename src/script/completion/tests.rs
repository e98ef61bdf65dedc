use super::*;
use crate::flow::Flow;
use crate::host::container::{Container, Veth};
use crate::protocol::http1::{Credential, HttpExchange};

/// The names for the place of `¦` in a text, with what they are; a file is `file from` where its name begins.
fn complete_with(text: &str, variables: &[Variable]) -> Vec<String> {
    let cursor = text.find('¦').unwrap();
    match Syntax::default().complete(&text.replace('¦', ""), cursor, variables) {
        None => Vec::new(),
        Some(Completion::File { start }) => vec![format!("file from {start}")],
        Some(Completion::Names { start, candidates }) => {
            let word = &text[start..cursor];
            candidates
                .into_iter()
                .map(|candidate| {
                    assert!(candidate.text.starts_with(word), "{candidate:?}");
                    format!("{} {}", candidate.text, candidate.what)
                })
                .collect()
        }
    }
}

fn complete(text: &str) -> Vec<String> {
    complete_with(text, &[])
}

fn variable(name: &str, shape: Shape) -> Variable {
    Variable { name: name.to_owned(), shape }
}

fn names(kind: &Kind) -> BTreeSet<String> {
    kind.fields.iter().map(|field| format!("{} {}", field.name, field.ty)).collect()
}

#[track_caller]
fn assert_fields(text: &str, kind: &Kind) {
    assert_eq!(complete(text).into_iter().collect::<BTreeSet<_>>(), names(kind), "{text}");
}

#[test]
fn functions_variables_and_keywords_begin_a_line() {
    assert_eq!(complete("fl¦"), ["flows( noun"]);
    assert_eq!(complete("ht¦tp"), ["http_requests( noun"]);
    assert_eq!(complete("let x = cap¦"), ["capture( noun"]);
    assert_eq!(complete("ignore¦"), ["ignore_loss() verdict"]);
    assert_eq!(complete("retu¦"), ["return keyword"]);
    let rows = variable("rows_of_today", Shape::Rows(None));
    assert_eq!(complete_with("row¦", &[rows]), ["rows( noun", "rows_of_today variable"]);
    assert!(complete("fil¦").is_empty(), "verbs stand behind a dot only");
    assert!(complete("¦").len() > 20);
}

#[test]
fn what_the_line_itself_declares_is_a_variable() {
    assert_eq!(complete("let threshold = 5; thr¦"), ["threshold variable", "throw keyword"]);
    assert_eq!(complete("flows().map(|flow| fl¦"), ["flow variable", "flows( noun"]);
}

#[test]
fn brackets_that_are_there_are_not_typed_again() {
    assert_eq!(complete("fl¦(\"tcp\")"), ["flows noun"]);
    assert_eq!(complete("flows().co¦()"), ["count verb", "count_by verb"]);
}

#[test]
fn verbs_stand_behind_rows() {
    assert_eq!(complete("flows().co¦"), ["count() verb", "count_by( verb"]);
    assert_eq!(complete("flows(\"tcp\")\n    .filter(|f| f.bytes > 1).to¦"), ["to_array() verb", "top( verb"]);
    assert_eq!(complete("[1, 2].fir¦"), ["first() verb"]);
    assert_eq!(complete("rows(\"x.ndjson\").exp¦"), ["explain() verb"]);
    assert_eq!(complete("(flows()).exp¦"), ["explain() verb"]);
    let known = [variable("x", Shape::Rows(None))];
    assert_eq!(complete_with("x.exp¦", &known), ["explain() verb"]);
}

#[test]
fn nouns_are_derived_from_packets_only() {
    assert_eq!(complete("capture(\"tcp\").fl¦"), ["flows() noun"]);
    assert_eq!(complete("open(\"x\").ht¦"), ["http_requests() noun"]);
    assert!(complete("flows().ht¦").is_empty());
}

#[test]
fn a_closure_is_given_the_rows_of_the_noun_before_it() {
    assert_fields("flows().filter(|f| f.¦", Flow::KIND);
    assert_fields("http_requests(\"tcp\").filter(|r| r.status == 200 && r.¦", HttpExchange::KIND);
    assert_fields("flows()\n  .filter(|f| f.bytes > 1)\n  .sort_by(|f| f.¦", Flow::KIND);
    assert_fields("flows().count_by(|f| [f.client, f.¦", Flow::KIND);
    assert_fields("flows().map(|f| #{ a: f.client, b: f.¦", Flow::KIND);
    assert_fields("capture(\"\").flows().filter(|f| { if f.¦", Flow::KIND);
    assert_fields("flows().reduce(|sum, f| sum + f.¦", Flow::KIND);
    assert_fields("flows().map(|f| `from ${f.client} to ${f.¦", Flow::KIND);
    assert_fields("http_requests().find(|r| r.status == 401).¦", HttpExchange::KIND);
    assert_fields("http_requests().to_array()[0].¦", HttpExchange::KIND);
    assert_fields("for f in flows() { f.¦", Flow::KIND);
    assert_fields("http_requests().filter(|r| flows().some(|f| f.client == r.¦", HttpExchange::KIND);
    assert_fields("veth_for(\"web\").filter(|v| v.¦", Veth::KIND);
    assert_fields("container_for(\"veth62fe590\").¦", Container::KIND);
    assert_eq!(complete("flows().filter(|f| f.client_p¦"), ["client_port integer"]);
}

#[test]
fn records_inside_records_have_their_fields() {
    assert_fields("http_requests().filter(|r| r.credential.¦", Credential::KIND);
    assert_fields("http_requests().first().credential?.¦", Credential::KIND);
    assert!(complete("http_requests().filter(|r| r.status.¦").is_empty());
}

#[test]
fn rows_of_a_kind_that_is_not_known_offer_the_fields_of_all_kinds() {
    for text in ["rows(\"x\").filter(|r| r.¦", "flows().map(|f| f.client).filter(|r| r.¦"] {
        let found = complete(text);
        assert!(found.contains(&"status integer".to_owned()) && found.contains(&"community_id text".to_owned()));
        assert!(!found.contains(&"count() verb".to_owned()), "{text}");
    }
    let unknown = complete("whatever.co¦");
    assert!(unknown.contains(&"count() verb".to_owned()) && unknown.contains(&"community_id text".to_owned()));
}

#[test]
fn variables_offer_what_they_hold() {
    let flows = || Some(std::borrow::Cow::Borrowed(Flow::KIND));
    let known = [
        variable("kept", Shape::Rows(flows())),
        variable("one", Shape::Record(flows())),
        variable("number", Shape::Other),
    ];
    assert_eq!(complete_with("one.community¦", &known), ["community_id text"]);
    assert_eq!(complete_with("kept[0].community¦", &known), ["community_id text"]);
    assert_eq!(complete_with("kept.map(|k| k.community¦", &known), ["community_id text"]);
    assert_eq!(complete_with("kept.count_¦", &known), ["count_by( verb"]);
    assert!(complete_with("number.¦", &known).is_empty());
}

#[test]
fn texts_hold_fields_and_file_names() {
    assert_eq!(complete("flows().count_by(\"client_p¦"), ["client_port integer"]);
    assert_eq!(complete("flows().table([\"client\", \"client_p¦\"])"), ["client_port integer"]);
    assert_eq!(complete("open(\"¦"), ["file from 6"]);
    assert_eq!(complete("let x = rows(\"a/b¦\")"), ["file from 14"]);
    assert_eq!(complete("capture(\"\").save(\"é¦"), ["file from 18"]);
    assert!(complete("capture(\"tcp¦").is_empty());
    assert!(complete("let x = \"fl¦").is_empty());
    assert!(complete("`fl¦").is_empty());
}

#[test]
fn comments_and_characters_hold_nothing() {
    for text in ["// fl¦", "/* fl¦", "flows() // fl¦", "'fl¦", "`${flows()} fl¦"] {
        assert!(complete(text).is_empty(), "{text}");
    }
    assert_eq!(complete("/* x */ fl¦"), ["flows( noun"]);
}

#[test]
fn a_name_that_could_not_be_typed_is_not_offered() {
    let hostile = crate::record::Tuple::kind("row", vec!["\u{1b}[31m".into(), "good".into(), "a b".into()]);
    let known = [variable("x", Shape::Record(Some(std::borrow::Cow::Owned((*hostile).clone()))))];
    assert_eq!(complete_with("x.¦", &known), ["good any"]);
}

#[test]
fn nothing_that_is_typed_is_too_deep_or_too_long() {
    let chain = ".a".repeat(1 << 20);
    assert!(complete(&format!("x{chain}.¦")).is_empty());
    let brackets = "(".repeat(4000);
    complete(&format!("{brackets}¦"));
    complete(&format!("x{}.¦", ".a".repeat(4000)));
    for text in ["x.¦", ")¦", "}.¦", "|r| r.¦", "||.¦", "}¦", ".¦", "(.¦", "a|b|c.¦", "[].¦", "].¦"] {
        complete(text);
    }
}
