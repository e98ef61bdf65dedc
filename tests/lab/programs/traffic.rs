//! Traffic for the lab, as one static program: it runs in a container that has nothing else.
//!
//! `traffic serve PORT DELAY` is a web server that takes that many milliseconds for an answer.
//!
//! `traffic name ADDRESS:PORT NAME` is one that answers at once, with its name and the path that it was asked for.
//!
//! `traffic send ADDRESS:PORT FILE` asks a web server so many times a second as the file says, each time on a new
//! connection. It looks into the file every now and then. 0 is silence.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{Builder, sleep};
use std::time::{Duration, Instant};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", port, delay] => serve(port.parse().unwrap(), Duration::from_millis(delay.parse().unwrap())),
        ["name", address, name] => name_itself(address.parse().unwrap(), name.to_owned().leak()),
        ["send", server, file] => send(server.parse().unwrap(), file),
        _ => panic!("traffic serve PORT DELAY, traffic name ADDRESS:PORT NAME or traffic send ADDRESS:PORT FILE"),
    }
}

/// Does it on a thread of its own, with a small stack: there are many.
fn begin(work: impl FnOnce() + Send + 'static) {
    Builder::new().stack_size(64 << 10).spawn(work).unwrap();
}

fn serve(port: u16, delay: Duration) {
    let listener = TcpListener::bind(("0.0.0.0", port)).unwrap();
    for client in listener.incoming().flatten() {
        begin(move || drop(answer(client, delay)));
    }
}

fn name_itself(address: SocketAddr, name: &'static str) {
    let listener = TcpListener::bind(address).unwrap();
    for client in listener.incoming().flatten() {
        begin(move || drop(answer_by_name(client, name)));
    }
}

fn answer(mut client: TcpStream, delay: Duration) -> std::io::Result<()> {
    if request(&mut client)?.is_some() {
        sleep(delay);
        respond(&mut client, "ok\n")?;
    }
    Ok(())
}

fn answer_by_name(mut client: TcpStream, name: &str) -> std::io::Result<()> {
    let Some(request) = request(&mut client)? else { return Ok(()) };
    let path = request.split(' ').nth(1).unwrap_or_default();
    respond(&mut client, &format!("{name} {path}\n"))
}

/// Reads a request; none if the client goes away before its end.
fn request(client: &mut TcpStream) -> std::io::Result<Option<String>> {
    let (mut request, mut length) = ([0; 1024], 0);
    while !request[..length].ends_with(b"\r\n\r\n") {
        match client.read(&mut request[length..])? {
            0 => return Ok(None),
            read => length += read,
        }
    }
    Ok(Some(String::from_utf8_lossy(&request[..length]).into_owned()))
}

fn respond(client: &mut TcpStream, body: &str) -> std::io::Result<()> {
    let length = body.len();
    client
        .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").as_bytes())
}

/// How often the file is looked into.
const LOOK: Duration = Duration::from_millis(20);

fn send(server: SocketAddr, file: &str) {
    let (mut rate, mut looked, mut next) = (0, Instant::now() - LOOK, Instant::now());
    loop {
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            let new = read_rate(file).unwrap_or(rate);
            if new != rate {
                (rate, next) = (new, looked);
            }
        }
        let until = if rate == 0 { looked + LOOK } else { next };
        sleep(until.saturating_duration_since(Instant::now()).min(LOOK));
        if rate > 0 && Instant::now() >= next {
            next += Duration::from_secs(1) / rate;
            begin(move || drop(ask(server)));
        }
    }
}

fn read_rate(file: &str) -> Option<u32> {
    let mut text = String::new();
    File::open(file).ok()?.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn ask(server: SocketAddr) -> std::io::Result<()> {
    let mut server = TcpStream::connect_timeout(&server, Duration::from_secs(1))?;
    server.write_all(b"GET /items HTTP/1.1\r\nHost: shop.example\r\n\r\n")?;
    server.read_to_end(&mut Vec::new()).map(drop)
}
