//! Why there are no native boxes.

use crate::backend::BackendError;

/// Why there are no native boxes.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    #[error("this host cannot make native boxes: {0}")]
    Host(String),
    #[error("the layer {layer} is missing: {reason}; {remedy}")]
    LayerMissing {
        layer: &'static str,
        reason: String,
        remedy: String,
    },
    #[error("native.allow_missing names {0:?}, which is no layer; `optimus-cli doctor` lists them")]
    UnknownLayer(String),
    #[error("native.allow_missing names {0:?}, without which there can be no box")]
    Indispensable(&'static str),
    #[error("cannot make a box")]
    Box(#[from] BackendError),
    #[error("cannot prepare the language: {0}")]
    Preparation(String),
}
