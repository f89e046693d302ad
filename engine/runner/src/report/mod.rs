//! Those who listen to a run: the console, the two JSON forms, and the reports that are written at its end. They print what
//! events say and decide nothing.

mod cases;
mod console;
mod html;
mod json;
mod junit;
mod kind;
mod line;
mod many;
mod masked;
mod record;
mod reports;
mod rhythm;
mod screen;
mod state;
mod summary;
mod xml;

pub use cases::{CaseReport, CaseSuite, junit_of_cases};
pub use console::{Console, ConsoleOptions};
pub use json::{Form, Json};
pub use kind::{ReportFile, ReportKind};
pub use reports::{ReportError, Reports, write_report};
pub use screen::Lines;
