//! Which languages the toolchains of this host serve.
//!
//! A language is found by the programs its recipe calls (`search`); what it brings along for its boxes is prepared
//! once per toolchain, in a folder that later processes find again (`support`). An unpacked image of the language,
//! where the settings name a folder of such, goes before the host. What has changed since, of the host or of a language's
//! entry, is noticed (`stamp`) and looked for anew.

mod command;
mod prefix;
mod search;
mod stamp;
mod support;

use std::{
    fmt, fs,
    path::{self, Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use optimus_common::{
    LanguageName, causes,
    language::{Language, LanguagesFile},
};
use tokio::sync::Notify;

use self::{
    search::SearchPaths,
    support::{Preparation, UseLock},
};
use super::{
    lookup::Roots,
    roots::{HostRoot, Root},
};
use crate::settings::Settings;

/// How long what was found is taken for what is there.
const TRUSTED: Duration = Duration::from_secs(2);

/// How long after a failed preparation it is tried again, doubled with each further failure. A busy machine may have been the
/// reason, a full disk, or memory that others had; a script that never works costs little at such a distance.
const FIRST_PAUSE: Duration = Duration::from_mins(1);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// What serves a language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// What it says of its version, in one line.
    pub version: String,
    pub root: Root,
}

/// What was found for one language.
#[derive(Debug, Clone)]
pub struct Found {
    pub language: LanguageName,
    /// The error says what is missing, and how to come by it.
    pub outcome: Result<Toolchain, String>,
}

/// The toolchains of this host. Clones share what they know.
#[derive(Clone)]
pub struct Toolchains(Arc<ToolchainsInner>);

struct ToolchainsInner {
    places: SearchPaths,
    /// Unpacked images; none where it is empty.
    images: PathBuf,
    /// Where support files are prepared.
    prepared: PathBuf,
    languages_file: LanguagesFile,
    /// In the order they were asked for. An entry is never changed, but another one takes its place.
    known: Mutex<Vec<Arc<KnownLanguage>>>,
    /// Told when a language is found whose support files are to be made first.
    unprepared: Notify,
}

/// What is known of one language.
#[derive(Debug, Clone)]
struct KnownLanguage {
    /// Its entry, as it was when its toolchain was looked for.
    language: Language,
    /// What it brought along then.
    brought: support::Files,
    state: ToolchainState,
    looked: Instant,
}

#[derive(Debug, Clone)]
enum ToolchainState {
    Ready {
        toolchain: Toolchain,
        _use_lock: Option<UseLock>,
    },
    /// Its support files are to be made first; the time is when that was begun.
    Unprepared(Toolchain, Preparation, Option<Timestamp>),
    /// Preparing it failed.
    Broken(Toolchain, Preparation, PreparationFailure),
    /// Somebody may install it.
    Missing(String),
}

/// What came of preparing a language, the last time.
#[derive(Debug, Clone)]
struct PreparationFailure {
    why: String,
    /// How often in a row, this one included.
    count: u32,
    at: Instant,
}

impl PreparationFailure {
    fn is_due_again(&self) -> bool {
        let doubled = 2_u32.saturating_pow(self.count.saturating_sub(1));
        self.at.elapsed() >= FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
    }
}

impl Toolchains {
    /// Looks for the toolchains of these languages. Asks each one for its version, which takes a while.
    pub fn find(languages: &[Language], settings: &Settings) -> Self {
        let data_dir = absolute(settings.data_dir.path());
        let inner = ToolchainsInner {
            places: SearchPaths::new(&settings.native.paths, &data_dir),
            images: settings.native.roots.clone(),
            prepared: data_dir.join("toolchains"),
            languages_file: settings.languages_file.clone(),
            known: Mutex::default(),
            unprepared: Notify::new(),
        };
        let known = thread::scope(|scope| {
            let looking: Vec<_> = languages
                .iter()
                .map(|language| (language, scope.spawn(|| inner.look(language))))
                .collect();
            looking
                .into_iter()
                .map(|(language, looked)| {
                    let state = looked.join().expect("looking for a toolchain does not panic");
                    Arc::new(KnownLanguage::now(language, &settings.languages_file, state))
                })
                .collect()
        });
        Self(Arc::new(ToolchainsInner {
            known: Mutex::new(known),
            ..inner
        }))
    }

    /// What is known now, in the order the languages were asked for.
    pub fn list(&self) -> Vec<Found> {
        let known = self.0.known();
        known
            .iter()
            .map(|known| Found {
                language: known.language.name.clone(),
                outcome: known.state.toolchain(),
            })
            .collect()
    }

    /// Roots for a backend. A language that is missing, or was added to the languages' file since, is looked for
    /// again whenever a box of it is wanted; one that has changed, or whose toolchain has, a moment later.
    pub fn roots(&self) -> Roots {
        let inner = Arc::clone(&self.0);
        Roots::new(move |language| inner.root(language))
    }

    /// Prepares the support files of every language whose boxes wait for them, one after the other; once for all
    /// processes that use this data directory. What failed is tried again when it is called later, after a pause.
    ///
    /// `run` gets a language, the root to use, the folder that is to be `/optimus/<language>` and writable in the box,
    /// and what to run there. Where it fails, so does every box of the language, with this as the reason.
    pub async fn prepare_missing<Running>(
        &self,
        mut run: impl FnMut(LanguageName, Root, PathBuf, Vec<String>) -> Running,
    ) where
        Running: Future<Output = Result<(), String>>,
    {
        let known = self.0.known().clone();
        for known in known {
            let KnownLanguage { language, state, .. } = &*known;
            let (toolchain, preparation, failures) = match state.clone() {
                ToolchainState::Unprepared(toolchain, preparation, _) => (toolchain, preparation, 0),
                ToolchainState::Broken(toolchain, preparation, failure) if failure.is_due_again() => {
                    (toolchain, preparation, failure.count)
                }
                _ => continue,
            };
            let begun =
                ToolchainState::Unprepared(toolchain.clone(), preparation.clone(), Some(Timestamp::now()));
            self.0.learn(language, begun);
            let mut broken_off = PreparationGuard {
                inner: &self.0,
                language,
                state: Some(ToolchainState::Unprepared(
                    toolchain.clone(),
                    preparation.clone(),
                    None,
                )),
            };
            let name = language.name.clone();
            let made = preparation.make(|folder, argv| {
                let root = toolchain.root.clone().with_support(&folder);
                run(name.clone(), root, folder, argv)
            });
            let state = match made.await {
                Ok(in_use) => ToolchainState::ready(toolchain, Some(in_use)),
                Err(why) => {
                    let failure = PreparationFailure {
                        why,
                        count: failures.saturating_add(1),
                        at: Instant::now(),
                    };
                    ToolchainState::Broken(toolchain, preparation, failure)
                }
            };
            broken_off.state = None;
            self.0.learn(language, state);
        }
    }

    /// Returns when a language was found since that waits for [`prepare_missing`](Self::prepare_missing).
    pub async fn unprepared(&self) {
        self.0.unprepared.notified().await;
    }
}

/// Says that a language waits to be prepared, where preparing it ends without an outcome: by a panic, or since nobody
/// wants to know any more.
struct PreparationGuard<'a> {
    inner: &'a ToolchainsInner,
    language: &'a Language,
    state: Option<ToolchainState>,
}

impl Drop for PreparationGuard<'_> {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            self.inner.learn(self.language, state);
        }
    }
}

impl KnownLanguage {
    fn now(language: &Language, languages_file: &LanguagesFile, state: ToolchainState) -> Self {
        Self {
            language: language.clone(),
            brought: support::brought(language, languages_file).unwrap_or_default(),
            state,
            looked: Instant::now(),
        }
    }

    /// Whether it is certain without another look. What is missing may have been installed a moment ago.
    fn is_certain(&self) -> bool {
        !matches!(self.state, ToolchainState::Missing(_)) && self.looked.elapsed() < TRUSTED
    }
}

impl ToolchainsInner {
    fn known(&self) -> std::sync::MutexGuard<'_, Vec<Arc<KnownLanguage>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, language: &LanguageName) -> Option<Arc<KnownLanguage>> {
        let known = self.known();
        known
            .iter()
            .find(|known| known.language.name == *language)
            .cloned()
    }

    fn learn(&self, language: &Language, state: ToolchainState) {
        self.replace(language, state, |_| true);
    }

    /// Enters what is the case now, unless another entry than this one stands there by now. Looking takes a while, and what
    /// was learned meanwhile is newer. Returns what stands there.
    fn learn_instead_of(
        &self,
        old: Option<&Arc<KnownLanguage>>,
        language: &Language,
        state: ToolchainState,
    ) -> ToolchainState {
        self.replace(language, state, |there| {
            old.is_some_and(|old| Arc::ptr_eq(there, old))
        })
    }

    fn replace(
        &self,
        language: &Language,
        state: ToolchainState,
        replaced: impl FnOnce(&Arc<KnownLanguage>) -> bool,
    ) -> ToolchainState {
        let new = Arc::new(KnownLanguage::now(language, &self.languages_file, state));
        let waits = matches!(new.state, ToolchainState::Unprepared(_, _, None));
        let mut known = self.known();
        let at = known
            .iter()
            .position(|known| known.language.name == language.name);
        if let Some(there) = at.map(|at| &known[at]).filter(|there| !replaced(there)) {
            return there.state.clone();
        }
        let state = new.state.clone();
        match at {
            Some(at) => known[at] = new,
            None => known.push(new),
        }
        drop(known);
        if waits {
            self.unprepared.notify_one();
        }
        state
    }

    fn root(&self, name: &LanguageName) -> Result<Root, String> {
        let state = match self.find(name) {
            Some(known) if known.is_certain() => known.state.clone(),
            known => self.look_again(name, known.as_ref())?,
        };
        state.toolchain().map(|toolchain| toolchain.root)
    }

    fn look_again(
        &self,
        name: &LanguageName,
        known: Option<&Arc<KnownLanguage>>,
    ) -> Result<ToolchainState, String> {
        let languages = self.languages_file.load();
        let entry = languages.as_ref().map(|languages| languages.get(name));
        let language = match (entry, known) {
            (Ok(Some(language)), _) => language,
            // Somebody is just writing the file, or whoever serves the language stops soon.
            (_, Some(known)) => &known.language,
            (Ok(None), None) => return Err("it is not in the languages' file".to_owned()),
            (Err(error), None) => return Err(causes(error)),
        };
        let holds = |known: &&Arc<KnownLanguage>| {
            known.language == *language
                && known.brought == support::brought(language, &self.languages_file).unwrap_or_default()
                && known.state.still_holds()
                && known.state.is_of_image() == self.image(language).is_some()
        };
        let state = match known.filter(holds) {
            Some(known) => known.state.clone(),
            None => self.look(language),
        };
        Ok(self.learn_instead_of(known, language, state))
    }

    fn image(&self, language: &Language) -> Option<PathBuf> {
        let folder = absolute(&self.images).join(language.name.as_str());
        (!self.images.as_os_str().is_empty() && folder.is_dir()).then_some(folder)
    }

    fn look(&self, language: &Language) -> ToolchainState {
        if let Some(folder) = self.image(language) {
            return ToolchainState::ready(of_image(folder, language), None);
        }
        self.look_on_host(language)
            .unwrap_or_else(ToolchainState::Missing)
    }

    fn look_on_host(&self, language: &Language) -> Result<ToolchainState, String> {
        let found = search::find(language, &self.places)?;
        let preparation = Preparation::of(language, &found, &self.languages_file, &self.prepared)?;
        let stamp = stamp::of(&found.root);
        let toolchain = Toolchain {
            version: found.root.toolchain.clone(),
            root: Root::Host(HostRoot {
                support: preparation
                    .as_ref()
                    .map(|preparation| preparation.folder().to_owned()),
                stamp,
                ..found.root
            }),
        };
        Ok(match preparation {
            None => ToolchainState::ready(toolchain, None),
            Some(preparation) => match preparation.existing() {
                Some(in_use) => ToolchainState::ready(toolchain, Some(in_use)),
                None => ToolchainState::Unprepared(toolchain, preparation, None),
            },
        })
    }
}

impl ToolchainState {
    fn ready(toolchain: Toolchain, in_use: Option<UseLock>) -> Self {
        Self::Ready {
            toolchain,
            _use_lock: in_use,
        }
    }

    /// Whether the host is as it was.
    fn still_holds(&self) -> bool {
        match self {
            Self::Ready { toolchain, .. } | Self::Unprepared(toolchain, ..) | Self::Broken(toolchain, ..) => {
                match &toolchain.root {
                    Root::Host(root) => root.stamp == stamp::of(root),
                    Root::Image { folder, stamp } => folder.is_dir() && *stamp == stamp::of_image(folder),
                }
            }
            Self::Missing(_) => false,
        }
    }

    fn is_of_image(&self) -> bool {
        let toolchain = self.toolchain();
        toolchain.is_ok_and(|toolchain| matches!(toolchain.root, Root::Image { .. }))
    }

    fn toolchain(&self) -> Result<Toolchain, String> {
        match self {
            Self::Ready { toolchain, .. } => Ok(toolchain.clone()),
            Self::Unprepared(toolchain, _, None) => Err(format!(
                "{} is here, and is prepared for boxes once a worker starts, one language after the other",
                toolchain.version
            )),
            // The same words as long as it lasts: what is told again and again is told once.
            Self::Unprepared(toolchain, _, Some(began)) => Err(format!(
                "{} is here, and is being prepared for boxes since {}",
                toolchain.version,
                began.strftime("%FT%TZ")
            )),
            Self::Broken(toolchain, _, failure) => Err(format!(
                "{} could not be prepared, which is tried again later: {}",
                toolchain.version, failure.why
            )),
            Self::Missing(why) => Err(why.clone()),
        }
    }
}

impl Root {
    fn with_support(mut self, folder: &Path) -> Self {
        if let Self::Host(HostRoot { support, .. }) = &mut self {
            *support = Some(folder.to_owned());
        }
        self
    }
}

/// The version is what was asked of it when the image was built.
fn of_image(folder: PathBuf, language: &Language) -> Toolchain {
    let told = fs::read_to_string(folder.join("optimus/toolchain")).unwrap_or_default();
    Toolchain {
        version: command::first_line(&told)
            .unwrap_or(language.version.as_str())
            .to_owned(),
        root: Root::Image {
            stamp: stamp::of_image(&folder),
            folder,
        },
    }
}

fn absolute(path: &Path) -> PathBuf {
    path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

impl fmt::Debug for Toolchains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Toolchains").field(&*self.0.known()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::timeout;

    use super::*;

    #[test]
    fn an_image_goes_before_the_host_also_when_it_comes_later() {
        let top = tempfile::tempdir().unwrap();
        let mut settings = optimus_settings::defaults::<Settings>();
        let mut languages = LanguagesFile::BuiltIn.load().unwrap();
        let at = languages
            .languages
            .iter()
            .position(|language| language.name.as_str() == "cpp");
        languages.languages[at.unwrap()].execution.compile[0] = "no-such-compiler".to_owned();
        let file = top.path().join("languages.json");
        fs::write(&file, serde_json::to_string(&languages).unwrap()).unwrap();
        settings.languages_file = LanguagesFile::At(file);
        let languages = languages.languages;
        settings.data_dir = top.path().join("data").into();
        settings.native.roots = top.path().join("images");
        let toolchains = Toolchains::find(&languages, &settings);
        let all = toolchains.list();
        assert!(
            all.iter()
                .map(|found| &found.language)
                .eq(languages.iter().map(|language| &language.name))
        );

        let cpp = "cpp".parse().unwrap();
        let root = || toolchains.0.root(&cpp);
        assert!(root().is_err());
        let folder = top.path().join("images/cpp");
        fs::create_dir_all(folder.join("optimus")).unwrap();
        fs::write(folder.join("optimus/toolchain"), "\ng++ 99\nCopyright\n").unwrap();
        let is_image = |root: &Root| matches!(root, Root::Image { folder: of, .. } if *of == folder);
        assert!(root().is_ok_and(|root| is_image(&root)));
        let found = toolchains
            .list()
            .into_iter()
            .find(|found| found.language == cpp)
            .unwrap();
        assert_eq!(found.outcome.unwrap().version, "g++ 99");

        let unknown = toolchains.0.root(&"klingon".parse().unwrap()).unwrap_err();
        assert!(unknown.contains("languages' file"), "{unknown}");
    }

    /// Needs a C compiler, as everything here does.
    #[tokio::test]
    async fn what_changes_in_the_languages_file_is_looked_for_again() {
        let top = tempfile::tempdir().unwrap();
        let file = top.path().join("config/languages.json");
        fs::create_dir(file.parent().unwrap()).unwrap();
        let built_in = LanguagesFile::BuiltIn.load().unwrap();
        let write = |change: &dyn Fn(&mut Vec<Language>)| {
            let mut languages = built_in.clone();
            change(&mut languages.languages);
            fs::write(&file, serde_json::to_string(&languages).unwrap()).unwrap();
            languages.languages
        };
        let only_c =
            |languages: &mut Vec<Language>| languages.retain(|language| language.name.as_str() == "c");
        let languages = write(&only_c);
        let mut settings = optimus_settings::defaults::<Settings>();
        settings.languages_file = LanguagesFile::At(file.clone());
        settings.data_dir = top.path().join("data").into();
        let toolchains = Toolchains::find(&languages, &settings);
        let inner = &toolchains.0;
        // As for the next box that is made when what is known is no longer trusted.
        let now = |name: &LanguageName| {
            let known = inner.find(name);
            inner
                .look_again(name, known.as_ref())
                .and_then(|state| state.toolchain())
        };
        let c = languages[0].name.clone();
        let before = now(&c).unwrap();
        assert_eq!(now(&c).as_ref(), Ok(&before), "nothing has changed");

        let seen = Path::new("/usr/include/stdlib.h");
        write(&|languages| {
            only_c(languages);
            languages[0].host.paths.push(seen.display().to_string());
        });
        let after = now(&c).unwrap();
        assert_ne!(after.root, before.root);
        let Root::Host(root) = &after.root else {
            panic!("there are no images here: {after:?}");
        };
        assert!(root.paths.iter().any(|path| path.host == seen), "{root:?}");

        write(&|languages| {
            only_c(languages);
            languages[0].build.version_command = "echo another version".to_owned();
        });
        assert_eq!(now(&c).unwrap().version, "another version");

        // It was not there when the worker started, and has to be prepared.
        let cpp: LanguageName = "cpp".parse().unwrap();
        assert!(now(&cpp).is_err());
        let folder = top.path().join("dockerfiles/cpp");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("prepare.sh"), "#!/bin/sh\n").unwrap();
        write(&|languages| languages.retain(|language| ["c", "cpp"].contains(&language.name.as_str())));
        let waits = now(&cpp).unwrap_err();
        assert!(waits.contains("once a worker starts"), "{waits}");
        timeout(Duration::from_mins(1), toolchains.unprepared())
            .await
            .expect("whoever prepares languages is told");
        toolchains.prepare_missing(async |_, _, _, _| Ok(())).await;
        let ready = now(&cpp).unwrap();

        fs::write(folder.join("prepare.sh"), "#!/bin/sh\n: another one\n").unwrap();
        assert!(
            now(&cpp).is_err(),
            "what was prepared is of another script: {ready:?}"
        );
    }

    /// C alone, which has something to prepare here.
    fn of_c_with_a_script(top: &Path) -> Toolchains {
        let mut languages = LanguagesFile::BuiltIn.load().unwrap();
        languages
            .languages
            .retain(|language| language.name.as_str() == "c");
        let c = languages.languages.first().expect("C is built in");
        let folder = top.join(c.dockerfile_path.parent().unwrap());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("prepare.sh"), "#!/bin/sh\n").unwrap();
        let file = top.join("config/languages.json");
        fs::create_dir(file.parent().unwrap()).unwrap();
        fs::write(&file, serde_json::to_string(&languages).unwrap()).unwrap();
        let mut settings = optimus_settings::defaults::<Settings>();
        settings.languages_file = LanguagesFile::At(file);
        settings.data_dir = top.join("data").into();
        Toolchains::find(&languages.languages, &settings)
    }

    /// Needs a C compiler, as everything here does.
    #[tokio::test]
    async fn a_language_that_is_being_prepared_says_so() {
        let top = tempfile::tempdir().unwrap();
        let toolchains = of_c_with_a_script(top.path());
        let c = &toolchains.0.known()[0].language.clone();
        let why = || toolchains.list()[0].outcome.clone().unwrap_err();

        let before = why();
        assert!(before.contains("once a worker starts"), "{before}");
        let begun = Notify::new();
        let given_up = toolchains.prepare_missing(async |_, _, _, _| {
            begun.notify_one();
            pending().await
        });
        tokio::select! {
            () = given_up => unreachable!("it never ends"),
            () = begun.notified() => {}
        }
        assert_eq!(why(), before, "nobody prepares it any more");
        timeout(Duration::from_mins(1), toolchains.unprepared())
            .await
            .expect("whoever prepares languages is told");

        let read = Mutex::new(None);
        toolchains
            .prepare_missing(async |_, _, _, _| {
                let meanwhile = why();
                assert!(meanwhile.contains("being prepared"), "{meanwhile}");
                tokio::time::sleep(Duration::from_millis(1100)).await;
                assert_eq!(why(), meanwhile, "or it would be told with each second");
                *read.lock().unwrap() = toolchains.0.find(&c.name);
                Err("no box".to_owned())
            })
            .await;
        let after = why();
        assert!(after.contains("could not be prepared"), "{after}");
        assert!(after.ends_with(": no box"), "{after}");

        // Whoever began to look while it was prepared, and has only now seen that nothing has changed.
        let read = read.into_inner().unwrap().unwrap();
        let state = read.state.clone();
        let told = toolchains.0.learn_instead_of(Some(&read), c, state);
        assert_eq!(told.toolchain().unwrap_err(), after);
        assert_eq!(why(), after);
        let now = toolchains.0.find(&c.name).unwrap();
        toolchains
            .0
            .learn_instead_of(Some(&now), c, ToolchainState::Missing("gone".to_owned()));
        assert_eq!(why(), "gone");
    }

    /// Needs a C compiler, as everything here does.
    #[tokio::test]
    async fn what_could_not_be_prepared_is_tried_again_after_a_pause_that_grows() {
        let top = tempfile::tempdir().unwrap();
        let toolchains = of_c_with_a_script(top.path());
        let c = toolchains.list()[0].language.clone();
        let tries = Mutex::new(0);
        let prepare = async |outcome: Result<(), String>| {
            let ran = async |_, _, _, _| {
                *tries.lock().unwrap() += 1;
                outcome.clone()
            };
            toolchains.prepare_missing(ran).await;
            *tries.lock().unwrap()
        };
        // As if it had failed so long ago.
        let failed_before = |pause: Duration| {
            let known = toolchains.0.find(&c).unwrap();
            let ToolchainState::Broken(toolchain, preparation, failure) = known.state.clone() else {
                panic!("it failed: {known:?}");
            };
            let at = Instant::now().checked_sub(pause).unwrap();
            let failure = PreparationFailure { at, ..failure };
            let state = ToolchainState::Broken(toolchain, preparation, failure);
            toolchains.0.learn(&known.language, state);
        };
        let busy = || Err("it was not done in time".to_owned());
        assert_eq!(prepare(busy()).await, 1);
        assert_eq!(prepare(busy()).await, 1, "not at once");
        failed_before(FIRST_PAUSE);
        assert_eq!(prepare(busy()).await, 2);
        failed_before(FIRST_PAUSE);
        assert_eq!(prepare(busy()).await, 2, "the pause has grown");
        failed_before(FIRST_PAUSE * 2);
        assert_eq!(prepare(Ok(())).await, 3);
        assert!(toolchains.list()[0].outcome.is_ok());
    }
}
