//! Rhai: expressions over values, and handlers of devices that are loaded and called within their budget.

use std::rc::Rc;
use std::time::Duration;

use agent::{ScriptPlace, check_scripts};
use base::{Clock, Source};
use script::{Budget, Dynamic, Expressions, Names, ScriptHost, from_json, to_json};
use serde_json::{Value, json};
use tokio::task::LocalSet;

use super::session::runtime;
use super::target::{MEMORY, Target, Verdict};
use crate::grammar::{Rule, text};

const EXPRESSION: &[Rule] = &[
    ("start", &["<expr>"]),
    (
        "expr",
        &[
            "<expr> + <expr>",
            "<expr> - <expr>",
            "<expr> * <expr>",
            "<expr> / <expr>",
            "<expr> % <expr>",
            "<expr> ** <expr>",
            "<expr> == <expr>",
            "<expr> < <expr>",
            "<expr> and <expr>",
            "<expr> or <expr>",
            "not <expr>",
            "!(<expr>)",
            "-<expr>",
            "(<expr>)",
            "<expr> ?? <expr>",
            "if <expr> { <expr> } else { <expr> }",
            "<expr>.<name>",
            "<expr>[<expr>]",
            "<expr>.<call>",
            "[<expr>, <expr>]",
            "#{ a: <expr> }",
            "<expr> in <expr>",
            "<expr> << <expr>",
            "<path>",
            "<value>",
            "<value>",
        ],
    ),
    (
        "call",
        &[
            "len()",
            "to_upper()",
            "contains(<expr>)",
            "map(|x| <expr>)",
            "filter(|x| <expr>)",
            "split(<expr>)",
            "sub_string(<expr>, <expr>)",
            "to_json()",
            "pad(<expr>, ' ')",
            "index_of(<expr>)",
            "keys()",
            "reduce(|a, b| a + b)",
            "sort()",
            "to_string()",
        ],
    ),
    ("path", &["twin.reported.boot", "twin.reported.list[0].a", "before.x.y", "devices", "n", "nothing", "fw", "yes"]),
    ("name", &["a", "match", "if", "len", "reported", "b"]),
    (
        "value",
        &[
            "0",
            "1",
            "-1",
            "1.5",
            "9223372036854775807",
            "1e308",
            "'text'",
            "\"a\\n\"",
            "'it''s'",
            "true",
            "null",
            "()",
            "`a ${n}`",
            "0xFF",
            "'é😀'",
            "2",
        ],
    ),
];

/// Handlers; the runner's scripts are made of the same.
pub(crate) const SCRIPT: &[Rule] = &[
    (
        "start",
        &[
            "<top><start>",
            "<top>",
            "fn f(a, b) { a }\non_method(\"m\", |device, request| { let a = 1; let h = |x| x; <block> });",
        ],
    ),
    (
        "top",
        &[
            "on_method(<str>, |device, request| { <block> });\n",
            "on_desired(\"a.b\", |device, value, version| { <block> });\n",
            "on_start(|device| { <block> });\n",
            "let g = <expr>;\n",
            "const C = <expr>;\n",
            "fn f(a, b) { <block> }\n",
            "on_method(\"m\", |device, request| { <block> });\n",
        ],
    ),
    ("block", &["<stmt><block>", "<stmt><stmt>", "<stmt>", "<expr>"]),
    (
        "stmt",
        &[
            "let a = <expr>;\n",
            "a += <expr>;\n",
            "if <expr> { <block> } else { <block> }\n",
            "for i in 0..<n> { <block> }\n",
            "while <expr> { <block> break; }\n",
            "loop { <block> }\n",
            "throw <expr>;\n",
            "return <expr>;\n",
            "sleep(<n>);\n",
            "try { <block> } catch (e) { <block> }\n",
            "a.push(<expr>);\n",
            "a[<n>] = <expr>;\n",
            "a.b.c = <expr>;\n",
            "switch <expr> { 1 => <expr>, _ => <expr> }\n",
            "print(<expr>);\n",
            "f(<expr>, <expr>);\n",
            "let h = |x| { <block> };\n",
            "do { <block> } while false;\n",
            "<expr>;\n",
        ],
    ),
    (
        "expr",
        &[
            "<expr> + <expr>",
            "<expr> * <expr>",
            "<expr> - <expr>",
            "<expr> == <expr>",
            "<expr> && <expr>",
            "[<expr>, <expr>, a]",
            "#{ a: <expr>, b: <expr> }",
            "a",
            "a.len()",
            "f(<expr>, <expr>)",
            "<str>",
            "request.payload",
            "device.id",
            "h.call(<expr>)",
            "a.map(|x| x + <expr>)",
            "<str> + a",
            "a + a",
            "`${a}${a}`",
            "parse_json(<str>)",
            "a.to_json()",
            "a.pad(<n>, 0)",
            "a.split('')",
            "<n>",
            "<n>",
        ],
    ),
    (
        "str",
        &[
            "\"m\"",
            "\"\"",
            "\"é😀\"",
            "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
            "\"x\"",
        ],
    ),
    ("n", &["0", "1", "-1", "10000", "1000000", "9223372036854775807", "1.5", "1e308", "2"]),
];

const WORDS: &[&[u8]] = &[
    b"(", b")", b"[", b"]", b"{", b"}", b"'", b"\"", b"`", b"${", b"#{", b"|x| ", b"..", b"??", b"?.", b" and ",
    b" not ", b"/*", b"//", b"::", b"@", b"import ", b"eval(",
];

struct Values(Value);

impl Names for Values {
    fn get(&self, name: &str) -> Option<Dynamic> {
        self.0.get(name).map(from_json)
    }
}

pub(super) fn expressions() -> Target {
    Target {
        name: "expressions",
        what: "expressions of playbooks: compiled, computed over values, turned into JSON",
        make: |random| text(EXPRESSION, "start", random).into_bytes(),
        words: WORDS,
        memory: MEMORY,
        prepare: || {
            let expressions = Expressions::new(Clock::system());
            let values = Values(json!({
                "twin": {"reported": {"boot": "b", "n": 3, "list": [{"a": 1}, {"a": "x"}]}, "tags": {"my-tag": "x"}},
                "before": {"reported": {}}, "devices": [{"id": "a", "n": 1}, {"id": "b", "n": 2}], "n": 1, "yes": true, "nothing": null, "fw": "1.10.0",
            }));
            Box::new(move |input| {
                let expr = match expressions.compile(&input.text()) {
                    Ok(expr) => expr,
                    Err(error) => {
                        let _ = error.to_string();
                        return Ok(false);
                    }
                };
                let _ = (expr.names().len(), expr.paths().len(), expr.comparison().is_some());
                match expressions.eval(&expr, &values) {
                    Ok(value) => serde_json::to_vec(&to_json(&value)).map(|_| true).map_err(|error| error.to_string()),
                    Err(error) => {
                        let _ = error.to_string();
                        Ok(false)
                    }
                }
            })
        },
    }
}

pub(super) fn handlers() -> Target {
    Target {
        name: "script",
        what: "handlers of devices: loaded, looked at, called within their budget",
        make: |random| text(SCRIPT, "start", random).into_bytes(),
        words: WORDS,
        memory: MEMORY,
        prepare: || {
            let clock = Clock::system();
            let hooks = ["on_method", "on_desired", "on_start"];
            let builder = hooks.into_iter().fold(ScriptHost::builder(&clock), |builder, hook| builder.hook(hook));
            let (host, runtime) = (builder.on_print(|_, _| {}).build(), runtime());
            Box::new(move |input| {
                let source = Source::new("a.rhai", input.text());
                if let Err(found) = check_scripts(&ScriptPlace::BuiltIn(source.clone()), &clock) {
                    let _ = found.to_string();
                }
                LocalSet::new().block_on(&runtime, call_all(&host, &source))
            })
        },
    }
}

async fn call_all(host: &ScriptHost, source: &Source) -> Verdict {
    let bundle = match host.load(std::slice::from_ref(source)) {
        Ok(bundle) => bundle,
        Err(found) => {
            let _ = found.to_string();
            return Ok(false);
        }
    };
    let _ = bundle.findings();
    let mut called = false;
    for registration in bundle.registrations().iter().take(4) {
        let Some(handler) = &registration.handler else { continue };
        let arguments =
            vec![from_json(&json!({"id": "d", "payload": {"a": [1, "x"]}})); handler.parameters().unwrap_or(0)];
        let budget = Budget::handler().deadline(Duration::from_secs(30));
        match handler.call(arguments, Rc::new(()), budget).await {
            Ok(value) => drop(to_json(&value)),
            Err(error) => drop(error.to_string()),
        }
        called = true;
    }
    Ok(called)
}
