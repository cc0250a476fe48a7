//! JSON objects in which a name stands only once. serde's own maps keep the last of two equal names in silence.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// For `#[serde(deserialize_with)]` of a field of texts by name.
pub(crate) fn string_map<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    deserializer.deserialize_map(Texts)
}

/// For `#[serde(deserialize_with)]` of a field of any JSON; `null` is as good as absent.
pub(crate) fn any_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Any.deserialize(deserializer)
        .map(|value| (!value.is_null()).then_some(value))
}

/// Any JSON, for whoever looks into it by himself.
#[derive(Debug, Clone)]
pub struct Unique(pub Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Any.deserialize(deserializer).map(Self)
    }
}

fn twice<E: Error>(name: &str) -> E {
    E::custom(format_args!("duplicate field `{name}`"))
}

struct Texts;

impl<'de> Visitor<'de> for Texts {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if texts.contains_key(&name) {
                return Err(twice(&name));
            }
            texts.insert(name, map.next_value()?);
        }
        Ok(texts)
    }
}

struct Any;

impl<'de> DeserializeSeed<'de> for Any {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Any)? {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(twice(&name));
            }
            object.insert(name, map.next_value_seed(Any)?);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Fields {
        #[serde(default, deserialize_with = "string_map")]
        texts: BTreeMap<String, String>,
        #[serde(default, deserialize_with = "any_json")]
        json: Option<Value>,
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_at_any_depth() {
        for text in [
            r#"{"texts": {"a": "1", "a": "1"}}"#,
            r#"{"json": {"a": 1, "a": 2}}"#,
            r#"{"json": [{"b": {"a": 1, "\u0061": 2}}]}"#,
        ] {
            let error = serde_json::from_str::<Fields>(text).unwrap_err();
            assert!(
                error.to_string().starts_with("duplicate field `a`"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn everything_else_is_read_as_serde_reads_it() {
        let json = r#"[null, true, -1, 18446744073709551615, 1.5, "x", {"a": {}, "b": []}]"#;
        let fields: Fields =
            serde_json::from_str(&format!(r#"{{"texts": {{"a": "1"}}, "json": {json}}}"#)).unwrap();
        assert_eq!(fields.texts["a"], "1");
        assert_eq!(fields.json, Some(serde_json::from_str(json).unwrap()));
        assert_eq!(
            serde_json::from_str::<Fields>(r#"{"json": null}"#).unwrap().json,
            None
        );
    }
}
