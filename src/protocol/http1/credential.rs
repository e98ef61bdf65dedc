//! The credential that a request carries.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use hashbrown::HashMap;
use sha2::{Digest, Sha256};

use super::head::Head;
use super::jwt::Claims;
use super::target::Target;
use crate::record::Time;
use crate::record::secret::{is_secret_header, mask_secret};

/// Base64 as RFC 4648 has it, with or without padding.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::STANDARD, NO_PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// Parameters of a query that carry a credential. Of the first of them RFC 6750, section 2.3, says that it is a bearer
/// token.
const PARAMETERS: &[&str] = &["access_token", "auth_token", "token", "api_key", "api-key", "apikey", "jwt"];

/// Authorization schemes whose value is one token, so that its end may be shown.
const TOKEN_SCHEMES: &[&str] = &["bearer", "token", "apikey", "api-key"];

/// What names of cookies look like that keep a session.
const SESSION_COOKIES: &[&str] = &["sess", "sid", "auth", "token", "jwt", "login"];

/// A credential: enough to recognise it, without saying what it is.
///
/// Of several credentials in one request the first of these is taken: the Authorization field, a field for keys and
/// tokens such as X-Api-Key, a parameter of the query, the Cookie field, the Proxy-Authorization field. If the answer
/// is 407 a proxy judged, and Proxy-Authorization comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    scheme: String,
    fingerprint: String,
    masked: String,
    location: String,
    issuer: Option<String>,
    subject: Option<String>,
    expires: Option<Time>,
}

crate::record! {
    /// A credential: enough to recognise it, without saying what it is.
    impl Record for Credential as "credential" {
        /// `bearer`, `basic`, `digest` or another scheme of Authorization, in lower case; `api-key`; `cookie`.
        /// `token` where Authorization names no scheme.
        scheme: Text => |x| x.scheme.as_str();
        /// First 12 hexadecimal digits of the SHA-256 of the secret: the same credential has the same fingerprint.
        /// Of Basic the secret is the whole value, user and password in base64. What is signed differs from request to
        /// request, so for Digest it is taken of `username:realm`, and for AWS4-HMAC-SHA256 of the access key.
        fingerprint: Text, main => |x| x.fingerprint.as_str();
        /// How it may be shown: scheme and last characters, such as `Bearer ****f3Qx`.
        masked: Text, main => |x| x.masked.as_str();
        /// Where it was found: `header authorization`, `cookie session`, `query access_token`.
        location: Text => |x| x.location.as_str();
        /// Who issued it, as a JSON Web Token says (RFC 7519); not verified.
        issuer: Text => |x| x.issuer.as_deref();
        /// Whose it is: the subject of a JSON Web Token, the user name of Basic and Digest; not verified.
        subject: Text => |x| x.subject.as_deref();
        /// When it expires, as a JSON Web Token says; not verified.
        expires: Time => |x| x.expires;
    }
}

impl Credential {
    /// The credential of a request with this head, which was answered with that status.
    pub(super) fn of(head: &Head, status: Option<u16>, show_secrets: bool) -> Option<Self> {
        let finder = Finder { head, show_secrets };
        let of_proxy = || finder.authorization("proxy-authorization");
        (if status == Some(407) { of_proxy() } else { None })
            .or_else(|| finder.authorization("authorization"))
            .or_else(|| finder.key_field())
            .or_else(|| finder.parameter())
            .or_else(|| finder.cookie())
            .or_else(of_proxy)
    }
}

/// Credentials that were found before, by the Authorization field that holds them: clients send the same ones again and
/// again.
#[derive(Debug, Default)]
pub(super) struct Credentials(HashMap<Box<[u8]>, Arc<Credential>>);

impl Credentials {
    /// How many are remembered.
    const MOST: usize = 4096;

    /// As [`Credential::of`].
    pub(super) fn of(&mut self, head: &Head, status: Option<u16>, show_secrets: bool) -> Option<Arc<Credential>> {
        let find = || Credential::of(head, status, show_secrets).map(Arc::new);
        let Some(value) = head.field("authorization").filter(|_| status != Some(407)) else { return find() };
        if let Some(known) = self.0.get(value.as_ref()) {
            return Some(known.clone());
        }
        // Without a credential in that field another one may be found, which is not this field's.
        let found = Finder { head, show_secrets }.authorization("authorization").map(Arc::new);
        let Some(found) = found else { return find() };
        if self.0.len() == Self::MOST {
            self.0.clear();
        }
        self.0.insert(value.into_owned().into_boxed_slice(), found.clone());
        Some(found)
    }
}

/// Looks for credentials in a head.
struct Finder<'a> {
    head: &'a Head,
    show_secrets: bool,
}

impl Finder<'_> {
    fn authorization(&self, field: &str) -> Option<Credential> {
        self.in_field(field, &self.head.field(field)?, "token")
    }

    /// The value of a field: a scheme and its secret, or the secret alone.
    fn in_field(&self, field: &str, value: &[u8], without_scheme: &str) -> Option<Credential> {
        let location = format!("header {}", field.to_ascii_lowercase());
        let (sent_scheme, secret) = match value.iter().position(|byte| matches!(byte, b' ' | b'\t')) {
            Some(blank) if value[..blank].iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)) => {
                (Some(String::from_utf8_lossy(&value[..blank])), value[blank..].trim_ascii())
            }
            _ => (None, value),
        };
        let Some(sent_scheme) = sent_scheme else {
            let is_scheme = TOKEN_SCHEMES.iter().any(|scheme| secret.eq_ignore_ascii_case(scheme.as_bytes()));
            return if is_scheme { None } else { self.token(without_scheme, "", secret, location) };
        };
        let scheme = sent_scheme.to_ascii_lowercase();
        let prefix = format!("{sent_scheme} ");
        if TOKEN_SCHEMES.contains(&scheme.as_str()) {
            return self.token(&scheme, &prefix, secret, location);
        }
        let (identity, subject): (Cow<'_, [u8]>, _) = match scheme.as_str() {
            "basic" => basic(secret),
            "digest" => digest(secret),
            "aws4-hmac-sha256" => aws(secret),
            _ => None,
        }
        .unwrap_or((Cow::Borrowed(secret), None));
        let masked = if self.show_secrets { lossy(secret) } else { mask_secret("") };
        self.credential(&scheme, &identity, format!("{prefix}{masked}"), location)
            .map(|found| Credential { subject, ..found })
    }

    /// A field that is made for a key or a token.
    fn key_field(&self) -> Option<Credential> {
        self.head.fields().find_map(|field| {
            let name = String::from_utf8_lossy(field.name());
            let other = ["authorization", "proxy-authorization", "cookie", "cookie2"];
            let is_other = other.iter().any(|other| name.eq_ignore_ascii_case(other)) || is_forgery_token(&name);
            if is_other || !is_secret_header(&name) {
                return None;
            }
            self.in_field(&name, &field.value, "api-key")
        })
    }

    fn parameter(&self) -> Option<Credential> {
        Target::of(self.head)?.query?.split(|&byte| byte == b'&').find_map(|pair| {
            let (name, secret) = split_at_equals(pair)?;
            let name = PARAMETERS.iter().find(|parameter| name.eq_ignore_ascii_case(parameter.as_bytes()))?;
            let scheme = if *name == PARAMETERS[0] { "bearer" } else { "api-key" };
            self.token(scheme, &format!("{name}="), secret, format!("query {name}"))
        })
    }

    /// The cookie that looks like it keeps a session; without one, all cookies together.
    fn cookie(&self) -> Option<Credential> {
        let value = self.head.field("cookie")?;
        let mut cookies = value.split(|&byte| byte == b';').filter_map(|pair| split_at_equals(pair.trim_ascii()));
        let session = cookies.find_map(|(name, secret)| {
            let lower = String::from_utf8_lossy(name).to_ascii_lowercase();
            let keeps_session = SESSION_COOKIES.iter().any(|part| lower.contains(part)) && !is_forgery_token(&lower);
            if !keeps_session {
                return None;
            }
            let name = String::from_utf8_lossy(name);
            self.token("cookie", &format!("{name}="), secret, format!("cookie {name}"))
        });
        session.or_else(|| {
            let masked = if self.show_secrets { lossy(&value) } else { mask_secret("") };
            self.credential("cookie", &value, masked, "header cookie".to_owned())
        })
    }

    /// A credential that is one token, of which the end may be shown.
    fn token(&self, scheme: &str, prefix: &str, secret: &[u8], location: String) -> Option<Credential> {
        let shown = lossy(secret);
        let masked = format!("{prefix}{}", if self.show_secrets { shown } else { mask_secret(&shown) });
        let Claims { issuer, subject, expires } = Claims::of(secret).unwrap_or_default();
        self.credential(scheme, secret, masked, location).map(|found| Credential { issuer, subject, expires, ..found })
    }

    fn credential(&self, scheme: &str, secret: &[u8], masked: String, location: String) -> Option<Credential> {
        if secret.is_empty() {
            return None;
        }
        let digest = Sha256::digest(secret);
        let fingerprint = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let scheme = scheme.to_owned();
        Some(Credential { scheme, fingerprint, masked, location, issuer: None, subject: None, expires: None })
    }
}

/// What identifies a credential, and whose it is.
type Identity<'a> = (Cow<'a, [u8]>, Option<String>);

fn basic(secret: &[u8]) -> Option<Identity<'_>> {
    let decoded = BASE64.decode(secret).ok()?;
    let (user, _password) = decoded.split_at(decoded.iter().position(|&byte| byte == b':')?);
    Some((Cow::Borrowed(secret), Some(lossy(user))))
}

fn digest(secret: &[u8]) -> Option<Identity<'_>> {
    let user = lossy(parameter(secret, "username")?);
    let realm = lossy(parameter(secret, "realm").unwrap_or_default());
    Some((Cow::Owned(format!("{user}:{realm}").into_bytes()), Some(user)))
}

fn aws(secret: &[u8]) -> Option<Identity<'_>> {
    let key = parameter(secret, "credential")?.split(|&byte| byte == b'/').next()?;
    Some((Cow::Borrowed(key), Some(lossy(key))))
}

/// The value of a parameter of Authorization (RFC 9110, section 11.2), without its quotes.
fn parameter<'a>(parameters: &'a [u8], name: &str) -> Option<&'a [u8]> {
    parameters.split(|&byte| byte == b',').find_map(|pair| {
        let (found, value) = split_at_equals(pair.trim_ascii())?;
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        found.trim_ascii().eq_ignore_ascii_case(name.as_bytes()).then_some(value)
    })
}

/// Whether a field or cookie with that name guards against forged requests; it says nothing about who sends them.
fn is_forgery_token(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("csrf") || name.contains("xsrf")
}

fn split_at_equals(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = pair.iter().position(|&byte| byte == b'=')?;
    Some((&pair[..equals], &pair[equals + 1..]))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
