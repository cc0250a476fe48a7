//! The rules that a submission must keep.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{Payload, SourceFile, Submission};
use crate::{box_layout::OUTPUT_DIR, content::NamedContent, counted, shape};

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

shape::objects!(SubmissionLimits);

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

impl Payload<'_> {
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

impl Submission {
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
                        "the content named up to here has {total} bytes in all; at most {most} are accepted"
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
                    return Err(invalid("entry_point", "can be given only with files"));
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
                    "has {}; at most {} are accepted",
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
                    "has {}; at most {} are accepted",
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
                return Err(invalid(
                    field,
                    format!(
                        "{:?} is given twice; each file needs a name of its own",
                        file.name
                    ),
                ));
            }
            file.payload().exactly_one(&format!("files[{i}].content"))?;
        }
        for (i, file) in files.iter().enumerate() {
            let mut parents = file.name.match_indices('/').map(|(at, _)| &file.name[..at]);
            if let Some(parent) = parents.find(|parent| names.contains(parent)) {
                return Err(invalid(
                    format!("files[{i}].name"),
                    format!("{parent:?} is the name of a file, and so cannot be a folder"),
                ));
            }
        }
        match &self.entry_point {
            Some(name) if !names.contains(name.as_str()) => Err(invalid(
                "entry_point",
                format!("{name:?} is not the name of any of the files"),
            )),
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
                    "has {}; at most {} are accepted",
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
                    format!(
                        "{} is given twice; each test case needs an id of its own",
                        test.id
                    ),
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
                return Err(invalid(
                    field,
                    format!("is {value}; it must be from 1 to {maximum}"),
                ));
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
                format!(
                    "{} in args and {} in env; at most {} are accepted together",
                    counted(self.args.len(), "argument"),
                    counted(self.env.len(), "variable"),
                    maxima.args
                ),
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
                    "args and env together have {}; at most {} are accepted",
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
