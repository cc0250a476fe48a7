//! Copies of this host's files.

use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

struct CopyFixture {
    top: TempDir,
}

impl CopyFixture {
    fn new() -> Self {
        // On the same file system as what is copied here, which changes nothing.
        let top = tempfile::tempdir_in("/var/tmp").unwrap();
        for folder in ["store", "one", "other", "host"] {
            fs::create_dir(top.path().join(folder)).unwrap();
        }
        Self { top }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.top.path().canonicalize().unwrap().join(below)
    }

    fn copier(&self, tree: &str, most_bytes: u64) -> Copier {
        let open = |name| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            openat(rustix::fs::CWD, self.path(name), flags, Mode::empty()).unwrap()
        };
        let target = CopyTarget {
            store: open("store"),
            tree: open(tree),
        };
        Copier::new(target, Reader::Root, most_bytes)
    }

    /// Copies a root that shows these folders of the host at the same places.
    fn copy(&self, tree: &str, paths: &[&str], without: &[&str]) -> Result<Copied, Failure> {
        let root = HostRoot {
            paths: paths.iter().map(|path| HostPath::same(self.path(path))).collect(),
            without: without.iter().map(ToString::to_string).collect(),
            ..HostRoot::default()
        };
        self.copier(tree, 1 << 30).host(&root, None)
    }

    /// A place in a tree.
    fn shown(&self, tree: &str, path: &str) -> PathBuf {
        self.path(tree).join(self.path(path).strip_prefix("/").unwrap())
    }
}

#[test]
fn two_roots_share_one_copy_and_no_file_of_the_host() {
    let rootfs = CopyFixture::new();
    fs::create_dir(rootfs.path("host/sub")).unwrap();
    fs::write(rootfs.path("host/sub/a"), "text").unwrap();
    fs::set_permissions(rootfs.path("host/sub/a"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::hard_link(rootfs.path("host/sub/a"), rootfs.path("host/b")).unwrap();
    symlink("sub/a", rootfs.path("host/link")).unwrap();
    let copied = rootfs.copy("one", &["host"], &[]).unwrap();
    assert_eq!((copied.files, copied.bytes), (1, 4));
    rootfs.copy("other", &["host/link"], &[]).unwrap();
    let data = |path: PathBuf| fs::metadata(path).unwrap();
    let (original, copy) = (data(rootfs.path("host/b")), data(rootfs.shown("one", "host/b")));
    assert_ne!(original.ino(), copy.ino());
    assert_eq!(
        (original.mtime(), original.mtime_nsec()),
        (copy.mtime(), copy.mtime_nsec())
    );
    assert_eq!(copy.permissions().mode() & 0o7777, 0o555);
    for (tree, path) in [("one", "host/sub/a"), ("other", "host/sub/a")] {
        assert_eq!(data(rootfs.shown(tree, path)).ino(), copy.ino());
    }
    let link = fs::read_link(rootfs.shown("other", "host/link")).unwrap();
    assert_eq!(link, Path::new("sub/a"));
    assert!(!rootfs.shown("other", "host/b").exists());
}

#[test]
fn what_not_everybody_may_read_and_what_is_left_out_is_never_copied() {
    let rootfs = CopyFixture::new();
    for (name, mode) in [("secret", 0o600), ("doc", 0o644), ("kept", 0o644)] {
        fs::write(rootfs.path("host").join(name), name).unwrap();
        fs::set_permissions(rootfs.path("host").join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::create_dir(rootfs.path("host/closed")).unwrap();
    fs::write(rootfs.path("host/closed/file"), "").unwrap();
    fs::set_permissions(rootfs.path("host/closed"), fs::Permissions::from_mode(0o700)).unwrap();
    rootfs.copy("one", &["host"], &["*/doc"]).unwrap();
    let shown = fs::read_dir(rootfs.shown("one", "host")).unwrap();
    let shown: Vec<_> = shown.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(shown, ["kept"]);
    assert_eq!(fs::read_dir(rootfs.path("store")).unwrap().count(), 1);
}

#[test]
fn what_is_open_to_all_in_part_only_is_never_copied() {
    let rootfs = CopyFixture::new();
    let set = |path: &str, mode| {
        fs::set_permissions(rootfs.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    for (folder, mode) in [("unlisted", 0o711), ("unentered", 0o744), ("open", 0o755)] {
        fs::create_dir(rootfs.path("host").join(folder)).unwrap();
        fs::write(rootfs.path("host").join(folder).join("file"), "").unwrap();
        set(&format!("host/{folder}"), mode);
    }
    for (file, mode) in [
        ("host/open/executable-only", 0o711),
        ("host/open/readable", 0o644),
    ] {
        fs::write(rootfs.path(file), file).unwrap();
        set(file, mode);
    }
    rootfs.copy("one", &["host", "host/unlisted/file"], &[]).unwrap();
    let names = |path: &str| {
        let shown = fs::read_dir(rootfs.shown("one", path)).unwrap();
        let mut shown: Vec<_> = shown.map(|entry| entry.unwrap().file_name()).collect();
        shown.sort();
        shown
    };
    assert_eq!(names("host"), ["open", "unlisted"]);
    assert_eq!(names("host/open"), ["file", "readable"]);
    assert_eq!(
        names("host/unlisted"),
        ["file"],
        "listed, and everybody may read it"
    );

    let mut copier = rootfs.copier("other", 1 << 30);
    for (folder, is_shown) in [("unentered", false), ("unlisted", true)] {
        let file = rootfs.path("host").join(folder).join("file");
        copier.follow(&file, CopyReason::WithIt).unwrap();
        let shown = rootfs.shown("other", &format!("host/{folder}"));
        assert_eq!(shown.exists(), is_shown, "{folder}");
    }
}

#[test]
fn a_pattern_that_is_none_is_told() {
    let rootfs = CopyFixture::new();
    let failure = rootfs.copy("one", &["host"], &["*/a["]).unwrap_err().to_string();
    assert!(
        failure.contains("*/a[") && failure.contains("host.without"),
        "{failure}"
    );
}

#[test]
fn of_a_file_that_is_replaced_meanwhile_the_new_one_is_copied() {
    let rootfs = CopyFixture::new();
    let path = rootfs.path("host/file");
    fs::write(&path, "old").unwrap();
    let old = fs::symlink_metadata(&path).unwrap();
    fs::write(rootfs.path("host/new"), "newer").unwrap();
    fs::rename(rootfs.path("host/new"), &path).unwrap();
    let mut copier = rootfs.copier("one", 1 << 30);
    copier.entry(&path, &path, &old).unwrap();
    assert_eq!(
        fs::read_to_string(rootfs.shown("one", "host/file")).unwrap(),
        "newer"
    );
    assert_eq!((copier.copied.files, copier.copied.bytes), (1, 5));

    // It is gone since.
    let gone = rootfs.path("host/gone");
    copier.entry(&gone, &gone, &old).unwrap();
    assert!(!rootfs.shown("one", "host/gone").exists());
}

#[test]
fn a_root_that_is_too_large_is_refused_with_what_to_do() {
    let rootfs = CopyFixture::new();
    fs::write(rootfs.path("host/large"), vec![0; 3 << 20]).unwrap();
    let root = HostRoot {
        paths: vec![HostPath::same(rootfs.path("host"))],
        ..HostRoot::default()
    };
    let failure = rootfs
        .copier("one", 2 << 20)
        .host(&root, None)
        .unwrap_err()
        .to_string();
    assert!(
        failure.contains("2 MiB") && failure.contains("native.root_max_mb"),
        "{failure}"
    );
    assert!(rootfs.copier("other", 3 << 20).host(&root, None).is_ok());
}

#[test]
fn a_program_comes_with_what_it_is_linked_to_and_no_more() {
    let rootfs = CopyFixture::new();
    let root = HostRoot {
        paths: vec![HostPath::same("/bin/sh")],
        ..HostRoot::default()
    };
    let copied = rootfs.copier("one", 1 << 30).host(&root, None).unwrap();
    assert!(copied.files >= 1 && copied.files < 10, "{copied:?}");
    let shown = rootfs.path("one").join("bin/sh");
    assert!(
        fs::symlink_metadata(rootfs.path("one").join("bin")).is_ok(),
        "{shown:?}"
    );
    assert!(!rootfs.path("one").join("usr/share").exists());
}
