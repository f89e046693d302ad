//! IoT Hub's query language: `SELECT [TOP n] columns FROM devices [WHERE ..] [GROUP BY ..]`, also for `devices.modules` and
//! `devices.jobs`. Parses, evaluates, and gathers rows into pages; knows nothing of the registry, whose rows come in
//! through [`Row`].

mod ast;
mod error;
mod evaluate;
mod expression;
mod function;
mod gather;
mod groups;
mod lexer;
mod need;
mod number;
mod parse;
mod print;

#[cfg(test)]
mod tests;

pub(crate) use ast::{Collection, Columns, Query, Segment};
pub(crate) use error::QueryError;
pub(crate) use evaluate::{Row, walk};
pub(crate) use gather::{Gather, Page, PageStart, Position};
pub(crate) use need::Need;
