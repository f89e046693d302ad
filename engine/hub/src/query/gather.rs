//! Rows looked at, one after the other in an order that stays, become one page of the answer.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ast::{Column, Columns, Query, Source};
use super::evaluate::Row;
use super::groups::{GroupKey, Groups};

/// A page that is larger is not made longer: the rest comes with the next one.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Where a page begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PageStart {
    /// The last row of the page before.
    pub(crate) after: Option<Position>,
    /// Rows of all pages before, for TOP.
    pub(crate) sent: u64,
}

/// A place among the rows of an answer: it stays when others come and go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Position {
    /// By the row's key.
    Row(String),
    Group(GroupKey),
}

/// Rows, and where the next page begins, if there is one.
#[derive(Debug)]
pub(crate) struct Page {
    /// A JSON array.
    pub(crate) rows: Vec<u8>,
    pub(crate) next: Option<PageStart>,
}

/// A page under way.
pub(crate) struct Gather<'q> {
    query: &'q Query,
    sent: u64,
    taken: Taken,
}

enum Taken {
    Rows(Rows),
    Groups(Groups),
}

/// Rows as they come.
struct Rows {
    json: Vec<u8>,
    count: usize,
    last: Option<String>,
    /// Rows that the page has room for.
    limit: usize,
    /// There is a row more than fits.
    more: bool,
    /// All that TOP asks for.
    ends_at_limit: bool,
}

impl<'q> Gather<'q> {
    pub(crate) fn new(query: &'q Query, start: &PageStart, size: usize) -> Self {
        let left = query.top.map_or(u64::MAX, |top| top.saturating_sub(start.sent));
        let limit = usize::try_from(left).unwrap_or(usize::MAX).min(size);
        let ends_at_limit = limit < size || left == u64::try_from(size).unwrap_or(u64::MAX);
        let taken = if query.is_grouped() {
            let after = match &start.after {
                Some(Position::Group(after)) => Some(after.clone()),
                _ => None,
            };
            Taken::Groups(Groups::new(after, limit, ends_at_limit))
        } else {
            Taken::Rows(Rows { json: vec![b'['], count: 0, last: None, limit, more: false, ends_at_limit })
        };
        Self { query, sent: start.sent, taken }
    }

    /// Looks at a row that comes behind all rows before; says whether the row was taken.
    pub(crate) fn look(&mut self, row: &dyn Row, key: impl FnOnce() -> String) -> bool {
        if self.is_done() || !self.query.condition.as_ref().is_none_or(|condition| condition.passes(row)) {
            return false;
        }
        match &mut self.taken {
            Taken::Groups(groups) => {
                groups.add(self.query, row);
                false
            }
            Taken::Rows(rows) => rows.add(self.query, row, key),
        }
    }

    /// No further row changes the page.
    pub(crate) fn is_done(&self) -> bool {
        match &self.taken {
            Taken::Groups(groups) => groups.is_done(),
            Taken::Rows(rows) => rows.more || rows.ends_at_limit && rows.count >= rows.limit,
        }
    }

    pub(crate) fn page(self) -> Page {
        let (mut rows, count, after) = match self.taken {
            Taken::Rows(rows) => (rows.json, rows.count, rows.last.filter(|_| rows.more).map(Position::Row)),
            Taken::Groups(groups) => {
                let mut json = vec![b'['];
                let (groups, after) = groups.rows(self.query);
                groups.iter().for_each(|row| append(&mut json, row));
                (json, groups.len(), after.map(Position::Group))
            }
        };
        rows.push(b']');
        let sent = self.sent + u64::try_from(count).expect("a page is short");
        Page { rows, next: after.map(|after| PageStart { after: Some(after), sent }) }
    }
}

impl Rows {
    fn add(&mut self, query: &Query, row: &dyn Row, key: impl FnOnce() -> String) -> bool {
        if self.count >= self.limit || self.json.len() >= PAGE_BYTES {
            self.more = true;
            return false;
        }
        let row = match &query.columns {
            Columns::All => row.document(),
            Columns::Chosen(columns) => Value::Object(project(columns, row)),
        };
        append(&mut self.json, &row);
        self.count += 1;
        self.last = Some(key());
        true
    }
}

/// Adds a row to an array that is still open.
fn append(json: &mut Vec<u8>, row: &Value) {
    if json.len() > 1 {
        json.push(b',');
    }
    serde_json::to_writer(json, row).expect("a JSON tree always serialises");
}

/// The columns of a row; what is undefined is left out.
fn project(columns: &[Column], row: &dyn Row) -> Map<String, Value> {
    let value = |column: &Column| match &column.source {
        Source::Path(path) => Some((column.name.clone(), row.at(path)?.into_owned())),
        Source::Aggregate(..) => None,
    };
    columns.iter().filter_map(value).collect()
}
