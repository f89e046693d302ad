//! Verbs for tests of the book.

mod fakes;

pub(crate) use fakes::registry;
