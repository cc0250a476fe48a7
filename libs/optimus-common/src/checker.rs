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
}

/// What is read. serde lets a variant without braces pass with unknown fields; these have braces.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
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
        }
    }
}

fn default_case_sensitive() -> bool {
    true
}

fn default_tolerance() -> f64 {
    1e-6
}
