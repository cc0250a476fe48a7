//! What is known of languages without being told: `presets.toml`.

use std::{path::PathBuf, sync::LazyLock};

use optimus_common::{
    LanguageName,
    language::{Build, Concurrency, Execution, HostToolchain, Language, Resources},
    language_assets::{self, SupportFile},
};
use optimus_images::Dockerfile;
use serde::Deserialize;

static PRESETS: LazyLock<Presets> =
    LazyLock::new(|| toml::from_str(include_str!("../presets.toml")).expect("the presets are valid"));

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Presets {
    language: Vec<Preset>,
}

/// One language as it is added where nothing else is asked for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Preset {
    pub(crate) name: LanguageName,
    /// Other names it is found by.
    #[serde(default)]
    aliases: Vec<String>,
    pub(crate) title: String,
    pub(crate) version: String,
    /// What `{version}` stands for, where it is not the language's own version but that of what runs it.
    #[serde(default)]
    image_version: Option<String>,
    pub(crate) base_image: String,
    /// Empty where Debian does not have it.
    pub(crate) debian_packages: Vec<String>,
    pub(crate) version_command: String,
    /// Lines for the Dockerfile after the packages.
    #[serde(default)]
    prepare: String,
    #[serde(default = "default_memory_limit_mb")]
    pub(crate) memory_limit_mb: u64,
    #[serde(default = "default_cpu_limit")]
    pub(crate) cpu_limit: f64,
    pub(crate) execution: Execution,
    #[serde(default)]
    resources: Resources,
    #[serde(default)]
    host: HostToolchain,
}

fn default_memory_limit_mb() -> u64 {
    256
}

fn default_cpu_limit() -> f64 {
    1.0
}

/// Every preset, in the order of the file.
pub(crate) fn all() -> &'static [Preset] {
    &PRESETS.language
}

/// By name or alias; else by extension, where one preset alone has it.
pub(crate) fn find(name: &LanguageName, extension: &str) -> Option<&'static Preset> {
    let named = all()
        .iter()
        .find(|preset| preset.name == *name || preset.aliases.iter().any(|alias| alias == name.as_str()));
    named.or_else(|| {
        let mut same = all()
            .iter()
            .filter(|preset| preset.execution.extensions().any(|all| all == extension));
        match (same.next(), same.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    })
}

impl Preset {
    /// A language nothing is known of but its recipe.
    pub(crate) fn unknown(name: LanguageName, version: String, build: Build, execution: Execution) -> Self {
        Self {
            title: name.to_string(),
            name,
            aliases: Vec::new(),
            version,
            image_version: None,
            base_image: build.base_image,
            debian_packages: build.debian_packages,
            version_command: build.version_command,
            prepare: String::new(),
            memory_limit_mb: default_memory_limit_mb(),
            cpu_limit: default_cpu_limit(),
            execution,
            resources: Resources::default(),
            host: HostToolchain::default(),
        }
    }

    /// The entry of `languages.json`.
    pub(crate) fn language(&self, name: &LanguageName) -> Language {
        let image_version = self.image_version.as_ref().unwrap_or(&self.version);
        let versioned = |text: &String| text.replace("{version}", image_version);
        let mut execution = self.execution.clone();
        for word in &mut execution.compile {
            *word = word.replace("{name}", name.as_str());
        }
        Language {
            name: name.clone(),
            version: self.version.clone(),
            image: format!("optimus/{name}:{}", self.version),
            dockerfile_path: PathBuf::from(format!("dockerfiles/{name}/Dockerfile")),
            execution,
            queue_name: Language::queue_name_of(name),
            memory_limit_mb: self.memory_limit_mb,
            cpu_limit: self.cpu_limit,
            resources: self.resources.clone(),
            concurrency: Concurrency::default(),
            build: Build {
                base_image: versioned(&self.base_image),
                debian_packages: self.debian_packages.iter().map(versioned).collect(),
                version_command: self.version_command.clone(),
            },
            host: self.host.clone(),
        }
    }

    /// The text of its Dockerfile.
    pub(crate) fn dockerfile(&self, language: &Language) -> String {
        let files: Vec<_> = self.files().map(|file| file.name).collect();
        Dockerfile {
            title: &self.title,
            language,
            prepare: &self.prepare,
            files: &files,
        }
        .to_string()
    }

    /// What lies beside the Dockerfile.
    pub(crate) fn files(&self) -> impl Iterator<Item = SupportFile> {
        language_assets::files(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, fs, path::Path};

    use optimus_common::language::Languages;

    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn every_preset_is_a_valid_language() {
        let languages = Languages {
            languages: all().iter().map(|preset| preset.language(&preset.name)).collect(),
        };
        languages.validate().unwrap();
        assert!(languages.languages.len() >= 20);
    }

    /// Tools that read a program without running it, by the language whose samples they read.
    const READERS: [(&str, &[&str]); 13] = [
        ("python", &["python3", "-m", "py_compile"]),
        ("javascript", &["node", "--check"]),
        ("ruby", &["ruby", "-c"]),
        ("php", &["php", "-l"]),
        ("perl", &["perl", "-c"]),
        ("lua", &["luac5.4", "-p"]),
        ("luajit", &["luajit", "-bl"]),
        ("bash", &["bash", "-n"]),
        ("c", &["gcc", "-fsyntax-only"]),
        ("cpp", &["g++", "-fsyntax-only"]),
        ("fortran", &["gfortran", "-fsyntax-only"]),
        ("go", &["gofmt", "-e"]),
        ("ocaml", &["ocamlc", "-stop-after", "typing"]),
    ];

    /// What each has to do is the same, to copy a line, and is tried in a box before the language is called available.
    #[test]
    fn a_sample_can_be_read_by_its_language_s_own_tool() {
        let (mut samples, mut read_ones) = (HashSet::new(), 0);
        for preset in all() {
            let language = preset.language(&preset.name);
            // Where there is none, the recipe is tried with an empty program.
            let Some(sample) = language.execution.sample else {
                continue;
            };
            assert!(!sample.trim().is_empty(), "{}", preset.name);
            assert!(sample.ends_with('\n'), "{}", preset.name);
            samples.insert(preset.name.as_str());
            let Some((_, reader)) = READERS.iter().find(|(name, _)| *name == preset.name.as_str()) else {
                continue;
            };
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(&language.execution.source_name);
            std::fs::write(&path, &sample).unwrap();
            let read = std::process::Command::new(reader[0])
                .args(&reader[1..])
                .arg(&path)
                .current_dir(folder.path())
                .output();
            match read {
                Ok(read) => {
                    let why = String::from_utf8_lossy(&read.stderr);
                    assert!(read.status.success(), "{}: {why}", preset.name);
                    read_ones += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{}", preset.name);
                    eprintln!("passed over: {} is not on this machine", reader[0]);
                }
            }
        }
        if read_ones == 0 {
            optimus_testkit::passed_over::because("this machine has no tool that reads any sample");
        }
        for (name, _) in READERS {
            assert!(samples.contains(name), "{name} is no preset");
        }
    }

    #[test]
    fn names_and_aliases_are_unique() {
        let mut seen = HashSet::new();
        for preset in all() {
            for name in preset
                .aliases
                .iter()
                .map(String::as_str)
                .chain([preset.name.as_str()])
            {
                assert!(seen.insert(name), "{name}");
            }
        }
    }

    #[test]
    fn presets_are_found_by_name_alias_and_extension() {
        let found = |name: &str, extension: &str| {
            find(&name.parse().unwrap(), extension).map(|preset| preset.name.to_string())
        };
        assert_eq!(found("go", ".go").as_deref(), Some("go"));
        assert_eq!(found("nodejs", ".js").as_deref(), Some("javascript"));
        assert_eq!(found("ruby-next", ".rb").as_deref(), Some("ruby"));
        assert_eq!(found("gcc-cxx", ".cxx").as_deref(), Some("cpp"));
        assert_eq!(found("snake", ".py"), None, "more than one language has it");
        assert_eq!(found("brainfuck", ".bf"), None);
    }

    #[test]
    fn a_languages_version_is_not_that_of_an_image_of_something_else() {
        let name = "typescript".parse().unwrap();
        let mut preset = find(&name, "").unwrap().clone();
        preset.version = "5".to_owned();
        let language = preset.language(&name);
        assert_eq!(language.version, "5");
        assert_eq!(language.build.base_image, "node:24-bookworm-slim");
    }

    #[test]
    fn the_shipped_languages_are_their_presets() {
        let shipped = Languages::load(&root().join("config/languages.json")).unwrap();
        for language in shipped.languages {
            let preset = find(&language.name, "").unwrap();
            assert_eq!(language, preset.language(&language.name));
            let dockerfile = fs::read_to_string(root().join(&language.dockerfile_path)).unwrap();
            assert_eq!(dockerfile, preset.dockerfile(&language), "{}", language.name);
        }
    }
}
