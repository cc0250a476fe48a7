//! What the files beside a test are, by their names.

use super::format::PackageFormat;

/// What belongs to a test and says nothing about its verdict: what is shown of it, and to whom.
const SHOWN: [&str; 12] = [
    ".in.statement",
    ".ans.statement",
    ".in.download",
    ".ans.download",
    ".out",
    ".hint",
    ".desc",
    ".png",
    ".jpg",
    ".jpeg",
    ".svg",
    ".interaction",
];
/// Shown instead of a test, too.
const ALONE: &str = ".interaction";
/// Folders of `data` whose tests are for validators.
const FOR_VALIDATORS: [&str; 7] = [
    "invalid_input",
    "invalid_inputs",
    "invalid_output",
    "invalid_outputs",
    "invalid_answers",
    "valid_output",
    "valid_outputs",
];

#[derive(Debug, PartialEq, Eq)]
pub(super) enum File<'a> {
    /// Of the test of this name.
    Input(&'a str),
    /// Of the test of this name, which must be there.
    Answer(&'a str),
    /// The same.
    Config(&'a str),
    /// The same, or none where there is none to belong to.
    Shown(Option<&'a str>),
    /// It has the extension of an input or an answer, but not as the format writes it.
    Misspelt,
    Unknown,
}

/// What a file in a folder of tests is. The configuration of groups is looked for by its name, and none of these.
pub(super) fn file(name: &str, format: PackageFormat) -> File<'_> {
    if let Some(test) = name.strip_suffix(".in") {
        return File::Input(test);
    }
    if let Some(test) = name.strip_suffix(".ans") {
        return File::Answer(test);
    }
    if format != PackageFormat::Legacy
        && let Some(test) = name.strip_suffix(".yaml")
    {
        return File::Config(test);
    }
    for extension in SHOWN {
        if let Some(test) = name.strip_suffix(extension) {
            return File::Shown((extension != ALONE).then_some(test));
        }
    }
    if looks_like_a_test(name) {
        File::Misspelt
    } else {
        File::Unknown
    }
}

/// Whether a file seems to be meant for a test's input or answer.
pub(super) fn looks_like_a_test(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".in", ".ans"].iter().any(|extension| name.ends_with(extension))
}

/// Whether programs are not run on what is in this folder of `data`, by the format's own word.
pub(super) fn is_for_validators(folder: &str) -> bool {
    FOR_VALIDATORS.contains(&folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_names() {
        for (name, legacy, modern) in [
            ("1.in", File::Input("1"), File::Input("1")),
            ("1.ans", File::Answer("1"), File::Answer("1")),
            ("1.a.ans", File::Answer("1.a"), File::Answer("1.a")),
            ("1.yaml", File::Unknown, File::Config("1")),
            ("1.in.statement", File::Shown(Some("1")), File::Shown(Some("1"))),
            ("1.interaction", File::Shown(None), File::Shown(None)),
            ("1.IN", File::Misspelt, File::Misspelt),
            ("1.Ans", File::Misspelt, File::Misspelt),
            ("1.a", File::Unknown, File::Unknown),
            ("1.in~", File::Unknown, File::Unknown),
        ] {
            assert_eq!(file(name, PackageFormat::Legacy), legacy, "{name}");
            assert_eq!(file(name, PackageFormat::Of2025), modern, "{name}");
        }
    }
}
