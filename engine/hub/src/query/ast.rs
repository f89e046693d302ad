//! A parsed query, after its names are bound: the prefix of the collection is gone, built-in fields have their own spelling.

use serde_json::Value;

use super::function::Function;

/// `SELECT [TOP n] columns FROM collection [WHERE condition] [GROUP BY paths]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    pub(crate) top: Option<u64>,
    pub(crate) columns: Columns,
    pub(crate) collection: Collection,
    /// None takes every row.
    pub(crate) condition: Option<Condition>,
    /// Empty without GROUP BY.
    pub(crate) groups: Vec<Path>,
}

impl Query {
    /// Whether rows are counted together instead of shown.
    pub(crate) fn is_grouped(&self) -> bool {
        let aggregate = |column: &Column| matches!(column.source, Source::Aggregate(..));
        !self.groups.is_empty() || matches!(&self.columns, Columns::Chosen(columns) if columns.iter().any(aggregate))
    }
}

/// The list after SELECT.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Columns {
    /// `*`: whole documents.
    All,
    /// At least one; no two have the same name.
    Chosen(Vec<Column>),
}

/// One column of the answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) source: Source,
    pub(crate) alias: Option<String>,
    /// The alias, or the last name of the path, or `Column1` and so on for an aggregate.
    pub(crate) name: String,
}

/// Where a column's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    Path(Path),
    /// Only COUNT may go without a path: it counts rows then.
    Aggregate(Aggregate, Option<Path>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Count,
    Average,
    Sum,
    Least,
    Greatest,
}

impl Aggregate {
    pub(super) const NAMES: [(&'static str, Self); 5] = [
        ("COUNT", Self::Count),
        ("AVG", Self::Average),
        ("SUM", Self::Sum),
        ("MIN", Self::Least),
        ("MAX", Self::Greatest),
    ];

    /// The aggregate of that name, in any case.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, aggregate)| *aggregate)
    }
}

/// What rows are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collection {
    /// Device twins.
    Devices,
    /// Module twins.
    Modules,
    /// What jobs did to each device.
    Jobs,
}

/// Fields at the root of a twin, as documents spell them.
const TWIN_FIELDS: [&str; 20] = [
    "deviceId",
    "moduleId",
    "etag",
    "deviceEtag",
    "status",
    "statusReason",
    "statusUpdateTime",
    "connectionState",
    "lastActivityTime",
    "cloudToDeviceMessageCount",
    "authenticationType",
    "x509Thumbprint",
    "modelId",
    "version",
    "tags",
    "properties",
    "capabilities",
    "deviceScope",
    "parentScopes",
    "configurations",
];

/// Fields at the root of a job's row.
const JOB_FIELDS: [&str; 11] = [
    "deviceId",
    "moduleId",
    "jobId",
    "jobType",
    "status",
    "startTimeUtc",
    "endTimeUtc",
    "createdDateTimeUtc",
    "lastUpdatedDateTimeUtc",
    "outcome",
    "error",
];
/// What the documentation's samples call `createdDateTimeUtc`.
const CREATED: [&str; 2] = ["createdTimeUtc", "createdDateTimeUtc"];

impl Collection {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Devices => "devices",
            Self::Modules => "devices.modules",
            Self::Jobs => "devices.jobs",
        }
    }

    /// How documents spell a field that may be written in any case; none for a name that is not built in.
    pub(super) fn spelling(self, name: &str) -> Option<&'static str> {
        let same = |known: &&&str| known.eq_ignore_ascii_case(name);
        match self {
            Self::Devices | Self::Modules => TWIN_FIELDS.iter().find(same).copied(),
            Self::Jobs if CREATED[0].eq_ignore_ascii_case(name) => Some(CREATED[1]),
            Self::Jobs => JOB_FIELDS.iter().find(same).copied(),
        }
    }
}

/// The part after WHERE.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition(pub(super) Expr);

/// From the root of a row to a value. Begins with a name.
pub(crate) type Path = Vec<Segment>;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Name(String),
    Index(usize),
}

impl Segment {
    /// None of an index.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Index(_) => None,
        }
    }
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
    /// From left to right; all operators are sums, or all are products. A list, because a chain may be thousands long.
    Chain(Box<Expr>, Vec<(Operator, Expr)>),
    /// Never of a number: that is a literal.
    Negative(Box<Expr>),
    Call(Function, Vec<Expr>),
    Path(Path),
    /// No objects; arrays of primitives.
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

impl Comparison {
    /// The first symbol of each is how it is printed.
    pub(super) const SYMBOLS: [(&'static str, Self); 7] = [
        ("=", Self::Equal),
        ("!=", Self::NotEqual),
        ("<>", Self::NotEqual),
        ("<=", Self::LessOrEqual),
        (">=", Self::GreaterOrEqual),
        ("<", Self::Less),
        (">", Self::Greater),
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Plus,
    Minus,
    Times,
    Over,
    Remainder,
}

impl Operator {
    pub(super) const SUMS: [(&'static str, Self); 2] = [("+", Self::Plus), ("-", Self::Minus)];
    pub(super) const PRODUCTS: [(&'static str, Self); 3] =
        [("*", Self::Times), ("/", Self::Over), ("%", Self::Remainder)];
}
