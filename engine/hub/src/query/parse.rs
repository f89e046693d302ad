//! The frame of a query: SELECT, FROM, WHERE, GROUP BY. What a condition is made of is `expression`'s. Refuses with a place.

use wire::limits::QUERY_CHARS;

use super::ast::{Aggregate, Collection, Column, Columns, Condition, Path, Query, Segment, Source};
use super::error::QueryError;
use super::lexer::{Placed, Token, is_reserved, tokens};

/// Most columns: a row of a hundred whole twins is large enough.
const MOST_COLUMNS: usize = 100;
/// Most elements of GROUP BY: each is part of the continuation, which must fit into a header.
const MOST_GROUPS: usize = 8;
/// What other query languages have and this one has not: the refusal says so.
const FOREIGN: [&str; 9] = ["ORDER", "HAVING", "JOIN", "LIKE", "DISTINCT", "BETWEEN", "VALUE", "LIMIT", "OFFSET"];

pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Placed>,
    next: usize,
    /// Known before anything else: it says which fields are built in.
    collection: Collection,
}

impl Query {
    /// Reads a whole query.
    pub(crate) fn parse(text: &str) -> Result<Self, QueryError> {
        let mut parser = Parser::new(text)?;
        parser.keyword("SELECT")?;
        let top = if parser.is_keyword("TOP") { Some(parser.top()?) } else { None };
        let list_at = parser.at();
        let (columns, places) = parser.columns()?;
        parser.keyword("FROM")?;
        let collection = parser.collection()?;
        let condition = if parser.is_keyword("WHERE") { Some(Condition(parser.or(0)?)) } else { None };
        let groups_at = parser.at();
        let groups = if parser.is_keyword("GROUP") { parser.groups()? } else { Vec::new() };
        parser.end()?;
        let query = Self { top, columns, collection, condition, groups };
        let fail = |(at, message): (usize, String)| QueryError::at(text, at, message);
        check_collection(&query, list_at, groups_at).map_err(fail)?;
        check_columns(&query, list_at, &places).map_err(fail)?;
        Ok(query)
    }
}

/// Refuses what IoT Hub does not do with this collection.
fn check_collection(query: &Query, list_at: usize, groups_at: usize) -> Result<(), (usize, String)> {
    if query.collection == Collection::Jobs && query.columns != Columns::All {
        return Err((list_at, "devices.jobs answers whole rows only: SELECT * FROM devices.jobs".to_owned()));
    }
    if query.collection != Collection::Devices && !query.groups.is_empty() {
        return Err((groups_at, format!("GROUP BY works on devices only, not on {}", query.collection.name())));
    }
    Ok(())
}

/// Refuses columns that a grouped row does not have, and names that are given twice.
fn check_columns(query: &Query, list_at: usize, places: &[usize]) -> Result<(), (usize, String)> {
    let Columns::Chosen(columns) = &query.columns else {
        let wrong =
            query.is_grouped().then(|| (list_at, "SELECT * does not go with GROUP BY: name the columns".to_owned()));
        return wrong.map_or(Ok(()), Err);
    };
    for (index, (column, at)) in columns.iter().zip(places).enumerate() {
        if columns[..index].iter().any(|earlier| earlier.name == column.name) {
            return Err((*at, format!("the column name '{}' is given twice: use AS", column.name)));
        }
        if let Source::Path(path) = &column.source
            && query.is_grouped()
            && !query.groups.contains(path)
        {
            return Err((*at, format!("the column '{}' is neither an aggregate nor in GROUP BY", column.name)));
        }
    }
    Ok(())
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, QueryError> {
        if text.chars().count() > QUERY_CHARS {
            return Err(QueryError::at(text, 0, format!("the query is longer than {QUERY_CHARS} characters")));
        }
        let mut parser = Self { text, tokens: tokens(text)?, next: 0, collection: Collection::Devices };
        // A bare FROM is nothing else: as a name it would stand in brackets.
        let is_from = |(_, token): &Placed| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("FROM"));
        if let Some(from) = parser.tokens.iter().position(is_from) {
            parser.next = from + 1;
            // What is wrong with it is said when the parser comes by.
            parser.collection = parser.collection().unwrap_or(Collection::Devices);
            parser.next = 0;
        }
        Ok(parser)
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    /// The byte where the next token begins.
    pub(super) fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.text.len(), |(at, _)| *at)
    }

    /// Whether the token behind the next is that symbol.
    pub(super) fn is_followed_by(&self, symbol: &str) -> bool {
        matches!(self.tokens.get(self.next + 1), Some((_, Token::Symbol(text))) if *text == symbol)
    }

    pub(super) fn skip(&mut self) {
        self.next += 1;
    }

    pub(super) fn fail(&self, message: impl Into<String>) -> QueryError {
        self.fail_at(self.at(), message)
    }

    pub(super) fn fail_at(&self, at: usize, message: impl Into<String>) -> QueryError {
        QueryError::at(self.text, at, message)
    }

    pub(super) fn unexpected(&self, wanted: &str) -> QueryError {
        let Some(token) = self.peek() else {
            return self.fail(format!("Unexpected end of query, expected {wanted}"));
        };
        let shown = token.shown();
        let foreign = match token {
            Token::Word(word) => FOREIGN.iter().find(|foreign| foreign.eq_ignore_ascii_case(word)),
            _ => None,
        };
        self.fail(match foreign {
            Some(foreign) => {
                format!("Unexpected input '{shown}', expected {wanted} (the language of IoT Hub has no {foreign})")
            }
            None => format!("Unexpected input '{shown}', expected {wanted}"),
        })
    }

    pub(super) fn is_keyword(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(text)) if text.eq_ignore_ascii_case(word));
        self.next += usize::from(found);
        found
    }

    pub(super) fn keyword(&mut self, word: &str) -> Result<(), QueryError> {
        if self.is_keyword(word) { Ok(()) } else { Err(self.unexpected(word)) }
    }

    pub(super) fn is_symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(text)) if *text == symbol);
        self.next += usize::from(found);
        found
    }

    pub(super) fn symbol(&mut self, symbol: &str) -> Result<(), QueryError> {
        if self.is_symbol(symbol) { Ok(()) } else { Err(self.unexpected(&format!("'{symbol}'"))) }
    }

    /// The first of the table whose symbol comes next.
    pub(super) fn one_of<T: Copy>(&mut self, table: &[(&str, T)]) -> Option<T> {
        table.iter().find(|(symbol, _)| self.is_symbol(symbol)).map(|(_, meaning)| *meaning)
    }

    fn end(&self) -> Result<(), QueryError> {
        if self.peek().is_none() { Ok(()) } else { Err(self.unexpected("the end of the query")) }
    }

    fn top(&mut self) -> Result<u64, QueryError> {
        // IoT Hub accepts `TOP (n)` too, as SQL does.
        let open = self.is_symbol("(");
        let Some(Token::Number(number)) = self.peek() else { return Err(self.unexpected("a number")) };
        let top = number.as_u64().ok_or_else(|| self.unexpected("a whole number"))?;
        self.skip();
        if open {
            self.symbol(")")?;
        }
        Ok(top)
    }

    fn collection(&mut self) -> Result<Collection, QueryError> {
        self.keyword("devices")?;
        if !self.is_symbol(".") {
            return Ok(Collection::Devices);
        }
        if self.is_keyword("jobs") {
            return Ok(Collection::Jobs);
        }
        if self.is_keyword("modules") { Ok(Collection::Modules) } else { Err(self.unexpected("modules or jobs")) }
    }

    /// The columns, and where each begins.
    fn columns(&mut self) -> Result<(Columns, Vec<usize>), QueryError> {
        if self.is_symbol("*") {
            return Ok((Columns::All, Vec::new()));
        }
        let (mut columns, mut places) = (Vec::new(), Vec::new());
        loop {
            if columns.len() == MOST_COLUMNS {
                return Err(self.fail(format!("more than {MOST_COLUMNS} columns")));
            }
            places.push(self.at());
            let unnamed = columns.iter().filter(|column: &&Column| column.is_unnamed()).count();
            columns.push(self.column(unnamed)?);
            if !self.is_symbol(",") {
                return Ok((Columns::Chosen(columns), places));
            }
        }
    }

    /// A column; `unnamed` aggregates came before it.
    fn column(&mut self, unnamed: usize) -> Result<Column, QueryError> {
        let source = match self.aggregate()? {
            Some(aggregate) => aggregate,
            None => Source::Path(self.field("* or a column")?),
        };
        let alias = if self.is_keyword("AS") {
            Some(self.name("a name after AS")?)
        } else {
            match self.peek() {
                Some(Token::Quoted(_)) => Some(self.name("a name")?),
                Some(Token::Word(word)) if !is_reserved(word) => Some(self.name("a name")?),
                _ => None,
            }
        };
        let name = match (&alias, &source) {
            (Some(alias), _) => alias.clone(),
            (None, Source::Path(path)) => last_name(path).to_owned(),
            (None, Source::Aggregate(..)) => format!("Column{}", unnamed + 1),
        };
        Ok(Column { source, alias, name })
    }

    /// `COUNT(..)` and the like, or none when the next is something else: a field may be called count.
    fn aggregate(&mut self) -> Result<Option<Source>, QueryError> {
        let Some(Token::Word(word)) = self.peek() else { return Ok(None) };
        let (word, at) = (word.clone(), self.at());
        if !self.is_followed_by("(") {
            return Ok(None);
        }
        let Some(aggregate) = Aggregate::named(&word) else {
            let names = Aggregate::NAMES.map(|(name, _)| name);
            return Err(
                self.fail_at(at, format!("{word}(..) is no aggregate; SELECT takes fields and {}", names.join(", ")))
            );
        };
        self.next += 2;
        let rows =
            aggregate == Aggregate::Count && (self.is_symbol("*") || matches!(self.peek(), Some(Token::Symbol(")"))));
        let path = if rows { None } else { Some(self.field("a field to aggregate")?) };
        self.symbol(")")?;
        Ok(Some(Source::Aggregate(aggregate, path)))
    }

    fn groups(&mut self) -> Result<Vec<Path>, QueryError> {
        self.keyword("BY")?;
        let mut groups = Vec::new();
        loop {
            if groups.len() == MOST_GROUPS {
                return Err(self.fail(format!("more than {MOST_GROUPS} elements of GROUP BY")));
            }
            groups.push(self.field("a field after GROUP BY")?);
            if !self.is_symbol(",") {
                return Ok(groups);
            }
        }
    }

    /// A name, quoted or bare and not of the grammar.
    pub(super) fn name(&mut self, wanted: &str) -> Result<String, QueryError> {
        let name = match self.peek() {
            Some(Token::Word(word)) if is_reserved(word) => {
                return Err(self.fail(format!("'{word}' is a word of the language: write [[{word}]]")));
            }
            Some(Token::Word(name) | Token::Quoted(name)) => name.clone(),
            _ => return Err(self.unexpected(wanted)),
        };
        self.skip();
        Ok(name)
    }

    /// A path, with built-in names as documents spell them.
    pub(super) fn field(&mut self, wanted: &str) -> Result<Path, QueryError> {
        let is_name = matches!(self.peek(), Some(Token::Quoted(_)))
            || matches!(self.peek(), Some(Token::Word(word)) if !is_reserved(word));
        if !is_name {
            return Err(self.unexpected(wanted));
        }
        let mut path = vec![Segment::Name(self.name(wanted)?)];
        loop {
            if self.is_symbol(".") {
                path.push(Segment::Name(self.name("a name after the dot")?));
            } else if self.is_symbol("[") {
                let index = match self.peek() {
                    Some(Token::Number(number)) => number.as_u64().and_then(|index| usize::try_from(index).ok()),
                    _ => None,
                };
                path.push(Segment::Index(index.ok_or_else(|| self.unexpected("a whole number"))?));
                self.skip();
                self.symbol("]")?;
            } else {
                break;
            }
        }
        let mut path = without_collection(path);
        if let Some(Segment::Name(root)) = path.first_mut()
            && let Some(spelling) = self.collection.spelling(root)
        {
            *root = spelling.to_owned();
        }
        Ok(path)
    }
}

impl Column {
    fn is_unnamed(&self) -> bool {
        self.alias.is_none() && matches!(self.source, Source::Aggregate(..))
    }
}

fn last_name(path: &[Segment]) -> &str {
    path.iter().rev().find_map(Segment::name).expect("a path begins with a name")
}

/// `devices.deviceId` and `devices.modules.moduleId` mean `deviceId` and `moduleId`. Repeated: what is printed is read the same.
fn without_collection(mut path: Path) -> Path {
    let prefixed = |path: &Path, names: &[&str]| match path.as_slice() {
        [Segment::Name(first), Segment::Name(_), ..] => names.iter().any(|name| name.eq_ignore_ascii_case(first)),
        _ => false,
    };
    while prefixed(&path, &["devices"]) {
        path.remove(0);
        if prefixed(&path, &["modules", "jobs"]) {
            path.remove(0);
        }
    }
    path
}
