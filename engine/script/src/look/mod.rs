//! What a compiled text says about itself before it runs: the calls that it makes, the names that it wants from outside, and
//! functions that nobody has. Runs nothing.

mod functions;
mod library;
mod names;
mod written;

pub(crate) use functions::{Functions, judged, judged_library};
pub use library::{library, library_names};
pub(crate) use names::names_and_paths;
pub(crate) use written::written;
pub use written::{Literal, Written};
