//! Which image a language's is built on: the official one where it can be had, else a plain Debian.

use std::{env, time::Duration};

use bollard::{Docker, errors::Error, query_parameters::CreateImageOptionsBuilder};
use futures_util::StreamExt;
use optimus_common::language::Language;

use crate::{
    dockerfile::is_plain_debian,
    engine::has_image,
    exit::Failure,
    output::{Bar, note, spinner},
};

/// A registry that does not begin to answer in this time is not there.
const FIRST_ANSWER: Duration = Duration::from_secs(15);
/// Longest silence in the middle of a pull.
const SILENCE: Duration = Duration::from_mins(1);

/// What the Dockerfile's arguments say of its base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) image: String,
    /// Installed on it; none where it brings the language along.
    pub(crate) packages: Vec<String>,
}

impl Base {
    /// This image; the packages are needed where it is a plain Debian.
    pub(crate) fn named(image: &str, language: &Language) -> Self {
        let packages = if is_plain_debian(image) {
            language.build.debian_packages.clone()
        } else {
            Vec::new()
        };
        Self {
            image: image.to_owned(),
            packages,
        }
    }
}

/// The plain Debian to fall back to.
fn debian_base() -> String {
    match env::var("OPTIMUS_DEBIAN_BASE") {
        Ok(image) if !image.is_empty() => image,
        _ => "optimus/debian-base:bookworm".to_owned(),
    }
}

/// Finds bases, and remembers when no registry answers.
#[derive(Debug)]
pub(crate) struct Bases<'a> {
    docker: &'a Docker,
    registry: Registry,
}

#[derive(Debug, PartialEq, Eq)]
enum Registry {
    Untried,
    Answers,
    Silent,
}

enum Pull {
    Done,
    /// The registry does not have it, or does not give it away.
    Refused(String),
    /// No registry answered.
    Unreachable(String),
}

impl<'a> Bases<'a> {
    pub(crate) fn new(docker: &'a Docker) -> Self {
        Self {
            docker,
            registry: Registry::Untried,
        }
    }

    /// The official image where it is there or can be pulled; else the plain Debian with the language's packages.
    pub(crate) async fn find(&mut self, language: &Language) -> Result<Base, Failure> {
        let official = &language.build.base_image;
        if has_image(self.docker, official).await? {
            return Ok(Base::named(official, language));
        }
        let why = match self.pull(official).await {
            Pull::Done => return Ok(Base::named(official, language)),
            Pull::Refused(why) | Pull::Unreachable(why) => why,
        };
        let debian = debian_base();
        let packages = &language.build.debian_packages;
        if packages.is_empty() {
            return Err(Failure::system(format!(
                "cannot pull {official} ({why}), and {} has no Debian packages to build from instead",
                language.name
            )));
        }
        if !has_image(self.docker, &debian).await? {
            return Err(Failure::system(format!(
                "cannot pull {official} ({why}), and there is no {debian} to build on instead; ./setup.sh makes one, \
                 OPTIMUS_DEBIAN_BASE or --base-image names another"
            )));
        }
        note(format_args!(
            "{}: cannot pull {official} ({why}); building on {debian}",
            language.name
        ));
        Ok(Base {
            image: debian,
            packages: packages.clone(),
        })
    }

    async fn pull(&mut self, image: &str) -> Pull {
        if self.registry == Registry::Silent {
            return Pull::Unreachable("no registry answers".to_owned());
        }
        let progress = spinner(format!("pulling {image}"));
        let pull = pull(self.docker, image, &progress).await;
        progress.finish_and_clear();
        self.registry = match pull {
            Pull::Unreachable(_) => Registry::Silent,
            Pull::Done | Pull::Refused(_) => Registry::Answers,
        };
        pull
    }
}

async fn pull(docker: &Docker, image: &str, progress: &Bar) -> Pull {
    let options = CreateImageOptionsBuilder::new().from_image(image).build();
    let mut steps = docker.create_image(Some(options), None, None);
    let mut patience = FIRST_ANSWER;
    loop {
        match tokio::time::timeout(patience, steps.next()).await {
            Err(_) => return Pull::Unreachable(format!("no answer within {} s", patience.as_secs())),
            Ok(None) => return Pull::Done,
            Ok(Some(Ok(step))) => {
                patience = SILENCE;
                if let Some(failure) = step.error_detail {
                    return Pull::Refused(failure.message.unwrap_or_else(|| "refused".to_owned()));
                }
                progress.say(format_args!(
                    "pulling {image}: {}",
                    step.status.unwrap_or_default()
                ));
            }
            // 404: there is no such image, or none for everybody. Anything else is a registry out of reach.
            Ok(Some(Err(Error::DockerResponseServerError {
                status_code: 404,
                message,
            }))) => {
                return Pull::Refused(message);
            }
            Ok(Some(Err(Error::DockerResponseServerError { message, .. }))) => {
                return Pull::Unreachable(message);
            }
            Ok(Some(Err(error))) => return Pull::Unreachable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presets;

    #[test]
    fn packages_are_for_plain_debians() {
        let name = "ruby".parse().unwrap();
        let ruby = presets::find(&name, ".rb").unwrap().language(&name);
        assert!(Base::named("ruby:3.3", &ruby).packages.is_empty());
        assert_eq!(
            Base::named("optimus/debian-base:bookworm", &ruby).packages,
            ["ruby"]
        );
    }
}
