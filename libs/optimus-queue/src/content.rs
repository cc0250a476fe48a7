//! Which store of content there is. The stores are `optimus_content`'s, and Redis, of which only this crate knows.

use std::{path::Path, sync::Arc};

use optimus_common::settings::{ContentStoreChoice, Settings};
use optimus_content::{ContentError, ContentStore, Folder, ObjectContent, Rules};

use crate::redis::RedisContent;

/// In the data directory.
const FOLDER: &str = "content";

/// Opens the store of content that the settings name; Redis, where they name none.
pub async fn open_content(settings: &Settings) -> Result<Arc<dyn ContentStore>, ContentError> {
    match &settings.content.store {
        ContentStoreChoice::Usual | ContentStoreChoice::Redis => {
            let rules = Rules::of_redis(&settings.content);
            Ok(Arc::new(RedisContent::connect(&settings.redis, rules).await?))
        }
        ContentStoreChoice::Objects(url) => {
            let rules = Rules::of(&settings.content);
            Ok(Arc::new(ObjectContent::open_url(url, &[], rules).await?))
        }
        ContentStoreChoice::Folder(None) => in_folder(settings, &settings.data_dir().join(FOLDER)).await,
        ContentStoreChoice::Folder(Some(folder)) => in_folder(settings, folder).await,
    }
}

/// As [`open_content`] for an installation of one process: a folder in the data directory, where the settings name nothing.
pub async fn open_content_in(
    data_dir: &Path,
    settings: &Settings,
) -> Result<Arc<dyn ContentStore>, ContentError> {
    match &settings.content.store {
        ContentStoreChoice::Usual | ContentStoreChoice::Folder(None) => {
            in_folder(settings, &data_dir.join(FOLDER)).await
        }
        _ => open_content(settings).await,
    }
}

async fn in_folder(settings: &Settings, folder: &Path) -> Result<Arc<dyn ContentStore>, ContentError> {
    let rules = Rules::of(&settings.content);
    Ok(Arc::new(Folder::open(folder, rules).await?))
}
