//! Where an output first differs, with the program's own text from there.

/// Bytes shown from where the output differs on, and of what stands before it on the same line.
pub(super) const AFTER: usize = 60;
const BEFORE: usize = 20;

/// A difference whose excerpt may still be arriving.
#[derive(Debug)]
pub(super) struct Difference {
    place: String,
    before: Vec<u8>,
    after: Vec<u8>,
    /// No more of the output belongs to the excerpt.
    complete: bool,
}

impl Difference {
    /// `before` is what the program wrote and was right about; its end is shown for orientation.
    pub(super) fn new(place: String, before: &[u8]) -> Self {
        let before = before[before.len().saturating_sub(BEFORE)..].to_vec();
        Self {
            place,
            before,
            after: Vec::new(),
            complete: false,
        }
    }

    /// Takes the output from the difference on, up to the first byte that `ends` the excerpt.
    pub(super) fn feed(&mut self, bytes: &[u8], ends: impl Fn(u8) -> bool) {
        if self.complete {
            return;
        }
        let room = AFTER - self.after.len();
        let end = bytes.iter().take(room).position(|byte| ends(*byte));
        self.after
            .extend_from_slice(&bytes[..end.unwrap_or(bytes.len().min(room))]);
        self.complete = end.is_some() || self.after.len() == AFTER;
    }

    pub(super) fn into_message(self) -> String {
        let excerpt = [self.before, self.after].concat();
        if excerpt.is_empty() {
            return self.place;
        }
        let excerpt = String::from_utf8_lossy(&excerpt);
        format!("{}: {:?}", self.place, excerpt)
    }
}

/// In which column, from 1 and in characters, a line goes on that began so. A character that is cut by the difference is
/// the one that differs; what is no UTF-8 counts as one for each error.
pub(super) fn column(matched: &[u8]) -> usize {
    let mut columns = 1;
    let mut chunks = matched.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        columns += chunk.valid().chars().count();
        let is_cut = chunks.peek().is_none()
            && std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none());
        columns += usize::from(!chunk.invalid().is_empty() && !is_cut);
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_bounded_escaped_and_independent_of_chunks() {
        let mut difference = Difference::new("here".to_owned(), &[b'a'; 1000]);
        let mut bytes = b"\0\"\xFF\xC3\xA9\x1B[31m".to_vec();
        bytes.extend([b'z'; 1000]);
        let mut in_parts = Difference::new("here".to_owned(), &[b'a'; 1000]);
        difference.feed(&bytes, |_| false);
        bytes.chunks(1).for_each(|chunk| in_parts.feed(chunk, |_| false));
        let message = difference.into_message();
        assert_eq!(message, in_parts.into_message());
        let expected = format!(
            "here: \"{}\\0\\\"\u{FFFD}é\\u{{1b}}[31m{}\"",
            "a".repeat(20),
            "z".repeat(50)
        );
        assert_eq!(message, expected);
    }

    #[test]
    fn an_excerpt_ends_where_it_is_told_to() {
        let mut difference = Difference::new("here".to_owned(), b"");
        difference.feed(b"abc\ndef", |byte| byte == b'\n');
        difference.feed(b"ghi", |byte| byte == b'\n');
        assert_eq!(difference.into_message(), "here: \"abc\"");
    }
}
