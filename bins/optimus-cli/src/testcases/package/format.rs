//! Which version of the format a package is in.

/// The versions, as far as they differ here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PackageFormat {
    /// `legacy`, and its subset `legacy-icpc`.
    Legacy,
    /// `2023-07-draft`
    Of2023,
    /// `2025-09`
    Of2025,
}
