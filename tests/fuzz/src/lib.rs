//! A fuzzer without nightly and without tools: seeded grammars and a mutator over them, in one process, with an eye on
//! panics, time and memory. Knows nothing of coverage: it makes up for it with inputs that are nearly right.

mod command;
mod grammar;
mod judge;
mod mutate;
mod random;
mod tape;
mod target;

pub use command::main;
pub use judge::{Effort, Finding, Memory, Tally, judge};
pub use target::{Input, Target, Verdict, all, named};
