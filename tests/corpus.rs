//! The fuzz targets over their committed corpus: what once was found does not come back.

use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is the library of the fuzz targets, too")]
mod targets;

/// Runs a target on every file of its corpus.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let input = std::fs::read(&path).unwrap();
        if let Err(panic) = std::panic::catch_unwind(|| check(&input)) {
            eprintln!("the input is {}", path.display());
            std::panic::resume_unwind(panic);
        }
        files += 1;
    }
    assert!(files > 0, "no corpus");
}

#[test]
fn capture_files_of_the_corpus_are_read_to_an_end() {
    replay("captures", targets::captures::check);
}

#[test]
fn packets_of_the_corpus_are_decoded_or_stop() {
    replay("frames", targets::frames::check);
}

#[test]
fn segments_of_the_corpus_are_put_in_order() {
    replay("reassembly", targets::reassembly::check);
}

#[test]
fn connections_of_the_corpus_give_the_same_exchanges_however_they_are_split() {
    replay("http", targets::http::check);
}

#[test]
fn dns_of_the_corpus_is_told_once_and_can_be_shown() {
    replay("dns", targets::dns::check);
}

#[test]
fn scripts_of_the_corpus_end() {
    replay("script", targets::script::check);
}

#[test]
fn policies_of_the_corpus_are_read_or_refused() {
    replay("policy", targets::policy::check);
}

#[test]
fn apps_of_the_corpus_are_accepted_again_or_refused_with_their_places() {
    replay("proxy", targets::proxy::check);
}

#[test]
fn secrets_in_texts_of_the_corpus_are_masked() {
    replay("secret", targets::secret::check);
}

#[test]
fn tls_handshakes_of_the_corpus_are_the_same_however_they_are_split() {
    replay("tls", targets::tls::check);
}
