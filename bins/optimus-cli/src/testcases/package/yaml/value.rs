//! A value of YAML, together with how it was written.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;

/// What stands behind a key.
#[derive(Debug, Clone, Default)]
pub(in super::super) enum Value {
    #[default]
    Nothing,
    Text(String),
    /// What YAML takes for something else than text, though it may have been meant as such.
    Plain {
        meaning: Meaning,
        /// `None` where that cannot be told, as behind a tag.
        written: Option<String>,
    },
    Sequence(Vec<Value>),
    Mapping(BTreeMap<String, Value>),
}

#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Meaning {
    Truth(bool),
    Whole(u64),
    Below(i64),
    /// Finite or not.
    Number(f64),
}

impl Value {
    pub(super) fn parse(text: &str, options: serde_saphyr::Options) -> Result<Self, serde_saphyr::Error> {
        let read: Spanned<Read> = serde_saphyr::from_str_with_options(text, options)?;
        Ok(Self::of(read, text))
    }

    fn of(read: Spanned<Read>, source: &str) -> Self {
        match read.value {
            Read::Nothing => Self::Nothing,
            Read::Text(text) => Self::Text(text),
            Read::Plain(meaning) => Self::Plain {
                meaning,
                // Where it was defined, not where an alias stands for it.
                written: written(read.defined.span(), source),
            },
            Read::Sequence(items) => {
                Self::Sequence(items.into_iter().map(|item| Self::of(item, source)).collect())
            }
            Read::Mapping(map) => Self::Mapping(
                map.into_iter()
                    .map(|(key, value)| (key, Self::of(value, source)))
                    .collect(),
            ),
        }
    }

    pub(in super::super) fn is_false(&self) -> bool {
        matches!(
            self,
            Self::Plain {
                meaning: Meaning::Truth(false),
                ..
            }
        )
    }

    /// As it was written: `1.10` without quotes is a word like any other, and no `1.1`.
    pub(in super::super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Plain { written, .. } => written.as_deref(),
            Self::Nothing | Self::Sequence(_) | Self::Mapping(_) => None,
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match *self {
            #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^52")]
            Self::Plain {
                meaning: Meaning::Whole(number),
                ..
            } => Some(number as f64),
            Self::Plain {
                meaning: Meaning::Number(number),
                ..
            } => Some(number).filter(|number| number.is_finite()),
            _ => None,
        }
    }

    pub(super) fn whole_number(&self) -> Option<u64> {
        match *self {
            Self::Plain {
                meaning: Meaning::Whole(number),
                ..
            } => Some(number),
            _ => None,
        }
    }

    /// The same in JSON. A number that JSON has not stays what was written, so that whoever wants a number refuses it.
    pub(in super::super) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Nothing => serde_json::Value::Null,
            Self::Text(text) => text.as_str().into(),
            Self::Plain { meaning, written } => match *meaning {
                Meaning::Truth(truth) => truth.into(),
                Meaning::Whole(number) => number.into(),
                Meaning::Below(number) => number.into(),
                Meaning::Number(number) if number.is_finite() => number.into(),
                Meaning::Number(number) => written.clone().unwrap_or_else(|| number.to_string()).into(),
            },
            Self::Sequence(items) => items.iter().map(Self::to_json).collect(),
            Self::Mapping(map) => map
                .iter()
                .map(|(key, value)| (key.clone(), value.to_json()))
                .collect(),
        }
    }
}

/// What stands in the file there, where it is nothing but a word.
fn written(span: serde_saphyr::Span, source: &str) -> Option<String> {
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let length = usize::try_from(span.byte_len()?).ok()?;
    let text = source.get(start..start.checked_add(length)?)?;
    let of_a_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_');
    (!text.is_empty() && text.chars().all(of_a_word)).then(|| text.to_owned())
}

/// As serde hands it out: without the text.
#[derive(Debug)]
enum Read {
    Nothing,
    Text(String),
    Plain(Meaning),
    Sequence(Vec<Spanned<Read>>),
    Mapping(BTreeMap<String, Spanned<Read>>),
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Read, E> {
        Ok(Read::Nothing)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Read, E> {
        Ok(Read::Plain(Meaning::Truth(truth)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Read, E> {
        Ok(Read::Plain(Meaning::Whole(number)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Read, E> {
        Ok(Read::Plain(Meaning::Below(number)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Read, E> {
        Ok(Read::Plain(Meaning::Number(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Read, E> {
        Ok(Read::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Read, E> {
        Ok(Read::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Read, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Read::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
        let mut found = BTreeMap::new();
        while let Some((key, value)) = map.next_entry()? {
            found.insert(key, value);
        }
        Ok(Read::Mapping(found))
    }
}
