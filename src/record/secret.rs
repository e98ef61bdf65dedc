//! Secrets in text: found and masked before anything shows it.
//!
//! The rules err on the side of masking. They look at one piece of text, so a secret of which neither beginning nor
//! surroundings are in that piece (the middle of a token that spans three packets) cannot be recognised.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::bytes::{Captures, Regex, Replacer};

/// Stands for what is not shown.
const MASK: &str = "****";

/// Secrets shorter than this show none of their characters.
const SHOWS_ITS_END: usize = 12;

/// How the names of header fields that carry a secret end, in lower case.
const HEADER_ENDINGS: &[&str] = &[
    "authorization",
    "cookie",
    "cookie2",
    "token",
    "api-key",
    "api_key",
    "apikey",
    "access-key",
    "auth-key",
    "subscription-key",
    "functions-key",
    "secret",
    "password",
    "passwd",
    "x-auth",
    "registry-auth",
    "registry-config",
    "jwt-assertion",
    "oidc-data",
];

/// How the names of parameters and JSON keys end whose value is a token: its end may be shown.
const TOKEN_ENDINGS: &str = "token|api[_-]?key|access[_-]?key|session[_-]?id|phpsessid|signature|\\bsig|assertion|jwt";

/// How the names of parameters and JSON keys end of whose value nothing may be shown: a person chose it.
const PASSWORD_ENDINGS: &str = "password|passwd|passphrase|pwd|secret";

/// Whether the field with that name (of a request or a response, in any case) carries a secret.
///
/// ```
/// use netscript::record::secret::is_secret_header;
///
/// assert!(is_secret_header("Proxy-Authorization") && is_secret_header("x-vault-token"));
/// assert!(!is_secret_header("WWW-Authenticate"));
/// ```
#[must_use]
pub fn is_secret_header(name: &str) -> bool {
    let name = name.trim().as_bytes();
    HEADER_ENDINGS.iter().any(|ending| {
        name.len().checked_sub(ending.len()).is_some_and(|at| name[at..].eq_ignore_ascii_case(ending.as_bytes()))
    })
}

/// A secret as it may be shown: `****`, and its last four characters if it has at least twelve.
///
/// ```
/// assert_eq!(netscript::record::secret::mask_secret("sk_live_4eC39HqL"), "****9HqL");
/// assert_eq!(netscript::record::secret::mask_secret("hunter2"), "****");
/// ```
#[must_use]
pub fn mask_secret(secret: &str) -> String {
    if secret.chars().count() < SHOWS_ITS_END {
        return MASK.to_owned();
    }
    let (end, _) = secret.char_indices().nth_back(3).unwrap_or_default();
    format!("{MASK}{}", &secret[end..])
}

/// A text or any other payload with its secrets masked, and otherwise as it was.
///
/// Masked are the values of header fields that [carry a secret](is_secret_header), folded lines included (RFC 9112,
/// section 5.2); what follows `Bearer`; JSON Web Tokens (RFC 7519); passwords in URLs; and the values of parameters and
/// JSON keys such as `access_token`, `api_key` and `password`. A first line that can only be the rest of a header field
/// from the packet before is masked too.
///
/// ```
/// let masked = netscript::record::secret::mask_text(b"GET /?api_key=1234 HTTP/1.1\r\nCookie: id=5\r\n\r\n");
/// assert_eq!(&*masked, b"GET /?api_key=**** HTTP/1.1\r\nCookie: ****\r\n\r\n");
/// ```
#[must_use]
pub fn mask_text(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Some((kept, line)) = split_first_line(bytes) else {
        return mask_whole_text(bytes);
    };
    let mut text = [&bytes[..kept], MASK.as_bytes()].concat();
    text.extend_from_slice(&SECRETS.replace_all(&bytes[line..], Mask));
    Cow::Owned(text)
}

/// The same for a text that is there from its beginning, so that its first line is not taken for the rest of a field.
#[must_use]
pub fn mask_whole_text(bytes: &[u8]) -> Cow<'_, [u8]> {
    SECRETS.replace_all(bytes, Mask)
}

/// A command line: the arguments with spaces between them, and their secrets masked unless they are to be shown. Masked
/// is what is a secret in any text, what follows an option that is named like one (`--password hunter2`), and passwords
/// behind a user (`-u admin:hunter2`).
///
/// ```
/// use netscript::record::secret::command_line;
///
/// assert_eq!(command_line(&["agent", "--token", "sk_live_4eC3", "-v"], false), "agent --token **** -v");
/// ```
#[must_use]
pub fn command_line(arguments: &[impl AsRef<str>], show_secrets: bool) -> String {
    let mut option = "";
    let mut shown = Vec::with_capacity(arguments.len());
    for argument in arguments.iter().map(AsRef::as_ref) {
        shown.push(match argument.split_once(':') {
            _ if show_secrets => argument.to_owned(),
            _ if is_secret_option(option) => MASK.to_owned(),
            Some((user, _)) if ["-u", "--user"].contains(&option) => format!("{user}:{MASK}"),
            _ => String::from_utf8_lossy(&mask_whole_text(argument.as_bytes())).into_owned(),
        });
        option = if argument.starts_with('-') && !argument.contains('=') { argument } else { "" };
    }
    shown.join(" ")
}

/// Whether an option is named like a secret: what is assigned to such a name is masked in any text.
fn is_secret_option(option: &str) -> bool {
    let assigned = format!("{option}=value");
    !option.is_empty() && *mask_whole_text(assigned.as_bytes()) != *assigned.as_bytes()
}

/// Every secret that can be recognised, in one pass.
static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
    let endings = HEADER_ENDINGS.join("|");
    Regex::new(&format!(
        r#"(?imx-u)
        (?P<field> ^[!\#-9;-~]{{0,64}}?(?:{endings})[\ \t]*:[\ \t]* ) (?P<value> [^\n]*(?:\n[\ \t][^\n]*)* )
        | \bbearer\ +(?:realm|scope|error|error_description|error_uri|charset|resource_metadata)=
        | (?P<bearer> \bbearer(?:\ |\+|%20)+ ) (?P<bearer_token> [a-z0-9._\~+/%-]+=* )
        | (?P<jwt> eyJ[a-z0-9_-]{{10,}}(?:\.[a-z0-9_-]*){{0,4}} )
        | (?P<url> ://[^/\s:@"'?\#]*: ) (?P<url_password> [^/\s@"'?\#]+ ) @
        | (?: (?P<token_name> {TOKEN_ENDINGS} ) | (?P<password_name> {PASSWORD_ENDINGS} ) )
          (?: (?P<equals> =|%3d ) (?P<parameter> [^&\s"'<>]* )
            | (?P<colon> "\s*:\s*" ) (?P<json> (?:[^"\\]|\\[\x00-\xff])* ) )
        "#
    ))
    .unwrap_or_else(|error| unreachable!("the pattern is fixed: {error}"))
});

/// Turns a match of [`SECRETS`] into what may be shown.
struct Mask;

impl Replacer for Mask {
    fn replace_append(&mut self, found: &Captures<'_>, masked: &mut Vec<u8>) {
        let part = |name| found.name(name).map_or(&[][..], |part| part.as_bytes());
        let token = |name| mask_secret(&String::from_utf8_lossy(part(name)));
        if found.name("field").is_some() {
            masked.extend_from_slice(part("field"));
            mask_field(part("field"), part("value"), masked);
        } else if found.name("bearer").is_some() {
            masked.extend_from_slice(part("bearer"));
            masked.extend_from_slice(token("bearer_token").as_bytes());
        } else if found.name("jwt").is_some() {
            masked.extend_from_slice(token("jwt").as_bytes());
        } else if found.name("url").is_some() {
            masked.extend_from_slice(part("url"));
            masked.extend_from_slice(MASK.as_bytes());
            masked.push(b'@');
        } else if found.name("token_name").or(found.name("password_name")).is_some() {
            for kept in ["token_name", "password_name", "equals", "colon"] {
                masked.extend_from_slice(part(kept));
            }
            let value = if found.name("json").is_some() { "json" } else { "parameter" };
            let shown = if found.name("password_name").is_some() { MASK.to_owned() } else { token(value) };
            // An empty parameter hides nothing, and shows that it is empty.
            if !part(value).is_empty() {
                masked.extend_from_slice(shown.as_bytes());
            }
        } else {
            // A challenge such as `Bearer realm="…"` names no secret.
            masked.extend_from_slice(&found[0]);
        }
    }
}

/// Writes the value of a secret header field: its scheme stays, and the end of what is surely a token.
fn mask_field(field: &[u8], value: &[u8], masked: &mut Vec<u8>) {
    let (value, line_end) = value.strip_suffix(b"\r").map_or((value, &b""[..]), |value| (value, b"\r"));
    let text = String::from_utf8_lossy(value);
    let field = String::from_utf8_lossy(field).to_ascii_lowercase();
    let text = text.trim();
    let shown = match text.split_once(' ') {
        _ if text.is_empty() => String::new(),
        Some((scheme, token))
            if field.contains("authorization") && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') =>
        {
            // The last characters of Basic are those of the password.
            let is_token = ["bearer", "token", "apikey"].contains(&scheme.to_ascii_lowercase().as_str());
            format!("{scheme} {}", if is_token { mask_secret(token) } else { MASK.to_owned() })
        }
        _ if field.contains("cookie") || field.contains("passw") || field.contains("registry") => MASK.to_owned(),
        _ => mask_secret(text),
    };
    masked.extend_from_slice(shown.as_bytes());
    masked.extend_from_slice(line_end);
}

/// Where the first line carries on with a secret whose beginning the packet before had: how many bytes of the line to
/// keep, and its length.
fn split_first_line(bytes: &[u8]) -> Option<(usize, usize)> {
    let line = &bytes[..memchr::memchr(b'\r', bytes)?];
    let next = bytes[line.len()..].strip_prefix(b"\r\n")?;
    let is_text = line.iter().all(|b| (b' '..=b'~').contains(b));
    if !is_text || !(next.starts_with(b"\r\n") || field_name(next).is_some()) {
        return None;
    }
    let kept = match field_name(line) {
        // The name itself may be cut: `kie: id=5`.
        Some(name) if HEADER_ENDINGS.iter().any(|ending| ending.as_bytes().ends_with(&name.to_ascii_lowercase())) => {
            name.len() + 1
        }
        Some(_) => return None,
        None if is_start_line(line) || line.starts_with(b"--") => return None,
        None => 0,
    };
    Some((kept, line.len()))
}

/// The name of the header field that a line begins with; empty where the line begins with the colon.
fn field_name(line: &[u8]) -> Option<&[u8]> {
    let colon = line.iter().position(|b| !(b.is_ascii_alphanumeric() || b"-_".contains(b)))?;
    (line[colon] == b':').then_some(&line[..colon])
}

/// Whether a line begins or ends with a protocol and a version, as those of HTTP, RTSP and SIP do.
fn is_start_line(line: &[u8]) -> bool {
    let is_version = |word: &[u8]| {
        word.iter().position(|&b| b == b'/').is_some_and(|slash| {
            word[..slash].iter().all(u8::is_ascii_uppercase)
                && word[slash + 1..].first().is_some_and(u8::is_ascii_digit)
        })
    };
    let mut words = line.split(|&b| b == b' ');
    words.next().is_some_and(is_version) || words.next_back().is_some_and(is_version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        String::from_utf8(mask_text(text.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn header_fields_keep_their_scheme_and_the_end_of_a_token() {
        let head = "GET / HTTP/1.1\r\nHost: a\r\n";
        for (field, expected) in [
            ("Authorization: Bearer abcdefghijkl", "Authorization: Bearer ****ijkl"),
            ("AUTHORIZATION:Basic dXNlcjpwYXNzd29yZA==", "AUTHORIZATION:Basic ****"),
            ("Proxy-Authorization: Digest username=\"x\", response=\"y\"", "Proxy-Authorization: Digest ****"),
            ("Authorization:\r\n AWS4-HMAC-SHA256 Credential=x/y, Signature=z", "Authorization:AWS4-HMAC-SHA256 ****"),
            ("authorization: 0123456789abcdef", "authorization: ****cdef"),
            ("X-Api-Key: 0123456789abcdef", "X-Api-Key: ****cdef"),
            ("Cookie: a=1; session=0123456789abcdef", "Cookie: ****"),
            ("Set-Cookie: a=1; Path=/", "Set-Cookie: ****"),
            ("X-Amz-Security-Token : short", "X-Amz-Security-Token : ****"),
            ("Api-Key: one\r\n  two three", "Api-Key: ****hree"),
            ("PRIVATE-TOKEN: \r\n\tglpat-1234", "PRIVATE-TOKEN: ****"),
            ("X-Api-Key:", "X-Api-Key:"),
            ("WWW-Authenticate: Bearer realm=\"x\"", "WWW-Authenticate: Bearer realm=\"x\""),
            ("User-Agent: tokens: 5", "User-Agent: tokens: 5"),
        ] {
            assert_eq!(masked(&format!("{head}{field}\r\nB: c\r\n\r\n")), format!("{head}{expected}\r\nB: c\r\n\r\n"));
            assert_eq!(masked(&format!("{head}{field}")), format!("{head}{expected}"), "cut after the value");
        }
    }

    #[test]
    fn tokens_are_found_anywhere() {
        for (text, expected) in [
            ("say Bearer abcdefghijkl.mnop now", "say Bearer ****mnop now"),
            ("header=Bearer%20abcdefghijkl", "header=Bearer%20****ijkl"),
            ("{\"j\":\"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_def\"}", "{\"j\":\"****_def\"}"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdW", "****JzdW"),
            ("http://user:hunter2@host/", "http://user:****@host/"),
            ("postgres://u:p%40ss@db:5432/x", "postgres://u:****@db:5432/x"),
        ] {
            assert_eq!(masked(text), expected);
        }
    }

    #[test]
    fn parameters_are_masked_in_queries_forms_and_json() {
        for (text, expected) in [
            ("/a?x=1&access_token=abcdefghijkl&y=2", "/a?x=1&access_token=****ijkl&y=2"),
            ("token=abc", "token=****"),
            ("user=joe&password=correct-horse-battery&z=1", "user=joe&password=****&z=1"),
            ("next=%2F%3Ftoken%3Dabcdefghijkl", "next=%2F%3Ftoken%3D****ijkl"),
            ("{\"access_token\" : \"abcdefghijkl\",\"n\":1}", "{\"access_token\" : \"****ijkl\",\"n\":1}"),
            ("{\"password\":\"a\\\"b\"}", "{\"password\":\"****\"}"),
            ("API_KEY=", "API_KEY="),
            ("csrfToken=abc&max_tokens=5", "csrfToken=****&max_tokens=5"),
            ("client_secret=x'", "client_secret=****'"),
        ] {
            assert_eq!(masked(text), expected);
        }
    }

    #[test]
    fn secrets_in_command_lines_are_masked_wherever_they_stand() {
        for (arguments, expected) in [
            (&["nginx: master process /usr/sbin/nginx"][..], "nginx: master process /usr/sbin/nginx"),
            (&["mysqld", "--password=hunter2", "--port", "3306"], "mysqld --password=**** --port 3306"),
            (&["agent", "--token", "sk_live_4eC39HqL", "-v"], "agent --token **** -v"),
            (&["agent", "--password", "a b", "-v"], "agent --password **** -v"),
            (&["curl", "-u", "admin:hunter2", "http://example/"], "curl -u admin:**** http://example/"),
            (&["curl", "http://admin:hunter2@example/"], "curl http://admin:****@example/"),
            (
                &["curl", "-H", "Authorization: Basic YTpi", "http://example/"],
                "curl -H Authorization: Basic **** http://example/",
            ),
            (&["sh", "-c", "PGPASSWORD=hunter2 psql"], "sh -c PGPASSWORD=**** psql"),
            (&[], ""),
        ] {
            assert_eq!(command_line(arguments, false), expected);
        }
        assert_eq!(command_line(&["mysqld", "--password=hunter2"], true), "mysqld --password=hunter2");
    }

    #[test]
    fn a_first_line_that_continues_a_field_of_the_packet_before_is_masked() {
        for (text, expected) in [
            ("Q5-rest.of_token==\r\nHost: a\r\n\r\n", "****\r\nHost: a\r\n\r\n"),
            ("b=2; c=3\r\nCookie: d\r\n", "****\r\nCookie: ****\r\n"),
            ("rest\r\n\r\n", "****\r\n\r\n"),
            ("kie: id=5\r\nHost: a\r\n", "kie:****\r\nHost: a\r\n"),
            (": id=5\r\n\r\n", ":****\r\n\r\n"),
            ("Host: a\r\nB: c\r\n", "Host: a\r\nB: c\r\n"),
            ("HTTP/1.1 200 OK\r\nA: b\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n"),
            ("GET / HTTP/1.1\r\nA: b\r\n", "GET / HTTP/1.1\r\nA: b\r\n"),
            ("--boundary\r\nContent-Type: a\r\n", "--boundary\r\nContent-Type: a\r\n"),
            ("220 mail ESMTP\r\n", "220 mail ESMTP\r\n"),
            ("1a\r\n{\"a\":1}\r\n", "1a\r\n{\"a\":1}\r\n"),
        ] {
            assert_eq!(masked(text), expected);
        }
    }

    #[test]
    fn what_has_no_secret_is_borrowed_and_what_is_no_text_stays() {
        assert!(matches!(mask_text(b"\x00\xff\r\n\r\n\x80"), Cow::Borrowed(b"\x00\xff\r\n\r\n\x80")));
        assert_eq!(&*mask_text(b"\xff\r\nCookie: \xfe\xfd\r\n\xff"), b"\xff\r\nCookie: ****\r\n\xff");
        assert_eq!(&*mask_text(b""), b"");
    }

    #[test]
    fn the_end_of_a_secret_is_whole_characters() {
        assert_eq!(mask_secret("ääääääääüüüü"), "****üüüü");
        assert_eq!(mask_secret("ääääääääüüü"), "****");
    }
}
