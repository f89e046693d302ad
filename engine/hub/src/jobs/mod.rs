//! Runs jobs: those that are due, each in one task, with bounded calls at once however many devices it has. What a job is and how
//! far it is the state knows; nothing here is remembered.

mod condition;
mod methods;
mod run;
mod runner;
mod turnstile;
mod twins;

#[cfg(test)]
mod tests;

pub(crate) use runner::JobRunner;
