//! What the project's pages name is there: the pages and headings that they link to, the files and the suites.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use optimus_testkit::project::project;

/// What a path of the project begins with, where a page names one.
const FOLDERS: [&str; 9] = [
    ".ci/",
    "bins/",
    "config/",
    "docs/",
    "dockerfiles/",
    "examples/",
    "fuzz/",
    "libs/",
    "scripts/",
];

/// Made when the project is built, and so not there in a checkout.
const BUILT: [&str; 1] = ["dockerfiles/optimus-runner"];

/// A page, and its lines with their numbers; those of blocks of code apart.
struct Page {
    path: PathBuf,
    text: Vec<(usize, String)>,
    code: Vec<(usize, String)>,
}

impl Page {
    fn read(path: PathBuf) -> Self {
        let whole = fs::read_to_string(&path).unwrap();
        let (mut text, mut code) = (Vec::new(), Vec::new());
        let mut is_code = false;
        for (at, line) in whole.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
                continue;
            }
            let lines = if is_code { &mut code } else { &mut text };
            lines.push((at + 1, line.to_owned()));
        }
        Self { path, text, code }
    }

    /// By which GitHub reaches its headings.
    fn anchors(&self) -> BTreeSet<String> {
        let mut seen = BTreeMap::<String, usize>::new();
        let mut anchors = BTreeSet::new();
        let headings = self.text.iter().filter_map(|(_, line)| {
            let heading = line.trim_start_matches('#');
            (heading.len() < line.len())
                .then(|| heading.strip_prefix(' '))
                .flatten()
        });
        for heading in headings {
            let kept = heading.trim().chars();
            let kept =
                kept.filter(|character| character.is_alphanumeric() || matches!(character, ' ' | '-' | '_'));
            let anchor = kept.collect::<String>().to_lowercase().replace(' ', "-");
            let before = seen.entry(anchor.clone()).or_default();
            anchors.insert(match *before {
                0 => anchor,
                number => format!("{anchor}-{number}"),
            });
            *before += 1;
        }
        anchors
    }

    /// Where its links lead, but for those to the world.
    fn links(&self) -> Vec<(usize, &str)> {
        let links = self.text.iter().flat_map(|(line, text)| {
            let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            targets.map(|target| (*line, target))
        });
        links.filter(|(_, target)| !target.contains("://")).collect()
    }

    /// What stands between backquotes.
    fn spans(&self) -> Vec<(usize, &str)> {
        let spans = self.text.iter().flat_map(|(line, text)| {
            let spans = text.split('`').skip(1).step_by(2);
            spans.map(|span| (*line, span))
        });
        spans.collect()
    }

    /// Calls of `cargo test` for one package.
    fn calls(&self) -> Vec<(usize, &str)> {
        let lines = self.code.iter().map(|(line, text)| (*line, text.as_str()));
        let calls = lines.chain(self.spans());
        calls
            .filter_map(|(line, text)| {
                let (_, call) = text.split_once("cargo test ")?;
                let call = call.split(" #").next()?;
                call.contains("-p optimus-").then_some((line, call.trim()))
            })
            .collect()
    }
}

fn pages() -> Vec<Page> {
    let root = project();
    let folders = [root.clone(), root.join("docs"), root.join("examples")];
    let mut pages: Vec<_> = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    pages.into_iter().map(Page::read).collect()
}

/// Tells of all pages at once what is not there.
fn check(wrong: impl Fn(&Page) -> Vec<(usize, String)>) {
    let wrong: Vec<_> = pages()
        .iter()
        .flat_map(|page| {
            let path = page.path.display().to_string();
            wrong(page)
                .into_iter()
                .map(move |(line, what)| format!("{path}:{line}: {what}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn links_lead_to_pages_and_headings() {
    let anchors: BTreeMap<_, _> = pages()
        .iter()
        .map(|page| (page.path.clone(), page.anchors()))
        .collect();
    check(|page| {
        let is_wrong = |target: &str| {
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let led_to = if path.is_empty() {
                Some(page.path.clone())
            } else {
                page.path.parent().unwrap().join(path).canonicalize().ok()
            };
            let Some(led_to) = led_to else { return true };
            let known = anchors.get(&led_to);
            !heading.is_empty() && known.is_some_and(|anchors| !anchors.contains(heading))
        };
        let wrong = page.links().into_iter().filter(|(_, target)| is_wrong(target));
        wrong.map(|(line, target)| (line, target.to_owned())).collect()
    });
}

#[test]
fn files_that_are_named_are_there() {
    let root = project();
    check(|page| {
        let named = page.spans().into_iter().filter(|(_, span)| {
            FOLDERS.iter().any(|folder| span.starts_with(folder))
                && !span.contains([' ', '<', '*', '{', '…', '|'])
                && !BUILT.contains(span)
        });
        named
            .filter(|(_, span)| !root.join(span).exists())
            .map(|(line, span)| (line, span.to_owned()))
            .collect()
    });
}

#[test]
fn suites_and_tests_that_are_named_are_there() {
    check(|page| {
        let calls = page.calls().into_iter();
        calls
            .filter_map(|(line, call)| Some((line, format!("cargo test {call}: {}", missing(call)?))))
            .collect()
    });
}

/// What a call of `cargo test` names and is not there.
fn missing(call: &str) -> Option<String> {
    let root = project();
    let (options, names) = call.split_once(" -- ").unwrap_or((call, ""));
    let words: Vec<_> = options.split_ascii_whitespace().collect();
    let after = |option: &str| {
        let at = words.iter().position(|word| *word == option)?;
        words.get(at + 1).copied()
    };
    let package = after("-p")?;
    let folders = ["libs", "bins"].map(|kind| root.join(kind).join(package));
    let Some(folder) = folders.into_iter().find(|folder| folder.is_dir()) else {
        return Some(format!("no package {package}"));
    };
    let mut sources = String::new();
    read_all(&folder.join("src"), &mut sources);
    if let Some(suite) = after("--test") {
        let (file, inside) = (
            folder.join(format!("tests/{suite}.rs")),
            folder.join("tests").join(suite),
        );
        if !file.exists() && !inside.is_dir() {
            return Some(format!("no suite {suite}"));
        }
        read_all(&file, &mut sources);
        read_all(&inside, &mut sources);
    } else {
        read_all(&folder.join("tests"), &mut sources);
    }
    let names = names
        .split_ascii_whitespace()
        .take_while(|name| !name.starts_with('-'));
    let mut parts = names
        .flat_map(|name| name.split("::"))
        .filter(|part| !part.is_empty());
    parts
        .find(|part| !sources.contains(part))
        .map(|part| format!("nothing is called {part}"))
}

/// Appends all Rust sources at a path, with their names.
fn read_all(path: &Path, sources: &mut String) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            read_all(&entry.unwrap().path(), sources);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") && path.exists() {
        sources.push_str(&path.display().to_string());
        sources.push_str(&fs::read_to_string(path).unwrap());
    }
}

#[test]
fn what_is_missing_is_found() {
    assert_eq!(
        missing("-p optimus-testkit --test documents -- what_is_missing_is_found"),
        None
    );
    assert!(missing("-p optimus-nothing").is_some());
    assert!(missing("-p optimus-testkit --test nothing").is_some());
    // Put together, so that this file has no such name.
    let name = format!("nothing_{}", "of_the_kind");
    assert!(missing(&format!("-p optimus-testkit --test documents -- {name}")).is_some());
}
