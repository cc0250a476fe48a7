//! How a test's output is compared with the expected one. The comparison itself lives in `optimus-judge`.

use serde::{Deserialize, Deserializer, Serialize};

use crate::shape;

/// What makes an output right. All of them work on bytes; nothing needs to be UTF-8, and NUL bytes count.
///
/// White space is the ASCII one: space, `\t`, `\n`, `\v`, `\f`, `\r`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case", try_from = "Read")]
pub enum Checker {
    /// Equal after removing trailing white space of each line, and trailing blank lines.
    #[default]
    Lines,
    /// Equal byte by byte.
    Exact,
    /// Equal as sequences of tokens separated by white space.
    Tokens {
        /// Whether `YES` differs from `yes`. ASCII letters only. Default true.
        #[cfg_attr(feature = "openapi", schema(required = false))]
        case_sensitive: bool,
    },
    /// As `tokens`, but where both tokens are numbers they may differ by either tolerance.
    ///
    /// Accepted where `|a - e| <= abs_tolerance` or `|a - e| <= rel_tolerance * |e|`. NaN never equals anything;
    /// an infinity equals only itself. Both tolerances are 1e-6 by default.
    Float {
        #[cfg_attr(feature = "openapi", schema(required = false))]
        abs_tolerance: f64,
        #[cfg_attr(feature = "openapi", schema(required = false))]
        rel_tolerance: f64,
    },
    /// As `lines`, in any order; each line as often as expected.
    UnorderedLines,
    /// The default output validator of the ICPC problem package format, with its arguments.
    ///
    /// Tokens are equal as text, by default in any case of their ASCII letters. Where a tolerance is given, tokens of
    /// the expected output that are finite decimal numbers are compared as numbers instead, as `float` does; `inf` and
    /// `nan` are text.
    Icpc {
        /// Default false.
        #[cfg_attr(feature = "openapi", schema(required = false))]
        case_sensitive: bool,
        /// Whether all white space must be the expected one, byte by byte. Default false.
        #[cfg_attr(feature = "openapi", schema(required = false))]
        space_change_sensitive: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        float_absolute_tolerance: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        float_relative_tolerance: Option<f64>,
    },
}

impl Checker {
    /// The tolerances it was given, by the names of their fields.
    pub fn tolerances(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let [first, second] = match *self {
            Self::Float {
                abs_tolerance,
                rel_tolerance,
            } => [
                Some(("abs_tolerance", abs_tolerance)),
                Some(("rel_tolerance", rel_tolerance)),
            ],
            Self::Icpc {
                float_absolute_tolerance,
                float_relative_tolerance,
                ..
            } => [
                float_absolute_tolerance.map(|value| ("float_absolute_tolerance", value)),
                float_relative_tolerance.map(|value| ("float_relative_tolerance", value)),
            ],
            Self::Lines | Self::Exact | Self::Tokens { .. } | Self::UnorderedLines => [None, None],
        };
        first.into_iter().chain(second)
    }
}

/// What is read: every option there is. Which of them the type knows is seen afterwards, since serde looks into an enum
/// by its tag only when it has forgotten where each value stands, and could not name the one that is wrong.
#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    remote = "Self",
    expecting = "an object with the checker's name as its type, such as {\"type\": \"lines\"}"
)]
struct Read {
    #[serde(rename = "type")]
    name: Name,
    #[serde(default, deserialize_with = "given")]
    case_sensitive: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    space_change_sensitive: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    abs_tolerance: Option<f64>,
    #[serde(default, deserialize_with = "given")]
    rel_tolerance: Option<f64>,
    #[serde(default)]
    float_absolute_tolerance: Option<f64>,
    #[serde(default)]
    float_relative_tolerance: Option<f64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case", remote = "Self")]
enum Name {
    Lines,
    Exact,
    Tokens,
    Float,
    UnorderedLines,
    Icpc,
}

shape::read_by!(Object, Read);
shape::read_by!(Word, Name);

/// An option that is given has a value: it is not `null`.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl TryFrom<Read> for Checker {
    type Error = String;

    fn try_from(mut read: Read) -> Result<Self, String> {
        const DEFAULT_TOLERANCE: f64 = 1e-6;
        let checker = match read.name {
            Name::Lines => Self::Lines,
            Name::Exact => Self::Exact,
            Name::Tokens => Self::Tokens {
                case_sensitive: read.case_sensitive.take().unwrap_or(true),
            },
            Name::Float => Self::Float {
                abs_tolerance: read.abs_tolerance.take().unwrap_or(DEFAULT_TOLERANCE),
                rel_tolerance: read.rel_tolerance.take().unwrap_or(DEFAULT_TOLERANCE),
            },
            Name::UnorderedLines => Self::UnorderedLines,
            Name::Icpc => Self::Icpc {
                case_sensitive: read.case_sensitive.take().unwrap_or_default(),
                space_change_sensitive: read.space_change_sensitive.take().unwrap_or_default(),
                float_absolute_tolerance: read.float_absolute_tolerance.take(),
                float_relative_tolerance: read.float_relative_tolerance.take(),
            },
        };
        match read.left_over() {
            Some(option) => Err(format!(
                "unknown field `{option}`, expected one of those that a checker of this type has"
            )),
            None => Ok(checker),
        }
    }
}

impl Read {
    /// An option that nobody has taken.
    fn left_over(&self) -> Option<&'static str> {
        let options = [
            ("case_sensitive", self.case_sensitive.is_some()),
            ("space_change_sensitive", self.space_change_sensitive.is_some()),
            ("abs_tolerance", self.abs_tolerance.is_some()),
            ("rel_tolerance", self.rel_tolerance.is_some()),
            (
                "float_absolute_tolerance",
                self.float_absolute_tolerance.is_some(),
            ),
            (
                "float_relative_tolerance",
                self.float_relative_tolerance.is_some(),
            ),
        ];
        let left = options.into_iter().find(|(_, is_left)| *is_left);
        left.map(|(option, _)| option)
    }
}
