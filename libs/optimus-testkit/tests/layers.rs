//! Which crate may use which, and what: the table of crates in `docs/ARCHITECTURE.md`, whose rows stand on those above them, and
//! the rules below it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use optimus_testkit::project::project;
use toml::Table;

/// What the crates of a kind are called.
const PREFIX: &str = "optimus-";

/// Crates of which only these use the types; the rest of the system does not know that they are there.
const OWNED: [(&str, &[&str]); 10] = [
    ("axum", &["optimus-api"]),
    ("bollard", &["optimus-sandbox", "optimus-images", "optimus-bench"]),
    ("object_store", &["optimus-content"]),
    ("opentelemetry", &["optimus-service"]),
    ("opentelemetry-otlp", &["optimus-service"]),
    ("opentelemetry_sdk", &["optimus-service"]),
    ("redis", &["optimus-queue"]),
    ("reqwest", &["optimus-client"]),
    ("rusqlite", &["optimus-queue"]),
    ("tracing-opentelemetry", &["optimus-service"]),
];

/// Those in which `unsafe` may stand. `optimus-testkit` is in no program.
const UNSAFE: [&str; 5] = [
    "optimus-cell",
    "optimus-linux",
    "optimus-runner",
    "optimus-sandbox",
    "optimus-testkit",
];

/// What is in no program: it may know everything.
const OF_TESTS: [&str; 2] = ["optimus-fuzz", "optimus-testkit"];

/// By these names Rust reaches the world outside of its own memory. A library without I/O uses none of them.
const WORLD: [&str; 12] = [
    "Instant",
    "SystemTime",
    "async_std",
    "env",
    "fs",
    "libc",
    "net",
    "os",
    "process",
    "rustix",
    "thread",
    "tokio",
];

/// A crate of the workspace.
struct Crate {
    folder: PathBuf,
    /// What it is compiled with, on any system, tests apart.
    uses: BTreeSet<String>,
}

impl Crate {
    fn read(folder: PathBuf) -> (String, Self) {
        let manifest: Table = fs::read_to_string(folder.join("Cargo.toml"))
            .unwrap()
            .parse()
            .unwrap();
        let name = manifest["package"]["name"].as_str().unwrap().to_owned();
        let mut uses = names(manifest.get("dependencies"));
        for target in manifest
            .get("target")
            .and_then(|all| all.as_table())
            .into_iter()
            .flat_map(Table::values)
        {
            uses.extend(names(target.get("dependencies")));
        }
        (name, Self { folder, uses })
    }

    fn ours(&self) -> BTreeSet<String> {
        let ours = self.uses.iter().filter(|name| name.starts_with(PREFIX));
        ours.cloned().collect()
    }

    fn is_program(&self) -> bool {
        self.folder
            .parent()
            .is_some_and(|parent| parent.ends_with("bins"))
    }

    fn sources(&self) -> Vec<PathBuf> {
        let mut sources = Vec::new();
        let mut folders = vec![self.folder.join("src")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    sources.push(path);
                }
            }
        }
        sources
    }
}

/// The crates of a table of dependencies.
fn names(table: Option<&toml::Value>) -> BTreeSet<String> {
    let table = table.and_then(|table| table.as_table());
    table
        .into_iter()
        .flat_map(|table| table.keys().cloned())
        .collect()
}

fn crates() -> BTreeMap<String, Crate> {
    ["libs", "bins"]
        .into_iter()
        .flat_map(|kind| fs::read_dir(project().join(kind)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|folder| folder.join("Cargo.toml").exists())
        .map(Crate::read)
        .collect()
}

/// Everything that a crate stands on.
fn below(crates: &BTreeMap<String, Crate>, name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![name.to_owned()];
    while let Some(name) = open.pop() {
        for used in crates[&name].ours() {
            if found.insert(used.clone()) {
                open.push(used);
            }
        }
    }
    found
}

/// The rows of the table in their order: a crate, and what the page says that it depends on.
fn told() -> Vec<(String, BTreeSet<String>)> {
    let page = fs::read_to_string(project().join("docs/ARCHITECTURE.md")).unwrap();
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| `libs/optimus-") || line.starts_with("| `bins/optimus-"));
    let told: Vec<_> = rows
        .map(|row| {
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            let path = cells[1].trim_matches('`');
            let name = Path::new(path).file_name().unwrap().to_str().unwrap().to_owned();
            let used = cells[3].split(", ").filter(|used| *used != "–");
            (name, used.map(|used| format!("{PREFIX}{used}")).collect())
        })
        .collect();
    assert!(!told.is_empty(), "the page has no table of crates");
    told
}

#[test]
fn the_table_of_crates_says_what_each_depends_on() {
    let crates: BTreeMap<_, _> = crates()
        .iter()
        .map(|(name, of_it)| (name.clone(), of_it.ours()))
        .collect();
    let told: BTreeMap<_, _> = told().into_iter().collect();
    assert_eq!(
        told, crates,
        "left: docs/ARCHITECTURE.md, right: the crates' Cargo.toml"
    );
}

#[test]
fn arrows_between_crates_point_downwards() {
    let mut above = BTreeSet::new();
    for (name, used) in told() {
        for used in used {
            assert!(
                above.contains(&used),
                "{name} depends on {used}, which does not stand above it in docs/ARCHITECTURE.md"
            );
        }
        above.insert(name);
    }
    let crates = crates();
    for (name, of_it) in &crates {
        let program = of_it.ours().into_iter().find(|used| crates[used].is_program());
        if let Some(program) = program.filter(|_| !of_it.is_program() && !OF_TESTS.contains(&name.as_str())) {
            panic!("{name} is a library and depends on the program {program}");
        }
    }
}

#[test]
fn only_programs_know_both_stores_and_boxes() {
    let crates = crates();
    for (name, of_it) in &crates {
        if of_it.is_program() || OF_TESTS.contains(&name.as_str()) {
            continue;
        }
        let below = below(&crates, name);
        let knows = |which: &str| name == which || below.contains(which);
        assert!(
            !((knows("optimus-queue") || knows("optimus-content")) && knows("optimus-sandbox")),
            "{name} knows stores and boxes"
        );
    }
}

#[test]
fn what_decides_is_not_in_the_agent_and_the_worker_s_boxes() {
    let crates = crates();
    for name in ["optimus-runner", "optimus-cell", "optimus-sandbox"] {
        assert!(!below(&crates, name).contains("optimus-judge"), "{name}");
    }
}

#[test]
fn types_of_others_stay_inside_the_crates_that_own_them() {
    for (name, of_it) in &crates() {
        for (foreign, owners) in OWNED {
            assert!(
                !of_it.uses.contains(foreign)
                    || owners.contains(&name.as_str())
                    || OF_TESTS.contains(&name.as_str()),
                "{name} uses {foreign}, which only {owners:?} may"
            );
        }
    }
}

#[test]
fn unsafe_code_is_forbidden_wherever_none_is_needed() {
    for (name, of_it) in &crates() {
        let roots = ["lib.rs", "main.rs"].map(|root| of_it.folder.join("src").join(root));
        for root in roots.iter().filter(|root| root.exists()) {
            let forbids = fs::read_to_string(root)
                .unwrap()
                .contains("#![forbid(unsafe_code)]");
            assert!(
                forbids || UNSAFE.contains(&name.as_str()),
                "{} does not forbid unsafe code",
                root.display()
            );
        }
    }
}

#[test]
fn the_engine_and_the_codec_do_no_io() {
    let crates = crates();
    for name in ["optimus-judge", "optimus-protocol"] {
        let of_it = &crates[name];
        for world in WORLD {
            assert!(!of_it.uses.contains(world), "{name} uses {world}");
        }
        for source in of_it.sources() {
            let text = fs::read_to_string(&source).unwrap();
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap();
                for world in WORLD {
                    assert!(
                        !reaches(code, world),
                        "{}:{}: {world}",
                        source.display(),
                        number + 1
                    );
                }
            }
        }
    }
}

/// Whether a name stands in a line of code as a module or a type that is used: followed by `::`, or imported.
fn reaches(code: &str, name: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        let is_whole = !before.ends_with(is_part) && !after.starts_with(is_part);
        let imported = before.trim_start().starts_with("use std::");
        is_whole && (after.starts_with("::") || imported)
    })
}

#[test]
fn what_reaches_the_world_is_recognized() {
    assert!(reaches("use std::{collections::HashSet, fs};", "fs"));
    assert!(reaches("    let now = Instant::now();", "Instant"));
    assert!(reaches("tokio::spawn(async {})", "tokio"));
    assert!(!reaches("let process = facts.processes;", "process"));
    assert!(!reaches("use std::collections::HashSet;", "fs"));
    assert!(!reaches("offset::Of", "fs"));
}
