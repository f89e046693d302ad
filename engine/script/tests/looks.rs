//! What a text says about itself before it runs.

use base::{Clock, Source};
use iotplay_script::{Expressions, Literal, Script, ScriptHost};
use serde_json::json;

fn script(text: &str) -> Script {
    let host = ScriptHost::builder(Clock::system()).build();
    host.script(&Source::new("a.rhai", text), &[], &["device", "vars", "before"]).expect("a good script")
}

fn said(text: &str) -> Vec<String> {
    script(text)
        .findings()
        .0
        .iter()
        .map(|found| [found.message.as_str(), &found.help.join(" ")].join(" ").trim().to_owned())
        .collect()
}

#[test]
fn names_from_outside() {
    for (text, names) in [
        ("let x = device.id; x + before", vec!["device", "before"]),
        ("let device = 1; device", vec![]),
        ("for i in 0..3 { print(i + vars.n); }", vec!["vars"]),
        ("let list = [1]; list.map(|it| it + before).len()", vec!["before"]),
        ("fn twice(n) { n * 2 } twice(vars.n)", vec!["vars"]),
        ("try { throw 1; } catch (err) { err + before }", vec!["before"]),
        ("let a = 1; { let b = a; b } + device", vec!["device"]),
        ("let f = |a| { let before = 2; a + before }; f.call(1)", vec![]),
        ("switch vars.x { 1 => before, _ => device }", vec!["vars", "before", "device"]),
        ("`${device.id} and ${before}`", vec!["device", "before"]),
    ] {
        let found: Vec<_> = script(text).uses().0.into_iter().map(|(name, _)| name).collect();
        assert_eq!(found, names, "{text}");
    }
}

#[test]
fn calls_with_what_is_written_out() {
    let calls = script("let n = 3;\nprint(\"a\", [1, n], #{ b: true, 'c': |x| x }); device.go(()); sleep(n);").calls();
    let names: Vec<_> = calls.iter().map(|call| (call.name.as_str(), call.method, call.args.len())).collect();
    assert_eq!(names, [("print", false, 3), ("go", true, 1), ("sleep", false, 1)]);
    let Literal::Scalar(text, span) = &calls[0].args[0] else { panic!("{:?}", calls[0].args) };
    assert_eq!((text, span.start, span.end), (&json!("a"), 17, 20));
    let Literal::List(items, _) = &calls[0].args[1] else { panic!("{:?}", calls[0].args) };
    assert!(matches!(items[..], [Literal::Scalar(..), Literal::Unknown(_)]));
    let Literal::Map(entries, _) = &calls[0].args[2] else { panic!("{:?}", calls[0].args) };
    assert!(matches!(&entries[..], [(b, _, Literal::Scalar(..)), (c, _, Literal::Closure(_))] if b == "b" && c == "c"));
}

#[test]
fn functions_that_nobody_has() {
    for (text, expected) in [
        ("parse_jsn(\"1\")", vec!["unknown function `parse_jsn` did you mean `parse_json`?"]),
        ("sleep()", vec!["`sleep` takes 1 argument, here are 0"]),
        ("fn f(a) { g(a) } f(1, 2)", vec!["unknown function `g`", "`f` takes 1 argument, here are 2"]),
        ("let f = |x| frob(x);", vec!["unknown function `frob`"]),
        ("[1].mapp(|x| x)", vec!["unknown function `mapp` did you mean `map`?"]),
        ("let m = #{ go: |x| x }; m.go(1)", vec![]),
        ("let f = |x| x; f.call(1); print(type_of(f)); let t = [1,2]; t.sort(); t.push(3); t.len()", vec![]),
        ("[3, 1].sort(|a, b| a - b); \"a,b\".split(\",\").map(|x| x.to_upper()).filter(|x| x in [\"A\"])", vec![]),
        ("let x = 5; x = -x; not (x > 3) and x != null or 'a' + 'b' == `c${x}`; x in [1]; #{ a: 1 }.a", vec![]),
        ("let n = now(); age(n) < duration(\"5m\") && version(\"1.2\") < version(\"1.10\")", vec![]),
        (
            "vars.x?.y ?? before.z[0]; for (v, i) in [1] {} while true { break; } do {} until true; loop { break }",
            vec![],
        ),
        ("throw #{ status: 409 }", vec![]),
        (
            "let m = #{}; m.keys().len() + m.values().len(); m.contains(\"a\"); m.remove(\"a\"); 5.max(3); min(1,2); \"x\".len; 1.5.floor()",
            vec![],
        ),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn expressions_know_their_functions() {
    let expressions = Expressions::new(Clock::system());
    let error = expressions.compile("1 + vresion('1.2').x").unwrap_err();
    assert_eq!((error.message.as_str(), error.offset), ("unknown function `vresion`", 4));
    assert_eq!(error.help.as_deref(), Some("did you mean `version`?"));
    assert_eq!(expressions.compile("age()").unwrap_err().message, "`age` takes 1 argument, here are 0");
    for good in [
        "devices.map(|d| #{ id: d.id }).len()",
        "a.filter(|x| x.ok).len() > 0",
        "to_json(x) + base64('a')",
        "x.contains('a') or x.starts_with('b')",
    ] {
        assert!(expressions.compile(good).is_ok(), "{good}: {:?}", expressions.compile(good));
    }
}

#[test]
fn what_a_text_defines_itself_is_not_wanted_from_outside() {
    let host = ScriptHost::builder(Clock::system()).build();
    for (text, wanted) in [
        ("let n = 0; [1].map(|x| { n += x; twin.v }); n", vec!["twin"]),
        ("try { twin } catch (err) { print(err) } let n = 0; [1].map(|x| { n += x; n })", vec!["twin"]),
        ("for i in 0..3 { print(i); } let n = 0; [1].map(|x| { n += x; n })", vec![]),
        (
            "for i in 0..3 { print(`l${i}`); } try { 1 } catch (err) { if err.status != 500 { throw err } } let n = 0; [1].map(|x| { n += 1; n })",
            vec![],
        ),
        ("if true { let a = 1; a } else { 2 } let n = 0; [1].map(|x| n)", vec![]),
    ] {
        let script = host.script(&Source::new("t.rhai", text), &[], &["twin"]).unwrap();
        let names: Vec<String> = script.uses().0.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, wanted, "{text}");
    }
}
