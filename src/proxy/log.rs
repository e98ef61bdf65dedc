//! The log: a line of JSON for each connection that ended.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::journal::Owner;
use super::record::Connection;
use crate::record::Record as _;

/// Lines that wait for a slow disk. Workers never do: further ones are lost, and counted.
const LINES: usize = 65_536;

/// How often it is said that lines were lost.
const TELL: Duration = Duration::from_secs(60);

/// Bytes that are written at once, at least where there are as many.
const BATCH: usize = 64 << 10;

/// Writes on a thread of its own. When it goes out of scope, everything has been written.
#[derive(Debug)]
pub(super) struct Log {
    /// None when it goes.
    lines: Option<SyncSender<Message>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Message {
    Ended(Box<Connection>),
    /// Look at [`Shared::reopen`].
    Wake,
}

#[derive(Debug, Default)]
struct Shared {
    lost: AtomicU64,
    reopen: AtomicBool,
}

impl Log {
    /// Appends to a file, which is made if there is none; `-` is standard error.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or if there is no thread left.
    pub(super) fn open(path: &Path, owner: Owner) -> io::Result<Self> {
        let file = if path == Path::new("-") { None } else { Some(append(path)?) };
        let shared = Arc::<Shared>::default();
        let writer =
            Writer { path: path.to_owned(), file, batch: Vec::new(), failed: false, owner, shared: shared.clone() };
        let (lines, queue) = sync_channel(LINES);
        let thread = thread::Builder::new().name("proxy-log".into()).spawn(move || writer.run(&queue))?;
        Ok(Self { lines: Some(lines), shared, thread: Some(thread) })
    }

    /// Writes a line, some time later.
    pub(super) fn ended(&self, connection: Connection) {
        if !self.send(Message::Ended(Box::new(connection))) {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Goes on in a new file of the same name.
    pub(super) fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Relaxed);
        // If there is no room for it, the thread is awake.
        self.send(Message::Wake);
    }

    fn send(&self, message: Message) -> bool {
        self.lines.as_ref().is_some_and(|lines| lines.try_send(message).is_ok())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// What the thread has.
struct Writer {
    path: PathBuf,
    /// None: standard error.
    file: Option<File>,
    /// Whole lines that are written next.
    batch: Vec<u8>,
    /// Whether it has been told that nothing can be written.
    failed: bool,
    owner: Owner,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Message>) {
        let mut told = Instant::now();
        loop {
            let next = queue.try_recv().or_else(|_| {
                // Nothing waits: whoever reads along sees everything so far.
                self.write();
                queue.recv_timeout(TELL)
            });
            if self.shared.reopen.swap(false, Ordering::Relaxed) {
                self.write();
                self.reopen();
            }
            match next {
                Ok(Message::Ended(connection)) => self.add(&connection),
                Ok(Message::Wake) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if told.elapsed() >= TELL {
                told = Instant::now();
                self.tell_lost();
            }
        }
        self.tell_lost();
    }

    fn add(&mut self, connection: &Connection) {
        // Into memory; and what a record has can be written as JSON.
        let _ = serde_json::to_writer(&mut self.batch, &Line(connection));
        self.batch.push(b'\n');
        if self.batch.len() >= BATCH {
            self.write();
        }
    }

    fn write(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let written = match &mut self.file {
            Some(file) => file.write_all(&self.batch),
            None => io::stderr().write_all(&self.batch),
        };
        self.batch.clear();
        if let Err(error) = written
            && !std::mem::replace(&mut self.failed, true)
        {
            self.owner.news(format!("the log {} cannot be written any more: {error}", self.path.display()));
        }
    }

    fn reopen(&mut self) {
        if self.file.is_none() {
            return;
        }
        match append(&self.path) {
            Ok(file) => (self.file, self.failed) = (Some(file), false),
            Err(error) => {
                let path = self.path.display();
                self.owner.news(format!("the log {path} cannot be opened anew, and goes on in the old file: {error}"));
            }
        }
    }

    fn tell_lost(&self) {
        match self.shared.lost.swap(0, Ordering::Relaxed) {
            0 => {}
            lost => {
                let path = self.path.display();
                self.owner
                    .news(format!("the log {path} lacks {lost} lines: they came faster than they could be written"));
            }
        }
    }
}

/// Only its owner and its group read who connected.
fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

/// A connection as `--json` shows it in a run.
struct Line<'a>(&'a Connection);

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = self.0.kind();
        let mut map = serializer.serialize_map(Some(kind.fields.len() + 1))?;
        map.serialize_entry("record", &kind.name)?;
        for (i, field) in kind.fields.iter().enumerate() {
            map.serialize_entry(&field.name, &self.0.value(i))?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::super::journal::Journal;
    use super::*;

    const LINE: &str = concat!(
        r#"{"record":"proxy_connection","start":"2025-11-20T15:00:00.000000000Z","duration":0.0015,"app":"web","protocol":"tcp","#,
        r#""client":"192.0.2.7","client_port":40000,"address":"192.0.2.1","port":5200,"target":"a.example:5001","#,
        r#""target_address":"127.0.0.2","target_port":5001,"tries":2,"bytes":2010,"bytes_to_target":10,"#,
        r#""bytes_to_client":2000,"state":"ended","end":"client closed"}"#,
        "\n"
    );

    #[test]
    fn a_connection_that_ended_is_a_line_behind_those_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proxy.log");
        for _ in 0..2 {
            let (journal, _notices) = Journal::new(Some(&path)).unwrap();
            assert!(journal.is_logging());
            journal.ended(Connection::sample("ended"));
            // With the last one that can tell something, everything is written.
            drop(journal);
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), LINE.repeat(2));
        assert_eq!(path.metadata().unwrap().mode() & 0o777 & !0o640, 0, "strangers do not read it");
    }

    #[test]
    fn a_file_that_was_moved_away_keeps_what_it_has_and_a_new_one_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("proxy.log"), folder.path().join("proxy.log.1"));
        let (journal, notices) = Journal::new(Some(&path)).unwrap();
        journal.ended(Connection::sample("ended"));
        std::fs::rename(&path, &moved).unwrap();
        journal.reopen_log();
        // It may be reopened before or after that line; the next one certainly goes to the new file.
        while !path.exists() {
            thread::yield_now();
        }
        journal.ended(Connection::sample("ended"));
        drop(journal);
        let [moved, new] = [&moved, &path].map(|path| std::fs::read_to_string(path).unwrap());
        assert_eq!((format!("{moved}{new}"), new.ends_with(LINE)), (LINE.repeat(2), true));
        assert!(notices.next().is_none());
    }

    #[test]
    fn a_file_that_cannot_be_written_any_more_is_told_once() {
        let (journal, notices) = Journal::new(Some(Path::new("/dev/full"))).unwrap();
        for _ in 0..1000 {
            journal.ended(Connection::sample("ended"));
        }
        drop(journal);
        let told: Vec<_> = std::iter::from_fn(|| notices.next()).collect();
        let expected =
            "[News(\"the log /dev/full cannot be written any more: No space left on device (os error 28)\")]";
        assert_eq!(format!("{told:?}"), expected);
    }

    #[test]
    fn what_a_slow_disk_does_not_take_is_counted_and_told_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        // Opening one end of a pipe waits for the other, unless somebody has both.
        let both = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let mut reader = File::open(&path).unwrap();
        let (journal, notices) = Journal::new(Some(&path)).unwrap();
        drop(both);
        let lines = LINES * 2;
        for _ in 0..lines {
            journal.ended(Connection::sample("ended"));
        }
        let ending = thread::spawn(move || drop(journal));
        let read = io::copy(&mut reader, &mut io::sink()).unwrap() as usize;
        ending.join().unwrap();
        let lost = lines - read / LINE.len();
        assert!(lost > 0 && read.is_multiple_of(LINE.len()), "{read}");
        let told: Vec<_> = std::iter::from_fn(|| notices.next()).collect();
        let path = path.display();
        let expected = format!("the log {path} lacks {lost} lines: they came faster than they could be written");
        assert_eq!(format!("{told:?}"), format!("[News({expected:?})]"));
    }

    #[test]
    fn a_log_that_cannot_be_made_is_named() {
        let error = Journal::new(Some(Path::new("/nonexistent/proxy.log"))).unwrap_err().to_string();
        assert_eq!(error, "cannot write the log /nonexistent/proxy.log: No such file or directory (os error 2)");
    }
}
