use super::*;
use crate::report::CommandEnd;
use crate::script::completion::Shape;

/// 1985 packets: more than are read between two looks at whether to stop.
const CAPTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/data/40-http-packets.pcap");

fn session() -> Session {
    Netscript::builder().allow(Permission::Capture).read(CAPTURE).build().unwrap()
}

fn line(session: &Session, line: &str) -> Report {
    session.line(line, Box::new(Discard))
}

fn integer(report: &Report) -> i64 {
    match report.value {
        Value::Integer(number) => number,
        _ => panic!("{report:?}"),
    }
}

/// A session whose scripts can ask to stop as Ctrl-C does.
fn interruptible() -> Session {
    let cancel = Cancel::new().unwrap();
    let handle = std::sync::Arc::new(std::sync::Mutex::new(cancel));
    let inside = handle.clone();
    let interrupt = move || inside.lock().unwrap().interrupt();
    let builder = Netscript::builder().allow(Permission::Capture).read(CAPTURE);
    let register = move |engine: &mut Engine| {
        engine.register_fn("ctrl_c", interrupt);
    };
    let session = builder.register(register).build().unwrap();
    *handle.lock().unwrap() = session.cancel();
    session
}

#[test]
fn an_interruption_ends_a_stream_and_not_the_script_wherever_it_comes() {
    let session = interruptible();
    let all = integer(&line(&session, "capture().count()"));
    for read in [
        "capture().filter(|p| { if p.number == 5 { ctrl_c() } true }).count()",
        "capture().map(|p| { if p.number == 5 { ctrl_c() } p.number }).count()",
        "let n = 0; for p in capture() { if p.number == 5 { ctrl_c() } n += 1; } n",
        "let n = 0; capture().for_each(|p| { if p.number == 5 { ctrl_c() } n += 1; }); n",
        "capture().count_by(|p| { if p.number == 5 { ctrl_c() } 1 })[0].count",
    ] {
        let report = line(&session, read);
        assert!(report.failure.is_none(), "{read}: {report:?}");
        assert!((5..all).contains(&integer(&report)), "{read}: {report:?}");
        assert!(report.notes.iter().any(|note| note.starts_with("interrupted after ")), "{read}: {report:?}");
        assert!(!session.cancel().is_requested(), "{read}");
    }
}

#[test]
fn an_interruption_that_comes_with_the_last_rows_takes_nothing_away() {
    let session = interruptible();
    let all = integer(&line(&session, "capture().count()"));
    for number in [all - 1, all] {
        let last = format!("capture().map(|p| {{ if p.number == {number} {{ ctrl_c() }} p.number }}).to_array().len()");
        let report = line(&session, &last);
        assert_eq!((integer(&report), report.notes.len()), (all, 0), "{report:?}");
    }
}

#[test]
fn an_interruption_ends_the_reading_of_rows() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "{\"n\":1}\n".repeat(100)).unwrap();
    let session = interruptible();
    let read =
        format!("let n = 0; for r in rows(\"{}\") {{ n += 1; if n == 5 {{ ctrl_c() }} }} n", file.path().display());
    let report = line(&session, &read);
    assert_eq!((integer(&report), &report.notes[..]), (5, &["interrupted after 5 rows".to_owned()][..]));
}

#[test]
fn an_interruption_stops_what_reads_nothing() {
    let session = interruptible();
    let report = line(&session, "ctrl_c(); loop {}");
    assert_eq!(report.failure.unwrap().kind, ErrorKind::Cancelled);
}

#[test]
fn a_line_finds_the_variables_functions_and_value_of_the_lines_before() {
    let session = session();
    line(&session, "let a = 20; fn double(x) { x * 2 }");
    line(&session, "let plus = |x| x + 1;");
    assert_eq!(integer(&line(&session, "double(a) + plus.call(1)")), 42);
    assert_eq!(integer(&line(&session, "it + 1")), 43);
    assert!(line(&session, "it / 0").failure.is_some());
    line(&session, "let b = 0;");
    line(&session, "flows()");
    assert_eq!(integer(&line(&session, "it")), 43, "neither an error, nothing, nor a stream is a value to go on with");
    line(&session, "const it = 1;");
    line(&session, "2");
    assert_eq!(integer(&line(&session, "it")), 2);
}

#[test]
fn the_variables_of_a_session_are_known_by_what_they_hold() {
    let session = session();
    line(&session, "let rows = flows().take(2).to_array(); let one = rows[0]; let lazy = flows(); let x = 1;");
    line(&session, "let x = #{ a: 1 };");
    let shape = |name: &str| session.variables().into_iter().find(|v| v.name == name).map(|v| v.shape);
    assert!(matches!(shape("rows"), Some(Shape::Rows(Some(kind))) if kind.name == "flow"));
    assert!(matches!(shape("one"), Some(Shape::Record(Some(kind))) if kind.name == "flow"));
    assert!(matches!(shape("lazy"), Some(Shape::Rows(Some(kind))) if kind.name == "flow"));
    assert!(matches!(shape("x"), Some(Shape::Record(Some(kind))) if kind.fields[0].name == "a"));
    assert_eq!(session.variables().iter().filter(|v| v.name == "x").count(), 1, "the later one hides the earlier one");
}

#[test]
fn this_host_is_looked_at_only_with_permission() {
    for call in ["interfaces()", "rates(\"1h\")", "listeners()", "connections()"] {
        let failure = line(&session(), call).failure.unwrap();
        assert_eq!(failure.kind, ErrorKind::Permission, "{failure}");
    }
    let session = Netscript::builder().allow(Permission::Host).build().unwrap();
    assert_eq!(integer(&line(&session, "interfaces().filter(|i| i.kind == \"loopback\").len()")), 1);
}

#[test]
fn an_interruption_ends_rounds_and_not_the_script() {
    let session = interruptible();
    for rounds in [
        "let n = 0; for round in every(\"1h\") { n = round; ctrl_c(); } n",
        "let n = 0; for round in every(\"1ms\", 1) { n = round; ctrl_c(); } n",
        "let n = 0; for round in every(\"1ms\") { n = round; ctrl_c(); if is_stopping() { break; } } n",
    ] {
        let report = line(&session, rounds);
        assert!(report.failure.is_none(), "{rounds}: {report:?}");
        assert_eq!(integer(&report), 1, "{rounds}");
        assert!(!session.cancel().is_requested(), "{rounds}");
    }
    assert_eq!(integer(&line(&session, "let n = 0; for round in every(\"1ms\", 3) { n += round; } n")), 6);
}

#[test]
fn a_script_that_goes_in_rounds_concludes_when_everything_is_to_stop_and_no_longer() {
    let concludes = "for round in every(\"1h\") { stop(); } finding(\"late\", #{ subject: \"it\" });";
    for (script, findings, ended) in [
        (concludes, 1, true),
        ("for round in every(\"1h\") { stop(); } loop { }", 0, false),
        ("stop(); finding(\"late\", #{ subject: \"it\" });", 0, false),
    ] {
        let cancel = std::sync::Arc::new(std::sync::Mutex::new(None::<Cancel>));
        let inside = cancel.clone();
        let stop = move || inside.lock().unwrap().as_ref().map_or((), Cancel::abort);
        let register = move |engine: &mut Engine| {
            engine.register_fn("stop", stop);
        };
        let session = Netscript::builder().register(register).build().unwrap();
        *cancel.lock().unwrap() = Some(session.cancel());
        let report = line(&session, script);
        assert_eq!(report.findings.len(), findings, "{script}: {report:?}");
        assert_eq!(report.failure.is_none(), ended, "{script}: {report:?}");
    }
}

thread_local! {
    /// The context of the session whose engine this thread has.
    static CONTEXT: RefCell<Option<Rc<Context>>> = const { RefCell::new(None) };
}

/// A session that was given a command, and whose scripts can ask whether they may start one, and say how one ended.
fn watching(command: &[&str]) -> Session {
    let words = |command: Array| command.iter().map(ToString::to_string).collect::<Vec<_>>();
    let register = move |engine: &mut Engine| {
        let context = || CONTEXT.with_borrow(|context| context.clone().unwrap());
        engine.register_fn("start", move |command: Array| context().require_exec(&words(command), "start()"));
        engine.register_fn("ended", move |command: Array, code: i64| {
            context().command_ended(CommandEnd::new(&words(command), i32::try_from(code).ok(), None, false));
        });
    };
    let granted_command = Some(command.iter().map(ToString::to_string).collect());
    let options = Options { granted_command, ..Options::default() };
    let session = Netscript::builder().options(options).register(register).build().unwrap();
    session.ask(|host| CONTEXT.set(Some(host.context.clone()))).unwrap();
    session
}

#[test]
fn a_command_that_a_person_gave_may_be_started_and_no_other() {
    let session = watching(&["make", "all"]);
    let watch = Script::new("watch", "//! Watch.\n//! @command\n//! @needs exec\nstart(args.command)").unwrap();
    let run = |arguments: &[&str]| {
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        session.run(&watch, &arguments).failure.map(|failure| failure.message)
    };
    assert_eq!(run(&["make", "all"]), None);
    let refused = "watch needs the permission `exec`, which was not granted; add --allow exec";
    for other in [&["make"][..], &["make", "all", "x"], &["make all"], &[]] {
        assert_eq!(run(other).as_deref(), Some(refused), "{other:?}");
    }
    for other in ["start([\"make\"])", "start([])"] {
        let failure = line(&session, other).failure.unwrap();
        assert_eq!(failure.kind, ErrorKind::Permission);
        assert!(failure.message.starts_with("start() needs the permission `exec`"), "{failure}");
    }
}

#[test]
fn a_script_that_does_not_say_so_needs_permission_for_its_command_too() {
    let watch = Script::new("watch", "//! Watch.\n//! @command\nprint(args.command)").unwrap();
    let session = session();
    assert!(session.run(&watch, &[]).failure.is_none());
    assert_eq!(session.run(&watch, &["make".to_owned()]).failure.unwrap().kind, ErrorKind::Permission);
}

#[test]
fn a_command_that_failed_is_a_reason_and_gives_a_clean_run_its_exit_code() {
    let session = watching(&[]);
    let make = |code| Some(CommandEnd::new(&["make"], Some(code), None, false));
    let failed = "the command failed: exit code 7";
    for (script, verdict, code, reasons, command) in [
        ("", Verdict::Clean, 0, &[][..], None),
        ("ended([\"make\"], 0); pass(\"well\")", Verdict::Clean, 0, &["well"], make(0)),
        ("ended([\"make\"], 7); pass(\"well\")", Verdict::Clean, 7, &["well", failed], make(7)),
        ("ended([\"make\"], 7); finding(\"x\", #{})", Verdict::Finding, 1, &[failed], make(7)),
        ("ended([\"make\"], 7); inconclusive(\"late\")", Verdict::Inconclusive, 3, &["late", failed], make(7)),
        ("ended([\"make\"], 7); throw \"out\"", Verdict::Error, 2, &["out", failed], make(7)),
        ("ended([\"a\"], 0); ended([\"make\"], 7); ended([\"b\"], 8)", Verdict::Clean, 7, &[failed], make(7)),
        ("ended([\"a\"], 0); ended([\"make\"], 0)", Verdict::Clean, 0, &[], make(0)),
    ] {
        let outcome = line(&session, script).outcome;
        assert_eq!((outcome.verdict, outcome.exit_code()), (verdict, code), "{script}");
        assert_eq!(
            (&outcome.reasons[..], outcome.command),
            (&reasons.iter().map(ToString::to_string).collect::<Vec<_>>()[..], command),
            "{script}"
        );
    }
}

#[test]
fn a_policy_judges_without_permissions_and_reads_only_with_them() {
    let session = Netscript::builder().build().unwrap();
    let judged = line(&session, r#"policy(#{ resolvers: [] }).judge(#{ address: "203.0.113.9" }).verdict"#);
    assert_eq!(judged.value.to_string(), "outside");
    for (read, what) in [
        ("policy()", "policy() without the option `resolvers` needs the permission `host`"),
        (r#"policy(#{ file: "/etc/hosts" })"#, "policy() with the file /etc/hosts needs the permission `capture`"),
    ] {
        let failure = line(&session, read).failure.unwrap();
        assert!(failure.to_string().contains(what), "{failure}");
    }
}
