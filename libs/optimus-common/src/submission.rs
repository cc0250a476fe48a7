//! What a client sends to `POST /jobs`, and the rules it must keep.
//!
//! Reading JSON refuses unknown fields and wrong types; [`Submission::validate`] checks everything else before
//! anything is stored. The same JSON is what a store keeps.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::{
    box_layout::OUTPUT_DIR, checker::Checker, content::NamedContent, counted, ids::LanguageName,
    job::Priority, no_duplicate_keys, payload::Base64Bytes, shape,
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

/// One source file: as text, as base64, or by the digest of content that was stored before.
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
    /// The SHA-256 under which the content was stored by `PUT /blobs/{sha256}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, pattern = "^[0-9a-f]{64}$"))]
    pub content_sha256: Option<NamedContent>,
}

impl SourceFile {
    /// Of text.
    pub fn new(name: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            content: Some(content.into()),
            content_base64: None,
            content_sha256: None,
        }
    }

    fn payload(&self) -> Payload<'_> {
        Payload {
            text: self.content.as_ref(),
            base64: self.content_base64.as_ref(),
            sha256: self.content_sha256.as_ref(),
        }
    }

    /// Content that is named by its digest must have been fetched.
    pub fn bytes(&self) -> &[u8] {
        self.payload().bytes()
    }

    /// How many bytes it has, also where they are not here; 0 where nobody knows.
    pub fn size(&self) -> u64 {
        self.payload().size()
    }
}

/// One test case. Input and expected output are text, base64 where they are not UTF-8, or the digests of content that was
/// stored before. One of `expected_output`, `expected_output_base64` and `expected_output_sha256` is required.
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
    /// The SHA-256 under which the input was stored by `PUT /blobs/{sha256}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, pattern = "^[0-9a-f]{64}$"))]
    pub input_sha256: Option<NamedContent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_output: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = Byte))]
    pub expected_output_base64: Option<Base64Bytes>,
    /// The SHA-256 under which the expected output was stored by `PUT /blobs/{sha256}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, pattern = "^[0-9a-f]{64}$"))]
    pub expected_output_sha256: Option<NamedContent>,
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
            input_sha256: None,
            expected_output: Some(expected_output.into()),
            expected_output_base64: None,
            expected_output_sha256: None,
            points: None,
            hidden: false,
        }
    }

    fn input_payload(&self) -> Payload<'_> {
        Payload {
            text: self.input.as_ref(),
            base64: self.input_base64.as_ref(),
            sha256: self.input_sha256.as_ref(),
        }
    }

    fn expected_payload(&self) -> Payload<'_> {
        Payload {
            text: self.expected_output.as_ref(),
            base64: self.expected_output_base64.as_ref(),
            sha256: self.expected_output_sha256.as_ref(),
        }
    }

    /// Content that is named by its digest must have been fetched.
    pub fn input(&self) -> &[u8] {
        self.input_payload().bytes()
    }

    /// How many bytes it has, also where they are not here; 0 where nobody knows.
    pub fn input_size(&self) -> u64 {
        self.input_payload().size()
    }

    /// Content that is named by its digest must have been fetched.
    pub fn expected_output(&self) -> &[u8] {
        self.expected_payload().bytes()
    }

    pub fn points(&self) -> f64 {
        self.points.unwrap_or(1.0)
    }
}

/// The fields for some bytes, of which one is set, or none.
struct Payload<'a> {
    text: Option<&'a String>,
    base64: Option<&'a Base64Bytes>,
    sha256: Option<&'a NamedContent>,
}

impl<'a> Payload<'a> {
    fn bytes(&self) -> &'a [u8] {
        let inline = self.text.map(String::as_bytes);
        let inline = inline.or_else(|| self.base64.map(|bytes| bytes.0.as_slice()));
        // Nothing in its place would be graded as if it were the content.
        inline.unwrap_or_else(|| {
            self.sha256.map_or(&[], |named| {
                named.bytes().expect("named content is fetched before it is used")
            })
        })
    }

    fn size(&self) -> u64 {
        match self.sha256 {
            Some(named) => named.size().unwrap_or(0),
            None => self.bytes().len() as u64,
        }
    }

    /// `name` is the field of the text.
    fn at_most_one(&self, name: &str) -> Result<(), InvalidSubmission> {
        let fields = [
            (self.text.is_some(), ""),
            (self.base64.is_some(), "_base64"),
            (self.sha256.is_some(), "_sha256"),
        ];
        let mut given = fields.iter().filter(|(is_given, _)| *is_given);
        let (Some(_), Some((_, second))) = (given.next(), given.next()) else {
            return Ok(());
        };
        let field = name.rsplit('.').next().unwrap_or(name);
        Err(invalid(
            format!("{name}{second}"),
            format!("give only one of {field}, {field}_base64 and {field}_sha256"),
        ))
    }

    fn exactly_one(&self, name: &str) -> Result<(), InvalidSubmission> {
        self.at_most_one(name)?;
        if self.text.is_none() && self.base64.is_none() && self.sha256.is_none() {
            return Err(invalid(name, "is missing"));
        }
        Ok(())
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

    /// Everything that is named by its digest.
    pub fn named_content(&self) -> impl Iterator<Item = &NamedContent> {
        let files = self.files.iter().filter_map(|file| file.content_sha256.as_ref());
        let tests = self.test_cases.iter().flat_map(|test| {
            let both = [&test.input_sha256, &test.expected_output_sha256];
            both.into_iter().flatten()
        });
        files.chain(tests)
    }

    /// The same, to note what becomes known of it.
    pub fn named_content_mut(&mut self) -> impl Iterator<Item = &mut NamedContent> {
        let files = self
            .files
            .iter_mut()
            .filter_map(|file| file.content_sha256.as_mut());
        let tests = self.test_cases.iter_mut().flat_map(|test| {
            let both = [&mut test.input_sha256, &mut test.expected_output_sha256];
            both.into_iter().flatten()
        });
        files.chain(tests)
    }

    /// Checks what is named by its digest: that it is there, as far as its size is known, and that all of it is within
    /// `most` bytes, each content as often as it is named.
    pub fn validate_content(&self, most: u64) -> Result<(), InvalidSubmission> {
        let missing = |named: &NamedContent| {
            format!(
                "there is no content {}; store it by PUT /blobs/{} first",
                named.digest(),
                named.digest()
            )
        };
        let mut total = 0_u64;
        let mut count = |field: String, named: Option<&NamedContent>| {
            let Some(named) = named else { return Ok(()) };
            let Some(size) = named.size() else {
                return Err(invalid(field, missing(named)));
            };
            total = total.saturating_add(size);
            if total > most {
                return Err(invalid(
                    field,
                    format!(
                        "with this, the content named has {total} bytes, of which at most {most} are taken"
                    ),
                ));
            }
            Ok(())
        };
        for (i, file) in self.files.iter().enumerate() {
            count(format!("files[{i}].content_sha256"), file.content_sha256.as_ref())?;
        }
        for (i, test) in self.test_cases.iter().enumerate() {
            count(
                format!("test_cases[{i}].input_sha256"),
                test.input_sha256.as_ref(),
            )?;
            count(
                format!("test_cases[{i}].expected_output_sha256"),
                test.expected_output_sha256.as_ref(),
            )?;
        }
        Ok(())
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
                source.len() as u64
            }
            (None, files) => {
                self.validate_files(files, maxima)?;
                files.iter().map(SourceFile::size).sum()
            }
        };
        if total > maxima.source_bytes {
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
            file.payload().exactly_one(&format!("files[{i}].content"))?;
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
            test.input_payload()
                .at_most_one(&format!("test_cases[{i}].input"))?;
            test.expected_payload()
                .exactly_one(&format!("test_cases[{i}].expected_output"))?;
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
