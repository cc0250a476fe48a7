//! `doctor`.

use std::{path::Path, time::Duration};

use optimus_common::{counted, language::Language};
use optimus_images::Engine;
use optimus_queue::{Upkeep, redis::RedisStore};
use optimus_worker::{
    Settings,
    backend::{self, IsolationReport, LanguageStatus},
};
use serde::Serialize;

use crate::{
    args::Doctor,
    embedded::{LanguageRow, languages_file, languages_table},
    exit::{Classify, Exit, Failure},
    output::{Output, spinner, text_table},
};

/// Programs of all languages run in far less, also on a busy machine.
const TOOLCHAINS_TIMEOUT: Duration = Duration::from_mins(3);

/// Everything that was found out.
#[derive(Debug, Serialize)]
struct HostReport<'a> {
    native: Native<'a>,
    docker: Service,
    redis: Service,
    /// The program that this host has called for every crash, but for those in boxes.
    crash_handler: Option<String>,
    /// By what has run in native boxes of this machine.
    languages: Vec<LanguageRow<'a>>,
}

#[derive(Debug, Serialize)]
struct Native<'a> {
    /// Whether native boxes can be had.
    possible: bool,
    summary: String,
    #[serde(flatten)]
    isolation: &'a IsolationReport,
}

/// Whether something answers, and what it is or why it does not.
#[derive(Debug, Serialize)]
struct Service {
    reachable: bool,
    detail: String,
}

impl From<Result<String, Failure>> for Service {
    fn from(asked: Result<String, Failure>) -> Self {
        Self {
            reachable: asked.is_ok(),
            detail: asked.unwrap_or_else(|failure| failure.to_string()),
        }
    }
}

impl Service {
    fn state(&self) -> &'static str {
        if self.reachable {
            "reachable"
        } else {
            "not reachable"
        }
    }

    fn text(&self) -> String {
        format!("{}: {}", self.state(), self.detail)
    }
}

impl HostReport<'_> {
    /// All of it in a line.
    fn line(&self) -> String {
        let available = self.languages.iter().filter(|row| row.is_available());
        format!(
            "native boxes {}, {} of {} available in them; Docker {}, Redis {}",
            self.native.state(),
            available.count(),
            counted(self.languages.len(), "language"),
            self.docker.state(),
            self.redis.state()
        )
    }
}

impl Native<'_> {
    fn state(&self) -> &'static str {
        if self.possible { "possible" } else { "not possible" }
    }
}

pub(crate) async fn run(args: Doctor, root: Option<&Path>, output: &Output) -> Result<Exit, Failure> {
    let mut settings = Settings::load(args.config.as_deref()).usage()?;
    settings.native.allow_missing.extend(args.allow_missing);
    backend::check_allowed(&settings).map_err(Failure::usage)?;
    settings.languages_file = languages_file(settings.languages_file, root)?;
    let languages = settings.languages_file.load().usage()?.languages;

    let progress = spinner("trying each layer of isolation");
    let isolation = backend::probe_isolation(&settings).await;
    progress.say("running a program of each language, looking for Docker and Redis");
    let (statuses, docker, redis) = tokio::join!(
        statuses(&settings, &languages, &isolation),
        docker(&settings, &languages),
        redis(&settings)
    );
    progress.finish_and_clear();

    let report = HostReport {
        native: Native {
            possible: isolation.is_enough(),
            summary: isolation.summary(),
            isolation: &isolation,
        },
        docker: docker.into(),
        redis: redis.into(),
        crash_handler: crash_handler(),
        languages: statuses.iter().map(LanguageRow::from).collect(),
    };
    output.result(&report, || if args.quiet { report.line() } else { text(&report) })?;
    Ok(if report.native.possible {
        Exit::Done
    } else {
        Exit::NoBoxes
    })
}

/// What has run in a box of this machine. Where there can be none, nothing is available, whatever is installed.
async fn statuses(
    settings: &Settings,
    languages: &[Language],
    isolation: &IsolationReport,
) -> Vec<LanguageStatus> {
    let statuses = tokio::time::timeout(TOOLCHAINS_TIMEOUT, backend::host_languages(settings, languages));
    let Ok(mut statuses) = statuses.await else {
        let late = |language: &Language| LanguageStatus {
            language: language.name.clone(),
            toolchain: Err(format!("not known within {} s", TOOLCHAINS_TIMEOUT.as_secs())),
        };
        return languages.iter().map(late).collect();
    };
    if !isolation.is_enough() {
        for status in &mut statuses {
            if let Ok(toolchain) = &status.toolchain {
                status.toolchain = Err(format!(
                    "there is no native box to run it in; its toolchain is here: {toolchain}"
                ));
            }
        }
    }
    statuses
}

async fn docker(settings: &Settings, languages: &[Language]) -> Result<String, Failure> {
    let engine = Engine::connect().await?;
    let mut images = Vec::new();
    for language in languages {
        // One that cannot be looked at says nothing about the engine, which has answered.
        if let Ok(Some(bytes)) = engine.bytes_of(&language.image).await {
            images.push((language.image.as_str(), bytes));
        }
    }
    let memory = engine.memory_bytes().await.unwrap_or(u64::MAX);
    let version = engine.version();
    Ok(match not_held(settings.docker.hold_max_mb, memory, &images) {
        Some(reason) => format!("version {version}; {reason}"),
        None => format!("version {version}"),
    })
}

/// What a worker here cannot hold in memory of the images that there are, and what follows.
fn not_held(most_mb: u64, memory_bytes: u64, images: &[(&str, u64)]) -> Option<String> {
    let most = most_mb << 20;
    let too_large: Vec<_> = images
        .iter()
        .filter(|(_, bytes)| *bytes > most)
        .map(|(image, _)| *image)
        .collect();
    let all: u64 = images.iter().map(|(_, bytes)| (*bytes).min(most)).sum();
    let what = if most == 0 {
        "images are not held in memory, as docker.hold_max_mb is 0".to_owned()
    } else if !too_large.is_empty() {
        let names = too_large.join(", ");
        format!("not held in memory is what is over docker.hold_max_mb ({most_mb}) of {names}")
    } else if all > memory_bytes / 2 {
        format!(
            "images are held in memory as far as they fit in half of it ({} MiB); all of them take {} MiB",
            memory_bytes >> 21,
            all >> 20
        )
    } else {
        return None;
    };
    Some(format!(
        "{what}: what programs read of it is charged to them, and jobs can tell by a clock what others have read"
    ))
}

async fn redis(settings: &Settings) -> Result<String, Failure> {
    let store = RedisStore::connect(&settings.redis, &settings.queue)
        .await
        .system()?;
    store.ping().await.system()?;
    Ok("fit to be a fleet's job store".to_owned())
}

fn crash_handler() -> Option<String> {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").ok()?;
    Some(pattern.strip_prefix('|')?.trim().to_owned())
}

fn text(report: &HostReport<'_>) -> String {
    let HostReport {
        native,
        docker,
        redis,
        crash_handler,
        languages,
    } = report;
    let crashes = crash_handler.as_deref().map_or_else(String::new, |handler| {
        format!("\nCrashes        {handler}: started by the kernel for this host's own crashes, not for those in boxes")
    });
    let mut layers = text_table(&["layer", "", "how it was proved, or what to do"]);
    for layer in &native.isolation.layers {
        let told = match &layer.remedy {
            Some(remedy) => format!(
                "{}\nit would stop: {}\nto do: {remedy}",
                layer.detail, layer.stops
            ),
            None => layer.detail.clone(),
        };
        layers.add_row([layer.name.as_str(), layer.state.as_str(), &told]);
    }
    // Where none could be tried, the summary says why.
    let layers = match native.isolation.layers.as_slice() {
        [] => String::new(),
        _ => format!("{layers}\n\n"),
    };
    format!(
        "{layers}{}\n\nnative boxes   {}: {}\nDocker         {}\nRedis (fleets) {}{crashes}",
        languages_table(languages),
        native.state(),
        native.summary,
        docker.text(),
        redis.text(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_held_in_memory_is_told() {
        const GIB: u64 = 1 << 30;
        let images = [("small", GIB), ("large", 3 * GIB)];
        assert_eq!(not_held(4096, 16 * GIB, &images), None);
        let told = |most_mb, memory| not_held(most_mb, memory, &images).expect("it does not fit");
        assert!(told(2048, 16 * GIB).contains("of large:"));
        assert!(told(4096, 6 * GIB).contains("(3072 MiB); all of them take 4096 MiB"));
        assert!(told(0, 16 * GIB).contains("hold_max_mb is 0"));
    }
}
