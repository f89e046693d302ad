//! Contents of uploaded files on the disk: received in pieces, durable before they are acknowledged, bounded one by one and
//! together. Knows no devices and no names: files are numbers here, and what they are called is in `state/uploads`.

mod blocks;
mod content;
mod files;
mod limits;
mod place;
mod receive;

#[cfg(test)]
mod tests;

pub(crate) use content::Content;
pub(crate) use files::Files;
pub use limits::FileLimits;
pub(crate) use receive::Written;
