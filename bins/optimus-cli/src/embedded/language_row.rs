//! Languages as they are shown.

use optimus_worker::backend::LanguageStatus;
use serde::Serialize;

use crate::output::text_table;

/// Whether a language can be had.
#[derive(Debug, Serialize)]
pub(crate) struct LanguageRow<'a> {
    name: &'a str,
    available: bool,
    /// What its toolchain says of its version.
    toolchain: Option<&'a str>,
    /// Why it is not available.
    reason: Option<&'a str>,
}

impl<'a> From<&'a LanguageStatus> for LanguageRow<'a> {
    fn from(status: &'a LanguageStatus) -> Self {
        let toolchain = status.toolchain.as_deref();
        Self {
            name: status.language.as_str(),
            available: toolchain.is_ok(),
            toolchain: toolchain.ok(),
            reason: toolchain.err().map(String::as_str),
        }
    }
}

impl LanguageRow<'_> {
    pub(crate) fn name(&self) -> &str {
        self.name
    }

    pub(crate) fn is_available(&self) -> bool {
        self.available
    }
}

pub(crate) fn languages_table(languages: &[LanguageRow<'_>]) -> String {
    let mut table = text_table(&["language", "", "toolchain, or what is missing"]);
    for row in languages {
        table.add_row([
            row.name,
            if row.available { "available" } else { "unavailable" },
            row.toolchain.or(row.reason).unwrap_or_default(),
        ]);
    }
    table.to_string()
}
