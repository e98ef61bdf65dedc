//! What a script hears of its proxy and answers it, and how it ends.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use netscript::host::Namespace;
use netscript::{Netscript, Permission, Script};
use rustix::process::Signal;

use crate::program::Folder;
use crate::support::{Netns, Running, needs, until};

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody who serves an app.
struct Target(TcpListener);

impl Target {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// The next connection that it gets.
    fn accept(&self) -> TcpStream {
        let stream = self.0.accept().unwrap().0;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

/// An address on which nothing listens.
fn free() -> SocketAddr {
    Target::new().address()
}

/// What an app is told, as a map of a script and as JSON.
fn app(name: &str, port: SocketAddr, targets: &[&Target]) -> String {
    let targets: Vec<_> = targets.iter().map(|target| target.address().to_string()).collect();
    format!("{{ \"name\": {name:?}, \"ports\": [\"{port}\"], \"targets\": {targets:?}, \"check\": false }}")
}

/// A script that begins in a network namespace, and that there is nothing else in.
struct Stage {
    netns: Netns,
    folder: Folder,
}

impl Stage {
    fn new() -> Self {
        Self { netns: Netns::new(), folder: Folder::new() }
    }

    fn run(&self, arguments: &[&str]) -> Running {
        Running::spawn(self.netns.netscript_command(&self.folder).args(arguments))
    }

    fn script(&self, script: &str) -> Running {
        self.run(&["eval", "--allow", "serve", script])
    }

    /// What clients and targets do there.
    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        Namespace::named(self.netns.name()).unwrap().enter(work).unwrap()
    }
}

/// Sends a line from a client to a target, and another one back, over a proxy.
fn talk(client: &TcpStream, target: &TcpStream) {
    for (mut from, mut to) in [(client, target), (target, client)] {
        from.write_all(b"hello").unwrap();
        let mut heard = [0; 5];
        to.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"hello");
    }
}

/// A connection through a proxy that goes on.
fn connected(port: SocketAddr, target: &Target) -> (TcpStream, TcpStream) {
    let client = reach(port);
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let behind = target.accept();
    talk(&client, &behind);
    (client, behind)
}

/// A connection to an address on which something will listen.
fn reach(port: SocketAddr) -> TcpStream {
    let begun = Instant::now();
    loop {
        match TcpStream::connect(port) {
            Ok(client) => return client,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{port}: {error}"),
        }
        std::thread::yield_now();
    }
}

/// How a connection ended.
fn end_of(mut stream: TcpStream) -> Option<ErrorKind> {
    stream.read(&mut [0]).err().map(|error| error.kind())
}

const SERVES: &str = "let stats = p.serve(); print(`served ${stats.accepted}`)";

#[test]
fn sigterm_waits_for_connections_and_the_script_concludes_behind_that() {
    needs!();
    let stage = Stage::new();
    stage.inside(|| {
        let (port, target) = (free(), Target::new());
        let app = app("web", port, &[&target]);
        let mut run = stage.script(&format!("let p = proxy([#{app}], #{{ dispatch: \"bind\" }}); {SERVES}"));
        let (client, behind) = connected(port, &target);
        run.signal(Signal::TERM);
        run.says("netscript: waiting for 1 connection to end, 7s at most; Ctrl-C or SIGTERM ends that at once\n");
        talk(&client, &behind);
        drop((client, behind));
        let ended = run.ended();
        assert_eq!((ended.stdout.as_str(), ended.code), ("served 1\n", Some(0)), "{}", ended.stderr);
        assert!(!ended.stderr.contains("reset"), "{}", ended.stderr);
    });
}

#[test]
fn a_second_signal_ends_connections_at_once() {
    needs!();
    let stage = Stage::new();
    stage.inside(|| {
        for (first, second) in [(Signal::INT, Signal::INT), (Signal::TERM, Signal::TERM), (Signal::INT, Signal::TERM)] {
            let (port, target) = (free(), Target::new());
            let app = app("web", port, &[&target]);
            let options = "#{ dispatch: \"bind\", drain: \"1h\" }";
            let mut run = stage.script(&format!("let p = proxy([#{app}], {options}); {SERVES}"));
            let (client, behind) = connected(port, &target);
            run.signal(first);
            run.says("waiting for 1 connection to end, 1h0m0s at most");
            run.signal(second);
            let ended = run.ended();
            assert_eq!((ended.stdout.as_str(), ended.code), ("served 1\n", Some(0)), "{}", ended.stderr);
            assert!(ended.stderr.ends_with("netscript: reset 1 connection that had not ended\n"), "{}", ended.stderr);
            assert_eq!([client, behind].map(end_of), [Some(ErrorKind::ConnectionReset); 2]);
        }
    });
}

#[test]
fn serving_for_a_time_ends_by_itself_and_leaves_nothing() {
    needs!();
    let stage = Stage::new();
    stage.inside(|| {
        let port = free();
        let app = app("web", port, &[&Target::new()]);
        let script = format!(
            "let p = proxy([#{app}], #{{ dispatch: \"bind\" }}); p.serve(\"1ms\"); print(p.connections().len());
             p.start(); print(p.targets().map(|t| t.state)); print(p.stop())"
        );
        let ended = stage.script(&script).ended();
        assert_eq!((ended.stdout.as_str(), ended.code), ("0\n[\"unchecked\"]\n0\n", Some(0)), "{}", ended.stderr);
    });
}

#[test]
fn a_closure_chooses_whatever_its_script_waits_for() {
    needs!();
    let stage = Stage::new();
    stage.inside(|| {
        for waits in
            ["p.serve();", "p.start(); debug(\"ready\"); sleep(\"1h\")", "p.start(); for round in every(\"1h\") {}"]
        {
            let (port, targets) = (free(), [Target::new(), Target::new()]);
            let app =
                app("web", port, &[&targets[0], &targets[1]]).replacen('{', "#{ pick: |c, t| choose.call(c, t),", 1);
            let script = format!(
                "let choose = |c, t| {{ debug(`${{c.app}} ${{c.client}} ${{t.len()}}`); t[1] }};
                 let p = proxy([{app}], #{{ dispatch: \"bind\" }}); debug(\"begin\"); {waits}"
            );
            let mut run = stage.script(&script);
            run.says("begin");
            let client = reach(port);
            run.says("\"web 127.0.0.1 2\"");
            drop((client, targets[1].accept()));
            run.signal(Signal::INT);
            run.ended();
        }
    });
}

#[test]
fn what_a_closure_does_not_choose_has_its_turn_and_is_told_once() {
    needs!();
    let stage = Stage::new();
    stage.inside(|| {
        for (pick, why) in [
            ("throw \"no idea\"", "failed: no idea"),
            ("t[9]", "failed: array index 9 out of bounds: only 2 elements in array"),
            ("()", "gave nothing"),
            ("9", "gave 9, which is none of the targets that are up, nor the place or name of one"),
        ] {
            let (port, targets) = (free(), [Target::new(), Target::new()]);
            let app =
                app("web", port, &[&targets[0], &targets[1]]).replacen('{', &format!("#{{ pick: |c, t| {pick},"), 1);
            let run = stage.script(&format!("let p = proxy([{app}], #{{ dispatch: \"bind\" }}); {SERVES}"));
            for target in [0, 1, 0] {
                connected(port, &targets[target]);
            }
            run.signal(Signal::TERM);
            let ended = run.ended();
            let said = format!("netscript: app web: pick {why}; where it does not choose, each target has its turn\n");
            assert_eq!(ended.stderr.matches(&said).count(), 1, "{}", ended.stderr);
            assert_eq!(ended.stderr.matches("pick").count(), 1, "{}", ended.stderr);
        }
    });
}

#[test]
fn a_script_that_is_busy_does_not_hold_a_connection_up_for_ever() {
    needs!();
    let stage = Stage::new();
    stage.inside(|| {
        let (port, targets) = (free(), [Target::new(), Target::new()]);
        let settings = "#{ connect_timeout: \"100ms\", pick: |c, t| t[1],";
        let app = app("web", port, &[&targets[0], &targets[1]]).replacen('{', settings, 1);
        let run = stage.script(&format!(
            "let p = proxy([{app}], #{{ dispatch: \"bind\" }}); p.start();
             while !p.connections().some(|c| c.state == \"open\") {{}}
             {SERVES}"
        ));
        // The first one is not chosen for, and the next one is.
        let first = connected(port, &targets[0]);
        let second = connected(port, &targets[1]);
        drop((first, second));
        run.signal(Signal::TERM);
        let ended = run.ended();
        let said = "netscript: app web: the script was busy and did not pick within 100ms; \
                    where it does not choose, each target has its turn\n";
        assert_eq!(ended.stderr.matches(said).count(), 1, "{}", ended.stderr);
        assert_eq!((ended.stdout.as_str(), ended.code), ("served 2\n", Some(0)), "{}", ended.stderr);
    });
}

#[test]
fn rows_of_connections_and_targets_are_rows_like_any_others() {
    needs!();
    let stage = Stage::new();
    stage.inside(|| {
        let (port, target) = (free(), Target::new());
        let app = app("web", port, &[&target]);
        let script = format!(
            "let p = proxy([#{app}], #{{ dispatch: \"bind\" }}).start(); debug(\"ready\");
             for round in every(\"1ms\") {{ if p.connections().some(|c| c.bytes == 10) {{ break; }} }}
             p.connections().filter(|c| c.bytes > 5).count_by([\"app\", \"state\"]).table();
             print(`${{p.targets()[0].capture_filter}} ${{p.stats().apps[0].accepted}}`)"
        );
        let mut run = stage.script(&script);
        run.says("ready");
        let open = connected(port, &target);
        let ended = run.ended();
        drop(open);
        let filter = format!("host 127.0.0.1 and port {}", target.address().port());
        assert_eq!(ended.stdout, format!("app  state  count\nweb  open       1\n\n{filter} 1\n"), "{}", ended.stderr);
    });
}

#[test]
fn sighup_reads_the_file_again_and_a_broken_one_changes_nothing() {
    needs!();
    let stage = Stage::new();
    stage.inside(|| {
        let (first, second, target) = (free(), free(), Target::new());
        stage.folder.write("apps.json", format!("[{}]", app("web", first, &[&target])));
        let arguments = ["--config=apps.json", "--dispatch=bind", "--log=proxy.log"];
        let mut run = stage.run(&[&["run", "proxy", "--allow", "serve", "--"], &arguments[..]].concat());
        let client = reach(first);
        let behind = target.accept();

        stage.folder.write("apps.json", format!("{{\"Apps\":[{}]}}", app("web", second, &[&target])));
        run.signal(Signal::HUP);
        run.says("netscript: apps.json was read again\n");
        talk(&client, &behind);
        connected(second, &target);

        stage.folder.write("apps.json", format!("[{}]", app("web", second, &[])));
        run.signal(Signal::HUP);
        run.says("netscript: apps.json: app \"web\": targets: there are none\n");
        run.says("netscript: apps.json was read again, and nothing changes\n");
        connected(second, &target);

        drop((client, behind));
        run.signal(Signal::TERM);
        let ended = run.ended();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let pass = "\npass  3 connections were taken, and each found a target\n";
        assert!(ended.stdout.contains(pass), "{}", ended.stdout);
        let log = String::from_utf8(stage.folder.read("proxy.log")).unwrap();
        assert_eq!(
            log.lines().filter(|line| line.starts_with("{\"record\":\"proxy_connection\",")).count(),
            3,
            "{log}"
        );
    });
}

#[test]
fn a_proxy_ends_with_its_script_also_where_its_own_closure_holds_it() {
    needs!();
    let stage = Stage::new();
    stage.inside(|| {
        let session = Netscript::builder().allow(Permission::Serve).build().unwrap();
        for script in ["", "throw \"enough\";"] {
            let port = free();
            let app = app("web", port, &[&Target::new()]).replacen('{', "#{ pick: |c, t| p.stats(),", 1);
            let script = format!("let p = (); p = proxy([{app}], #{{ dispatch: \"bind\" }}); p.start(); {script} 42");
            let report = session.run(&Script::new("holds", &script).unwrap(), &[]);
            assert_eq!(report.failure.is_some(), script.contains("throw"), "{report:?}");
            // Programs that other tests start have what this process has, until they are executed.
            let refused = || TcpStream::connect(port).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
            until("the end of the listener", || refused().then_some(()));
        }
    });
}
