//! Boxes to test in, made from namespaces and a cgroup of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio, id},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Processes of one box, the agent's own included.
pub(crate) const PROCESSES: u32 = 64;
/// Memory of one box.
pub(crate) const MEMORY: u64 = 512 << 20;

/// The box's cgroup, in each hierarchy the agent reads.
#[derive(Debug)]
struct Cgroup {
    folders: Vec<PathBuf>,
}

impl Cgroup {
    fn make() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "optimus-agent-test-{}-{}",
            id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let root = Path::new("/sys/fs/cgroup");
        let folders: Vec<_> = if root.join("memory").is_dir() {
            ["memory", "cpuacct", "pids"]
                .map(|controller| root.join(controller).join(&name))
                .into()
        } else {
            vec![root.join(&name)]
        };
        for folder in &folders {
            fs::create_dir(folder).expect("these tests need root and a writable cgroup file system");
        }
        let cgroup = Self { folders };
        cgroup.limit(&["memory.limit_in_bytes", "memory.max"], &MEMORY.to_string());
        cgroup.limit(&["pids.max"], &PROCESSES.to_string());
        cgroup
    }

    /// Writes to whichever of the files there is.
    fn limit(&self, files: &[&str], value: &str) {
        let file = self
            .folders
            .iter()
            .flat_map(|folder| files.iter().map(move |file| folder.join(file)));
        let file = file
            .into_iter()
            .find(|file| file.exists())
            .expect("the cgroup has this controller");
        fs::write(file, value).expect("a limit can be set");
    }

    /// Shell commands that put the shell itself in, and show the box its own cgroup below `$cgroups`.
    fn script(&self) -> String {
        let enter = self
            .folders
            .iter()
            .map(|folder| format!("echo $$ > {}/cgroup.procs\n", folder.display()));
        enter.collect()
    }

    /// Commands, in the box's mount namespace, that mount the cgroup read-only at `at`.
    fn mounts(&self, at: &Path) -> String {
        let at = at.display();
        let [only] = &self.folders[..] else {
            let mount = |folder: &PathBuf| {
                let controller = folder
                    .parent()
                    .and_then(Path::file_name)
                    .expect("a controller's folder");
                let target = format!("{at}/{}", controller.display());
                format!(
                    "mkdir {target}\nmount --bind {} {target}\nmount -o remount,bind,ro {target}\n",
                    folder.display()
                )
            };
            let mounts: String = self.folders.iter().map(mount).collect();
            return format!("mount -t tmpfs cgroups {at}\n{mounts}mount -o remount,ro {at}\n");
        };
        format!(
            "mount --bind {} {at}\nmount -o remount,bind,ro {at}\n",
            only.display()
        )
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        for folder in &self.folders {
            // Busy until the kernel has buried the last process.
            while fs::remove_dir(folder).is_err() && folder.exists() {
                assert!(
                    Instant::now() < deadline,
                    "processes of the box are left in {}",
                    folder.display()
                );
                std::thread::yield_now();
            }
        }
    }
}

/// A started box. Dropping it kills everything inside.
#[derive(Debug)]
pub(crate) struct TestBox {
    pub(crate) child: Child,
    _cgroup: Cgroup,
    _folder: TempDir,
}

impl TestBox {
    pub(crate) fn start() -> Self {
        let cgroup = Cgroup::make();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (root, cgroups) = (folder.path().join("root"), folder.path().join("cgroups"));
        for path in [&root, &cgroups] {
            fs::create_dir(path).expect("a temporary folder");
        }
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        // The shell joins the cgroup before it makes the namespaces, so that the box sees itself at the cgroup's root.
        let inner = format!("set -eu\n{}exec sh \"$@\"", cgroup.mounts(&cgroups));
        let script = format!(
            "set -eu\n{}exec unshare --mount --pid --net --ipc --uts --cgroup --fork --kill-child=KILL \
             sh -c '{inner}' sh \"$@\"",
            cgroup.script()
        );
        let child = Command::new("sh")
            .args(["-c", &script, "sh"])
            .arg(here.join("tests/agent/box.sh"))
            .arg(&root)
            .arg(env!("CARGO_BIN_EXE_optimus-runner"))
            .arg(here.join("../../dockerfiles/runner.sh"))
            .arg(&cgroups)
            .env("OPTIMUS_TEST_SECRET", "of the agent's environment")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("these tests need unshare(1)");
        Self {
            child,
            _cgroup: cgroup,
            _folder: folder,
        }
    }
}

impl Drop for TestBox {
    fn drop(&mut self) {
        // Kills `unshare`, and with it PID 1 of the box and so everything inside.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
