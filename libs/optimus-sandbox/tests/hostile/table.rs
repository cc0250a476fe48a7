//! The page of the documentation that names every case, made from the cases themselves.

use std::{collections::BTreeMap, env, fmt::Write, fs, path::Path};

use libtest_mimic::{Failed, Trial};
use optimus_common::result::{CompileVerdict, Verdict};

use crate::{
    case::{Case, Expected, Group, OneOf},
    languages::Dialect,
};

/// Between these two lines of the page stands what is made here.
const BEGIN: &str = "<!-- cases: begin -->\n";
const END: &str = "<!-- cases: end -->\n";

pub(crate) fn trial(groups: &[Group]) -> Trial {
    let cases = told(groups);
    let odd: Vec<_> = groups.iter().flat_map(Group::odd_files).collect();
    Trial::test("the_table_in_docs_is_that_of_the_cases", move || {
        if !odd.is_empty() {
            return Err(Failed::from(format!(
                "no case names these files, or they are missing: {odd:?}"
            )));
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/hostile-suite.md");
        let page = fs::read_to_string(&path)?;
        let (Some(begin), Some(end)) = (page.find(BEGIN), page.find(END)) else {
            return Err(Failed::from("the page has no place for the cases"));
        };
        let begin = begin + BEGIN.len();
        if page[begin..end] == cases {
            return Ok(());
        }
        if env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1") {
            fs::write(&path, page[..begin].to_owned() + &cases + &page[end..])?;
            return Ok(());
        }
        Err(Failed::from(
            "the cases differ from docs/hostile-suite.md; run\n\n    \
             UPDATE_SNAPSHOTS=1 cargo test -p optimus-sandbox --test hostile -- the_table\n\nand commit the difference",
        ))
    })
}

fn told(groups: &[Group]) -> String {
    let mut text = String::new();
    let total: usize = groups.iter().map(|group| group.cases.len()).sum();
    let _ = write!(
        text,
        "\n{total} cases, each on every backend, but for those that name one:\n\n"
    );
    text.push_str("| group | aims at | layers of defence | cases |\n|---|---|---|---|\n");
    for group in groups {
        let _ = writeln!(
            text,
            "| [{}](#{}) | {} | {} | {} |",
            group.title,
            anchor(&group.title),
            group.aims_at,
            group.layers.join(", "),
            group.cases.len()
        );
    }
    let _ = write!(text, "\nBy language: {}.\n", by_language(groups));
    for group in groups {
        let _ = write!(text, "\n### {}\n\n", group.title);
        text.push_str("| case | language | the program … | verdict | stopped by | fails without |\n");
        text.push_str("|---|---|---|---|---|---|\n");
        for case in &group.cases {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} |",
                case.name,
                Dialect::of(&case.program).name(),
                tries(case),
                verdict(case),
                case.layers.join(", "),
                case.breaks_without.join(", "),
            );
        }
    }
    text.push('\n');
    text
}

/// By which a page's heading is reached: GitHub leaves out of it all that is neither a letter, a digit, a blank nor a hyphen.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|character| character.is_alphanumeric() || matches!(character, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn tries(case: &Case) -> String {
    let tries = case.tries.replace('|', "\\|");
    match case.only {
        Some(only) => format!("{tries} ({})", only.as_str()),
        None => tries,
    }
}

fn by_language(groups: &[Group]) -> String {
    let mut counts = BTreeMap::<_, usize>::new();
    for case in groups.iter().flat_map(|group| &group.cases) {
        *counts.entry(Dialect::of(&case.program).name()).or_default() += 1;
    }
    let counts: Vec<_> = counts
        .into_iter()
        .map(|(language, count)| format!("{language} {count}"))
        .collect();
    counts.join(", ")
}

fn verdict(case: &Case) -> String {
    match &case.verdict {
        None if case.compile == CompileVerdict::CompilationError => {
            Verdict::CompilationError.as_str().to_owned()
        }
        None => String::new(),
        Some(Expected::Everywhere(one)) => names(one),
        Some(Expected::ByKind { docker, native }) => {
            format!("{} (docker), {} (native)", names(docker), names(native))
        }
    }
}

fn names(one: &OneOf) -> String {
    let names: Vec<_> = one.verdicts().iter().map(|verdict| verdict.as_str()).collect();
    names.join(" or ")
}
