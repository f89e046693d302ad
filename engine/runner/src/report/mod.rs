//! Those who listen to a run: the console and the two JSON forms. They print what events say and decide nothing.

mod console;
mod json;

pub use console::{Console, ConsoleOptions, Lines};
pub use json::{Form, Json};
