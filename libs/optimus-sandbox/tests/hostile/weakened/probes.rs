//! The layers of native boxes as `optimus-cli doctor` proves them: each probe notices when its layer is not there.

use std::{
    process::{Command, ExitCode},
    sync::{Mutex, PoisonError},
};

use libtest_mimic::{Failed, Trial};
use optimus_common::weaken;
use optimus_sandbox::native::layers::{Layer, LayerState, probe_host};
use tokio::runtime::Runtime;

use crate::{
    outside::kernel_memory,
    stage::{leave, native_settings},
};

/// The first argument of a process that says which layers are missing.
const ROLE: &str = "survey-weakened-boxes";

/// Their probes cannot notice it: others stand before them.
const BEHIND_OTHERS: [Layer; 2] = [Layer::PidNamespace, Layer::NoNewPrivileges];

fn noticed() -> impl Iterator<Item = Layer> {
    Layer::ALL
        .into_iter()
        .filter(|layer| !BEHIND_OTHERS.contains(layer))
}

/// Names of the layers that are tried here.
pub(super) fn layers() -> impl Iterator<Item = &'static str> {
    noticed().map(Layer::name)
}

pub(super) fn trials() -> Vec<Trial> {
    noticed()
        .map(|layer| Trial::test(format!("weakened::probe::{layer}"), move || notices(layer)))
        .collect()
}

/// One at a time: they lock the same file of the host, as bait.
static TURN: Mutex<()> = Mutex::new(());

fn notices(layer: Layer) -> Result<(), Failed> {
    let _disturbing = kernel_memory::disturb();
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new("/proc/self/exe")
        .arg(ROLE)
        .env(weaken::VARIABLE, layer.name())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if said.lines().any(|line| line == layer.name()) {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("{layer} is not missed: {said}{complaint}").into())
}

/// Says which layers are missing, if the first argument asks for that.
pub(super) fn survey_if_asked(first: &str) -> Option<ExitCode> {
    if first != ROLE {
        return None;
    }
    let runtime = Runtime::new().ok()?;
    let proofs = runtime.block_on(probe_host(&native_settings().native));
    drop(runtime);
    leave();
    match proofs {
        Ok(proofs) => {
            for proof in proofs {
                if let LayerState::Missing { .. } = proof.state {
                    println!("{}", proof.layer);
                }
            }
            Some(ExitCode::SUCCESS)
        }
        Err(error) => {
            println!("no box can be made: {error}");
            Some(ExitCode::FAILURE)
        }
    }
}
