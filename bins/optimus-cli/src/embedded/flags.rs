//! How this machine is to be used: the flags that `serve` and `grade` share.

use std::{
    path::{Path, PathBuf},
    thread::available_parallelism,
};

use clap::Args;
use optimus_common::language::LanguagesFile;
use optimus_worker::{
    Settings,
    backend::{self, BackendFlag},
    settings::BackendChoice,
};

use crate::{
    exit::{Classify, Failure},
    project::Project,
};

#[derive(Debug, Clone, Args)]
pub(crate) struct Flags {
    /// Where boxes come from; auto: native where this machine offers every layer of isolation, else docker
    /// [default: auto]
    #[arg(long, value_enum)]
    backend: Option<BackendFlag>,
    /// What outlives this process: the jobs, and what was prepared for languages
    /// [default: /var/lib/optimus as root, else ~/.local/share/optimus]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Jobs at once [default: one for each CPU]
    #[arg(long, visible_alias = "jobs", value_name = "NUMBER")]
    concurrency: Option<u32>,
    /// Layers of isolation that may be missing, separated by commas; `optimus-cli doctor` names them
    #[arg(long, value_name = "LAYERS", value_delimiter = ',')]
    allow_missing: Vec<String>,
    /// Settings [default: config/optimus.toml where it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Flags {
    /// The backend, where these flags name one.
    pub(crate) fn backend(&self) -> Option<BackendChoice> {
        self.backend.map(Into::into)
    }

    /// The settings with these flags, and where nothing else was said with what suits one process on one machine.
    pub(crate) fn settings(self, root: Option<&Path>) -> Result<Settings, Failure> {
        let mut settings = Settings::load(self.config.as_deref()).usage()?;
        if let Some(backend) = self.backend {
            settings.worker.backend = Some(backend.into());
        }
        if let Some(folder) = self.data_dir {
            settings.data_dir = folder.into();
        }
        if let Some(concurrency) = self.concurrency {
            settings.worker.total_concurrency = concurrency;
        }
        settings.native.allow_missing.extend(self.allow_missing);
        backend::check_allowed(&settings).map_err(Failure::usage)?;
        settings.languages_file = languages_file(settings.languages_file, root)?;
        suit_one_machine(&mut settings);
        Ok(settings)
    }

    /// The same, with what the API of this process reads of them; its languages are the worker's.
    pub(crate) fn settings_with_api(
        self,
        root: Option<&Path>,
    ) -> Result<(Settings, optimus_api::Settings), Failure> {
        let file = self.config.clone();
        let settings = self.settings(root)?;
        let mut api = optimus_api::Settings::load(file.as_deref()).usage()?;
        api.languages_file = settings.languages_file.clone();
        Ok((settings, api))
    }
}

/// The file that the settings name; where they name none, the project's that this is run from; else what is compiled in,
/// so that this program alone is enough.
pub(crate) fn languages_file(
    configured: LanguagesFile,
    root: Option<&Path>,
) -> Result<LanguagesFile, Failure> {
    if root.is_none() && configured != Settings::defaults().languages_file {
        return Ok(configured);
    }
    match Project::find(root) {
        Ok(project) => Ok(project.languages_file().into()),
        Err(failure) if root.is_some() => Err(failure),
        Err(_) => Ok(LanguagesFile::BuiltIn),
    }
}

/// A worker for each language of a fleet has a machine to itself. Here all languages share one: what runs at once is
/// bounded over all of them, and each keeps a single box ready.
fn suit_one_machine(settings: &mut Settings) {
    let worker = &mut settings.worker;
    worker.backend = worker.backend.or(Some(BackendChoice::Auto));
    if worker.total_concurrency == 0 {
        let cpus = available_parallelism().map_or(1, Into::into);
        worker.total_concurrency = u32::try_from(cpus).unwrap_or(u32::MAX);
    }
    if worker.concurrency == 0 {
        worker.concurrency = worker.total_concurrency;
    }
    if worker.warm_boxes == 0 {
        worker.warm_boxes = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_configured_is_kept_and_the_rest_suits_one_machine() {
        let mut settings = Settings::defaults();
        settings.worker.total_concurrency = 64;
        suit_one_machine(&mut settings);
        assert_eq!(settings.worker.backend, Some(BackendChoice::Auto));
        assert_eq!((settings.worker.concurrency, settings.worker.warm_boxes), (64, 1));

        let mut settings = Settings::defaults();
        settings.worker.backend = Some(BackendChoice::Docker);
        settings.worker.concurrency = 3;
        settings.worker.warm_boxes = 5;
        suit_one_machine(&mut settings);
        assert_eq!(settings.worker.backend, Some(BackendChoice::Docker));
        assert_eq!((settings.worker.concurrency, settings.worker.warm_boxes), (3, 5));
        assert!(settings.worker.total_concurrency > 0);
    }

    #[test]
    fn languages_come_from_the_settings_the_project_or_the_program() {
        let shipped = Settings::defaults().languages_file;
        let own = LanguagesFile::At("elsewhere.json".into());
        assert_eq!(languages_file(own.clone(), None).unwrap(), own);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let project = LanguagesFile::At(root.join("config/languages.json"));
        assert_eq!(languages_file(shipped.clone(), Some(&root)).unwrap(), project);
        let nowhere = tempfile::tempdir().unwrap();
        assert!(languages_file(shipped, Some(nowhere.path())).is_err());
    }
}
