//! The language by tables, one row per row of its grammar and of its functions, and by properties.

mod conditions;
mod device;
mod functions;
mod pages;
mod refusals;
mod round_trip;
