//! Which image a language's is built on: the official one where it can be had, else a plain Debian.

use std::{env, time::Duration};

use bollard::{Docker, errors::Error as EngineError, query_parameters::CreateImageOptionsBuilder};
use futures_util::StreamExt;
use optimus_common::language::Language;

use crate::{
    dockerfile::is_plain_debian,
    engine::Engine,
    error::{Error, Result},
    event::{Event, Listener},
};

/// A registry that does not begin to answer in this time is not there.
const FIRST_ANSWER: Duration = Duration::from_secs(15);
/// Longest silence in the middle of a pull.
const SILENCE: Duration = Duration::from_mins(1);

/// What the Dockerfile's arguments say of its base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    pub image: String,
    /// Installed on it; none where it brings the language along.
    pub packages: Vec<String>,
}

impl Base {
    /// This image; the packages are needed where it is a plain Debian.
    pub fn named(image: &str, language: &Language) -> Self {
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
pub struct Bases<'a> {
    engine: &'a Engine,
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
    pub fn new(engine: &'a Engine) -> Self {
        Self {
            engine,
            registry: Registry::Untried,
        }
    }

    /// The official image where it is there or can be pulled; else the plain Debian with the language's packages.
    pub async fn find(&mut self, language: &Language, tell: &mut Listener<'_>) -> Result<Base> {
        let official = &language.build.base_image;
        if self.engine.has_image(official).await? {
            return Ok(Base::named(official, language));
        }
        let why = match self.pull(official, tell).await {
            Pull::Done => return Ok(Base::named(official, language)),
            Pull::Refused(why) | Pull::Unreachable(why) => why,
        };
        let debian = debian_base();
        let packages = &language.build.debian_packages;
        if packages.is_empty() {
            return Err(Error::NoPackages {
                language: language.name.clone(),
                official: official.clone(),
                why,
            });
        }
        if !self.engine.has_image(&debian).await? {
            return Err(Error::NoBase {
                official: official.clone(),
                why,
                debian,
            });
        }
        tell(Event::FallsBack {
            language: language.name.as_str(),
            official,
            why: &why,
            debian: &debian,
        });
        Ok(Base {
            image: debian,
            packages: packages.clone(),
        })
    }

    async fn pull(&mut self, image: &str, tell: &mut Listener<'_>) -> Pull {
        if self.registry == Registry::Silent {
            return Pull::Unreachable("no registry answers".to_owned());
        }
        tell(Event::Pulls { image });
        let pull = pull(&self.engine.docker, image, tell).await;
        tell(Event::Ends);
        self.registry = match pull {
            Pull::Unreachable(_) => Registry::Silent,
            Pull::Done | Pull::Refused(_) => Registry::Answers,
        };
        pull
    }
}

async fn pull(docker: &Docker, image: &str, tell: &mut Listener<'_>) -> Pull {
    let options = CreateImageOptionsBuilder::new().from_image(image).build();
    let mut steps = docker.create_image(Some(options), None, None);
    let mut longest = FIRST_ANSWER;
    loop {
        match tokio::time::timeout(longest, steps.next()).await {
            Err(_) => return Pull::Unreachable(format!("no answer within {} s", longest.as_secs())),
            Ok(None) => return Pull::Done,
            Ok(Some(Ok(step))) => {
                longest = SILENCE;
                if let Some(failure) = step.error_detail {
                    return Pull::Refused(failure.message.unwrap_or_else(|| "refused".to_owned()));
                }
                let status = step.status.unwrap_or_default();
                tell(Event::PullGoesOn {
                    image,
                    status: &status,
                });
            }
            // 404: there is no such image, or none for everybody. Anything else is a registry out of reach.
            Ok(Some(Err(EngineError::DockerResponseServerError {
                status_code: 404,
                message,
            }))) => {
                return Pull::Refused(message);
            }
            Ok(Some(Err(EngineError::DockerResponseServerError { message, .. }))) => {
                return Pull::Unreachable(message);
            }
            Ok(Some(Err(error))) => return Pull::Unreachable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use optimus_common::language::LanguagesFile;

    use super::*;

    #[test]
    fn packages_are_for_plain_debians() {
        let languages = LanguagesFile::BuiltIn.load().unwrap();
        let python = languages.get(&"python".parse().unwrap()).unwrap();
        assert!(
            Base::named("python:3.12-slim-bookworm", python)
                .packages
                .is_empty()
        );
        assert_eq!(
            Base::named("optimus/debian-base:bookworm", python).packages,
            ["python3"]
        );
    }
}
