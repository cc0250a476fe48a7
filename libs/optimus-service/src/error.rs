//! Why a process cannot begin.

use std::{error::Error, io};

#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("{filter:?} is no log filter")]
    Filter {
        filter: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
}
