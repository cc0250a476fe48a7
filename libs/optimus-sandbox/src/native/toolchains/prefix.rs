//! What of a folder with programs in its `bin` belongs to them.

use std::path::{Path, PathBuf};

/// What an installation consists of, as patterns. Settings, sources and whatever else lies beside them may be anybody's; a
/// toolchain that needs more of its folder says that the folder is its own (`host.folder_command`), or its entry lists it
/// (`host.paths`).
const MEMBERS: [&str; 17] = [
    "bin", "sbin", "lib", "lib32", "lib64", "libexec", "share", "include",
    // Of Java, Erlang, Racket and Scala.
    "jre", "jmods", "erts-*", "releases", "collects", "maven2",
    // What toolchains call the file that holds their version.
    "release", "version", "VERSION",
];

/// What is there of an installation.
pub(super) fn members(folder: &Path) -> Vec<PathBuf> {
    let below = glob::Pattern::escape(&folder.to_string_lossy());
    let found = MEMBERS.iter().flat_map(|member| {
        // What is no pattern cannot be wrong, and what cannot be read is not shown.
        glob::glob(&format!("{below}/{member}"))
            .into_iter()
            .flatten()
            .flatten()
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_what_an_installation_consists_of_belongs_to_it() {
        let top = tempfile::tempdir().unwrap();
        for folder in ["bin", "lib", "erts-14.2", "solutions", "etc", ".git", "library"] {
            fs::create_dir(top.path().join(folder)).unwrap();
        }
        for file in ["release", "tests.json", ".env"] {
            fs::write(top.path().join(file), "").unwrap();
        }
        let names: Vec<_> = members(top.path())
            .iter()
            .map(|path| path.strip_prefix(top.path()).unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["bin", "lib", "erts-14.2", "release"]);
    }
}
