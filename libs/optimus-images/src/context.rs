//! What is sent to the engine for a build, and whether it would be another image than the one that is there.

use std::{
    env,
    fs::{self, DirEntry, File},
    io,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use optimus_common::language::{Build, Language};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// What every image gets a copy of: a script, and the agent that it calls.
const SCRIPT: &str = "runner.sh";
const AGENT: &str = "optimus-runner";

/// The agent elsewhere than in `dockerfiles/`. Workers in an image bring the one that they understand.
const AGENT_AT: &str = "OPTIMUS_AGENT";

/// The Dockerfile's path in the context: below `dockerfiles/`.
fn dockerfile_in_context(language: &Language) -> Result<String> {
    language
        .dockerfile_path
        .strip_prefix("dockerfiles")
        .ok()
        .filter(|path| path.components().count() > 1)
        .and_then(Path::to_str)
        .map(|path| path.replace('\\', "/"))
        .ok_or_else(|| Error::NotInContext {
            language: language.name.clone(),
            path: language.dockerfile_path.clone(),
        })
}

/// What is sent to the engine: the language's own folder, and what every image gets.
pub(crate) struct Context {
    pub(crate) archive: Bytes,
    /// The Dockerfile's path in it.
    pub(crate) dockerfile: String,
}

impl Context {
    pub(crate) fn of(dockerfiles: &Path, language: &Language) -> Result<Self> {
        let dockerfile = dockerfile_in_context(language)?;
        let archive = pack(dockerfiles, &dockerfile)?;
        Ok(Self { archive, dockerfile })
    }

    /// Differs where an image built from it would.
    pub(crate) fn fingerprint(&self, language: &Language) -> String {
        let Build {
            base_image,
            debian_packages,
            version_command,
        } = &language.build;
        let mut hash = Sha256::new();
        for part in [base_image, &debian_packages.join(" "), version_command] {
            hash.update(part);
            hash.update([0]);
        }
        hash.update(&self.archive);
        STANDARD.encode(hash.finalize())
    }
}

fn pack(dockerfiles: &Path, dockerfile: &str) -> Result<Bytes> {
    let agent = match env::var_os(AGENT_AT) {
        Some(agent) if !agent.is_empty() => PathBuf::from(agent),
        _ => dockerfiles.join(AGENT),
    };
    if !agent.is_file() {
        return Err(Error::NoAgent { path: agent });
    }
    let mut context = tar::Builder::new(Vec::new());
    append(&mut context, &dockerfiles.join(SCRIPT), SCRIPT, Mode::Executable)?;
    append(&mut context, &agent, AGENT, Mode::Executable)?;
    let folder = dockerfile.rsplit_once('/').map_or("", |(folder, _)| folder);
    let cannot_read = || Error::file(format!("read dockerfiles/{folder}"));
    let mut entries = fs::read_dir(dockerfiles.join(folder))
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(cannot_read())?;
    entries.sort_by_key(DirEntry::file_name);
    for entry in entries {
        if entry.file_type().map_err(cannot_read())?.is_file() {
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            let script = entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "sh");
            let mode = if script { Mode::Executable } else { Mode::Plain };
            append(&mut context, &entry.path(), &name, mode)?;
        }
    }
    let archive = context.into_inner().map_err(Error::file("pack the context"))?;
    Ok(archive.into())
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    Plain,
    Executable,
}

/// Nothing of this machine but the content: the same context on every machine finds the same cache.
fn append(context: &mut tar::Builder<Vec<u8>>, path: &Path, name: &str, mode: Mode) -> Result<()> {
    let cannot = |what: &str| Error::file(format!("{what} {}", path.display()));
    let file = File::open(path).map_err(cannot("open"))?;
    let mut header = tar::Header::new_gnu();
    header.set_size(file.metadata().map_err(cannot("read"))?.len());
    header.set_mode(match mode {
        Mode::Plain => 0o644,
        Mode::Executable => 0o755,
    });
    context
        .append_data(&mut header, name, file)
        .map_err(cannot("read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_without_the_agent_says_how_to_build_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = pack(folder.path(), "c/Dockerfile").unwrap_err().to_string();
        assert!(error.contains("build.sh"), "{error}");
    }
}
