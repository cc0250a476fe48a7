//! What a compile step has to make, by what the recipe runs.

use optimus_common::{
    box_layout::{BOX_DIR, OUTPUT_DIR},
    language::Language,
};
use optimus_protocol::Product;

/// What the recipe runs out of the work directory is what the compile step has to make: a program (`./main`), or what one
/// of the image is given (`java -jar .optimus/main.jar`, `java -cp .optimus Main`). A recipe that names neither that nor
/// the sources needs something that the compile step makes, under whatever name. One that names the sources may need
/// nothing: compile steps like `perl -c` only check.
pub(super) fn products(language: &Language) -> (Option<String>, Product) {
    let execution = &language.execution;
    let words = || std::iter::once(&execution.command).chain(&execution.args);
    let is_assignment = |word: &&String| word.contains('=') && !word.starts_with(['.', '/', '-']);
    let mut program = words();
    let program = match program.next() {
        Some(env) if env == "env" => program.find(|word| !is_assignment(word)),
        program => program,
    };
    if let Some(program) = program.and_then(|word| in_work_dir(word)) {
        return (Some(program.to_owned()), Product::Unknown);
    }
    let source = execution.source_name.as_str();
    let is_source = |word: &String| {
        word.contains("{source")
            || word == "{entry_point}"
            || word == source
            || in_work_dir(word) == Some(source)
    };
    let named = words()
        .filter(|word| !is_list(word) && !is_source(word))
        .find_map(|word| in_work_dir(word));
    let product = match named {
        Some(named) => Product::Named(named.to_owned()),
        None if words().any(is_source) => Product::Unknown,
        None => Product::Anything,
    };
    (None, product)
}

/// Whether what a program is given stands for several files, as class paths do (`.optimus/a:/usr/share/java/b.jar`,
/// `.optimus/*`): some of them may be missing.
fn is_list(word: &str) -> bool {
    word.contains([':', '*'])
}

/// The path in the box's work directory that a word of a recipe names.
fn in_work_dir(word: &str) -> Option<&str> {
    let from_root = word
        .strip_prefix(BOX_DIR)
        .and_then(|below| below.strip_prefix('/'));
    let is_artefact = word
        .strip_prefix(OUTPUT_DIR)
        .is_some_and(|below| below.is_empty() || below.starts_with('/'));
    let path = from_root
        .or_else(|| word.strip_prefix("./"))
        .or_else(|| is_artefact.then_some(word))?;
    (!path.is_empty() && !path.contains('{')).then_some(path)
}
