//! How a test's output is compared with the expected one. The comparison itself lives in `optimus-judge`.

use serde::{Deserialize, Serialize};

/// What makes an output right. All of them work on bytes; nothing needs to be UTF-8, and NUL bytes count.
///
/// White space is the ASCII one: space, `\t`, `\n`, `\v`, `\f`, `\r`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Checker {
    /// Equal after removing trailing white space of each line, and trailing blank lines.
    #[default]
    Lines,
    /// Equal byte by byte.
    Exact,
    /// Equal as sequences of tokens separated by white space.
    Tokens {
        /// Whether `YES` differs from `yes`. ASCII letters only.
        #[serde(default = "default_case_sensitive")]
        case_sensitive: bool,
    },
    /// As `tokens`, but where both tokens are numbers they may differ by either tolerance.
    ///
    /// Accepted where `|a - e| <= abs_tolerance` or `|a - e| <= rel_tolerance * |e|`. NaN never equals anything;
    /// an infinity equals only itself.
    Float {
        #[serde(default = "default_tolerance")]
        abs_tolerance: f64,
        #[serde(default = "default_tolerance")]
        rel_tolerance: f64,
    },
    /// As `lines`, in any order; each line as often as expected.
    UnorderedLines,
}

fn default_case_sensitive() -> bool {
    true
}

fn default_tolerance() -> f64 {
    1e-6
}
