//! Uploads and the names of files: who asked for which upload and what came of it, and which file has which name. Contents are in
//! `files`; this room knows only their numbers.

mod actions;
mod blob;
mod stored;
mod table;

#[cfg(test)]
mod tests;

pub(crate) use blob::{Blob, Precondition};
pub(super) use table::Uploads;
