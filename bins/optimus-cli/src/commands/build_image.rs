//! `build-image`.

use std::fmt::Display;

use anyhow::Context;
use optimus_common::language::{Language, Languages};
use optimus_images::{Base, Bases, Built, Cache, Engine, Event};

use crate::{
    args::BuildImage,
    exit::{Exit, Failure},
    output::{Bar, Output, bar, mebibytes, note, print_error, spinner, table},
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
        let engine = Engine::connect().await?;
        for language in languages.languages {
            // Where that cannot be told, as a file of it is missing, the build says so, and of this language alone.
            if !optimus_images::is_current(&engine, &project.dockerfiles(), &language)
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
    let engine = Engine::connect().await?;
    let mut bases = Bases::new(&engine);
    let mut shown = Shown::default();
    let mut tell = |event: Event<'_>| shown.hear(event);
    let mut built = Vec::new();
    let mut failed = Vec::new();
    for language in languages {
        let done = async {
            let base = match base_image {
                Some(image) => Base::named(image, language),
                None => bases.find(language, &mut tell).await?,
            };
            optimus_images::build(&engine, &project.dockerfiles(), language, base, cache, &mut tell).await
        };
        match done.await {
            Ok(image) => built.push(image),
            Err(error) => {
                print_error(&error.into());
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

/// What is under way: on a terminal as a bar, elsewhere in a line for each step.
#[derive(Default)]
struct Shown(Option<Bar>);

impl Shown {
    fn hear(&mut self, event: Event<'_>) {
        match event {
            Event::Pulls { image } => self.0 = Some(spinner(format_args!("pulling {image}"))),
            Event::PullGoesOn { image, status } => self.say(format_args!("pulling {image}: {status}")),
            Event::FallsBack {
                language,
                official,
                why,
                debian,
            } => note(format_args!(
                "{language}: cannot pull {official} ({why}); building on {debian}"
            )),
            Event::Builds { language } => self.0 = Some(bar(language, 0)),
            Event::Step {
                language,
                position,
                steps,
                what,
            } => {
                let Some(bar) = &self.0 else { return };
                bar.at(position, steps);
                bar.say(what);
                if bar.is_hidden() {
                    note(format_args!("{language} {position}/{steps} {what}"));
                }
            }
            Event::Line(line) => self.say(line),
            Event::Ends => {
                if let Some(bar) = self.0.take() {
                    bar.finish_and_clear();
                }
            }
        }
    }

    fn say(&self, message: impl Display) {
        if let Some(bar) = &self.0 {
            bar.say(message);
        }
    }
}
