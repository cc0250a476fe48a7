//! Which languages the toolchains of this host serve.
//!
//! A language is found by the programs its recipe calls (`search`); what it brings along for its boxes is prepared
//! once per toolchain, in a folder that later processes find again (`support`). An unpacked image of the language,
//! where the settings name a folder of such, goes before the host.

mod command;
mod search;
mod sight;
mod support;

use std::{
    fmt, fs,
    path::{self, Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use optimus_common::{
    LanguageName, causes,
    language::Language,
    settings::{LanguagesFile, Settings},
};

use self::{
    search::Places,
    support::{InUse, Preparation},
};
use super::roots::{Root, Roots};

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
    /// Else what is missing, and how to come by it.
    pub outcome: Result<Toolchain, String>,
}

/// The toolchains of this host. Clones share what they know.
#[derive(Clone)]
pub struct Toolchains(Arc<Inner>);

struct Inner {
    places: Places,
    /// Unpacked images; none where it is empty.
    images: PathBuf,
    /// Where support files are prepared.
    prepared: PathBuf,
    languages_file: LanguagesFile,
    /// In the order they were asked for.
    known: Mutex<Vec<(LanguageName, State)>>,
}

#[derive(Debug, Clone)]
enum State {
    Ready {
        toolchain: Toolchain,
        _in_use: Option<InUse>,
    },
    /// Its support files are to be made first.
    Unprepared(Toolchain, Preparation),
    /// Preparing it failed, and would again.
    Broken(String),
    /// Somebody may install it.
    Missing(String),
}

impl Toolchains {
    /// Looks for the toolchains of these languages. Asks each one for its version, which takes a while.
    pub fn find(languages: &[Language], settings: &Settings) -> Self {
        let data_dir = absolute(&settings.data_dir());
        let inner = Inner {
            places: Places::new(&settings.native.paths, &data_dir),
            images: settings.native.roots.clone(),
            prepared: data_dir.join("toolchains"),
            languages_file: settings.languages_file.clone(),
            known: Mutex::default(),
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
                    (language.name.clone(), state)
                })
                .collect()
        });
        Self(Arc::new(Inner {
            known: Mutex::new(known),
            ..inner
        }))
    }

    /// What is known now, in the order the languages were asked for.
    pub fn list(&self) -> Vec<Found> {
        let known = self.0.known();
        known
            .iter()
            .map(|(language, state)| Found {
                language: language.clone(),
                outcome: state.toolchain(),
            })
            .collect()
    }

    /// Roots for a backend. A language that is missing, or was added to the languages' file since, is looked for
    /// again whenever a box of it is wanted.
    pub fn roots(&self) -> Roots {
        let inner = Arc::clone(&self.0);
        Roots::new(move |language| inner.root(language))
    }

    /// Prepares the support files of every language whose boxes wait for them, one after the other; once for all
    /// processes that use this data directory.
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
        for (language, state) in known {
            let State::Unprepared(toolchain, preparation) = state else {
                continue;
            };
            let made = preparation.make(|folder, argv| {
                let root = toolchain.root.clone().with_support(&folder);
                run(language.clone(), root, folder, argv)
            });
            let state = match made.await {
                Ok(in_use) => State::ready(toolchain, Some(in_use)),
                Err(why) => State::Broken(format!("{} cannot be prepared: {why}", toolchain.version)),
            };
            self.0.learn(language, state);
        }
    }
}

impl Inner {
    fn known(&self) -> std::sync::MutexGuard<'_, Vec<(LanguageName, State)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self, language: &LanguageName) -> Option<State> {
        let known = self.known();
        known
            .iter()
            .find(|(name, _)| name == language)
            .map(|(_, state)| state.clone())
    }

    fn learn(&self, language: LanguageName, state: State) {
        let mut known = self.known();
        match known.iter_mut().find(|(name, _)| *name == language) {
            Some((_, old)) => *old = state,
            None => known.push((language, state)),
        }
    }

    fn root(&self, name: &LanguageName) -> Result<Root, String> {
        match self.state(name) {
            Some(state @ (State::Ready { .. } | State::Unprepared(..) | State::Broken(_))) => {
                state.toolchain()
            }
            Some(State::Missing(_)) | None => {
                let languages = self.languages_file.load().map_err(|error| causes(&error))?;
                let language = languages
                    .get(name)
                    .ok_or_else(|| "it is not in the languages' file".to_owned())?;
                let state = self.look(language);
                let toolchain = state.toolchain();
                self.learn(name.clone(), state);
                toolchain
            }
        }
        .map(|toolchain| toolchain.root)
    }

    fn look(&self, language: &Language) -> State {
        if !self.images.as_os_str().is_empty() {
            let folder = absolute(&self.images).join(language.name.as_str());
            if folder.is_dir() {
                return State::ready(of_image(folder, language), None);
            }
        }
        self.look_on_host(language).unwrap_or_else(State::Missing)
    }

    fn look_on_host(&self, language: &Language) -> Result<State, String> {
        let sighting = search::find(language, &self.places)?;
        let preparation = Preparation::of(language, &sighting, &self.languages_file, &self.prepared)?;
        let toolchain = Toolchain {
            version: sighting.version.clone(),
            root: Root::Host {
                paths: sighting.paths,
                path: sighting.path,
                toolchain: sighting.version,
                support: preparation
                    .as_ref()
                    .map(|preparation| preparation.folder().to_owned()),
            },
        };
        Ok(match preparation {
            None => State::ready(toolchain, None),
            Some(preparation) => match preparation.existing() {
                Some(in_use) => State::ready(toolchain, Some(in_use)),
                None => State::Unprepared(toolchain, preparation),
            },
        })
    }
}

impl State {
    fn ready(toolchain: Toolchain, in_use: Option<InUse>) -> Self {
        Self::Ready {
            toolchain,
            _in_use: in_use,
        }
    }

    fn toolchain(&self) -> Result<Toolchain, String> {
        match self {
            Self::Ready { toolchain, .. } => Ok(toolchain.clone()),
            Self::Unprepared(toolchain, _) => Err(format!(
                "{} is here, and is made ready when a worker first starts",
                toolchain.version
            )),
            Self::Broken(why) | Self::Missing(why) => Err(why.clone()),
        }
    }
}

impl Root {
    fn with_support(mut self, folder: &Path) -> Self {
        if let Self::Host { support, .. } = &mut self {
            *support = Some(folder.to_owned());
        }
        self
    }
}

/// The version is what was asked of it when the image was built.
fn of_image(folder: PathBuf, language: &Language) -> Toolchain {
    let told = fs::read_to_string(folder.join("optimus/toolchain")).unwrap_or_default();
    Toolchain {
        version: first_line(&told).unwrap_or(language.version.as_str()).to_owned(),
        root: Root::Image { folder },
    }
}

/// The first line with anything in it.
fn first_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.is_empty())
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
    use super::*;

    #[test]
    fn an_image_goes_before_the_host_also_when_it_comes_later() {
        let languages = LanguagesFile::BuiltIn.load().unwrap().languages;
        let top = tempfile::tempdir().unwrap();
        let mut settings = Settings::defaults();
        settings.languages_file = LanguagesFile::BuiltIn;
        settings.set_data_dir(top.path().join("data"));
        settings.native.roots = top.path().join("images");
        // Nothing of this host, so that there is no compiler.
        settings.native.paths = Vec::new();
        let toolchains = Toolchains::find(&languages, &settings);
        let all = toolchains.list();
        assert!(
            all.iter()
                .map(|found| &found.language)
                .eq(languages.iter().map(|language| &language.name))
        );

        let (roots, cpp) = (toolchains.roots(), "cpp".parse().unwrap());
        assert!(roots.find(&cpp).is_err());
        let folder = top.path().join("images/cpp");
        fs::create_dir_all(folder.join("optimus")).unwrap();
        fs::write(folder.join("optimus/toolchain"), "\ng++ 99\nCopyright\n").unwrap();
        assert_eq!(roots.find(&cpp), Ok(Root::Image { folder }));
        let found = toolchains
            .list()
            .into_iter()
            .find(|found| found.language == cpp)
            .unwrap();
        assert_eq!(found.outcome.unwrap().version, "g++ 99");

        let unknown = roots.find(&"klingon".parse().unwrap()).unwrap_err();
        assert!(unknown.contains("languages' file"), "{unknown}");
    }
}
