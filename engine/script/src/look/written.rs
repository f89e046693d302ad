//! The calls of functions in a text, each with its arguments as far as they are written out.

use base::{Source, Span};
use rhai::{AST, ASTNode, Expr, Position};
use serde_json::{Number, Value};

use crate::dialect::offset;

/// A call as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The function's name.
    pub name: String,
    /// The place of the name.
    pub span: Span,
    /// `value.name(..)`: the value is not among `args`.
    pub method: bool,
    /// Called by the name of a module: `lib::tools::name(..)`.
    pub qualified: bool,
    /// The module's name as written, `lib::tools`; empty where there is none.
    pub module: String,
    /// Its arguments.
    pub args: Vec<Literal>,
}

/// An argument, or a part of one, as far as it is written out.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// A text, a number, true, false or nothing.
    Scalar(Value, Span),
    /// `[..]`
    List(Vec<Literal>, Span),
    /// `#{..}`: keys with their places, in the order written.
    Map(Vec<(String, Span, Literal)>, Span),
    /// `|x| ..`
    Closure(Span),
    /// What only the run can tell.
    Unknown(Span),
}

impl Literal {
    /// Where it begins.
    pub fn span(&self) -> Span {
        match self {
            Self::Scalar(_, span)
            | Self::List(_, span)
            | Self::Map(_, span)
            | Self::Closure(span)
            | Self::Unknown(span) => *span,
        }
    }
}

/// All calls of functions by name, in the order of the text; operators are none.
pub(crate) fn written(ast: &AST, source: &Source) -> Vec<Written> {
    let mut found = Vec::new();
    ast.walk(&mut |path| {
        if let Some(ASTNode::Expr(Expr::FnCall(call, position) | Expr::MethodCall(call, position))) = path.last() {
            let method = matches!(path.last(), Some(ASTNode::Expr(Expr::MethodCall(..))));
            let first = call.name.chars().next();
            if call.op_token.is_none() && first.is_some_and(|c| c.is_alphabetic() || c == '_') {
                found.push(Written {
                    name: call.name.to_string(),
                    span: word(source, *position),
                    method,
                    qualified: !call.namespace.is_empty(),
                    module: call.namespace.to_string(),
                    args: call.args.iter().map(|arg| literal(arg, source)).collect(),
                });
            }
        }
        true
    });
    found.sort_by_key(|call| call.span.start);
    found.dedup_by(|a, b| a.span == b.span && a.name == b.name);
    found
}

fn literal(expr: &Expr, source: &Source) -> Literal {
    let span = word(source, expr.position());
    match expr {
        Expr::BoolConstant(it, _) => Literal::Scalar(Value::Bool(*it), span),
        Expr::IntegerConstant(it, _) => Literal::Scalar(Value::from(*it), span),
        Expr::FloatConstant(it, _) => {
            Number::from_f64(**it).map_or(Literal::Unknown(span), |number| Literal::Scalar(Value::Number(number), span))
        }
        Expr::StringConstant(it, _) => Literal::Scalar(Value::String(it.to_string()), span),
        Expr::Unit(_) => Literal::Scalar(Value::Null, span),
        Expr::Array(items, _) => Literal::List(items.iter().map(|item| literal(item, source)).collect(), span),
        Expr::Map(entries, _) => {
            let entry = |(key, value): &(rhai::Ident, Expr)| {
                (key.name.to_string(), word(source, key.pos), literal(value, source))
            };
            Literal::Map(entries.0.iter().map(entry).collect(), span)
        }
        Expr::DynamicConstant(value, _) if value.is_fnptr() => Literal::Closure(span),
        Expr::FnCall(call, _) if call.name == "curry" => Literal::Closure(span),
        // A closure that captures something is a block that shares it first.
        Expr::Stmt(_) if source.text()[span.start..].starts_with('|') => Literal::Closure(span),
        _ => Literal::Unknown(span),
    }
}

/// The word, text or sign that stands at a position.
fn word(source: &Source, position: Position) -> Span {
    let text = source.text();
    let start = offset(text, position);
    let rest = &text[start..];
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let length = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let line = rest.lines().next().unwrap_or(rest);
            line[1..].find(quote).map_or(line.len(), |end| end + 2)
        }
        Some(c) if in_word(c) => rest.find(|c| !in_word(c)).unwrap_or(rest.len()),
        Some(c) => c.len_utf8(),
        None => 0,
    };
    Span::new(start, start + length)
}
