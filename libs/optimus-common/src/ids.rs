//! Identifiers. Each is its own type, so that one is never passed for another.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A job's identifier: a UUID of version 7, so ids sort by the time of submission.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(Uuid);

impl JobId {
    /// A new id, unique without coordination.
    #[expect(
        clippy::new_without_default,
        reason = "an id is made on purpose, never by default"
    )]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for JobId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// Several jobs that belong together, such as those of a batch: a UUID of version 7.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupId(Uuid);

impl GroupId {
    #[expect(
        clippy::new_without_default,
        reason = "an id is made on purpose, never by default"
    )]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for GroupId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// Whose a job is: 1 to 64 of `a-z`, `0-9`, `_`, `-` and `.`, the first a letter or a digit.
///
/// Until clients are told apart there is one owner, the default one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Owner(Cow<'static, str>);

/// Why a text is no owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no owner: 1 to 64 of a-z, 0-9, '_', '-' and '.', the first a letter or a digit")]
pub struct InvalidOwner(String);

impl Owner {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Owner {
    fn default() -> Self {
        Self(Cow::Borrowed("default"))
    }
}

impl TryFrom<String> for Owner {
    type Error = InvalidOwner;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let first_ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        match text.as_bytes() {
            [first, rest @ ..]
                if first_ok(*first)
                    && rest.len() < 64
                    && rest.iter().all(|b| first_ok(*b) || b"_-.".contains(b)) =>
            {
                Ok(Self(Cow::Owned(text)))
            }
            _ => Err(InvalidOwner(text.chars().take(64).collect())),
        }
    }
}

impl FromStr for Owner {
    type Err = InvalidOwner;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl From<Owner> for String {
    fn from(owner: Owner) -> Self {
        owner.0.into_owned()
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A worker process. Fresh at every start: a name reused by a replacement would hide its predecessor's death.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(String);

impl WorkerId {
    #[expect(
        clippy::new_without_default,
        reason = "an id is made on purpose, never by default"
    )]
    pub fn new() -> Self {
        Self(Uuid::now_v7().simple().to_string())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for WorkerId {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Proof of holding a job's current lease. Each claim gets a larger one; a store refuses all but the latest.
///
/// See Kleppmann, "How to do distributed locking" (2016), for why a lease alone is not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FencingToken(pub u64);

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A language's name: 1 to 32 of `a-z`, `0-9`, `_` and `-`, the first a letter.
///
/// It becomes part of Redis keys, image tags and folder names, hence the small alphabet.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LanguageName(String);

/// Why a text is no language name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no language name: 1 to 32 of a-z, 0-9, '_' and '-', the first a letter")]
pub struct InvalidLanguageName(String);

impl LanguageName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for LanguageName {
    type Error = InvalidLanguageName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let tail_ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        match text.as_bytes() {
            [first, rest @ ..]
                if first.is_ascii_lowercase() && rest.len() < 32 && rest.iter().all(|b| tail_ok(*b)) =>
            {
                Ok(Self(text))
            }
            _ => Err(InvalidLanguageName(text.chars().take(64).collect())),
        }
    }
}

impl FromStr for LanguageName {
    type Err = InvalidLanguageName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl From<LanguageName> for String {
    fn from(name: LanguageName) -> Self {
        name.0
    }
}

impl fmt::Display for LanguageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LanguageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn language_names_are_safe_in_keys_and_paths() {
        for good in ["c", "cpp", "python", "objective-c", "f77", "a_b"] {
            assert!(good.parse::<LanguageName>().is_ok(), "{good}");
        }
        for bad in ["", "C", "1c", "../etc", "a b", "a:b", "é", &"a".repeat(33)] {
            assert!(bad.parse::<LanguageName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn owners_are_safe_in_keys_and_paths() {
        for good in ["default", "7", "team-a.ci_2", &"a".repeat(64)] {
            assert_eq!(good.parse::<Owner>().unwrap().as_str(), good);
        }
        for bad in ["", "A", ".", "-a", "a b", "a:b", "a/b", "é", &"a".repeat(65)] {
            assert!(bad.parse::<Owner>().is_err(), "{bad}");
        }
        assert_eq!(Owner::default(), Owner::default().as_str().parse().unwrap());
    }

    #[test]
    fn job_ids_sort_by_creation() {
        let first = JobId::new();
        let second = JobId::new();
        assert!(first < second);
        assert_eq!(first.to_string().parse::<JobId>().unwrap(), first);
    }
}
