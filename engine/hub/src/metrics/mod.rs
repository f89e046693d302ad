//! What the hub counts of itself, for people and for Prometheus. Counting costs an atomic or two; reading costs the reader.

mod calls;
mod counts;
mod status;
mod text;

#[cfg(test)]
mod tests;

pub(crate) use counts::Metrics;
pub(crate) use status::Watched;
