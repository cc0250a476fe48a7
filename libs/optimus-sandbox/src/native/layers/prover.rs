use super::*;
use std::sync::Arc;
pub(crate) async fn prove(_: &Arc<Inner>) -> Result<Vec<Proof>, NativeError> {
    Ok(Vec::new())
}
