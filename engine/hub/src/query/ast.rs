//! A parsed query.

use serde_json::Value;

/// `SELECT [TOP n] * FROM collection [WHERE condition]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    pub(crate) top: Option<u64>,
    pub(crate) collection: Collection,
    /// None takes every row.
    pub(crate) condition: Option<Condition>,
}

/// What rows are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collection {
    /// Device twins.
    Devices,
    /// Module twins.
    Modules,
}

/// The part after WHERE.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition(pub(super) Expr);

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Name(String),
    Index(usize),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    /// At least two.
    Or(Vec<Expr>),
    /// At least two.
    And(Vec<Expr>),
    Not(Box<Expr>),
    Compare(Box<Expr>, Comparison, Box<Expr>),
    In {
        value: Box<Expr>,
        list: Vec<Value>,
        negated: bool,
    },
    Call(Function, Vec<Expr>),
    Path(Vec<Segment>),
    Literal(Value),
    Undefined,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Functions that answer true or false. The others of the language are refused by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    IsDefined,
    IsNull,
    IsBool,
    IsNumber,
    IsString,
    IsArray,
    IsObject,
    IsPrimitive,
    StartsWith,
    EndsWith,
    Contains,
}

impl Function {
    const NAMES: [(&'static str, Self, usize); 11] = [
        ("IS_DEFINED", Self::IsDefined, 1),
        ("IS_NULL", Self::IsNull, 1),
        ("IS_BOOL", Self::IsBool, 1),
        ("IS_NUMBER", Self::IsNumber, 1),
        ("IS_STRING", Self::IsString, 1),
        ("IS_ARRAY", Self::IsArray, 1),
        ("IS_OBJECT", Self::IsObject, 1),
        ("IS_PRIMITIVE", Self::IsPrimitive, 1),
        ("STARTSWITH", Self::StartsWith, 2),
        ("ENDSWITH", Self::EndsWith, 2),
        ("CONTAINS", Self::Contains, 2),
    ];

    /// The function of that name, in any case, and how many arguments it takes.
    pub(super) fn named(name: &str) -> Option<(Self, usize)> {
        let found = Self::NAMES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name))?;
        Some((found.1, found.2))
    }

    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().map(|(name, ..)| *name)
    }
}
