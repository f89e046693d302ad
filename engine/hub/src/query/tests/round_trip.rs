//! Any text is parsed or refused, what is printed is read the same, and any query has an answer on any row.

use proptest::prelude::*;
use serde_json::{Number, Value};

use crate::query::ast::{
    Aggregate, Collection, Column, Columns, Comparison, Condition, Expr, Operator, Path, Query, Segment, Source,
};
use crate::query::function::Function;
use crate::query::{Gather, PageStart};

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("tags".to_owned()),
        "[a-z_$][a-z0-9_]{0,6}",
        // What must be quoted: words of the grammar, blanks, other alphabets.
        proptest::sample::select(crate::query::lexer::RESERVED.to_vec()).prop_map(str::to_lowercase),
        "[a-zé 0-9'.\\-\\[]{1,6}",
    ]
}

/// As it is after parsing: no prefix of a collection, built-in names in their own spelling.
fn path() -> impl Strategy<Value = Path> {
    let segment = prop_oneof![3 => name().prop_map(Segment::Name), 1 => (0_usize..3).prop_map(Segment::Index)];
    (name(), proptest::collection::vec(segment, 0..4)).prop_map(|(root, rest)| {
        let root = if root == "devices" { "tags".to_owned() } else { root };
        let root = Collection::Devices.spelling(&root).map_or(root, str::to_owned);
        std::iter::once(Segment::Name(root)).chain(rest).collect()
    })
}

fn primitive() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_filter("read as a real", |whole| *whole != i64::MIN).prop_map(Value::from),
        (-9_i64..9).prop_map(Value::from),
        any::<f64>().prop_filter_map("a number", |real| Number::from_f64(real).map(Value::Number)),
        ".{0,8}".prop_map(Value::from),
        "['\"\\\\a\\n]{0,5}".prop_map(Value::from),
    ]
}

fn leaf() -> impl Strategy<Value = Expr> {
    prop_oneof![
        4 => path().prop_map(Expr::Path),
        4 => primitive().prop_map(Expr::Literal),
        1 => proptest::collection::vec(primitive(), 0..3).prop_map(|list| Expr::Literal(Value::Array(list))),
        1 => Just(Expr::Undefined),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    leaf().prop_recursive(4, 40, 4, |inner| {
        let many = |fewest: usize| proptest::collection::vec(inner.clone(), fewest..4);
        let comparison = proptest::sample::select(Comparison::SYMBOLS.map(|(_, comparison)| comparison).to_vec());
        let chain = |operators: Vec<Operator>| {
            let rest = proptest::collection::vec((proptest::sample::select(operators), inner.clone()), 1..3);
            (inner.clone(), rest).prop_map(|(first, rest)| Expr::Chain(Box::new(first), rest))
        };
        let call = proptest::sample::select(Function::TABLE.to_vec()).prop_flat_map({
            let inner = inner.clone();
            move |(_, function, fewest, most)| {
                proptest::collection::vec(inner.clone(), fewest..=most.min(fewest + 1))
                    .prop_map(move |arguments| Expr::Call(function, arguments))
            }
        });
        prop_oneof![
            many(2).prop_map(Expr::Or),
            many(2).prop_map(Expr::And),
            inner.clone().prop_map(|inner| Expr::Not(Box::new(inner))),
            (inner.clone(), comparison, inner.clone()).prop_map(|(left, comparison, right)| Expr::Compare(
                Box::new(left),
                comparison,
                Box::new(right)
            )),
            (inner.clone(), proptest::collection::vec(primitive(), 0..3), any::<bool>())
                .prop_map(|(value, list, negated)| Expr::In { value: Box::new(value), list, negated }),
            chain(Operator::SUMS.map(|(_, operator)| operator).to_vec()),
            chain(Operator::PRODUCTS.map(|(_, operator)| operator).to_vec()),
            inner.clone().prop_map(|inner| match inner {
                Expr::Literal(Value::Number(_)) => inner,
                inner => Expr::Negative(Box::new(inner)),
            }),
            call,
        ]
    })
}

fn columns() -> impl Strategy<Value = (Columns, Vec<Path>)> {
    let aggregate = proptest::sample::select(Aggregate::NAMES.map(|(_, aggregate)| aggregate).to_vec());
    let groups = proptest::collection::vec(path(), 0..3);
    let aggregates = proptest::collection::vec((aggregate, path()), 1..3);
    let grouped = (groups, aggregates).prop_map(|(groups, aggregates)| {
        let paths = groups.iter().cloned().map(Source::Path);
        let aggregates = aggregates.into_iter().map(|(aggregate, path)| {
            let path = Some(path).filter(|path| aggregate != Aggregate::Count || path.len() > 1);
            Source::Aggregate(aggregate, path)
        });
        let column = |(index, source)| {
            let name = format!("c {index}");
            Column { source, alias: Some(name.clone()), name }
        };
        (Columns::Chosen(paths.chain(aggregates).enumerate().map(column).collect()), groups)
    });
    prop_oneof![Just((Columns::All, Vec::new())), grouped]
}

prop_compose! {
    fn query()(
        top in proptest::option::of(any::<u64>()),
        (columns, groups) in columns(),
        condition in proptest::option::of(expr().prop_map(Condition)),
    ) -> Query {
        Query { top, columns, collection: Collection::Devices, condition, groups }
    }
}

fn document() -> impl Strategy<Value = Value> {
    primitive().prop_recursive(3, 30, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::vec((name(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn printed_is_read_the_same(query in query()) {
        let printed = query.to_string();
        prop_assert_eq!(Query::parse(&printed), Ok(query), "{}", printed);
    }

    #[test]
    fn every_query_has_an_answer(query in query(), rows in proptest::collection::vec(document(), 0..4)) {
        let mut gather = Gather::new(&query, &PageStart::default(), 2);
        for (index, row) in rows.iter().enumerate() {
            gather.look(row, || index.to_string());
        }
        let page: Value = serde_json::from_slice(&gather.page().rows).unwrap();
        prop_assert!(page.as_array().unwrap().len() <= 2);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[ -~\\n]{0,120}", tail in ".{0,60}") {
        let _ = Query::parse(&text);
        for tail in [&text, &tail] {
            if let Ok(query) = Query::parse(&format!("SELECT * FROM devices WHERE {tail}")) {
                prop_assert_eq!(Query::parse(&query.to_string()), Ok(query));
            }
        }
    }

    #[test]
    fn any_words_are_read_or_refused(words in proptest::collection::vec(proptest::sample::select(vec![
        "a", "(", ")", "AND", "OR", "NOT", "IN", "NIN", "[", "]", "[[x y]]", ",", ".", "'t'", "1", "-", "0x1f", "1e+3", "+", "*",
        "/", "%", "=", "!=", "null", "undefined", "IS_DEFINED(", "CONCAT(", "tags", "$version", "\\", "'", "devices.", "modules.",
        "GROUP BY", "[0]",
    ]), 0..24)) {
        let text = words.join(" ");
        for text in [format!("SELECT * FROM devices WHERE {text}"), format!("SELECT {text} FROM devices.modules"), text] {
            if let Ok(query) = Query::parse(&text) {
                prop_assert_eq!(Query::parse(&query.to_string()), Ok(query), "{}", text);
            }
        }
    }
}
