//! Crashes, on a host that has a program called for each: the kernel starts it as root and outside of every box.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command, time::Duration};

use optimus_common::{WorkerId, facts::RunEnd};
use tempfile::TempDir;

use crate::{
    conformance::{Job, eventually, open},
    host::{shell, start},
    roles::Place,
};

const PATTERN: &str = "/proc/sys/kernel/core_pattern";

/// Lets copies of the shell die, under a name that nothing else on this machine has.
fn crashing(name: &str, times: usize) -> String {
    format!("cp /bin/sh ./{name} && for i in $(seq {times}); do ./{name} -c 'kill -SEGV $$'; done; echo done")
}

/// A harmless handler of crashes, for the whole machine, until it is dropped.
struct Handler {
    folder: TempDir,
    before: Vec<u8>,
}

impl Handler {
    fn install() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("optimus-crashes-")
            .tempdir()
            .unwrap();
        let script = folder.path().join("handler");
        let told = folder.path().join("told");
        // `%e` is the name of what died.
        fs::write(&script, format!("#!/bin/sh\necho \"$1\" >>{}\n", told.display())).unwrap();
        fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
        fs::write(&told, "").unwrap();
        let before = fs::read(PATTERN).unwrap();
        fs::write(PATTERN, format!("|{} %e", script.display()))
            .expect("this test has to set kernel.core_pattern for a moment");
        Self { folder, before }
    }

    fn calls(&self, name: &str) -> usize {
        let told = fs::read_to_string(self.folder.path().join("told")).unwrap();
        told.lines().filter(|line| *line == name).count()
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        fs::write(PATTERN, &self.before).unwrap();
    }
}

pub(crate) async fn a_crash_in_a_box_starts_no_program_of_the_host(place: &Place) {
    let handler = Handler::install();
    let backend = start(place, WorkerId::new()).await;
    let session = open(&backend, &shell()).await;
    let runs = Job::shell(&crashing("boxed-crash", 5))
        .grade(session, &[b""])
        .await;
    assert_eq!(runs[0].facts.end, RunEnd::Exited { code: 0 }, "{runs:?}");
    assert_eq!(runs[0].stdout, b"done\n", "{runs:?}");

    // After all of those, and without a limit of ours: that one is told, so they would have been.
    let outside = TempDir::new().unwrap();
    crash_outside(outside.path());
    eventually("the handler works", async || handler.calls("other-crash") > 0).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(handler.calls("boxed-crash"), 0);
}

fn crash_outside(folder: &Path) {
    let script = format!("ulimit -c 0; {}", crashing("other-crash", 1));
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).current_dir(folder);
    assert!(shell.status().unwrap().success());
}
