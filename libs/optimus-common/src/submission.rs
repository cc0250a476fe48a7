//! What a client sends to `POST /jobs`, and the rules it must keep.
//!
//! Reading JSON refuses unknown fields and wrong types; [`Submission::validate`] checks everything else before
//! anything is stored. The same JSON is what a store keeps.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::{
    checker::Checker, counted, ids::LanguageName, job::Priority, language::OUTPUT_DIR, no_duplicate_keys,
    payload::Base64Bytes, shape,
};

/// A program and the test cases to grade it by. Only `language`, `test_cases`, and one of `source_code` and `files`
/// are required; every limit left out takes the language's or the installation's default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, remote = "Self", expecting = "an object")]
pub struct Submission {
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "python"))]
    pub language: LanguageName,
    /// The whole program, where it is one file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(example = "print(input())"))]
    pub source_code: Option<String>,
    /// The program, where it is several files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<SourceFile>,
    /// Which of `files` the program starts with. By default the only source of the language, else the one called
    /// `__main__`, `main` or `Main`, else the first; a compile step that is given all sources finds it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_point: Option<String>,
    pub test_cases: Vec<TestCase>,
    /// CPU time of one test, over all threads and child processes, before the language's multiplier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(example = 5000))]
    pub timeout_ms: Option<u64>,
    /// Wall time of one test. Default: `2 x timeout_ms + 1000`, after the multiplier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_timeout_ms: Option<u64>,
    /// CPU time of the compile step; its wall limit is `2 x compile_timeout_ms + 1000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compile_timeout_ms: Option<u64>,
    /// Memory of one test's whole process tree, in MiB (2^20 bytes), before the language's allowance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit_mb: Option<u64>,
    /// Bytes one test may write to standard output, and as many again to standard error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_limit_bytes: Option<u64>,
    /// Arguments given to the program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment variables of the program, beside the language's own.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "no_duplicate_keys::string_map"
    )]
    pub env: BTreeMap<String, String>,
    /// How outputs are compared.
    #[serde(default)]
    pub checker: Checker,
    /// What the messages of wrong answers tell. Default: `verdict_only` for tests that are `hidden`, `full` for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_detail: Option<MessageDetail>,
    /// Do not run the tests after the first one that is not accepted; they are `skipped`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stop_on_failure: bool,
    #[serde(default)]
    pub priority: Priority,
    /// Anything; echoed back with the job.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "no_duplicate_keys::any_json"
    )]
    pub metadata: Option<serde_json::Value>,
}

shape::objects!(Submission, SourceFile, TestCase, SubmissionLimits);
shape::words!(MessageDetail);

/// What the message of a wrong answer tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum MessageDetail {
    /// Where the output differs, and what the program wrote there. From enough of that an expected output can be learnt.
    Full,
    /// Nothing: there is no message.
    VerdictOnly,
}

/// One source file, as text or as base64.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, remote = "Self", expecting = "an object")]
pub struct SourceFile {
    /// A relative path of plain components, such as `src/util.py`.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = Byte))]
    pub content_base64: Option<Base64Bytes>,
}

impl SourceFile {
    pub fn bytes(&self) -> &[u8] {
        either(self.content.as_ref(), self.content_base64.as_ref())
    }
}

/// One test case. Input and expected output are text, or base64 where they are not UTF-8. One of `expected_output` and
/// `expected_output_base64` is required.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, remote = "Self", expecting = "an object")]
pub struct TestCase {
    /// Unique in the submission.
    pub id: u64,
    /// What the program reads from standard input; empty by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = Byte))]
    pub input_base64: Option<Base64Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_output: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = Byte))]
    pub expected_output_base64: Option<Base64Bytes>,
    /// Weight of this test in `score`; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<f64>,
    /// Whether nobody who sees the result may learn what is expected, see `message_detail`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
}

impl TestCase {
    /// A test of texts, and nothing else.
    pub fn new(id: u64, input: impl Into<String>, expected_output: impl Into<String>) -> Self {
        Self {
            id,
            input: Some(input.into()),
            input_base64: None,
            expected_output: Some(expected_output.into()),
            expected_output_base64: None,
            points: None,
            hidden: false,
        }
    }

    pub fn input(&self) -> &[u8] {
        either(self.input.as_ref(), self.input_base64.as_ref())
    }

    pub fn expected_output(&self) -> &[u8] {
        either(
            self.expected_output.as_ref(),
            self.expected_output_base64.as_ref(),
        )
    }

    pub fn points(&self) -> f64 {
        self.points.unwrap_or(1.0)
    }
}

fn either<'a>(text: Option<&'a String>, bytes: Option<&'a Base64Bytes>) -> &'a [u8] {
    match (text, bytes) {
        (Some(text), _) => text.as_bytes(),
        (None, Some(bytes)) => &bytes.0,
        (None, None) => &[],
    }
}

/// The largest values an installation accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, remote = "Self", expecting = "a table")]
pub struct SubmissionLimits {
    pub test_cases: u64,
    pub source_bytes: u64,
    pub files: u64,
    pub timeout_ms: u64,
    pub wall_timeout_ms: u64,
    pub compile_timeout_ms: u64,
    pub memory_limit_mb: u64,
    pub output_limit_bytes: u64,
    pub args: u64,
    pub args_bytes: u64,
    pub metadata_bytes: u64,
}

/// A rule broken, and by which field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct InvalidSubmission {
    /// Path of the field as in the JSON sent, such as `test_cases[3].id`.
    pub field: String,
    /// What is wrong with it, and what would be right.
    pub message: String,
}

fn invalid(field: impl Into<String>, message: impl Into<String>) -> InvalidSubmission {
    InvalidSubmission {
        field: field.into(),
        message: message.into(),
    }
}

impl Submission {
    /// A program of one file with its tests, and nothing else.
    pub fn new(language: LanguageName, source_code: impl Into<String>, test_cases: Vec<TestCase>) -> Self {
        Self {
            language,
            source_code: Some(source_code.into()),
            files: Vec::new(),
            entry_point: None,
            test_cases,
            timeout_ms: None,
            wall_timeout_ms: None,
            compile_timeout_ms: None,
            memory_limit_mb: None,
            output_limit_bytes: None,
            args: Vec::new(),
            env: BTreeMap::new(),
            checker: Checker::default(),
            message_detail: None,
            stop_on_failure: false,
            priority: Priority::default(),
            metadata: None,
        }
    }

    /// What the message of a wrong answer to a test tells.
    pub fn message_detail(&self, test: &TestCase) -> MessageDetail {
        self.message_detail.unwrap_or(if test.hidden {
            MessageDetail::VerdictOnly
        } else {
            MessageDetail::Full
        })
    }

    /// Checks every rule that needs no knowledge of the configured languages.
    pub fn validate(&self, maxima: &SubmissionLimits) -> Result<(), InvalidSubmission> {
        self.validate_sources(maxima)?;
        self.validate_tests(maxima)?;
        self.validate_limits(maxima)?;
        self.validate_checker()?;
        self.validate_args_and_env(maxima)?;
        if let Some(metadata) = &self.metadata
            && metadata.to_string().len() as u64 > maxima.metadata_bytes
        {
            return Err(invalid(
                "metadata",
                format!(
                    "may have at most {} as JSON",
                    counted(maxima.metadata_bytes, "byte")
                ),
            ));
        }
        Ok(())
    }

    fn validate_sources(&self, maxima: &SubmissionLimits) -> Result<(), InvalidSubmission> {
        let total = match (&self.source_code, self.files.as_slice()) {
            (Some(_), [_, ..]) => {
                return Err(invalid("files", "give either source_code or files, not both"));
            }
            (None, []) => return Err(invalid("source_code", "is missing; give source_code or files")),
            (Some(source), []) => {
                if self.entry_point.is_some() {
                    return Err(invalid("entry_point", "names one of files; source_code has none"));
                }
                source.len()
            }
            (None, files) => {
                self.validate_files(files, maxima)?;
                files.iter().map(|file| file.bytes().len()).sum()
            }
        };
        if total as u64 > maxima.source_bytes {
            let field = if self.source_code.is_some() {
                "source_code"
            } else {
                "files"
            };
            return Err(invalid(
                field,
                format!(
                    "{}, of which at most {} are taken",
                    counted(total, "byte"),
                    maxima.source_bytes
                ),
            ));
        }
        Ok(())
    }

    fn validate_files(
        &self,
        files: &[SourceFile],
        maxima: &SubmissionLimits,
    ) -> Result<(), InvalidSubmission> {
        if files.len() as u64 > maxima.files {
            return Err(invalid(
                "files",
                format!(
                    "{}, of which at most {} are taken",
                    counted(files.len(), "file"),
                    maxima.files
                ),
            ));
        }
        let mut names = HashSet::new();
        for (i, file) in files.iter().enumerate() {
            let field = format!("files[{i}].name");
            check_file_name(&file.name).map_err(|message| invalid(&field, message))?;
            if !names.insert(file.name.as_str()) {
                return Err(invalid(field, format!("{:?} stands there twice", file.name)));
            }
            exactly_one(
                (format!("files[{i}].content"), file.content.is_some()),
                (
                    format!("files[{i}].content_base64"),
                    file.content_base64.is_some(),
                ),
            )?;
        }
        for (i, file) in files.iter().enumerate() {
            let mut parents = file.name.match_indices('/').map(|(at, _)| &file.name[..at]);
            if let Some(parent) = parents.find(|parent| names.contains(parent)) {
                return Err(invalid(
                    format!("files[{i}].name"),
                    format!("{parent:?} is a file already"),
                ));
            }
        }
        match &self.entry_point {
            Some(name) if !names.contains(name.as_str()) => {
                Err(invalid("entry_point", format!("{name:?} is none of files")))
            }
            _ => Ok(()),
        }
    }

    fn validate_tests(&self, maxima: &SubmissionLimits) -> Result<(), InvalidSubmission> {
        if self.test_cases.is_empty() {
            return Err(invalid(
                "test_cases",
                "is empty; at least one test case is needed",
            ));
        }
        if self.test_cases.len() as u64 > maxima.test_cases {
            return Err(invalid(
                "test_cases",
                format!(
                    "{}, of which at most {} are taken",
                    counted(self.test_cases.len(), "test case"),
                    maxima.test_cases
                ),
            ));
        }
        let mut ids = HashSet::new();
        let mut points = 0.0;
        for (i, test) in self.test_cases.iter().enumerate() {
            if !ids.insert(test.id) {
                return Err(invalid(
                    format!("test_cases[{i}].id"),
                    format!("{} stands there twice", test.id),
                ));
            }
            if test.input.is_some() && test.input_base64.is_some() {
                return Err(invalid(
                    format!("test_cases[{i}].input_base64"),
                    "give either input or input_base64",
                ));
            }
            exactly_one(
                (
                    format!("test_cases[{i}].expected_output"),
                    test.expected_output.is_some(),
                ),
                (
                    format!("test_cases[{i}].expected_output_base64"),
                    test.expected_output_base64.is_some(),
                ),
            )?;
            if !(test.points() >= 0.0 && test.points().is_finite()) {
                return Err(invalid(
                    format!("test_cases[{i}].points"),
                    "must be a finite number, 0 or more",
                ));
            }
            points += test.points();
        }
        if !(points > 0.0 && points.is_finite()) {
            return Err(invalid(
                "test_cases",
                "the sum of all points must be a finite number above 0",
            ));
        }
        Ok(())
    }

    fn validate_limits(&self, maxima: &SubmissionLimits) -> Result<(), InvalidSubmission> {
        let limits = [
            ("timeout_ms", self.timeout_ms, maxima.timeout_ms),
            ("wall_timeout_ms", self.wall_timeout_ms, maxima.wall_timeout_ms),
            (
                "compile_timeout_ms",
                self.compile_timeout_ms,
                maxima.compile_timeout_ms,
            ),
            ("memory_limit_mb", self.memory_limit_mb, maxima.memory_limit_mb),
            (
                "output_limit_bytes",
                self.output_limit_bytes,
                maxima.output_limit_bytes,
            ),
        ];
        for (field, value, maximum) in limits {
            if let Some(value) = value
                && !(1..=maximum).contains(&value)
            {
                return Err(invalid(field, format!("is {value}; 1 to {maximum} are taken")));
            }
        }
        Ok(())
    }

    fn validate_checker(&self) -> Result<(), InvalidSubmission> {
        for (field, value) in self.checker.tolerances() {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(invalid(
                    format!("checker.{field}"),
                    "must be a finite number, 0 or more",
                ));
            }
        }
        Ok(())
    }

    fn validate_args_and_env(&self, maxima: &SubmissionLimits) -> Result<(), InvalidSubmission> {
        if (self.args.len() + self.env.len()) as u64 > maxima.args {
            return Err(invalid(
                more_of(self.args.len(), self.env.len()),
                format!("at most {} arguments and variables are taken", maxima.args),
            ));
        }
        let (mut in_args, mut in_env) = (0, 0);
        for (i, arg) in self.args.iter().enumerate() {
            in_args += arg.len();
            if arg.contains('\0') {
                return Err(invalid(format!("args[{i}]"), "must not contain NUL bytes"));
            }
        }
        for (name, value) in &self.env {
            in_env += name.len() + value.len();
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(invalid(
                    format!("env.{name}"),
                    "a name must not be empty or contain '='; neither name nor value may contain NUL bytes",
                ));
            }
        }
        let total = in_args + in_env;
        if total as u64 > maxima.args_bytes {
            return Err(invalid(
                more_of(in_args, in_env),
                format!(
                    "args and env together have {}; at most {} are taken",
                    counted(total, "byte"),
                    maxima.args_bytes
                ),
            ));
        }
        Ok(())
    }
}

/// The one to shorten, where both together are too much.
fn more_of(args: usize, env: usize) -> &'static str {
    if args > env { "args" } else { "env" }
}

fn exactly_one(text: (String, bool), base64: (String, bool)) -> Result<(), InvalidSubmission> {
    match (text.1, base64.1) {
        (true, true) => Err(invalid(
            base64.0,
            "give either the text or the base64 field, not both",
        )),
        (false, false) => Err(invalid(text.0, "is missing")),
        _ => Ok(()),
    }
}

/// A relative path of plain components: nothing absolute, no `.` or `..`, nothing hidden from a person reading it.
pub fn check_file_name(name: &str) -> Result<(), &'static str> {
    const LONGEST: usize = 255;
    if name.is_empty() || name.len() > LONGEST {
        return Err("must have 1 to 255 bytes");
    }
    if name.starts_with('/') {
        return Err("must be a relative path");
    }
    if name.contains('\\') || name.chars().any(char::is_control) {
        return Err("must not contain backslashes or control characters");
    }
    if name
        .split('/')
        .any(|part| part.is_empty() || part == "." || part == "..")
    {
        return Err("must not have empty, '.' or '..' components");
    }
    if name.split('/').next() == Some(OUTPUT_DIR) {
        return Err("must not be in the folder '.optimus', which is kept for the compiled program");
    }
    if name.starts_with(['-', '@']) {
        return Err("must not start with '-' or '@', which a compiler would take for options");
    }
    Ok(())
}
