//! `status` and `cancel`, and how a job is shown.

use std::{cell::Cell, convert::Infallible, future::pending};

use optimus_client::Client;
use optimus_common::{
    JobId, counted,
    job::{JobRecord, JobStatus},
    result::{CompileResult, CompileVerdict, JobResult, TestResult, Verdict},
};

use crate::{
    api,
    args::{Cancel, Status},
    exit::{Exit, Failure},
    output::{Output, harmless, mebibytes, spinner, table},
    standing::Standing,
};

/// Lines of a compiler's output that are shown.
const COMPILE_LINES: usize = 30;

pub(crate) async fn status(args: Status, output: &Output) -> Result<Exit, Failure> {
    let api = api::client(&args.api)?;
    let record = if args.wait {
        wait(&api, args.id, None).await?
    } else {
        api.job(args.id).await?
    };
    show(&record, &[], output)
}

pub(crate) async fn cancel(args: Cancel, output: &Output) -> Result<Exit, Failure> {
    let state = api::client(&args.api)?.cancel(args.id).await?;
    output.result(&state, || match state.status {
        JobStatus::Cancelled => format!("{} is cancelled", state.job_id),
        _ => format!("{} is asked to stop", state.job_id),
    })?;
    Ok(Exit::Done)
}

/// Waits for a job's end, showing on a terminal where it stands; `tests` is how many it has, where that is known.
pub(super) async fn wait(api: &Client, id: JobId, tests: Option<usize>) -> Result<JobRecord, Failure> {
    let progress = spinner(format!("{id}: submitted"));
    // Whether events tell it, which say more than the state of the job.
    let is_told = Cell::new(false);
    let ended = api.job_ended(id, |record| {
        if !is_told.get() {
            progress.say(format_args!("{id}: {}", record.status.as_str()));
        }
    });
    let shown = async {
        if !progress.is_hidden() {
            let mut standing = Standing::new(tests);
            let mut events = api.follow(id);
            // Nobody depends on it: where nothing more is told, the state of the job is.
            while let Ok(Some(event)) = events.next().await {
                is_told.set(true);
                standing.hear(&event);
                progress.say(format_args!("{id}: {standing}"));
            }
        }
        pending::<Infallible>().await
    };
    let record = tokio::select! {
        record = ended => record,
        never = shown => match never {},
    };
    progress.finish_and_clear();
    Ok(record?)
}

/// Prints a job, and says by the exit how it ended. `names` are those of its tests, where they are known.
pub(super) fn show(record: &JobRecord, names: &[String], output: &Output) -> Result<Exit, Failure> {
    output.result(record, || text(record, names))?;
    Ok(exit(record))
}

fn exit(record: &JobRecord) -> Exit {
    let accepted = record
        .result
        .as_ref()
        .is_some_and(|result| result.verdict == Verdict::Accepted);
    match record.status {
        JobStatus::Queued | JobStatus::Running => Exit::Unfinished,
        JobStatus::Completed if accepted => Exit::Done,
        JobStatus::Completed => Exit::NotAccepted,
        JobStatus::Failed => Exit::NotGraded,
        JobStatus::Cancelled => Exit::Cancelled,
    }
}

fn text(record: &JobRecord, names: &[String]) -> String {
    let mut lines = vec![format!(
        "{} {} ({})",
        record.job_id,
        record.status.as_str(),
        record.language
    )];
    if record.attempts > 1 {
        lines.push(format!("attempt {}", record.attempts));
    }
    if let Some(error) = &record.error {
        lines.push(format!("not graded: {}", harmless(error)));
    }
    if let Some(result) = &record.result {
        if let Some(compile) = &result.compile {
            compile_text(compile, &mut lines);
        }
        if !result.test_results.is_empty() {
            lines.push(tests_text(&result.test_results, names));
        }
        lines.push(summary(result));
    }
    lines.join("\n")
}

pub(super) fn compile_text(compile: &CompileResult, lines: &mut Vec<String>) {
    if compile.verdict == CompileVerdict::Ok {
        if compile.execution_time_ms > 0 {
            lines.push(format!("compiled in {} ms", compile.execution_time_ms));
        }
        return;
    }
    lines.push("the compile step failed".to_owned());
    lines.extend(compile.message.as_deref().map(harmless));
    let told = if compile.stderr.trim().is_empty() {
        &compile.stdout
    } else {
        &compile.stderr
    };
    // Indented: a compiler repeats what programs say, which are no words of ours.
    let told: Vec<_> = told.lines().map(|line| format!("  {}", harmless(line))).collect();
    lines.extend(told.iter().take(COMPILE_LINES).cloned());
    if told.len() > COMPILE_LINES {
        lines.push(format!("… {}", counted(told.len() - COMPILE_LINES, "more line")));
    }
}

fn tests_text(results: &[TestResult], names: &[String]) -> String {
    let mut table = table(&["test", "verdict", "time", "CPU", "memory", ""]);
    for (i, test) in results.iter().enumerate() {
        let name = names
            .get(i)
            .map_or_else(|| test.test_id.to_string(), |name| harmless(name));
        let ran = !matches!(test.verdict, Verdict::Skipped | Verdict::Cancelled);
        let measured = |text: String| if ran { text } else { String::new() };
        table.add_row([
            name,
            spaced(test.verdict),
            measured(format!("{} ms", test.execution_time_ms)),
            measured(format!("{} ms", test.cpu_time_ms)),
            measured(mebibytes(test.peak_memory_bytes)),
            harmless(test.message.as_deref().unwrap_or_default()),
        ]);
    }
    table.to_string()
}

fn summary(result: &JobResult) -> String {
    let JobResult {
        verdict,
        passed_tests,
        total_tests,
        ..
    } = result;
    let score = result
        .score
        .map(|score| format!(", score {score:.3}"))
        .unwrap_or_default();
    format!(
        "{}: {passed_tests} of {}{score}",
        spaced(*verdict),
        counted(*total_tests, "test")
    )
}

pub(super) fn spaced(verdict: Verdict) -> String {
    verdict.as_str().replace('_', " ")
}
