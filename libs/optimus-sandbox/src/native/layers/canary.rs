use std::{ffi::OsStr, process::ExitCode};
pub(crate) fn sing(_: &OsStr) -> ExitCode {
    ExitCode::SUCCESS
}
