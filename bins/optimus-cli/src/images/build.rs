//! The build of one language's image.

use std::{
    collections::{HashMap, VecDeque},
    env,
    fs::{self, DirEntry, File},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bollard::{Docker, body_full, query_parameters::BuildImageOptionsBuilder};
use bytes::Bytes;
use futures_util::StreamExt;
use optimus_common::language::{Build, Language};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::base::Base;
use crate::{
    engine::label_of,
    exit::{Classify, Failure},
    output::{Bar, bar, note},
    project::Project,
};

/// What every image gets a copy of: a script, and the agent that it calls.
const SCRIPT: &str = "runner.sh";
const AGENT: &str = "optimus-runner";

/// The agent elsewhere than in `dockerfiles/`. Workers in an image bring the one that they understand.
const AGENT_AT: &str = "OPTIMUS_AGENT";

/// On every image: the fingerprint of what it was built from.
const CONTEXT_LABEL: &str = "optimus.context";

/// Lines of the build's output shown when it fails.
const TAIL: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cache {
    Use,
    Ignore,
}

/// An image just built.
#[derive(Debug, Serialize)]
pub(crate) struct Built {
    pub(crate) language: String,
    pub(crate) image: String,
    pub(crate) base_image: String,
    #[serde(rename = "seconds", serialize_with = "as_seconds")]
    pub(crate) took: Duration,
    /// On top of its base.
    pub(crate) bytes: u64,
}

fn as_seconds<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(took.as_secs_f64())
}

/// Builds and tags the language's image.
pub(crate) async fn build(
    docker: &Docker,
    project: &Project,
    language: &Language,
    base: Base,
    cache: Cache,
) -> Result<Built, Failure> {
    let began = Instant::now();
    let context = Context::of(project, language)?;
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

    let mut steps = docker.build_image(options, None, Some(body_full(context.archive)));
    let mut log = Log::new(language);
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
    log.bar.finish_and_clear();
    if let Some(failure) = failure {
        let tail: Vec<_> = log.tail.into();
        return Err(Failure::system(format!(
            "cannot build {}: {failure}\nthe end of its log:\n  {}",
            language.image,
            tail.join("\n  ")
        )));
    }
    let bytes = added_bytes(docker, &language.image, &base.image).await?;
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
pub(crate) async fn is_current(
    docker: &Docker,
    project: &Project,
    language: &Language,
) -> Result<bool, Failure> {
    let Some(built_from) = label_of(docker, &language.image, CONTEXT_LABEL).await? else {
        return Ok(false);
    };
    Ok(built_from == Context::of(project, language)?.fingerprint(language))
}

async fn added_bytes(docker: &Docker, image: &str, base: &str) -> Result<u64, Failure> {
    let mut sizes = [0, 0];
    for (size, image) in sizes.iter_mut().zip([image, base]) {
        let found = docker
            .inspect_image(image)
            .await
            .with_context(|| format!("cannot inspect {image}"))
            .system()?;
        *size = u64::try_from(found.size.unwrap_or_default()).unwrap_or_default();
    }
    Ok(sizes[0].saturating_sub(sizes[1]))
}

/// The Dockerfile's path in the context: below `dockerfiles/`.
fn dockerfile_in_context(language: &Language) -> Result<String, Failure> {
    language
        .dockerfile_path
        .strip_prefix("dockerfiles")
        .ok()
        .filter(|path| path.components().count() > 1)
        .and_then(Path::to_str)
        .map(|path| path.replace('\\', "/"))
        .ok_or_else(|| {
            let path = language.dockerfile_path.display();
            Failure::usage(format!(
                "language {}: dockerfile_path {path} is not in a folder of dockerfiles/",
                language.name
            ))
        })
}

/// What is sent to the engine: the language's own folder, and what every image gets.
struct Context {
    archive: Bytes,
    /// The Dockerfile's path in it.
    dockerfile: String,
}

impl Context {
    fn of(project: &Project, language: &Language) -> Result<Self, Failure> {
        let dockerfile = dockerfile_in_context(language)?;
        let archive = pack(&project.dockerfiles(), &dockerfile)?;
        Ok(Self { archive, dockerfile })
    }

    /// Differs where an image built from it would.
    fn fingerprint(&self, language: &Language) -> String {
        let Build {
            base_image,
            debian_packages,
            version_command,
        } = &language.build;
        let mut hash = Sha256::new();
        for part in [base_image, &debian_packages.join(" "), version_command] {
            hash.update(part);
            hash.update([0]);
        }
        hash.update(&self.archive);
        STANDARD.encode(hash.finalize())
    }
}

fn pack(dockerfiles: &Path, dockerfile: &str) -> Result<Bytes, Failure> {
    let agent = match env::var_os(AGENT_AT) {
        Some(agent) if !agent.is_empty() => PathBuf::from(agent),
        _ => dockerfiles.join(AGENT),
    };
    if !agent.is_file() {
        return Err(Failure::system(format!(
            "{} is missing, the program inside every box; build it with: sh dockerfiles/optimus/build.sh",
            agent.display()
        )));
    }
    let packed = || -> anyhow::Result<Vec<u8>> {
        let mut context = tar::Builder::new(Vec::new());
        append(&mut context, &dockerfiles.join(SCRIPT), SCRIPT, Mode::Executable)?;
        append(&mut context, &agent, AGENT, Mode::Executable)?;
        let folder = dockerfile.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut entries = fs::read_dir(dockerfiles.join(folder))
            .and_then(Iterator::collect::<io::Result<Vec<_>>>)
            .with_context(|| format!("cannot read dockerfiles/{folder}"))?;
        entries.sort_by_key(DirEntry::file_name);
        for entry in entries {
            if entry.file_type()?.is_file() {
                let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
                let script = entry
                    .path()
                    .extension()
                    .is_some_and(|extension| extension == "sh");
                let mode = if script { Mode::Executable } else { Mode::Plain };
                append(&mut context, &entry.path(), &name, mode)?;
            }
        }
        Ok(context.into_inner()?)
    };
    packed().map(Bytes::from).system()
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    Plain,
    Executable,
}

/// Nothing of this machine but the content: the same context on every machine finds the same cache.
fn append(context: &mut tar::Builder<Vec<u8>>, path: &Path, name: &str, mode: Mode) -> anyhow::Result<()> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut header = tar::Header::new_gnu();
    header.set_size(file.metadata()?.len());
    header.set_mode(match mode {
        Mode::Plain => 0o644,
        Mode::Executable => 0o755,
    });
    context
        .append_data(&mut header, name, file)
        .with_context(|| format!("cannot read {}", path.display()))
}

/// The build's output: its steps as progress, its end for the case that it fails.
struct Log<'a> {
    language: &'a Language,
    bar: Bar,
    tail: VecDeque<String>,
}

impl<'a> Log<'a> {
    fn new(language: &'a Language) -> Self {
        Self {
            language,
            bar: bar(language.name.as_str(), 0),
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
            match step(line) {
                Some((position, steps, what)) => {
                    self.bar.at(position, steps);
                    self.bar.say(what);
                    if self.bar.is_hidden() {
                        note(format_args!("{} {position}/{steps} {what}", self.language.name));
                    }
                }
                None => self.bar.say(line),
            }
        }
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
    fn the_end_of_a_log_has_no_colours() {
        let languages = optimus_common::language::LanguagesFile::BuiltIn.load().unwrap();
        let mut log = Log::new(&languages.languages[0]);
        for text in [
            "Step 1/2 : RUN x\n",
            "\u{1b}[91mE: no such package\n\u{1b}[0m",
            "\u{1b}[0m",
        ] {
            log.take(text);
        }
        assert_eq!(log.tail, ["Step 1/2 : RUN x", "E: no such package"]);
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

    #[test]
    fn a_context_without_the_agent_says_how_to_build_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = pack(folder.path(), "c/Dockerfile").unwrap_err().to_string();
        assert!(error.contains("build.sh"), "{error}");
    }
}
