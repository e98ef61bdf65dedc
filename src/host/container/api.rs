//! One container engine, asked over its API: that of Docker Engine, which Podman speaks, too.

use std::error::Error as _;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bollard::errors::Error;
use bollard::models::{ContainerSummary, EndpointSettings};
use bollard::query_parameters::{EventsOptions, InspectContainerOptions, ListContainersOptions, StopContainerOptions};
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use futures_core::Stream as _;
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

use super::{Endpoint, Runtime, short};
use crate::record::Time;

/// The longest answer, in bytes: some thousand containers.
const LONGEST_ANSWER: usize = 8 << 20;

/// The engine behind a socket.
pub(super) struct Api(Docker);

/// What an engine says of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) image: Option<String>,
    pub(super) state: String,
    /// `host`, `none`, `container:ID`, or how it is connected otherwise.
    pub(super) network_mode: String,
    pub(super) endpoints: Vec<Endpoint>,
}

/// How a container is just now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Now {
    pub(super) state: String,
    /// Its first process, if it has one.
    pub(super) pid: Option<u32>,
}

impl Api {
    /// The engine behind that socket, which is not asked anything yet. A request has no time limit of its own.
    pub(super) fn at(socket: &Arc<Path>) -> Result<Self, Error> {
        const NO_LIMIT: u64 = u32::MAX as u64;
        let socket = socket.clone();
        let transport = move |request| send(socket.clone(), request);
        Docker::connect_with_custom_transport(transport, Some("http://engine"), NO_LIMIT, API_DEFAULT_VERSION).map(Self)
    }

    /// What kind of engine it is.
    pub(super) async fn runtime(&self) -> Result<Runtime, Error> {
        let components = self.0.version().await?.components.unwrap_or_default();
        let is_podman = components.iter().any(|component| component.name.contains("Podman"));
        Ok(if is_podman { Runtime::Podman } else { Runtime::Docker })
    }

    /// The containers that run, or all of them.
    pub(super) async fn list(&self, all: bool) -> Result<Vec<Described>, Error> {
        self.listed(ListContainersOptions { all, ..ListContainersOptions::default() }).await
    }

    /// Those of these containers that it knows, whether they run or not.
    pub(super) async fn describe(&self, ids: &[String]) -> Result<Vec<Described>, Error> {
        let filters = Some([("id".to_owned(), ids.to_vec())].into());
        self.listed(ListContainersOptions { all: true, filters, ..ListContainersOptions::default() }).await
    }

    async fn listed(&self, options: ListContainersOptions) -> Result<Vec<Described>, Error> {
        let summaries = self.0.list_containers(Some(options)).await?;
        Ok(summaries.into_iter().filter_map(Described::new).collect())
    }

    /// The containers that were made in a span of time, removed ones included, with their names: as far as the engine
    /// remembers, which are the last some hundred things that happened to it.
    pub(super) async fn created(&self, since: Time, until: Time) -> Result<Vec<(String, String)>, Error> {
        let seconds =
            |time: Time| Some(format!("{}.{:09}", time.as_nanos() / 1_000_000_000, time.as_nanos() % 1_000_000_000));
        let filters = [("type", "container"), ("event", "create")];
        let filters = filters.map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
        let options = EventsOptions { since: seconds(since), until: seconds(until), filters: Some(filters.into()) };
        let mut events = pin!(self.0.events(Some(options)));
        let mut created = Vec::new();
        while let Some(event) = poll_fn(|context| events.as_mut().poll_next(context)).await {
            let actor = event?.actor.unwrap_or_default();
            let name = actor.attributes.unwrap_or_default().remove("name");
            created.extend(actor.id.map(|id| (id, name.unwrap_or_default())));
        }
        Ok(created)
    }

    /// How a container is just now; none if it was removed.
    pub(super) async fn now(&self, id: &str) -> Result<Option<Now>, Error> {
        match self.0.inspect_container(id, None::<InspectContainerOptions>).await {
            Ok(inspected) => {
                let state = inspected.state.unwrap_or_default();
                let pid = state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0);
                Ok(Some(Now { state: state.status.map_or_else(String::new, |status| status.to_string()), pid }))
            }
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stops a container: SIGTERM, and SIGKILL when the grace is over. It is no error if it does not run.
    pub(super) async fn stop(&self, id: &str, grace: i32) -> Result<(), Error> {
        self.0.stop_container(id, Some(StopContainerOptions { t: Some(grace), signal: None })).await
    }
}

/// Whether the engine does not know the container. Podman answers 500 while it removes one.
pub(super) fn is_gone(error: &Error) -> bool {
    match error {
        Error::DockerResponseServerError { status_code: 404, .. } => true,
        Error::DockerResponseServerError { message, .. } => message.contains("no such container"),
        _ => false,
    }
}

impl Described {
    fn new(summary: ContainerSummary) -> Option<Self> {
        let id = summary.id.filter(|id| !id.is_empty())?;
        let names = summary.names.unwrap_or_default();
        let bare = |name: &String| name.strip_prefix('/').unwrap_or(name).to_owned();
        // Links of other containers are names, too: `/other/alias`.
        let name = names.iter().map(bare).find(|name| !name.is_empty() && !name.contains('/'));
        let networks = summary.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let mut endpoints: Vec<Endpoint> =
            networks.into_iter().map(|(name, settings)| endpoint(name, settings)).collect();
        endpoints.sort_by(|a, b| a.network.cmp(&b.network));
        Some(Self {
            name: name.unwrap_or_else(|| short(&id).to_owned()),
            id,
            image: summary.image,
            state: summary.state.map_or_else(String::new, |state| state.to_string()),
            network_mode: summary.host_config.and_then(|config| config.network_mode).unwrap_or_default(),
            endpoints,
        })
    }
}

fn endpoint(network: String, settings: EndpointSettings) -> Endpoint {
    let addresses = [settings.ip_address, settings.global_ipv6_address].into_iter().flatten();
    let addresses: Vec<IpAddr> = addresses.filter_map(|address| address.parse().ok()).collect();
    Endpoint {
        network,
        addresses,
        mac: settings.mac_address.filter(|mac| !mac.is_empty()).map(|mac| mac.to_lowercase()),
    }
}

/// Sends one request over a connection of its own.
async fn send(socket: Arc<Path>, mut request: BollardRequest) -> Result<Response<Incoming>, Error> {
    let stream = Bounded { stream: UnixStream::connect(&socket).await?, left: LONGEST_ANSWER };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the response; what goes wrong comes out there, too.
    tokio::spawn(connection);
    request.headers_mut().insert(HOST, HeaderValue::from_static("engine"));
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map(Into::into).unwrap_or_default();
    Ok(sender.send_request(request).await?)
}

/// What went wrong, in words that go on after `the container engine at SOCKET`.
pub(super) fn in_words(error: &Error) -> String {
    match error {
        Error::IOError { err } => format!("cannot be reached: {err}"),
        Error::DockerResponseServerError { status_code, message } => {
            format!("answers {status_code}: {}", first_line(message))
        }
        Error::JsonDataError { message, .. } => {
            format!("gives an answer that is not understood: {}", first_line(message))
        }
        other => {
            let deepest = std::iter::successors(other.source(), |&error| error.source()).last();
            let message = deepest.map_or_else(|| other.to_string(), ToString::to_string);
            format!("does not answer as an engine does: {}", first_line(&message))
        }
    }
}

/// As much of a text as fits into a message.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect()
}

/// A connection that gives so many bytes and no more.
struct Bounded<S> {
    stream: S,
    left: usize,
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        match self.left.checked_sub(buffer.filled().len().saturating_sub(before)) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Err(io::Error::other("the answer is too long"))),
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
