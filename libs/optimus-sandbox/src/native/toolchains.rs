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
mod state;
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
    LanguageName,
    box_layout::TOOLCHAIN_FILE,
    causes,
    language::{Language, LanguagesFile},
};
use tokio::sync::Notify;

pub use self::state::Toolchain;
use self::{
    search::SearchPaths,
    state::{PreparationFailure, ToolchainState},
    support::Preparation,
};
use super::{
    lookup::Roots,
    roots::{HostRoot, Root},
};
use crate::settings::Settings;

/// How long what was found is taken for what is there.
const TRUSTED: Duration = Duration::from_secs(2);

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
    let told = fs::read_to_string(folder.join(TOOLCHAIN_FILE)).unwrap_or_default();
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
mod tests;
