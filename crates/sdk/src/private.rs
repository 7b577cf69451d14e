//! Folders that are not for everybody.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// Makes a folder, if it is not there, that only its owner may enter: what is in it is not for everybody.
///
/// # Errors
/// When it cannot be made.
pub fn make_private(folder: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
