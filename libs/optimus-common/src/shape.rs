//! What is written by people and programs is read by its names alone.
//!
//! serde takes the values of a struct's fields in an array for the struct, and `{"word": null}` for a word. Nobody
//! documents that, fields are then told apart by their order, and a slip is taken for something it was not meant to be.
//! A type whose derives have `#[serde(remote = "Self")]` is read through one of the deserializers here.

use std::fmt;

use serde::{
    Deserializer,
    de::{Error, IntoDeserializer, MapAccess, Visitor},
    forward_to_deserialize_any,
};

/// A deserializer for structs: they are objects, and nothing else is.
#[derive(Debug)]
pub struct Object<D>(pub D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Object<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.0.deserialize_map(Entries(visitor))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Entries<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Entries<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        self.0.visit_map(map)
    }
}

/// A deserializer for enums without values: they are texts, and nothing else is.
#[derive(Debug)]
pub struct Word<D>(pub D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Word<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(D::Error::custom("only an enum is a word"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.deserialize_str(OneOf { variants, visitor })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct OneOf<V> {
    variants: &'static [&'static str],
    visitor: V,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for OneOf<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of the texts `{}`", self.variants.join("`, `"))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
        self.visitor.visit_enum(word.into_deserializer())
    }
}

/// Structs that are read from objects alone, and written as ever.
macro_rules! objects {
    ($($type:ty),+ $(,)?) => {
        $crate::shape::read_by!(Object, $($type),+);
        $crate::shape::written!($($type),+);
    };
}

/// Enums without values that are read from texts alone, and written as ever.
macro_rules! words {
    ($($type:ty),+ $(,)?) => {
        $crate::shape::read_by!(Word, $($type),+);
        $crate::shape::written!($($type),+);
    };
}

/// The derives make functions of the type. This is the trait, which calls them.
#[macro_export]
macro_rules! read_by {
    ($shape:ident, $($type:ty),+ $(,)?) => {
        $(
            impl<'de> serde::Deserialize<'de> for $type {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    <$type>::deserialize($crate::shape::$shape(deserializer))
                }
            }
        )+
    };
}

/// The same for writing.
macro_rules! written {
    ($($type:ty),+) => {
        $(
            impl serde::Serialize for $type {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    <$type>::serialize(self, serializer)
                }
            }
        )+
    };
}

pub use read_by;
pub(crate) use {objects, words, written};

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, remote = "Self", expecting = "an object")]
    struct Outer {
        word: Kind,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, remote = "Self", expecting = "an object")]
    struct Inner {
        number: u64,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case", remote = "Self")]
    enum Kind {
        OneThing,
        Another,
    }

    objects!(Outer, Inner);
    words!(Kind);

    #[test]
    fn names_are_read_and_written_as_ever() {
        let value = json!({"word": "one_thing", "inner": [{"number": 1}]});
        let read: Outer = serde_json::from_value(value.clone()).unwrap();
        assert_eq!((&read.word, read.inner[0].number), (&Kind::OneThing, 1));
        assert_eq!(serde_json::to_value(&read).unwrap(), value);
        assert_eq!(serde_json::from_str::<Outer>(&value.to_string()).unwrap(), read);
    }

    #[test]
    fn no_other_shape_stands_for_an_object_or_a_word() {
        let refused = |value: Value, part: &str| {
            for error in [
                serde_json::from_str::<Outer>(&value.to_string()).unwrap_err(),
                serde_json::from_value::<Outer>(value.clone()).unwrap_err(),
            ] {
                assert!(error.is_data(), "{value}: {error}");
                assert!(error.to_string().contains(part), "{value}: {error}");
            }
        };
        for value in [json!(["another", []]), json!("another"), json!(null), json!(1)] {
            refused(value, "expected an object");
        }
        for inner in [json!([1]), json!(null), json!("x")] {
            refused(json!({"word": "another", "inner": [inner]}), "expected an object");
        }
        for word in [
            json!({"another": null}),
            json!(["another"]),
            json!(1),
            json!(null),
        ] {
            refused(
                json!({"word": word}),
                "expected one of the texts `one_thing`, `another`",
            );
        }
        refused(json!({"word": "Another"}), "unknown variant");
        refused(
            json!({"word": "another", "inner": [{"numbr": 1}]}),
            "unknown field",
        );
    }
}
