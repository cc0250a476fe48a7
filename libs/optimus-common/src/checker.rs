//! How a test's output is compared with the expected one. The comparison itself lives in `optimus-judge`.

use serde::{Deserialize, Serialize};

/// What makes an output right. All of them work on bytes; nothing needs to be UTF-8, and NUL bytes count.
///
/// White space is the ASCII one: space, `\t`, `\n`, `\v`, `\f`, `\r`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case", from = "Strict")]
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

/// What is read. serde lets a variant without braces pass with unknown fields; these have braces.
#[derive(Deserialize)]
#[serde(
    tag = "type",
    rename_all = "snake_case",
    deny_unknown_fields,
    expecting = "an object with the checker's name as its type, such as {\"type\": \"lines\"}"
)]
enum Strict {
    Lines {},
    Exact {},
    Tokens {
        #[serde(default = "default_case_sensitive")]
        case_sensitive: bool,
    },
    Float {
        #[serde(default = "default_tolerance")]
        abs_tolerance: f64,
        #[serde(default = "default_tolerance")]
        rel_tolerance: f64,
    },
    UnorderedLines {},
    Icpc {
        #[serde(default)]
        case_sensitive: bool,
        #[serde(default)]
        space_change_sensitive: bool,
        #[serde(default)]
        float_absolute_tolerance: Option<f64>,
        #[serde(default)]
        float_relative_tolerance: Option<f64>,
    },
}

impl From<Strict> for Checker {
    fn from(read: Strict) -> Self {
        match read {
            Strict::Lines {} => Self::Lines,
            Strict::Exact {} => Self::Exact,
            Strict::Tokens { case_sensitive } => Self::Tokens { case_sensitive },
            Strict::Float {
                abs_tolerance,
                rel_tolerance,
            } => Self::Float {
                abs_tolerance,
                rel_tolerance,
            },
            Strict::UnorderedLines {} => Self::UnorderedLines,
            Strict::Icpc {
                case_sensitive,
                space_change_sensitive,
                float_absolute_tolerance,
                float_relative_tolerance,
            } => Self::Icpc {
                case_sensitive,
                space_change_sensitive,
                float_absolute_tolerance,
                float_relative_tolerance,
            },
        }
    }
}

fn default_case_sensitive() -> bool {
    true
}

fn default_tolerance() -> f64 {
    1e-6
}
