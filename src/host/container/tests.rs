//! Engines that answer well, badly, and never.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Containers, EngineSockets, KnownBy, Query};
use crate::host::HostError;

const WEB: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f900112233445566778899aabbccddeeff";
const API: &str = "0a1b2c3d4e5f99999293a4b5c6d7e8f900112233445566778899aabbccddeeff";
const CACHE: &str = "ffeeddccbbaa99887766554433221100f9e8d7c6b5a493827160f5e4d3c2b1a0";

const DOCKER: &str = r#"{"Components":[{"Name":"Engine","Version":"1"}],"Version":"1","ApiVersion":"1.45"}"#;
const PODMAN: &str = r#"{"Components":[{"Name":"Podman Engine","Version":"1"}],"Version":"1","ApiVersion":"1.41"}"#;

/// Containers that stopped: what runs is not believed without a process.
fn list() -> String {
    let container = |id: &str, names: &str, network: &str| {
        format!(
            r#"{{"Id":"{id}","Names":[{names}],"Image":"shop:1","State":"exited","HostConfig":{{"NetworkMode":"shop"}},
            "NetworkSettings":{{"Networks":{{"{network}":{{"MacAddress":"02:42:AC:11:00:02","IPAddress":"192.0.2.2",
            "GlobalIPv6Address":""}}}}}}}}"#
        )
    };
    let containers = [
        container(WEB, r#""/cache/db","/web""#, "shop"),
        container(API, r#""/api""#, "shop"),
        container(CACHE, r#""/0a1b""#, "other"),
    ];
    format!("[{}]", containers.join(","))
}

/// A socket where each connection gets what `serve` does with it.
fn engine(serve: impl Fn(&mut UnixStream, &str) + Send + Sync + 'static) -> (TempDir, Arc<Path>) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while reader.read_line(&mut request).unwrap_or_default() > 2 {}
            serve(&mut stream, request.lines().next().unwrap_or_default());
        }
    });
    (folder, socket.into())
}

/// An engine that gives these bodies.
fn answering(version: &'static str, list: String) -> (TempDir, Arc<Path>) {
    engine(move |stream, request| {
        let body = if request.contains("/version") { version } else { &list };
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    })
}

fn read(sockets: &[&Arc<Path>]) -> Containers {
    let named = sockets.iter().map(|socket| (*socket).clone()).collect();
    Containers::read(&Query { all: true, sockets: EngineSockets { named, ..EngineSockets::default() } })
}

/// The names of the containers that a socket tells of.
fn names<'a>(containers: &'a Containers, socket: &Arc<Path>) -> Vec<&'a str> {
    let of_socket = containers.iter().filter(|it| it.known_by == KnownBy::Engine(socket.clone()));
    of_socket.map(|it| it.name.as_str()).collect()
}

#[test]
fn what_an_engine_says_of_its_containers_is_understood() {
    for (version, runtime) in [(DOCKER, "docker"), (PODMAN, "podman")] {
        let (_folder, socket) = answering(version, list());
        let containers = read(&[&socket]);
        assert_eq!((names(&containers, &socket), containers.notes()), (vec!["0a1b", "api", "web"], &[][..]));
        let web = containers.find("web").unwrap();
        assert_eq!((web.id.as_str(), web.image.as_deref(), web.runtime.name()), (WEB, Some("shop:1"), runtime));
        assert_eq!((web.state.as_str(), web.pid, web.host_network), ("exited", None, false));
        assert_eq!(
            (&web.networks[..], &web.addresses[..]),
            (&["shop".to_owned()][..], &["192.0.2.2".parse().unwrap()][..])
        );
    }
}

#[test]
fn a_container_is_found_by_its_name_its_id_or_the_beginning_of_its_id() {
    let (_folder, socket) = answering(DOCKER, list());
    let containers = read(&[&socket]);
    for (name, id) in [("web", WEB), ("/web", WEB), (API, API), ("ff", CACHE), (&WEB[..13], WEB), ("0a1b", CACHE)] {
        assert_eq!(containers.find(name).unwrap().id, id, "{name}");
    }
    let ambiguous = containers.find("0a1b2").unwrap_err();
    assert_eq!(
        ambiguous.to_string(),
        "the container `0a1b2` is not unique; it could be api (docker 0a1b2c3d4e5f) or web (docker 0a1b2c3d4e5f)"
    );
    assert_eq!(containers.find("weeb").unwrap_err().to_string(), "there is no container `weeb`; did you mean `web`?");
    assert!(matches!(containers.find(""), Err(HostError::Unknown { .. })));
}

#[test]
fn a_container_of_two_engines_with_one_name_is_not_guessed() {
    let (_folder, docker) = answering(DOCKER, list());
    let (_other, podman) = answering(PODMAN, list().replace("0a1b2c", "1b2c3d"));
    let containers = read(&[&docker, &podman]);
    let error = containers.find("web").unwrap_err();
    assert!(matches!(&error, HostError::Ambiguous { candidates, .. } if candidates.len() == 2), "{error}");
}

/// What is said of an engine that serves in this way, and how long that took.
fn trouble(serve: impl Fn(&mut UnixStream, &str) + Send + Sync + 'static) -> (String, Duration) {
    let (_folder, socket) = engine(serve);
    let begin = Instant::now();
    let containers = read(&[&socket]);
    let notes = containers.notes();
    assert_eq!((names(&containers, &socket), notes.len()), (vec![], 1), "{notes:?}");
    // An engine that does not answer may know a container that nobody else knows.
    let error = containers.find("web").unwrap_err();
    assert!(error.could_not_observe() && error.to_string() == notes[0], "{error}");
    (notes[0].replace(&socket.display().to_string(), "SOCKET"), begin.elapsed())
}

#[test]
fn an_engine_that_answers_nonsense_is_noted() {
    let answers: [(&str, &str); 6] = [
        ("", "does not answer as an engine does: connection closed before message completed"),
        ("\0\u{1b}[2J nonsense\r\n\r\n", "does not answer as an engine does: invalid HTTP version parsed"),
        ("HTTP/1.1 500 No\r\nContent-Length: 21\r\n\r\n{\"message\":\"no disk\"}", "answers 500: no disk"),
        ("HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\n\u{1b}[2Jno\nno", "answers 403: [2Jno"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "gives an answer that is not understood: "),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"", "does not answer as an engine does: "),
    ];
    for (answer, expected) in answers {
        let (note, _) = trouble(move |stream, _| {
            let _ = stream.write_all(answer.as_bytes());
        });
        let said = note.strip_prefix("the container engine at SOCKET ").unwrap();
        assert!(said.starts_with(expected), "{answer:?}: {said}");
    }
}

#[test]
fn an_engine_that_never_answers_is_not_waited_for() {
    let (note, took) = trouble(|stream, _| {
        // Whoever asks hangs up.
        let _ = BufReader::new(stream).read_line(&mut String::new());
    });
    assert_eq!(note, "the container engine at SOCKET did not answer within 2 s");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn an_answer_without_end_is_not_read_to_the_end() {
    let (note, took) = trouble(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = [b"4000\r\n".as_slice(), &[b'['; 0x4000], b"\r\n"].concat();
        while stream.write_all(&chunk).is_ok() {}
    });
    assert_eq!(note, "the container engine at SOCKET does not answer as an engine does: the answer is too long");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn engines_are_asked_at_the_same_time() {
    let hang = |stream: &mut UnixStream, _: &str| {
        let _ = BufReader::new(stream).read_line(&mut String::new());
    };
    let silent: Vec<_> = (0..5).map(|_| engine(hang)).collect();
    let (_folder, docker) = answering(DOCKER, list());
    let begin = Instant::now();
    let sockets: Vec<&Arc<Path>> = silent.iter().map(|(_, socket)| socket).chain([&docker]).collect();
    let containers = read(&sockets);
    assert_eq!((names(&containers, &docker).len(), containers.notes().len()), (3, 5));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn nobody_need_listen_where_an_engine_only_might_be() {
    let folder = tempfile::tempdir().unwrap();
    let absent: Arc<Path> = folder.path().join("none.sock").into();
    let deserted: Arc<Path> = folder.path().join("deserted.sock").into();
    drop(UnixListener::bind(&deserted).unwrap());
    let usual = EngineSockets { usual: vec![absent.clone(), deserted.clone()], ..EngineSockets::default() };
    assert!(Containers::read(&Query { all: true, sockets: usual }).notes().is_empty());
    assert_eq!(read(&[&absent, &deserted]).notes().len(), 2);
}

#[test]
fn a_container_that_only_its_control_group_tells_of_cannot_be_stopped() {
    let (_folder, socket) = answering(DOCKER, list());
    let mut web = read(&[&socket]).find("web").unwrap().clone();
    web.known_by = KnownBy::Cgroup;
    assert_eq!(
        web.stop().unwrap_err().to_string(),
        "cannot stop the container web: no container engine that answers knows it (docker)"
    );
}

#[test]
fn a_container_that_goes_away_when_it_ends_is_stopped_and_removed() {
    let (_folder, socket) = engine(|stream, request| {
        let (status, body) = match request {
            _ if request.contains("/version") => (200, PODMAN.to_owned()),
            _ if request.contains("/stop") => (500, r#"{"message":"does not exist: no such container"}"#.to_owned()),
            _ if request.contains(WEB) => (404, r#"{"message":"No such container"}"#.to_owned()),
            _ => (200, list()),
        };
        let _ = write!(stream, "HTTP/1.1 {status} -\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    });
    let stopped = read(&[&socket]).find("web").unwrap().stop().unwrap();
    assert_eq!((stopped.name.as_str(), stopped.state.as_str()), ("web", "removed"));
}
