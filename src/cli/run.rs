//! `run`, `eval`, `repl` and `check`.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use super::arguments::{EvalArguments, LimitArguments, OutputArguments, ReplArguments, RunArguments, SourceArguments};
use super::list::print;
use super::progress::ProgressLine;
use super::{Ended, github, help, output, signals};
use crate::capture::{Cancel, CaptureFile, LiveSettings, Rotation, Until};
use crate::limits::{ByteSize, Limits};
use crate::record::Duration;
use crate::record::secret::command_line;
use crate::repl::{self, Aside, Console};
use crate::report::{Style, Tee, Verdict, harmless, loss};
use crate::script::{Library, Live, Netscript, Options, Permission, Place, Report, Script, Source};

/// Runs a script of the library.
pub(super) fn script(arguments: &RunArguments) -> Ended {
    let Some(name) = &arguments.script else { return help::run() };
    let script = library().find(name).map_err(|error| error.to_string())?;
    if arguments.help {
        return help::script(&script);
    }
    let mut style = style(&script.name, &arguments.source);
    let mut options = options(&arguments.source, Some(&arguments.output), &arguments.limits)?;
    let command = script.header.command(&arguments.arguments);
    if !command.is_empty() {
        let line = command_line(command, options.show_secrets);
        style.source = if style.source.is_empty() { line } else { format!("{}, {line}", style.source) };
        options.granted_command = Some(command.to_vec());
    }
    options.granted_files = script.header.values(&arguments.arguments);
    run(&script, &arguments.arguments, options, &arguments.output, &style)
}

/// Runs an expression.
pub(super) fn expression(arguments: &EvalArguments) -> Ended {
    let script = Script::new("eval", &arguments.expression).map_err(|error| error.to_string())?;
    let style = Style { eval: true, ..style("eval", &arguments.source) };
    let options = options(&arguments.source, Some(&arguments.output), &arguments.limits)?;
    run(&script, &[], options, &arguments.output, &style)
}

/// Lists the interfaces of all namespaces.
pub(super) fn interfaces() -> Ended {
    let list = r#"interfaces(#{ all: true }).table(["name", "kind", "state", "addresses", "container"])"#;
    let script = Script::new("interfaces", list).map_err(|error| error.to_string())?;
    let options = Options { granted: vec![Permission::Host], ..Options::default() };
    let style = Style { title: "interfaces".to_owned(), eval: true, ..Style::default() };
    run(&script, &[], options, &OutputArguments::default(), &style)
}

/// Asks line by line.
pub(super) fn interactive(arguments: &ReplArguments) -> Ended {
    let options = options(&arguments.source, None, &arguments.limits)?;
    let source = source_in_words(&options)?;
    let progress = std::io::stderr().is_terminal().then(ProgressLine::new);
    let (line, aside) = (progress.clone(), Aside::default());
    let above = aside.clone();
    let mut builder = Netscript::builder().options(options).announce(move |text| {
        if !above.say(&announced(text)) {
            announce(line.as_ref(), text);
        }
    });
    if let Some(line) = progress.clone() {
        builder = builder.progress(move |progress| line.update(&progress));
    }
    let session = builder.build().map_err(|error| error.to_string())?;
    let output = move || {
        progress.iter().for_each(ProgressLine::restart);
        output::stdout_above(progress.as_ref())
    };
    let console = Console {
        color: output::colored(arguments.color, std::io::stdout().is_terminal()),
        width: || std::io::stdout().is_terminal().then(output::terminal_width),
        output: Box::new(output),
        source,
        aside,
    };
    repl::run(&session, &console).map(Verdict::exit_code).map_err(|error| error.to_string())
}

/// What the lines of a session are about. A file that is no capture is said before the first of them.
fn source_in_words(options: &Options) -> Result<String, String> {
    let filter = options.filter.as_ref().map_or_else(String::new, |filter| format!(", only {filter}"));
    match &options.source {
        None => Ok("no capture: open(\"FILE\") reads one, -i INTERFACE listens".to_owned()),
        Some(Source::Live(live)) => Ok(harmless(&format!("{live} (live){filter}"))),
        Some(Source::Watched(watched)) => Ok(harmless(&watched.to_string())),
        Some(Source::Stdin) => {
            Err("repl reads lines from standard input, so packets cannot come from there".to_owned())
        }
        Some(Source::File(path)) => {
            let unreadable = |error| format!("cannot read {}: {error}", path.display());
            let file = std::fs::metadata(path).map_err(unreadable)?;
            if file.is_file() {
                let cancel = Cancel::new().map_err(|error| error.to_string())?;
                CaptureFile::open(path, &cancel).map_err(|error| error.to_string())?;
            }
            Ok(harmless(&format!("{} ({}){filter}", path.display(), size(file.len()))))
        }
    }
}

/// `2.7 MB`.
#[expect(clippy::cast_precision_loss, reason = "for a person")]
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// Checks scripts without running them; all of them, also after one that is wrong.
pub(super) fn check(scripts: &[String]) -> Ended {
    let session = Netscript::builder().build().map_err(|error| error.to_string())?;
    let mut verdict = Verdict::Clean;
    for name in scripts {
        let checked = library().find(name).map_err(|error| format!("error: {error}"));
        match checked.and_then(|script| session.check(&script).map_err(|failure| failure.to_string())) {
            Ok(()) => drop(print(&format!("{name}: ok\n"))?),
            Err(message) => {
                eprintln!("{message}");
                verdict = Verdict::Error;
            }
        }
    }
    Ok(verdict.exit_code())
}

/// The scripts that this user can run by name.
pub(super) fn library() -> Library {
    Library::from_environment(|name| std::env::var_os(name))
}

fn style(title: &str, source: &SourceArguments) -> Style {
    let source = match of(source) {
        Some(Source::File(path)) => path.display().to_string(),
        Some(Source::Stdin) => "-".to_owned(),
        Some(Source::Live(live)) => format!("{live} (live)"),
        Some(Source::Watched(watched)) => watched.to_string(),
        None => String::new(),
    };
    Style { title: title.to_owned(), source, ..Style::default() }
}

/// Where packets come from.
fn of(source: &SourceArguments) -> Option<Source> {
    let containers = source.containers.iter().cloned().map(Place::Container);
    let namespaces = source.netns.iter().cloned().map(Place::Namespace);
    let processes = source.pids.iter().copied().map(Place::Process);
    let live =
        Live { interfaces: source.interfaces.clone(), places: containers.chain(namespaces).chain(processes).collect() };
    match &source.read {
        Some(path) if path == Path::new("-") => Some(Source::Stdin),
        Some(path) => Some(Source::File(path.clone())),
        None => (live != Live::default()).then_some(Source::Live(live)),
    }
}

fn options(
    source: &SourceArguments,
    output: Option<&OutputArguments>,
    limits: &LimitArguments,
) -> Result<Options, String> {
    let mut granted = Permission::COMMAND_LINE.to_vec();
    granted.extend(&limits.allow);
    Ok(Options {
        source: of(source),
        live: LiveSettings {
            snaplen: if source.snaplen == 0 { LiveSettings::default().snaplen } else { source.snaplen },
            promiscuous: !source.not_promiscuous,
            ring: ByteSize(u64::from(source.buffer) << 10),
            remote_shell: source.remote_shell,
        },
        filter: source.filter.clone(),
        until: Until { packets: limits.count, duration: limits.duration },
        write: output.and_then(|output| output.write.clone()),
        rotation: output.map_or_else(Rotation::default, |output| Rotation {
            bytes: output.rotate_megabytes.map(|size| size.saturating_mul(1_000_000)),
            every: output.rotate_seconds.map(|seconds| Duration::from_secs(seconds.into())),
            files: output.rotate_files,
        }),
        evidence: output.and_then(|output| output.evidence.clone()),
        limits: Limits::within(limits.max_memory),
        memory: Some(limits.max_memory),
        granted,
        granted_command: None,
        granted_files: Vec::new(),
        show_secrets: limits.show_secrets,
    })
}

fn run(script: &Script, arguments: &[String], options: Options, output: &OutputArguments, style: &Style) -> Ended {
    let progress = (!output.quiet && std::io::stderr().is_terminal()).then(ProgressLine::new);
    let mut out = output::renderer(output, style, progress.as_ref())?;
    let step = if style.eval { None } else { github::Step::from_environment() };
    if let Some(summary) = step.as_ref().and_then(|step| step.renderer(style)) {
        out = Box::new(Tee::new(vec![out, summary]));
    }
    let mut builder = Netscript::builder().options(options);
    if !output.quiet {
        let line = progress.clone();
        builder = builder.announce(move |text| announce(line.as_ref(), text));
    }
    if let Some(line) = progress {
        builder = builder.progress(move |progress| line.update(&progress));
    }
    let session = builder.build().map_err(|error| error.to_string())?;
    signals::obey(session.cancel())?;
    let report = session.run_to(script, arguments, out);
    // With the session the progress line ends, before anything else is written to standard error.
    drop(session);
    told(&report, style, output);
    if let Some(step) = step {
        step.end(&report);
    }
    Ok(report.outcome.exit_code())
}

/// What is said aside, as a line.
fn announced(text: &str) -> String {
    format!("netscript: {}\n", harmless(text))
}

/// Says something aside, on standard error. Whoever closed it does not want to know.
fn announce(line: Option<&ProgressLine>, text: &str) {
    let text = announced(text);
    let _ = match line {
        Some(line) => line.above(std::io::stderr()).write_all(text.as_bytes()),
        None => std::io::stderr().write_all(text.as_bytes()),
    };
}

/// Says on standard error what stands in no result: errors and the loss summary.
fn told(report: &Report, style: &Style, output: &OutputArguments) {
    if let Some(failure) = &report.failure {
        eprintln!("{failure}");
    }
    // A run tells them as reasons of its verdict; `eval` has none.
    if style.eval {
        report.notes.iter().for_each(|note| eprintln!("netscript: {note}"));
    }
    let outcome = &report.outcome;
    if !output.quiet && (outcome.received > 0 || report.listened) {
        eprintln!("{}", loss::summary(outcome.captured, outcome.received, &outcome.loss));
    }
}
