//! Images in memory.
//!
//! Containers of one image share the host's copies of its files in memory. So before the first box of an image is made, a
//! container beside the boxes maps and locks all of its files: a program is then charged for none of them, can have none
//! dropped, and waits for none. It runs the agent, sees no submission, has no network and no capability but to lock memory, and ends
//! as boxes do: with its standard input, which is this worker's connection.
//!
//! Boxes are made all the same where that is not possible; then the log says why.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bollard::{Docker, query_parameters::CreateContainerOptionsBuilder};
use optimus_common::{causes, protocol::Held, weaken};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, BufReader},
    sync::Mutex,
};
use tracing::{info, warn};
use uuid::Uuid;

use super::{
    container::{self, Owner},
    engine_error,
    handle::ContainerHandle,
    output::AgentOutput,
    timed_out,
};
use crate::backend::{BackendError, BoxSpec};

/// Reading an image of gigabytes from a slow disk takes minutes.
const TIMEOUT: Duration = Duration::from_mins(10);

/// After a failure, nobody waits for another attempt before this is over.
const RETRY: Duration = Duration::from_mins(5);

/// Longest line that a holder may say.
const LONGEST_LINE: u64 = 4096;

/// What one backend holds.
#[derive(Debug)]
pub(super) struct Holders {
    /// Of one image.
    most_bytes: u64,
    /// Of all of them together.
    most_in_all: u64,
    images: Mutex<HashMap<String, Arc<Mutex<Image>>>>,
    held: Mutex<u64>,
}

/// What is known of holding one image.
#[derive(Debug)]
enum Image {
    New,
    Held(Holder),
    Failed { image_id: String, at: Instant },
}

/// A container that holds an image. It ends when this is dropped.
struct Holder {
    image_id: String,
    bytes: u64,
    ended: Arc<AtomicBool>,
    _handle: ContainerHandle,
    _input: Pin<Box<dyn AsyncWrite + Send>>,
}

impl std::fmt::Debug for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Holder")
            .field("image_id", &self.image_id)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Holders {
    /// On a machine with so much memory.
    pub(super) fn new(most_mb: u64, machine_bytes: u64) -> Self {
        Self {
            most_bytes: most_mb.saturating_mul(1 << 20),
            most_in_all: machine_bytes / 2,
            images: Mutex::default(),
            held: Mutex::default(),
        }
    }

    /// Returns when a box's image is held, or when it is known that it will not be.
    pub(super) async fn hold(&self, docker: &Docker, owner: &Owner, spec: &BoxSpec) {
        if self.most_bytes == 0 || weaken::is_off("held-images") {
            return;
        }
        let image = Arc::clone(
            self.images
                .lock()
                .await
                .entry(spec.image.clone())
                .or_insert_with(|| Arc::new(Mutex::new(Image::New))),
        );
        // Others who make boxes of this image wait here.
        let mut image = image.lock().await;
        let Ok(about) = docker.inspect_image(&spec.image).await else {
            // Whoever makes the box says what is wrong.
            return;
        };
        let id = about.id.unwrap_or_default();
        match &*image {
            Image::Held(holder) if holder.image_id == id && !holder.ended.load(Ordering::Relaxed) => return,
            Image::Failed { image_id, at } if *image_id == id && at.elapsed() < RETRY => return,
            Image::Held(_) | Image::Failed { .. } | Image::New => {}
        }
        let mut held = self.held.lock().await;
        if let Image::Held(old) = std::mem::replace(&mut *image, Image::New) {
            // The image was built anew, or its holder was killed.
            *held = held.saturating_sub(old.bytes);
        }
        let most = self.most_bytes.min(self.most_in_all.saturating_sub(*held));
        let started = tokio::time::timeout(TIMEOUT, start(docker, owner, spec, id.clone(), most))
            .await
            .unwrap_or_else(|_| Err(timed_out("hold an image in memory", TIMEOUT)));
        *image = match started {
            Ok((holder, told)) => {
                *held += holder.bytes;
                report(spec, told, most);
                Image::Held(holder)
            }
            Err(error) => {
                warn!(
                    language = %spec.language,
                    image = spec.image,
                    reason = causes(&error),
                    "the image is not held in memory: what programs read of it is charged to them, and jobs can tell by a clock \
                     what others have read"
                );
                Image::Failed {
                    image_id: id,
                    at: Instant::now(),
                }
            }
        };
    }
}

fn report(spec: &BoxSpec, told: Held, most_bytes: u64) {
    let Held {
        files,
        bytes,
        left_out_files,
        left_out_bytes,
    } = told;
    info!(language = %spec.language, image = spec.image, files, mb = bytes >> 20, "the image is held in memory");
    if left_out_files > 0 {
        warn!(
            language = %spec.language,
            image = spec.image,
            left_out_files,
            left_out_mb = left_out_bytes >> 20,
            most_mb = most_bytes >> 20,
            "a part of the image is not held in memory, for which docker.hold_max_mb or the machine's memory is too small: what \
             programs read of it is charged to them, and jobs can tell by a clock what others have read"
        );
    }
}

async fn start(
    docker: &Docker,
    owner: &Owner,
    spec: &BoxSpec,
    image_id: String,
    most_bytes: u64,
) -> Result<(Holder, Held), BackendError> {
    let mut random = Uuid::now_v7().simple().to_string();
    let name = format!("optimus-holder-{}-{}", spec.language, random.split_off(20));
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    let body = container::holder(&spec.image, owner, most_bytes);
    let handle = ContainerHandle::new(docker.clone(), name.clone(), 0);
    docker
        .create_container(Some(options), body)
        .await
        .map_err(|error| engine_error("create a container", error))?;
    let attached = super::attach(docker, &name).await?;
    super::start(docker, &name).await?;
    let mut output = BufReader::new(AgentOutput::new(name, attached.output));
    let mut line = String::new();
    (&mut output)
        .take(LONGEST_LINE)
        .read_line(&mut line)
        .await
        .map_err(|error| engine_error("read from a container", error))?;
    let told: Held =
        serde_json::from_str(&line).map_err(|_| engine_error("hold an image in memory", unfit(&line)))?;
    let ended = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&ended);
    tokio::spawn(async move {
        // It says no more; this ends when it does.
        let _ = tokio::io::copy(&mut output, &mut tokio::io::sink()).await;
        noted.store(true, Ordering::Relaxed);
    });
    let holder = Holder {
        image_id,
        bytes: told.bytes,
        ended,
        _handle: handle,
        _input: attached.input,
    };
    Ok((holder, told))
}

fn unfit(line: &str) -> String {
    if line.is_empty() {
        "it has ended; is its agent too old? Then build the image again".to_owned()
    } else {
        format!("it says {line:?}")
    }
}
