//! What a language brings along for its boxes, prepared once for each toolchain.
//!
//! The outcome lies in `<data_dir>/toolchains/<language>-<fingerprint>`. It is made beside that and renamed, so that it
//! is whole wherever it is there; one process makes it at a time. Who uses it holds a shared lock on the folder, and
//! only what nobody uses is removed.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process,
    sync::Arc,
};

use optimus_common::{
    LanguageName, causes,
    language::{Language, LanguagesFile},
    language_assets,
};
use rustix::fs::syncfs;
use sha2::{Digest, Sha256};

use super::search::FoundToolchain;

/// Hexadecimal digits of a fingerprint in a folder's name.
const DIGITS: usize = 16;

/// As long as this is there, the folder is not removed.
#[derive(Debug, Clone)]
pub(super) struct UseLock(#[expect(dead_code, reason = "held for its lock")] Arc<File>);

/// How a language's folder comes to be.
#[derive(Debug, Clone)]
pub(super) struct Preparation {
    language: LanguageName,
    /// Where the outcome is.
    folder: PathBuf,
    files: Files,
}

impl Preparation {
    /// None for a language that brings nothing along.
    pub(super) fn of(
        language: &Language,
        found: &FoundToolchain,
        languages_file: &LanguagesFile,
        prepared: &Path,
    ) -> Result<Option<Self>, String> {
        let files = brought(language, languages_file)?;
        if files.is_empty() {
            return Ok(None);
        }
        let name = format!("{}-{}", language.name, fingerprint(found, &files));
        Ok(Some(Self {
            language: language.name.clone(),
            folder: prepared.join(name),
            files,
        }))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The outcome, where it is there.
    pub(super) fn existing(&self) -> Option<UseLock> {
        let folder = File::open(&self.folder).ok()?;
        folder.try_lock_shared().ok()?;
        // It may have been removed before it was locked.
        let held = folder.metadata().ok()?;
        let there = self.folder.metadata().ok()?;
        ((held.dev(), held.ino()) == (there.dev(), there.ino())).then(|| UseLock(Arc::new(folder)))
    }

    /// Makes the outcome, unless another process does so meanwhile. `run` gets the folder and what to run in a box
    /// that has it as the language's own.
    pub(super) async fn make<Running>(
        &self,
        run: impl FnOnce(PathBuf, Vec<String>) -> Running,
    ) -> Result<UseLock, String>
    where
        Running: Future<Output = Result<(), String>>,
    {
        let all = self.folder.parent().expect("it is in a folder").to_owned();
        let cannot = |error: io::Error| format!("cannot write to {}: {error}", all.display());
        let turn = self.clone();
        let _alone = tokio::task::spawn_blocking(move || turn.lock())
            .await
            .map_err(|error| causes(&error))?
            .map_err(cannot)?;
        if let Some(made) = self.existing() {
            return Ok(made);
        }
        self.remove_others(&all).map_err(cannot)?;
        let new = all.join(format!(".{}-{}", self.language, process::id()));
        self.lay_out(&new).map_err(cannot)?;
        let language = &self.language;
        let script = format!("cd /optimus/{language} && exec sh {}", language_assets::PREPARE);
        let ran = run(new.clone(), ["sh", "-c", &script].map(str::to_owned).into()).await;
        let finished = ran.and_then(|()| self.finish(&new).map_err(cannot));
        if finished.is_err() {
            // What cannot be removed now is tried again at the next preparation.
            let _ = fs::remove_dir_all(&new);
        }
        finished?;
        self.existing()
            .ok_or_else(|| format!("{} has vanished", self.folder.display()))
    }

    /// Waits until nobody else prepares this language. The lock file stays: removing it would let two hold "the" lock.
    fn lock(&self) -> io::Result<File> {
        let folder = self.folder.parent().expect("it is in a folder");
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let file = File::options()
            .create(true)
            .append(true)
            .open(folder.join(format!(".{}.lock", self.language)))?;
        file.lock()?;
        Ok(file)
    }

    fn lay_out(&self, new: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o755).create(new)?;
        for (name, content) in &self.files {
            let path = new.join(name);
            fs::write(&path, content)?;
            let mode = if content.starts_with(b"#!") { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    }

    /// Gives the outcome its name, once all of it is on the disk.
    fn finish(&self, new: &Path) -> io::Result<()> {
        syncfs(File::open(new)?)?;
        fs::rename(new, &self.folder)
    }

    /// Removes what was made for other toolchains and what was never finished. Called by the one who prepares.
    fn remove_others(&self, all: &Path) -> io::Result<()> {
        for entry in fs::read_dir(all)? {
            let entry = entry?;
            let name = entry.file_name();
            let unfinished = name.to_string_lossy().strip_prefix('.').is_some_and(|name| {
                name.rsplit_once('-')
                    .is_some_and(|(language, _)| language == self.language.as_str())
            });
            let outdated = name
                .to_string_lossy()
                .rsplit_once('-')
                .is_some_and(|(language, digits)| {
                    language == self.language.as_str() && digits.len() == DIGITS
                });
            // A leftover is no reason to do without the language.
            if (unfinished || outdated)
                && let Ok(folder) = File::open(entry.path())
                && folder.try_lock().is_ok()
            {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        Ok(())
    }
}

/// Names and contents.
pub(super) type Files = Vec<(String, Vec<u8>)>;

/// What a language brings along.
pub(super) fn brought(language: &Language, languages_file: &LanguagesFile) -> Result<Files, String> {
    match beside_dockerfile(language, languages_file) {
        Some(folder) => read(&folder)
            .map_err(|error| format!("the files in {} cannot be read: {error}", folder.display())),
        None => Ok(language_assets::files(&language.name)
            .map(|file| (file.name.to_owned(), file.content.into()))
            .collect()),
    }
}

/// The language's folder in the project, where its files can be changed and others added; none for a lone binary.
fn beside_dockerfile(language: &Language, languages_file: &LanguagesFile) -> Option<PathBuf> {
    let config = languages_file.path()?.parent()?;
    // Elsewhere, nothing tells whose folder it is.
    let project = config
        .file_name()
        .filter(|name| *name == "config")
        .and(config.parent())?;
    let folder = project.join(language.dockerfile_path.parent()?);
    folder.join(language_assets::PREPARE).is_file().then_some(folder)
}

fn read(folder: &Path) -> io::Result<Files> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() && name != "Dockerfile" {
            files.push((name, fs::read(entry.path())?));
        }
    }
    files.sort();
    Ok(files)
}

/// Differs where the outcome would.
fn fingerprint(found: &FoundToolchain, files: &[(String, Vec<u8>)]) -> String {
    let mut hash = Sha256::new();
    let mut take = |part: &[u8]| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    take(found.root.toolchain.as_bytes());
    take(found.root.path.as_bytes());
    take(found.program.as_os_str().as_encoded_bytes());
    // A rebuilt toolchain may call itself the same.
    if let Ok(program) = found.program.metadata() {
        take(&program.len().to_le_bytes());
        take(&program.mtime().to_le_bytes());
    }
    for (name, content) in files {
        take(name.as_bytes());
        take(content);
    }
    let digits = hash.finalize()[..DIGITS / 2]
        .iter()
        .fold(0, |digits: u64, byte| digits << 8 | u64::from(*byte));
    format!("{digits:0DIGITS$x}")
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        thread,
    };

    use tempfile::TempDir;

    use super::*;
    use crate::native::roots::HostRoot;

    /// A project with one language that brings along a file, and a data directory.
    struct Project {
        top: TempDir,
        language: Language,
    }

    impl Project {
        fn new() -> Self {
            let shipped = LanguagesFile::BuiltIn.load().unwrap();
            let top = tempfile::tempdir().unwrap();
            let folder = top.path().join("dockerfiles/c");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("Dockerfile"), "FROM x").unwrap();
            fs::write(folder.join("prepare.sh"), "#!/bin/sh\n").unwrap();
            Self {
                top,
                language: shipped.get(&"c".parse().unwrap()).unwrap().clone(),
            }
        }

        fn all(&self) -> PathBuf {
            self.top.path().join("data/toolchains")
        }

        fn preparation(&self, version: &str) -> Preparation {
            let found = FoundToolchain {
                root: HostRoot {
                    path: "/usr/bin".to_owned(),
                    toolchain: version.to_owned(),
                    ..HostRoot::default()
                },
                program: "/usr/bin/cc".into(),
            };
            let file = LanguagesFile::At(self.top.path().join("config/languages.json"));
            Preparation::of(&self.language, &found, &file, &self.all())
                .unwrap()
                .unwrap()
        }
    }

    async fn make(preparation: &Preparation) -> UseLock {
        preparation
            .make(async |folder, _| fs::write(folder.join("made"), "").map_err(|error| error.to_string()))
            .await
            .unwrap()
    }

    #[test]
    fn a_lone_binary_brings_its_own_files() {
        let shipped = LanguagesFile::BuiltIn;
        let bringing: Vec<_> = (shipped.load().unwrap().languages.iter())
            .filter(|language| {
                language_assets::files(&language.name).any(|file| file.name == language_assets::PREPARE)
            })
            .map(|language| language.name.to_string())
            .collect();
        assert_eq!(bringing, ["java", "go"]);
        assert_eq!(
            beside_dockerfile(&shipped.load().unwrap().languages[0], &shipped),
            None
        );
    }

    #[tokio::test]
    async fn what_was_made_is_found_again() {
        let project = Project::new();
        assert!(project.preparation("1").existing().is_none());
        make(&project.preparation("1")).await;
        let again = project.preparation("1");
        assert!(again.existing().is_some());
        assert!(again.folder().join("made").exists() && again.folder().join("prepare.sh").exists());
        assert!(!again.folder().join("Dockerfile").exists());
        assert!(project.preparation("2").existing().is_none());
        fs::write(
            project.top.path().join("dockerfiles/c/prepare.sh"),
            "#!/bin/sh\n# changed",
        )
        .unwrap();
        assert!(project.preparation("1").existing().is_none());
    }

    #[tokio::test]
    async fn of_two_at_once_one_prepares() {
        let project = Project::new();
        let times = AtomicU32::new(0);
        let count = async |_: PathBuf, _: Vec<String>| {
            times.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(())
        };
        let (one, other) = (project.preparation("1"), project.preparation("1"));
        let (one, other) = tokio::join!(one.make(count), other.make(count));
        assert!(one.is_ok() && other.is_ok());
        assert_eq!(times.into_inner(), 1);
    }

    #[tokio::test]
    async fn a_failure_leaves_nothing_but_its_reason() {
        let project = Project::new();
        let preparation = project.preparation("1");
        let failing = async |folder: PathBuf, _: Vec<String>| {
            fs::write(folder.join("half"), "").unwrap();
            Err("no javac".to_owned())
        };
        assert_eq!(preparation.make(failing).await.unwrap_err(), "no javac");
        let left: Vec<_> = fs::read_dir(project.all())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, [".c.lock"]);
        make(&preparation).await;
    }

    #[tokio::test]
    async fn what_nobody_uses_any_more_is_removed() {
        let project = Project::new();
        let [old, new, newer] = ["1", "2", "3"].map(|version| project.preparation(version));
        let used = make(&old).await;
        fs::create_dir(project.all().join(".c-1")).unwrap();
        fs::create_dir(project.all().join("c-x-0123456789abcdef")).unwrap();
        let _used_too = make(&new).await;
        assert!(old.folder().exists(), "it is in use");
        assert!(!project.all().join(".c-1").exists(), "it was never finished");
        drop(used);
        // A process that another test is just starting has it open for a moment, too.
        while File::open(old.folder()).unwrap().try_lock().is_err() {
            thread::yield_now();
        }
        make(&newer).await;
        assert!(!old.folder().exists());
        assert!(new.folder().exists());
        assert!(
            project.all().join("c-x-0123456789abcdef").exists(),
            "another language's"
        );
    }
}
