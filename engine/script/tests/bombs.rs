//! Scripts that try to bring their host down. Each runs in a child process, since a stack overflow cannot be caught: what
//! counts is that the child ends by itself, with an error or a value. `cargo test -p iotplay-script --release` runs the same.

use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use base::{Clock, Source};
use iotplay_script::{Budget, Expressions, Names, ScriptHost, to_json};

/// Which bomb the child runs.
const BOMB: &str = "IOTPLAY_TEST_BOMB";
/// Far above what any of them takes; a hung child must not hang the tests.
const DEADLINE: Duration = Duration::from_secs(120);

type Bomb = (&'static str, String);

/// A file whose one handler runs the code.
fn handler(code: &str) -> String {
    format!("on(|x| {{ {code} }});")
}

fn repeat(open: &str, middle: &str, close: &str, n: usize) -> String {
    format!("{}{middle}{}", open.repeat(n), close.repeat(n))
}

fn bombs() -> Vec<Bomb> {
    [nested(), growing(), written()].concat()
}

/// Calls and values that nest.
fn nested() -> Vec<Bomb> {
    // Twenty levels a step: one by one it would take longer than it is deep.
    let lists = repeat("a = [[[[[[[[[[[[[[[[[[[[", "a", "]]]]]]]]]]]]]]]]]]]];", 1);
    let maps = format!("a = {};", repeat("#{a:", "a", "}", 20));
    vec![
        ("deep recursion", format!("fn f(n) {{ f(n + 1) + 1 }} {}", handler("f(0)"))),
        ("deep recursion in a closure", format!("fn f(g, n) {{ [n].map(|m| f(g, m + 1)) }} {}", handler("f(1, 0)"))),
        (
            "mutual recursion in an expression",
            format!("fn f(n) {{ 1 + (2 * (3 + (g(n)))) }} fn g(n) {{ f(n) }} {}", handler("f(0)")),
        ),
        (
            "recursion through sort",
            format!("fn f(n) {{ let a = [3, 2, 1]; a.sort(|p, q| f(n) ); a }} {}", handler("f(0)")),
        ),
        ("nested lists", handler(&format!("let a = []; loop {{ {lists} }}"))),
        ("nested lists that escape", handler(&format!("let a = []; for i in 0..495 {{ {lists} }} a"))),
        (
            "nested lists as text",
            handler(&format!("let a = []; for i in 0..495 {{ {lists} }} to_json(a) + a.to_string()")),
        ),
        ("nested lists compared", handler(&format!("let a = []; for i in 0..495 {{ {lists} }} let b = a; a == b"))),
        ("nested lists thrown", handler(&format!("let a = []; for i in 0..495 {{ {lists} }} throw a;"))),
        ("nested maps", handler(&format!("let a = #{{}}; loop {{ {maps} }}"))),
        ("nested maps and lists", handler(&format!("let a = #{{}}; loop {{ {maps} {lists} }}"))),
        (
            "nested maps printed",
            handler(&format!("let a = #{{}}; for i in 0..495 {{ {maps} }} print(a); debug(a); `${{a}}`")),
        ),
        (
            "nested maps and lists compared",
            handler(&format!("let a = #{{}}; for i in 0..495 {{ {maps} {lists} }} let b = a; a == b")),
        ),
        ("closure chain", handler("let f = |x| x; loop { let g = f; f = |x| g.call(x); }")),
        (
            "closure chain called",
            handler("let f = |x| x; for i in 0..5000 { let g = f; f = |x| g.call(x); } f.call(1)"),
        ),
        ("curry chain", handler("let f = |x| x; loop { f = f.curry(f); }")),
        ("closures that share", handler("let a = [1]; for i in 0..200 { let b = a; let f = || b; a = [f, f]; } a")),
        (
            "closures that share, printed",
            handler(
                "let a = [1]; for i in 0..200 { let b = a; let f = || b; a = [f, f]; } debug(a); print(a); to_json(a)",
            ),
        ),
    ]
}

/// Values that grow and loops that do not end.
fn growing() -> Vec<Bomb> {
    vec![
        ("text doubling", handler("let s = 'x'; loop { s += s; }")),
        ("text padding", handler("let s = 'x'; s.pad(1000000000, 'y'); s.len()")),
        ("text replacing", handler("let s = 'aaaaaaaaaa'; loop { s.replace('a', s); }")),
        ("text replaced by itself", handler("let s = 'a'; s.pad(1000000, 'a'); let t = s; s.replace('a', t); s.len()")),
        (
            "letters replaced by a text",
            handler("let s = 'a'; s.pad(1000000, 'a'); let t = s; for c in 'a' { s.replace(c, t); } s.len()"),
        ),
        ("list doubling", handler("let a = [1]; loop { a += a; }")),
        ("list padding", handler("let a = []; a.pad(1000000000, 0); a.len()")),
        ("list of long texts", handler("let s = 'x'; s.pad(1000000, 'y'); let a = []; loop { a.push(s + a.len()); }")),
        ("blob", handler("let b = blob(1000000000); b.len()")),
        ("range", handler("let a = []; for i in 0..1000000000 { a.push(i); }")),
        ("map of keys", handler("let m = #{}; let i = 0; loop { m[`k${i}`] = i; i += 1; }")),
        ("empty loop", handler("loop { }")),
        ("loop that catches", handler("loop { try { loop { } } catch { } }")),
        ("loops in closures", handler("let a = [0]; a.pad(9000, 1); let b = a; a.map(|x| b.map(|y| x + y))")),
        ("many variables", handler(&(0..5_000).map(|n| format!("let v{n} = {n}; ")).collect::<String>())),
        ("shared cells in a ring", handler("let a = #{}; let f = || a.b; a.f = f; a")),
        ("parallel of itself", handler("let f = |g| g.call(g); f.call(f)")),
    ]
}

/// Text that is hard to read.
fn written() -> Vec<Bomb> {
    vec![
        ("deep parentheses", handler(&repeat("(", "1", ")", 20_000))),
        ("deep lists in the text", handler(&repeat("[", "1", "]", 20_000))),
        ("deep maps in the text", handler(&repeat("#{a:", "1", "}", 20_000))),
        ("deep blocks", handler(&repeat("{", "1", "}", 20_000))),
        ("deep ifs", handler(&repeat("if true {", "1", "}", 20_000))),
        ("deep else ifs", handler(&format!("if false {{ }} {}", "else if false { } ".repeat(20_000)))),
        ("deep closures", handler(&repeat("|x| ", "1", "", 20_000))),
        ("deep unary", handler(&format!("{}true", "!".repeat(20_000)))),
        ("deep not", handler(&format!("{}true", "not (".repeat(20_000)))),
        ("deep interpolation", handler(&repeat("`${", "1", "}`", 20_000))),
        ("deep comments", format!("{} {}", "/*".repeat(20_000), handler("1"))),
        ("long sum", handler(&format!("1{}", " + 1".repeat(20_000)))),
        ("long and", handler(&format!("true{}", " and true".repeat(20_000)))),
        ("long chain", handler(&format!("x{}", ".a".repeat(20_000)))),
        ("long index chain", handler(&format!("x{}", "[0]".repeat(20_000)))),
        ("long call chain", handler(&format!("x{}", ".to_string()".repeat(20_000)))),
        ("switch of switches", handler(&repeat("switch x { _ => ", "1", "}", 20_000))),
        ("top level loop", "loop { }".to_owned()),
        ("top level nesting", "let a = []; loop { a = [a]; }".to_owned()),
        ("json bomb", handler(&format!("parse_json('{}')", "[".repeat(20_000)))),
    ]
}

struct Nothing;

impl Names for Nothing {
    fn get(&self, _: &str) -> Option<iotplay_script::Dynamic> {
        Some(1.into())
    }
}

/// The child: runs one bomb, as a handler and as an expression.
fn explode(index: usize) {
    let clock = Clock::manual(SystemTime::UNIX_EPOCH).0;
    let text = bombs().swap_remove(index).1;
    let host = ScriptHost::builder(&clock).hook("on").build();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime starts");
    if let Ok(bundle) = host.load(&[Source::new("bomb.rhai", text.as_str())]) {
        let handler = bundle.registrations().first().and_then(|registration| registration.handler.clone());
        for handler in handler.iter().chain(&handler) {
            let budget = Budget::handler().deadline(Duration::from_secs(20));
            let result = runtime.block_on(handler.call(vec![1_i64.into()], Rc::new(()), budget));
            drop(result.map(|value| to_json(&value)));
        }
    }
    let code = text.trim_start_matches("on(|x| {").trim_end_matches("});").to_owned();
    let expressions = Expressions::new(clock);
    if let Ok(expr) = expressions.compile(&code) {
        drop(expressions.eval(&expr, &Nothing).map(|value| to_json(&value)));
    }
}

#[test]
fn no_script_brings_its_host_down() {
    if let Ok(index) = std::env::var(BOMB) {
        return explode(index.parse().unwrap());
    }
    let program = std::env::current_exe().unwrap();
    let mut failed = Vec::new();
    for (index, (name, _)) in bombs().into_iter().enumerate() {
        let mut child = Command::new(&program)
            .args(["--exact", "no_script_brings_its_host_down", "--nocapture"])
            .env(BOMB, index.to_string())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if started.elapsed() > DEADLINE => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        if !status.is_some_and(|status| status.success()) {
            failed.push(format!("{name}: {status:?}"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
