//! `[content]`: what is kept by its digest.

use std::{path::PathBuf, time::Duration};

use optimus_common::{shape, units};
use serde::{Deserialize, Deserializer};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "a table")]
pub struct ContentSettings {
    pub store: ContentStoreChoice,
    /// Largest content.
    pub max_bytes: u64,
    /// All content together; above, what was not used for the longest time makes room.
    pub max_total_bytes: u64,
    /// The same two of Redis, whose content is in memory.
    pub redis_max_bytes: u64,
    pub redis_max_total_bytes: u64,
    /// All content that one submission names, each as often as it names it.
    pub max_job_bytes: u64,
    /// All content that a worker has in memory, each once, however many of its jobs name it.
    pub max_worker_bytes: u64,
    /// How long content is kept that nobody uses.
    #[serde(rename = "retention_ms", with = "units::ms")]
    pub retention: Duration,
    /// Content used this recently makes no room for other content.
    #[serde(rename = "min_kept_ms", with = "units::ms")]
    pub min_kept: Duration,
    /// From one removal of what is not used to the next.
    #[serde(rename = "upkeep_ms", deserialize_with = "units::ms::at_least_one")]
    pub upkeep: Duration,
}

shape::read_by!(Object, ContentSettings);

/// Where content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentStoreChoice {
    /// What the process prefers by itself: Redis for a fleet, a folder for an installation of one process.
    Usual,
    Redis,
    /// Below this path, or in the data directory where it is none.
    Folder(Option<PathBuf>),
    /// An object store, by its URL.
    Objects(String),
}

impl<'de> Deserialize<'de> for ContentStoreChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "" => Ok(Self::Usual),
            "redis" => Ok(Self::Redis),
            "folder" => Ok(Self::Folder(None)),
            url if url.starts_with("s3://") => Ok(Self::Objects(text)),
            path if path.starts_with('/') => Ok(Self::Folder(Some(path.into()))),
            _ => Err(serde::de::Error::custom(
                "must be redis, folder, the absolute path of a folder, or s3://bucket",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_in_one_way() {
        let read = |text: &str| serde_json::from_value::<ContentStoreChoice>(text.into());
        assert_eq!(read("").unwrap(), ContentStoreChoice::Usual);
        assert_eq!(read("redis").unwrap(), ContentStoreChoice::Redis);
        assert_eq!(read("folder").unwrap(), ContentStoreChoice::Folder(None));
        let folder = ContentStoreChoice::Folder(Some("/a/b".into()));
        assert_eq!(read("/a/b").unwrap(), folder);
        let objects = ContentStoreChoice::Objects("s3://bucket/path".to_owned());
        assert_eq!(read("s3://bucket/path").unwrap(), objects);
        for wrong in ["a/b", "s3:bucket", "http://bucket", "REDIS"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
