//! `@EXPECTED_RESULTS@:`, by which a program's comment says how it may end.

use optimus_common::result::Verdict;

const TAG: &str = "@EXPECTED_RESULTS@:";
const SCORE_TAG: &str = "@EXPECTED_SCORE@:";

/// The verdicts a program's own sources allow; `None` where none of them says anything.
pub(super) fn find<'a>(sources: impl Iterator<Item = &'a [u8]>) -> Result<Option<Vec<Verdict>>, String> {
    let mut found = None;
    for source in sources {
        // Latin letters alone matter, and any byte may stand beside them.
        let text = String::from_utf8_lossy(source).to_ascii_uppercase();
        if text.contains(SCORE_TAG) {
            return Err(format!("{SCORE_TAG} scores cannot be graded yet"));
        }
        for (at, _) in text.match_indices(TAG) {
            let line = text[at + TAG.len()..].lines().next().unwrap_or_default();
            if found.replace(verdicts(line)?).is_some() {
                return Err(format!("{TAG} is given more than once"));
            }
        }
    }
    Ok(found)
}

fn verdicts(line: &str) -> Result<Vec<Verdict>, String> {
    // What ends the comment may stand on the same line.
    let line = line.trim().trim_end_matches("*/").trim_end_matches("-->");
    let mut verdicts = Vec::new();
    for word in line.split(',').map(str::trim) {
        verdicts.extend_from_slice(match word.replace('-', "_").as_str() {
            "CORRECT" | "ACCEPTED" => &[Verdict::Accepted],
            "WRONG_ANSWER" | "NO_OUTPUT" => &[Verdict::WrongAnswer],
            "TIMELIMIT" | "TIME_LIMIT_EXCEEDED" => &[Verdict::TimeLimitExceeded],
            "RUN_ERROR" | "RUN_TIME_ERROR" => &[Verdict::RuntimeError, Verdict::MemoryLimitExceeded],
            "OUTPUT_LIMIT" => &[Verdict::OutputLimitExceeded],
            "COMPILER_ERROR" => &[Verdict::CompilationError],
            _ => return Err(format!("{TAG} {word:?} is no result")),
        });
    }
    Ok(verdicts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sources: &[&str]) -> Result<Option<Vec<Verdict>>, String> {
        find(sources.iter().map(|source| source.as_bytes()))
    }

    #[test]
    fn results_are_read_from_comments() {
        assert_eq!(read(&["print(1)", "# nothing"]), Ok(None));
        assert_eq!(
            read(&["x", "/* @EXPECTED_RESULTS@: TIMELIMIT, wrong-answer */\nint x;"]),
            Ok(Some(vec![Verdict::TimeLimitExceeded, Verdict::WrongAnswer]))
        );
        assert_eq!(
            read(&["# @expected_results@: RUN_TIME_ERROR\r\n"]),
            Ok(Some(vec![Verdict::RuntimeError, Verdict::MemoryLimitExceeded]))
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (sources, part) in [
            (&["# @EXPECTED_RESULTS@: MAYBE"][..], "MAYBE"),
            (&["# @EXPECTED_RESULTS@:"], "\"\""),
            (
                &["# @EXPECTED_RESULTS@: CORRECT", "# @EXPECTED_RESULTS@: CORRECT"],
                "more than once",
            ),
            (&["# @EXPECTED_SCORE@: 30"], "SCORE"),
        ] {
            let error = read(sources).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
