//! Images whose agent can be weakened: those of the languages, with this very program as the agent.

use std::{collections::BTreeSet, fs, io, path::Path};

use bollard::{
    Docker, body_full,
    query_parameters::{BuildImageOptionsBuilder, RemoveImageOptions},
};
use futures_util::TryStreamExt;
use optimus_common::weaken;

use crate::languages;

const AGENT: &str = "optimus-runner";

/// The image of a language, given its usual one.
pub(crate) fn of(language: &str) -> String {
    format!("optimus-test/weakened-{language}:latest")
}

/// Builds the images of these languages.
pub(super) async fn build(languages: &BTreeSet<&str>) -> Result<(), String> {
    let docker = Docker::connect_with_defaults().map_err(|error| error.to_string())?;
    let agent = fs::read("/proc/self/exe").map_err(|error| error.to_string())?;
    for language in languages::all() {
        let name = language.name.as_str();
        if languages.contains(name) {
            let dockerfile = format!("FROM {}\nCOPY {AGENT} /optimus/{AGENT}\n", language.image);
            let context = context(&dockerfile, &agent).map_err(|error| error.to_string())?;
            let tag = of(name);
            let options = BuildImageOptionsBuilder::new().t(&tag).rm(true).build();
            let steps = docker.build_image(options, None, Some(body_full(context.into())));
            let built = steps.try_for_each(async |step| match step.error_detail {
                Some(failure) => Err(bollard::errors::Error::IOError {
                    err: io::Error::other(failure.message.unwrap_or_default()),
                }),
                None => Ok(()),
            });
            built
                .await
                .map_err(|error| format!("cannot build {tag}: {error}"))?;
        }
    }
    Ok(())
}

/// Removes them again.
pub(super) async fn remove(languages: &BTreeSet<&str>) -> Result<(), String> {
    let docker = Docker::connect_with_defaults().map_err(|error| error.to_string())?;
    for language in languages {
        let image = of(language);
        let removed = docker.remove_image(&image, None::<RemoveImageOptions>, None);
        removed
            .await
            .map_err(|error| format!("cannot remove {image}: {error}"))?;
    }
    Ok(())
}

fn context(dockerfile: &str, agent: &[u8]) -> io::Result<Vec<u8>> {
    let mut context = tar::Builder::new(Vec::new());
    for (name, bytes) in [("Dockerfile", dockerfile.as_bytes()), (AGENT, agent)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        header.set_cksum();
        context.append_data(&mut header, name, bytes)?;
    }
    context.into_inner()
}

/// The agent that goes into images knows no switch.
pub(super) fn released_agent_is_whole() -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../dockerfiles")
        .join(AGENT);
    let agent = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let switch = weaken::VARIABLE.as_bytes();
    if agent.windows(switch.len()).any(|bytes| bytes == switch) {
        return Err(format!(
            "{} has the switches that are for tests alone",
            path.display()
        ));
    }
    Ok(())
}
