//! Languages as they are shown.

use optimus_worker::backend::Offer;
use serde::Serialize;

use crate::output::text_table;

/// Whether a language can be had.
#[derive(Debug, Serialize)]
pub(crate) struct Offered<'a> {
    name: &'a str,
    available: bool,
    /// What its toolchain says of its version.
    toolchain: Option<&'a str>,
    /// Why it is not available.
    reason: Option<&'a str>,
}

impl<'a> From<&'a Offer> for Offered<'a> {
    fn from(offer: &'a Offer) -> Self {
        let toolchain = offer.toolchain.as_deref();
        Self {
            name: offer.language.as_str(),
            available: toolchain.is_ok(),
            toolchain: toolchain.ok(),
            reason: toolchain.err().map(String::as_str),
        }
    }
}

impl Offered<'_> {
    pub(crate) fn name(&self) -> &str {
        self.name
    }

    pub(crate) fn is_available(&self) -> bool {
        self.available
    }
}

pub(crate) fn languages_table(languages: &[Offered<'_>]) -> String {
    let mut table = text_table(&["language", "", "toolchain, or what is missing"]);
    for offered in languages {
        table.add_row([
            offered.name,
            if offered.available {
                "available"
            } else {
                "unavailable"
            },
            offered.toolchain.or(offered.reason).unwrap_or_default(),
        ]);
    }
    table.to_string()
}
