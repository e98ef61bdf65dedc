//! What is answered to which request.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Status, metrics, page, summary};
use crate::clock::now;
use crate::record::Time;
use crate::web::{self, Method, PLAIN, Response, Server, ServerError};

/// Serves a status at an address; with port 0 the system chooses one.
///
/// # Errors
///
/// If the address is in use or none of this host, or if it may not be used.
pub fn serve(address: SocketAddr, status: Arc<Mutex<Status>>) -> Result<Server, ServerError> {
    let answer = move |method: &Method, path: &str| {
        reply(&status.lock().unwrap_or_else(PoisonError::into_inner), method, path, now())
    };
    Server::start(address, Arc::new(answer))
}

/// The answer to a request for a path.
fn reply(status: &Status, method: &Method, path: &str, now: Time) -> Response {
    web::reply(method, "/, /metrics, /report.json and /healthz", || match path {
        "/" => Some(("text/html; charset=utf-8", page::html(status, now))),
        "/metrics" => Some((web::metrics::TYPE, metrics::write(status))),
        "/report.json" => Some(("application/json", summary::json(status, now))),
        "/healthz" => Some((PLAIN, "ok\n".to_owned())),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{at, status};
    use super::*;

    #[test]
    fn every_path_has_its_answer_and_nothing_else_has() {
        for (path, code, kind, part) in [
            ("/", 200, "text/html; charset=utf-8", "db.example:5432"),
            ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8", "netscript_endpoint_verdict"),
            ("/report.json", 200, "application/json", "\"endpoint\":\"db.example:5432\""),
            ("/healthz", 200, "text/plain; charset=utf-8", "ok\n"),
            ("/../etc/passwd", 404, "text/plain; charset=utf-8", "there are /, /metrics, /report.json and /healthz\n"),
        ] {
            let response = reply(&status(), &Method::GET, path, at(60));
            assert_eq!(response.status().as_u16(), code, "{path}");
            assert_eq!(response.headers()["content-type"], kind, "{path}");
            assert!(response.body().contains(part), "{path}: {}", response.body());
        }
    }
}
