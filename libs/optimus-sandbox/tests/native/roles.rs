//! What this program is when it is started again: a worker that is going to be killed, or the suite of another user.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

use optimus_common::WorkerId;
use optimus_sandbox::{Backend, session::Session};
use optimus_testkit::cgroups;
use rustix::{
    mount::{MountPropagationFlags, mount_bind, mount_change},
    process::{Gid, Pid, Signal, Uid, kill_process},
    thread::{UnshareFlags, set_thread_groups, set_thread_res_gid, set_thread_res_uid, unshare_unsafe},
};

use crate::{
    conformance::TIMEOUT,
    host::{shell, start},
};

const HOLD: &str = "--hold-boxes";
pub(crate) const SUITE: &str = "--suite-of-a-user";

/// Neither of the distribution's users nor of a person's.
pub(crate) const USER: u32 = 61_234;
const FIRST_GRANTED: u32 = 700_000_000;

/// Where this process may make boxes.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// As the settings have it.
    pub(crate) cgroup: String,
    /// The same as a path below each hierarchy's root.
    pub(crate) base: String,
    pub(crate) allow_missing: Vec<String>,
}

impl Place {
    fn arguments(&self) -> [String; 3] {
        [
            self.cgroup.clone(),
            self.base.clone(),
            self.allow_missing.join(","),
        ]
    }

    fn from_arguments(arguments: &[String]) -> Self {
        let [cgroup, base, allow_missing] = arguments else {
            panic!("a place has three parts, not {arguments:?}");
        };
        Self {
            cgroup: cgroup.clone(),
            base: base.clone(),
            allow_missing: allow_missing
                .split(',')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
        }
    }
}

/// The place of a program that was started as the suite of another user.
pub(crate) fn given_place(arguments: &[String]) -> Option<Place> {
    match arguments {
        [first, place @ ..] if first == SUITE => Some(Place::from_arguments(place)),
        _ => None,
    }
}

/// A worker in a process of its own, with ready boxes.
pub(crate) struct Holder {
    pub(crate) child: Child,
    pub(crate) spawner: Pid,
    pub(crate) boxes: Vec<String>,
}

impl Holder {
    pub(crate) fn start(place: &Place, worker: &WorkerId, count: usize) -> Self {
        let mut child = Command::new("/proc/self/exe")
            .args([HOLD, worker.as_str(), &count.to_string()])
            .args(place.arguments())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = || lines.next().expect("it ended").unwrap();
        let spawner = Pid::from_raw(next().parse().unwrap()).unwrap();
        let boxes = (0..count).map(|_| next()).collect();
        Self {
            child,
            spawner,
            boxes,
        }
    }

    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Both at once: the spawner has no moment to clean up.
    pub(crate) fn kill_with_spawner(self) {
        let spawner = self.spawner;
        kill_process(spawner, Signal::STOP).unwrap();
        self.kill();
        kill_process(spawner, Signal::KILL).unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The main function of such a process, if this is one.
pub(crate) fn hold(arguments: &[String]) -> Option<ExitCode> {
    let [first, worker, count, place @ ..] = arguments else {
        return None;
    };
    if first != HOLD {
        return None;
    }
    let place = Place::from_arguments(place);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let backend = start(&place, WorkerId::from(worker.clone())).await;
        let mut held = Vec::new();
        for _ in 0..count.parse().unwrap() {
            let live = backend.create(&shell()).await.unwrap();
            held.push(Session::open(live, TIMEOUT).await.unwrap());
        }
        println!("{}", backend.spawner_process().await.unwrap());
        for session in &held {
            println!("{}", session.handle().name());
        }
        std::future::pending::<()>().await;
    });
    None
}

/// UIDs of an ordinary user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grant {
    /// Its own alone.
    None,
    /// As many as distributions grant.
    Usual,
}

/// Runs the conformance suite as an ordinary user with control groups of its own. Panics where it fails.
pub(crate) fn run_suite_as_user(grant: Grant, allow_missing: &[&str]) {
    let name = format!("optimus-test-{}-{grant:?}", std::process::id());
    let group = cgroups::make(&name);
    group.delegate(USER, USER).unwrap();
    // Its processes start in a group of their own, as a user's session does.
    let session = group.create("session").unwrap();
    session.delegate(USER, USER).unwrap();
    let base = format!("/{name}/session");
    let place = Place {
        cgroup: String::new(),
        base: base.clone(),
        allow_missing: allow_missing.iter().map(ToString::to_string).collect(),
    };
    let files = tempfile::tempdir_in("/var/tmp").unwrap();
    fs::set_permissions(files.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = files.path().join("suite");
    optimus_testkit::executable::copy(env::current_exe().unwrap(), &program);
    let mut command = Command::new(&program);
    command.arg(SUITE).args(place.arguments()).env("HOME", "/tmp");
    let faked = fake_accounts(files.path(), grant);
    // SAFETY: this process has other threads, and the child allocates nothing but what these calls need.
    unsafe {
        command.pre_exec(move || {
            session.enter()?;
            unshare_unsafe(UnshareFlags::NEWNS)?;
            mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
            for (ours, theirs) in &faked {
                mount_bind(ours, theirs)?;
            }
            let (uid, gid) = (Uid::from_raw(USER), Gid::from_raw(USER));
            set_thread_groups(&[])?;
            set_thread_res_gid(gid, gid, gid)?;
            set_thread_res_uid(uid, uid, uid)?;
            Ok(())
        });
    }
    let output = command.output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("15 passed"), "{text}");
    // The spawners notice that their worker has ended, and clean up.
    let started = std::time::Instant::now();
    while cgroups::below(&base)
        .iter()
        .any(|name| name != "optimus-processes")
    {
        assert!(started.elapsed() < TIMEOUT, "left: {:?}", cgroups::below(&base));
        std::thread::sleep(Duration::from_millis(20));
    }
    cgroups::remove(&name);
}

/// Files that say who the user is, and which UIDs it is granted, to be mounted over those of the host.
fn fake_accounts(folder: &Path, grant: Grant) -> Vec<(PathBuf, PathBuf)> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let granted = match grant {
        Grant::None => String::new(),
        Grant::Usual => format!("tester:{FIRST_GRANTED}:65536\n"),
    };
    let files = [
        (
            "passwd",
            format!("{passwd}tester:x:{USER}:{USER}::/tmp:/bin/sh\n"),
        ),
        ("subuid", granted.clone()),
        ("subgid", granted),
    ];
    files
        .map(|(name, text)| {
            let ours = folder.join(name);
            fs::write(&ours, text).unwrap();
            chown(&ours, Some(0), Some(0)).unwrap();
            (ours, Path::new("/etc").join(name))
        })
        .into()
}
