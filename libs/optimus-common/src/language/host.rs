//! How a language's toolchain is found on a machine, for boxes that see that machine instead of an image.

use serde::{Deserialize, Serialize};

use crate::shape;

/// What a native box needs to know of a language beside its recipe. A language whose programs are in `PATH` needs
/// nothing of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, remote = "Self", expecting = "an object")]
pub struct HostToolchain {
    /// What must be there beside the programs that the recipe calls by name: names of programs, and absolute paths.
    /// The first program decides which of several toolchains it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// Folders to look for programs in after `PATH`; may begin with `~/` and contain `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// A shell command that prints the toolchain's own folder, the one with `bin/` in it. For programs in `PATH` that
    /// only stand in for one of several toolchains, and for toolchains outside of what every box sees.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub folder_command: String,
    /// The oldest version that can do what the recipe asks of it, such as `22.7`; any where it is empty. Compared with
    /// the first number that `build.version_command` prints.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub minimum_version: String,
    /// Files and folders that its boxes see beside what every box sees, its toolchain's own folder and what the package
    /// manager has installed for it; absolute, may contain `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Patterns of paths that its boxes do not need of these folders, where `*` stands for anything, `/` too. Whatever
    /// they see takes memory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
}

shape::objects!(HostToolchain);

impl HostToolchain {
    /// Whether what a toolchain tells of itself is a version that will do. One that tells none is not suspected.
    pub fn takes(&self, told: &str) -> bool {
        let told = numbers(told);
        told.is_empty() || told >= numbers(&self.minimum_version)
    }

    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What the types cannot say.
    pub(super) fn problem(&self) -> Option<String> {
        let bad_need = |need: &&String| need.is_empty() || (need.contains('/') && !need.starts_with('/'));
        if let Some(need) = self.needs.iter().find(bad_need) {
            return Some(format!(
                "host.needs: {need:?} is neither a program's name nor an absolute path"
            ));
        }
        let bad_folder = |folder: &&String| !folder.starts_with('/') && !folder.starts_with("~/");
        if let Some(folder) = self.search.iter().find(bad_folder) {
            return Some(format!("host.search: {folder:?} must begin with / or ~/"));
        }
        if !self.minimum_version.is_empty() && numbers(&self.minimum_version).is_empty() {
            return Some(format!(
                "host.minimum_version: {:?} is no version such as 22.7",
                self.minimum_version
            ));
        }
        if let Some(path) = self.paths.iter().find(|path| !path.starts_with('/')) {
            return Some(format!("host.paths: {path:?} must be absolute"));
        }
        let relative = |path: &&String| !path.starts_with('/') && !path.starts_with('*');
        if let Some(path) = self.without.iter().find(relative) {
            return Some(format!(
                "host.without: {path:?} must be absolute, or begin with *"
            ));
        }
        None
    }
}

/// The parts of the first version in a text, such as 22, 7, 0 in `v22.7.0`.
fn numbers(text: &str) -> Vec<u64> {
    let Some(start) = text.find(|letter: char| letter.is_ascii_digit()) else {
        return Vec::new();
    };
    text[start..]
        .split('.')
        .map_while(|part| {
            let end = part.find(|letter: char| !letter.is_ascii_digit());
            let digits = &part[..end.unwrap_or(part.len())];
            // What follows a part that ends otherwise is none of the version's.
            digits.parse().ok().map(|number: u64| (number, end.is_none()))
        })
        .scan(true, |goes_on, (number, whole)| {
            std::mem::replace(goes_on, whole && *goes_on).then_some(number)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let host = HostToolchain {
            minimum_version: "22.7".to_owned(),
            ..HostToolchain::default()
        };
        for enough in [
            "v22.7.0",
            "22.10",
            "v24.1.0-nightly",
            "node 23",
            "no number at all",
        ] {
            assert!(host.takes(enough), "{enough}");
        }
        for old in ["v22.6.9", "v20.20.2", "Node 9.99", "22", "v22-9.8"] {
            assert!(!host.takes(old), "{old}");
        }
        assert!(HostToolchain::default().takes("0.1"));
        assert!(host.problem().is_none());
        let nonsense = HostToolchain {
            minimum_version: "new".to_owned(),
            ..host
        };
        assert!(nonsense.problem().is_some());
    }
}
