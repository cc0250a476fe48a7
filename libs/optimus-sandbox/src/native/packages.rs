//! What Debian's package manager says of files: which package one belongs to, what that needs, and which files it has.
//!
//! Its lists are read as they lie in `/var/lib/dpkg`. Elsewhere there is none, and a language's entry names what it needs.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

const LISTS: &str = "/var/lib/dpkg/info";
const STATUS: &str = "/var/lib/dpkg/status";

/// What no program needs of a package.
const FOR_PEOPLE: [&str; 17] = [
    "/usr/share/doc",
    "/usr/share/doc-base",
    "/usr/share/man",
    "/usr/share/info",
    "/usr/share/locale",
    "/usr/share/lintian",
    "/usr/share/bug",
    "/usr/share/icons",
    "/usr/share/pixmaps",
    "/usr/share/applications",
    "/usr/share/menu",
    "/usr/share/bash-completion",
    "/usr/share/zsh",
    "/usr/share/fish",
    "/usr/sbin",
    "/usr/lib/systemd",
    "/usr/lib/udev",
];
const FOR_PROGRAMS: [&str; 5] = ["/usr", "/bin", "/lib", "/lib64", "/opt"];

/// The packages that these files belong to, those of these names, and all that they depend on, by the names of their
/// lists. Empty where no file belongs to any.
pub(super) fn needed_by(files: &[PathBuf], named: &[String]) -> Vec<String> {
    let mut found = owners(files);
    if found.is_empty() {
        return found;
    }
    let Ok(status) = fs::read_to_string(STATUS) else {
        return Vec::new();
    };
    let installed = Installed::parse(&status);
    let lists = lists();
    for name in named {
        found.extend(lists.get(name.as_str()).into_iter().flatten().cloned());
    }
    let mut known: HashSet<String> = HashSet::new();
    let mut needed = Vec::new();
    while let Some(list) = found.pop() {
        if !known.insert(list.clone()) {
            continue;
        }
        for name in installed.dependencies(package(&list)) {
            found.extend(lists.get(name).into_iter().flatten().cloned());
        }
        needed.push(list);
    }
    needed.sort();
    needed
}

/// Where the files of a package are listed.
pub(super) fn list(name: &str) -> PathBuf {
    Path::new(LISTS).join(format!("{name}.list"))
}

/// The files of a package that programs may need. Folders are among them.
pub(super) fn files(name: &str) -> Vec<PathBuf> {
    let listed = fs::read_to_string(list(name)).unwrap_or_default();
    let wanted = |path: &&Path| {
        FOR_PROGRAMS.iter().any(|folder| path.starts_with(folder))
            && !FOR_PEOPLE.iter().any(|folder| path.starts_with(folder))
    };
    listed
        .lines()
        .map(Path::new)
        .filter(wanted)
        .map(Path::to_owned)
        .collect()
}

/// The name of a package without its architecture.
fn package(list: &str) -> &str {
    list.split_once(':').map_or(list, |(name, _)| name)
}

/// The lists there are of each package, one for each architecture.
fn lists() -> HashMap<String, Vec<String>> {
    let mut lists: HashMap<String, Vec<String>> = HashMap::new();
    for entry in fs::read_dir(LISTS).into_iter().flatten().flatten() {
        if let Some(list) = entry.file_name().to_string_lossy().strip_suffix(".list") {
            lists
                .entry(package(list).to_owned())
                .or_default()
                .push(list.to_owned());
        }
    }
    lists
}

fn owners(files: &[PathBuf]) -> Vec<String> {
    // Before /bin became a link to /usr/bin, packages put their files there, and their lists still say so.
    let names: HashSet<&str> = files
        .iter()
        .filter_map(|file| file.to_str())
        .flat_map(|file| [Some(file), file.strip_prefix("/usr")])
        .flatten()
        .collect();
    lists()
        .into_values()
        .flatten()
        .filter(|name| {
            let text = fs::read_to_string(list(name)).unwrap_or_default();
            text.lines().any(|line| names.contains(line))
        })
        .collect()
}

/// Packages by name, as the status file tells them.
#[derive(Debug, Default)]
struct Installed<'a> {
    needs: HashMap<&'a str, Vec<&'a str>>,
    /// Who else serves under a name.
    provided: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Installed<'a> {
    fn parse(status: &'a str) -> Self {
        let mut installed = Self::default();
        for paragraph in status.split("\n\n") {
            let field = |name: &str| {
                paragraph
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                    .map(str::trim)
            };
            let Some(name) = field("Package") else { continue };
            if !field("Status").is_some_and(|status| status.ends_with(" installed")) {
                continue;
            }
            for provided in field("Provides").into_iter().flat_map(names) {
                installed.provided.entry(provided).or_default().push(name);
            }
            let needs = ["Pre-Depends", "Depends"].into_iter().filter_map(field);
            installed
                .needs
                .entry(name)
                .or_default()
                .extend(needs.flat_map(names));
        }
        installed
    }

    /// Where a package needs one of several, all that are installed count.
    fn dependencies(&self, name: &str) -> Vec<&'a str> {
        let wanted = self.needs.get(name).into_iter().flatten();
        wanted
            .flat_map(|wanted| {
                if self.needs.contains_key(wanted) {
                    vec![*wanted]
                } else {
                    self.provided.get(wanted).cloned().unwrap_or_default()
                }
            })
            .collect()
    }
}

/// Names in `one (>= 1), two:any | three`.
fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', '|']).filter_map(|item| {
        let name = item.split_whitespace().next()?;
        Some(package(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_followed_through_alternatives_and_provided_names() {
        let status = "Package: cc\nStatus: install ok installed\nDepends: libc6-dev (>= 2.1), none | cpp:any, awk\n\n\
                      Package: cpp\nStatus: install ok installed\n\n\
                      Package: libc6-dev\nStatus: install ok installed\nPre-Depends: cpp\n\n\
                      Package: gawk\nStatus: install ok installed\nProvides: awk (= 1), other\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nProvides: awk\n";
        let installed = Installed::parse(status);
        assert_eq!(installed.dependencies("cc"), ["libc6-dev", "cpp", "gawk"]);
        assert_eq!(installed.dependencies("libc6-dev"), ["cpp"]);
        assert!(installed.dependencies("gone").is_empty());
    }

    #[test]
    fn a_file_of_nobodys_needs_no_package() {
        assert!(needed_by(&["/nowhere/at/all".into()], &["dpkg".to_owned()]).is_empty());
    }
}
