//! JSON that somebody wrote. A refusal says where it is wrong, and no name stands twice in an object.

use std::fmt;

use anyhow::Context;
use optimus_common::no_duplicate_keys::Unique;
use serde::de::DeserializeOwned;
use serde_json::{Deserializer, Value, error::Category};

use crate::exit::{Classify, Failure};

/// Any JSON; `place` is where it stands, for people.
pub(crate) fn read(json: &[u8], place: impl fmt::Display) -> Result<Value, Failure> {
    let mut deserializer = Deserializer::from_slice(json);
    let what = |error: &serde_json::Error| {
        // JSON's numbers have no bounds, those that can be kept have.
        let is_json =
            error.classify() == Category::Data || error.to_string().starts_with("number out of range");
        if is_json {
            place.to_string()
        } else {
            format!("{place} is not JSON")
        }
    };
    let Unique(value) = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| {
            let what = what(error.inner());
            anyhow::Error::new(error).context(what)
        })
        .usage()?;
    deserializer
        .end()
        .map_err(|error| {
            let what = what(&error);
            anyhow::Error::new(error).context(what)
        })
        .usage()?;
    Ok(value)
}

/// What a value says; `place` is where it stands, for people.
pub(crate) fn of_value<T: DeserializeOwned>(value: Value, place: impl fmt::Display) -> Result<T, Failure> {
    serde_path_to_error::deserialize(value)
        .with_context(|| place.to_string())
        .usage()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_where_and_what() {
        for (json, told) in [
            ("{", "x is not JSON: EOF"),
            ("{} 1", "x is not JSON: trailing characters"),
            (r#"{"a": {"b": 1, "b": 2}}"#, "x: a: duplicate field `b`"),
            (r#"{"a": [{"b": 1e400}]}"#, "x: a[0].b: number out of range"),
        ] {
            let error = read(json.as_bytes(), "x").unwrap_err().to_string();
            assert!(error.starts_with(told), "{json}: {error}");
        }
        let value = read(br#"[{"id": 1}, {"id": "2"}]"#, "x").unwrap();
        let error = of_value::<Vec<optimus_common::submission::TestCase>>(value, "x").unwrap_err();
        assert!(
            error.to_string().starts_with("x: [1].id: invalid type"),
            "{error}"
        );
    }
}
