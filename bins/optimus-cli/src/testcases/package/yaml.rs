//! Mappings of a package's YAML files. Every key is accounted for: what is not known is refused by name, as the
//! format asks.
//!
//! - [`value`]: what stands behind a key, and how it was written

mod value;

use std::{collections::BTreeMap, path::Path};

use anyhow::Context;
use serde_saphyr::{NonFiniteFloatPolicy, Options};

use self::value::Meaning;
pub(super) use self::value::Value;
use crate::{
    exit::{Classify, Failure},
    testcases::text,
};

/// A mapping, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// For people, such as `problem.yaml: limits`.
    place: String,
    map: BTreeMap<String, Value>,
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
            Value::Nothing
        } else {
            Value::parse(text, options())
                .with_context(|| format!("{place} is not YAML"))
                .usage()?
        };
        Self::new(place.to_owned(), value)
    }

    fn new(place: String, value: Value) -> Result<Self, Failure> {
        match value {
            Value::Mapping(map) => Ok(Self { place, map }),
            Value::Nothing => Ok(Self {
                place,
                map: BTreeMap::new(),
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
        self.map.get(key).filter(|value| !matches!(value, Value::Nothing))
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
            .map(|value| {
                value
                    .text()
                    .map(str::to_owned)
                    .ok_or_else(|| self.refuse(key, "must be text"))
            })
            .transpose()
    }

    /// Text, or `true` or `false` for what YAML takes for such, in whatever words.
    pub(super) fn word_or_truth(&self, key: &str) -> Result<Option<String>, Failure> {
        match self.get(key) {
            Some(Value::Plain {
                meaning: Meaning::Truth(truth),
                ..
            }) => Ok(Some(truth.to_string())),
            _ => self.text(key),
        }
    }

    /// Above zero, and finite.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, Failure> {
        self.get(key)
            .map(|value| {
                value
                    .number()
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
                    .whole_number()
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
            Some(Value::Sequence(items)) => items
                .iter()
                .map(|item| item.text().map(str::to_owned).ok_or_else(must))
                .collect::<Result<_, _>>()
                .map(Some),
            Some(value) => {
                let text = value.text().ok_or_else(must)?;
                Ok(Some(text.split_whitespace().map(str::to_owned).collect()))
            }
        }
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        // Aliases of aliases multiply, and no package needs many.
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 10_000 },
        // `.inf` may be a word. Where a number is asked for, it is refused with the name of its key.
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
    }
}
