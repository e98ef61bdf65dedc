//! What single settings may be.

use std::time::Duration;

use serde_json::Value;

/// A text as it may be shown: on one line, and not all of it if it is long.
pub(super) fn escaped(text: &str) -> String {
    const LONGEST: usize = 64;
    match text.char_indices().nth(LONGEST) {
        _ if text.is_empty() => "\"\"".to_owned(),
        None => text.escape_debug().to_string(),
        Some((end, _)) => format!("{}…", text[..end].escape_debug()),
    }
}

/// A value as it may be shown.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("\"{}\"", escaped(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
    }
}

/// A port in digits.
pub(super) fn port(text: &str) -> Result<u16, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|&port: &u16| is_number && port > 0);
    port.ok_or_else(|| format!("{} is no port; ports are 1 to 65535", escaped(text)))
}

/// A port, as a number or in digits.
pub(super) fn port_of(value: &Value) -> Result<u16, String> {
    match value {
        Value::String(text) => port(text),
        Value::Number(number) => port(&number.to_string()),
        other => Err(format!("{} is no port; ports are 1 to 65535", shown(other))),
    }
}

/// Yes or no.
pub(super) fn flag(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("{} is neither true nor false", shown(value)))
}

/// A whole number within bounds.
pub(super) fn count(value: &Value, least: u32, most: u32) -> Result<u32, String> {
    let count = value.as_u64().and_then(|count| u32::try_from(count).ok());
    let within = count.filter(|count| (least..=most).contains(count));
    within.ok_or_else(|| format!("{} is no whole number from {least} to {most}", shown(value)))
}

/// A part of the whole in hundredths: `0.5` or `"50%"`.
pub(super) fn part(value: &Value, least: u32, most: u32) -> Result<u32, String> {
    let hundredths = match value {
        Value::String(text) => text.trim().strip_suffix('%').and_then(|percent| percent.trim().parse::<f64>().ok()),
        other => other.as_f64().map(|part| part * 100.0),
    };
    let within = hundredths.map(f64::round).filter(|part| (f64::from(least)..=f64::from(most)).contains(part));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 100")]
    within.map(|part| part as u32).ok_or_else(|| format!("{} is not from {least}% to {most}%", shown(value)))
}

/// How long things may take.
pub(super) const SPAN: (Duration, Duration, &str) =
    (Duration::from_millis(1), Duration::from_secs(30 * 86_400), "1ms to 30d");

/// A span of time within bounds: `"2s"`, or a number of seconds.
pub(super) fn span(value: &Value, bounds: (Duration, Duration, &str)) -> Result<Duration, String> {
    let (least, most, words) = bounds;
    let outside = || format!("{} is not within {words}", shown(value));
    let span = match value {
        Value::String(text) => {
            let form = |_| format!("{} is no duration; write a number and a unit, such as \"2s\"", shown(value));
            let nanos = text.parse::<crate::record::Duration>().map_err(form)?.as_nanos();
            Duration::from_nanos(nanos.try_into().map_err(|_| outside())?)
        }
        Value::Number(number) => {
            let seconds = number.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            seconds.ok_or_else(outside)?
        }
        other => return Err(format!("{} is no duration; write \"2s\", or a number of seconds", shown(other))),
    };
    if (least..=most).contains(&span) { Ok(span) } else { Err(outside()) }
}

/// One of several words, however they are written: `RoundRobin` is `round-robin`.
pub(super) fn word<T: Copy>(value: &Value, words: &[(&str, T)]) -> Result<T, String> {
    let text = value.as_str().map(plain);
    let found = text.and_then(|text| words.iter().find(|(word, _)| plain(word) == text));
    let names = || words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    found.map(|(_, word)| *word).ok_or_else(|| format!("{} is none of {}", shown(value), names()))
}

/// A word without what people write differently.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}
