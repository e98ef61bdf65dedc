//! Credentials: recognised, told apart, and never shown.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;
use crate::protocol::http1::Credential;

fn jwt(payload: &str) -> String {
    format!("{}.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(payload))
}

/// The row of a request with that target and those fields, answered with that status.
fn row(target: &str, fields: &str, status: u16, show_secrets: bool) -> HttpExchange {
    let steps = [client(format!("GET {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n")), server(response(status, ""))];
    let scenario = Scenario::new(steps).with(|settings| settings.show_secrets = show_secrets);
    scenario.run().rows.remove(0)
}

/// A field of the credential of a request.
fn of(fields: &str, name: &str) -> String {
    match row("/", fields, 200, false).get("credential") {
        Some(Value::Record(credential)) => credential.get(name).unwrap().to_string(),
        _ => "-".to_owned(),
    }
}

fn all(row: &HttpExchange) -> [String; 7] {
    let Some(Value::Record(credential)) = row.get("credential") else { panic!("no credential: {row:?}") };
    ["scheme", "fingerprint", "masked", "location", "issuer", "subject", "expires"]
        .map(|name| credential.get(name).unwrap().to_string())
}

#[test]
fn a_bearer_token_is_told_by_its_fingerprint_and_its_end() {
    let row = row("/", "Authorization: Bearer abcdefghijklmnop\r\n", 401, false);
    // printf %s abcdefghijklmnop | sha256sum
    let expected = ["bearer", "f39dac6cbaba", "Bearer ****mnop", "header authorization", "", "", ""];
    assert_eq!(all(&row), expected);
    assert_eq!(Credential::KIND.fields.len(), expected.len());
}

#[test]
fn a_json_web_token_tells_issuer_subject_and_expiry() {
    let token = jwt(r#"{"iss":"login","sub":"user017","exp":1700000000}"#);
    for fields in [
        format!("Authorization: Bearer {token}\r\n"),
        format!("X-Api-Key: {token}\r\n"),
        format!("Cookie: theme=dark; session={token}\r\n"),
    ] {
        assert_eq!(of(&fields, "issuer"), "login");
        assert_eq!(of(&fields, "subject"), "user017");
        assert_eq!(of(&fields, "expires"), "2023-11-14T22:13:20.000000000Z");
    }
    let malformed = format!("Authorization: Bearer {}x\r\n", token.replacen('.', ".e30", 1));
    assert_eq!((of(&malformed, "scheme"), of(&malformed, "subject")), ("bearer".into(), String::new()));
}

#[test]
fn every_kind_of_credential_is_recognised() {
    let basic = STANDARD.encode("alice:correct horse");
    for (fields, scheme, masked, location, subject) in [
        (format!("Authorization: Basic {basic}"), "basic", "Basic ****", "header authorization", "alice"),
        ("Authorization: basic !!!".to_owned(), "basic", "basic ****", "header authorization", ""),
        (
            "Authorization: Digest username=\"bob\", realm=\"r\", nonce=\"n\", response=\"0123456789abcdef\""
                .to_owned(),
            "digest",
            "Digest ****",
            "header authorization",
            "bob",
        ),
        (
            "Authorization: Negotiate YIIabcdefghijklm".to_owned(),
            "negotiate",
            "Negotiate ****",
            "header authorization",
            "",
        ),
        (
            "Authorization: AWS4-HMAC-SHA256 Credential=AKIA/20150830/x, SignedHeaders=host, Signature=abc".to_owned(),
            "aws4-hmac-sha256",
            "AWS4-HMAC-SHA256 ****",
            "header authorization",
            "AKIA",
        ),
        ("Authorization: token ghp_abcdefghijkl".to_owned(), "token", "token ****ijkl", "header authorization", ""),
        ("Authorization: abcdefghijklmnop".to_owned(), "token", "****mnop", "header authorization", ""),
        ("Proxy-Authorization: Basic eDp5".to_owned(), "basic", "Basic ****", "header proxy-authorization", "x"),
        ("X-Api-Key: abcdefghijklmnop".to_owned(), "api-key", "****mnop", "header x-api-key", ""),
        ("PRIVATE-TOKEN: short".to_owned(), "api-key", "****", "header private-token", ""),
        ("X-Auth-Token: Bearer abcdefghijklmnop".to_owned(), "bearer", "Bearer ****mnop", "header x-auth-token", ""),
        (
            "Cookie: a=1; PHPSESSID=abcdefghijklmnop; b=2".to_owned(),
            "cookie",
            "PHPSESSID=****mnop",
            "cookie PHPSESSID",
            "",
        ),
        ("Cookie: a=1; b=2".to_owned(), "cookie", "****", "header cookie", ""),
    ] {
        let fields = fields + "\r\n";
        let found = ["scheme", "masked", "location", "subject"].map(|name| of(&fields, name));
        assert_eq!(found, [scheme, masked, location, subject], "{fields}");
    }
    for fields in ["", "Authorization:\r\n", "Authorization: Bearer \r\n", "X-CSRF-Token: abc\r\n", "Host: h\r\n"] {
        assert_eq!(of(fields, "scheme"), "-", "{fields}");
    }
}

#[test]
fn the_same_credential_has_the_same_fingerprint() {
    let digest = |nonce: &str| {
        of(
            &format!(
                "Authorization: Digest username=\"bob\", realm=\"r\", nonce=\"{nonce}\", response=\"{nonce}\"\r\n"
            ),
            "fingerprint",
        )
    };
    assert_eq!(digest("1"), digest("2"));
    let cookie = |theme: &str| of(&format!("Cookie: theme={theme}; sid=123\r\n"), "fingerprint");
    assert_eq!(cookie("dark"), cookie("light"));
    assert_ne!(of("Cookie: sid=123\r\n", "fingerprint"), of("Cookie: sid=124\r\n", "fingerprint"));
}

#[test]
fn the_credential_that_was_judged_comes_first() {
    let fields = "Proxy-Authorization: Basic eDp5\r\nCookie: sid=1\r\nX-Api-Key: k\r\nAuthorization: Bearer t\r\n";
    let location = |row: HttpExchange| all(&row)[3].clone();
    assert_eq!(location(row("/?access_token=q", fields, 401, false)), "header authorization");
    assert_eq!(location(row("/?access_token=q", fields, 407, false)), "header proxy-authorization");
    let fields = fields.replace("Authorization: Bearer t\r\n", "");
    assert_eq!(location(row("/?access_token=q", &fields, 401, false)), "header x-api-key");
    let fields = fields.replace("X-Api-Key: k\r\n", "");
    assert_eq!(location(row("/?a=b&access_token=q", &fields, 401, false)), "query access_token");
    assert_eq!(location(row("/", &fields, 401, false)), "cookie sid");
    let fields = fields.replace("Cookie: sid=1\r\n", "");
    assert_eq!(location(row("/", &fields, 401, false)), "header proxy-authorization");
}

#[test]
fn no_field_shows_a_secret_until_secrets_are_asked_for() {
    let secrets = [
        "Aa0123456789secret",
        "Bb0123456789secret",
        "Cc0123456789secret",
        "Dd0123456789secret",
        "Ee0123456789secret",
        "Ff0123456789secret",
    ];
    let [bearer, key, cookie, query, password, set] = secrets;
    let body = format!("password={password}");
    let steps = [
        client(format!(
            "POST http://u:{password}@h/a?access_token={query} HTTP/1.1\r\n\
             Authorization: Bearer {bearer}\r\nX-Api-Key: {key}\r\nCookie: sid={cookie}\r\n\
             Referer: http://h/?token={query}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len(),
        )),
        server(format!("HTTP/1.1 200 OK\r\nSet-Cookie: sid={set}\r\nContent-Length: 0\r\n\r\n")),
    ];
    let hidden = Scenario::new(steps.clone()).run_every_way();
    let told = json(&hidden.rows).concat() + format!("{:?}", hidden.rows).as_str();
    for secret in secrets {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
    assert_eq!(field(&hidden.rows[0], "query"), "access_token=****cret");
    assert_eq!(field(&hidden.rows[0], "url"), "http://u:****@h/a?access_token=****cret");
    assert_eq!(field(&hidden.rows[0], "response_headers"), "set-cookie: ****, content-length: 0");
    let shown = Scenario::new(steps).with(|settings| settings.show_secrets = true).run();
    let told = json(&shown.rows).concat();
    for secret in secrets {
        assert!(told.contains(secret), "{secret} in {told}");
    }
    assert_eq!(all(&shown.rows[0])[2], format!("Bearer {bearer}"));
}
