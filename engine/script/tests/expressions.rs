//! Expressions as users write them: values, names, paths, messages and positions.

use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

use base::Clock;
use iotplay_script::{Dynamic, ExprError, Expressions, Names, from_json, to_json};
use proptest::prelude::*;
use serde_json::{Value, json};

struct Values(HashMap<&'static str, Dynamic>);

impl Names for Values {
    fn get(&self, name: &str) -> Option<Dynamic> {
        self.0.get(name).cloned()
    }
}

fn values() -> Values {
    let all = [
        (
            "twin",
            json!({ "reported": { "boot": "b", "n": 3, "ok": true, "match": 1, "list": [{ "a": 1 }], "not": 7 },
            "tags": { "my-tag": "x" } }),
        ),
        ("before", json!({ "reported": {} })),
        ("devices", json!([{ "id": "a", "n": 1 }, { "id": "b", "n": 2 }])),
        ("n", json!(1)),
        ("yes", json!(true)),
        ("nothing", Value::Null),
        ("fw", json!("1.10.0")),
    ];
    Values(all.into_iter().map(|(name, value)| (name, from_json(&value))).collect())
}

fn expressions() -> Expressions {
    Expressions::new(&Clock::manual(UNIX_EPOCH + Duration::from_secs(1_000_000_000)).0)
}

fn eval(text: &str) -> Result<Value, ExprError> {
    let expressions = expressions();
    let expr = expressions.compile(text)?;
    expressions.eval(&expr, &values()).map(|value| to_json(&value))
}

#[test]
fn values_of_expressions() {
    for (text, expected) in [
        ("'text' == \"text\"", json!(true)),
        ("'x' == \"x\"", json!(true)),
        ("'' == \"\"", json!(true)),
        ("'it''s'", json!("it's")),
        ("\"a\" + 'b'", json!("ab")),
        ("'a ' + 'b'", json!("a b")),
        ("'a \"' + 'b' + 1", json!("a \"b1")),
        ("'\\'' + 'x'", json!("'x")),
        ("yes and not nothing", json!(true)),
        ("not n == 2", json!(true)),
        ("not n == 1 or yes", json!(true)),
        ("not yes and yes", json!(false)),
        ("not not yes", json!(true)),
        ("!(n == 2) && true || false", json!(true)),
        ("n == 1.0", json!(true)),
        ("1.5 > n", json!(true)),
        ("twin.reported.a.b.c", Value::Null),
        ("twin.reported.a[0].c[\"d\"]", Value::Null),
        ("twin.reported.list[0].a", json!(1)),
        ("twin.reported.list[7].a", Value::Null),
        ("twin.reported.match", json!(1)),
        ("twin.reported.not", json!(7)),
        ("twin.reported.if", Value::Null),
        ("twin.tags[\"my-tag\"]", json!("x")),
        ("twin.tags['my-tag']", json!("x")),
        ("twin.reported.boot != before.reported.boot", json!(true)),
        ("before.reported.boot == 'x'", json!(false)),
        ("before.reported.boot == null", json!(true)),
        ("before.reported.boot != null", json!(false)),
        ("before.reported.n < 3", json!(false)),
        ("before.reported.n > 3", json!(false)),
        ("3 > nothing", json!(false)),
        ("\"a\" < nothing", json!(false)),
        ("1 == \"1\"", json!(false)),
        ("nothing ?? 5", json!(5)),
        ("twin.x.y ?? 'none'", json!("none")),
        ("version(fw) > version('1.9')", json!(true)),
        ("version(fw) == version('v1.10')", json!(true)),
        ("duration('1h30m')", json!(5400.0)),
        ("age('2001-09-09T01:46:30Z')", json!(10.0)),
        ("time(now()) == 1000000000", json!(true)),
        ("age(nothing)", Value::Null),
        ("parse_json('{\"a\":[1]}').a[0]", json!(1)),
        ("to_json(#{ b: 1, null: null })", json!("{\"b\":1,\"null\":null}")),
        ("base64('hi')", json!("aGk=")),
        ("sha256('')", json!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")),
        ("devices.map(|d| #{ id: d.id, more: d.n + n })", json!([{ "id": "a", "more": 2 }, { "id": "b", "more": 3 }])),
        ("devices.filter(|d| not d.n == 1).len", json!(1)),
        ("'b' in ['a', 'b']", json!(true)),
        ("'b' not in ['a', 'b']", json!(false)),
        ("if n == 1 { 'one' } else { 'more' }", json!("one")),
        ("`n is ${n} and ${not yes}`", json!("n is 1 and false")),
        ("fw.contains('10')", json!(true)),
        ("type_of('a')", json!("string")),
    ] {
        assert_eq!(eval(text), Ok(expected), "{text}");
    }
}

#[test]
fn messages_and_places() {
    for (text, message, offset, help) in [
        ("n = 1", "`=` does not compare", 2, "`==`"),
        ("twin.reported.n = 1", "`=` does not compare", 16, "`==`"),
        ("n === 1", "no such operator", 2, "`==`"),
        ("n and", "syntax", 5, ""),
        ("missing == 1", "unknown name `missing`", 0, ""),
        ("yes and missing", "unknown name `missing`", 8, ""),
        ("n + nothing", "`+` does not work with an integer and ()", 2, "??"),
        ("'open", "this text has no end", 0, "close"),
        ("foo(1)", "unknown function `foo`", 0, ""),
        ("not n", "`not` needs true or false, this is an integer", 0, ""),
        ("!n == 1", "`!` does not work with an integer", 0, "not a == b"),
        ("time('x')", "`x` is not a time such as", 0, ""),
        ("", "the expression is empty", 0, ""),
        ("eval('1')", "`eval` is switched off", 0, ""),
        ("let x = 1", "", 0, ""),
        ("(((1)", "", 5, ""),
    ] {
        let error = eval(text).expect_err(text);
        if message != "syntax" {
            assert!(error.message.contains(message), "{text}: {error:?}");
        }
        assert_eq!(error.offset, offset, "{text}: {error:?}");
        assert!(error.help.clone().unwrap_or_default().contains(help), "{text}: {error:?}");
    }
}

#[test]
fn names_and_paths_come_in_the_order_of_the_text() {
    let expr = expressions()
        .compile("twin.reported.boot != before.x[0].y and devices.some(|d| d.id == item.id) and abs(twin.tags.a.len())")
        .unwrap();
    assert_eq!(expr.names(), [("twin".into(), 0), ("before".into(), 22), ("devices".into(), 40), ("item".into(), 65)]);
    assert_eq!(expr.paths(), ["twin.reported.boot", "before.x", "devices", "item.id", "twin.tags.a"]);
    let lone = expressions().compile("item").unwrap();
    assert_eq!(lone.paths(), ["item"]);
}

#[test]
fn a_comparison_gives_its_sides() {
    let expressions = expressions();
    let (left, operator, right) = expressions.compile("twin.reported.n >= n + 1").unwrap().comparison().unwrap();
    assert_eq!((left.text(), operator, right.text()), ("twin.reported.n", ">=", "n + 1"));
    assert_eq!(to_json(&expressions.eval(&right, &values()).unwrap()), json!(2));
    assert!(expressions.compile("yes and n == 1").unwrap().comparison().is_none());
}

#[test]
fn an_expression_is_bounded_and_needs_little_stack() {
    let deep = format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000));
    let closures = "[1].map(|a| [a].map(|b| [b].map(|c| [c].map(|d| [d].map(|e| [e].map(|f| f))))))".to_owned();
    let doubling = "'ab'.pad(10000000, 'x')".to_owned();
    let looping = "loop { }".to_owned();
    let wide = format!("n{}", " + n".repeat(3_000));
    let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    worker
        .spawn(move || {
            for text in [deep, doubling, looping, wide] {
                assert!(eval(&text).is_err(), "{}", &text[..20.min(text.len())]);
            }
            let _ = eval(&closures);
        })
        .unwrap()
        .join()
        .unwrap();
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "(and|or|not|null|in|n|twin|'|\"|`|\\$|\\{|\\}|\\(|\\)|\\.|#|=|<|!|\\||é|\n| |1|,|:|\\[|\\]|\\?|@|/\\*|//){0,24}") {
        let expressions = expressions();
        match expressions.compile(&text) {
            Ok(expr) => { let _ = expressions.eval(&expr, &values()).map(|value| to_json(&value)); let _ = expr.comparison(); }
            Err(error) => prop_assert!(error.offset <= text.len() && text.is_char_boundary(error.offset)),
        }
    }
}
