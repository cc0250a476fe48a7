//! The hostile suite: programs that try to break out, to cheat, to disturb or to exhaust, on every backend.
//!
//! A case is data in `cases/<group>/cases.toml` and one program beside it; see `docs/hostile-suite.md`, which is made
//! from the same data. It passes when its verdict is the right one *and* everything around it is unharmed: the tests before
//! and after it in its own job, a neighbour in another box, the host's secrets, the host itself.
//!
//! Needs what native boxes need, and for containers root, an engine and the languages' images. An ordinary user runs it in a control
//! group of its own, and says in `OPTIMUS_HOSTILE_ALLOW_MISSING` which layers it cannot have. `cargo test -p optimus-sandbox --test hostile --
//! native::files` runs one group on one backend. Makes native boxes by starting itself again, so it brings its own `main`.

#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "a suite says what it could not run")]

mod attempt;
#[path = "../support/build.rs"]
mod build;
mod canaries;
mod case;
mod covert;
mod grading;
mod languages;
mod neighbour;
mod outside;
mod place;
mod stage;
mod storms;
mod table;
#[cfg(optimus_weaken)]
mod weakened;

use std::{
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use optimus_sandbox::native;
use optimus_testkit::passed_over;
use tokio::{runtime::Runtime, sync::OnceCell};

use crate::{
    attempt::attempt,
    canaries::Canaries,
    case::{Case, Group},
    languages::Dialect,
    stage::{Kind, Stage},
};

/// Cases at once; most of them wait for a limit of theirs most of the time.
const AT_ONCE: usize = 4;

/// What all trials share.
struct Suite {
    runtime: Runtime,
    canaries: Arc<Canaries>,
    docker: OnceCell<Arc<Stage>>,
    native: OnceCell<Arc<Stage>>,
    /// What could not be run here, and why.
    not_run: Mutex<Vec<(String, String)>>,
}

fn main() -> ExitCode {
    if let Some(code) = native::divert(optimus_runner::in_box) {
        return code;
    }
    #[cfg(optimus_weaken)]
    let given: Vec<_> = std::env::args().skip(1).collect();
    #[cfg(optimus_weaken)]
    if let Some(code) = weakened::become_part(&given) {
        return code;
    }
    canaries::enter_environment();
    place::place();
    let groups = case::load();
    #[cfg(optimus_weaken)]
    if let Some(code) = weakened::attack(&given, &groups) {
        return code;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let suite = Arc::new(Suite::new());
    let mut trials = vec![table::trial(&groups)];
    let groups = case::chosen(groups);
    for kind in Kind::ALL {
        trials.extend(cases_on(&suite, kind, &groups));
    }
    #[cfg(optimus_weaken)]
    trials.extend(weakened::trials(&groups));
    let conclusion = libtest_mimic::run(&arguments, trials);
    #[cfg(optimus_weaken)]
    weakened::clean_up(&suite.runtime);
    // Each uses the whole machine, and looks at all of it.
    arguments.test_threads = Some(1);
    let storms = libtest_mimic::run(&arguments, storms::trials(&suite, &groups));
    let code = match suite.close() {
        Ok(()) if storms.has_failed() => storms.exit_code(),
        Ok(()) => conclusion.exit_code(),
        Err(problem) => {
            println!("{problem}");
            ExitCode::FAILURE
        }
    };
    drop(suite);
    stage::leave();
    code
}

fn cases_on(suite: &Arc<Suite>, kind: Kind, groups: &[Group]) -> Vec<Trial> {
    let (covert, groups): (Vec<_>, Vec<_>) = groups.iter().partition(|group| group.name == covert::GROUP);
    let in_pairs = covert
        .iter()
        .flat_map(|group| covert::trials(suite, kind, &group.cases));
    let cases = groups.iter().flat_map(|group| &group.cases);
    cases
        .filter(|case| case.is_for(kind))
        .map(|case| {
            let (suite, case) = (Arc::clone(suite), case.clone());
            let name = format!("{}::{}", kind.as_str(), case.full_name());
            Trial::ignorable_test(name, move || suite.run(kind, &case))
        })
        .chain(in_pairs)
        .collect()
}

impl Suite {
    fn new() -> Self {
        Self {
            runtime: Runtime::new().expect("a runtime can be made"),
            canaries: Arc::new(Canaries::place()),
            docker: OnceCell::new(),
            native: OnceCell::new(),
            not_run: Mutex::default(),
        }
    }

    fn run(&self, kind: Kind, case: &Case) -> Result<Completion, Failed> {
        self.runtime.block_on(async {
            let stage = self.stage(kind).await;
            if let Some(reason) = stage.lacks(Dialect::of(&case.program).name()).await {
                let name = format!("{}::{}", kind.as_str(), case.full_name());
                return self.passed_over(name, reason);
            }
            attempt(stage, case).await?;
            Ok(Completion::Completed)
        })
    }

    /// Remembers what this host cannot run, unless it has to.
    fn passed_over(&self, name: String, reason: String) -> Result<Completion, Failed> {
        if passed_over::is_forbidden() {
            return Err(format!("every case is required to run, and this one cannot: {reason}").into());
        }
        let completion = Completion::ignored_with(reason.clone());
        let mut not_run = self.not_run.lock().unwrap_or_else(PoisonError::into_inner);
        not_run.push((name, reason));
        Ok(completion)
    }

    async fn stage(&self, kind: Kind) -> &Arc<Stage> {
        let canaries = Arc::clone(&self.canaries);
        match kind {
            Kind::Docker => {
                let start = async || Arc::new(Stage::docker(canaries).await);
                self.docker.get_or_init(start).await
            }
            Kind::Native => {
                let start = async || Arc::new(Stage::native(canaries).await);
                self.native.get_or_init(start).await
            }
        }
    }

    /// Looks at what is left of everything, and names what was not run.
    fn close(&self) -> Result<(), String> {
        for (name, reason) in &*self.not_run.lock().unwrap_or_else(PoisonError::into_inner) {
            println!("not run here: {name}: {reason}");
        }
        let stages = [self.docker.get(), self.native.get()];
        stages.into_iter().flatten().try_for_each(|stage| {
            self.runtime
                .block_on(stage.settle())
                .map_err(|problem| format!("{}: {problem}", stage.kind.as_str()))
        })
    }
}
