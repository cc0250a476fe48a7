//! `bench`.

mod installation;
mod tables;

use std::{path::Path, sync::Arc};

use optimus_bench::{BenchReport, Event, Listener, Setting, StoreFigures, native};
use optimus_common::{WorkerId, language::Language};
use optimus_queue::bench as store;
use optimus_sandbox::Backend;
use optimus_worker::{Settings, backend, settings::BackendChoice};

use self::installation::Installation;
use crate::{
    api,
    args::{Bench, Benchmark},
    exit::{Classify, Exit, Failure},
    output::{Bar, Output, bar, note, print_error, spinner},
};

/// What `all` measures.
const ALL: [Benchmark; 4] = [
    Benchmark::CompileOnce,
    Benchmark::Latency,
    Benchmark::Throughput,
    Benchmark::Queue,
];
/// The same on an installation of this process: its store is not Redis, and its boxes are measured alone.
const ALL_OF_THIS_PROCESS: [Benchmark; 4] = [
    Benchmark::Box,
    Benchmark::CompileOnce,
    Benchmark::Latency,
    Benchmark::Throughput,
];

pub(crate) async fn run(args: Bench, root: Option<&Path>, output: &Output) -> Result<Exit, Failure> {
    let backend = args.embedded.backend();
    let chosen: Vec<_> = match (args.benchmark, backend) {
        (Benchmark::All, None) => ALL.to_vec(),
        (Benchmark::All, Some(_)) => ALL_OF_THIS_PROCESS.to_vec(),
        (one, _) => vec![one],
    };
    let mut reports = Vec::new();
    let mut failed = 0;
    for benchmark in chosen {
        match one(benchmark, backend, &args, root).await {
            Ok(report) => {
                output.say(tables::text(&report))?;
                reports.push(report);
            }
            Err(failure) => {
                print_error(&failure);
                failed += 1;
            }
        }
    }
    output.result(&reports, String::new)?;
    if failed == 0 {
        Ok(Exit::Done)
    } else {
        Err(Failure::system("not every benchmark could be run"))
    }
}

async fn one(
    benchmark: Benchmark,
    backend: Option<BackendChoice>,
    args: &Bench,
    root: Option<&Path>,
) -> Result<BenchReport, Failure> {
    let mut shown = Shown::default();
    let tell = &mut |event: Event<'_>| shown.hear(event);
    match (benchmark, backend) {
        (Benchmark::Box, _) => one_box(args, root, tell).await,
        (Benchmark::Queue | Benchmark::All, _) => queue(args, tell).await,
        (_, None) => at(benchmark, &setting(args)?, tell).await,
        (_, Some(backend)) => {
            let installation = Installation::start(args.embedded.clone(), root, args.rounds).await?;
            let setting = installation.setting();
            // Benchmarks are large futures.
            let measuring = Box::pin(async {
                match (benchmark, backend) {
                    (Benchmark::Latency, BackendChoice::Native) => Ok(native::latency(setting, tell).await?),
                    (Benchmark::Throughput, BackendChoice::Native) => {
                        Ok(native::throughput(setting, tell).await?)
                    }
                    _ => at(benchmark, setting, tell).await,
                }
            });
            let report = installation.measure(measuring).await;
            installation.stop().await.and(report)
        }
    }
}

fn setting(args: &Bench) -> Result<Setting, Failure> {
    Ok(Setting::new(api::client(&args.api)?, args.rounds))
}

async fn one_box(args: &Bench, root: Option<&Path>, tell: &mut Listener<'_>) -> Result<BenchReport, Failure> {
    let mut settings = args.embedded.clone().settings(root)?;
    settings.worker.backend = Some(BackendChoice::Native);
    let languages = settings.languages_file.load().usage()?.languages;
    let backend = native_boxes(&settings, &languages).await?;
    Ok(optimus_bench::one_box(&*backend, &languages, args.rounds, tell).await?)
}

/// The backend alone: what is still made for languages would disturb what is measured, and ends here.
async fn native_boxes(settings: &Settings, languages: &[Language]) -> Result<Arc<dyn Backend>, Failure> {
    let choice = backend::choose(settings, languages, &WorkerId::new())
        .await
        .system()?;
    Ok(choice.backend)
}

async fn queue(args: &Bench, tell: &mut Listener<'_>) -> Result<BenchReport, Failure> {
    // Nobody is asked there, and yet what is no address is refused.
    setting(args)?;
    let Settings { redis, queue, .. } = Settings::load(None).usage()?;
    tell(Event::Begins {
        what: &format!("queue: {}", redis.url),
        steps: None,
    });
    let mut rounds = Vec::new();
    for _ in 0..args.rounds.unwrap_or(1) {
        let measured = store::run(&redis, &queue, store::Plan::default())
            .await
            .system()?;
        rounds.push(StoreFigures {
            submits_per_second: measured.submits_per_second,
            claims_and_finishes_per_second: measured.claims_and_finishes_per_second,
            pickup_p50_ms: measured.pickup_p50_ms,
            pickup_p99_ms: measured.pickup_p99_ms,
        });
    }
    tell(Event::Ends);
    Ok(optimus_bench::queue(&rounds))
}

/// A benchmark of the installation that the setting names.
async fn at(
    benchmark: Benchmark,
    setting: &Setting,
    tell: &mut Listener<'_>,
) -> Result<BenchReport, Failure> {
    Ok(match benchmark {
        Benchmark::CompileOnce => optimus_bench::compile_once(setting, tell).await?,
        Benchmark::Latency => optimus_bench::latency(setting, tell).await?,
        _ => optimus_bench::throughput(setting, tell).await?,
    })
}

impl From<optimus_bench::Error> for Failure {
    fn from(error: optimus_bench::Error) -> Self {
        match error {
            optimus_bench::Error::Api(error) => error.into(),
            other => Self::System(other.into()),
        }
    }
}

/// What is under way, on a terminal.
#[derive(Default)]
struct Shown(Option<Bar>);

impl Shown {
    fn hear(&mut self, event: Event<'_>) {
        match event {
            Event::Begins { what, steps } => {
                self.0 = Some(match steps {
                    Some(steps) => bar(what, steps as u64),
                    None => spinner(what),
                });
            }
            Event::Step => {
                if let Some(bar) = &self.0 {
                    bar.inc(1);
                }
            }
            Event::Ends => {
                if let Some(bar) = self.0.take() {
                    bar.finish_and_clear();
                }
            }
            Event::LeftOut { benchmark, what, why } => {
                note(format_args!("{benchmark}: {what} is left out: {why}"));
            }
        }
    }
}
