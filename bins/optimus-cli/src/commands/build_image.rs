//! `build-image`.

use anyhow::Context;
use optimus_common::language::{Language, Languages};

use crate::{
    args::BuildImage,
    engine,
    exit::{Exit, Failure},
    images::{
        base::{Base, Bases},
        build::{self, Built, Cache},
    },
    output::{Output, mebibytes, note, print_error, table},
    project::Project,
    registry,
};

pub(crate) async fn run(args: BuildImage, project: &Project, output: &Output) -> Result<Exit, Failure> {
    let languages = registry::load(&project.languages_file())?;
    let chosen = chosen(&args, project, languages).await?;
    if chosen.is_empty() {
        output.result(&[(); 0], || "Every image is there and up to date".to_owned())?;
        return Ok(Exit::Done);
    }
    let cache = if args.no_cache { Cache::Ignore } else { Cache::Use };
    let built = build_all(project, &chosen, args.base_image.as_deref(), cache, output).await?;
    built.exit(if args.allow_failures {
        AllowFailures::Yes
    } else {
        AllowFailures::No
    })
}

async fn chosen(
    args: &BuildImage,
    project: &Project,
    languages: Languages,
) -> Result<Vec<Language>, Failure> {
    if args.all {
        return Ok(languages.languages);
    }
    let mut chosen = Vec::new();
    if args.missing {
        let docker = engine::connect().await?;
        for language in languages.languages {
            // Where that cannot be told, as a file of it is missing, the build says so, and of this language alone.
            if !build::is_current(&docker, project, &language)
                .await
                .unwrap_or(false)
            {
                chosen.push(language);
            }
        }
        return Ok(chosen);
    }
    for name in &args.names {
        let language = languages
            .get(name)
            .with_context(|| format!("there is no language {name}"));
        chosen.push(language.map_err(Failure::Usage)?.clone());
    }
    Ok(chosen)
}

/// Whether the command ends well although an image could not be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AllowFailures {
    Yes,
    No,
}

/// What came of building images.
pub(crate) struct BuildOutcome {
    failed: Vec<String>,
}

impl BuildOutcome {
    /// How the command ends: those that failed were told, and are named once more, unless they are allowed to.
    pub(crate) fn exit(self, allow: AllowFailures) -> Result<Exit, Failure> {
        if self.failed.is_empty() {
            return Ok(Exit::Done);
        }
        let failed = self.failed.join(" ");
        let told = format!("not built: {failed}; once mended: optimus-cli build-image {failed}");
        if allow == AllowFailures::Yes {
            note(told);
            return Ok(Exit::Done);
        }
        Err(Failure::system(told))
    }
}

/// Builds one after the other. One that fails does not keep the others from being built.
pub(crate) async fn build_all(
    project: &Project,
    languages: &[Language],
    base_image: Option<&str>,
    cache: Cache,
    output: &Output,
) -> Result<BuildOutcome, Failure> {
    let docker = engine::connect().await?;
    let mut bases = Bases::new(&docker);
    let mut built = Vec::new();
    let mut failed = Vec::new();
    for language in languages {
        let done = async {
            let base = match base_image {
                Some(image) => Base::named(image, language),
                None => bases.find(language).await?,
            };
            build::build(&docker, project, language, base, cache).await
        };
        match done.await {
            Ok(image) => built.push(image),
            Err(failure) => {
                print_error(&failure);
                failed.push(language.name.to_string());
            }
        }
    }
    output.result(&built, || text(&built))?;
    Ok(BuildOutcome { failed })
}

fn text(built: &[Built]) -> String {
    if built.is_empty() {
        return String::new();
    }
    let mut table = table(&["language", "image", "built on", "added to it", "took"]);
    for image in built {
        table.add_row([
            image.language.clone(),
            image.image.clone(),
            image.base_image.clone(),
            mebibytes(image.bytes),
            format!("{:.1} s", image.took.as_secs_f64()),
        ]);
    }
    table.to_string()
}
