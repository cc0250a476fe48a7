//! One test case from its files.

use std::{fs, path::Path};

use optimus_common::{payload::text_or_base64, submission::TestCase};

use crate::exit::{Failure, or_cannot_read};

pub(super) fn case(id: u64, input: &Path, answer: &Path) -> Result<TestCase, Failure> {
    let read = |path: &Path| or_cannot_read(path, fs::read(path));
    let (input, input_base64) = text_or_base64(read(input)?);
    let (expected_output, expected_output_base64) = text_or_base64(read(answer)?);
    Ok(TestCase {
        input,
        input_base64,
        expected_output,
        expected_output_base64,
        ..TestCase::new(id, "", "")
    })
}
