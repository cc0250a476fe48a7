//! What a job holds, as a file or an object notes it: a digest a line.

use optimus_common::{JobId, content::Digest};

pub(crate) fn text(digests: &[Digest]) -> String {
    digests
        .iter()
        .flat_map(|digest| [digest.to_string(), "\n".to_owned()])
        .collect()
}

/// What is noted. A line that names nothing holds nothing.
pub(crate) fn digests(job: JobId, text: &[u8]) -> Vec<Digest> {
    let text = String::from_utf8_lossy(text);
    let (digests, strange): (Vec<_>, Vec<_>) = text.lines().map(str::parse).partition(Result::is_ok);
    if !strange.is_empty() {
        tracing::warn!(job_id = %job, "the note of what a job holds is damaged");
    }
    digests.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_again_as_far_as_it_is_whole() {
        let held = [Digest::from([1; 32]), Digest::from([2; 32])];
        let note = text(&held);
        assert_eq!(digests(JobId::new(), note.as_bytes()), held);
        assert_eq!(digests(JobId::new(), &note.as_bytes()[..100]), held[..1]);
        assert_eq!(digests(JobId::new(), b""), []);
    }
}
