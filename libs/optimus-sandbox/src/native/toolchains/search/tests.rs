//! Toolchains in folders of tests.

use std::fs;

use optimus_common::language::{self, Languages, LanguagesFile};
use tempfile::TempDir;

use super::*;

/// Folders with programs in them, and nothing of this host but `/bin/sh` and what that needs.
struct Host {
    top: TempDir,
    language: Language,
}

impl Host {
    fn new() -> Self {
        let Languages { languages } = LanguagesFile::BuiltIn.load().unwrap();
        let mut language = languages
            .into_iter()
            .find(|language| language.name.as_str() == "c")
            .unwrap();
        language.execution.compile = vec!["optimus-cc".to_owned()];
        language.build.version_command = "optimus-cc --version".to_owned();
        language.build.debian_packages = vec!["optimus-cc-package".to_owned()];
        language.host = language::HostToolchain::default();
        Self {
            // Boxes would have a /tmp of their own.
            top: tempfile::tempdir_in("/var/tmp").unwrap(),
            language,
        }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.top.path().canonicalize().unwrap().join(below)
    }

    /// A script in a folder that is made for it.
    fn program(&self, path: &str, script: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        optimus_testkit::executable::write(&path, &format!("#!/bin/sh\n{script}\n"));
    }

    /// Looks with these folders in `PATH` and those seen.
    fn find(&self, path: &[&str], seen: &[&str]) -> Result<FoundToolchain, String> {
        let places = SearchPaths {
            seen: seen.iter().map(|folder| self.path(folder)).collect(),
            path: path.iter().map(|folder| self.path(folder)).collect(),
            home: Some(self.path("home")),
            private: vec![self.path("home"), self.path("data"), self.path("shared/x")],
        };
        find(&self.language, &places)
    }
}

#[test]
fn a_program_that_is_not_there_is_named_with_its_package() {
    let host = Host::new();
    let why = host.find(&["bin"], &["bin"]).unwrap_err();
    assert_eq!(why, "no optimus-cc in PATH: apt-get install optimus-cc-package");
}

#[test]
fn a_program_that_boxes_see_goes_before_one_they_do_not() {
    let host = Host::new();
    host.program("shims/optimus-cc", "echo shim");
    host.program("bin/optimus-cc", "echo real 1.0");
    let found = host.find(&["shims", "bin"], &["bin"]).unwrap();
    assert_eq!(found.root.toolchain, "real 1.0");
    assert!(
        found.root.path.starts_with(&*host.path("bin").to_string_lossy()),
        "{}",
        found.root.path
    );
    assert_eq!(found.program, host.path("bin/optimus-cc"));
}

#[test]
fn what_an_installation_consists_of_is_seen_with_a_program_unless_the_folder_holds_more() {
    let host = Host::new();
    for (program, seen) in [
        (
            "opt/chain/bin/optimus-cc",
            &["opt/chain/bin", "opt/chain/lib"][..],
        ),
        ("opt/flat/optimus-cc", &[]),
    ] {
        host.program(program, "echo 1");
        for beside in ["lib", "solutions"] {
            fs::create_dir_all(host.path("opt/chain").join(beside)).unwrap();
        }
        let folder = host.path(program).parent().unwrap().to_owned();
        let found = host.find(&[folder.to_str().unwrap()], &[]).unwrap();
        let expected: Vec<_> = [program]
            .iter()
            .chain(seen)
            .map(|path| HostPath::same(host.path(path)))
            .collect();
        assert_eq!(found.root.paths, expected);
    }
    host.program("shared/bin/optimus-cc", "echo 1");
    let why = host.find(&["shared/bin"], &[]).unwrap_err();
    assert!(
        why.contains("shared/bin/optimus-cc")
            && why.contains("more than boxes may see")
            && why.contains("native.paths"),
        "{why}"
    );
    let found = host.find(&["shared/bin"], &["shared/bin"]).unwrap();
    assert!(!found.root.paths.contains(&HostPath::same(host.path("shared"))));
}

#[test]
fn a_program_may_be_named_by_its_path() {
    let mut host = Host::new();
    host.program("opt/chain/bin/other-cc", "echo 1");
    let program = host.path("opt/chain/bin/other-cc").display().to_string();
    host.language.execution.compile = vec![program.clone()];
    host.language.build.version_command = format!("{program} --version");
    let found = host.find(&["none"], &[]).unwrap();
    assert!(
        found
            .root
            .paths
            .contains(&HostPath::same(host.path("opt/chain/bin")))
    );

    fs::remove_file(program).unwrap();
    let why = host.find(&["none"], &[]).unwrap_err();
    assert!(why.contains("other-cc on this host"), "{why}");
}

#[test]
fn what_a_box_would_cover_by_its_own_is_refused() {
    let mut host = Host::new();
    host.top = tempfile::tempdir_in("/tmp").unwrap();
    host.program("chain/bin/optimus-cc", "echo 1");
    let why = host.find(&["chain/bin"], &[]).unwrap_err();
    assert!(why.contains("/tmp of its own"), "{why}");
}

#[test]
fn what_the_package_manager_has_of_a_program_is_seen_and_no_more() {
    if !Path::new("/var/lib/dpkg/status").exists() {
        optimus_testkit::passed_over::because("this host's packages are not Debian's");
        return;
    }
    let mut host = Host::new();
    host.language.execution.compile = vec!["/usr/bin/env".to_owned()];
    host.language.build.version_command = "env --version".to_owned();
    let found = host.find(&["none"], &[]).unwrap();
    assert!(found.root.packages.contains(&"coreutils".to_owned()), "{found:?}");
    assert!(found.root.packages.iter().any(|name| name.starts_with("libc6")));
    assert!(!found.root.paths.contains(&HostPath::same("/usr")));
}

#[test]
fn a_toolchain_that_names_its_own_folder_is_seen_there() {
    let mut host = Host::new();
    host.program("home/shims/optimus-cc", "echo none of these");
    host.program("home/chains/2/bin/optimus-cc", "echo chosen 2.0");
    host.language.host.search = vec!["~/shims".to_owned()];
    host.language.host.folder_command = format!("echo {}", host.path("home/chains/2").display());
    let found = host.find(&["bin"], &["bin"]).unwrap();
    assert_eq!(found.root.toolchain, "chosen 2.0");
    assert!(
        found
            .root
            .paths
            .contains(&HostPath::same(host.path("home/chains/2")))
    );

    for private in ["home", "."] {
        host.program(&format!("{private}/bin/optimus-cc"), "echo 3");
        host.language.host.folder_command = format!("echo {}", host.path(private).display());
        let why = host.find(&["none"], &["none"]).unwrap_err();
        assert!(why.contains("more than boxes may see"), "{why}");
    }
}

#[test]
fn all_that_is_needed_must_be_there() {
    let mut host = Host::new();
    host.program("bin/optimus-cc", "echo 1");
    host.language.host.needs = vec!["optimus-ld".to_owned()];
    let why = host.find(&["bin"], &["bin"]).unwrap_err();
    assert!(why.starts_with("no optimus-ld in PATH"), "{why}");
    host.program("tools/optimus-ld", "echo 1");
    let found = host.find(&["bin", "tools"], &["bin", "tools"]).unwrap();
    let [bin, tools] = ["bin", "tools"].map(|folder| host.path(folder).display().to_string());
    assert!(
        found.root.path.starts_with(&format!("{tools}:{bin}:")),
        "{}",
        found.root.path
    );

    let header = host.path("include/stdio.h");
    host.language.host.needs = vec![header.display().to_string()];
    let why = host.find(&["bin"], &["bin"]).unwrap_err();
    assert!(why.contains("stdio.h on this host"), "{why}");
}

#[test]
fn an_old_toolchain_is_refused_with_the_version_that_is_needed() {
    let mut host = Host::new();
    host.language.host.minimum_version = "2.5".to_owned();
    host.program("old/optimus-cc", "echo v2.4.9");
    let why = host.find(&["old"], &["old"]).unwrap_err();
    assert!(
        why.starts_with("v2.4.9 is too old: c needs 2.5 or newer"),
        "{why}"
    );
    host.program("older/optimus-cc", "echo bad option; exit 9");
    let why = host.find(&["older"], &["older"]).unwrap_err();
    assert!(
        why.contains("bad option") && why.contains("c needs version 2.5 or newer of it"),
        "{why}"
    );
    host.program("new/optimus-cc", "echo v2.10.0");
    assert_eq!(
        host.find(&["old", "new"], &["old", "new"])
            .unwrap()
            .root
            .toolchain,
        "v2.10.0"
    );
}

#[test]
fn the_first_toolchain_that_works_is_taken() {
    let host = Host::new();
    host.program("old/optimus-cc", "echo unknown option; exit 2");
    let why = host.find(&["old"], &["old"]).unwrap_err();
    assert!(why.contains("unknown option"), "{why}");
    host.program("new/optimus-cc", "echo 2");
    assert_eq!(
        host.find(&["old", "new"], &["old", "new"])
            .unwrap()
            .root
            .toolchain,
        "2"
    );
}
