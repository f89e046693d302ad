//! Values that are constant at load, or filled per device from `${{ expr }}`; and bare expressions, compiled at load.

use std::marker::PhantomData;
use std::sync::Arc;

use base::Span;

/// A bare expression (`when`, `until`, `wait_until`), compiled.
#[derive(Clone, Debug)]
pub struct Expression {
    /// Compiled.
    pub expr: Arc<script::Expr>,
    /// Its place, for diagnostics at run time.
    pub span: Span,
}

/// Text with `${{ }}` in it, or a whole tree of such, compiled.
#[derive(Clone, Debug)]
pub struct Template {
    _seam: (),
}

/// A parameter of type `T`: constant at load, or a template.
#[derive(Clone, Debug)]
pub enum Filled<T> {
    /// Known at load.
    Constant(T),
    /// Known per device.
    Template(Template, PhantomData<fn() -> T>),
}
