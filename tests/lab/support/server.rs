//! Servers that live as long as a test wants them to.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::JoinHandle;

use socket2::SockRef;

/// Accepts connections and does something with each, one after the other, until it goes out of scope.
pub(crate) struct Server {
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn new(listener: TcpListener, answer: impl Fn(TcpStream) + Send + 'static) -> Self {
        let accepting = listener.try_clone().unwrap();
        let thread = std::thread::spawn(move || {
            loop {
                match accepting.accept() {
                    Ok((client, _)) => answer(client),
                    // It was shut down.
                    Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => break,
                    // A connection was reset before it was accepted.
                    Err(_) => {}
                }
            }
        });
        Self { listener, thread: Some(thread) }
    }

    /// A web server that has one page.
    pub(crate) fn web(listener: TcpListener) -> Self {
        Self::new(listener, |client| drop(page(client)))
    }
}

fn page(mut client: TcpStream) -> std::io::Result<()> {
    let (mut request, mut length) = ([0; 4096], 0);
    while !request[..length].ends_with(b"\r\n\r\n") {
        match client.read(&mut request[length..])? {
            0 => return Ok(()),
            read => length += read,
        }
    }
    client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(SockRef::from(&self.listener).shutdown(Shutdown::Both));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
