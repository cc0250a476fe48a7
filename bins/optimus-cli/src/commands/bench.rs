//! `bench`.

use std::path::Path;

use optimus_worker::settings::BackendChoice;

use crate::{
    args::{Bench, Benchmark},
    bench::{self, BenchReport, Installation, Setting},
    exit::{Exit, Failure},
    output::{Output, print_error},
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
                output.say(bench::text(&report))?;
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
    match (benchmark, backend) {
        (Benchmark::Box, _) => bench::one_box(args.embedded.clone(), root, args.rounds).await,
        (Benchmark::Queue | Benchmark::All, _) => bench::queue(&Setting::new(&args.api, args.rounds)?).await,
        (_, None) => at(benchmark, &Setting::new(&args.api, args.rounds)?).await,
        (_, Some(backend)) => {
            let installation = Installation::start(args.embedded.clone(), root, args.rounds).await?;
            // Benchmarks are large futures.
            let measuring = Box::pin(async {
                match (benchmark, backend) {
                    (Benchmark::Latency, BackendChoice::Native) => installation.latency().await,
                    (Benchmark::Throughput, BackendChoice::Native) => installation.throughput().await,
                    _ => at(benchmark, installation.setting()).await,
                }
            });
            let report = installation.measure(measuring).await;
            installation.stop().await.and(report)
        }
    }
}

/// A benchmark of the installation that the setting names.
async fn at(benchmark: Benchmark, setting: &Setting) -> Result<BenchReport, Failure> {
    match benchmark {
        Benchmark::CompileOnce => bench::compile_once(setting).await,
        Benchmark::Latency => bench::latency(setting).await,
        _ => bench::throughput(setting).await,
    }
}
