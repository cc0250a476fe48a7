//! `submit`.

use std::{collections::HashSet, path::Path};

use optimus_client::{Client, LanguageEntry};
use optimus_common::{
    LanguageName,
    checker::Checker,
    language::{as_listed, with_extension_of},
    submission::{SourceFile, Submission},
};
use serde_json::Value;

use super::jobs;
use crate::{
    api,
    args::Submit,
    exit::{Classify, Exit, Failure},
    json,
    output::{Output, note, passed_over},
    programs::{self, Bytes},
    testcases::{self, Loaded},
};

/// More than programs have anywhere. How much is taken, each installation says of its own.
const MOST_SOURCE_BYTES: u64 = 256 << 20;

pub(crate) async fn run(args: Submit, output: &Output) -> Result<Exit, Failure> {
    let api = api::client(&args.api)?;
    let mut loaded = testcases::load(&args.tests)?;
    passed_over(&loaded.notes);
    let sources = sources(&args)?;
    let language = language(&args, &mut loaded, &api).await?;
    let names = std::mem::take(&mut loaded.names);
    let submission = submission(&args, loaded, &language, sources)?;
    let state = api
        .submit_large(submission, args.idempotency_key.as_deref())
        .await?;
    if args.wait {
        let record = jobs::wait(&api, state.job_id, Some(names.len())).await?;
        return jobs::show(&record, &names, output);
    }
    output.result(&state, || {
        format!(
            "{} {}\nits verdict: optimus-cli status {} --wait",
            state.job_id,
            state.status.as_str(),
            state.job_id
        )
    })?;
    Ok(Exit::Done)
}

/// A language, and what is known of it.
struct NamedLanguage {
    name: LanguageName,
    /// Its usual one, where the API was asked.
    extension: Option<String>,
    /// All that are known of it.
    extensions: Vec<String>,
}

async fn language(args: &Submit, loaded: &mut Loaded, api: &Client) -> Result<NamedLanguage, Failure> {
    let asked_for = |name| NamedLanguage {
        name,
        extension: None,
        extensions: programs::well_known_extensions(),
    };
    let named = loaded.rest.remove("language");
    if let Some(language) = &args.language {
        return Ok(asked_for(language.clone()));
    }
    if let Some(language) = named {
        return json::of_value(language, format_args!("{}: language", args.tests.display())).map(asked_for);
    }
    by_extension(&args.files[0], &api.languages().await?)
}

/// The first language that has the file's extension: they are in the order of `languages.json`.
fn by_extension(file: &Path, languages: &[LanguageEntry]) -> Result<NamedLanguage, Failure> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let same = with_extension_of(languages, &name, |language| language.extensions().collect());
    let Some(language) = same.first() else {
        let known: Vec<_> = languages.iter().map(|language| language.name.as_str()).collect();
        return Err(Failure::usage(format!(
            "{}: no language has files like this; name one by --language: {}",
            file.display(),
            known.join(", ")
        )));
    };
    if same.len() > 1 {
        note(format_args!(
            "note: {} of {} languages for {name}; --language names another",
            language.name,
            same.len()
        ));
    }
    if !language.available {
        let reason = language.reason.as_deref().unwrap_or("nobody takes its jobs");
        note(format_args!(
            "note: {} is not available at the moment: {reason}",
            language.name
        ));
    }
    Ok(NamedLanguage {
        name: language.name.parse().usage()?,
        extension: Some(language.file_extension.clone()),
        extensions: language.extensions().map(str::to_owned).collect(),
    })
}

fn sources(args: &Submit) -> Result<Vec<SourceFile>, Failure> {
    let mut names = HashSet::new();
    let mut sources = Vec::new();
    let mut bytes = Bytes::new(MOST_SOURCE_BYTES);
    for path in &args.files {
        let source = programs::single(path, &mut bytes)?;
        if !names.insert(source.name.clone()) {
            return Err(Failure::usage(format!("two files are called {}", source.name)));
        }
        sources.push(source);
    }
    Ok(sources)
}

/// What the tests' file or folder says, and over it what was asked for.
fn submission(
    args: &Submit,
    loaded: Loaded,
    language: &NamedLanguage,
    mut sources: Vec<SourceFile>,
) -> Result<Submission, Failure> {
    let mut fields = loaded.rest;
    for field in ["source_code", "files", "entry_point"] {
        fields.remove(field);
    }
    fields.insert("language".to_owned(), Value::from(language.name.as_str()));
    fields.insert("test_cases".to_owned(), Value::Array(Vec::new()));
    let mut submission: Submission = json::of_value(
        Value::Object(fields),
        format_args!("{} is no submission", args.tests.display()),
    )?;
    submission.test_cases = loaded.cases;
    // Compilers know extensions in one case, people write them in any.
    for source in &mut sources {
        source.name = as_listed(&source.name, language.extensions.iter().map(String::as_str));
    }
    programs::put_sources(sources, language.extension.as_deref(), &mut submission);
    loaded.settings.apply(&mut submission);
    let limits = [
        (args.timeout_ms, &mut submission.timeout_ms),
        (args.wall_timeout_ms, &mut submission.wall_timeout_ms),
        (args.memory_limit_mb, &mut submission.memory_limit_mb),
    ];
    for (asked, current) in limits {
        *current = asked.or(*current);
    }
    if let Some(text) = &args.checker {
        submission.checker = checker(text)?;
    }
    submission.stop_on_failure |= args.stop_on_failure;
    if let Some(priority) = args.priority {
        submission.priority = priority.into();
    }
    Ok(submission)
}

/// A checker's name, or its JSON.
fn checker(text: &str) -> Result<Checker, Failure> {
    let value = if text.trim_start().starts_with('{') {
        json::read(text.as_bytes(), format_args!("--checker {text}"))?
    } else {
        serde_json::json!({ "type": text })
    };
    json::of_value(value, format_args!("--checker {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, extension: &str) -> LanguageEntry {
        LanguageEntry {
            name: name.to_owned(),
            file_extension: extension.to_owned(),
            other_extensions: Vec::new(),
            available: true,
            reason: None,
        }
    }

    #[test]
    fn the_language_follows_from_the_extension() {
        let mut languages = [
            entry("python", ".py"),
            entry("cpp", ".cpp"),
            entry("pypy", ".py"),
            entry("c", ".c"),
        ];
        languages[1].other_extensions = [".cc", ".C"].map(str::to_owned).into();
        let found =
            |file: &str| by_extension(Path::new(file), &languages).map(|language| language.name.to_string());
        assert_eq!(found("a/b.py").unwrap(), "python");
        for cpp in ["x.cc", "x.CPP", "x.C"] {
            assert_eq!(found(cpp).unwrap(), "cpp", "{cpp}");
        }
        assert_eq!(found("x.c").unwrap(), "c");
        for unknown in ["x.zig", "Makefile"] {
            let error = found(unknown).unwrap_err().to_string();
            assert!(error.contains("--language") && error.contains("cpp"), "{error}");
        }
    }

    #[test]
    fn checkers_are_names_or_json() {
        assert_eq!(checker("exact").unwrap(), Checker::Exact);
        let float = checker(r#"{"type": "float", "abs_tolerance": 0.5}"#).unwrap();
        assert!(matches!(
            float,
            Checker::Float {
                abs_tolerance: 0.5,
                ..
            }
        ));
        assert!(checker("fuzzy").unwrap_err().to_string().contains("fuzzy"));
    }
}
