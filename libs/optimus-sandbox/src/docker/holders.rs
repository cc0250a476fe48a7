//! Images in memory.
//!
//! Containers of one image share the host's copies of its files in memory. So before the first box of an image is made, a
//! container beside the boxes maps and locks all of its files: a program is then charged for none of them, can have none
//! dropped, and waits for none. It runs the agent, sees no submission, has no network and no capability but to lock memory, and ends
//! as boxes do: with its standard input, which is this worker's connection.
//!
//! Boxes are made all the same where that is not possible; then the log says why. An image that has had no box for a while, since its
//! language is gone or has another image now, is let go.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bollard::{Docker, query_parameters::CreateContainerOptionsBuilder};
use optimus_common::{causes, weaken};
use optimus_protocol::Held;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, BufReader},
    sync::Mutex,
    time::Instant,
};
use tracing::{info, warn};
use uuid::Uuid;

use super::{
    calls::{attach, start},
    container::{self, Owner},
    handle::ContainerHandle,
    image_use::{ImageUse, ImageUses},
    images::ImageId,
    output::AgentOutput,
};
use crate::{
    backend::{BackendError, BoxHandle},
    spec::BoxSpec,
};

/// Reading an image of gigabytes from a slow disk takes minutes.
const TIMEOUT: Duration = Duration::from_mins(10);

/// After a failure, nobody waits for another attempt before this is over.
const RETRY: Duration = Duration::from_mins(5);

/// An image that has had no box for so long is not held any longer. While a language has a pool, it has boxes.
pub(super) const LET_GO: Duration = Duration::from_mins(10);

/// Longest line that a holder may say.
const LONGEST_LINE: u64 = 4096;

/// What one backend holds.
#[derive(Debug)]
pub(super) struct Holders {
    /// The most that one image may take.
    most_bytes: u64,
    /// The most that all images together may take.
    most_in_all: u64,
    images: Mutex<HashMap<String, Arc<Mutex<HeldImage>>>>,
    held: Arc<AtomicU64>,
    /// Taken by whoever starts a holder: one after the other, since they read the same disk.
    turn: Mutex<()>,
}

/// What is known of holding one image.
#[derive(Debug)]
enum HeldImage {
    New,
    Held(Box<Holder>),
    Failed { image_id: ImageId, at: Instant },
}

/// A container that holds an image. It ends when this is dropped.
struct Holder {
    image_id: ImageId,
    share: Arc<HeldBytes>,
    ended: Arc<AtomicBool>,
    uses: ImageUses,
    handle: ContainerHandle,
    _input: Pin<Box<dyn AsyncWrite + Send>>,
}

/// What a holder has of all that may be held, as long as it lives.
#[derive(Debug)]
struct HeldBytes {
    of: Arc<AtomicU64>,
    bytes: AtomicU64,
}

impl HeldBytes {
    fn take(of: &Arc<AtomicU64>, bytes: u64) -> Self {
        of.fetch_add(bytes, Ordering::Relaxed);
        Self {
            of: Arc::clone(of),
            bytes: bytes.into(),
        }
    }

    /// Counts once, however often it is called.
    fn give_back(&self) {
        let bytes = self.bytes.swap(0, Ordering::Relaxed);
        self.of.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl std::fmt::Debug for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Holder")
            .field("image_id", &self.image_id)
            .field("share", &self.share)
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
            held: Arc::default(),
            turn: Mutex::default(),
        }
    }

    /// Returns when a box's image is held, or when it is known that it will not be.
    pub(super) async fn hold(
        &self,
        docker: &Docker,
        owner: &Owner,
        spec: &BoxSpec,
        id: &ImageId,
    ) -> Option<ImageUse> {
        if self.most_bytes == 0 || weaken::is_off("held-images") {
            return None;
        }
        let image = Arc::clone(
            self.images
                .lock()
                .await
                .entry(spec.root.image.clone())
                .or_insert_with(|| Arc::new(Mutex::new(HeldImage::New))),
        );
        // Others who make boxes of this image wait here.
        let mut image = image.lock().await;
        match &mut *image {
            HeldImage::Held(holder) if holder.image_id == *id && !holder.ended.load(Ordering::Relaxed) => {
                return Some(holder.uses.begin());
            }
            HeldImage::Failed { image_id, at } if image_id == id && at.elapsed() < RETRY => return None,
            HeldImage::Held(_) | HeldImage::Failed { .. } | HeldImage::New => {}
        }
        let _turn = self.turn.lock().await;
        if let HeldImage::Held(old) = std::mem::replace(&mut *image, HeldImage::New) {
            // The image was built anew, or its holder was killed.
            old.share.give_back();
        }
        let in_all = self.most_in_all.saturating_sub(self.held.load(Ordering::Relaxed));
        let most = self.most_bytes.min(in_all);
        info!(
            language = %spec.root.language,
            image = spec.root.image,
            "reading the image into memory; its first box waits for that"
        );
        let started = tokio::time::timeout(TIMEOUT, self.start(docker, owner, spec, id, most))
            .await
            .unwrap_or_else(|_| Err(BackendError::timed_out("hold an image in memory", TIMEOUT)));
        match started {
            Ok((mut holder, told)) => {
                report(spec, told, most);
                let used = holder.uses.begin();
                *image = HeldImage::Held(Box::new(holder));
                Some(used)
            }
            Err(error) => {
                warn!(
                    language = %spec.root.language,
                    image = spec.root.image,
                    error = causes(&error),
                    "the image is not held in memory: what programs read of it is charged to them, and jobs can tell by a clock \
                     what others have read"
                );
                *image = HeldImage::Failed {
                    image_id: id.clone(),
                    at: Instant::now(),
                };
                None
            }
        }
    }

    /// Lets go of images that have had no box for so long. To be called now and then.
    pub(super) async fn let_go(&self, long: Duration) {
        let images: Vec<_> = {
            let images = self.images.lock().await;
            images
                .iter()
                .map(|(name, image)| (name.clone(), Arc::clone(image)))
                .collect()
        };
        for (name, image) in images {
            // Whoever has it makes a box.
            let Ok(mut image) = image.try_lock() else { continue };
            let HeldImage::Held(holder) = &mut *image else {
                continue;
            };
            if !holder.uses.are_over(long) {
                continue;
            }
            match holder.handle.destroy().await {
                Ok(()) => {
                    info!(
                        image = name,
                        "the image is not held in memory any longer: nobody uses it"
                    );
                    *image = HeldImage::New;
                }
                Err(error) => warn!(image = name, error = causes(&error), "the image is held on"),
            }
        }
    }

    async fn start(
        &self,
        docker: &Docker,
        owner: &Owner,
        spec: &BoxSpec,
        image_id: &ImageId,
        most_bytes: u64,
    ) -> Result<(Holder, Held), BackendError> {
        let mut random = Uuid::now_v7().simple().to_string();
        let name = format!("optimus-holder-{}-{}", spec.root.language, random.split_off(20));
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let body = container::holder(image_id, owner, most_bytes);
        let handle = ContainerHandle::new(docker.clone(), name.clone(), 0, None);
        docker
            .create_container(Some(options), body)
            .await
            .map_err(|error| BackendError::engine("create a container", error))?;
        let attached = attach(docker, &name).await?;
        start(docker, &name).await?;
        let mut output = BufReader::new(AgentOutput::new(name, attached.output));
        let mut line = String::new();
        (&mut output)
            .take(LONGEST_LINE)
            .read_line(&mut line)
            .await
            .map_err(|error| BackendError::engine("read from a container", error))?;
        let told = told(&line, most_bytes)
            .map_err(|unfit| BackendError::engine("hold an image in memory", unfit))?;
        let share = Arc::new(HeldBytes::take(&self.held, told.bytes));
        let ended = Arc::new(AtomicBool::new(false));
        let (noted, given_back) = (Arc::clone(&ended), Arc::clone(&share));
        tokio::spawn(async move {
            // It says no more; this ends when it does.
            let _ = tokio::io::copy(&mut output, &mut tokio::io::sink()).await;
            noted.store(true, Ordering::Relaxed);
            given_back.give_back();
        });
        let holder = Holder {
            image_id: image_id.clone(),
            share,
            ended,
            uses: ImageUses::default(),
            handle,
            _input: attached.input,
        };
        Ok((holder, told))
    }
}

fn report(spec: &BoxSpec, told: Held, most_bytes: u64) {
    let Held {
        files,
        bytes,
        left_out_files,
        left_out_bytes,
    } = told;
    info!(language = %spec.root.language, image = spec.root.image, files, mb = bytes >> 20, "the image is held in memory");
    if left_out_files > 0 {
        warn!(
            language = %spec.root.language,
            image = spec.root.image,
            left_out_files,
            left_out_mb = left_out_bytes >> 20,
            most_mb = most_bytes >> 20,
            "a part of the image is not held in memory, for which docker.hold_max_mb or the machine's memory is too small: what \
             programs read of it is charged to them, and jobs can tell by a clock what others have read"
        );
    }
}

/// What a holder says that may hold so many bytes. It comes from a container, and decides what others may hold.
fn told(line: &str, most_bytes: u64) -> Result<Held, String> {
    match serde_json::from_str::<Held>(line) {
        Ok(told) if told.bytes <= most_bytes => Ok(told),
        Err(_) if line.is_empty() => {
            Err("it has ended; is its agent too old? Then build the image again".to_owned())
        }
        Ok(_) | Err(_) => Err(format!("it says {line:?}")),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[test]
    fn a_holder_is_believed_within_what_it_may_hold() {
        let line = |bytes: u64| {
            let held = Held {
                bytes,
                ..Held::default()
            };
            serde_json::to_string(&held).unwrap()
        };
        assert_eq!(told(&line(4096), 4096).map(|held| held.bytes), Ok(4096));
        for unfit in [line(4097), line(u64::MAX), String::new(), "{}".to_owned()] {
            assert!(told(&unfit, 4096).is_err(), "{unfit}");
        }
    }

    #[test]
    fn what_a_holder_had_is_given_back_once() {
        let held = Arc::default();
        let [one, other] = [1, 10].map(|bytes| Arc::new(HeldBytes::take(&held, bytes)));
        assert_eq!(held.load(Ordering::Relaxed), 11);
        one.give_back();
        one.give_back();
        drop(one);
        assert_eq!(held.load(Ordering::Relaxed), 10);
        drop(other);
        assert_eq!(held.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_image_is_let_go_when_it_has_had_no_box_for_a_while() {
        let mut uses = ImageUses::default();
        let boxes = [uses.begin(), uses.begin()];
        advance(LET_GO).await;
        assert!(!uses.are_over(LET_GO));
        drop(boxes);
        assert!(!uses.are_over(LET_GO), "only now");
        advance(LET_GO / 2).await;
        drop(uses.begin());
        advance(LET_GO / 2).await;
        assert!(!uses.are_over(LET_GO), "there was one meanwhile");
        advance(LET_GO).await;
        assert!(uses.are_over(LET_GO));
    }
}
