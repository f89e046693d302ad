//! Files opened without a gap between the look at the path and the file that is got. Knows no grants.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Opens a regular file of which the real path is known, and gives the path that was really opened where the system tells.
pub(super) fn open(real: &Path) -> io::Result<(File, Option<PathBuf>)> {
    // A look before the opening: to open a device can do something already, and a pipe would wait for its other end.
    if !std::fs::symlink_metadata(real)?.is_file() {
        return Err(not_a_file());
    }
    let mut options = OpenOptions::new();
    options.read(true);
    harmless(&mut options);
    let file = options.open(real)?;
    if !file.metadata()?.is_file() {
        return Err(not_a_file());
    }
    let opened = really(&file);
    Ok((file, opened))
}

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

/// What took the path's place meanwhile is neither followed nor waited for.
#[cfg(unix)]
fn harmless(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    options.custom_flags(flags.bits().cast_signed());
}

#[cfg(not(unix))]
fn harmless(_: &mut OpenOptions) {}

#[cfg(target_os = "linux")]
fn really(file: &File) -> Option<PathBuf> {
    use std::os::fd::AsRawFd as _;
    std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()
}

#[cfg(not(target_os = "linux"))]
fn really(_: &File) -> Option<PathBuf> {
    None
}
