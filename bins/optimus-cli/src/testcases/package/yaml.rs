//! Mappings of a package's YAML files. Every key is accounted for: what is not known is refused by name, as the
//! format asks.

use std::path::Path;

use anyhow::Context;
use serde_json::{Map, Value};
use serde_saphyr::Options;

use crate::{
    exit::{Blame, Failure},
    testcases::text,
};

/// A mapping, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// For people, such as `problem.yaml: limits`.
    place: String,
    map: Map<String, Value>,
}

impl Section {
    /// Reads a file, where there is one; `place` is its name for people. An empty one is an empty mapping.
    pub(super) fn read_if_there(path: &Path, place: &str) -> Result<Option<Self>, Failure> {
        text::read_if_there(path)?
            .map(|text| Self::parse(&text, place))
            .transpose()
    }

    pub(super) fn parse(text: &str, place: &str) -> Result<Self, Failure> {
        let nothing_but_comments = text.lines().all(|line| {
            let line = line.trim();
            line.is_empty() || line.starts_with('#') || line == "---"
        });
        let value = if nothing_but_comments {
            Value::Null
        } else {
            serde_saphyr::from_str_with_options(text, options())
                .with_context(|| format!("{place} is not YAML"))
                .usage()?
        };
        Self::new(place.to_owned(), value)
    }

    fn new(place: String, value: Value) -> Result<Self, Failure> {
        match value {
            Value::Object(map) => Ok(Self { place, map }),
            Value::Null => Ok(Self {
                place,
                map: Map::new(),
            }),
            _ => Err(Failure::usage(format!("{place} is no mapping"))),
        }
    }

    pub(super) fn refuse(&self, key: &str, why: &str) -> Failure {
        Failure::usage(format!("{}: {key}: {why}", self.place))
    }

    /// Refuses the first key that is none of these.
    pub(super) fn allow_only(&self, keys: &[&[&str]]) -> Result<(), Failure> {
        let unknown = self
            .map
            .keys()
            .find(|key| !keys.iter().any(|keys| keys.contains(&key.as_str())));
        match unknown {
            Some(key) => Err(self.refuse(key, "this version of the format has no such key")),
            None => Ok(()),
        }
    }

    /// A key without a value is as good as none.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn section(&self, key: &str) -> Result<Self, Failure> {
        let value = self.get(key).cloned().unwrap_or_default();
        Self::new(format!("{}: {key}", self.place), value)
    }

    pub(super) fn sections(&self) -> impl Iterator<Item = Result<(&str, Self), Failure>> {
        self.map.keys().map(|key| Ok((key.as_str(), self.section(key)?)))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.map.keys().map(String::as_str)
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<String>, Failure> {
        self.get(key)
            .map(|value| scalar(value).ok_or_else(|| self.refuse(key, "must be text")))
            .transpose()
    }

    /// Above zero.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, Failure> {
        self.get(key)
            .map(|value| {
                value
                    .as_f64()
                    .filter(|number| *number > 0.0)
                    .ok_or_else(|| self.refuse(key, "must be a number above 0"))
            })
            .transpose()
    }

    /// Above zero.
    pub(super) fn whole_number(&self, key: &str) -> Result<Option<u64>, Failure> {
        self.get(key)
            .map(|value| {
                value
                    .as_u64()
                    .filter(|number| *number > 0)
                    .ok_or_else(|| self.refuse(key, "must be a whole number above 0"))
            })
            .transpose()
    }

    /// A sequence; text is split at its white space.
    pub(super) fn words(&self, key: &str) -> Result<Option<Vec<String>>, Failure> {
        let must = || self.refuse(key, "must be a sequence of strings");
        match self.get(key) {
            None => Ok(None),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| scalar(item).ok_or_else(must))
                .collect::<Result<_, _>>()
                .map(Some),
            Some(value) => {
                let text = scalar(value).ok_or_else(must)?;
                Ok(Some(text.split_whitespace().map(str::to_owned).collect()))
            }
        }
    }
}

/// Aliases of aliases multiply, and no package needs many.
fn options() -> Options {
    serde_saphyr::options! {
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 10_000 },
    }
}

/// As YAML's authors meant it: `1e-6` without quotes is an argument like any other.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
