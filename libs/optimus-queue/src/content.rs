//! Which store of content there is. The stores are `optimus_content`'s, and Redis, of which only this crate knows.

use std::{path::Path, sync::Arc};

use optimus_content::{
    ContentError, ContentStore, Folder, ObjectContent, Rules,
    settings::{ContentSettings, ContentStoreChoice},
};

use crate::{redis::RedisContent, settings::RedisSettings};

/// The folder of content in the data directory.
const FOLDER: &str = "content";

/// What says which store of content there is.
#[derive(Debug, Clone, Copy)]
pub struct ContentPlace<'a> {
    pub content: &'a ContentSettings,
    pub redis: &'a RedisSettings,
    pub data_dir: &'a Path,
}

/// Opens the store of content that the settings name; Redis, where they name none.
pub(crate) async fn open_content(place: ContentPlace<'_>) -> Result<Arc<dyn ContentStore>, ContentError> {
    let ContentPlace {
        content,
        redis,
        data_dir,
    } = place;
    match &content.store {
        ContentStoreChoice::Usual | ContentStoreChoice::Redis => {
            let rules = Rules::of_redis(content);
            Ok(Arc::new(RedisContent::connect(redis, rules).await?))
        }
        ContentStoreChoice::Objects(url) => {
            let rules = Rules::of(content);
            Ok(Arc::new(ObjectContent::open_url(url, &[], rules).await?))
        }
        ContentStoreChoice::Folder(None) => in_folder(content, &data_dir.join(FOLDER)).await,
        ContentStoreChoice::Folder(Some(folder)) => in_folder(content, folder).await,
    }
}

/// Opens the store of content of an installation of one process: a folder in the data directory, where the settings name
/// nothing.
pub async fn open_content_here(place: ContentPlace<'_>) -> Result<Arc<dyn ContentStore>, ContentError> {
    match &place.content.store {
        ContentStoreChoice::Usual => in_folder(place.content, &place.data_dir.join(FOLDER)).await,
        _ => open_content(place).await,
    }
}

async fn in_folder(content: &ContentSettings, folder: &Path) -> Result<Arc<dyn ContentStore>, ContentError> {
    Ok(Arc::new(Folder::open(folder, Rules::of(content)).await?))
}
