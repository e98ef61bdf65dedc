//! Holds the source to ARCHITECTURE.md: who may import whom, and files that can be read at a sitting.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// What each folder may import of the others. Whoever is not in here may import nothing.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("record", &[]),
    ("clock", &["record"]),
    ("limits", &["record"]),
    ("packet", &["limits", "record"]),
    ("flow", &["limits", "packet", "record"]),
    ("protocol", &["flow", "limits", "packet", "record"]),
    ("capture", &["clock", "flow", "host", "limits", "packet", "record"]),
    ("host", &["clock", "flow", "limits", "nearest", "record"]),
    ("trace", &["clock", "host", "limits", "mailbox", "nearest", "record"]),
    ("egress", &["capture", "clock", "flow", "host", "limits", "nearest", "packet", "protocol", "record"]),
    ("proxy", &["clock", "host", "limits", "mailbox", "nearest", "record", "trace", "web"]),
    ("report", &["limits", "record"]),
    ("status", &["clock", "record", "report", "trace", "web"]),
    ("web", &[]),
    (
        "script",
        &[
            "capture", "clock", "egress", "flow", "host", "limits", "mailbox", "nearest", "packet", "protocol",
            "proxy", "record", "report", "status", "trace", "web",
        ],
    ),
    ("repl", &["capture", "limits", "record", "report", "script"]),
    ("cli", &["capture", "host", "limits", "proxy", "record", "repl", "report", "script"]),
];

/// Folders that know bytes, packets and times, and nothing of the world: what they say depends on what they are given.
const PURE: &[&str] =
    &["record", "limits", "nearest", "packet", "flow", "protocol", "egress::policy", "proxy::balance", "proxy::config"];

/// The operating system, clocks, threads; libraries of them; Rhai.
const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "aya",
    "bollard",
    "clap",
    "libc",
    "pcap",
    "rhai",
    "rustix",
    "rustyline",
    "signal_hook",
    "tempfile",
    "tokio",
];

/// Who may know a library of which others must not depend.
const AT_HOME: &[(&str, &[&str])] = &[
    ("rhai", &["script"]),
    ("pcap", &["capture"]),
    ("aya", &["egress", "host", "proxy"]),
    ("bollard", &["host"]),
    ("futures_core", &["host"]),
    ("hyper", &["host", "web"]),
    ("hyper_util", &["host", "web"]),
    ("clap", &["cli"]),
    ("ipnetwork", &["egress"]),
    ("rustyline", &["repl"]),
    ("signal_hook", &["cli", "repl"]),
];

/// Lines of a file, at most. A longer one is two things.
const LONGEST: usize = 600;

#[test]
fn folders_import_only_what_they_may() {
    let mut wrong = Vec::new();
    for import in IMPORTS.iter() {
        if let Some(folder) = import.folder() {
            let known = MAY_IMPORT.iter().find(|(name, _)| *name == import.from);
            if folder != import.from && !known.is_some_and(|(_, may)| may.contains(&folder)) {
                wrong.push(import.to_string());
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn folders_do_not_import_each_other_in_circles() {
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for import in IMPORTS.iter() {
        if let Some(folder) = import.folder().filter(|folder| *folder != import.from) {
            graph.entry(import.from.clone()).or_default().insert(folder.to_owned());
        }
    }
    // Whoever imports nothing that is left can be taken away; a circle stays.
    loop {
        let before = graph.len();
        let left: Vec<String> = graph.keys().cloned().collect();
        graph.retain(|_, imported| imported.iter().any(|folder| left.contains(folder)));
        if graph.len() == before {
            break;
        }
    }
    assert!(graph.is_empty(), "{graph:?}");
}

#[test]
fn pure_folders_know_no_operating_system_no_clock_no_thread_and_no_rhai() {
    let is_below = |path: &str, name: &str| path == name || path.starts_with(&format!("{name}::"));
    let is_pure = |module: &str| PURE.iter().any(|name| is_below(module, name));
    let is_impure = |import: &&Import| {
        let path = import.path.join("::");
        // What is pure knows nothing of this crate that is not.
        let is_of_others = path.strip_prefix("crate::").is_some_and(|module| !is_pure(module));
        is_pure(&import.module.join("::")) && (is_of_others || IMPURE.iter().any(|name| is_below(&path, name)))
    };
    let wrong: Vec<_> = IMPORTS.iter().filter(is_impure).map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn libraries_stay_where_they_are_at_home() {
    let is_away = |import: &&Import| {
        AT_HOME.iter().any(|(library, folders)| import.path[0] == *library && !folders.contains(&import.from.as_str()))
    };
    let wrong: Vec<_> = IMPORTS.iter().filter(is_away).map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_file_is_too_long() {
    let lines = |path: &Path| std::fs::read_to_string(path).unwrap().lines().count();
    let long: Vec<_> = files().into_iter().filter(|path| lines(path) > LONGEST).collect();
    assert!(long.is_empty(), "longer than {LONGEST} lines: {long:?}");
}

#[test]
fn the_reader_of_this_test_sees_every_way_to_name_a_module() {
    let source = r##"
        use std::{fs::{self, File}, io};
        use super::{table::Table, super::limits as l};
        // use crate::comment::X;
        fn f<'a>(x: &'a str) -> crate::record::Time { "crate::text::X"; r#"crate::raw::X"#; '"'; b'\''; x.len(); self::g() }
        /* crate::block::X /* crate::nested::X */ crate::outer::X */
        #[cfg(test)]
        mod tests { use crate::tested::X; mod inner { use crate::tested::Y; } }
        #[cfg(test)]
        use crate::tested::Z;
        macro_rules! m { () => { $crate::packet::Frame } }
        const X: u8 = <u8 as crate::cli::T>::X;
    "##;
    let module = ["flow".to_owned(), "table".to_owned()];
    let found: Vec<String> = paths(source, &module).into_iter().map(|(_, path)| path.join("::")).collect();
    let expected = [
        "std::fs",
        "std::fs::File",
        "std::io",
        "crate::flow::table::Table",
        "crate::limits",
        "crate::record::Time",
        "crate::flow::table::g",
        "crate::packet::Frame",
        "crate::cli::T",
    ];
    assert_eq!(found, expected);
}

/// A path that a file names.
struct Import {
    file: PathBuf,
    line: usize,
    /// The folder that the file is in.
    from: String,
    /// The module that it holds.
    module: Vec<String>,
    path: Vec<String>,
}

impl Import {
    /// The folder of this crate that the path goes to.
    fn folder(&self) -> Option<&str> {
        match self.path.as_slice() {
            [root, folder, ..] if root == "crate" => Some(folder),
            _ => None,
        }
    }
}

impl std::fmt::Display for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {} names {}", self.file.display(), self.line, self.from, self.path.join("::"))
    }
}

/// Every path in src, tests left out.
static IMPORTS: LazyLock<Vec<Import>> = LazyLock::new(imports);

fn imports() -> Vec<Import> {
    let mut imports = Vec::new();
    let tested = test_modules();
    for file in files() {
        let module = module_of(&file);
        let Some(from) = module.first().cloned() else { continue };
        if tested.iter().any(|test| module.starts_with(test)) {
            continue;
        }
        for (line, path) in paths(&std::fs::read_to_string(&file).unwrap(), &module) {
            imports.push(Import { file: file.clone(), line, from: from.clone(), module: module.clone(), path });
        }
    }
    assert!(imports.len() > 500, "the source has more imports than {}", imports.len());
    imports
}

/// The Rust files of src.
fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The module that a file holds; none for the roots of the library and of the binary.
fn module_of(file: &Path) -> Vec<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let path = file.strip_prefix(source).unwrap().with_extension("");
    let names = path.iter().map(|name| name.to_str().unwrap().to_owned());
    names.filter(|name| !["mod", "lib", "main"].contains(&name.as_str())).collect()
}

/// Modules in files of their own that exist for tests only.
fn test_modules() -> Vec<Vec<String>> {
    let mut modules = Vec::new();
    for file in files() {
        let source = std::fs::read_to_string(&file).unwrap();
        let tokens = tokens(&source);
        let words: Vec<&str> = tokens.iter().map(|token| token.text).collect();
        for (at, window) in words.windows(CFG_TEST.len() + 3).enumerate() {
            if window.starts_with(CFG_TEST) && window[CFG_TEST.len()] == "mod" && window[CFG_TEST.len() + 2] == ";" {
                let name = words[at + CFG_TEST.len() + 1].to_owned();
                modules.push([module_of(&file), vec![name]].concat());
            }
        }
    }
    modules
}

const CFG_TEST: &[&str] = &["#", "[", "cfg", "(", "test", ")", "]"];

struct Token<'a> {
    text: &'a str,
    line: usize,
}

/// The words and signs of a source, without comments and literals.
fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while !rest.is_empty() {
        let (length, is_token) = piece(rest);
        if is_token {
            tokens.push(Token { text: &rest[..length], line });
        }
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// The length of what a source begins with, and whether it is a word or sign.
fn piece(source: &str) -> (usize, bool) {
    let until = |end: &str, from: usize| source[from..].find(end).map_or(source.len(), |at| from + at + end.len());
    let raw = source.trim_start_matches('b').strip_prefix('r').map(|raw| (raw, raw.trim_start_matches('#')));
    match source {
        _ if source.starts_with("//") => (source.find('\n').unwrap_or(source.len()), false),
        _ if source.starts_with("/*") => (comment_length(source), false),
        _ if raw.is_some_and(|(_, text)| text.starts_with('"')) => {
            let (raw, text) = raw.unwrap();
            let end = format!("\"{}", "#".repeat(raw.len() - text.len()));
            (until(&end, source.len() - text.len() + 1), false)
        }
        _ if source.starts_with('"') || source.starts_with("b\"") => (quoted_length(source, b'"'), false),
        _ if source.starts_with("b'") => (quoted_length(source, b'\''), false),
        _ if source.starts_with('\'') => {
            let mut characters = source[1..].chars();
            let is_character = characters.next() == Some('\\') || characters.next() == Some('\'');
            (if is_character { quoted_length(source, b'\'') } else { 1 + word_length(&source[1..]) }, false)
        }
        _ if is_word(source) => (word_length(source), true),
        _ if source.starts_with("::") => (2, true),
        _ => (source.chars().next().map_or(0, char::len_utf8), !source.starts_with(char::is_whitespace)),
    }
}

fn word_length(source: &str) -> usize {
    source.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(source.len())
}

/// The length of a literal between quotes, escapes minded.
fn quoted_length(source: &str, quote: u8) -> usize {
    let bytes = source.as_bytes();
    let mut at = bytes.iter().position(|&byte| byte == quote).unwrap() + 1;
    while bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of a comment that may have others inside.
fn comment_length(source: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    loop {
        match &source[at..] {
            rest if rest.starts_with("/*") => (depth, at) = (depth + 1, at + 2),
            rest if rest.starts_with("*/") => (depth, at) = (depth - 1, at + 2),
            rest => at += rest.chars().next().expect("the comment ends").len_utf8(),
        }
        if depth == 0 {
            return at;
        }
    }
}

/// The paths in a source with their lines: of `use` declarations and elsewhere, those of this crate from its root on.
fn paths(source: &str, module: &[String]) -> Vec<(usize, Vec<String>)> {
    let tokens = tokens(source);
    let words: Vec<&str> = tokens.iter().map(|token| token.text).collect();
    let mut paths = Vec::new();
    let mut at = 0;
    while at < words.len() {
        if words[at..].starts_with(CFG_TEST) {
            at = behind_item(&words, at + CFG_TEST.len());
        } else if is_word(words[at]) && words.get(at + 1) == Some(&"::") {
            let mut found = Vec::new();
            let end = path(&words, at, &mut Vec::new(), &mut found);
            paths.extend(found.into_iter().map(|path| (tokens[at].line, resolved(path, module))));
            at = end.max(at + 1);
        } else {
            at += 1;
        }
    }
    paths
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

/// Reads a path with its groups, and gives where it ends.
fn path(words: &[&str], mut at: usize, beginning: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    let length = beginning.len();
    loop {
        match words.get(at) {
            Some(&"{") => {
                at += 1;
                while words.get(at).is_some_and(|word| *word != "}") {
                    at = path(words, at, beginning, found);
                    // A name for it, and the comma.
                    while words.get(at).is_some_and(|word| *word != "," && *word != "}") {
                        at += 1;
                    }
                    at += usize::from(words.get(at) == Some(&","));
                }
                at += 1;
                break;
            }
            Some(word) if is_word(word) => {
                beginning.push((*word).to_owned());
                at += 1;
                if words.get(at) == Some(&"::") && words.get(at + 1).is_some_and(|next| is_word(next) || *next == "{") {
                    at += 1;
                    continue;
                }
                found.push(beginning.clone());
                break;
            }
            _ => break,
        }
    }
    beginning.truncate(length);
    at
}

/// A path from the root of the crate, where it is one of this crate; `self` at its end means the module itself.
fn resolved(mut path: Vec<String>, module: &[String]) -> Vec<String> {
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let ups = path.iter().take_while(|name| *name == "super" || *name == "self").count();
    if ups == 0 {
        return path;
    }
    // `super` may come behind other names in a group.
    let levels = path.iter().filter(|name| *name == "super").count();
    let kept = module.len().saturating_sub(levels);
    let rest = path.into_iter().filter(|name| name != "super" && name != "self");
    std::iter::once("crate".to_owned()).chain(module[..kept].iter().cloned()).chain(rest).collect()
}

/// The place behind the item that begins here: behind its braces, or its semicolon.
fn behind_item(words: &[&str], mut at: usize) -> usize {
    let mut depth = 0;
    while at < words.len() {
        match words[at] {
            ";" if depth == 0 => return at + 1,
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    at
}
