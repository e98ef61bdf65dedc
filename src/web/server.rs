//! Serves over HTTP/1.1, on a thread of its own.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::Method;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};

use super::Response;

/// Connections at the same time; further ones wait until one of them is over.
const CONNECTIONS: usize = 32;

/// The longest that a connection takes, from its first byte to its last: whoever is slow makes room for others.
const CONNECTION_TIME: Duration = Duration::from_secs(10);

/// The longest that the head of a request takes, which is small and comes at once.
const HEAD_TIME: Duration = Duration::from_secs(2);

/// Bytes and fields that the head of a request may have.
const HEAD: usize = 16 << 10;
const FIELDS: usize = 64;

/// How long it is waited when the system has no descriptor left for a connection.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// What is answered to a request with this method for this path.
pub type Answer = Arc<dyn Fn(&Method, &str) -> Response + Send + Sync>;

/// Serves until it goes out of scope.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}")]
pub struct ServerError {
    /// Where.
    pub address: SocketAddr,
    /// Why not.
    pub cause: io::Error,
}

impl Server {
    /// Serves at an address; with port 0 the system chooses one.
    ///
    /// # Errors
    ///
    /// If the address is in use or none of this host, or if it may not be used.
    pub fn start(address: SocketAddr, answer: Answer) -> Result<Self, ServerError> {
        Self::begin(address, answer).map_err(|cause| ServerError { address, cause })
    }

    fn begin(address: SocketAddr, answer: Answer) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async move {
                tokio::spawn(accept(listener, answer));
                // Nothing is ever sent: it ends when the sender goes, and with the runtime end all tasks.
                let _ = stopped.await;
            });
        };
        let thread = thread::Builder::new().name("web".into()).spawn(serve)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, answer: Answer) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(place) = places.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let answer = answer.clone();
                tokio::spawn(async move {
                    serve(stream, answer).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(EXHAUSTED).await,
        }
    }
}

/// Answers one request.
async fn serve(stream: TcpStream, answer: Answer) {
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let response = answer(request.method(), request.uri().path());
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .keep_alive(false)
        .max_buf_size(HEAD)
        .max_headers(FIELDS)
        .serve_connection(TokioIo::new(stream), service);
    // Whoever goes away, is too slow, or does not speak HTTP gets no answer.
    let _ = tokio::time::timeout(CONNECTION_TIME, connection).await;
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use super::*;

    fn answer() -> Answer {
        Arc::new(|method, path| Response::new(format!("{method} {path}\n")))
    }

    fn start() -> Server {
        Server::start(([127, 0, 0, 1], 0).into(), answer()).unwrap()
    }

    fn ask(server: &Server, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(CONNECTION_TIME * 2)).unwrap();
        // It may have answered before everything is sent.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    #[test]
    fn the_page_is_served_until_the_server_goes() {
        let server = start();
        let answer = ask(&server, b"GET /page?x HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nGET /page\n"), "{answer}");
        let address = server.address();
        drop(server);
        assert!(TcpStream::connect(address).is_err());
    }

    #[test]
    fn heads_that_are_too_long_or_nonsense_are_refused_and_others_are_served_meanwhile() {
        let server = start();
        let idle: Vec<_> = (0..CONNECTIONS - 1).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
        let long = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'x'; 2 * HEAD], b"\r\n\r\n"].concat();
        let answer = ask(&server, &long);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: x\r\n".repeat(FIELDS + 1));
        assert!(ask(&server, many.as_bytes()).starts_with("HTTP/1.1 431 "));
        assert!(ask(&server, b"\x16\x03\x01\x02\x00 nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
        assert!(ask(&server, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("\r\n\r\nGET /healthz\n"));
        drop(idle);
    }

    #[test]
    fn an_address_that_is_taken_is_named() {
        let server = start();
        let error = Server::start(server.address(), answer()).unwrap_err();
        assert!(error.to_string().starts_with(&format!("cannot listen on {}: ", server.address())), "{error}");
    }
}
