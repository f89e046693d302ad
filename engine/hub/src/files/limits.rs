//! How large files may be, and how long a device has for one.

use std::time::Duration;

use wire::limits::UPLOAD_TTL;

/// Bytes of one file: larger than any log or picture of a device, smaller than what fills a disk by accident.
const FILE: u64 = 256 * 1024 * 1024;
/// Bytes of all files together.
const TOTAL: u64 = 4 * 1024 * 1024 * 1024;
/// Bytes of all files of a hub that keeps nothing: they are in the system's folder for what is temporary, which may be memory.
const TOTAL_IN_MEMORY: u64 = 512 * 1024 * 1024;

/// The bounds of uploaded files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimits {
    /// Bytes of one file; as many of one upload's blocks may wait for their list.
    pub file: u64,
    /// Bytes of all files and blocks together.
    pub total: u64,
    /// How long a device has for an upload.
    pub ttl: Duration,
}

impl FileLimits {
    /// Those of a hub that keeps its state in a folder.
    pub fn new() -> Self {
        Self { file: FILE, total: TOTAL, ttl: UPLOAD_TTL }
    }

    /// Those of a hub that keeps nothing.
    pub fn in_memory() -> Self {
        Self { total: TOTAL_IN_MEMORY, ..Self::new() }
    }
}

impl Default for FileLimits {
    fn default() -> Self {
        Self::new()
    }
}
