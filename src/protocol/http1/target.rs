//! What a request is for: the parts of its target (RFC 9112, section 3.2).

use std::borrow::Cow;
use std::net::SocketAddr;

use memchr::{memchr, memchr3, memrchr};

use super::head::Head;

/// The target of a request, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// The method.
    pub(super) method: &'a [u8],
    /// Host and perhaps port, as sent, without user information.
    pub(super) host: Option<Cow<'a, [u8]>>,
    /// The path; `*` of the asterisk-form; none of the authority-form.
    pub(super) path: Option<&'a [u8]>,
    /// What follows the first question mark.
    pub(super) query: Option<&'a [u8]>,
    /// The target as sent, if it is an absolute URL.
    absolute: Option<&'a [u8]>,
}

impl<'a> Target<'a> {
    /// The target of a request with this head.
    pub(super) fn of(head: &'a Head) -> Option<Self> {
        let line = head.request_line()?;
        let (method, target) = (line.method, line.target);
        if method == b"CONNECT" && !target.starts_with(b"/") {
            let authority = &target[..memchr(b' ', target).unwrap_or(target.len())];
            return Some(Self { method, host: Some(authority.into()), path: None, query: None, absolute: None });
        }
        if let Some((authority, rest)) = split_absolute(target) {
            let host = memrchr(b'@', authority).map_or(authority, |at| &authority[at + 1..]);
            let (path, query) = split_query(rest);
            let path = if path.is_empty() { b"/" } else { path };
            return Some(Self { method, host: Some(host.into()), path: Some(path), query, absolute: Some(target) });
        }
        let (path, query) = split_query(target);
        let host = head.field("host").filter(|host| !host.is_empty());
        Some(Self { method, host, path: Some(path), query, absolute: None })
    }

    /// The absolute URL as far as it is known; of CONNECT the authority, which is all there is.
    pub(super) fn url(&self, server: SocketAddr) -> Vec<u8> {
        if let Some(absolute) = self.absolute {
            return absolute.to_vec();
        }
        let host = self.host.clone().unwrap_or_else(|| Cow::Owned(authority(server).into_bytes()));
        let Some(path) = self.path else { return host.into_owned() };
        let mut url = [b"http://", &*host].concat();
        if path != b"*" {
            url.extend_from_slice(path);
        }
        if let Some(query) = self.query {
            url.push(b'?');
            url.extend_from_slice(query);
        }
        url
    }
}

/// Authority and the rest of an absolute URL.
fn split_absolute(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr(b':', target)?;
    let (scheme, rest) = target.split_at(colon);
    let is_scheme = scheme.first()?.is_ascii_alphabetic()
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    let rest = rest.strip_prefix(b"://").filter(|_| is_scheme)?;
    Some(rest.split_at(memchr3(b'/', b'?', b'#', rest).unwrap_or(rest.len())))
}

fn split_query(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr(b'?', target) {
        Some(mark) => (&target[..mark], Some(&target[mark + 1..])),
        None => (target, None),
    }
}

/// An address as a URL has it.
fn authority(server: SocketAddr) -> String {
    let text = server.to_string();
    text.strip_suffix(":80").map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(head: &str) -> [String; 4] {
        let head = Head::new(head.as_bytes(), head.find('\n').unwrap() + 1);
        let target = Target::of(&head).unwrap();
        let text =
            |bytes: Option<&[u8]>| bytes.map_or("-".to_owned(), |bytes| String::from_utf8(bytes.to_vec()).unwrap());
        let url = target.url("192.0.2.1:8080".parse().unwrap());
        [text(target.host.as_deref()), text(target.path), text(target.query), text(Some(&url))]
    }

    #[test]
    fn every_form_of_target_is_taken_apart() {
        for (head, expected) in [
            (
                "GET /a?b=c?d HTTP/1.1\nHost: X.example:81\n",
                ["X.example:81", "/a", "b=c?d", "http://X.example:81/a?b=c?d"],
            ),
            ("GET /? HTTP/1.1\nHost: a\n", ["a", "/", "", "http://a/?"]),
            ("GET / HTTP/1.0\n", ["-", "/", "-", "http://192.0.2.1:8080/"]),
            ("GET / HTTP/1.1\nHost:\n", ["-", "/", "-", "http://192.0.2.1:8080/"]),
            ("GET http://b/c?d HTTP/1.1\nHost: a\n", ["b", "/c", "d", "http://b/c?d"]),
            ("GET http://b HTTP/1.1\n", ["b", "/", "-", "http://b"]),
            ("GET HTTP://u:p@b:81?q HTTP/1.1\n", ["b:81", "/", "q", "HTTP://u:p@b:81?q"]),
            ("OPTIONS * HTTP/1.1\nHost: a\n", ["a", "*", "-", "http://a"]),
            ("CONNECT b:443 HTTP/1.1\nHost: a\n", ["b:443", "-", "-", "b:443"]),
            ("CONNECT b:25 / HTTP/1.0\n", ["b:25", "-", "-", "b:25"]),
            ("CONNECT / HTTP/1.1\nHost: a\n", ["a", "/", "-", "http://a/"]),
            ("GET /x://y HTTP/1.1\nHost: a\n", ["a", "/x://y", "-", "http://a/x://y"]),
        ] {
            assert_eq!(parts(head), expected, "{head}");
        }
    }

    #[test]
    fn the_server_stands_for_a_host_that_was_not_named() {
        assert_eq!(authority("192.0.2.1:80".parse().unwrap()), "192.0.2.1");
        assert_eq!(authority("[2001:db8::1]:80".parse().unwrap()), "[2001:db8::1]");
        assert_eq!(authority("[2001:db8::1]:8080".parse().unwrap()), "[2001:db8::1]:8080");
    }
}
