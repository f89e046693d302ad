//! Numbers for Prometheus: its text form, and the small server that it asks. Counts nothing.

mod serve;
mod text;

pub use serve::{Page, serve};
pub use text::MetricsText;
