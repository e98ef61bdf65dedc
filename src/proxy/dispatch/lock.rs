//! One proxy for each network namespace, and who asks how it is.
//!
//! The lock is the name of a local socket. Such names belong to a network namespace, and the kernel frees them when their
//! process ends, however it ends. Whoever connects to it is told how the proxy is.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use crate::proxy::error::ProxyError;

/// What it is called, behind the zero that such names begin with.
const NAME: &str = "netscript-proxy";

/// How long each side waits for the other.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an answer can be, in bytes.
const ANSWER: u64 = 4 << 20;

/// How often, and how soon, it is tried again while another one is just coming or going.
const AGAIN: (u32, Duration) = (100, Duration::from_millis(2));

/// How long nobody is answered after one could not be.
const BREATH: Duration = Duration::from_millis(50);

/// The lock of this network namespace, and the thread that answers there.
pub(super) struct Lock {
    listener: Arc<UnixListener>,
    /// Who is being answered.
    peer: Arc<Mutex<Peer>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Peer {
    stream: Option<UnixStream>,
    /// Nobody is answered any more.
    over: bool,
}

/// Who holds the lock.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Holder {
    /// 0: it cannot be seen from here.
    pub(super) pid: u32,
    /// What it says of itself; nothing if it does not want to.
    pub(super) status: String,
}

impl Lock {
    /// Takes the lock of the network namespace of this thread, and tells who asks what `status` gives then.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Running`] if another process has it.
    pub(super) fn take(status: Arc<dyn Fn() -> String + Send + Sync>) -> Result<Self, ProxyError> {
        Self::take_named(NAME, status)
    }

    fn take_named(name: &str, status: Arc<dyn Fn() -> String + Send + Sync>) -> Result<Self, ProxyError> {
        let listener = Arc::new(listen(name)?);
        let peer = Arc::new(Mutex::new(Peer::default()));
        let answering = (listener.clone(), peer.clone());
        let thread = std::thread::Builder::new().name("proxy-status".to_owned());
        let thread = thread.spawn(move || answer(&answering.0, &answering.1, &*status)).map_err(cannot_lock)?;
        Ok(Self { listener, peer, thread: Some(thread) })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Both ends of what the thread may wait for, however slow the other one is.
        let mut peer = self.peer.lock().unwrap_or_else(PoisonError::into_inner);
        peer.over = true;
        if let Some(stream) = peer.stream.take() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(peer);
        let _ = SockRef::from(&*self.listener).shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            // It has said what there was to say if it panicked.
            let _ = thread.join();
        }
    }
}

fn cannot_lock(cause: io::Error) -> ProxyError {
    ProxyError::System { doing: "lock this network namespace".to_owned(), cause }
}

fn listen(name: &str) -> Result<UnixListener, ProxyError> {
    let address = SocketAddr::from_abstract_name(name).map_err(cannot_lock)?;
    for _ in 0..AGAIN.0 {
        match UnixListener::bind_addr(&address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            bound => return bound.map_err(cannot_lock),
        }
        if let Some(Holder { pid, .. }) = ask_named(name).map_err(cannot_lock)? {
            return Err(ProxyError::Running { pid });
        }
        std::thread::sleep(AGAIN.1);
    }
    Err(cannot_lock(io::ErrorKind::AddrInUse.into()))
}

/// Whoever has the lock of the network namespace of this thread, and what he says.
///
/// # Errors
///
/// What the system says.
pub(super) fn ask() -> io::Result<Option<Holder>> {
    ask_named(NAME)
}

fn ask_named(name: &str) -> io::Result<Option<Holder>> {
    let Some(mut stream) = connect(name)? else { return Ok(None) };
    let pid = getsockopt(&stream, sockopt::PeerCredentials).map_or(0, |holder| holder.pid());
    let mut status = Vec::new();
    // One that says nothing in time, or does not speak with everybody, is there nevertheless.
    let _ = (&mut stream).take(ANSWER).read_to_end(&mut status);
    Ok(Some(Holder { pid: pid.unsigned_abs(), status: String::from_utf8_lossy(&status).into_owned() }))
}

fn connect(name: &str) -> io::Result<Option<UnixStream>> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    match socket.connect(&SockAddr::unix(format!("\0{name}"))?) {
        Ok(()) => Ok(Some(socket.into())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(None),
        Err(error) => Err(error),
    }
}

fn answer(listener: &UnixListener, peer: &Mutex<Peer>, status: &dyn Fn() -> String) {
    loop {
        let accepted = listener.accept();
        let mut current = peer.lock().unwrap_or_else(PoisonError::into_inner);
        if current.over {
            return;
        }
        let Ok((mut stream, _)) = accepted else {
            drop(current);
            // There is no descriptor left, for now.
            std::thread::sleep(BREATH);
            continue;
        };
        current.stream = stream.try_clone().ok();
        // Without a way to end it from outside nobody is answered.
        let may_ask = current.stream.is_some() && is_of_the_house(&stream);
        drop(current);
        if may_ask && stream.set_write_timeout(Some(PATIENCE)).is_ok() {
            // Whoever went away does not want to know.
            let _ = stream.write_all(status().as_bytes());
        }
        peer.lock().unwrap_or_else(PoisonError::into_inner).stream = None;
    }
}

/// Whether it is root or the user of this process.
fn is_of_the_house(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    getsockopt(stream, sockopt::PeerCredentials).is_ok_and(|asks| asks.uid() == 0 || asks.uid() == own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(name: &str, status: &str) -> Result<Lock, ProxyError> {
        let status = status.to_owned();
        Lock::take_named(name, Arc::new(move || status.clone()))
    }

    /// A name that no other test has.
    fn name(test: &str) -> String {
        format!("netscript-test-{}-{test}", std::process::id())
    }

    #[test]
    fn there_is_one_and_it_answers_until_it_ends() {
        let name = name("one");
        let own = std::process::id();
        assert_eq!(ask_named(&name).unwrap(), None);
        let lock = take(&name, "{\"a\":1}").unwrap();
        assert_eq!(ask_named(&name).unwrap(), Some(Holder { pid: own, status: "{\"a\":1}".to_owned() }));
        let second = take(&name, "").err().unwrap().to_string();
        assert_eq!(second, format!("a proxy runs already in this network namespace: process {own}; stop it first"));
        drop(lock);
        assert_eq!(ask_named(&name).unwrap(), None);
        take(&name, "").unwrap();
    }

    #[test]
    fn who_does_not_read_does_not_keep_it_from_ending() {
        let name = name("slow");
        // More than a local socket holds.
        let lock = take(&name, &"x".repeat(8 << 20)).unwrap();
        let mut slow = connect(&name).unwrap().unwrap();
        // It is being answered.
        slow.read_exact(&mut [0]).unwrap();
        let begin = std::time::Instant::now();
        drop(lock);
        assert!(begin.elapsed() < PATIENCE / 2, "{:?}", begin.elapsed());
    }
}
