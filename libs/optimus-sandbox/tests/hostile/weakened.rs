//! Each layer of defence is needed: with one of them taken away, an attack that it stops gets through.
//!
//! A layer is taken away by [`weaken::VARIABLE`], which a process reads once: so this program is started again for each
//! layer, and tells which of the cases it was given still hold. That they hold with all layers is what the suite itself
//! shows.
//!
//! A case names in `breaks_without` the layers each of which it needs. Where two layers stop the same thing, the case needs
//! that one of them is there, and names both with a `+` between.

mod image;
mod probes;
mod state;

use std::{
    collections::BTreeSet,
    env, fs, io,
    path::Path,
    process::{Command, ExitCode},
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use libtest_mimic::{Failed, Trial};
use optimus_common::weaken;
use tokio::runtime::Runtime;

pub(crate) use self::image::of as image_of;
use crate::{
    Suite,
    attempt::attempt,
    case::{Case, Group},
    covert,
    languages::Dialect,
    outside::kernel_memory,
    stage::{self, Kind, Stage},
};

/// The first argument of a process that attacks weakened boxes; the kind of boxes and the cases follow.
const ROLE: &str = "attack-weakened-boxes";

/// Set, such a process goes on after the first attack that gets through, and everything it says is shown.
const ALL: &str = "OPTIMUS_HOSTILE_ALL";

/// What such a process says of a case, before its name.
const HELD: &str = "held: ";
const BROKEN: &str = "broken: ";

/// Layers of one kind of boxes that no program can miss from inside, since others stand before them. They are looked at
/// from outside: see [`state`].
fn trials_of(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Docker => &state::OF_CONTAINERS,
        Kind::Native => &state::OF_NATIVE_BOXES,
    }
}

/// Becomes a part of a weakened box, if the first argument or the environment says so: the agent of a container, or who
/// proves the layers of native boxes.
pub(crate) fn become_part(given: &[String]) -> Option<ExitCode> {
    let first = given.first()?;
    if weaken::is_active() && ["receive", "compile", "test", "hold"].contains(&first.as_str()) {
        return Some(optimus_runner::main());
    }
    probes::survey_if_asked(first)
}

/// Attacks boxes of which layers are missing, if the first argument says so.
pub(crate) fn attack(given: &[String], groups: &[Group]) -> Option<ExitCode> {
    let [role, kind, names @ ..] = given else {
        return None;
    };
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
    if role != ROLE {
        return None;
    }
    let suite = Suite::new();
    suite.runtime.block_on(async {
        let stage = suite.stage(kind).await;
        for name in names {
            match try_one(stage, name, groups).await {
                Ok(()) => println!("{HELD}{name}"),
                Err(problem) => {
                    println!("{BROKEN}{name}: {}", problem.replace('\n', " "));
                    // One is enough, and what comes after it may find a box that is no more whole.
                    if env::var_os(ALL).is_none() {
                        break;
                    }
                }
            }
        }
    });
    drop(suite);
    stage::leave();
    Some(ExitCode::SUCCESS)
}

async fn try_one(stage: &Arc<Stage>, name: &str, groups: &[Group]) -> Result<(), String> {
    if let Some(layer) = name.strip_prefix(state::PREFIX) {
        return state::look(stage, layer).await;
    }
    let mut cases = groups.iter().flat_map(|group| &group.cases);
    let case = cases
        .find(|case| case.full_name() == name)
        .ok_or_else(|| format!("there is no case {name}"))?;
    if case.group == covert::GROUP {
        covert::attempt(stage, case).await
    } else {
        attempt(stage, case).await
    }
}

/// One trial for each layer, or pair of layers, that a kind of boxes has.
pub(crate) fn trials(groups: &[Group]) -> Vec<Trial> {
    let mut trials = probes::trials();
    trials.push(Trial::test(
        "weakened::the_agent_of_images_cannot_be_weakened",
        || Ok(image::released_agent_is_whole()?),
    ));
    let cases: Vec<_> = groups.iter().flat_map(|group| group.cases.clone()).collect();
    // The neighbour's is the shell.
    let languages: BTreeSet<_> = cases
        .iter()
        .filter(|case| !case.breaks_without.is_empty())
        .map(|case| Dialect::of(&case.program).name())
        .chain(["shell", "python"])
        .collect();
    let mut tried: BTreeSet<String> = probes::layers().map(str::to_owned).collect();
    for kind in Kind::ALL {
        let layers: BTreeSet<_> = cases
            .iter()
            .flat_map(|case| case.breaks_without.iter().cloned())
            .chain(trials_of(kind).iter().map(|layer| (*layer).to_owned()))
            .filter(|layer| has(kind, layer))
            .collect();
        tried.extend(
            layers
                .iter()
                .flat_map(|layer| layer.split('+'))
                .map(str::to_owned),
        );
        for layer in layers {
            let attacks: Vec<_> = attacks_on(kind, &layer, &cases).collect();
            let languages = languages.clone();
            trials.push(Trial::test(
                format!("weakened::{}::{layer}", kind.as_str()),
                move || {
                    if kind == Kind::Docker {
                        build_images(&languages)?;
                    }
                    breaks(kind, &layer, &attacks)
                },
            ));
        }
    }
    trials.push(Trial::test("weakened::every_switch_is_tried", move || {
        let untried: Vec<_> = switches()?
            .into_iter()
            .filter(|layer| !tried.contains(layer))
            .collect();
        if untried.is_empty() {
            return Ok(());
        }
        Err(format!("nothing shows that these layers are needed: {untried:?}").into())
    }));
    trials
}

/// The layers that the product's sources can leave out.
fn switches() -> io::Result<BTreeSet<String>> {
    let mut layers = BTreeSet::new();
    let mut folders: Vec<_> = ["libs", "bins"]
        .map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder))
        .into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs")
                && !path.components().any(|part| part.as_os_str() == "tests")
            {
                let text = fs::read_to_string(path)?;
                for asked in ["is_off(\"", "limit_unless_off(\"", "wanted(\""] {
                    let names = text.split(asked).skip(1).filter_map(|rest| rest.split_once('"'));
                    layers.extend(names.map(|(name, _)| name.to_owned()));
                }
            }
        }
    }
    assert!(!layers.is_empty(), "the sources are not where they were");
    Ok(layers)
}

/// The languages whose images were built, once for all trials.
static IMAGES: OnceLock<Result<BTreeSet<&str>, String>> = OnceLock::new();

fn build_images(languages: &BTreeSet<&'static str>) -> Result<(), String> {
    let built = IMAGES.get_or_init(|| {
        let runtime = Runtime::new().map_err(|error| error.to_string())?;
        runtime
            .block_on(image::build(languages))
            .map(|()| languages.clone())
    });
    built.as_ref().map(drop).map_err(Clone::clone)
}

/// Removes what was built.
pub(crate) fn clean_up(runtime: &Runtime) {
    if let Some(Ok(languages)) = IMAGES.get()
        && let Err(problem) = runtime.block_on(image::remove(languages))
    {
        println!("{problem}");
    }
}

fn attacks_on<'a>(kind: Kind, layer: &'a str, cases: &'a [Case]) -> impl Iterator<Item = String> + 'a {
    let from_outside = trials_of(kind)
        .contains(&layer)
        .then(|| format!("{}{layer}", state::PREFIX));
    let programs = cases
        .iter()
        .filter(move |case| case.is_for(kind) && case.breaks_without.iter().any(|needed| needed == layer))
        .map(Case::full_name);
    programs.chain(from_outside)
}

/// Whether this kind of boxes has a layer, or both of a pair.
fn has(kind: Kind, layer: &str) -> bool {
    let lacking: &[&str] = match kind {
        // A container's engine makes the namespaces, without being asked; its runs are told apart by UID.
        Kind::Docker => &[
            "user-namespace",
            "guest-uids",
            "pid-namespace",
            "uts-namespace",
            "cgroup-namespace",
            "cell-pid-namespace",
            "cell-network-namespace",
            "cell-root",
            "private-files",
            "roots-in-memory",
            "still-counters",
            "private-devices",
            "agent-folder",
            "box-descriptors",
            "box-session",
            "parent-death",
            "dumpable",
        ],
        // A quota is not seen from inside; its probe misses it. Runs end with their namespace, and change copies only.
        // There is no `/sys`.
        Kind::Native => &[
            "cgroup-cpu",
            "kill",
            "seal",
            "held-images",
            "sys-masks",
            "sys-reads",
        ],
    };
    layer.split('+').all(|part| !lacking.contains(&part))
}

/// Whether an attack got through, and no box was just slow or could not be made.
fn is_evidence(line: &str) -> bool {
    let other = [
        "TimeLimitExceeded",
        "the box failed",
        "no box can be made",
        "hangs",
        // A channel that passes a bit now and then, or none: not what its case is about.
        "nobody would notice",
        "reads are slow in",
    ];
    line.starts_with(BROKEN) && other.iter().all(|reason| !line.contains(reason))
}

/// What passes a bit now and then is seen once in a few tries. What holds, holds each time.
const MOST_TRIES: u32 = 3;

/// Who holds an image in memory does so for the containers of all trials at once.
static HOLDING: RwLock<()> = RwLock::new(());

/// Starts this program without the layer; at least one of the attacks must get through.
fn breaks(kind: Kind, layer: &str, attacks: &[String]) -> Result<(), Failed> {
    let (_alone, _together);
    if layer.contains("held-images") {
        _alone = HOLDING.write().unwrap_or_else(PoisonError::into_inner);
    } else if kind == Kind::Docker {
        _together = HOLDING.read().unwrap_or_else(PoisonError::into_inner);
    }
    let _disturbing = kernel_memory::disturb();
    let mut told = String::new();
    for _ in 0..MOST_TRIES {
        let output = Command::new("/proc/self/exe")
            .arg(ROLE)
            .arg(kind.as_str())
            .args(attacks)
            .env(weaken::VARIABLE, layer.replace('+', ","))
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            return Err(format!("without {layer} no box could be attacked: {said}{complaint}").into());
        }
        if env::var_os(ALL).is_some() {
            println!("without {layer}:\n{said}");
        }
        if said.lines().any(is_evidence) {
            return Ok(());
        }
        told.push_str(&said);
    }
    Err(format!("without {layer} everything still holds: {told}").into())
}
