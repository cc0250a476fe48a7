//! `remove-lang`.

use std::{
    fs,
    io::{self, IsTerminal, Write},
    path::Path,
};

use anyhow::Context;
use optimus_common::language::{Language, Languages};
use optimus_images::Engine;
use serde::Serialize;

use crate::{
    args::RemoveLang,
    exit::{Classify, Exit, Failure},
    output::{Output, note},
    presets,
    project::Project,
    registry,
};

#[derive(Debug, Serialize)]
struct Removed {
    language: String,
    image_removed: bool,
}

pub(crate) async fn run(args: RemoveLang, project: &Project, output: &Output) -> Result<Exit, Failure> {
    let languages = registry::load(&project.languages_file())?;
    let language = find(&languages, &args)?;
    // Before anything is removed: what would keep the image.
    let engine = if args.image {
        Some(unused(&language.image).await?)
    } else {
        None
    };
    if !args.yes && !confirmed(&args)? {
        return Err(Failure::usage("nothing was removed"));
    }
    let language = registry::edit(&project.languages_file(), |languages| {
        let language = find(languages, &args)?.clone();
        languages.languages.retain(|other| other.name != language.name);
        let shared = languages
            .languages
            .iter()
            .any(|other| other.dockerfile_path == language.dockerfile_path);
        if !shared {
            remove_files(project, &language)?;
        }
        Ok(language)
    })?;
    if let Some(engine) = engine {
        remove_image(&engine, &language).await?;
    }
    let removed = Removed {
        language: language.name.to_string(),
        image_removed: args.image,
    };
    output.result(&removed, || format!("Removed {}", language.name))?;
    Ok(Exit::Done)
}

fn find<'a>(languages: &'a Languages, args: &RemoveLang) -> Result<&'a Language, Failure> {
    languages
        .get(&args.name)
        .with_context(|| format!("there is no language {}", args.name))
        .usage()
}

fn confirmed(args: &RemoveLang) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(
            "nobody is there to confirm; --yes removes without asking",
        ));
    }
    let mut stderr = io::stderr();
    write!(
        stderr,
        "Remove {}, its entry and its Dockerfile? [y/N] ",
        args.name
    )
    .system()?;
    stderr.flush().system()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).system()?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// What `add-lang` writes; whatever else somebody put into the folder stays.
fn remove_files(project: &Project, language: &Language) -> Result<(), Failure> {
    let dockerfile = project.path(&language.dockerfile_path);
    let folder = dockerfile
        .parent()
        .context("a Dockerfile has a folder")
        .system()?;
    let preset = presets::find(&language.name, &language.execution.file_extension);
    let beside = preset.into_iter().flat_map(presets::Preset::files);
    for path in beside
        .map(|file| folder.join(file.name))
        .chain([dockerfile.clone()])
    {
        gone(fs::remove_file(&path), &path)?;
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            note(format_args!(
                "{} holds more than was generated, and stays",
                folder.display()
            ));
            Ok(())
        }
        removed => gone(removed, folder),
    }
}

fn gone(removed: io::Result<()>, path: &Path) -> Result<(), Failure> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed
            .with_context(|| format!("cannot remove {}", path.display()))
            .system(),
    }
}

/// The engine, where no container is made from this image: not even a worker, which holds its files.
async fn unused(image: &str) -> Result<Engine, Failure> {
    let engine = Engine::connect().await?;
    let names = engine.containers_of(image).await?;
    if names.is_empty() {
        return Ok(engine);
    }
    Err(Failure::usage(format!(
        "nothing was removed: the image {image} is used by {}; stop the worker of this language first, or leave out --image",
        names.join(", ")
    )))
}

async fn remove_image(engine: &Engine, language: &Language) -> Result<(), Failure> {
    let Language { name, image, .. } = language;
    engine
        .remove_image(image)
        .await
        .with_context(|| {
            format!("{name}, its entry and its Dockerfile, is removed, but not its image (later: docker rmi {image})")
        })
        .system()
}
