//! Conditions, from the loosest binding to the tightest: OR, AND, NOT, comparisons, sums, products, signs.

use serde_json::Value;

use super::ast::{Comparison, Expr, Operator};
use super::error::QueryError;
use super::function::Function;
use super::lexer::Token;
use super::number::{Number, number};
use super::parse::Parser;

/// Parentheses, NOTs, signs and calls inside each other: bounds the recursion of parser and evaluator.
const DEEPEST: usize = 64;

impl Parser<'_> {
    pub(super) fn or(&mut self, depth: usize) -> Result<Expr, QueryError> {
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

    fn bounded(&self, depth: usize) -> Result<(), QueryError> {
        if depth > DEEPEST { Err(self.fail(format!("nested deeper than {DEEPEST} levels"))) } else { Ok(()) }
    }

    fn not(&mut self, depth: usize) -> Result<Expr, QueryError> {
        self.bounded(depth)?;
        if self.is_keyword("NOT") {
            return Ok(Expr::Not(Box::new(self.not(depth + 1)?)));
        }
        self.comparison(depth)
    }

    fn comparison(&mut self, depth: usize) -> Result<Expr, QueryError> {
        let left = self.chain(depth, &Operator::SUMS, Self::products)?;
        if self.is_keyword("NOT") {
            self.keyword("IN")?;
            return self.is_in(left, true);
        }
        if self.is_keyword("IN") {
            return self.is_in(left, false);
        }
        if self.is_keyword("NIN") {
            return self.is_in(left, true);
        }
        let Some(comparison) = self.one_of(&Comparison::SYMBOLS) else { return Ok(left) };
        let right = self.chain(depth, &Operator::SUMS, Self::products)?;
        Ok(Expr::Compare(Box::new(left), comparison, Box::new(right)))
    }

    fn is_in(&mut self, value: Expr, negated: bool) -> Result<Expr, QueryError> {
        self.symbol("[")?;
        Ok(Expr::In { value: Box::new(value), list: self.list()?, negated })
    }

    /// Operands of one level, from left to right.
    fn chain(
        &mut self,
        depth: usize,
        operators: &[(&str, Operator)],
        operand: fn(&mut Self, usize) -> Result<Expr, QueryError>,
    ) -> Result<Expr, QueryError> {
        let first = operand(self, depth)?;
        let mut rest = Vec::new();
        while let Some(operator) = self.one_of(operators) {
            rest.push((operator, operand(self, depth)?));
        }
        Ok(if rest.is_empty() { first } else { Expr::Chain(Box::new(first), rest) })
    }

    fn products(&mut self, depth: usize) -> Result<Expr, QueryError> {
        self.chain(depth, &Operator::PRODUCTS, Self::signed)
    }

    fn signed(&mut self, depth: usize) -> Result<Expr, QueryError> {
        self.bounded(depth)?;
        if !self.is_symbol("-") {
            return self.primary(depth);
        }
        let operand = self.signed(depth + 1)?;
        Ok(match &operand {
            Expr::Literal(value @ Value::Number(_)) => Expr::Literal(minus(value)),
            _ => Expr::Negative(Box::new(operand)),
        })
    }

    /// The rest of `[1, 'a']`. An undefined item is equal to nothing, so it is left out.
    fn list(&mut self) -> Result<Vec<Value>, QueryError> {
        let mut list = Vec::new();
        let mut first = true;
        while !self.is_symbol("]") {
            if !first {
                self.symbol(",")?;
            }
            first = false;
            let negative = self.is_symbol("-");
            if negative && !matches!(self.peek(), Some(Token::Number(_))) {
                return Err(self.unexpected("a number"));
            }
            match self.constant() {
                Some(Expr::Literal(value)) if negative => list.push(minus(&value)),
                Some(Expr::Literal(value)) => list.push(value),
                Some(_) => {}
                None => return Err(self.unexpected("a constant")),
            }
        }
        Ok(list)
    }

    /// A constant, or none when the next token starts something else.
    fn constant(&mut self) -> Option<Expr> {
        let constant = match self.peek()? {
            Token::Number(number) => Expr::Literal(number.clone().into()),
            Token::Text(text) => Expr::Literal(Value::String(text.clone())),
            Token::Word(word) if word.eq_ignore_ascii_case("true") => Expr::Literal(true.into()),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => Expr::Literal(false.into()),
            Token::Word(word) if word.eq_ignore_ascii_case("null") => Expr::Literal(Value::Null),
            Token::Word(word) if word.eq_ignore_ascii_case("undefined") => Expr::Undefined,
            _ => return None,
        };
        self.skip();
        Some(constant)
    }

    fn primary(&mut self, depth: usize) -> Result<Expr, QueryError> {
        if let Some(constant) = self.constant() {
            return Ok(constant);
        }
        if self.is_symbol("(") {
            let inner = self.or(depth + 1)?;
            self.symbol(")")?;
            return Ok(inner);
        }
        if self.is_symbol("[") {
            return Ok(Expr::Literal(Value::Array(self.list()?)));
        }
        if let Some((name, at)) = self.called() {
            return self.call(&name, at, depth);
        }
        self.field("a field, a constant or '('").map(Expr::Path)
    }

    /// The name of a call and its place, when one comes next; the parser stands behind the parenthesis then.
    fn called(&mut self) -> Option<(String, usize)> {
        let Some(Token::Word(name)) = self.peek() else { return None };
        let (name, at) = (name.clone(), self.at());
        self.is_followed_by("(").then(|| {
            self.skip();
            self.skip();
            (name, at)
        })
    }

    fn call(&mut self, name: &str, at: usize, depth: usize) -> Result<Expr, QueryError> {
        let Some((function, fewest, most)) = Function::named(name) else {
            let close = base::did_you_mean(name, Function::names());
            let hint = close.map_or(String::new(), |close| format!(", did you mean {close}?"));
            return Err(self.fail_at(at, format!("'{name}' is not a function{hint}")));
        };
        let mut arguments = Vec::new();
        while !self.is_symbol(")") {
            if !arguments.is_empty() {
                self.symbol(",")?;
            }
            arguments.push(self.or(depth + 1)?);
        }
        if (fewest..=most).contains(&arguments.len()) {
            return Ok(Expr::Call(function, arguments));
        }
        let wanted = match most {
            _ if fewest == most => fewest.to_string(),
            usize::MAX => format!("{fewest} or more"),
            _ => format!("{fewest} to {most}"),
        };
        Err(self.fail_at(at, format!("{} takes {wanted} argument(s), not {}", function.name(), arguments.len())))
    }
}

fn minus(value: &Value) -> Value {
    let negative = match number(value) {
        Some(Number::Whole(whole)) => whole.checked_neg().map(Value::from),
        _ => None,
    };
    negative.or_else(|| value.as_f64().map(|real| Value::from(-real))).unwrap_or(Value::Null)
}
