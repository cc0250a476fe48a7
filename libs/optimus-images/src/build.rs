//! The build of one language's image.

use std::{
    collections::{HashMap, VecDeque},
    path::Path,
    time::{Duration, Instant},
};

use bollard::{body_full, query_parameters::BuildImageOptionsBuilder};
use futures_util::StreamExt;
use optimus_common::language::Language;
use serde::Serialize;

use crate::{
    base::Base,
    context::Context,
    engine::Engine,
    error::{Error, Result},
    event::{Event, Listener},
};

/// On every image: the fingerprint of what it was built from.
const CONTEXT_LABEL: &str = "optimus.context";

/// Lines of the build's output shown when it fails.
const TAIL: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    Use,
    Ignore,
}

/// An image just built.
#[derive(Debug, Serialize)]
pub struct Built {
    pub language: String,
    pub image: String,
    pub base_image: String,
    #[serde(rename = "seconds", serialize_with = "as_seconds")]
    pub took: Duration,
    /// On top of its base.
    pub bytes: u64,
}

fn as_seconds<S: serde::Serializer>(took: &Duration, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_f64(took.as_secs_f64())
}

/// Builds and tags the language's image from what is in `dockerfiles`, the folder.
pub async fn build(
    engine: &Engine,
    dockerfiles: &Path,
    language: &Language,
    base: Base,
    cache: Cache,
    tell: &mut Listener<'_>,
) -> Result<Built> {
    let began = Instant::now();
    let context = Context::of(dockerfiles, language)?;
    let arguments = HashMap::from([
        ("BASE_IMAGE", base.image.as_str()),
        ("VERSION_COMMAND", language.build.version_command.as_str()),
    ]);
    let packages = base.packages.join(" ");
    // Always said, so that a default written in the Dockerfile never applies to a base that was not meant.
    let arguments: HashMap<_, _> = arguments
        .into_iter()
        .chain([("DEBIAN_PACKAGES", packages.as_str())])
        .collect();
    let options = BuildImageOptionsBuilder::new()
        .dockerfile(&context.dockerfile)
        .labels(&HashMap::from([(CONTEXT_LABEL, context.fingerprint(language))]))
        .t(&language.image)
        .buildargs(&arguments)
        .nocache(cache == Cache::Ignore)
        .rm(true)
        .forcerm(true)
        .build();

    let mut steps = engine
        .docker
        .build_image(options, None, Some(body_full(context.archive)));
    let mut log = Log::new(language.name.as_str(), tell);
    let mut failure = None;
    while let Some(step) = steps.next().await {
        match step {
            Ok(step) => {
                if let Some(detail) = step.error_detail {
                    failure = Some(detail.message.unwrap_or_else(|| "the build failed".to_owned()));
                }
                log.take(&step.stream.unwrap_or_default());
            }
            Err(error) => failure = Some(error.to_string()),
        }
    }
    let tail = log.end();
    if let Some(failure) = failure {
        return Err(Error::Build {
            image: language.image.clone(),
            failure,
            log: tail,
        });
    }
    let bytes = added_bytes(engine, &language.image, &base.image).await?;
    Ok(Built {
        language: language.name.to_string(),
        image: language.image.clone(),
        base_image: base.image,
        took: began.elapsed(),
        bytes,
    })
}

/// Whether the engine has the language's image, built from the files as they are now. One with another agent may not
/// even speak the worker's protocol.
pub async fn is_current(engine: &Engine, dockerfiles: &Path, language: &Language) -> Result<bool> {
    let Some(built_from) = engine.label_of(&language.image, CONTEXT_LABEL).await? else {
        return Ok(false);
    };
    Ok(built_from == Context::of(dockerfiles, language)?.fingerprint(language))
}

async fn added_bytes(engine: &Engine, image: &str, base: &str) -> Result<u64> {
    let mut sizes = [0, 0];
    for (size, image) in sizes.iter_mut().zip([image, base]) {
        let found = engine
            .docker
            .inspect_image(image)
            .await
            .map_err(|error| Error::Inspect {
                image: image.to_owned(),
                cause: error.into(),
            })?;
        *size = u64::try_from(found.size.unwrap_or_default()).unwrap_or_default();
    }
    Ok(sizes[0].saturating_sub(sizes[1]))
}

/// The build's output: its steps are told, its end is kept for the case that it fails.
struct Log<'a, 'b> {
    language: &'a str,
    tell: &'a mut Listener<'b>,
    tail: VecDeque<String>,
}

impl<'a, 'b> Log<'a, 'b> {
    fn new(language: &'a str, tell: &'a mut Listener<'b>) -> Self {
        tell(Event::Builds { language });
        Self {
            language,
            tell,
            tail: VecDeque::new(),
        }
    }

    fn take(&mut self, text: &str) {
        // Engines write what went to standard error in red.
        let text = console::strip_ansi_codes(text);
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            if self.tail.len() == TAIL {
                self.tail.pop_front();
            }
            self.tail.push_back(line.to_owned());
            (self.tell)(match step(line) {
                Some((position, steps, what)) => Event::Step {
                    language: self.language,
                    position,
                    steps,
                    what,
                },
                None => Event::Line(line),
            });
        }
    }

    /// Its last lines.
    fn end(self) -> Vec<String> {
        (self.tell)(Event::Ends);
        self.tail.into()
    }
}

/// `Step 3/9 : RUN …`, as engines announce each instruction.
fn step(line: &str) -> Option<(u64, u64, &str)> {
    let (numbers, what) = line.strip_prefix("Step ")?.split_once(" : ")?;
    let (position, steps) = numbers.split_once('/')?;
    Some((position.parse().ok()?, steps.trim().parse().ok()?, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_has_no_colours_and_its_steps_are_told() {
        let mut told = Vec::new();
        let mut tell = |event: Event<'_>| told.push(format!("{event:?}"));
        let mut log = Log::new("c", &mut tell);
        for text in [
            "Step 1/2 : RUN x\n",
            "\u{1b}[91mE: no such package\n\u{1b}[0m",
            "\u{1b}[0m",
        ] {
            log.take(text);
        }
        assert_eq!(log.end(), ["Step 1/2 : RUN x", "E: no such package"]);
        let step = Event::Step {
            language: "c",
            position: 1,
            steps: 2,
            what: "RUN x",
        };
        let expected = [
            Event::Builds { language: "c" },
            step,
            Event::Line("E: no such package"),
            Event::Ends,
        ];
        assert_eq!(told, expected.map(|event| format!("{event:?}")));
    }

    #[test]
    fn steps_are_told_from_output() {
        assert_eq!(
            step("Step 3/12 : RUN apt-get update"),
            Some((3, 12, "RUN apt-get update"))
        );
        assert_eq!(step("Step by step : on"), None);
        assert_eq!(step(" ---> 5cf09009c011"), None);
    }
}
