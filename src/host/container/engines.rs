//! The container engines of this host, asked at once and within a bounded time.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bollard::errors::Error;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::api::{self, Api, Described, Now};
use super::{EngineSockets, Runtime};
use crate::host::HostError;
use crate::record::Time;

/// How long all engines may take together.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a container may take to end when it is asked to, in seconds; then it is killed.
const GRACE: i32 = 10;

/// How long an engine may take to stop a container, beyond the grace.
const STOPPING: Duration = Duration::from_secs(15);

/// The engines that answered.
#[derive(Debug)]
pub(super) struct Engines {
    answering: Vec<Engine>,
    troubles: Vec<Trouble>,
    until: Instant,
}

/// An engine that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Engine {
    pub(super) socket: Arc<Path>,
    pub(super) runtime: Runtime,
}

/// An engine that is there and does not answer as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    socket: String,
    trouble: String,
}

/// A container and the engine that told of it.
pub(super) type Told = (Engine, Described);

impl Trouble {
    fn new(socket: &Path, error: &Error) -> Self {
        Self::saying(socket, api::in_words(error))
    }

    fn late(socket: &Path, patience: Duration) -> Self {
        Self::saying(socket, format!("did not answer within {} s", patience.as_secs()))
    }

    fn saying(socket: &Path, trouble: impl Into<String>) -> Self {
        Self { socket: socket.display().to_string(), trouble: trouble.into() }
    }

    /// It, as the reason why a container cannot be told of.
    pub(super) fn to_error(&self) -> HostError {
        HostError::Engine { socket: self.socket.clone(), trouble: self.trouble.clone() }
    }
}

/// The containers that the engine at a socket made in a span of time, with their names, removed ones included.
///
/// # Errors
///
/// [`HostError::Engine`] if it does not answer within two seconds.
pub(crate) fn created(socket: &Path, since: Time, until: Time) -> Result<Vec<(String, String)>, HostError> {
    let asking = async {
        let api = Api::at(&socket.into()).map_err(|error| Trouble::new(socket, &error))?;
        match timeout(PATIENCE, api.created(since, until)).await {
            Ok(created) => created.map_err(|error| Trouble::new(socket, &error)),
            Err(_elapsed) => Err(Trouble::late(socket, PATIENCE)),
        }
    };
    let asked = on_a_thread(asking);
    let asked = asked.map_err(|cause| Trouble::saying(socket, format!("cannot be asked: {cause}")));
    asked.and_then(|created| created).map_err(|trouble| trouble.to_error())
}

impl Engines {
    /// The engines behind these sockets, with the containers that run, or all of them.
    pub(super) fn ask(sockets: &EngineSockets, all: bool) -> (Self, Vec<Told>) {
        let until = Instant::now() + PATIENCE;
        let unsupported = sockets.unsupported.iter();
        let troubles = unsupported.map(|(address, why)| Trouble::saying(Path::new(address), *why)).collect();
        let mut engines = Self { answering: Vec::new(), troubles, until };
        let sockets = sockets.each();
        let mut told = Vec::new();
        if sockets.is_empty() {
            return (engines, told);
        }
        let asking = async {
            let mut tasks = JoinSet::new();
            for (socket, named) in sockets.clone() {
                tasks.spawn(async move {
                    let answer = timeout_at(until, ask(&socket, all)).await;
                    (socket, named, answer)
                });
            }
            tasks.join_all().await
        };
        let answers = on_a_thread(asking).unwrap_or_else(|cause| {
            let unasked =
                |(socket, _): &(Arc<Path>, bool)| Trouble::saying(socket, format!("cannot be asked: {cause}"));
            engines.troubles.extend(sockets.iter().map(unasked));
            Vec::new()
        });
        for (socket, named, answer) in answers {
            match answer {
                Ok(Ok((runtime, containers))) => {
                    let engine = Engine { socket, runtime };
                    told.extend(containers.into_iter().map(|container| (engine.clone(), container)));
                    engines.answering.push(engine);
                }
                // Where somebody only might be, nobody need be.
                Ok(Err(error)) if !named && is_absent(&error) => {}
                Ok(Err(error)) => engines.troubles.push(Trouble::new(&socket, &error)),
                Err(_elapsed) => engines.troubles.push(Trouble::late(&socket, PATIENCE)),
            }
        }
        (engines, told)
    }

    /// What engines say of containers that they were not asked about, such as those that began meanwhile.
    pub(super) fn describe(&self, ids: &[String]) -> Vec<Told> {
        if ids.is_empty() || self.answering.is_empty() {
            return Vec::new();
        }
        let asking = async {
            let mut told = Vec::new();
            for engine in &self.answering {
                let Ok(api) = Api::at(&engine.socket) else { continue };
                if let Ok(Ok(containers)) = timeout_at(self.until, api.describe(ids)).await {
                    told.extend(containers.into_iter().map(|container| (engine.clone(), container)));
                }
            }
            told
        };
        on_a_thread(asking).unwrap_or_default()
    }

    /// How each of these containers is just now, by id: none if it was removed. What an engine does not say is left out.
    pub(super) fn now(&mut self, of: &[Told]) -> HashMap<String, Option<Now>> {
        if of.is_empty() {
            return HashMap::new();
        }
        let until = self.until;
        let asking = async {
            let mut all = HashMap::new();
            let mut trouble = None;
            for (engine, container) in of {
                let asking = async { Api::at(&engine.socket)?.now(&container.id).await };
                match timeout_at(until, asking).await {
                    Ok(Ok(now)) => {
                        all.insert(container.id.clone(), now);
                    }
                    Ok(Err(error)) => trouble = Some(Trouble::new(&engine.socket, &error)),
                    Err(_elapsed) => {
                        trouble = Some(Trouble::late(&engine.socket, PATIENCE));
                        break;
                    }
                }
            }
            (all, trouble)
        };
        let (all, trouble) = on_a_thread(asking).unwrap_or_default();
        self.troubles.extend(trouble);
        all
    }

    /// The engines that did not answer as they should.
    pub(super) fn into_troubles(self) -> Vec<Trouble> {
        self.troubles
    }
}

async fn ask(socket: &Arc<Path>, all: bool) -> Result<(Runtime, Vec<Described>), Error> {
    let api = Api::at(socket)?;
    Ok((api.runtime().await?, api.list(all).await?))
}

/// Whether nobody listens on a socket.
fn is_absent(error: &Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    matches!(error, Error::IOError { err } if matches!(err.kind(), ConnectionRefused | NotFound))
}

/// Stops a container of that engine, and gives the state that it is in then: `removed` if it went away.
pub(super) fn stop(socket: &Arc<Path>, id: &str, name: &str) -> Result<String, HostError> {
    let patience = Duration::from_secs(GRACE.unsigned_abs().into()) + STOPPING;
    let stopping = async {
        let api = Api::at(socket)?;
        // One that goes away when it ends may have gone before the answer.
        api.stop(id, GRACE).await.or_else(|error| if api::is_gone(&error) { Ok(()) } else { Err(error) })?;
        Ok(api.now(id).await?.map_or_else(|| "removed".into(), |now| now.state))
    };
    let doing = || format!("stop the container {name}");
    let stopped = on_a_thread(async { timeout(patience, stopping).await });
    match stopped.map_err(|cause| HostError::System { doing: doing(), cause })? {
        Ok(Ok(state)) => Ok(state),
        Ok(Err(error)) => Err(Trouble::new(socket, &error).to_error()),
        Err(_elapsed) => Err(Trouble::late(socket, patience).to_error()),
    }
}

/// Waits for something on a thread of its own: the one that asks may belong to another runtime already.
fn on_a_thread<T: Send>(work: impl Future<Output = T> + Send) -> io::Result<T> {
    let run =
        || -> io::Result<T> { Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)) };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("engines".into()).spawn_scoped(scope, run)?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
