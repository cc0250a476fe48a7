//! Looking for a language's programs on this host.

use std::{
    env,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use optimus_common::language::Language;

use super::{command, prefix};
use crate::native::{
    packages,
    roots::{HostPath, HostRoot, covered_by},
};

/// At the end of every `PATH` in a box, and looked into also where this process' own has less.
const USUAL: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// Where the package manager puts programs: more than a language needs, so that it is asked what belongs to them.
const SYSTEM: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
/// No toolchain's own folder, whatever it says of itself.
const SHARED: [&str; 2] = ["/", "/usr"];
/// What is installed there is nobody's but its own.
const LOCAL: &str = "/usr/local";

/// What of this host languages are looked for in.
#[derive(Debug)]
pub(super) struct SearchPaths {
    /// What every box sees, as patterns.
    seen: Vec<PathBuf>,
    /// This process' `PATH`, and the usual folders.
    path: Vec<PathBuf>,
    home: Option<PathBuf>,
    /// Whatever lies above one of these is no folder of a toolchain's own.
    private: Vec<PathBuf>,
}

impl SearchPaths {
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
            "/etc", "/home", "/opt", "/proc", "/root", "/run", "/srv", "/tmp", "/usr", "/var/lib",
        ]
        .map(PathBuf::from)
        .into();
        private.push(data_dir.to_owned());
        if let Some(home) = &home {
            private.extend([
                home.clone(),
                home.join(".local"),
                home.join(".local/share"),
                home.join(".config"),
            ]);
        }
        Self {
            seen: seen.to_vec(),
            path: without_repeats(path),
            home,
            private,
        }
    }
}

/// A toolchain, and what a box must see of the host to run it.
#[derive(Debug)]
pub(super) struct FoundToolchain {
    pub(super) root: HostRoot,
    /// The program that tells it from others, with all links followed.
    pub(super) program: PathBuf,
}

/// Finds the language's toolchain, or says what is missing.
pub(super) fn find(language: &Language, places: &SearchPaths) -> Result<FoundToolchain, String> {
    let wanted = Requirements::by(language);
    if let Some(file) = wanted.files.iter().find(|file| !file.exists()) {
        return Err(wanted.missing(&file.display().to_string()));
    }
    let Some(main) = wanted.programs.first() else {
        return Err("its recipe calls no program that could be looked for".to_owned());
    };
    let search = Search {
        language,
        folders: folders(language, places),
        listed: { places.seen.iter() }
            .flat_map(|pattern| matches(&pattern.to_string_lossy()))
            .chain(language.host.paths.iter().flat_map(|pattern| matches(pattern)))
            .collect(),
        places,
        wanted: &wanted,
    };
    // What the package manager has installed goes first: what it has not may only stand in for something else.
    let (known, others): (Vec<_>, Vec<_>) = search.candidates(main).into_iter().partition(|program| {
        matches!(
            search.origin_of(program),
            Ok(ProgramOrigin::Listed | ProgramOrigin::System)
        )
    });
    let mut first_error = None;
    for program in known.iter().chain(&others) {
        match search.try_with(program) {
            Ok(found) => return Ok(found),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| wanted.missing(main)))
}

/// What a recipe cannot do without.
#[derive(Debug)]
struct Requirements<'a> {
    language: &'a Language,
    /// By name or by absolute path; the first tells one toolchain from another.
    programs: Vec<&'a str>,
    files: Vec<&'a Path>,
}

impl<'a> Requirements<'a> {
    fn by(language: &'a Language) -> Self {
        let recipe = &language.execution;
        let called = recipe.compile.first().into_iter().chain([&recipe.command]);
        // Neither what a box makes itself nor what is prepared for it is on the host.
        let called = called.filter(|program| !program.starts_with("./") && !program.starts_with("/optimus/"));
        let (files, named): (Vec<_>, Vec<_>) = { language.host.needs.iter() }
            .map(String::as_str)
            .partition(|need| need.contains('/'));
        let programs = named.into_iter().chain(called.map(String::as_str)).collect();
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

    fn with_remedy(&self, error: String) -> String {
        let packages = &self.language.build.debian_packages;
        if packages.is_empty() {
            return error;
        }
        format!("{error}: apt-get install {}", packages.join(" "))
    }
}

/// Where the language's programs may be: absolute, in the order of preference.
fn folders(language: &Language, places: &SearchPaths) -> Vec<PathBuf> {
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

/// What boxes have to see of a program's surroundings.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ProgramOrigin {
    /// Listed in the settings or the language's entry.
    Listed,
    /// The package manager's.
    System,
    /// The folder that a toolchain calls its own.
    Folder(PathBuf),
    /// A folder with programs in its `bin`, of which what an installation consists of is seen.
    Prefix(PathBuf),
    /// Nothing but the program itself, and what it is linked to: whose the folder around it is, nobody says.
    Alone,
}

/// A language being looked for.
struct Search<'a> {
    language: &'a Language,
    places: &'a SearchPaths,
    folders: Vec<PathBuf>,
    /// What its boxes see in any case.
    listed: Vec<PathBuf>,
    wanted: &'a Requirements<'a>,
}

impl Search<'_> {
    /// Where the program of this name, or path, may be.
    fn candidates(&self, name: &str) -> Vec<PathBuf> {
        // Joined to a folder, an absolute path is itself.
        let places = self.folders.iter().map(|folder| folder.join(name));
        without_repeats(places.filter(|program| is_program(program)).collect())
    }

    /// The toolchain that this program belongs to.
    fn try_with(&self, program: &Path) -> Result<FoundToolchain, String> {
        let main = program.file_name().expect("it has a name");
        let own = self.own_folder(program)?.filter(|own| {
            !SHARED.iter().any(|shared| own == Path::new(shared)) && is_program(&own.join("bin").join(main))
        });
        let (program, place) = match own {
            None => (program.to_owned(), self.origin_of(program)?),
            Some(own) => (
                own.join("bin").join(main),
                ProgramOrigin::Folder(self.checked(own, program)?),
            ),
        };

        let mut path: Vec<_> = program.parent().map(Path::to_owned).into_iter().collect();
        let mut programs = vec![program.clone()];
        let mut places = vec![place];
        for other in &self.wanted.programs[1..] {
            let mut found = { path.iter().chain(&self.folders) }.map(|folder| folder.join(other));
            let found = found.find(|program| is_program(program));
            let found = found.ok_or_else(|| self.wanted.missing(other))?;
            let inside = |place: &ProgramOrigin| match place {
                ProgramOrigin::Folder(own) => found.starts_with(own),
                ProgramOrigin::Prefix(own) => found.starts_with(own.join("bin")),
                ProgramOrigin::Listed | ProgramOrigin::System | ProgramOrigin::Alone => false,
            };
            if !places.iter().any(inside) {
                places.push(self.origin_of(&found)?);
            }
            path.extend(found.parent().map(Path::to_owned));
            programs.push(found);
        }
        path.extend(USUAL.map(PathBuf::from));
        let path = joined(&without_repeats(path));
        let version = self.version(&path)?;
        let (paths, packages) = self.seen(&programs, &places)?;
        Ok(FoundToolchain {
            root: HostRoot {
                paths: paths.into_iter().map(HostPath::same).collect(),
                packages,
                without: self.language.host.without.clone(),
                path,
                toolchain: version,
                ..HostRoot::default()
            },
            program: program.canonicalize().unwrap_or(program),
        })
    }

    /// What boxes see of the host for these programs, and which packages of it.
    fn seen(
        &self,
        programs: &[PathBuf],
        places: &[ProgramOrigin],
    ) -> Result<(Vec<PathBuf>, Vec<String>), String> {
        let mut paths = self.listed.clone();
        paths.extend(programs.iter().cloned());
        paths.extend(self.wanted.files.iter().map(|file| file.to_path_buf()));
        let of_system = places.contains(&ProgramOrigin::System);
        paths.extend(places.iter().flat_map(|place| match place {
            ProgramOrigin::Folder(own) => vec![own.clone()],
            ProgramOrigin::Prefix(own) => prefix::members(own),
            ProgramOrigin::Listed | ProgramOrigin::System | ProgramOrigin::Alone => Vec::new(),
        }));
        let mut packages = Vec::new();
        if of_system {
            // Packages are named for the toolchain that comes of them.
            let named: &[String] = match places.first() {
                Some(ProgramOrigin::System) => &self.language.build.debian_packages,
                _ => &[],
            };
            let files = programs
                .iter()
                .map(PathBuf::as_path)
                .chain(self.wanted.files.iter().copied());
            let files: Vec<_> = files
                .flat_map(|file| [Some(file.to_owned()), file.canonicalize().ok()])
                .flatten()
                .collect();
            packages = packages::needed_by(&files, named);
            let told = self
                .language
                .host
                .paths
                .iter()
                .any(|path| is_system(Path::new(path)));
            if packages.is_empty() && !told {
                // Nobody says what belongs to it.
                paths.extend(SYSTEM.map(PathBuf::from));
            }
        }
        let paths = without_repeats(paths);
        let covered = |path: &PathBuf| Some((path.clone(), covered_by(path)?));
        match paths.iter().find_map(covered) {
            None => Ok((paths, packages)),
            Some((path, folder)) => Err(format!(
                "boxes cannot see {}, since each has a {folder} of its own: move it elsewhere",
                path.display()
            )),
        }
    }

    /// What boxes have to see around this program.
    fn origin_of(&self, program: &Path) -> Result<ProgramOrigin, String> {
        let real = program
            .canonicalize()
            .map_err(|error| format!("{} cannot be followed: {error}", program.display()))?;
        if { self.listed.iter() }.any(|listed| real.starts_with(listed) && listed.is_dir()) {
            return Ok(ProgramOrigin::Listed);
        }
        if is_system(&real) {
            return Ok(ProgramOrigin::System);
        }
        let own = real
            .parent()
            .filter(|folder| folder.ends_with("bin"))
            .and_then(Path::parent);
        match own {
            Some(own) => self.checked(own.to_owned(), program).map(ProgramOrigin::Prefix),
            None => Ok(ProgramOrigin::Alone),
        }
    }

    /// What the toolchain says of its version, where that is new enough.
    fn version(&self, path: &str) -> Result<String, String> {
        let minimum = &self.language.host.minimum_version;
        let name = &self.language.name;
        let told = command::version(&self.language.build.version_command, path);
        match told {
            Ok(version) if self.language.host.takes(&version) => return Ok(version),
            Ok(version) => Err(format!("{version} is too old: {name} needs {minimum} or newer")),
            Err(error) if minimum.is_empty() => Err(error),
            Err(error) => Err(format!("{error}; {name} needs version {minimum} or newer of it")),
        }
        .map_err(|error| self.wanted.with_remedy(error))
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
    fn checked(&self, own: PathBuf, program: &Path) -> Result<PathBuf, String> {
        let places = &self.places.private;
        if places.iter().any(|private| private.starts_with(&own)) {
            return Err(format!(
                "{} is installed in {}, which holds more than boxes may see: name the folders it needs in host.paths of \
                 the language's entry, or in native.paths",
                program.display(),
                own.display()
            ));
        }
        Ok(own)
    }
}

fn is_system(path: &Path) -> bool {
    SYSTEM.iter().any(|folder| path.starts_with(folder)) && !path.starts_with(LOCAL)
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// What is there of a pattern, the last by name first: that is mostly the newest. What is no pattern is itself.
fn matches(pattern: &str) -> Vec<PathBuf> {
    if !pattern.contains(['*', '?']) {
        return vec![PathBuf::from(pattern)];
    }
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
mod tests;
