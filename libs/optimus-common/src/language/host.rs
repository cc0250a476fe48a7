//! How a language's toolchain is found on a machine, for boxes that see that machine instead of an image.

use serde::{Deserialize, Serialize};

/// What a native box needs to know of a language beside its recipe. A language whose programs are in `PATH` needs
/// nothing of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Host {
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
    /// Files and folders that its boxes see beside what every box sees, its toolchain's own folder and what the package
    /// manager has installed for it; absolute, may contain `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Patterns of paths that its boxes do not need of these folders, where `*` stands for anything, `/` too. Whatever
    /// they see takes memory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
}

impl Host {
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
