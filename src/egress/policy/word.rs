//! The words of a rule: plain, or in quotes where a name has blanks or signs of its own; with `*` for any characters.

use std::fmt;

/// A text in which `*` stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Piece {
    Char(char),
    /// Any characters, or none.
    Any,
}

/// A word as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) pattern: Pattern,
    /// In quotes anything goes: it is not looked at for mistakes.
    pub(super) quoted: bool,
}

impl Pattern {
    /// What matches this text alone.
    pub(super) fn literal(text: &str) -> Self {
        Self(text.chars().map(Piece::Char).collect())
    }

    /// A text in which every `*` stands for any characters.
    pub(super) fn wild(text: &str) -> Self {
        text.chars().map(|c| if c == '*' { Piece::Any } else { Piece::Char(c) }).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_any(&self) -> bool {
        self.0 == [Piece::Any]
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// The pattern without signs that mean something: what a person would call it.
    pub(super) fn text(&self) -> String {
        self.0.iter().map(|piece| piece.char()).collect()
    }

    /// In quotes, with whatever means something there escaped.
    pub(super) fn quoted(&self) -> String {
        let mut text = String::from('"');
        for piece in &self.0 {
            match piece {
                Piece::Any => text.push('*'),
                Piece::Char(c @ ('"' | '\\' | '*')) => text.extend(['\\', *c]),
                Piece::Char(c) if *c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric() => text.push(*c),
                Piece::Char(c) => text.extend(c.escape_unicode()),
            }
        }
        text.push('"');
        text
    }

    /// Whether a text is one of those that it stands for.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut from) = (0, 0);
        // Behind the last `*`: where it stands, and how far its characters go so far.
        let mut any = None;
        while from < text.len() {
            match self.0.get(at) {
                Some(Piece::Any) => {
                    any = Some((at, from));
                    at += 1;
                }
                Some(Piece::Char(c)) if *c == text[from] => {
                    at += 1;
                    from += 1;
                }
                _ => {
                    let Some((star, taken)) = any else { return false };
                    any = Some((star, taken + 1));
                    (at, from) = (star + 1, taken + 1);
                }
            }
        }
        self.0[at..].iter().all(|piece| *piece == Piece::Any)
    }
}

impl FromIterator<Piece> for Pattern {
    fn from_iter<T: IntoIterator<Item = Piece>>(pieces: T) -> Self {
        let mut pattern = Self(Vec::new());
        for piece in pieces {
            // Two of them mean no more than one.
            if piece != Piece::Any || pattern.0.last() != Some(&Piece::Any) {
                pattern.0.push(piece);
            }
        }
        pattern
    }
}

impl Piece {
    const fn char(self) -> char {
        match self {
            Self::Char(c) => c,
            Self::Any => '*',
        }
    }

    /// Whether it needs no quotes.
    const fn is_plain(self) -> bool {
        match self {
            Self::Any => true,
            Self::Char(c) => c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '+' | '@'),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_empty() && self.0.iter().all(|piece| piece.is_plain()) {
            f.write_str(&self.text())
        } else {
            f.write_str(&self.quoted())
        }
    }
}

/// The words of a line, without its comment.
pub(super) fn words(line: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let word;
        (word, rest) = if let Some(inside) = rest.strip_prefix('"') { quoted(inside)? } else { plain(rest)? };
        words.push(word);
        rest = rest.trim_start();
    }
    Ok(words)
}

fn plain(text: &str) -> Result<(Word, &str), String> {
    let (word, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    if let Some(sign) = word.chars().find(|c| matches!(c, '"' | '\\')) {
        return Err(format!("`{sign}` stands only in quotes, such as process \"Web Content\""));
    }
    Ok((Word { pattern: Pattern::wild(word), quoted: false }, rest))
}

/// What stands in quotes, of which the first has been read.
fn quoted(text: &str) -> Result<(Word, &str), String> {
    let mut pieces = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        pieces.push(match c {
            '"' => {
                let rest = &text[at + 1..];
                if !(rest.is_empty() || rest.starts_with(char::is_whitespace)) {
                    return Err("behind the closing quote comes a blank".to_owned());
                }
                return Ok((Word { pattern: pieces.into_iter().collect(), quoted: true }, rest));
            }
            '*' => Piece::Any,
            '\\' => {
                let (escaped, length) = escaped(&text[at + 1..])
                    .ok_or(r#"in quotes a `\` comes before `"`, `\`, `*` or `u{…}`, such as `\u{9}`"#)?;
                // The character that is written behind the sign, and what belongs to it.
                chars.nth(length - 1);
                Piece::Char(escaped)
            }
            c => Piece::Char(c),
        });
    }
    Err("a quote is not closed".to_owned())
}

/// The character that is meant behind a `\`, and how many characters say so.
fn escaped(text: &str) -> Option<(char, usize)> {
    let first = text.chars().next()?;
    if matches!(first, '"' | '\\' | '*') {
        return Some((first, 1));
    }
    let (number, _) = text.strip_prefix("u{")?.split_once('}')?;
    let meant = char::from_u32(u32::from_str_radix(number, 16).ok()?)?;
    Some((meant, "u{}".len() + number.len()))
}

/// A word in a message: in full if it is short.
pub(super) fn shown(word: &str) -> String {
    const WIDTH: usize = 60;
    match word.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("`{}…`", &word[..end]),
        None => format!("`{word}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_or_none() {
        for (pattern, text, answer) in [
            ("curl", "curl", true),
            ("curl", "curl2", false),
            ("apt*", "apt", true),
            ("apt*", "apt-get", true),
            ("*apt", "apt-get", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("**", "x", true),
            ("a", "A", false),
        ] {
            assert_eq!(Pattern::wild(pattern).matches(text), answer, "{pattern} {text}");
        }
        assert!(!Pattern::literal("a*").matches("ab"));
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = Pattern::wild(&"a*".repeat(500));
        assert!(!pattern.matches(&format!("{}b", "a".repeat(499))));
    }

    #[test]
    fn quotes_hold_what_a_plain_word_cannot() {
        let read =
            |line: &str| words(line).map(|words| words.iter().map(|word| word.pattern.text()).collect::<Vec<_>>());
        assert_eq!(read(r#"process "Web Content" # tabs"#).unwrap(), ["process", "Web Content"]);
        assert_eq!(read(r#""a\"b\\c\u{9}d" "#).unwrap(), ["a\"b\\c\td"]);
        assert_eq!(words(r#""\**""#).unwrap()[0].pattern.pieces(), [Piece::Char('*'), Piece::Any]);
        assert_eq!(read("a#b #c").unwrap(), ["a#b"]);
        for (line, why) in [
            ("\"a", "a quote is not closed"),
            ("\"a\"b", "behind the closing quote comes a blank"),
            (r#""\x""#, r#"in quotes a `\` comes before `"`, `\`, `*` or `u{…}`, such as `\u{9}`"#),
            (r#""\u{110000}""#, r#"in quotes a `\` comes before `"`, `\`, `*` or `u{…}`, such as `\u{9}`"#),
            ("a\"b", "`\"` stands only in quotes, such as process \"Web Content\""),
        ] {
            assert_eq!(read(line).unwrap_err(), why, "{line}");
        }
    }
}
