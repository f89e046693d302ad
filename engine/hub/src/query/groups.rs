//! Aggregates: rows counted together, by the values of GROUP BY or all as one. Keeps no more groups than a page shows, so that
//! a group per device costs no memory.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ast::{Aggregate, Column, Columns, Operator, Query, Source};
use super::evaluate::Row;
use super::number::{Number, number, real};
use crate::fingerprint::Fingerprint;

/// Characters of a text that order groups; a hash of the rest tells them apart. Bounds the continuation.
const ORDERING: usize = 32;

/// Identifies and orders groups: undefined, null, booleans, numbers, texts, arrays and objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct GroupKey(Vec<Part>);

/// Rank of the type, order of the number, beginning of the text, hash of the text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Part(u8, u64, String, u64);

impl Part {
    fn of(value: Option<&Value>) -> Self {
        let plain = |rank, order| Self(rank, order, String::new(), 0);
        match value {
            None => plain(0, 0),
            Some(Value::Null) => plain(1, 0),
            Some(Value::Bool(truth)) => plain(2, u64::from(*truth)),
            Some(value @ Value::Number(_)) => plain(3, number(value).map_or(0, |number| order(number.real()))),
            Some(Value::String(text)) => Self::of_text(4, text),
            Some(value @ Value::Array(_)) => Self::of_text(5, &value.to_string()),
            Some(value @ Value::Object(_)) => Self::of_text(6, &value.to_string()),
        }
    }

    fn of_text(rank: u8, text: &str) -> Self {
        Self(rank, 0, text.chars().take(ORDERING).collect(), Fingerprint::new().with(text.as_bytes()).value())
    }
}

/// Integers in the order of the reals; 0 and -0 are one.
fn order(real: f64) -> u64 {
    let bits = (real + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

struct Group {
    /// Of the elements of GROUP BY.
    values: Vec<Option<Value>>,
    /// Of the columns; those of plain columns stay empty.
    tallies: Vec<Tally>,
}

/// What any aggregate needs.
#[derive(Clone, Debug, Default)]
struct Tally {
    /// Rows, or those where the path is defined.
    count: u64,
    numbers: u64,
    /// Exact as long as there is no overflow and nothing real.
    sum: Option<Number>,
    least: Option<Number>,
    greatest: Option<Number>,
}

/// The groups of a page under way.
pub(super) struct Groups {
    after: Option<GroupKey>,
    limit: usize,
    ends_at_limit: bool,
    kept: BTreeMap<GroupKey, Group>,
}

impl Groups {
    pub(super) fn new(after: Option<GroupKey>, limit: usize, ends_at_limit: bool) -> Self {
        Self { after, limit, ends_at_limit, kept: BTreeMap::new() }
    }

    /// Nothing to be had: otherwise every row counts.
    pub(super) fn is_done(&self) -> bool {
        self.limit == 0
    }

    /// Counts a row to its group, if that group may be on the page. A group that is pushed out by smaller ones never comes back.
    pub(super) fn add(&mut self, query: &Query, row: &dyn Row) {
        let values: Vec<_> = query.groups.iter().map(|path| row.at(path)).collect();
        let key = GroupKey(values.iter().map(|value| Part::of(value.as_deref())).collect());
        if self.after.as_ref().is_some_and(|after| key <= *after) {
            return;
        }
        // One more than fits tells that there is a next page.
        let most = self.limit.saturating_add(1);
        let is_behind = |(last, _): (&GroupKey, &Group)| key > *last;
        if self.kept.len() >= most && self.kept.last_key_value().is_some_and(is_behind) {
            return;
        }
        let group = self.kept.entry(key).or_insert_with(|| Group {
            values: values.into_iter().map(|value| value.map(|value| value.into_owned())).collect(),
            tallies: vec![Tally::default(); columns(query).len()],
        });
        for (column, tally) in columns(query).iter().zip(&mut group.tallies) {
            match &column.source {
                Source::Path(_) => {}
                Source::Aggregate(_, None) => tally.count += 1,
                Source::Aggregate(_, Some(path)) => {
                    if let Some(value) = row.at(path) {
                        tally.add(&value);
                    }
                }
            }
        }
        if self.kept.len() > most {
            self.kept.pop_last();
        }
    }

    /// The rows, and the last group of the page when more follow.
    pub(super) fn rows(mut self, query: &Query) -> (Vec<Value>, Option<GroupKey>) {
        if query.groups.is_empty() && self.kept.is_empty() && self.limit > 0 {
            // No row at all is still something to be counted.
            let tallies = vec![Tally::default(); columns(query).len()];
            self.kept.insert(GroupKey(Vec::new()), Group { values: Vec::new(), tallies });
        }
        let more = self.kept.len() > self.limit;
        if more {
            self.kept.pop_last();
        }
        let last = self.kept.last_key_value().map(|(key, _)| key.clone());
        let rows = self.kept.into_values().map(|group| group.row(query)).collect();
        (rows, last.filter(|_| more && !self.ends_at_limit))
    }
}

fn columns(query: &Query) -> &[Column] {
    match &query.columns {
        Columns::All => &[],
        Columns::Chosen(columns) => columns,
    }
}

impl Group {
    fn row(self, query: &Query) -> Value {
        let mut row = Map::new();
        for (column, tally) in columns(query).iter().zip(&self.tallies) {
            let value = match &column.source {
                Source::Path(path) => {
                    let index = query.groups.iter().position(|group| group == path);
                    index.and_then(|index| self.values.get(index)?.clone())
                }
                Source::Aggregate(aggregate, _) => tally.value(*aggregate),
            };
            if let Some(value) = value {
                row.insert(column.name.clone(), value);
            }
        }
        Value::Object(row)
    }
}

impl Tally {
    fn add(&mut self, value: &Value) {
        self.count += 1;
        let Some(number) = Some(value).filter(|value| value.is_number()).and_then(number) else { return };
        self.sum = match self.sum.filter(|_| self.numbers > 0) {
            Some(sum) => sum.with(Operator::Plus, number),
            None if self.numbers > 0 => None,
            None => Some(number),
        };
        self.numbers += 1;
        let less = |left: Number, right: Number| left.compare(right).is_some_and(Ordering::is_lt);
        if self.least.is_none_or(|least| less(number, least)) {
            self.least = Some(number);
        }
        if self.greatest.is_none_or(|greatest| less(greatest, number)) {
            self.greatest = Some(number);
        }
    }

    /// None is undefined: the average, least and greatest of nothing, and a sum beyond all numbers.
    fn value(&self, aggregate: Aggregate) -> Option<Value> {
        match aggregate {
            Aggregate::Count => Some(self.count.into()),
            Aggregate::Sum if self.numbers == 0 => Some(0.into()),
            Aggregate::Sum => self.sum?.value(),
            Aggregate::Average => real(self.sum?.real() / self.numbers as f64),
            Aggregate::Least => self.least?.value(),
            Aggregate::Greatest => self.greatest?.value(),
        }
    }
}
