//! What a JSON Web Token says about itself (RFC 7519). Nothing is verified.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use serde_json::{Map, Value};

use crate::record::Time;

/// Base64 as RFC 7515 has it; padding is passed over where somebody left it.
const BASE64URL: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::URL_SAFE, NO_PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// The claims that tell whose token it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    /// `iss`
    pub(super) issuer: Option<String>,
    /// `sub`
    pub(super) subject: Option<String>,
    /// `exp`
    pub(super) expires: Option<Time>,
}

impl Claims {
    /// The claims of a signed token; none if it is not one.
    pub(super) fn of(token: &[u8]) -> Option<Self> {
        let mut parts = token.split(|&byte| byte == b'.');
        let (header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        object(header)?.get("alg")?;
        let claims = object(payload)?;
        Some(Self {
            issuer: claims.get("iss").and_then(text),
            subject: claims.get("sub").and_then(text),
            expires: claims.get("exp").and_then(time),
        })
    }
}

fn object(part: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(&BASE64URL.decode(part).ok()?).ok()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A NumericDate: seconds since the epoch, perhaps with a fraction.
fn time(value: &Value) -> Option<Time> {
    let nanos = match value.as_i64() {
        Some(seconds) => seconds.saturating_mul(1_000_000_000),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "`as` saturates, which is what a time in 300 years should do"
        )]
        None => (value.as_f64()? * 1e9) as i64,
    };
    Some(Time::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.c2ln", BASE64URL.encode(header), BASE64URL.encode(payload))
    }

    #[test]
    fn claims_are_read() {
        for (payload, issuer, subject, expires) in [
            (r#"{"iss":"a","sub":"b","exp":1700000000}"#, Some("a"), Some("b"), Some(1_700_000_000_000_000_000)),
            (r#"{"sub":17,"exp":1.5}"#, None, Some("17"), Some(1_500_000_000)),
            (r#"{"iss":["a"],"exp":"soon"}"#, None, None, None),
            (r#"{"exp":9e99}"#, None, None, Some(i64::MAX)),
            ("{}", None, None, None),
        ] {
            let claims = Claims::of(token(r#"{"alg":"HS256"}"#, payload).as_bytes()).unwrap();
            assert_eq!((claims.issuer.as_deref(), claims.subject.as_deref()), (issuer, subject));
            assert_eq!(claims.expires, expires.map(Time::from_nanos));
        }
    }

    #[test]
    fn what_is_no_token_has_no_claims() {
        let good = token(r#"{"alg":"none"}"#, "{}");
        assert!(Claims::of(good.as_bytes()).is_some());
        for bad in [
            "",
            "..",
            "a.b.c",
            &good[1..],
            &format!("{good}.x"),
            &token("{}", "{}"),
            &token(r#"{"alg":"none"}"#, "[]"),
            &token(r#"{"alg":"none"}"#, &"[".repeat(10_000)),
        ] {
            assert_eq!(Claims::of(bad.as_bytes()), None, "{bad}");
        }
    }
}
