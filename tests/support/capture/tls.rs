//! What a client of TLS 1.3 sends first (RFC 8446).

/// The record with the hello of a client that asks for this server name.
pub(crate) fn client_hello(name: &str) -> Vec<u8> {
    let extension = |kind: u8, data: Vec<u8>| [vec![0, kind], vector(2, &data)].concat();
    let names = vector(2, &[vec![0], vector(2, name.as_bytes())].concat());
    let versions = vector(1, &[3, 4]);
    let extensions = [extension(0, names), extension(43, versions)].concat();
    let fixed = [&[3, 3][..], &[7; 32], &[0]].concat();
    let body = [fixed, vector(2, &[0x13, 0x01]), vector(1, &[0]), vector(2, &extensions)].concat();
    [vec![22, 3, 1], vector(2, &[vec![1], vector(3, &body)].concat())].concat()
}

/// Something behind its length, which is a number of that many bytes.
fn vector(length: usize, content: &[u8]) -> Vec<u8> {
    [&content.len().to_be_bytes()[8 - length..], content].concat()
}
