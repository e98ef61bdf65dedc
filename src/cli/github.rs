//! A run as a step of GitHub Actions: annotations on standard error, and a report as the summary of the step.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::report::{Format, Renderer, Style, annotations};
use crate::script::Report;

/// Bytes of a summary that are kept. GitHub takes 1 MiB for a step, and nothing of a longer one.
const MOST: usize = 960 << 10;

/// The last words of a summary of which more was left out: its verdict.
const LAST: usize = 32 << 10;

/// The step that a run is.
pub(super) struct Step(Option<Summary>);

impl Step {
    /// The step that the environment tells of.
    pub(super) fn from_environment() -> Option<Self> {
        let is_step = env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        let path = env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty());
        is_step.then(|| Self(path.map(|path| Summary { path: path.into(), text: Arc::default() })))
    }

    /// What writes its summary, if it has one.
    pub(super) fn renderer(&self, style: &Style) -> Option<Box<dyn Renderer>> {
        let text = self.0.as_ref()?.text.clone();
        // With a width each piece is passed on as a whole. Markdown does not look at it otherwise.
        let style = Style { color: false, width: Some(80), ..style.clone() };
        Some(Format::Markdown.renderer(Box::new(Writer(text)), style))
    }

    /// Says what the run found, and hands in the summary. That cannot change what the run concluded.
    pub(super) fn end(self, report: &Report) {
        // Whoever closed standard error does not want to know.
        let _ = io::stderr().write_all(annotations(&report.findings, &report.outcome).as_bytes());
        if let Some(Summary { path, text }) = self.0 {
            let opened = OpenOptions::new().append(true).create(true).open(&path);
            if let Err(error) = opened.and_then(|mut file| file.write_all(&lock(&text).whole())) {
                eprintln!("netscript: cannot write the summary of the step to `{}`: {error}", path.display());
            }
        }
    }
}

/// Where the summary goes, and what it is so far: in memory, so that a file that cannot be written stops no run.
struct Summary {
    path: PathBuf,
    text: Arc<Mutex<Text>>,
}

/// The beginning of a text, and its end if some of it was left out between them.
#[derive(Default)]
struct Text {
    kept: Vec<u8>,
    last: Option<Vec<u8>>,
}

impl Text {
    fn push(&mut self, piece: &[u8]) {
        if self.last.is_none() && self.kept.len() + piece.len() <= MOST {
            self.kept.extend_from_slice(piece);
        } else {
            self.last = Some(if piece.len() <= LAST { piece.to_vec() } else { Vec::new() });
        }
    }

    fn whole(&self) -> Vec<u8> {
        match &self.last {
            None => self.kept.clone(),
            Some(last) => [&self.kept[..], b"\n(and more, which is left out here)\n", last].concat(),
        }
    }
}

fn lock(text: &Mutex<Text>) -> MutexGuard<'_, Text> {
    text.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the pieces of a text.
struct Writer(Arc<Mutex<Text>>);

impl Write for Writer {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        lock(&self.0).push(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
