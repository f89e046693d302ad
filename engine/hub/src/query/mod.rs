//! IoT Hub's query language, as far as whole rows go: `SELECT [TOP n] * FROM devices [WHERE ..]`, also for `devices.modules`.
//! Parses and evaluates; knows nothing of the registry, whose rows come in through [`Row`], nor of pages.

mod ast;
mod evaluate;
mod lexer;
mod parse;

pub(crate) use ast::{Collection, Query, Segment};
pub(crate) use evaluate::{Row, walk};
pub(crate) use parse::QueryError;
