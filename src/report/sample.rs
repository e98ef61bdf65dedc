//! Rows, findings and outcomes for the tests of all formats.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use super::{Chart, Finding, Format, Outcome, Renderer, Severity, Style, Verdict};
use crate::limits::Loss;
use crate::record::{Duration, Row, Time, Value};

/// 2026-11-20T17:02:00.123456789Z.
pub(super) const START: i64 = 1_795_194_120_123_456_789;

#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) time: Time,
    pub(super) client: IpAddr,
    pub(super) client_port: u16,
    pub(super) method: String,
    pub(super) host: Option<String>,
    pub(super) path: String,
    pub(super) status: Option<u16>,
    pub(super) latency: Option<Duration>,
    pub(super) credential: Option<Arc<Credential>>,
    pub(super) bytes: u64,
    pub(super) request_headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Credential {
    pub(super) scheme: String,
    pub(super) fingerprint: String,
}

#[derive(Debug)]
pub(super) struct Hop {
    ttl: u8,
    address: Option<IpAddr>,
    rtts: Vec<Duration>,
}

crate::record! {
    /// A request and its response.
    impl Record for Exchange as "exchange" {
        /// When the request began.
        time: Time, main => |x| x.time;
        /// Who asked.
        client: Address, main => |x| x.client;
        /// From which port.
        client_port: Integer, main => |x| x.client_port;
        /// The method.
        method: Text, main => |x| x.method.as_str();
        /// The host.
        host: Text, main => |x| x.host.as_deref();
        /// The path.
        path: Text, main => |x| x.path.as_str();
        /// The status code.
        status: Integer, main => |x| x.status;
        /// How long the answer took.
        latency: Duration, main => |x| x.latency;
        /// The credential.
        credential: Record, main => |x| x.credential.clone();
        /// Size on the wire.
        bytes: Integer in "bytes" => |x| x.bytes;
        /// Header fields.
        request_headers: Map => |x| Value::Map(
            x.request_headers.iter().map(|(n, v)| (n.as_str().into(), Value::from(v.as_str()))).collect());
        /// The body.
        body: Bytes => |x| x.body.as_slice();
    }
}

crate::record! {
    /// A credential.
    impl Record for Credential as "credential" {
        /// The scheme.
        scheme: Text, main => |x| x.scheme.as_str();
        /// Which one it is, without the secret.
        fingerprint: Text, main => |x| x.fingerprint.as_str();
    }
}

crate::record! {
    /// A hop.
    impl Record for Hop as "hop" {
        /// Its distance.
        ttl: Integer, main => |x| x.ttl;
        /// Its address.
        address: Address, main => |x| x.address;
        /// Round trips.
        rtts: List, main => |x| x.rtts.clone();
    }
}

impl Exchange {
    pub(super) fn new(i: u16) -> Self {
        Self {
            time: Time::from_nanos(START + i64::from(i) * 1_000_000_000),
            client: [192, 0, 2, 1].into(),
            client_port: 51_230 + i,
            method: if i.is_multiple_of(2) { "GET" } else { "POST" }.to_owned(),
            host: Some("api.example".to_owned()),
            path: format!("/orders/{i}"),
            status: Some(if i.is_multiple_of(2) { 401 } else { 200 }),
            latency: Some(Duration::from_nanos(1_500_000 + i64::from(i) * 10_000_000)),
            credential: Some(Arc::new(Credential { scheme: "Bearer".to_owned(), fingerprint: "3f2a".to_owned() })),
            bytes: 4380,
            request_headers: [
                ("User-Agent", "curl/8.5"),
                ("X.Dotted", "yes"),
                ("Accept", "text/html"),
                ("Accept", "*/*"),
            ]
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .to_vec(),
            body: b"hello".to_vec(),
        }
    }

    /// One whose texts try everything.
    pub(super) fn hostile() -> Self {
        Self {
            method: "GET".to_owned(),
            host: Some("\x1b[2Jevil\u{202e}moc".to_owned()),
            path: "/a|b`c`<script>alert(1)</script>\n,\"@team\"&]]>".to_owned(),
            status: None,
            latency: None,
            credential: None,
            body: vec![0xff, 0x00, 0x1b],
            ..Self::new(0)
        }
    }

    pub(super) fn row(self) -> Row {
        Arc::new(self)
    }
}

pub(super) fn exchange(i: u16) -> Row {
    Exchange::new(i).row()
}

pub(super) fn hop(ttl: u8) -> Row {
    let rtts = vec![Duration::from_nanos(1_500_000), Duration::from_nanos(2_000_000)];
    Arc::new(Hop { ttl, address: (ttl != 2).then(|| [192, 0, 2, 100 + ttl].into()), rtts })
}

pub(super) fn finding(evidence: Vec<Value<'static>>) -> Finding {
    Finding {
        id: "expired-credential".to_owned(),
        subject: "192.0.2.1".to_owned(),
        title: "192.0.2.1 still sends a rejected credential".to_owned(),
        severity: Severity::High,
        evidence,
    }
}

pub(super) fn outcome(verdict: Verdict) -> Outcome {
    let (captured, received) = (18_211, 18_211);
    Outcome { verdict, reasons: Vec::new(), captured, received, loss: Loss::default(), command: None }
}

pub(super) fn statuses() -> Chart {
    let points = vec![("200".to_owned(), 1204.0), ("401".to_owned(), 301.0), ("500".to_owned(), 1.0)];
    Chart { title: "responses by status".to_owned(), unit: "responses".to_owned(), over_time: false, points }
}

/// A writer whose bytes can be read after it was given away.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a renderer writes when it is told something, and then flushed.
pub(crate) fn rendered(format: Format, style: Style, tell: impl FnOnce(&mut dyn Renderer) -> io::Result<()>) -> String {
    let to = Shared::default();
    let mut renderer = format.renderer(Box::new(to.clone()), style);
    tell(renderer.as_mut()).unwrap();
    renderer.flush().unwrap();
    to.text()
}

/// Tells a whole table.
pub(super) fn table(to: &mut dyn Renderer, columns: &[&str], rows: &[Row]) -> io::Result<()> {
    to.begin_table(&columns.iter().map(|&column| column.to_owned()).collect::<Vec<_>>())?;
    rows.iter().try_for_each(|row| to.row(row))?;
    to.end_table()
}
