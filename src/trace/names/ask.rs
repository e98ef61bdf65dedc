//! Asks name servers, many questions at once.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::query::{Answer, Question, Refusal};

const PORT: u16 = 53;

/// Asks a server and gives its answers, in the order of the questions. What is not answered within half of the time is
/// asked again. It ends when `stop` becomes readable.
pub(super) fn ask(
    server: IpAddr,
    questions: &[Question],
    timeout: Duration,
    stop: BorrowedFd<'_>,
) -> io::Result<Vec<Option<Answer>>> {
    // What cannot be asked is no name.
    let nonsense = Answer { refusal: Some(Refusal::NoSuchName), ..Answer::default() };
    let mut answers: Vec<Option<Answer>> =
        questions.iter().map(|question| question.bytes(0).is_none().then(|| nonsense.clone())).collect();
    let local: IpAddr = if server.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
    // A connected socket hears nobody but the server.
    let socket = UdpSocket::bind((local, 0))?;
    socket.connect(SocketAddr::new(server, PORT))?;
    socket.set_nonblocking(true)?;
    let random = RandomState::new();
    let ids: Vec<u16> = (0..questions.len()).map(|place| (random.hash_one(place) & 0xffff) as u16).collect();
    let begin = Instant::now();
    for round in 1..=2 {
        for ((question, id), _) in questions.iter().zip(&ids).zip(&answers).filter(|(_, answer)| answer.is_none()) {
            if let Some(bytes) = question.bytes(*id) {
                socket.send(&bytes)?;
            }
        }
        let until = begin + timeout * round / 2;
        while answers.iter().any(Option::is_none) {
            let left = until.saturating_duration_since(Instant::now());
            // A server that answers without end is not listened to for longer.
            if left.is_zero() {
                break;
            }
            let span =
                Timespec { tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
            let fd = socket.as_fd();
            let mut fds = [PollFd::new(&fd, PollFlags::IN), PollFd::new(&stop, PollFlags::IN)];
            match poll(&mut fds, Some(&span)) {
                Ok(0) => break,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if !fds[1].revents().is_empty() {
                return Ok(answers);
            }
            let mut bytes = [0; 4096];
            match socket.recv(&mut bytes) {
                Ok(length) => {
                    for ((question, id), answer) in questions.iter().zip(&ids).zip(&mut answers) {
                        if answer.is_none() {
                            *answer = question.answer(*id, &bytes[..length]);
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(answers)
}
