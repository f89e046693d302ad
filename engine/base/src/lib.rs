//! The ground floor: clock, seed, secrets and their masking, durations, back-off, and the diagnostic with a snippet.
//! Pure and synchronous; knows neither tokio nor IoT Hub.

mod backoff;
mod clock;
mod diagnostic;
mod duration;
mod encodings;
mod mask;
mod secret;
mod seed;
mod source;

pub use backoff::Backoff;
pub use clock::{Clock, ManualClock, NEVER, local_time, parse_time, rfc3339_millis, rfc3339_ticks};
pub use diagnostic::{Diagnostic, Diagnostics, Severity, did_you_mean};
pub use duration::{DurationError, format_duration, parse_duration};
pub use mask::Mask;
pub use secret::Secret;
pub use seed::Seed;
pub use source::{Place, Source, Span};
