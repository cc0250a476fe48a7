//! `add-lang`: a language's entry, its Dockerfile, its image.

use std::{fs, io, path::Path, slice};

use anyhow::Context;
use optimus_common::{
    box_layout::OUTPUT_DIR,
    causes,
    language::{Build, Execution, Language, Languages, Placeholders},
};
use optimus_images::{Cache, Engine};

use super::build_image::{self, AllowFailures};
use crate::{
    args::AddLang,
    exit::{Classify, Exit, Failure},
    output::{Output, note},
    presets::{self, Preset},
    project::Project,
    registry,
};

const DEFAULT_BASE: &str = "debian:bookworm-slim";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existing {
    Keep,
    Replace,
}

pub(crate) async fn run(args: AddLang, project: &Project, output: &Output) -> Result<Exit, Failure> {
    let preset = preset(&args)?;
    let language = preset.language(&args.name);
    check_placeholders(&language.execution)?;
    if !names_a_source(&language.execution) {
        note(format_args!(
            "note: neither --run nor --compile names {{source}} or {{sources}}, so nothing tells {} what to run",
            language.execution.command
        ));
    }
    let existing = if args.force {
        Existing::Replace
    } else {
        Existing::Keep
    };
    registry::edit(&project.languages_file(), |languages| {
        enter(languages, &language, existing)?;
        // Under the same lock, so that of two who add one language the second finds it whole.
        languages.validate().usage()?;
        write_dockerfile(project, &preset, &language, existing)
    })?;
    let path = language.dockerfile_path.display();
    let done = format!(
        "Added {} to {} and wrote {path}",
        language.name,
        project.languages_file().display()
    );
    if args.skip_docker {
        output.result(&language, || done)?;
        return Ok(Exit::Done);
    }
    if let Err(error) = Engine::connect().await {
        note(format_args!("note: no image was built: {}", causes(&error)));
        output.result(&language, || format!("{done}\n{}", without_engine(&language)))?;
        return Ok(Exit::Done);
    }
    output.say(done)?;
    let base = args.base_image.as_deref();
    build_image::build_all(project, &[language], base, Cache::Use, output)
        .await?
        .exit(AllowFailures::No)
}

/// Who can do without images can do without an engine.
fn without_engine(language: &Language) -> String {
    let name = &language.name;
    let packages = match &language.build.debian_packages[..] {
        [] => String::new(),
        packages => format!(" (on Debian: apt-get install {})", packages.join(" ")),
    };
    format!(
        "optimus-cli serve takes {name} as soon as its toolchain is on this machine{packages}, also one that runs already\n\
         its image, where a container engine answers: optimus-cli build-image {name}"
    )
}

/// What is known of the language, changed by what was asked for.
fn preset(args: &AddLang) -> Result<Preset, Failure> {
    if let Some(image) = &args.base_image {
        check_image(image)?;
    }
    let mut preset = match presets::find(&args.name, &args.ext) {
        Some(known) => known.clone(),
        None => unknown(args)?,
    };
    args.version.clone_into(&mut preset.version);
    let execution = &mut preset.execution;
    if execution.file_extension != args.ext {
        let stem = execution
            .source_name
            .trim_end_matches(execution.file_extension.as_str());
        execution.source_name = format!("{stem}{}", args.ext);
        let usual = std::mem::replace(&mut execution.file_extension, args.ext.clone());
        // Another one of its own stands in place of the usual one; any other makes it a language of its own.
        match execution
            .other_extensions
            .iter_mut()
            .find(|other| **other == args.ext)
        {
            Some(other) => *other = usual,
            None => execution.other_extensions.clear(),
        }
    }
    if let Some(compile) = &args.compile {
        execution.compile = words("--compile", compile)?;
        let program = execution.command.trim_start_matches("./");
        if args.run.is_none()
            && program.starts_with(OUTPUT_DIR)
            && !execution.compile.iter().any(|word| word.contains(program))
        {
            return Err(Failure::usage(format!(
                "what is run is {program}, and --compile does not name it; give --run, too, if it is another program"
            )));
        }
    }
    if let Some(run) = &args.run {
        (execution.command, execution.args) = program("--run", run)?;
    }
    if let Some(memory) = args.memory {
        preset.memory_limit_mb = memory;
    }
    if let Some(cpu) = args.cpu {
        preset.cpu_limit = cpu;
    }
    if let Some(image) = &args.base_image {
        image.clone_into(&mut preset.base_image);
    }
    if let Some(packages) = &args.debian_packages {
        preset.debian_packages = packages_of(packages)?;
    }
    if let Some(command) = &args.version_command {
        command.clone_into(&mut preset.version_command);
    }
    Ok(preset)
}

fn check_placeholders(execution: &Execution) -> Result<(), Failure> {
    let run = [slice::from_ref(&execution.command), &execution.args].concat();
    for (option, words) in [("--run", &run), ("--compile", &execution.compile)] {
        if let Some(unknown) = Placeholders::unknown_in(words) {
            return Err(Failure::usage(format!(
                "{option}: {unknown} stands for nothing; there are {}",
                Placeholders::NAMES.join(", ")
            )));
        }
        if let Some((name, word)) = Placeholders::misplaced_in(words) {
            return Err(Failure::usage(format!(
                "{option}: {name} stands for whole arguments, and cannot be a part of {word:?}"
            )));
        }
    }
    Ok(())
}

/// By a placeholder, or by the name under which `source_code` is stored.
fn names_a_source(execution: &Execution) -> bool {
    let words = execution.args.iter().chain(&execution.compile);
    [&execution.command].into_iter().chain(words).any(|word| {
        ["{source}", "{sources}", "{entry_point}", &execution.source_name]
            .iter()
            .any(|name| word.contains(name))
    })
}

/// A language nobody told us of: the recipe must be given, and where its toolchain comes from.
fn unknown(args: &AddLang) -> Result<Preset, Failure> {
    let missing = |what: &str| {
        let known: Vec<_> = presets::all().iter().map(|preset| preset.name.as_str()).collect();
        Failure::usage(format!(
            "nothing is known of {}: {what} is needed (known without it: {})",
            args.name,
            known.join(", ")
        ))
    };
    let run = args.run.as_deref().ok_or_else(|| missing("--run"))?;
    if args.base_image.is_none() && args.debian_packages.is_none() {
        return Err(missing("--base-image or --debian-packages"));
    }
    let (command, run_args) = program("--run", run)?;
    let compile = words("--compile", args.compile.as_deref().unwrap_or_default())?;
    let toolchain = compile.first().unwrap_or(&command);
    let build = Build {
        base_image: args.base_image.clone().unwrap_or_else(|| DEFAULT_BASE.to_owned()),
        debian_packages: Vec::new(),
        version_command: guessed_version_command(toolchain),
    };
    let execution = Execution {
        command,
        args: run_args,
        file_extension: args.ext.clone(),
        other_extensions: Vec::new(),
        source_name: format!("main{}", args.ext),
        compile,
        env: [("LANG".to_owned(), "C.UTF-8".to_owned())].into(),
        time_multiplier: 1.0,
        memory_allowance_mb: 0,
        sample: None,
        out_of_memory: Vec::new(),
    };
    Ok(Preset::unknown(
        args.name.clone(),
        args.version.clone(),
        build,
        execution,
    ))
}

/// Nearly every toolchain says its version so. Our guess must not decide whether there is one, so where it fails, the
/// program's own path is what is known of it.
fn guessed_version_command(program: &str) -> String {
    let program = shell_words::quote(program);
    format!("{program} --version 2>/dev/null | grep . || command -v {program}")
}

fn words(option: &str, text: &str) -> Result<Vec<String>, Failure> {
    shell_words::split(text)
        .with_context(|| format!("{option} {text:?} cannot be split into words"))
        .usage()
}

fn program(option: &str, text: &str) -> Result<(String, Vec<String>), Failure> {
    let mut words = words(option, text)?.into_iter();
    let command = words
        .next()
        .ok_or_else(|| Failure::usage(format!("{option} names no program")))?;
    Ok((command, words.collect()))
}

/// They are words of a shell command in the Dockerfile, so nothing but names passes.
fn packages_of(text: &str) -> Result<Vec<String>, Failure> {
    let packages: Vec<_> = text
        .split([' ', ','])
        .filter(|package| !package.is_empty())
        .map(ToOwned::to_owned)
        .collect();
    let named = |package: &&String| {
        package.starts_with(|c: char| c.is_ascii_alphanumeric())
            && package
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.:=~".contains(c))
    };
    match packages.iter().find(|package| !named(package)) {
        Some(odd) => Err(Failure::usage(format!(
            "--debian-packages: {odd:?} is no package's name"
        ))),
        None => Ok(packages),
    }
}

/// It becomes a part of a line in the Dockerfile, where nothing but a name is left as it is.
fn check_image(name: &str) -> Result<(), Failure> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    if starts_well
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-/:@[]".contains(c))
    {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "--base-image: {name:?} is no image's name"
    )))
}

fn enter(languages: &mut Languages, language: &Language, existing: Existing) -> Result<(), Failure> {
    match languages
        .languages
        .iter_mut()
        .find(|other| other.name == language.name)
    {
        Some(old) if existing == Existing::Replace => *old = language.clone(),
        Some(_) => {
            return Err(Failure::usage(format!(
                "there is a language {} already; --force replaces it",
                language.name
            )));
        }
        None => languages.languages.push(language.clone()),
    }
    Ok(())
}

fn write_dockerfile(
    project: &Project,
    preset: &Preset,
    language: &Language,
    existing: Existing,
) -> Result<(), Failure> {
    let path = project.path(&language.dockerfile_path);
    let folder = path.parent().context("a Dockerfile has a folder").system()?;
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make {}", folder.display()))
        .system()?;
    let dockerfile = preset.dockerfile(language);
    let files = preset.files().map(|file| (folder.join(file.name), file.content));
    for (path, content) in files.chain([(path.clone(), dockerfile.as_str())]) {
        write_file(&path, content, existing)?;
    }
    Ok(())
}

fn write_file(path: &Path, content: &str, existing: Existing) -> Result<(), Failure> {
    match fs::read_to_string(path) {
        Ok(old) if old == content => return Ok(()),
        Ok(_) if existing == Existing::Keep => {
            return Err(Failure::usage(format!(
                "{} is there already, and differs from what would be written; --force replaces it",
                path.display()
            )));
        }
        _ => {}
    }
    fs::write(path, content)
        .and_then(|()| make_executable(path, content))
        .with_context(|| format!("cannot write {}", path.display()))
        .system()
}

/// Scripts must be so when the image is built by hand, too.
#[cfg(unix)]
fn make_executable(path: &Path, content: &str) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    if content.starts_with("#!") {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))
    } else {
        Ok(())
    }
}

/// Where files have no such bit, `build-image` gives it to them.
#[cfg(not(unix))]
fn make_executable(_path: &Path, _content: &str) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_have_names() {
        for good in [
            "gcc",
            "debian:bookworm-slim",
            "localhost:5000/a_b/c:1",
            "[::1]:5000/x",
            "x@sha256:0aB",
        ] {
            check_image(good).unwrap();
        }
        for bad in ["", "a b", "${X}", "a\nb", "-x", ":1", "a#b"] {
            assert!(check_image(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn packages_are_names_and_nothing_else() {
        assert_eq!(
            packages_of("g++, libc6-dev python3").unwrap(),
            ["g++", "libc6-dev", "python3"]
        );
        for bad in ["a;b", "$(x)", "-y", "a\"b", "a\nb"] {
            assert!(packages_of(bad).is_err(), "{bad}");
        }
    }
}
