//! Apps as scripts and files tell them.

use std::collections::HashMap;

use rhai::{Array, Dynamic, EvalAltResult, FnPtr, Map};
use serde_json::Value;

use super::super::super::context::Context;
use super::super::super::error::{ErrorKind, thrown};
use super::super::super::permission::Permission;
use super::super::super::value::{from_dynamic, to_dynamic};
use super::super::place::text;
use super::super::policy::read;
use crate::proxy::config::{self, App, Balance};
use crate::record;

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// What a proxy is told to do.
pub(super) struct Told {
    pub(super) apps: Vec<App>,
    /// As they were told, with their settings in lower case.
    pub(super) maps: Array,
    /// The closures that choose among the targets of apps, by the names of these.
    pub(super) picks: HashMap<String, FnPtr>,
    /// The file that they are from.
    pub(super) file: Option<String>,
}

impl Told {
    /// Reads what a function was given: apps, or the path of a file with them.
    pub(super) fn read(context: &Context, function: &str, given: &Dynamic) -> Result<Self> {
        if let Some(path) = text(given) {
            return Self::of_file(context, function, &path);
        }
        if !given.is_array() && !given.is_map() {
            let message =
                format!("{function} takes apps, an array of maps or the path of a file, and was given {given}");
            return Err(thrown(ErrorKind::Usage, message));
        }
        Self::of_value(lowered(given.clone()), None)
    }

    /// Reads a file.
    pub(super) fn of_file(context: &Context, function: &str, path: &str) -> Result<Self> {
        context.require(Permission::Capture, &format!("{function} with the file {path}"))?;
        let most = context.options.limits.config_bytes;
        let bytes = read(path, most)?;
        if bytes.len() > most {
            return Err(thrown(ErrorKind::Input, format!("{path} is longer than {most} bytes")));
        }
        let value: Value =
            serde_json::from_slice(&bytes).map_err(|error| thrown(ErrorKind::Input, format!("{path}: {error}")))?;
        Self::of_value(lowered(to_dynamic(value.into())), Some(path.to_owned()))
    }

    fn of_value(value: Dynamic, file: Option<String>) -> Result<Self> {
        let mut picks = Vec::new();
        let maps = maps(&value);
        let mut json = json(&value);
        let items = match &mut json {
            Value::Object(map) => map.get_mut("apps"),
            other => Some(other),
        };
        for (place, item) in items.and_then(Value::as_array_mut).into_iter().flatten().enumerate() {
            picks.push(take_pick(place, item, maps.get(place))?);
        }
        let mut apps = config::apps(&json).map_err(|error| {
            let of = file.as_ref().map_or_else(String::new, |path| format!("{path}: "));
            let lines = error.to_string().lines().map(|line| format!("{of}{line}")).collect::<Vec<_>>();
            thrown(ErrorKind::Usage, lines.join("\n"))
        })?;
        let mut by_name = HashMap::new();
        for (app, pick) in apps.iter_mut().zip(picks) {
            if let Some(pick) = pick {
                app.balance = Balance::Script;
                by_name.insert(app.name.clone(), pick);
            }
        }
        Ok(Self { apps, maps, picks: by_name, file })
    }
}

/// The maps of the apps.
fn maps(value: &Dynamic) -> Array {
    match value.read_lock::<Map>() {
        Some(map) => map.get("apps").and_then(|apps| apps.clone().into_array().ok()).unwrap_or_default(),
        None => value.clone().into_array().unwrap_or_default(),
    }
}

/// Takes the closure of an app out of what is read as JSON.
fn take_pick(place: usize, item: &mut Value, map: Option<&Dynamic>) -> Result<Option<FnPtr>> {
    let Value::Object(settings) = item else { return Ok(None) };
    let name = settings.get("name").and_then(Value::as_str);
    let app = name.map_or_else(|| format!("app {}", place + 1), |name| format!("app \"{}\"", name.escape_debug()));
    let wrong = |why: &str| Err(thrown(ErrorKind::Usage, format!("{app}: pick: {why}")));
    if settings.remove("pick").is_none() {
        return Ok(None);
    }
    let given = map.and_then(|map| map.read_lock::<Map>()?.get("pick").cloned()).unwrap_or_default();
    match given.try_cast_result::<FnPtr>() {
        Ok(_) if settings.contains_key("balance") => wrong("there is a balance, too, and a closure needs none"),
        Ok(closure) => Ok(Some(closure)),
        Err(other) if other.is_unit() => Ok(None),
        Err(other) => wrong(&format!("{other} is no closure such as |connection, targets| targets[0]")),
    }
}

/// The same with the keys of all maps in lower case: that is how scripts name fields. A key that is there twice then stays
/// as it is, so that this is seen.
fn lowered(value: Dynamic) -> Dynamic {
    if value.is_map() {
        let (mut map, others): (Map, Map) =
            value.cast::<Map>().into_iter().partition(|(key, _)| key.to_lowercase() == key.as_str());
        for (key, value) in others {
            let lower = key.to_lowercase().into();
            map.insert(if map.contains_key(&lower) { key } else { lower }, value);
        }
        return map.into_iter().map(|(key, value)| (key, lowered(value))).collect::<Map>().into();
    }
    match value.try_cast_result::<Array>() {
        Ok(array) => array.into_iter().map(lowered).collect::<Array>().into(),
        Err(other) => other,
    }
}

/// A value of a script as JSON. What JSON does not have is a text.
fn json(value: &Dynamic) -> Value {
    fn of(value: record::Value<'_>) -> Value {
        match value {
            record::Value::List(list) => list.into_iter().map(of).collect(),
            record::Value::Map(map) => map.into_iter().map(|(key, value)| (key.into_owned(), of(value))).collect(),
            plain @ (record::Value::Bool(_) | record::Value::Integer(_) | record::Value::Float(_)) => {
                serde_json::to_value(plain).unwrap_or_default()
            }
            record::Value::None => Value::Null,
            other => Value::String(other.to_string()),
        }
    }
    of(from_dynamic(value))
}
