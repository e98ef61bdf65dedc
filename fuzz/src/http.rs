//! Bytes of both directions of an HTTP connection.
//!
//! The input is a byte of settings and a list of pieces: what it is and who sends (a byte), length (two bytes,
//! big-endian), bytes.

use std::net::SocketAddr;

use netscript::flow::Side;
use netscript::limits::{Limits, Loss};
use netscript::protocol::http1::{Connection, Context, HttpExchange, Settings};
use netscript::record::{Record as _, Time};

const BODY_BYTES: usize = 4_096;
const DECODED_BYTES: usize = 16_384;

/// Reads the connection of the input; if all of it is there and all of it is HTTP, also one byte at a time, with the
/// same result. Elsewhere the result depends on where segments begin and end: there reading goes on, and a first line
/// that is malformed has to come in one.
pub fn check(input: &[u8]) {
    let Some((how, pieces)) = input.split_first() else { return };
    let from_start = how & 1 == 0;
    let settings = Settings {
        limits: Limits {
            http_head_bytes: 2_048,
            http_body_bytes: BODY_BYTES,
            http_decoded_bytes: DECODED_BYTES,
            http_pending: 4,
            ..Limits::default()
        },
        bodies: how & 2 == 0,
        credentials: how & 8 == 0,
        show_secrets: how & 4 != 0,
    };
    let pieces = parse(pieces);
    let (exchanges, loss) = read(&settings, from_start, &pieces);
    let is_plain = matches!(pieces.first(), Some(Piece::Data(_, bytes)) if bytes.starts_with(b"GET / HTTP/1.1\r\n"));
    let has_gap = pieces.iter().any(|piece| matches!(piece, Piece::Gap(..)));
    if from_start && is_plain && !has_gap && loss.http_skipped_bytes == 0 {
        assert_eq!(read(&settings, from_start, &one_by_one(&pieces)), (exchanges, loss));
    }
}

#[derive(Clone, Copy)]
enum Piece<'a> {
    Data(Side, &'a [u8]),
    Gap(Side, u64),
    End(Side),
}

fn parse(mut input: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    while let [control, high, low, rest @ ..] = input {
        let side = Side::BOTH[usize::from(control & 1)];
        let length = u16::from_be_bytes([*high, *low]);
        input = rest;
        pieces.push(match control >> 1 & 7 {
            6 => Piece::Gap(side, u64::from(length)),
            7 => Piece::End(side),
            _ => {
                let (bytes, after) = rest.split_at(usize::from(length).min(rest.len()));
                input = after;
                Piece::Data(side, bytes)
            }
        });
    }
    pieces
}

/// The same bytes, each in a segment of its own.
fn one_by_one<'a>(pieces: &[Piece<'a>]) -> Vec<Piece<'a>> {
    let split = |piece: &Piece<'a>| match *piece {
        Piece::Data(side, bytes) => bytes.chunks(1).map(|byte| Piece::Data(side, byte)).collect(),
        piece => vec![piece],
    };
    pieces.iter().flat_map(split).collect()
}

/// The fields of all exchanges, and what was lost.
fn read(settings: &Settings, from_start: bool, pieces: &[Piece<'_>]) -> (Vec<String>, Loss) {
    let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let mut connection = Connection::new(address(40_000), address(80), from_start);
    let (mut loss, mut exchanges) = (Loss::default(), Vec::new());
    let mut context = Context { settings, loss: &mut loss, exchanges: &mut exchanges };
    // Every packet comes at the same time, so that times do not depend on how the bytes are split.
    let time = Time::from_nanos(0);
    for piece in pieces {
        match *piece {
            Piece::Data(side, bytes) => connection.data(&mut context, side, bytes, time),
            Piece::Gap(side, bytes) => connection.gap(&mut context, side, bytes, time),
            Piece::End(side) => connection.end(&mut context, side, time),
        }
    }
    connection.close(&mut context);
    (exchanges.iter().map(shown).collect(), loss)
}

fn shown(exchange: &HttpExchange) -> String {
    let fields = exchange.kind().fields.iter().enumerate();
    fields.map(|(place, field)| format!("{}: {:?}\n", field.name, exchange.value(place))).collect()
}
