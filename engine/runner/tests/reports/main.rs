//! The reports that are written at a run's end, from streams of events: what they hold, that they hold it whatever it is, and
//! that they stay small.

mod html;
mod junit;
mod properties;
mod scale;
mod stream;
mod summary;
mod writing;
