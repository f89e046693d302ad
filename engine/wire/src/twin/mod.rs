//! A twin: tags, desired and reported properties with their versions and metadata, patched and replaced as the service does it.

mod check;
mod document;
mod section;
mod stamp;
mod stamps;
#[expect(clippy::module_inception, reason = "the file is named after the type it holds")]
mod twin;

pub use check::{SectionKind, check_limits, counted_size};
pub use section::Section;
pub use twin::{Changed, Twin};
