//! What a spawner keeps in memory for boxes, seen from outside.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use optimus_common::WorkerId;
use optimus_sandbox::{
    native::{HostPath, HostRoot, NativeBackend, Root, Roots},
    settings::NativeSettings,
};
use rustix::fs::statvfs;

use crate::{
    conformance::{Job, eventually, open},
    host::{shell, shell_root},
    roles::Place,
};

/// Of what the toolchain of this test has beside the shell's.
const BYTES: usize = 32 << 20;
const INSIDE: &str = "/opt/toolchain";

/// Where this process has its copies.
fn stage(spawner: u32) -> PathBuf {
    format!("/proc/{spawner}/root/roots").into()
}

/// The roots that are there, by their numbers.
fn roots(spawner: u32) -> BTreeSet<u32> {
    let entries = fs::read_dir(stage(spawner)).expect("root can look into any process' files");
    entries
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .collect()
}

fn bytes_in_use(spawner: u32) -> u64 {
    let about = statvfs(stage(spawner)).unwrap();
    (about.f_blocks - about.f_bfree) * about.f_frsize
}

/// A backend for a language whose toolchain is the file of this number in the folder.
async fn backend(place: &Place, folder: &Path, version: &Arc<AtomicU32>) -> NativeBackend {
    let mut settings = optimus_settings::defaults_of::<NativeSettings>("native");
    settings.cgroup = place.cgroup.clone().into();
    settings.allow_missing.clone_from(&place.allow_missing);
    let root = shell_root(&settings);
    let (folder, version) = (folder.to_owned(), Arc::clone(version));
    let roots = Roots::new(move |_| {
        let version = version.load(Ordering::Relaxed).to_string();
        let mut root = root.clone();
        root.paths.push(HostPath {
            host: folder.join(&version),
            inside: INSIDE.into(),
        });
        Ok(Root::Host(HostRoot {
            stamp: version,
            ..root
        }))
    });
    NativeBackend::start(&settings, roots, WorkerId::new())
        .await
        .unwrap()
}

pub(crate) async fn that_of_a_toolchain_which_has_changed_is_given_back(place: &Place) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    for version in 1..=2_u8 {
        let file = folder.path().join(version.to_string());
        fs::write(&file, vec![version; BYTES]).unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    }
    let version = Arc::new(AtomicU32::new(1));
    let backend = backend(place, folder.path(), &version).await;
    let spawner = backend.spawner_process().await.unwrap();
    let sees = async |session| {
        let job = Job::shell(&format!("head -c 1 {INSIDE}"));
        job.grade(session, &[b""]).await.remove(0).stdout
    };

    let others = roots(spawner);
    let first = open(&backend, &shell()).await;
    let old: BTreeSet<_> = roots(spawner).difference(&others).copied().collect();
    assert_eq!(old.len(), 1, "one copy for one toolchain: {old:?}");

    version.store(2, Ordering::Relaxed);
    let second = open(&backend, &shell()).await;
    let both = roots(spawner);
    assert!(both.is_superset(&old), "its box is still there: {both:?}");
    let with_both = bytes_in_use(spawner);
    assert_eq!(sees(first).await, [1]);
    assert_eq!(sees(second).await, [2]);

    // The next box is when it is seen that nobody has it any more.
    let third = open(&backend, &shell()).await;
    eventually("the old copy is gone", async || {
        roots(spawner).is_disjoint(&old) && bytes_in_use(spawner) + BYTES as u64 <= with_both
    })
    .await;
    assert_eq!(sees(third).await, [2]);
    let left: BTreeSet<_> = roots(spawner).difference(&others).copied().collect();
    assert_eq!(left.len(), 1, "that of the toolchain as it is now: {left:?}");
}
