//! The header of a script: `//!` lines at its top, which are data.

use std::fmt;

use rhai::{Dynamic, Map};

use super::permission::{Permission, UnknownPermission};
use crate::nearest::suggestion;
use crate::record::Duration;

/// What a script says of itself, read without running it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Header {
    /// Its description; the first line is the title.
    pub doc: String,
    /// Its parameters, in the order in which they are declared.
    pub params: Vec<Param>,
    /// What the command behind its options is for, if it takes one: `@command   the command to watch`.
    pub command: Option<String>,
    /// The permissions that it needs.
    pub needs: Vec<Need>,
    /// The environment variables that it reads.
    pub environment: Vec<Variable>,
    /// How it is called.
    pub examples: Vec<String>,
}

/// An environment variable: `@env PORT   port to listen on`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it means.
    pub doc: String,
}

/// A permission: `@needs capture`, `@needs act if stop`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What has to be granted.
    pub permission: Permission,
    /// The parameter that has to be true for it to be needed; always, if there is none.
    pub only_if: Option<String>,
}

/// A parameter: `@param port: int = 80   TCP port of the service`.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// Its name, as in `args.port` and `--port`.
    pub name: String,
    /// What it takes.
    pub ty: ParamType,
    /// What it is when it is not given; a parameter without one has to be given.
    pub default: Option<ParamValue>,
    /// What it means.
    pub doc: String,
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamType {
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// `true` or `false`; `--name` alone means true.
    Bool,
    /// A text.
    String,
    /// A span of time: `10s`, `1.5ms`.
    Duration,
    /// Texts, separated by commas.
    List,
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum ParamValue {
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// A text.
    String(String),
    /// A span of time.
    Duration(Duration),
    /// Texts.
    List(Vec<String>),
}

/// What is wrong with a header or with the arguments for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HeaderError {
    /// What is wrong.
    pub message: String,
    /// The line of the script, from 1, if it is the header that is wrong.
    pub line: Option<usize>,
}

impl ParamType {
    const ALL: [(&'static str, Self); 6] = [
        ("int", Self::Int),
        ("float", Self::Float),
        ("bool", Self::Bool),
        ("string", Self::String),
        ("duration", Self::Duration),
        ("list", Self::List),
    ];

    /// Reads a value of this type.
    fn parse(self, text: &str) -> Option<ParamValue> {
        Some(match self {
            Self::Int => ParamValue::Int(text.parse().ok()?),
            Self::Float => ParamValue::Float(text.parse().ok()?),
            Self::Bool => ParamValue::Bool(text.parse().ok()?),
            Self::String => ParamValue::String(text.to_owned()),
            Self::Duration => ParamValue::Duration(text.parse().ok()?),
            Self::List if text.is_empty() => ParamValue::List(Vec::new()),
            Self::List => ParamValue::List(text.split(',').map(|item| item.trim().to_owned()).collect()),
        })
    }
}

impl fmt::Display for ParamType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(_, ty)| ty == self).map_or("", |(name, _)| name))
    }
}

impl fmt::Display for ParamValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(x) => x.fmt(f),
            Self::Float(x) => x.fmt(f),
            Self::Bool(x) => x.fmt(f),
            Self::String(x) => write!(f, "{x:?}"),
            Self::Duration(x) => x.fmt(f),
            Self::List(x) => write!(f, "{:?}", x.join(",")),
        }
    }
}

impl From<ParamValue> for Dynamic {
    fn from(value: ParamValue) -> Self {
        match value {
            ParamValue::Int(x) => x.into(),
            ParamValue::Float(x) => x.into(),
            ParamValue::Bool(x) => x.into(),
            ParamValue::String(x) => x.into(),
            ParamValue::Duration(x) => Self::from(x),
            ParamValue::List(x) => x.into_iter().map(Self::from).collect::<rhai::Array>().into(),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.only_if {
            None => self.permission.fmt(f),
            Some(param) => write!(f, "{} with --{param}", self.permission),
        }
    }
}

/// What a script sees its command as: `args.command`.
const COMMAND: &str = "command";

impl Header {
    /// Reads the header of a script.
    ///
    /// # Errors
    ///
    /// A tag that does not exist or is not well formed, with its line.
    pub fn parse(script: &str) -> Result<Self, HeaderError> {
        let mut header = Self::default();
        let mut doc: Vec<&str> = Vec::new();
        let lines = script.lines().enumerate().skip_while(|(i, line)| *i == 0 && line.starts_with("#!"));
        for (i, line) in lines.map_while(|(i, line)| Some((i, line.trim_start().strip_prefix("//!")?))) {
            let text = line.strip_prefix(' ').unwrap_or(line).trim_end();
            let Some(tag) = text.strip_prefix('@') else {
                doc.push(text);
                continue;
            };
            let (tag, rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
            let fail = |message: String| HeaderError { message, line: Some(i + 1) };
            match tag {
                "param" => {
                    let param = Param::parse(rest.trim()).map_err(fail)?;
                    if header.params.iter().any(|p| p.name == param.name) {
                        return Err(fail(format!("the parameter `{}` is declared twice", param.name)));
                    }
                    header.params.push(param);
                }
                "needs" => {
                    let (names, param) =
                        rest.split_once(" if ").map_or((rest, None), |(names, p)| (names, Some(p.trim())));
                    for name in names.split([',', ' ']).filter(|name| !name.is_empty()) {
                        let permission = name.parse().map_err(|error: UnknownPermission| fail(error.to_string()))?;
                        header.needs.push(Need { permission, only_if: param.map(str::to_owned) });
                    }
                    if let Some(param) = param
                        && !header.params.iter().any(|p| p.name == param && p.ty == ParamType::Bool)
                    {
                        return Err(fail(format!("no parameter `{param}` of type bool is declared above")));
                    }
                }
                "command" if header.command.is_some() => return Err(fail("`@command` is declared twice".to_owned())),
                "command" => header.command = Some(rest.trim().to_owned()),
                "env" => header.environment.push(Variable::parse(rest.trim()).map_err(fail)?),
                "example" => header.examples.push(rest.trim().to_owned()),
                _ => {
                    let hint = suggestion(tag, ["param", "command", "needs", "env", "example"]);
                    let tags = "@param, @command, @needs, @env and @example";
                    return Err(fail(format!("`@{tag}` is not a tag; there are {tags}{hint}")));
                }
            }
            if header.command.is_some() && header.params.iter().any(|p| p.name == COMMAND) {
                let message = "`args.command` is the command of `@command`; give the parameter another name";
                return Err(fail(message.to_owned()));
            }
        }
        header.doc = doc.join("\n").trim().to_owned();
        Ok(header)
    }

    /// The permissions that it needs when it is called with these arguments.
    pub fn needs(&self, arguments: &Map) -> impl Iterator<Item = Permission> {
        let is_true = |param: &str| arguments.get(param).is_some_and(|value| value.as_bool() == Ok(true));
        let needed = self.needs.iter().filter(move |need| need.only_if.as_deref().is_none_or(is_true));
        needed.map(|need| need.permission)
    }

    /// The first line of the description.
    #[must_use]
    pub fn title(&self) -> &str {
        self.doc.lines().next().unwrap_or("")
    }

    /// The command in what follows `--` on the command line: everything from the first argument on that neither begins
    /// with a dash nor is the value of an option, or behind a further `--`. Empty if there is none.
    #[must_use]
    pub fn command<'a>(&self, arguments: &'a [String]) -> &'a [String] {
        self.split(arguments).1
    }

    /// What a person gave to the script's options: `egress.rules` of `--learn=egress.rules`.
    #[must_use]
    pub fn values(&self, arguments: &[String]) -> Vec<String> {
        let options = self.split(arguments).0;
        let value = |argument: &String| argument.split_once('=').map_or(&**argument, |(_, value)| value).to_owned();
        options.iter().map(value).collect()
    }

    /// The options of the script, and the command.
    fn split<'a>(&self, arguments: &'a [String]) -> (&'a [String], &'a [String]) {
        let mut at = 0;
        while self.command.is_some()
            && let Some(argument) = arguments.get(at)
        {
            let name = argument.strip_prefix("--");
            match name {
                Some("") => return (&arguments[..at], &arguments[at + 1..]),
                None if !argument.starts_with('-') => return arguments.split_at(at),
                _ => {}
            }
            let has_value_behind = name.and_then(|name| self.param(name)).is_some_and(|p| p.ty != ParamType::Bool);
            at += 1 + usize::from(has_value_behind);
        }
        (arguments, &[])
    }

    /// The parameter that `--name` gives.
    fn param(&self, name: &str) -> Option<&Param> {
        let name = name.replace('-', "_");
        self.params.iter().find(|p| p.name == name)
    }

    /// Reads `--name=value`, `--name value` and `--name` (for a bool) into the typed map that a script sees as `args`,
    /// and the [command](Self::command), if it takes one, as the array `args.command`.
    ///
    /// # Errors
    ///
    /// An argument that is not declared, a value of the wrong type, one that is missing.
    pub fn arguments(&self, arguments: &[String]) -> Result<Map, HeaderError> {
        let fail = |message: String| HeaderError { message, line: None };
        let unknown = |message: String| match self.command {
            None => fail(message),
            Some(_) => {
                let end = if message.ends_with('?') { "" } else { "." };
                fail(format!("{message}{end} Before a command that begins with a dash write a further --"))
            }
        };
        let mut given = Map::new();
        let (options, command) = self.split(arguments);
        let mut rest = options.iter();
        while let Some(argument) = rest.next() {
            let Some(name) = argument.strip_prefix("--") else {
                return Err(unknown(format!("`{argument}` is not an argument of this script; write --name=value")));
            };
            let (name, value) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
            let Some(param) = self.param(name) else {
                let name = name.replace('-', "_");
                let hint = suggestion(&name, self.params.iter().map(|p| p.name.as_str()));
                return Err(unknown(format!("this script has no parameter `{name}`{hint}")));
            };
            let name = &param.name;
            let value = match (value, param.ty) {
                (Some(value), _) => value,
                (None, ParamType::Bool) => "true",
                (None, _) => rest.next().ok_or_else(|| fail(format!("--{name} needs a value of type {}", param.ty)))?,
            };
            let parsed = param.ty.parse(value);
            let parsed = parsed.ok_or_else(|| fail(format!("--{name}: `{value}` is not of type {}", param.ty)))?;
            given.insert(param.name.as_str().into(), parsed.into());
        }
        for param in &self.params {
            if !given.contains_key(param.name.as_str()) {
                let default = param.default.clone();
                let default = default.ok_or_else(|| fail(format!("--{} is needed: {}", param.name, param.doc)))?;
                given.insert(param.name.as_str().into(), default.into());
            }
        }
        if self.command.is_some() {
            let command: rhai::Array = command.iter().map(|argument| argument.clone().into()).collect();
            given.insert(COMMAND.into(), command.into());
        }
        Ok(given)
    }
}

impl Variable {
    /// Reads what stands after `@env`: `NAME [documentation]`.
    fn parse(text: &str) -> Result<Self, String> {
        let (name, doc) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            return Err(format!("`{name}` is not the name of a variable; write `@env NAME   what it means`"));
        }
        Ok(Self { name: name.to_owned(), doc: doc.trim().to_owned() })
    }
}

impl Param {
    /// Reads what stands after `@param`: `name: type [= default] [documentation]`.
    fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "write `@param name: type = default   what it means`";
        let (name, rest) = text.split_once(':').ok_or_else(|| format!("this parameter has no type; {FORM}"))?;
        let name = name.trim();
        let is_name = |name: &str| name.starts_with(|c: char| c.is_ascii_lowercase());
        if !is_name(name) || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!("`{name}` is not a name for a parameter; {FORM}"));
        }
        let rest = rest.trim_start();
        let type_end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
        let (type_name, rest) = rest.split_at(type_end);
        let known = ParamType::ALL.iter().find(|(name, _)| *name == type_name);
        let Some(&(_, ty)) = known else {
            let hint = suggestion(type_name, ParamType::ALL.map(|(name, _)| name));
            return Err(format!(
                "`{type_name}` is not a type; there are int, float, bool, string, duration, list{hint}"
            ));
        };
        let (default, doc) = match rest.trim_start().strip_prefix('=') {
            None => (None, rest),
            Some(rest) => {
                let (value, doc) = Self::default_value(rest.trim_start())?;
                let parsed = ty.parse(&value);
                (Some(parsed.ok_or_else(|| format!("the default `{value}` of `{name}` is not of type {ty}"))?), doc)
            }
        };
        Ok(Self { name: name.to_owned(), ty, default, doc: doc.trim().to_owned() })
    }

    /// Splits a default value, quoted or one word, from the documentation behind it.
    fn default_value(text: &str) -> Result<(String, &str), String> {
        if let Some(quoted) = text.strip_prefix('"') {
            let (value, doc) = quoted.split_once('"').ok_or("the quotation mark of this default is not closed")?;
            return Ok((value.to_owned(), doc));
        }
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        Ok((text[..end].to_owned(), &text[end..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = r#"#!/usr/bin/env netscript
//! Who is it?
//!
//! Looks for them.
//!
//! @param port: int = 80            TCP port of the service
//! @param path: string = "/api v1"  only paths that start with this
//! @param wait: duration = 1.5s     how long
//! @param who: string               whom to look for
//! @param quiet: bool = false
//! @needs capture, write
//! @needs act if quiet
//! @env WHO_PORT   port to look at
//! @example netscript run who -r x.pcap -- --who=me
let x = 1;
//! not a header any more
"#;

    #[test]
    fn a_header_is_read_without_running_the_script() {
        let header = Header::parse(SCRIPT).unwrap();
        assert_eq!(header.doc, "Who is it?\n\nLooks for them.");
        assert_eq!(header.title(), "Who is it?");
        let needs: Vec<_> = header.needs.iter().map(ToString::to_string).collect();
        assert_eq!(needs, ["capture", "write", "act with --quiet"]);
        assert_eq!(header.examples, ["netscript run who -r x.pcap -- --who=me"]);
        let variable = Variable { name: "WHO_PORT".into(), doc: "port to look at".into() };
        assert_eq!(header.environment, [variable]);
        assert_eq!(header.params.len(), 5);
        assert_eq!(header.params[1].default, Some(ParamValue::String("/api v1".into())));
        assert_eq!(header.params[1].doc, "only paths that start with this");
        assert_eq!(header.params[3].default, None);
    }

    #[test]
    fn arguments_are_typed_and_checked() {
        let header = Header::parse(SCRIPT).unwrap();
        let arguments = |texts: &[&str]| header.arguments(&texts.iter().map(ToString::to_string).collect::<Vec<_>>());
        let args = arguments(&["--who", "me", "--port=8000", "--quiet"]).unwrap();
        assert_eq!(args["port"].as_int(), Ok(8000));
        assert_eq!(args["quiet"].as_bool(), Ok(true));
        assert_eq!(args["path"].clone().into_string().unwrap(), "/api v1");
        for (texts, message) in [
            (&["--port=http", "--who=me"][..], "--port: `http` is not of type int"),
            (&["--prot=80"], "this script has no parameter `prot`; did you mean `port`?"),
            (&["--port"], "--port needs a value of type int"),
            (&[], "--who is needed: whom to look for"),
            (&["80"], "`80` is not an argument of this script; write --name=value"),
        ] {
            assert_eq!(arguments(texts).unwrap_err().message, message);
        }
    }

    #[test]
    fn a_command_begins_where_the_options_end_and_is_left_as_it_is() {
        let script =
            "//! Watch.\n//! @param port: int = 80\n//! @param all: bool = false\n//! @command  what to watch\n";
        let header = Header::parse(script).unwrap();
        assert_eq!(header.command.as_deref(), Some("what to watch"));
        for (given, port, all, command) in [
            (&[][..], 80, false, &[][..]),
            (&["make", "-j4", "--port=1", "--", "all"], 80, false, &["make", "-j4", "--port=1", "--", "all"]),
            (&["--port", "8000", "make", "build"], 8000, false, &["make", "build"]),
            (&["--all", "make"], 80, true, &["make"]),
            (&["--port=8000", "--", "--odd", "--all"], 8000, false, &["--odd", "--all"]),
            (&["--all", "--"], 80, true, &[]),
            (&["", "x"], 80, false, &["", "x"]),
        ] {
            let given: Vec<_> = given.iter().map(ToString::to_string).collect();
            assert_eq!(header.command(&given), command, "{given:?}");
            let args = header.arguments(&given).unwrap();
            assert_eq!((args["port"].as_int(), args["all"].as_bool()), (Ok(port), Ok(all)), "{given:?}");
            let seen: Vec<String> = args["command"].clone().into_typed_array().unwrap();
            assert_eq!(seen, command, "{given:?}");
        }
        for (given, message) in [
            (
                &["--prot=1", "make"][..],
                "this script has no parameter `prot`; did you mean `port`? Before a command that begins with a dash write \
                 a further --",
            ),
            (
                &["--frobnicate", "make"],
                "this script has no parameter `frobnicate`. Before a command that begins with a dash write a further --",
            ),
            (
                &["-j4", "make"],
                "`-j4` is not an argument of this script; write --name=value. Before a command that begins with a dash \
                 write a further --",
            ),
            (&["--port", "make"], "--port: `make` is not of type int"),
            (&["--port"], "--port needs a value of type int"),
        ] {
            let given: Vec<_> = given.iter().map(ToString::to_string).collect();
            assert_eq!(header.arguments(&given).unwrap_err().message, message);
        }
    }

    #[test]
    fn a_script_without_the_tag_takes_no_command() {
        let header = Header::parse(SCRIPT).unwrap();
        for (given, message) in [
            (&["--who=me", "make"][..], "`make` is not an argument of this script; write --name=value"),
            (&["--who=me", "--", "make"], "this script has no parameter ``"),
        ] {
            let given: Vec<_> = given.iter().map(ToString::to_string).collect();
            assert_eq!(header.arguments(&given).unwrap_err().message, message);
            assert!(header.command(&given).is_empty());
        }
    }

    #[test]
    fn a_permission_may_be_needed_only_with_an_argument() {
        let header = Header::parse(SCRIPT).unwrap();
        let needs = |argument: &str| {
            let args = header.arguments(&["--who=me".to_owned(), argument.to_owned()]).unwrap();
            header.needs(&args).collect::<Vec<_>>()
        };
        assert_eq!(needs("--quiet=false"), [Permission::Capture, Permission::Write]);
        assert_eq!(needs("--quiet"), [Permission::Capture, Permission::Write, Permission::Act]);
    }

    #[test]
    fn mistakes_in_a_header_name_their_line() {
        for (header, message) in [
            (
                "//! x\n//! @parm a: int",
                "`@parm` is not a tag; there are @param, @command, @needs, @env and @example; did you mean `param`?",
            ),
            ("//! @command x\n//! @command y", "`@command` is declared twice"),
            (
                "//! @command x\n//! @param command: int",
                "`args.command` is the command of `@command`; give the parameter another name",
            ),
            ("//! x\n//! @param a", "this parameter has no type; write `@param name: type = default   what it means`"),
            (
                "//! x\n//! @param a: in",
                "`in` is not a type; there are int, float, bool, string, duration, list; did you mean `int`?",
            ),
            ("//! x\n//! @param a: int = x", "the default `x` of `a` is not of type int"),
            ("//! x\n//! @env A=B", "`A=B` is not the name of a variable; write `@env NAME   what it means`"),
            ("//! x\n//! @needs act if stop", "no parameter `stop` of type bool is declared above"),
            (
                "//! x\n//! @needs root",
                "`root` is not a permission; there are capture, probe, host, exec, act, serve and write",
            ),
        ] {
            let error = Header::parse(header).unwrap_err();
            assert_eq!((error.message.as_str(), error.line), (message, Some(2)));
        }
    }
}
