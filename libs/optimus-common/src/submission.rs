//! What a client sends to `POST /jobs`.
//!
//! Reading JSON refuses unknown fields and wrong types; [`Submission::validate`] checks everything else before
//! anything is stored (`rules`). The same JSON is what a store keeps.

mod rules;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::rules::{InvalidSubmission, SubmissionLimits, check_file_name};
use crate::{
    checker::Checker, content::NamedContent, ids::LanguageName, job::Priority, no_duplicate_keys,
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

shape::objects!(Submission, SourceFile, TestCase);
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
    /// A file whose content is text.
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

    /// As [`Self::named_content`], to note what becomes known of it.
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
}
