//! `list-langs`.

use optimus_common::language::Language;
use optimus_images::Engine;
use serde::Serialize;

use crate::{
    exit::{Exit, Failure},
    output::{Output, table},
    project::Project,
    registry,
};

/// Whether a language's image is there.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Image {
    Built,
    Missing,
    /// No engine could be asked.
    Unknown,
}

#[derive(Debug, Serialize)]
struct ListedLanguage {
    image_status: Image,
    #[serde(flatten)]
    language: Language,
}

pub(crate) async fn run(project: &Project, output: &Output) -> Result<Exit, Failure> {
    let languages = registry::load(&project.languages_file())?.languages;
    let engine = Engine::connect().await.ok();
    let mut listed = Vec::new();
    for language in languages {
        let asked = match &engine {
            Some(engine) => engine.has_image(&language.image).await.ok(),
            None => None,
        };
        let image_status = match asked {
            Some(true) => Image::Built,
            Some(false) => Image::Missing,
            None => Image::Unknown,
        };
        listed.push(ListedLanguage {
            image_status,
            language,
        });
    }
    output.result(&listed, || text(&listed))?;
    Ok(Exit::Done)
}

fn text(listed: &[ListedLanguage]) -> String {
    if listed.is_empty() {
        return "There is no language yet; add one with optimus-cli add-lang".to_owned();
    }
    let mut table = table(&[
        "language", "version", "files", "compiled", "memory", "CPUs", "image", "",
    ]);
    for ListedLanguage {
        image_status,
        language,
    } in listed
    {
        let execution = &language.execution;
        table.add_row([
            language.name.to_string(),
            language.version.clone(),
            execution.file_extension.clone(),
            execution.compile.first().map_or("no", |_| "yes").to_owned(),
            format!("{} MiB", language.memory_limit_mb),
            language.cpu_limit.to_string(),
            language.image.clone(),
            match image_status {
                Image::Built => "built",
                Image::Missing => "missing",
                Image::Unknown => "unknown: no engine",
            }
            .to_owned(),
        ]);
    }
    table.to_string()
}
