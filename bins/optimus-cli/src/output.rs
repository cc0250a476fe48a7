//! What a command prints: text and tables for people, JSON for programs.
//!
//! Everything that reaches a terminal goes through here, and nothing that was read from a package, a program or a server
//! gets to it as it is: see [`harmless`].

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

mod harmless;

pub(crate) use self::harmless::harmless;
use self::harmless::{harmless_json, harmless_lines};

use crate::exit::{Classify, Failure};

/// Columns that nearly every window has room for.
const TEXT_WIDTH: u16 = 120;
const NARROWEST: u16 = 60;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputFormat {
    Text,
    Json,
}

/// Standard output. Results go here, everything else to standard error.
#[derive(Debug)]
pub(crate) struct Output {
    format: OutputFormat,
}

impl Output {
    pub(crate) fn new(format: OutputFormat) -> Self {
        Self { format }
    }

    /// One result, in the format asked for.
    pub(crate) fn result<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.format {
            OutputFormat::Text => self.write(&harmless_lines(&text())),
            OutputFormat::Json => self.write(&harmless_json(&serde_json::to_string_pretty(value).system()?)),
        }
    }

    /// A word to a person about what was done; nothing where a program reads.
    pub(crate) fn say(&self, text: impl Display) -> Result<(), Failure> {
        match self.format {
            OutputFormat::Text => self.write(&harmless_lines(&text.to_string())),
            OutputFormat::Json => Ok(()),
        }
    }

    #[expect(clippy::unused_self, reason = "writing is what an output is for")]
    fn write(&self, text: &str) -> Result<(), Failure> {
        if text.is_empty() {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        match writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush()) {
            // Whoever reads has enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.system(),
        }
    }
}

/// A word on standard error, where results must not be disturbed. Lines after the first are indented: a name with a line
/// break in it cannot look like a message of its own.
pub(crate) fn note(text: impl Display) {
    let text = harmless_lines(text.to_string().trim_end()).replace('\n', "\n  ");
    // Nothing is left to do where even standard error is gone.
    let _ = writeln!(io::stderr(), "{text}");
}

/// What a problem holds and nobody looks at.
pub(crate) fn passed_over(notes: &[String]) {
    for text in notes {
        note(format_args!("note: {text}"));
    }
}

/// Arguments that mean nothing. Names of files may be among them.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    let _ = writeln!(
        io::stderr(),
        "{}",
        harmless_lines(error.render().to_string().trim_end())
    );
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

pub(crate) fn print_error(failure: &Failure) {
    note(format_args!("error: {failure}"));
}

/// A table in the one style of all of them, as wide as its texts are; on a terminal, as it has room for.
pub(crate) fn table(header: &[&str]) -> Table {
    styled(header, terminal_width())
}

/// A table with texts of any length, which are broken into lines.
pub(crate) fn text_table(header: &[&str]) -> Table {
    styled(
        header,
        Some(terminal_width().map_or(TEXT_WIDTH, |width| width.min(TEXT_WIDTH))),
    )
}

fn styled(header: &[&str], width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    if let Some(width) = width {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width);
    }
    table
}

/// `None` where standard output is no terminal.
fn terminal_width() -> Option<u16> {
    let (_, columns) = console::Term::stdout().size_checked()?;
    // Narrower than this, texts are broken into letters.
    Some(columns.max(NARROWEST))
}

/// Something under way; shown on a terminal alone.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn say(&self, message: impl Display) {
        self.0.set_message(harmless(&message.to_string()));
    }

    pub(crate) fn inc(&self, steps: u64) {
        self.0.inc(steps);
    }

    pub(crate) fn inc_length(&self, steps: u64) {
        self.0.inc_length(steps);
    }

    /// Shows that `position` of `steps` are done.
    pub(crate) fn at(&self, position: u64, steps: u64) {
        self.0.set_length(steps);
        self.0.set_position(position);
    }

    pub(crate) fn is_hidden(&self) -> bool {
        self.0.is_hidden()
    }

    pub(crate) fn finish_and_clear(&self) {
        self.0.finish_and_clear();
    }
}

pub(crate) fn spinner(message: impl Display) -> Bar {
    let bar = Bar(ProgressBar::new_spinner());
    bar.say(message);
    bar.0.set_style(style("{spinner} {msg} ({elapsed})"));
    bar.0.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// A bar that is full after so many steps.
pub(crate) fn bar(prefix: &str, steps: u64) -> Bar {
    let bar = ProgressBar::new(steps).with_prefix(harmless(prefix));
    bar.set_style(style("{spinner} {prefix} [{bar:20}] {pos}/{len} {wide_msg}"));
    bar.enable_steady_tick(Duration::from_millis(100));
    Bar(bar)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates are valid")
}

/// Bytes as a person reads them.
pub(crate) fn mebibytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    format!("{mebibytes:.1} MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_fit_where_a_width_is_known() {
        let row = [
            "a solution's name",
            "what is said of its first failed test, at some length",
        ];
        let widest = |mut table: Table| {
            let text = table.add_row(row).to_string();
            text.lines().map(|line| line.chars().count()).max()
        };
        assert_eq!(widest(styled(&["", ""], None)), Some(77));
        assert!(widest(styled(&["", ""], Some(60))) <= Some(60));
    }
}
