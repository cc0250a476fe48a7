//! Roots told apart.

use std::fmt;

/// Which files a root gives, in one word: where something of them has changed, so has this.
///
/// What is the same may have several of them: that of an image is of its contents and the same everywhere, that of a host's
/// folders is of where, how large and how old their files are, and says nothing to another host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RootDigest(String);

impl From<String> for RootDigest {
    fn from(digest: String) -> Self {
        Self(digest)
    }
}

impl fmt::Display for RootDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
