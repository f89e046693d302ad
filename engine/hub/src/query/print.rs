//! A query as text, with no more parentheses than it needs. Parsing what is printed gives the same query.

use std::fmt::{Display, Formatter, Result, Write};

use serde_json::Value;

use super::ast::{Aggregate, Column, Columns, Comparison, Condition, Expr, Operator, Query, Segment, Source};
use super::lexer::is_bare;

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("SELECT ")?;
        if let Some(top) = self.top {
            write!(f, "TOP {top} ")?;
        }
        match &self.columns {
            Columns::All => f.write_str("*")?,
            Columns::Chosen(columns) => separated(f, columns, ", ", column)?,
        }
        write!(f, " FROM {}", self.collection.name())?;
        if let Some(condition) = &self.condition {
            write!(f, " WHERE {condition}")?;
        }
        if !self.groups.is_empty() {
            f.write_str(" GROUP BY ")?;
            separated(f, &self.groups, ", ", |f, group| path(f, group))?;
        }
        Ok(())
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        expr(f, &self.0)
    }
}

fn separated<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    separator: &str,
    mut print: impl FnMut(&mut Formatter<'_>, &T) -> Result,
) -> Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        print(f, item)?;
    }
    Ok(())
}

fn column(f: &mut Formatter<'_>, column: &Column) -> Result {
    match &column.source {
        Source::Path(source) => path(f, source)?,
        Source::Aggregate(aggregate, source) => {
            write!(f, "{}(", aggregate_name(*aggregate))?;
            source.iter().try_for_each(|source| path(f, source))?;
            f.write_char(')')?;
        }
    }
    let Some(alias) = &column.alias else { return Ok(()) };
    f.write_str(" AS ")?;
    name(f, alias)
}

fn aggregate_name(aggregate: Aggregate) -> &'static str {
    Aggregate::NAMES.iter().find(|(_, known)| *known == aggregate).expect("every aggregate has a name").0
}

fn name(f: &mut Formatter<'_>, name: &str) -> Result {
    if is_bare(name) { f.write_str(name) } else { write!(f, "[[{name}]]") }
}

fn path(f: &mut Formatter<'_>, path: &[Segment]) -> Result {
    for (index, segment) in path.iter().enumerate() {
        match segment {
            Segment::Index(index) => write!(f, "[{index}]")?,
            Segment::Name(segment) => {
                if index > 0 {
                    f.write_char('.')?;
                }
                name(f, segment)?;
            }
        }
    }
    Ok(())
}

/// How tightly an expression binds, loosest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Or,
    And,
    Not,
    Compare,
    Sum,
    Product,
    Signed,
    Primary,
}

fn level(expr: &Expr) -> Level {
    match expr {
        Expr::Or(_) => Level::Or,
        Expr::And(_) => Level::And,
        Expr::Not(_) => Level::Not,
        Expr::Compare(..) | Expr::In { .. } => Level::Compare,
        Expr::Chain(_, rest) => {
            let sums = rest.first().is_some_and(|(first, _)| Operator::SUMS.iter().any(|(_, sum)| sum == first));
            if sums { Level::Sum } else { Level::Product }
        }
        Expr::Negative(_) => Level::Signed,
        // The sign of a number is read with the number.
        Expr::Call(..) | Expr::Path(_) | Expr::Literal(_) | Expr::Undefined => Level::Primary,
    }
}

/// Where an operand of that level is asked for.
fn inside(f: &mut Formatter<'_>, wanted: Level, operand: &Expr) -> Result {
    if level(operand) >= wanted {
        return expr(f, operand);
    }
    f.write_char('(')?;
    expr(f, operand)?;
    f.write_char(')')
}

fn expr(f: &mut Formatter<'_>, expr: &Expr) -> Result {
    match expr {
        Expr::Or(terms) => separated(f, terms, " OR ", |f, term| inside(f, Level::And, term)),
        Expr::And(terms) => separated(f, terms, " AND ", |f, term| inside(f, Level::Not, term)),
        Expr::Not(inner) => {
            f.write_str("NOT ")?;
            inside(f, Level::Not, inner)
        }
        Expr::Compare(left, comparison, right) => {
            inside(f, Level::Sum, left)?;
            write!(f, " {} ", comparison_symbol(*comparison))?;
            inside(f, Level::Sum, right)
        }
        Expr::In { value, list, negated } => {
            inside(f, Level::Sum, value)?;
            f.write_str(if *negated { " NIN " } else { " IN " })?;
            array(f, list)
        }
        Expr::Chain(first, rest) => {
            let operand = if level(expr) == Level::Sum { Level::Product } else { Level::Signed };
            inside(f, operand, first)?;
            rest.iter().try_for_each(|(operator, term)| {
                write!(f, " {} ", operator_symbol(*operator))?;
                inside(f, operand, term)
            })
        }
        Expr::Negative(inner) => {
            f.write_char('-')?;
            inside(f, Level::Signed, inner)
        }
        Expr::Call(function, arguments) => {
            write!(f, "{}(", function.name())?;
            separated(f, arguments, ", ", self::expr)?;
            f.write_char(')')
        }
        Expr::Path(segments) => path(f, segments),
        Expr::Literal(value) => literal(f, value),
        Expr::Undefined => f.write_str("undefined"),
    }
}

fn comparison_symbol(comparison: Comparison) -> &'static str {
    Comparison::SYMBOLS.iter().find(|(_, known)| *known == comparison).expect("every comparison has a symbol").0
}

fn operator_symbol(operator: Operator) -> &'static str {
    let all = Operator::SUMS.into_iter().chain(Operator::PRODUCTS);
    all.into_iter().find(|(_, known)| *known == operator).expect("every operator has a symbol").0
}

fn array(f: &mut Formatter<'_>, list: &[Value]) -> Result {
    f.write_char('[')?;
    separated(f, list, ", ", literal)?;
    f.write_char(']')
}

fn literal(f: &mut Formatter<'_>, value: &Value) -> Result {
    match value {
        Value::String(text) => write!(f, "'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        Value::Array(list) => array(f, list),
        other => write!(f, "{other}"),
    }
}
