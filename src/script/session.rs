//! A session: an engine on its own thread, and a handle to it that can be sent anywhere.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;

use rhai::{AST, Array, Dynamic, Engine, EvalAltResult, Map, Scope};

use super::attendants::Attendants;
use super::completion::{Variable, variables};
use super::context::{Context, Farewell, Ledger, Options, RunProgress, Source};
use super::error::{ErrorKind, Failure};
use super::library::Script;
use super::live::Live;
use super::memory::Memory;
use super::permission::Permission;
use super::plan::Caller;
use super::stream::Stream;
use super::value::{from_dynamic, to_row};
use super::{engine, verbs};
use crate::capture::{Cancel, Rotation};
use crate::limits::Limits;
use crate::mailbox::{Post, mailbox};
use crate::record::{Row, Value};
use crate::report::{Discard, Finding, Outcome, Renderer, Verdict};

/// The way in: [`Netscript::builder`].
pub struct Netscript;

impl Netscript {
    /// A session that is granted nothing yet.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            options: Options::default(),
            functions: Vec::new(),
            progress: Box::new(|_| {}),
            announce: Box::new(|_| {}),
        }
    }
}

type Register = Box<dyn FnOnce(&mut Engine) + Send>;

/// What a session is given before it starts.
pub struct Builder {
    options: Options,
    functions: Vec<Register>,
    progress: Box<dyn FnMut(RunProgress) + Send>,
    announce: Box<dyn FnMut(&str) + Send>,
}

impl Builder {
    /// Everything that the command line can say, too.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Grants a permission to the scripts of the session.
    #[must_use]
    pub fn allow(mut self, permission: Permission) -> Self {
        self.options.granted.push(permission);
        self
    }

    /// Says how much may be kept.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// Reads packets from this capture file.
    #[must_use]
    pub fn read(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.options.source = Some(Source::File(path.into()));
        self
    }

    /// Reads packets from these interfaces.
    #[must_use]
    pub fn listen(mut self, live: Live) -> Self {
        self.options.source = Some(Source::Live(live));
        self
    }

    /// Adds functions and types of the host to the engine.
    #[must_use]
    pub fn register(mut self, register: impl FnOnce(&mut Engine) + Send + 'static) -> Self {
        self.functions.push(Box::new(register));
        self
    }

    /// Is called now and then while a source is read, on the thread of the engine.
    #[must_use]
    pub fn progress(mut self, progress: impl FnMut(RunProgress) + Send + 'static) -> Self {
        self.progress = Box::new(progress);
        self
    }

    /// Is told aside what happens, as lines of text for a person: what is being listened on.
    #[must_use]
    pub fn announce(mut self, announce: impl FnMut(&str) + Send + 'static) -> Self {
        self.announce = Box::new(announce);
        self
    }

    /// Starts the engine on its thread.
    ///
    /// # Errors
    ///
    /// When there is no thread or no file descriptor left.
    pub fn build(self) -> io::Result<Session> {
        let cancel = Cancel::new()?;
        let (jobs, queue) = mailbox::<Job>()?;
        let on_thread = cancel.clone();
        let work = move || {
            let mut host = Host::new(self, on_thread);
            while let Some(jobs) = queue.take() {
                jobs.into_iter().for_each(|job| job(&mut host));
                // What lines have begun goes on between them.
                if host.context.attendants.attend_until(&queue, None).is_err() {
                    break;
                }
            }
        };
        // Deep expressions recurse in the interpreter.
        let thread = thread::Builder::new().name("netscript".into()).stack_size(16 << 20).spawn(work)?;
        Ok(Session { jobs: Some(jobs), thread: Some(thread), cancel })
    }
}

type Job = Box<dyn FnOnce(&mut Host) + Send>;

/// A handle to an engine, from any thread. Dropping it ends what runs.
pub struct Session {
    jobs: Option<Post<Job>>,
    thread: Option<thread::JoinHandle<()>>,
    cancel: Cancel,
}

/// How a script ended and what it said.
#[derive(Debug, Clone)]
pub struct Report {
    /// Verdict, reasons, loss.
    pub outcome: Outcome,
    /// What it found.
    pub findings: Vec<Finding>,
    /// The value of its last expression; a stream is read and shown instead.
    pub value: Value<'static>,
    /// Why it could not tell: what the script found inconclusive, and why inputs ended early.
    pub notes: Vec<String>,
    /// Whether it listened on interfaces.
    pub listened: bool,
    /// Why it did not run to its end.
    pub failure: Option<Failure>,
}

impl Session {
    /// Runs a script with its arguments (`--name=value`), and waits for it. What it shows is discarded.
    #[must_use]
    pub fn run(&self, script: &Script, arguments: &[String]) -> Report {
        self.run_to(script, arguments, Box::new(Discard))
    }

    /// Runs a script, and shows what it says in a renderer.
    #[must_use]
    pub fn run_to(&self, script: &Script, arguments: &[String], out: Box<dyn Renderer>) -> Report {
        let (script, arguments) = (script.clone(), arguments.to_vec());
        self.work(move |host| host.run(&script, &arguments, out, false))
    }

    /// Runs some lines in the scope of the lines before them, and shows what they say and give. The value is [`IT`] in
    /// the lines that follow.
    #[must_use]
    pub fn line(&self, line: &str, out: Box<dyn Renderer>) -> Report {
        let line = line.to_owned();
        self.work(move |host| match Script::new("input", &line) {
            Ok(script) => host.run(&script, &[], out, true),
            Err(error) => Report::failed(Failure::new(ErrorKind::Script, error.to_string())),
        })
    }

    /// Compiles a script without running it.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn check(&self, script: &Script) -> Result<(), Failure> {
        let script = script.clone();
        self.ask(move |host| host.compile(&script).map(drop)).unwrap_or_else(|| Err(stopped()))
    }

    /// The variables of the lines so far, the latest first, with what is known of their values.
    #[must_use]
    pub fn variables(&self) -> Vec<Variable> {
        self.ask(|host| variables(&host.scope)).unwrap_or_default()
    }

    /// What stops a run from another thread.
    #[must_use]
    pub fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }

    fn work(&self, work: impl FnOnce(&mut Host) -> Report + Send + 'static) -> Report {
        self.ask(work).unwrap_or_else(|| Report::failed(stopped()))
    }

    /// What the engine answers, or nothing if its thread has ended.
    fn ask<T: Send + 'static>(&self, question: impl FnOnce(&mut Host) -> T + Send + 'static) -> Option<T> {
        let (send, receive) = mpsc::sync_channel(1);
        let job: Job = Box::new(move |host| {
            let _ = send.send(question(host));
        });
        self.jobs.as_ref()?.send(job);
        receive.recv().ok()
    }
}

fn stopped() -> Failure {
    Failure::new(ErrorKind::Script, "the engine has stopped")
}

impl Drop for Session {
    fn drop(&mut self) {
        self.cancel.abort();
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

impl Report {
    /// The report of something that could not run.
    #[must_use]
    pub fn failed(failure: Failure) -> Self {
        let outcome = Outcome {
            verdict: failure.kind.verdict(),
            reasons: vec![failure.message.clone()],
            captured: 0,
            received: 0,
            loss: crate::limits::Loss::default(),
            command: None,
        };
        Self {
            outcome,
            findings: Vec::new(),
            value: Value::None,
            notes: Vec::new(),
            listened: false,
            failure: Some(failure),
        }
    }
}

/// The variable that holds the value of the line before.
pub const IT: &str = "it";

fn ignore_broken_pipe(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
}

/// What lives on the engine's thread.
struct Host {
    engine: Rc<Engine>,
    context: Rc<Context>,
    /// The variables of the lines so far.
    scope: Scope<'static>,
}

impl Host {
    fn new(builder: Builder, cancel: Cancel) -> Self {
        let context = Rc::new(Context {
            memory: Memory::new(builder.options.memory),
            options: builder.options,
            cancel,
            out: RefCell::new(Box::new(Discard)),
            ledger: RefCell::default(),
            progress: RefCell::new(builder.progress),
            announce: RefCell::new(builder.announce),
            functions: RefCell::new(AST::empty()),
            engine: OnceCell::new(),
            reading: Rc::default(),
            names_costly_fields: Cell::new(true),
            stdin_used: Cell::new(false),
            written: Cell::new(false),
            recorded: RefCell::default(),
            unread: Cell::new(false),
            environment: RefCell::default(),
            farewell: Cell::default(),
            attendants: Attendants::default(),
        });
        let mut engine = engine::build(&context);
        for register in builder.functions {
            register(&mut engine);
        }
        let engine = Rc::new(engine);
        // It cannot be set twice.
        let _ = context.engine.set(Rc::downgrade(&engine));
        Self { engine, context, scope: Scope::new() }
    }

    fn compile(&self, script: &Script) -> Result<AST, Failure> {
        let source = script.source.as_str();
        self.engine.compile_with_scope(&self.scope, source).map_err(|e| Failure::parse(&e, &script.name, source))
    }

    /// Runs a script; a line goes on where the lines before it ended.
    fn run(&mut self, script: &Script, arguments: &[String], out: Box<dyn Renderer>, line: bool) -> Report {
        *self.context.ledger.borrow_mut() = Ledger::default();
        *self.context.out.borrow_mut() = out;
        self.context.reading.set(0);
        self.context.written.set(false);
        self.context.recorded.take();
        self.context.unread.set(false);
        self.context.farewell.set(Farewell::None);
        let variables = script.header.environment.iter().map(|variable| variable.name.clone());
        self.context.environment.replace(variables.collect());
        // A later line may look at what this one keeps.
        let costly = ["_body", "payload"].iter().any(|name| script.source.contains(name));
        self.context.names_costly_fields.set(line || costly);
        let mut value = Value::None;
        let mut failure = None;
        match self.prepare(script, arguments) {
            Err(error) => failure = Some(error),
            Ok((ast, args)) => match self.evaluate(ast, args, line) {
                Ok(result) => {
                    value = from_dynamic(&result);
                    if line {
                        self.keep(result);
                    }
                }
                Err(error) => failure = Some(Failure::evaluation(error, &script.name, &script.source)),
            },
        }
        if !line {
            self.context.attendants.end();
        }
        if failure.is_none() {
            failure = self.write_evidence().err();
        }
        let mut outcome = self.context.outcome();
        if let Some(failure) = &failure {
            outcome.verdict = match failure.kind.verdict() {
                // What was found before somebody stopped it stands.
                Verdict::Inconclusive if outcome.verdict == Verdict::Finding => Verdict::Finding,
                verdict => verdict,
            };
            outcome.reasons.insert(0, failure.message.clone());
        }
        if self.context.unread.get() {
            // Nothing is wrong, and nobody is left to tell.
            failure = None;
        }
        let finished = self.context.out.borrow_mut().finish(&outcome);
        // Output that nobody reads any more has no end to write.
        if let Err(error) = finished.or_else(ignore_broken_pipe)
            && failure.is_none()
        {
            let lost = Failure::new(ErrorKind::Output, format!("the output cannot be written: {error}"));
            outcome.verdict = lost.kind.verdict();
            outcome.reasons.insert(0, lost.message.clone());
            failure = Some(lost);
        }
        *self.context.out.borrow_mut() = Box::new(Discard);
        let ledger = self.context.ledger.take();
        let notes = [ledger.inconclusive, ledger.notes].concat();
        Report { outcome, findings: ledger.findings, value, notes, listened: ledger.listened, failure }
    }

    /// Writes the packets that show the findings.
    fn write_evidence(&self) -> Result<(), Failure> {
        let Some(to) = &self.context.options.evidence else { return Ok(()) };
        let recorded = self.context.recorded.take();
        let from = match (&self.context.options.source, &recorded) {
            (Some(Source::File(from)), _) => from.as_path(),
            (_, Some(recorded)) => recorded.path(),
            _ => {
                let message = "there is no evidence to write: nothing was captured";
                return Err(Failure::new(ErrorKind::Observation, message));
            }
        };
        let selection = std::mem::take(&mut self.context.ledger.borrow_mut().evidence);
        let copied = selection.copy(from, to, &self.context.options.limits, &self.context.cancel);
        copied.map(drop).map_err(|error| Failure::new(ErrorKind::Input, error.to_string()))
    }

    /// Checks everything that can be checked before anything is opened.
    fn prepare(&self, script: &Script, arguments: &[String]) -> Result<(AST, Map), Failure> {
        let args = script.header.arguments(arguments);
        let args = args.map_err(|error| Failure::new(ErrorKind::Usage, error.message))?;
        let command = script.header.command(arguments);
        let of_command = (!command.is_empty()).then_some(Permission::Exec);
        for need in script.header.needs(&args).chain(of_command) {
            let granted = match need {
                Permission::Exec => self.context.require_exec(command, &script.name),
                need => self.context.require(need, &script.name),
            };
            granted.map_err(|error| Failure::evaluation(error, &script.name, &script.source))?;
        }
        let options = &self.context.options;
        let again = match options.source {
            Some(Source::File(_)) => true,
            Some(Source::Stdin) => false,
            // What is live is recorded, and read again.
            Some(Source::Live(_) | Source::Watched(_)) | None => {
                options.rotation == Rotation::default() && options.write.as_deref() != Some(Path::new("-"))
            }
        };
        if options.evidence.is_some() && !again {
            let message = "--evidence reads the capture a second time, so it needs a file: -r FILE, or -w FILE that does not turn";
            return Err(Failure::new(ErrorKind::Usage, message));
        }
        Ok((self.compile(script)?, args))
    }

    fn evaluate(&mut self, ast: AST, args: Map, line: bool) -> Result<Dynamic, Box<EvalAltResult>> {
        // Closures of earlier lines have to be found by later ones.
        let ast = if line { self.context.functions.borrow().merge(&ast) } else { ast };
        *self.context.functions.borrow_mut() = ast.clone_functions_only();
        let engine = self.engine.clone();
        let mut own = Scope::new();
        let scope = if line {
            &mut self.scope
        } else {
            own.push_constant("args", args);
            &mut own
        };
        let result = engine.eval_ast_with_scope::<Dynamic>(scope, &ast)?;
        // While a last stream is read, what the script has goes on: a proxy whose connections are captured.
        self.show(&result)?;
        Ok(result)
    }

    /// Keeps the value of a line as `it`. A stream has been read, and is no value to go on with.
    fn keep(&mut self, value: Dynamic) {
        if !value.is_unit() && !value.is_fnptr() && !value.is::<Stream>() {
            self.scope.set_or_push(IT, value);
        }
    }

    /// Shows the value of the last expression: rows as a table, a record as a card, anything else as it is.
    fn show(&self, value: &Dynamic) -> Result<(), Box<EvalAltResult>> {
        let (context, engine) = (&*self.context, &*self.engine);
        if value.is_unit() || value.is_fnptr() {
            return Ok(());
        }
        if let Some(stream) = value.clone().try_cast::<Stream>() {
            return verbs::table(context, &Caller::Engine(engine, context), &stream, &[], "show");
        }
        if let Some(array) = value.read_lock::<Array>() {
            context.say(|out| out.begin_table(&[]))?;
            array.iter().try_for_each(|item| context.say(|out| out.row(&to_row(item))))?;
            return context.say(|out| out.end_table());
        }
        let shown = match value.read_lock::<Row>() {
            Some(row) => Value::Record(row.clone()),
            None if value.is_map() => Value::Record(to_row(value)),
            None => match from_dynamic(value) {
                // Of what has no fields, such as a proxy, there is only what it is.
                Value::Text(_) if value.is_variant() => Value::Text(engine.map_type_name(value.type_name()).into()),
                plain => plain,
            },
        };
        context.say(|out| out.value(&shown))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.context.attendants.end();
    }
}

#[cfg(test)]
mod tests;
