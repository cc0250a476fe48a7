//! The patterns of `submissions.yaml`: `*` within one name, `{a,b}` alternatives.

use std::fmt;

/// A pattern of a path, which it matches with everything below.
#[derive(Debug, Clone)]
pub(super) struct Glob {
    text: String,
    /// One for each combination of alternatives, cut into names.
    patterns: Vec<Vec<String>>,
}

/// Combinations of alternatives: braces beside each other multiply.
const MOST_ALTERNATIVES: usize = 1000;
/// Bytes of a pattern, each of whose alternatives is about as long.
const LONGEST: usize = 1000;

impl Glob {
    /// Nothing where it is too long or has too many combinations.
    pub(super) fn new(text: &str) -> Option<Self> {
        let patterns = alternatives(text)?
            .iter()
            .map(|pattern| pattern.split('/').map(str::to_owned).collect())
            .collect();
        Some(Self {
            text: text.to_owned(),
            patterns,
        })
    }

    /// Whether the path, or a folder above it, is as the pattern says.
    pub(super) fn matches(&self, path: &str) -> bool {
        let names: Vec<_> = path.split('/').collect();
        self.patterns.iter().any(|pattern| {
            pattern.len() <= names.len()
                && pattern
                    .iter()
                    .zip(&names)
                    .all(|(pattern, name)| matches_name(pattern, name))
        })
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Opens the first braces, and those in what comes of it.
fn alternatives(text: &str) -> Option<Vec<String>> {
    if text.len() > LONGEST {
        return None;
    }
    let mut closed = vec![text.to_owned()];
    let mut open = Vec::new();
    while let Some(text) = closed.pop() {
        let braces = text.split_once('{').and_then(|(before, rest)| {
            let (inside, after) = rest.split_once('}')?;
            Some((before, inside, after))
        });
        match braces {
            Some((before, inside, after)) => {
                let choices = inside.split(',');
                closed.extend(choices.map(|choice| format!("{before}{choice}{after}")));
            }
            None => open.push(text),
        }
        if closed.len() + open.len() > MOST_ALTERNATIVES {
            return None;
        }
    }
    Some(open)
}

/// Each part between stars is looked for where it first comes: what is left for the others is then the most.
fn matches_name(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(head) else {
        return false;
    };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match name.find(part) {
            Some(at) => name = &name[at + part.len()..],
            None => return false,
        }
    }
    name.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stay_within_a_name_and_braces_are_alternatives() {
        for (pattern, path, matches) in [
            ("accepted", "accepted/a.py", true),
            ("accepted/*", "accepted/a.py", true),
            ("accepted/*", "accepted", false),
            ("*", "accepted/a.py", true),
            ("*.py", "accepted/a.py", false),
            ("*/*.py", "accepted/a.py", true),
            ("*/a*c*e", "x/abcde", true),
            ("*/a*c*e", "x/abcd", false),
            ("*/a*a", "x/a", false),
            ("secret/*-easy", "secret/1-easy", true),
            ("secret/*-easy", "secret/1-easy/02", true),
            ("secret/*-easy", "secret/1-easier", false),
            ("{accepted,rejected}/{x,y}.py", "rejected/y.py", true),
            ("{accepted,rejected}/{x,y}.py", "rejected/z.py", false),
            ("a{b", "a{b", true),
        ] {
            let glob = Glob::new(pattern).unwrap();
            assert_eq!(glob.matches(path), matches, "{pattern} {path}");
        }
    }

    #[test]
    fn braces_beside_each_other_do_not_multiply_without_end() {
        assert!(Glob::new(&"{a,b}".repeat(9)).is_some());
        assert!(Glob::new(&"{a,b}".repeat(60)).is_none());
        assert!(Glob::new(&format!("{{{}}}", ",".repeat(100_000))).is_none());
    }
}
