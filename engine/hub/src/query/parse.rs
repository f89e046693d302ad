//! Tokens to a query. Refuses with a place, and says of what the language has but this hub has not that it is not supported.

use serde_json::Value;
use thiserror::Error;

use super::ast::{Collection, Comparison, Condition, Expr, Function, Query, Segment};
use super::lexer::{Placed, Token, tokens};

/// Longest query text in characters, as documented.
const LONGEST: usize = 8_192;
/// Parentheses and NOTs inside each other: bounds the recursion of parser and evaluator.
const DEEPEST: usize = 64;

/// Why a query is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum QueryError {
    /// Not a query.
    #[error("SQL query parse failed due to following errors: \n\tLine {line}:{column} {message}")]
    Syntax { line: usize, column: usize, message: String },
    /// IoT Hub could, this hub cannot.
    #[error("{0} in queries is not supported by this hub, which answers whole rows: SELECT * FROM devices WHERE ..")]
    Unsupported(String),
}

impl QueryError {
    /// A refusal at a byte of the text.
    pub(super) fn at(text: &str, at: usize, message: impl Into<String>) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        Self::Syntax { line, column: before[line_start..].chars().count(), message: message.into() }
    }
}

impl Query {
    /// Reads a whole query.
    pub(crate) fn parse(text: &str) -> Result<Self, QueryError> {
        let mut parser = Parser::new(text)?;
        parser.keyword("SELECT")?;
        let top = if parser.is_keyword("TOP") { Some(parser.top()?) } else { None };
        if !parser.is_symbol("*") {
            return Err(QueryError::Unsupported("choosing columns (projections and aggregates)".into()));
        }
        parser.keyword("FROM")?;
        let collection = parser.collection()?;
        let condition = if parser.is_keyword("WHERE") { Some(Condition(parser.or(0)?)) } else { None };
        if parser.is_keyword("GROUP") {
            return Err(QueryError::Unsupported("GROUP BY".into()));
        }
        parser.end()?;
        Ok(Self { top, collection, condition })
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Placed>,
    next: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, QueryError> {
        if text.chars().count() > LONGEST {
            return Err(QueryError::at(text, 0, format!("the query is longer than {LONGEST} characters")));
        }
        Ok(Self { text, tokens: tokens(text)?, next: 0 })
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.next += 1;
        token
    }

    fn fail(&self, message: impl Into<String>) -> QueryError {
        let at = self.tokens.get(self.next).map_or(self.text.len(), |(at, _)| *at);
        QueryError::at(self.text, at, message)
    }

    fn unexpected(&self, wanted: &str) -> QueryError {
        match self.peek() {
            Some(token) => self.fail(format!("Unexpected input '{}', expected {wanted}", token.shown())),
            None => self.fail(format!("Unexpected end of query, expected {wanted}")),
        }
    }

    fn is_keyword(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(text)) if text.eq_ignore_ascii_case(word));
        self.next += usize::from(found);
        found
    }

    fn keyword(&mut self, word: &str) -> Result<(), QueryError> {
        if self.is_keyword(word) { Ok(()) } else { Err(self.unexpected(word)) }
    }

    fn is_symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(text)) if *text == symbol);
        self.next += usize::from(found);
        found
    }

    fn symbol(&mut self, symbol: &str) -> Result<(), QueryError> {
        if self.is_symbol(symbol) { Ok(()) } else { Err(self.unexpected(&format!("'{symbol}'"))) }
    }

    fn end(&self) -> Result<(), QueryError> {
        if self.peek().is_none() { Ok(()) } else { Err(self.unexpected("the end of the query")) }
    }

    fn top(&mut self) -> Result<u64, QueryError> {
        // IoT Hub accepts `TOP (n)` too, as SQL does.
        let open = self.is_symbol("(");
        let Some(Token::Number(number)) = self.peek() else { return Err(self.unexpected("a number")) };
        let top = number.as_u64().ok_or_else(|| self.unexpected("a whole number"))?;
        self.next += 1;
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
            return Err(QueryError::Unsupported("the collection devices.jobs".into()));
        }
        self.keyword("modules")?;
        Ok(Collection::Modules)
    }

    fn or(&mut self, depth: usize) -> Result<Expr, QueryError> {
        let mut terms = vec![self.and(depth)?];
        while self.is_keyword("OR") {
            terms.push(self.and(depth)?);
        }
        Ok(if terms.len() == 1 { terms.remove(0) } else { Expr::Or(terms) })
    }

    fn and(&mut self, depth: usize) -> Result<Expr, QueryError> {
        let mut terms = vec![self.not(depth)?];
        while self.is_keyword("AND") {
            terms.push(self.not(depth)?);
        }
        Ok(if terms.len() == 1 { terms.remove(0) } else { Expr::And(terms) })
    }

    fn not(&mut self, depth: usize) -> Result<Expr, QueryError> {
        if depth > DEEPEST {
            return Err(self.fail(format!("nested deeper than {DEEPEST} levels")));
        }
        if self.is_keyword("NOT") {
            return Ok(Expr::Not(Box::new(self.not(depth + 1)?)));
        }
        let left = self.primary(depth)?;
        if self.is_keyword("NOT") {
            self.keyword("IN")?;
            return self.list(left, true);
        }
        if self.is_keyword("IN") {
            return self.list(left, false);
        }
        if self.is_keyword("NIN") {
            return self.list(left, true);
        }
        self.no_arithmetic()?;
        let Some(comparison) = self.comparison() else { return Ok(left) };
        let right = self.primary(depth)?;
        self.no_arithmetic()?;
        Ok(Expr::Compare(Box::new(left), comparison, Box::new(right)))
    }

    fn no_arithmetic(&self) -> Result<(), QueryError> {
        match self.peek() {
            Some(Token::Symbol("+" | "-" | "*" | "/" | "%")) => Err(QueryError::Unsupported("arithmetic".into())),
            _ => Ok(()),
        }
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let Some(Token::Symbol(symbol)) = self.peek() else { return None };
        let comparison = match *symbol {
            "=" => Comparison::Equal,
            "!=" | "<>" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return None,
        };
        self.next += 1;
        Some(comparison)
    }

    fn list(&mut self, value: Expr, negated: bool) -> Result<Expr, QueryError> {
        self.symbol("[")?;
        let mut list = Vec::new();
        while !self.is_symbol("]") {
            if !list.is_empty() {
                self.symbol(",")?;
            }
            match self.literal()? {
                Some(Expr::Literal(value)) => list.push(value),
                _ => return Err(self.unexpected("a constant")),
            }
        }
        Ok(Expr::In { value: Box::new(value), list, negated })
    }

    /// A constant, or none when the next token starts something else.
    fn literal(&mut self) -> Result<Option<Expr>, QueryError> {
        let negative = matches!(self.peek(), Some(Token::Symbol("-")));
        self.next += usize::from(negative);
        let literal = match self.peek() {
            Some(Token::Number(number)) => Expr::Literal(if negative { minus(number) } else { number.clone().into() }),
            _ if negative => return Err(self.unexpected("a number")),
            Some(Token::Text(text)) => Expr::Literal(Value::String(text.clone())),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("true") => Expr::Literal(true.into()),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("false") => Expr::Literal(false.into()),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("null") => Expr::Literal(Value::Null),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("undefined") => Expr::Undefined,
            _ => return Ok(None),
        };
        self.next += 1;
        Ok(Some(literal))
    }

    fn primary(&mut self, depth: usize) -> Result<Expr, QueryError> {
        if let Some(literal) = self.literal()? {
            return Ok(literal);
        }
        if self.is_symbol("(") {
            let inner = self.or(depth + 1)?;
            self.symbol(")")?;
            return Ok(inner);
        }
        match self.peek().cloned() {
            Some(Token::Word(name)) => {
                self.next += 1;
                if self.is_symbol("(") { self.call(&name, depth) } else { self.path(name) }
            }
            Some(Token::Quoted(name)) => {
                self.next += 1;
                self.path(name)
            }
            _ => Err(self.unexpected("a field, a constant or '('")),
        }
    }

    fn call(&mut self, name: &str, depth: usize) -> Result<Expr, QueryError> {
        let Some((function, wanted)) = Function::named(name) else {
            let close = base::did_you_mean(name, Function::names());
            let hint = close.map_or(String::new(), |close| format!(" (did you mean {close}?)"));
            return Err(QueryError::Unsupported(format!("the function {name}{hint}")));
        };
        let mut arguments = Vec::new();
        while !self.is_symbol(")") {
            if !arguments.is_empty() {
                self.symbol(",")?;
            }
            arguments.push(self.or(depth + 1)?);
        }
        if arguments.len() != wanted {
            return Err(self.fail(format!("{name} takes {wanted} argument(s), not {}", arguments.len())));
        }
        Ok(Expr::Call(function, arguments))
    }

    fn path(&mut self, first: String) -> Result<Expr, QueryError> {
        let mut path = vec![Segment::Name(first)];
        loop {
            if self.is_symbol(".") {
                match self.take() {
                    Some(Token::Word(name) | Token::Quoted(name)) => path.push(Segment::Name(name)),
                    _ => {
                        self.next -= 1;
                        return Err(self.unexpected("a name after the dot"));
                    }
                }
            } else if self.is_symbol("[") {
                let index = match self.peek() {
                    Some(Token::Number(number)) => number.as_u64().and_then(|index| usize::try_from(index).ok()),
                    _ => None,
                };
                path.push(Segment::Index(index.ok_or_else(|| self.unexpected("a whole number"))?));
                self.next += 1;
                self.symbol("]")?;
            } else {
                return Ok(Expr::Path(without_collection(path)));
            }
        }
    }
}

/// `devices.deviceId` and `devices.modules.moduleId` mean `deviceId` and `moduleId`.
fn without_collection(mut path: Vec<Segment>) -> Vec<Segment> {
    let is = |segment: Option<&Segment>, name: &str| matches!(segment, Some(Segment::Name(text)) if text.eq_ignore_ascii_case(name));
    if path.len() > 1 && is(path.first(), "devices") {
        path.remove(0);
        if path.len() > 1 && is(path.first(), "modules") {
            path.remove(0);
        }
    }
    path
}

fn minus(number: &serde_json::Number) -> Value {
    match number.as_i64() {
        Some(whole) => Value::from(-whole),
        None => number.as_f64().map_or(Value::Null, |real| Value::from(-real)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refusals_say_where_or_what() {
        for (text, part) in [
            ("", "Line 1:0 Unexpected end of query, expected SELECT"),
            ("SELECT * FROM devices WHERE", "Unexpected end of query, expected a field"),
            ("SELECT * FROM devices\nWHERE a = ;", "Line 2:10 Unexpected character at input ';'"),
            ("SELECT * FROM things", "expected devices"),
            ("SELECT * FROM devices WHERE a = 'x", "string without its closing '"),
            ("SELECT * FROM devices WHERE a IN ('x')", "expected '['"),
            ("SELECT * FROM devices WHERE (a = 1", "expected ')'"),
            ("SELECT * FROM devices extra", "expected the end of the query"),
            ("SELECT deviceId FROM devices", "choosing columns"),
            ("SELECT COUNT() AS n FROM devices", "choosing columns"),
            ("SELECT * FROM devices GROUP BY status", "GROUP BY"),
            ("SELECT * FROM devices.jobs", "devices.jobs"),
            ("SELECT * FROM devices WHERE a + 1 = 2", "arithmetic"),
            ("SELECT * FROM devices WHERE STARTS_WITH(a, 'b')", "did you mean STARTSWITH?"),
            ("SELECT * FROM devices WHERE IS_DEFINED(a, b)", "takes 1 argument(s), not 2"),
            ("SELECT TOP x * FROM devices", "expected a number"),
            ("SELECT * FROM devices WHERE 1x = 1", "`1x` is not a number"),
        ] {
            let error = Query::parse(text).expect_err(text);
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
        let deep = format!("SELECT * FROM devices WHERE {}a{}", "(".repeat(2_000), ")".repeat(2_000));
        assert!(Query::parse(&deep).unwrap_err().to_string().contains("nested deeper"));
        let deep = format!("SELECT * FROM devices WHERE {} a", "NOT ".repeat(2_000));
        assert!(Query::parse(&deep).unwrap_err().to_string().contains("nested deeper"));
        let long = format!("SELECT * FROM devices WHERE a = '{}'", "x".repeat(LONGEST));
        assert!(Query::parse(&long).unwrap_err().to_string().contains("longer than 8192"));
    }

    #[test]
    fn the_frame_of_a_query() {
        let query = Query::parse("select top 5 * from devices.modules /* all */").unwrap();
        assert_eq!(query, Query { top: Some(5), collection: Collection::Modules, condition: None });
        let query = Query::parse("SELECT *\nFROM devices\nWHERE devices.deviceId = 'a'").unwrap();
        assert_eq!(query, Query::parse("SELECT * FROM devices WHERE deviceId = \"a\"").unwrap());
    }

    proptest! {
        #[test]
        fn never_panics(text in "[ -~\\n]{0,120}", tail in ".{0,60}") {
            let _ = Query::parse(&text);
            let _ = Query::parse(&format!("SELECT * FROM devices WHERE {text}"));
            let _ = Query::parse(&format!("SELECT * FROM devices WHERE {tail}"));
        }

        #[test]
        fn never_panics_on_tokens(words in proptest::collection::vec(proptest::sample::select(vec![
            "a", "(", ")", "AND", "OR", "NOT", "IN", "NIN", "[", "]", "[[x y]]", ",", ".", "'t'", "1", "-", "0x1f", "1e+3",
            "=", "!=", "null", "undefined", "IS_DEFINED", "tags", "$version", "\\", "'",
        ]), 0..24)) {
            let _ = Query::parse(&format!("SELECT * FROM devices WHERE {}", words.join(" ")));
        }
    }
}
