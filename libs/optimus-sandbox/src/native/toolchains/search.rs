//! Looking for a language's programs on this host.

use std::{
    env,
    ffi::OsStr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use optimus_common::language::Language;

use super::{command, sight::Sight};
use crate::native::roots::HostPath;

/// At the end of every `PATH` in a box, and looked into also where this process' own has less.
const USUAL: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// What of this host languages are looked for in.
#[derive(Debug)]
pub(super) struct Places {
    /// What every box sees.
    sight: Sight,
    /// This process' `PATH`, and the usual folders.
    path: Vec<PathBuf>,
    home: Option<PathBuf>,
    /// Whatever lies above one of these is no folder of a toolchain's own.
    private: Vec<PathBuf>,
}

impl Places {
    pub(super) fn new(seen: &[PathBuf], data_dir: &Path) -> Self {
        let own = env::var_os("PATH").unwrap_or_default();
        let mut path: Vec<_> = env::split_paths(&own)
            .filter(|folder| folder.is_absolute())
            .collect();
        path.extend(USUAL.map(PathBuf::from));
        let home = env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|home| home.is_absolute());
        let mut private: Vec<_> = [
            "/etc", "/home", "/proc", "/root", "/run", "/tmp", "/usr", "/var/lib",
        ]
        .map(PathBuf::from)
        .into();
        private.push(data_dir.to_owned());
        if let Some(home) = &home {
            private.extend([home.clone(), home.join(".local/share"), home.join(".config")]);
        }
        Self {
            sight: Sight::new(seen.to_vec()),
            path: without_repeats(path),
            home,
            private,
        }
    }
}

/// A toolchain, and what a box must see of the host to run it.
#[derive(Debug)]
pub(super) struct Sighting {
    pub(super) version: String,
    pub(super) paths: Vec<HostPath>,
    /// `PATH` in the box.
    pub(super) path: String,
    /// The program that tells it from others, with all links followed.
    pub(super) program: PathBuf,
}

/// Finds the language's toolchain, or says what is missing.
pub(super) fn find(language: &Language, places: &Places) -> Result<Sighting, String> {
    let wanted = Wanted::by(language);
    let extra = language.host.paths.iter().flat_map(|pattern| matches(pattern));
    let sight = places.sight.with(extra);
    for file in &wanted.files {
        if !sight.shows(file) {
            return Err(wanted.missing(&file.display().to_string()));
        }
    }
    let Some(main) = wanted.programs.first() else {
        return Err("its recipe calls no program that could be looked for".to_owned());
    };
    let search = Search {
        language,
        folders: folders(language, places),
        places,
        sight,
        wanted: &wanted,
    };
    // What every box sees is the host's own; what it does not may only stand in for something else.
    let (seen, unseen): (Vec<_>, Vec<_>) = search
        .folders
        .iter()
        .map(|folder| folder.join(main))
        .filter(|program| is_program(program))
        .partition(|program| search.sight.shows(program));
    let mut first_trouble = None;
    for program in seen.iter().chain(&unseen) {
        match search.try_with(program) {
            Ok(sighting) => return Ok(sighting),
            Err(trouble) => first_trouble = first_trouble.or(Some(trouble)),
        }
    }
    Err(first_trouble.unwrap_or_else(|| wanted.missing(main)))
}

/// What a recipe cannot do without.
#[derive(Debug)]
struct Wanted<'a> {
    language: &'a Language,
    /// By name; the first tells one toolchain from another.
    programs: Vec<&'a str>,
    files: Vec<&'a Path>,
}

impl<'a> Wanted<'a> {
    fn by(language: &'a Language) -> Self {
        let recipe = &language.execution;
        let called = recipe.compile.first().into_iter().chain([&recipe.command]);
        // Neither what a box makes itself nor what is prepared for it is on the host.
        let called = called.filter(|program| !program.starts_with("./") && !program.starts_with("/optimus/"));
        let (files, programs): (Vec<_>, Vec<_>) = language
            .host
            .needs
            .iter()
            .chain(called)
            .map(String::as_str)
            .partition(|need| need.contains('/'));
        Self {
            language,
            programs: without_repeats(programs),
            files: files.into_iter().map(Path::new).collect(),
        }
    }

    fn missing(&self, what: &str) -> String {
        let place = if what.starts_with('/') {
            "on this host"
        } else {
            "in PATH"
        };
        self.with_remedy(format!("no {what} {place}"))
    }

    fn with_remedy(&self, trouble: String) -> String {
        let packages = &self.language.build.debian_packages;
        if packages.is_empty() {
            return trouble;
        }
        format!("{trouble}: apt-get install {}", packages.join(" "))
    }
}

/// Where the language's programs may be: absolute, in the order of preference.
fn folders(language: &Language, places: &Places) -> Vec<PathBuf> {
    let mut folders = places.path.clone();
    for pattern in &language.host.search {
        match (pattern.strip_prefix("~/"), &places.home) {
            (None, _) => folders.extend(matches(pattern)),
            (Some(below), Some(home)) => {
                let home = glob::Pattern::escape(&home.to_string_lossy());
                folders.extend(matches(&format!("{home}/{below}")));
            }
            (Some(_), None) => {}
        }
    }
    without_repeats(folders)
}

/// A language being looked for.
struct Search<'a> {
    language: &'a Language,
    places: &'a Places,
    folders: Vec<PathBuf>,
    sight: Sight,
    wanted: &'a Wanted<'a>,
}

impl Search<'_> {
    /// The toolchain that this program belongs to.
    fn try_with(&self, program: &Path) -> Result<Sighting, String> {
        let main = program.file_name().expect("it has a name");
        let own = self
            .own_folder(program)?
            .filter(|own| is_program(&own.join("bin").join(main)));
        let (program, sight) = match own {
            None if self.sight.shows(program) => (program.to_owned(), self.sight.clone()),
            None => return Err(unseen(program)),
            Some(own) => {
                let program = own.join("bin").join(main);
                if self.sight.shows(&program) {
                    (program, self.sight.clone())
                } else {
                    self.check_own(&own, main)?;
                    let sight = self.sight.with([own]);
                    if !sight.shows(&program) {
                        return Err(unseen(&program));
                    }
                    (program, sight)
                }
            }
        };

        let mut path: Vec<_> = program.parent().map(Path::to_owned).into_iter().collect();
        for other in &self.wanted.programs[1..] {
            let mut places = path.iter().chain(&self.folders);
            let there = |folder: &&PathBuf| {
                let program = folder.join(other);
                is_program(&program) && sight.shows(&program)
            };
            let folder = places.find(there).ok_or_else(|| self.wanted.missing(other))?;
            path.push(folder.clone());
        }
        path.extend(USUAL.map(PathBuf::from));
        let path = joined(&without_repeats(path));
        Ok(Sighting {
            version: self.version(&path)?,
            paths: sight.paths().map(HostPath::same).collect(),
            path,
            program: program.canonicalize().unwrap_or(program),
        })
    }

    /// What the toolchain says of its version, where that is new enough.
    fn version(&self, path: &str) -> Result<String, String> {
        let minimum = &self.language.host.minimum_version;
        let name = &self.language.name;
        let told = command::version(&self.language.build.version_command, path);
        match told {
            Ok(version) if self.language.host.takes(&version) => return Ok(version),
            Ok(version) => Err(format!("{version} is too old: {name} needs {minimum} or newer")),
            Err(trouble) if minimum.is_empty() => Err(trouble),
            Err(trouble) => Err(format!(
                "{trouble}; {name} needs version {minimum} or newer of it"
            )),
        }
        .map_err(|trouble| self.wanted.with_remedy(trouble))
    }

    /// The folder the toolchain names as its own; none where nothing can be asked.
    fn own_folder(&self, program: &Path) -> Result<Option<PathBuf>, String> {
        let ask = &self.language.host.folder_command;
        if ask.is_empty() {
            return Ok(None);
        }
        let beside = program.parent().map(Path::to_owned);
        let path: Vec<_> = beside
            .into_iter()
            .chain(self.places.path.iter().cloned())
            .collect();
        let told = command::folder(ask, &joined(&path))?;
        Ok(Path::new(&told)
            .canonicalize()
            .ok()
            .filter(|folder| folder.is_absolute()))
    }

    /// Boxes are to see a toolchain and nothing else.
    fn check_own(&self, own: &Path, main: &OsStr) -> Result<(), String> {
        let places = &self.places.private;
        if places.iter().any(|private| private.starts_with(own)) {
            return Err(format!(
                "{} is installed in {}, which holds more than boxes may see",
                main.display(),
                own.display()
            ));
        }
        Ok(())
    }
}

fn unseen(program: &Path) -> String {
    format!(
        "{} is outside of what boxes see: add the folder of its toolchain to native.paths",
        program.display()
    )
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// What is there of a pattern, the last by name first: that is mostly the newest.
fn matches(pattern: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = glob::glob(pattern).into_iter().flatten().flatten().collect();
    found.reverse();
    found
}

fn joined(folders: &[PathBuf]) -> String {
    let folders: Vec<_> = folders.iter().map(|folder| folder.to_string_lossy()).collect();
    folders.join(":")
}

fn without_repeats<T: PartialEq>(items: Vec<T>) -> Vec<T> {
    let mut kept = Vec::with_capacity(items.len());
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

#[cfg(test)]
#[path = "../../../tests/support/executable.rs"]
mod executable;

#[cfg(test)]
mod tests {
    use std::fs;

    use optimus_common::{
        language::{self, Languages},
        settings::LanguagesFile,
    };
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
            language.host = language::Host::default();
            Self {
                top: tempfile::tempdir().unwrap(),
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
            executable::write(&path, &format!("#!/bin/sh\n{script}\n"));
        }

        /// Looks with these folders in `PATH` and those seen.
        fn find(&self, path: &[&str], seen: &[&str]) -> Result<Sighting, String> {
            let places = Places {
                sight: Sight::new(seen.iter().map(|folder| self.path(folder)).collect()),
                path: path.iter().map(|folder| self.path(folder)).collect(),
                home: Some(self.path("home")),
                private: vec![self.path("home"), self.path("data")],
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
        assert_eq!(found.version, "real 1.0");
        assert!(
            found.path.starts_with(&*host.path("bin").to_string_lossy()),
            "{}",
            found.path
        );
        assert_eq!(found.program, host.path("bin/optimus-cc"));
    }

    #[test]
    fn a_program_out_of_sight_is_refused_with_its_path() {
        let host = Host::new();
        host.program("opt/bin/optimus-cc", "echo 1");
        let why = host.find(&["opt/bin"], &["bin"]).unwrap_err();
        assert!(
            why.contains("opt/bin/optimus-cc") && why.contains("native.paths"),
            "{why}"
        );
        assert!(host.find(&["opt/bin"], &["opt"]).is_ok());
    }

    #[test]
    fn a_toolchain_that_names_its_own_folder_is_seen_there() {
        let mut host = Host::new();
        host.program("home/shims/optimus-cc", "echo none of these");
        host.program("home/chains/2/bin/optimus-cc", "echo chosen 2.0");
        host.language.host.search = vec!["~/shims".to_owned()];
        host.language.host.folder_command = format!("echo {}", host.path("home/chains/2").display());
        let found = host.find(&["bin"], &["bin"]).unwrap();
        assert_eq!(found.version, "chosen 2.0");
        assert!(found.paths.contains(&HostPath::same(host.path("home/chains/2"))));

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
            found.path.starts_with(&format!("{tools}:{bin}:")),
            "{}",
            found.path
        );

        let header = host.path("include/stdio.h");
        host.language.host.needs = vec![header.display().to_string()];
        let why = host.find(&["bin"], &["bin", "include"]).unwrap_err();
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
            host.find(&["old", "new"], &["old", "new"]).unwrap().version,
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
        assert_eq!(host.find(&["old", "new"], &["old", "new"]).unwrap().version, "2");
    }
}
