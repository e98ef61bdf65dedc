//! What is answered to a request.

use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, StatusCode};

/// An answer with all of its text.
pub type Response = hyper::Response<String>;

/// The Content-Type of plain text.
pub const PLAIN: &str = "text/plain; charset=utf-8";

/// What a page may load: nothing, and no script.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The answer of a server whose paths are only read. `find` gives the Content-Type and the text of one of its paths;
/// `paths` names them for whoever asks for another.
#[must_use]
pub fn reply(method: &Method, paths: &str, find: impl FnOnce() -> Option<(&'static str, String)>) -> Response {
    let (code, (kind, body)) = if method == Method::GET || method == Method::HEAD {
        match find() {
            Some(found) => (StatusCode::OK, found),
            None => (StatusCode::NOT_FOUND, (PLAIN, format!("there are {paths}\n"))),
        }
    } else {
        (StatusCode::METHOD_NOT_ALLOWED, (PLAIN, "this page is only read\n".to_owned()))
    };
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
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
    use super::*;

    #[test]
    fn what_is_there_is_read_and_nothing_else_is_done() {
        for (method, is_there, code, body) in [
            (Method::GET, true, 200, "ok\n"),
            (Method::HEAD, true, 200, "ok\n"),
            (Method::GET, false, 404, "there are /healthz\n"),
            (Method::POST, true, 405, "this page is only read\n"),
            (Method::DELETE, false, 405, "this page is only read\n"),
        ] {
            let response = reply(&method, "/healthz", || is_there.then(|| (PLAIN, "ok\n".to_owned())));
            assert_eq!((response.status().as_u16(), response.body().as_str()), (code, body), "{method}");
            assert_eq!(response.headers()[CONTENT_TYPE], PLAIN, "{method}");
            assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], POLICY, "{method}");
            assert_eq!(response.headers().contains_key(ALLOW), code == 405, "{method}");
        }
    }
}
