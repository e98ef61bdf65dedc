//! What is answered to which request.

use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Response, StatusCode};

use super::{Status, metrics, page, summary};
use crate::record::Time;

/// The answer to a request for a path.
pub(super) fn reply(status: &Status, method: &Method, path: &str, now: Time) -> Response<String> {
    const PLAIN: &str = "text/plain; charset=utf-8";
    let (code, kind, body) = match path {
        _ if method != Method::GET && method != Method::HEAD => {
            (StatusCode::METHOD_NOT_ALLOWED, PLAIN, "this page is only read\n".to_owned())
        }
        "/" => (StatusCode::OK, "text/html; charset=utf-8", page::html(status, now)),
        "/metrics" => (StatusCode::OK, metrics::TYPE, metrics::write(status)),
        "/report.json" => (StatusCode::OK, "application/json", summary::json(status, now)),
        "/healthz" => (StatusCode::OK, PLAIN, "ok\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, PLAIN, "there are /, /metrics, /report.json and /healthz\n".to_owned()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, page::POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if code == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::super::sample::{at, status};
    use super::*;

    #[test]
    fn every_path_has_its_answer_and_nothing_else_has() {
        for (method, path, code, kind) in [
            (Method::GET, "/", 200, "text/html; charset=utf-8"),
            (Method::HEAD, "/", 200, "text/html; charset=utf-8"),
            (Method::GET, "/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
            (Method::GET, "/report.json", 200, "application/json"),
            (Method::GET, "/healthz", 200, "text/plain; charset=utf-8"),
            (Method::GET, "/../etc/passwd", 404, "text/plain; charset=utf-8"),
            (Method::POST, "/", 405, "text/plain; charset=utf-8"),
            (Method::DELETE, "/nothing", 405, "text/plain; charset=utf-8"),
        ] {
            let response = reply(&status(), &method, path, at(60));
            assert_eq!(response.status().as_u16(), code, "{method} {path}");
            assert_eq!(response.headers()[CONTENT_TYPE], kind, "{method} {path}");
            assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], page::POLICY, "{method} {path}");
            assert_eq!(response.headers().contains_key(ALLOW), code == 405, "{method} {path}");
        }
    }
}
