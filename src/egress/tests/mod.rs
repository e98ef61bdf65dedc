//! What the kernel tells in, rows and names out.

mod attempts;
mod event;
mod introductions;
mod names;
mod process;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::event::{Event, Reason, What};
use super::process::{Process, stranger};
use crate::record::Time;

/// A process of the command.
fn process(pid: u32, name: &str) -> Arc<Process> {
    Arc::new(stranger(pid, name, Reason::COMMAND))
}

fn event(pid: u32, name: &str, what: What) -> Event {
    Event { time: 1, pid, reason: Reason::COMMAND, name: name.to_owned(), what }
}

fn end(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// So many milliseconds after the beginning.
const fn at(milliseconds: i64) -> Time {
    Time::from_nanos(milliseconds * 1_000_000)
}

/// A name as DNS sends it.
fn wire(name: &str) -> Vec<u8> {
    name.split('.').flat_map(|label| vector(1, label)).chain([0]).collect()
}

/// A question for addresses in the form of an answer, with these records in it.
fn dns(id: u16, bits: u16, question: &str, records: &[Vec<u8>]) -> Vec<u8> {
    let counts = [id, bits, 1, u16::try_from(records.len()).unwrap(), 0, 0];
    let header = counts.iter().flat_map(|word| word.to_be_bytes()).collect();
    [header, wire(question), vec![0, 1, 0, 1], records.concat()].concat()
}

fn record(name: &str, kind: u16, data: &[u8]) -> Vec<u8> {
    [wire(name), kind.to_be_bytes().to_vec(), vec![0, 1, 0, 0, 0, 60], vector(2, data)].concat()
}

fn cname(name: &str, alias: &str) -> Vec<u8> {
    record(name, 5, &wire(alias))
}

/// An A or an AAAA record.
fn address(name: &str, address: &str) -> Vec<u8> {
    match address.parse().unwrap() {
        IpAddr::V4(address) => record(name, 1, &address.octets()),
        IpAddr::V6(address) => record(name, 28, &address.octets()),
    }
}

/// Bits of a question that wants recursion, and of an answer to it.
const QUERY: u16 = 0x0100;
const ANSWER: u16 = 0x8180;

/// Something behind its length, which is a number of that many bytes.
fn vector(length: usize, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [&content.len().to_be_bytes()[8 - length..], content].concat()
}

/// An IP packet, as it leaves a socket. Nobody looks at checksums.
fn ip(protocol: u8, from: SocketAddr, to: SocketAddr, data: &[u8]) -> Vec<u8> {
    let length = |more: usize| u16::try_from(more + data.len()).unwrap().to_be_bytes();
    match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let length = length(20);
            let fixed = [0x45, 0, length[0], length[1], 0, 1, 0x40, 0, 64, protocol, 0, 0];
            [&fixed[..], &from.octets(), &to.octets(), data].concat()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let length = length(0);
            let fixed = [0x60, 0, 0, 0, length[0], length[1], protocol, 64];
            [&fixed[..], &from.octets(), &to.octets(), data].concat()
        }
        _ => panic!("{from} and {to} do not speak the same version of IP"),
    }
}

fn datagram(from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
    let (from, to) = (end(from), end(to));
    let length = u16::try_from(8 + payload.len()).unwrap().to_be_bytes();
    let header = [from.port().to_be_bytes(), to.port().to_be_bytes(), length, [0; 2]];
    ip(17, from, to, &[&header.concat(), payload].concat())
}

fn segment(from: &str, to: &str, flags: u8, seq: u32, payload: &[u8]) -> Vec<u8> {
    let (from, to) = (end(from), end(to));
    let ports = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    let rest = [0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0];
    ip(6, from, to, &[&ports[..], &seq.to_be_bytes(), &rest, payload].concat())
}

/// The record of TLS with which a client asks for this server name.
fn client_hello(name: &str) -> Vec<u8> {
    let extension = |kind: u8, data: Vec<u8>| [&[0, kind][..], &vector(2, data)].concat();
    let names = vector(2, [&[0][..], &vector(2, name)].concat());
    let extensions = [extension(0, names), extension(43, vector(1, [3, 4]))].concat();
    let body = [&[3, 3][..], &[7; 32], &[0], &vector(2, [0x13, 0x01]), &[1, 0], &vector(2, extensions)].concat();
    [&[22, 3, 1][..], &vector(2, [&[1][..], &vector(3, body)].concat())].concat()
}
