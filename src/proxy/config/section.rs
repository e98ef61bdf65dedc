//! Settings under one roof, and what is wrong with them.

use serde_json::{Map, Value};

use super::value::{escaped, plain};
use crate::nearest::suggestion;

/// A map of settings. Whatever was not asked for when it is closed is unknown.
#[derive(Debug)]
pub(super) struct Section<'a> {
    /// What stands before the name of a setting: `app "web": check.`
    place: String,
    settings: Vec<(String, &'a str, &'a Value)>,
    asked: Vec<&'static str>,
    problems: Vec<String>,
}

impl<'a> Section<'a> {
    pub(super) fn new(place: String, map: &'a Map<String, Value>) -> Self {
        let settings = map.iter().map(|(key, value)| (plain(key), key.as_str(), value)).collect();
        Self { place, settings, asked: Vec::new(), problems: Vec::new() }
    }

    /// What a setting is; none if it is not there or nothing.
    pub(super) fn take(&mut self, key: &'static str) -> Option<&'a Value> {
        self.asked.push(key);
        let wanted = plain(key);
        let mut found = self.settings.iter().filter(|(plain, ..)| *plain == wanted).map(|(.., value)| *value);
        let first = found.next();
        if found.next().is_some() {
            self.wrong(key, "is given twice");
        }
        first.filter(|value| !value.is_null())
    }

    /// Whether a setting is there.
    pub(super) fn has(&self, key: &str) -> bool {
        let wanted = plain(key);
        self.settings.iter().any(|(plain, _, value)| *plain == wanted && !value.is_null())
    }

    /// Refuses settings that are there, because of another one.
    pub(super) fn rules_out(&mut self, keys: &[&str], why: &str) {
        for key in keys {
            if self.has(key) {
                self.wrong(key, why);
            }
        }
    }

    /// Reads a setting; none if it is not there, or wrong.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&'a Value) -> Result<T, String>,
    ) -> Option<T> {
        let read = parse(self.take(key)?);
        read.map_err(|why| self.wrong(key, &why)).ok()
    }

    /// Reads a setting into its place, which keeps what it has if the setting is not there.
    pub(super) fn set<T>(
        &mut self,
        key: &'static str,
        place: &mut T,
        parse: impl FnOnce(&'a Value) -> Result<T, String>,
    ) {
        if let Some(value) = self.read(key, parse) {
            *place = value;
        }
    }

    /// Reads settings below a setting.
    pub(super) fn below<T>(
        &mut self,
        key: &'static str,
        map: &'a Map<String, Value>,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let mut section = Self::new(format!("{}{key}.", self.place), map);
        let result = read(&mut section);
        self.problems.extend(section.close());
        result
    }

    pub(super) fn wrong(&mut self, key: &str, why: &str) {
        self.problems.push(format!("{}{key}: {why}", self.place));
    }

    /// Everything that is wrong.
    pub(super) fn close(mut self) -> Vec<String> {
        let known: Vec<String> = self.asked.iter().map(|key| plain(key)).collect();
        for (plain, key, _) in std::mem::take(&mut self.settings) {
            if !known.contains(&plain) {
                let wanted = key.replace('-', "_").to_lowercase();
                let meant = suggestion(&wanted, self.asked.iter().copied());
                self.wrong(&escaped(key), &format!("there is no such setting{meant}"));
            }
        }
        self.problems
    }
}
