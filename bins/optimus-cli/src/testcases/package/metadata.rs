//! `problem.yaml`, and the files beside it that say something about limits.

use std::path::Path;

use anyhow::Context;

use super::{
    format::PackageFormat,
    time_rule::TimeRule,
    yaml::{Section, Value},
};
use crate::{
    exit::{Classify, Failure},
    json,
    testcases::{notes::Notes, settings::Settings, text},
};

const FILE: &str = "problem.yaml";

/// Keys that say nothing about grading.
const ABOUT: &[&str] = &[
    "problem_format_version",
    "name",
    "uuid",
    "author",
    "source",
    "source_url",
    "license",
    "rights_owner",
    "keywords",
];
/// Keys of which some say something. `optimus` is ours.
const COMMON: &[&str] = &["type", "limits", "languages", "optimus"];
const LEGACY: &[&str] = &["validation", "validator_flags", "grading", "libraries"];
const MODERN: &[&str] = &[
    "version",
    "credits",
    "embargo_until",
    "allow_file_writing",
    "constants",
];

const LIMITS: &[&str] = &[
    "time_limit",
    "memory",
    "output",
    "code",
    "compilation_time",
    "compilation_memory",
    "validation_time",
    "validation_memory",
    "validation_output",
];
/// Limits that are not kept, and values by which the others would be. Those of validators have nothing to limit: there
/// are none but ours.
const LIMITS_NOT_KEPT: &[&str] = &["compilation_memory", "time_safety_margin"];
const LEGACY_LIMITS: &[&str] = &["time_multiplier", "time_safety_margin"];
const MODERN_LIMITS: &[&str] = &["time_multipliers", "time_resolution", "validation_passes"];

/// What `problem.yaml` says.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) format: PackageFormat,
    pub(super) name: Option<String>,
    /// The section `optimus`, and where it says nothing, the format's own words. Without the validator's.
    pub(super) settings: Settings,
    /// Where `settings.timeout_ms` was found.
    pub(super) time_limit_from: Option<&'static str>,
    pub(super) time_rule: TimeRule,
    /// The largest program.
    pub(super) code_bytes: Option<u64>,
    pub(super) validation: Validation,
    /// Arguments of the output validator, from the older versions' `validator_flags`.
    pub(super) validator_flags: Vec<String>,
    /// Names of constants.
    pub(super) constants: Vec<String>,
}

/// Who compares outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Validation {
    Default,
    /// A program of the package's.
    Custom,
}

pub(super) fn read(folder: &Path, notes: &mut Notes) -> Result<Metadata, Failure> {
    let yaml = match Section::read_if_there(&folder.join(FILE), FILE)? {
        Some(yaml) => yaml,
        None => Section::parse("", FILE)?,
    };
    let format = format(&yaml)?;
    let of_version = if format == PackageFormat::Legacy {
        LEGACY
    } else {
        MODERN
    };
    yaml.allow_only(&[ABOUT, COMMON, of_version])?;
    refuse_types(&yaml)?;
    let limits = yaml.section("limits")?;
    let of_version = if format == PackageFormat::Legacy {
        LEGACY_LIMITS
    } else {
        MODERN_LIMITS
    };
    limits.allow_only(&[LIMITS, of_version])?;
    tell_what_is_not_kept(&yaml, &limits, notes)?;

    let mut settings = settings(&yaml)?;
    let time_limit = time_limit(folder, &limits, &settings, notes)?;
    settings.timeout_ms = time_limit.map(|(ms, _)| ms);
    let mebibytes = |key| limits.whole_number(key);
    settings.memory_limit_mb = settings.memory_limit_mb.or(mebibytes("memory")?);
    settings.output_limit_bytes = settings
        .output_limit_bytes
        .or(mebibytes("output")?.map(|mebibytes| mebibytes.saturating_mul(1 << 20)));
    settings.compile_timeout_ms = settings
        .compile_timeout_ms
        .or(milliseconds(&limits, "compilation_time")?);
    Ok(Metadata {
        format,
        name: name(&yaml)?,
        settings,
        time_limit_from: time_limit.map(|(_, from)| from),
        time_rule: time_rule(&limits, format)?,
        code_bytes: limits
            .whole_number("code")?
            .map(|kibibytes| kibibytes.saturating_mul(1 << 10)),
        validation: validation(&yaml)?,
        validator_flags: yaml.words("validator_flags")?.unwrap_or_default(),
        constants: yaml.section("constants")?.keys().map(str::to_owned).collect(),
    })
}

fn format(yaml: &Section) -> Result<PackageFormat, Failure> {
    const KEY: &str = "problem_format_version";
    match yaml.text(KEY)?.as_deref() {
        None | Some("legacy" | "legacy-icpc" | "icpc") => Ok(PackageFormat::Legacy),
        Some("2023-07" | "2023-07-draft") => Ok(PackageFormat::Of2023),
        Some("2025-09" | "2025-09-draft") => Ok(PackageFormat::Of2025),
        Some(other) => Err(yaml.refuse(
            KEY,
            &format!("{other:?} is not known; legacy, legacy-icpc, 2023-07-draft and 2025-09 are"),
        )),
    }
}

/// The name in English, or in the first language there is.
fn name(yaml: &Section) -> Result<Option<String>, Failure> {
    let Some(Value::Mapping(names)) = yaml.get("name") else {
        return yaml.text("name");
    };
    let name = names.get("en").or_else(|| names.values().next());
    Ok(name.and_then(Value::text).map(str::to_owned))
}

fn refuse_types(yaml: &Section) -> Result<(), Failure> {
    for kind in yaml.words("type")?.unwrap_or_default() {
        match kind.as_str() {
            "pass-fail" => {}
            "scoring" | "interactive" | "multi-pass" | "submit-answer" => {
                return Err(yaml.refuse("type", &format!("{kind} problems cannot be graded yet")));
            }
            _ => return Err(yaml.refuse("type", &format!("{kind:?} is not known"))),
        }
    }
    Ok(())
}

fn validation(yaml: &Section) -> Result<Validation, Failure> {
    const KEY: &str = "validation";
    let words = yaml.words(KEY)?.unwrap_or_default();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["default"] => Ok(Validation::Default),
        ["custom"] => Ok(Validation::Custom),
        ["custom", ref rest @ ..] if rest.iter().all(|word| ["interactive", "score"].contains(word)) => {
            Err(yaml.refuse(KEY, &format!("custom {} cannot be graded yet", rest.join(" "))))
        }
        _ => Err(yaml.refuse(KEY, &format!("{:?} is not known", words.join(" ")))),
    }
}

/// The section `optimus`.
fn settings(yaml: &Section) -> Result<Settings, Failure> {
    match yaml.get("optimus") {
        None => Ok(Settings::default()),
        Some(section) => json::of_value(section.to_json(), format_args!("{FILE}: optimus")),
    }
}

fn milliseconds(limits: &Section, key: &str) -> Result<Option<u64>, Failure> {
    Ok(limits.number(key)?.map(from_seconds))
}

fn from_seconds(seconds: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast saturates, and limits are checked where they are used"
    )]
    let ms = (seconds * 1000.0).round() as u64;
    ms.max(1)
}

/// The CPU time of one test in milliseconds where somebody has set it, and who.
fn time_limit(
    folder: &Path,
    limits: &Section,
    settings: &Settings,
    notes: &mut Notes,
) -> Result<Option<(u64, &'static str)>, Failure> {
    let domjudge = DomjudgeFile::read(folder, settings, notes)?;
    if let Some(ms) = settings.timeout_ms {
        return Ok(Some((ms, "problem.yaml: optimus: timeout_ms")));
    }
    // The legacy versions know it in no file of theirs; tools of their users write and read these three.
    if let Some(ms) = milliseconds(limits, "time_limit")? {
        return Ok(Some((ms, "problem.yaml: limits: time_limit")));
    }
    let (value, file) = if let Some(value) = domjudge.time_limit {
        (value, DOMJUDGE_FILE)
    } else if let Some(text) = text::read_if_there(&folder.join(TIME_LIMIT_FILE))? {
        (text.trim().to_owned(), TIME_LIMIT_FILE)
    } else {
        return Ok(None);
    };
    let seconds = value
        .parse()
        .ok()
        .filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0)
        .ok_or_else(|| Failure::usage(format!("{file}: the time limit {value:?} is no time in seconds")))?;
    Ok(Some((from_seconds(seconds), file)))
}

const TIME_LIMIT_FILE: &str = ".timelimit";
const DOMJUDGE_FILE: &str = "domjudge-problem.ini";
/// Keys of that file that say nothing about grading.
const DOMJUDGE_ABOUT: [&str; 9] = [
    "name",
    "short-name",
    "probid",
    "problemtext-file",
    "externalid",
    "allow_submit",
    "allow_judge",
    "points",
    "color",
];

/// What [`DOMJUDGE_FILE`] says.
#[derive(Debug, Default)]
struct DomjudgeFile {
    time_limit: Option<String>,
}

impl DomjudgeFile {
    fn read(folder: &Path, settings: &Settings, notes: &mut Notes) -> Result<Self, Failure> {
        let mut found = Self::default();
        let Some(text) = text::read_if_there(&folder.join(DOMJUDGE_FILE))? else {
            return Ok(found);
        };
        for line in text.split(['\n', '\r']).map(str::trim) {
            if line.is_empty() || line.starts_with([';', '#', '[']) {
                continue;
            }
            let (key, value) = line
                .split_once('=')
                .with_context(|| format!("{DOMJUDGE_FILE}: {line:?} is no key with a value"))
                .usage()?;
            let (key, value) = (key.trim(), ini_value(value));
            match key {
                // Of several the last one holds, as where DOMjudge reads it.
                "timelimit" => found.time_limit = Some(value.to_owned()),
                // Whoever wrote `optimus: checker` has said what is to take the comparing program's place.
                "special_compare" if settings.checker.is_some() => {}
                "special_run" | "special_compare" if !value.is_empty() => {
                    return Err(Failure::usage(format!(
                        "{DOMJUDGE_FILE}: {key}: a program of the judge's own cannot be run yet"
                    )));
                }
                "special_run" | "special_compare" => {}
                _ if DOMJUDGE_ABOUT.contains(&key) => {}
                _ => notes.say(format!(
                    "{DOMJUDGE_FILE}: {key}: not looked at; nobody knows this key"
                )),
            }
        }
        Ok(found)
    }
}

/// As `DOMjudge` reads them: what stands in quotes, or what stands before a comment.
fn ini_value(written: &str) -> &str {
    let written = written.trim();
    for quote in ['"', '\''] {
        if let Some((inner, _)) = written
            .strip_prefix(quote)
            .and_then(|rest| rest.split_once(quote))
        {
            return inner.trim();
        }
    }
    let before_comment = written.split(';').next().unwrap_or_default();
    before_comment.trim()
}

/// Keys of the format that say something about grading, and are passed over.
fn tell_what_is_not_kept(yaml: &Section, limits: &Section, notes: &mut Notes) -> Result<(), Failure> {
    let mut say = |key: &str, why: &str| notes.say(format!("{FILE}: {key}: not looked at; {why}"));
    if yaml
        .words("languages")?
        .is_some_and(|languages| languages != ["all"])
    {
        say("languages", "programs of every language are graded");
    }
    if yaml.get("allow_file_writing").is_some_and(Value::is_false) {
        say(
            "allow_file_writing",
            "programs may write in their box, which is theirs alone",
        );
    }
    for key in ["grading", "libraries"] {
        if yaml.get(key).is_some() {
            say(key, "it changes no verdict of a problem without scores");
        }
    }
    for key in LIMITS_NOT_KEPT.iter().filter(|key| limits.get(key).is_some()) {
        say(&format!("limits: {key}"), "this limit is not kept");
    }
    if limits
        .section("time_multipliers")?
        .get("time_limit_to_tle")
        .is_some()
    {
        say(
            "limits: time_multipliers: time_limit_to_tle",
            "this limit is not kept",
        );
    }
    Ok(())
}

fn time_rule(limits: &Section, format: PackageFormat) -> Result<TimeRule, Failure> {
    if format == PackageFormat::Legacy {
        return Ok(TimeRule {
            multiplier: limits.number("time_multiplier")?.unwrap_or(5.0),
            resolution_ms: 1000,
        });
    }
    let multipliers = limits.section("time_multipliers")?;
    multipliers.allow_only(&[&["ac_to_time_limit", "time_limit_to_tle"]])?;
    Ok(TimeRule {
        multiplier: multipliers.number("ac_to_time_limit")?.unwrap_or(2.0),
        resolution_ms: milliseconds(limits, "time_resolution")?.unwrap_or(1000),
    })
}
