//! Content that is named by its SHA-256 instead of being carried along.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A SHA-256, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// A text that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no SHA-256, which is written as 64 hexadecimal digits in lower case")]
pub struct NotADigest;

impl Digest {
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Digest {
    type Err = NotADigest;

    /// There is one way to write a digest, so that there is one name for a content.
    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(NotADigest),
        };
        let digits: &[u8; 64] = text.as_bytes().try_into().map_err(|_| NotADigest)?;
        let (pairs, _) = digits.as_chunks::<2>();
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = value(*high)? << 4 | value(*low)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Content as a submission names it.
///
/// What is known of it beside its name is not part of the submission: it is neither written nor compared.
#[derive(Clone)]
pub struct NamedContent {
    digest: Digest,
    known: Known,
}

#[derive(Clone)]
enum Known {
    Nothing,
    Size(u64),
    Bytes(Arc<[u8]>),
}

impl NamedContent {
    pub fn new(digest: Digest) -> Self {
        let known = Known::Nothing;
        Self { digest, known }
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// How many bytes it has, where that is known.
    pub fn size(&self) -> Option<u64> {
        match &self.known {
            Known::Nothing => None,
            Known::Size(size) => Some(*size),
            Known::Bytes(bytes) => Some(bytes.len() as u64),
        }
    }

    pub fn set_size(&mut self, size: u64) {
        self.known = Known::Size(size);
    }

    /// The content itself, where it has been fetched.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.known {
            Known::Bytes(bytes) => Some(bytes),
            Known::Nothing | Known::Size(_) => None,
        }
    }

    /// The caller has made sure that these are the bytes of this digest.
    pub fn set_bytes(&mut self, bytes: Arc<[u8]>) {
        self.known = Known::Bytes(bytes);
    }
}

impl PartialEq for NamedContent {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for NamedContent {}

impl fmt::Debug for NamedContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.digest, f)
    }
}

impl Serialize for NamedContent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.digest)
    }
}

impl<'de> Deserialize<'de> for NamedContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map(Self::new).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_in_one_way() {
        let text = "00ff".repeat(16);
        let digest: Digest = text.parse().unwrap();
        assert_eq!(digest.to_string(), text);
        assert_eq!(digest.as_bytes()[..2], [0, 0xff]);
        for wrong in [
            String::new(),
            "00FF".repeat(16),
            "00fg".repeat(16),
            "0".repeat(63),
            "0".repeat(65),
            format!("{}é", "0".repeat(62)),
            format!("../{}", "0".repeat(61)),
        ] {
            assert_eq!(wrong.parse::<Digest>(), Err(NotADigest), "{wrong}");
        }
    }

    #[test]
    fn what_is_known_of_named_content_stays_here() {
        let text = format!("{:?}", "ab".repeat(32));
        let mut named: NamedContent = serde_json::from_str(&text).unwrap();
        let again = named.clone();
        assert_eq!((named.size(), named.bytes()), (None, None));
        named.set_size(3);
        assert_eq!((named.size(), named.bytes()), (Some(3), None));
        named.set_bytes(Arc::new([1, 2]));
        assert_eq!((named.size(), named.bytes()), (Some(2), Some(&[1, 2][..])));
        assert_eq!(named, again);
        assert_eq!(serde_json::to_string(&named).unwrap(), text);
        assert!(serde_json::from_str::<NamedContent>("\"ab\"").is_err());
    }
}
