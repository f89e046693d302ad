//! What scripts may touch of the machine they run on: programs to run, files to read, files to upload. Nothing unless it was
//! granted. Decides and opens; runs nothing and sends nothing.

mod list;
mod open;
mod pattern;

pub use list::{Denied, GrantError, Grants, ProgramGrant};
