//! The image that tests make their boxes from: a Debian base and the agent, as every language's image has them.

use std::{env, fs};

use bollard::{Docker, body_full, query_parameters::BuildImageOptionsBuilder};
use futures_util::TryStreamExt;

use crate::project::project;

pub const IMAGE: &str = "optimus-test/sandbox:latest";

/// Builds it, or lets the engine find that nothing has changed.
pub async fn build(docker: &Docker) {
    let base =
        env::var("OPTIMUS_TEST_BASE_IMAGE").unwrap_or_else(|_| "optimus/debian-base:bookworm".to_owned());
    let dockerfile = format!("FROM {base}\nCOPY runner.sh optimus-runner /optimus/\n");
    let files = ["runner.sh", "optimus-runner"].map(|name| (name, agent_file(name)));
    build_as(docker, IMAGE, &dockerfile, &files).await;
}

/// Builds an image of a Dockerfile and of files beside it.
pub async fn build_as(docker: &Docker, image: &str, dockerfile: &str, files: &[(&str, Vec<u8>)]) {
    let mut context = tar::Builder::new(Vec::new());
    add(&mut context, "Dockerfile", dockerfile.as_bytes());
    for (name, bytes) in files {
        add(&mut context, name, bytes);
    }
    let context = context.into_inner().unwrap();
    let options = BuildImageOptionsBuilder::new().t(image).rm(true).build();
    let built = docker
        .build_image(options, None, Some(body_full(context.into())))
        .try_for_each(async |step| match step.error_detail {
            Some(failure) => panic!(
                "cannot build {image} by\n{dockerfile}: {}",
                failure.message.unwrap_or_default()
            ),
            None => Ok(()),
        });
    built
        .await
        .unwrap_or_else(|error| panic!("cannot build {image} by\n{dockerfile}: {error}"));
}

fn agent_file(name: &str) -> Vec<u8> {
    let path = project().join("dockerfiles").join(name);
    fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; build the agent and copy it there, as test.sh does",
            path.display()
        )
    })
}

fn add(context: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o755);
    header.set_cksum();
    context.append_data(&mut header, name, bytes).unwrap();
}
