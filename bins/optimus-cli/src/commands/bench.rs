//! `bench`.

use crate::{
    args::{Bench, Benchmark},
    bench::{self, Report, Setting},
    exit::{Exit, Failure},
    output::{Output, complain},
};

pub(crate) async fn run(args: Bench, output: &Output) -> Result<Exit, Failure> {
    let setting = Setting::new(&args.api, args.rounds)?;
    let all = [
        Benchmark::CompileOnce,
        Benchmark::Latency,
        Benchmark::Throughput,
        Benchmark::Queue,
    ];
    let chosen: Vec<_> = if args.benchmark == Benchmark::All {
        all.to_vec()
    } else {
        vec![args.benchmark]
    };
    let mut reports = Vec::new();
    let mut failed = 0;
    for benchmark in chosen {
        match one(benchmark, &setting).await {
            Ok(report) => {
                output.say(bench::text(&report))?;
                reports.push(report);
            }
            Err(failure) => {
                complain(&failure);
                failed += 1;
            }
        }
    }
    output.result(&reports, String::new)?;
    if failed == 0 {
        Ok(Exit::Done)
    } else {
        Err(Failure::trouble("not every benchmark could be run"))
    }
}

async fn one(benchmark: Benchmark, setting: &Setting) -> Result<Report, Failure> {
    match benchmark {
        Benchmark::CompileOnce => bench::compile_once(setting).await,
        Benchmark::Latency => bench::latency(setting).await,
        Benchmark::Throughput => bench::throughput(setting).await,
        Benchmark::Queue | Benchmark::All => bench::queue(setting).await,
    }
}
