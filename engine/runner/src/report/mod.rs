//! Those who listen to a run: the console and the two JSON forms. They print what events say and decide nothing.

mod console;
mod json;
mod line;
mod many;
mod screen;

pub use console::{Console, ConsoleOptions};
pub use json::{Form, Json};
pub use screen::Lines;
