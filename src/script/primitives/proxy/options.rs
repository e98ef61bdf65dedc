//! The options of `proxy()`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use rhai::{Dynamic, EvalAltResult, Map};

use super::super::super::context::Context;
use super::super::super::error::{ErrorKind, thrown};
use super::super::capture::duration;
use super::super::place::{text, wrong};
use crate::nearest::suggestion;
use crate::proxy::{Means, Settings};
use crate::record;

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

const OPTIONS: [&str; 6] = ["threads", "connections", "drain", "log", "metrics", "dispatch"];

/// How long connections may take to end: platforms kill 10 s after they asked for the end, and a script has something to
/// say behind that.
const DRAIN: Duration = Duration::from_secs(7);

/// Threads, at most.
const THREADS: usize = 256;

/// How a proxy runs.
pub(super) fn settings(context: &Context, options: &Map) -> Result<Settings> {
    let mut settings = Settings {
        threads: available_parallelism().map_or(1, |threads| threads.get().min(THREADS)),
        connections: None,
        drain: DRAIN,
        log: None,
        metrics: None,
        means: Means::default(),
    };
    for (option, value) in options {
        match option.as_str() {
            "threads" => {
                let threads = number(value).filter(|threads| *threads <= THREADS);
                settings.threads = threads.ok_or_else(|| wrong(option, "a number of threads, 1 to 256", value))?;
            }
            "connections" => {
                let most = number(value);
                settings.connections = Some(
                    most.ok_or_else(|| wrong(option, "how many there may be at the same time, at least 1", value))?,
                );
            }
            "drain" => settings.drain = span(duration(option, value)?),
            "log" => {
                let path = text(value).filter(|path| !path.is_empty());
                let path =
                    path.ok_or_else(|| wrong(option, "the path of a file, or \"-\" for standard error", value))?;
                if path != "-" {
                    context.require_write(&path, &format!("proxy() with the log {path}"))?;
                }
                settings.log = Some(PathBuf::from(path));
            }
            "metrics" => {
                let address: Option<SocketAddr> = text(value).and_then(|text| text.parse().ok());
                let expected = "an address of this host and a port, such as \"127.0.0.1:9100\"";
                settings.metrics = Some(address.ok_or_else(|| wrong(option, expected, value))?);
            }
            "dispatch" => {
                settings.means = match text(value).as_deref() {
                    Some("best") => Means::Best,
                    Some("kernel") => Means::Kernel,
                    Some("bind") => Means::Bind,
                    _ => return Err(wrong(option, "\"best\", \"kernel\" or \"bind\"", value)),
                };
            }
            unknown => {
                let (list, hint) = (OPTIONS.join(", "), suggestion(unknown, OPTIONS));
                let message = format!("proxy() has no option `{unknown}`; there are {list}{hint}");
                return Err(thrown(ErrorKind::Usage, message));
            }
        }
    }
    Ok(settings)
}

/// A span of time as clocks count it.
pub(super) fn span(span: record::Duration) -> Duration {
    Duration::from_nanos(span.as_nanos().max(0).unsigned_abs())
}

fn number(value: &Dynamic) -> Option<usize> {
    usize::try_from(value.as_int().ok()?).ok().filter(|number| *number > 0)
}
