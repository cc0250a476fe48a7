//! S3, and what speaks like it.

use std::sync::Arc;

use object_store::{
    Error, ObjectStore,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
};

use super::http::Connector;
use crate::ContentError;

/// The bucket that `url` names.
pub(super) fn bucket(url: &str, options: &[(&str, &str)]) -> Result<Arc<dyn ObjectStore>, ContentError> {
    let misconfigured = |error: Error| ContentError::Misconfigured(format!("content.store: {error}"));
    let mut bucket = AmazonS3Builder::from_env().with_url(url);
    for (name, value) in options {
        let key = name.to_ascii_lowercase().parse().map_err(misconfigured)?;
        bucket = bucket.with_config(key, *value);
    }
    let endpoint = bucket
        .get_config_value(&AmazonS3ConfigKey::S3Endpoint)
        .or_else(|| bucket.get_config_value(&AmazonS3ConfigKey::Endpoint));
    let is_plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    let bucket = bucket.with_http_connector(Connector::new(is_plain)?);
    Ok(Arc::new(bucket.build().map_err(misconfigured)?))
}
