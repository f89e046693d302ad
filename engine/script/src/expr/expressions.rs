//! Compiles and evaluates expressions. One engine serves all threads; an evaluation takes about a microsecond.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use base::{Clock, Source};
use rhai::{Dynamic, Engine, EvalAltResult, Module, Scope, Shared};
use thiserror::Error;

use super::expression::{Compiled, Expr};
use crate::dialect::{self, Limits, SharedModule, explain, offset};
use crate::error::{innermost, sentence};
use crate::look::{Functions, judged, names_and_paths, written};

/// An expression is a few lines of somebody's playbook; longer is a mistake or an attack.
const LONGEST: usize = 64 * 1024;
/// They run on the caller's own stack, so few calls may nest.
const LIMITS: Limits = Limits { operations: 100_000, items: 10_000, text: 1024 * 1024, calls: 8, variables: 256 };

/// What is wrong with an expression, and where in its text.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct ExprError {
    /// A fragment that says what is wrong.
    pub message: String,
    /// Bytes from the start of the expression.
    pub offset: usize,
    /// How to mend it.
    pub help: Option<String>,
}

/// Where an expression's names get their values.
pub trait Names {
    /// The value behind a name; `None` when there is no such name. A large value may be shared
    /// ([`Dynamic::into_shared`]), which makes handing it out cheap.
    fn get(&self, name: &str) -> Option<Dynamic>;
}

/// The one expression set-up of playbooks, runner scripts and handlers; cheap to clone.
#[derive(Clone)]
pub struct Expressions(Arc<Inner>);

struct Inner {
    clock: Clock,
    modules: Vec<SharedModule>,
    engine: Engine,
    functions: Functions,
}

impl Expressions {
    /// The dialect's own functions, with this clock.
    pub fn new(clock: impl Borrow<Clock>) -> Self {
        Self::with_functions(clock, Module::new())
    }

    /// The same with more functions, which must not wait.
    pub fn with_functions(clock: impl Borrow<Clock>, functions: Module) -> Self {
        let modules =
            vec![dialect::standard(), Shared::new(dialect::functions(clock.borrow())), Shared::new(functions)];
        let mut engine = dialect::runtime(&modules, LIMITS);
        engine.on_print(|_| {});
        let functions = Functions::of(&engine);
        Self(Arc::new(Inner { clock: clock.borrow().clone(), modules, engine, functions }))
    }

    /// The clock behind `now()`.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong, at which byte, and how to mend it; unknown functions too. Unknown names are not an error here: see
    /// [`Expr::names`].
    pub fn compile(&self, text: &str) -> Result<Expr, ExprError> {
        let fail = |message: &str, offset| Err(ExprError { message: message.to_owned(), offset, help: None });
        if text.trim().is_empty() {
            return fail("the expression is empty", 0);
        }
        if text.len() > LONGEST {
            return fail("the expression is longer than 64 KiB", LONGEST);
        }
        let parser = dialect::parser(&self.0.modules, LIMITS);
        let ast = parser.compile_expression(dialect::rewrite(text)).map_err(|error| {
            let at = offset(text, error.position());
            let (message, help) = explain(&error, text.get(at..).unwrap_or(""));
            ExprError { message, offset: at, help }
        })?;
        let calls = written(&ast, &Source::new("", text));
        if let Some((finding, span)) = judged(&self.0.functions, &ast, &calls).into_iter().next() {
            let help = finding.help.into_iter().next();
            return Err(ExprError { message: finding.message, offset: span.start, help });
        }
        let (names, paths) = names_and_paths(&ast, text);
        Ok(Expr(Arc::new(Compiled { text: text.to_owned(), ast, names, paths, calls, home: self.clone() })))
    }

    /// The expression's value.
    ///
    /// # Errors
    /// A name without a value, or what the expression itself ran into.
    pub fn eval(&self, expr: &Expr, names: &dyn Names) -> Result<Dynamic, ExprError> {
        let mut scope = Scope::new();
        for (name, at) in expr.names() {
            let Some(value) = names.get(name) else {
                let message = format!("unknown name `{name}`");
                return Err(ExprError { message, offset: *at, help: None });
            };
            scope.push_dynamic(name.as_str(), value);
        }
        self.0
            .engine
            .eval_ast_with_scope::<Dynamic>(&mut scope, &expr.0.ast)
            .map(Dynamic::flatten)
            .map_err(|error| runtime_error(&error, expr))
    }
}

fn runtime_error(error: &EvalAltResult, expr: &Expr) -> ExprError {
    let inner = innermost(error).0;
    let (message, help) = sentence(inner);
    let position = inner.position();
    let at = if position.is_none() { 0 } else { offset(expr.text(), position) };
    ExprError { message, offset: at, help }
}

impl fmt::Debug for Expressions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Expressions")
    }
}
