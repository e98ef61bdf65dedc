//! Messages of HTTP/1.1 (RFC 9112), and what they carry.

use std::io::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

/// A GET request with these header fields.
pub(crate) fn get(target: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    message(&format!("GET {target} HTTP/1.1"), fields, b"")
}

/// A POST request of JSON with these header fields.
pub(crate) fn post(target: &str, fields: &[(&str, &str)], json: &str) -> Vec<u8> {
    let length = json.len().to_string();
    let own = [("Content-Type", "application/json"), ("Content-Length", length.as_str())];
    message(&format!("POST {target} HTTP/1.1"), &[fields, &own].concat(), json.as_bytes())
}

/// A response with these header fields and a body of known length.
pub(crate) fn response(status: &str, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let length = body.len().to_string();
    message(&format!("HTTP/1.1 {status}"), &[fields, &[("Content-Length", length.as_str())]].concat(), body)
}

/// A response of JSON.
pub(crate) fn json(status: &str, json: &str) -> Vec<u8> {
    response(status, &[("Content-Type", "application/json")], json.as_bytes())
}

fn message(start: &str, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    [format!("{start}\r\n{fields}\r\n").as_bytes(), body].concat()
}

/// Wrapped as gzip (RFC 1952), but stored: the output of a compressor changes from version to version.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A JSON Web Token (RFC 7519) with these claims. Nobody will verify its signature.
pub(crate) fn jwt(claims: &str) -> String {
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let signature = encode(&Sha256::digest(claims));
    format!("{}.{}.{signature}", encode(br#"{"alg":"HS256","typ":"JWT"}"#), encode(claims.as_bytes()))
}
