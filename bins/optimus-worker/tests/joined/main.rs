//! Two programs of two languages in two boxes, carried by the worker as the engine of the two says, on both backends.
//!
//! Needs root, C and Python, and for containers an engine and the images of both languages. The process that makes native boxes is
//! this very program, started again with an argument, so it brings its own `main`.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod parts;
mod stage;

use std::{process::ExitCode, sync::Arc, time::Duration};

use libtest_mimic::{Arguments, Trial};
use optimus_common::result::{CompileVerdict, Verdict};
use optimus_judge::engine::{PairResult, PartRun};
use optimus_sandbox::native;
use optimus_testkit::boxes::Kind;
use tokio::runtime::Runtime;

use crate::{parts::Part, stage::Stage};

fn main() -> ExitCode {
    if let Some(code) = native::divert(optimus_runner::in_box) {
        return code;
    }
    let mut arguments = Arguments::from_args();
    // Each has two boxes at work.
    arguments.test_threads = Some(1);
    let runtime = Arc::new(Runtime::new().unwrap());
    let mut trials = Vec::new();
    macro_rules! tests {
        ($($test:ident),* $(,)?) => {$(
            for kind in [Kind::Native, Kind::Container] {
                let runtime = Arc::clone(&runtime);
                let name = format!("{}::{}", kind.backend(), stringify!($test));
                trials.push(Trial::test(name, move || {
                    runtime.block_on(async {
                        if let Some(stage) = Stage::new(kind).await {
                            $test(&stage).await;
                        }
                    });
                    Ok(())
                }));
            }
        )*};
    }
    tests! {
        two_programs_talk_to_each_other,
        two_that_print_and_do_not_listen_are_both_too_late,
        who_talks_to_one_that_has_ended_finds_an_end,
        nothing_is_run_where_one_cannot_be_made,
        the_end_of_one_box_ends_the_other,
        jobs_that_want_boxes_in_other_orders_all_end,
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(runtime);
    stage::clean_up();
    conclusion.exit_code()
}

/// Looks for a number, then prints more than all pipes and windows hold, says that this was all, and reads it again, changed.
const SEEKER: &str = r#"
#include <stdio.h>
#include <string.h>
static char block[1 << 20];
int main(void) {
    int low = 0, high = 1000000, asked = 0;
    for (char answer = 0; answer != '='; asked++) {
        int guess = (low + high) / 2;
        printf("%d\n", guess);
        fflush(stdout);
        if (scanf(" %c", &answer) != 1) return 1;
        if (answer == '<') high = guess - 1;
        if (answer == '>') low = guess + 1;
    }
    getchar();
    memset(block, 'a', sizeof block);
    if (fwrite(block, 1, sizeof block, stdout) != sizeof block) return 2;
    fclose(stdout);
    if (fread(block, 1, sizeof block, stdin) != sizeof block || getchar() != EOF) return 3;
    for (unsigned long at = 0; at < sizeof block; at++) if (block[at] != 'b') return 4;
    fprintf(stderr, "found after %d questions", asked);
    return 0;
}
"#;

const KEEPER: &str = r#"
import sys
number = 777_777
while True:
    guess = int(sys.stdin.readline())
    print("=" if guess == number else "<" if number < guess else ">", flush=True)
    if guess == number:
        break
block = sys.stdin.read()
sys.stdout.write(block.replace("a", "b"))
sys.stderr.write(f"changed {len(block)}")
"#;

const PRINTS_IN_C: &str = r#"
#include <stdio.h>
int main(void) {
    for (;;) puts("I do not listen.");
}
"#;

const PRINTS_IN_PYTHON: &str = r#"
while True:
    print("Nor do I.")
"#;

const LISTENS_IN_C: &str = r#"
#include <stdio.h>
int main(void) {
    int heard = 0;
    while (getchar() != EOF) heard++;
    fprintf(stderr, "heard %d", heard);
    return 0;
}
"#;

const FAILS_IN_PYTHON: &str = r#"
print("hello")
raise SystemExit(7)
"#;

fn runs(result: PairResult) -> [PartRun; 2] {
    result.parts.map(|part| part.run.expect("both were run"))
}

async fn two_programs_talk_to_each_other(stage: &Stage) {
    let parts = [Part::new(stage, "c", SEEKER), Part::new(stage, "python", KEEPER)];
    for [first, second] in [[0, 1], [1, 0]] {
        let result = stage.grade([&parts[first], &parts[second]]).await.unwrap();
        let runs = runs(result);
        for run in &runs {
            assert_eq!(run.judgement.verdict, Verdict::Accepted, "{run:?}");
        }
        let complaint = |of: usize| &runs[usize::from(first != of)].stderr.text;
        assert!(complaint(0).starts_with("found after "), "{}", complaint(0));
        assert_eq!(complaint(1), "changed 1048576");
    }
}

async fn two_that_print_and_do_not_listen_are_both_too_late(stage: &Stage) {
    let limit = Duration::from_secs(2);
    let parts = [
        Part::new(stage, "c", PRINTS_IN_C).wall_limit(limit),
        Part::new(stage, "python", PRINTS_IN_PYTHON).wall_limit(limit),
    ];
    let result = stage.grade([&parts[0], &parts[1]]).await.unwrap();
    for run in runs(result) {
        assert_eq!(run.judgement.verdict, Verdict::TimeLimitExceeded, "{run:?}");
        assert!(run.facts.cpu_time < run.facts.wall_time, "{run:?}");
    }
}

async fn who_talks_to_one_that_has_ended_finds_an_end(stage: &Stage) {
    let parts = [
        Part::new(stage, "c", LISTENS_IN_C),
        Part::new(stage, "python", FAILS_IN_PYTHON),
    ];
    let [listens, fails] = runs(stage.grade([&parts[0], &parts[1]]).await.unwrap());
    assert_eq!(fails.judgement.verdict, Verdict::RuntimeError, "{fails:?}");
    assert_eq!(listens.judgement.verdict, Verdict::Accepted, "{listens:?}");
    assert_eq!(
        (&*fails.stdout.text, &*listens.stderr.text),
        ("hello\n", "heard 6")
    );
}

async fn nothing_is_run_where_one_cannot_be_made(stage: &Stage) {
    let parts = [
        Part::new(stage, "c", "int main(void) { return nothing; }"),
        Part::new(stage, "python", KEEPER),
    ];
    let [c, python] = stage.grade([&parts[0], &parts[1]]).await.unwrap().parts;
    let compile = c.compile.unwrap();
    assert_eq!(compile.verdict, CompileVerdict::CompilationError);
    assert!(compile.stderr.contains("nothing"), "{}", compile.stderr);
    assert!(c.run.is_none() && python.run.is_none());
}

async fn the_end_of_one_box_ends_the_other(stage: &Stage) {
    // Both wait for the other one to say something.
    let parts = [
        Part::new(stage, "c", LISTENS_IN_C),
        Part::new(stage, "python", KEEPER),
    ];
    for killed in [0, 1] {
        let error = stage
            .grade_killing(killed, [&parts[0], &parts[1]])
            .await
            .unwrap_err();
        assert!(error.to_string().contains("the box failed"), "{error}");
    }
}

/// More jobs than there are places for.
async fn jobs_that_want_boxes_in_other_orders_all_end(stage: &Stage) {
    let parts = [Part::new(stage, "c", ""), Part::new(stage, "python", "")];
    stage.many_at_once(8, [&parts[0], &parts[1]]).await;
}
