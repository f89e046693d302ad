//! Bundles: what is collected at load, what a call sees, and how errors point at the right file.

use std::any::Any;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use base::{Clock, Source};
use iotplay_script::{Budget, Bundle, Dynamic, ErrorKind, Module, ScriptHost, context, from_json, to_json};
use serde_json::{Value, json};

#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    fn lines(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no panic while held"))
    }
}

struct Device(&'static str);

fn host(said: &Said) -> ScriptHost {
    let said = said.clone();
    let mut module = Module::new();
    module.set_native_fn("device_name", |ncc: iotplay_script::NativeCallContext<'_>| {
        Ok(context::<Device>(&ncc).map_or("none", |device| device.0).to_owned())
    });
    module.set_native_fn("boom", || -> Result<(), Box<iotplay_script::EvalAltResult>> { panic!("a native's mistake") });
    ScriptHost::builder(Clock::manual(UNIX_EPOCH + Duration::from_secs(1_000_000_000)).0)
        .hook("on_method")
        .hook("on_boot")
        .module(module)
        .on_print(move |context: Option<&dyn Any>, text| {
            let name = context.and_then(|context| context.downcast_ref::<Device>()).map_or("load", |device| device.0);
            said.0.lock().expect("no panic while held").push(format!("{name}: {text}"));
        })
        .build()
}

fn load(text: &str) -> Bundle {
    host(&Said::default()).load(&[Source::new("scripts/a.rhai", text)]).unwrap_or_else(|found| panic!("{found}"))
}

async fn call(bundle: &Bundle, index: usize, args: Value) -> iotplay_script::ScriptResult<Value> {
    let handler = bundle.registrations()[index].handler.clone().expect("it registers a closure");
    let args = args.as_array().expect("a list of arguments").iter().map(from_json).collect();
    bundle.call(&handler, args, Device("d1"), Budget::handler()).await.map(|value| to_json(&value))
}

#[tokio::test]
async fn collects_registrations_with_their_places() {
    let said = Said::default();
    let bundle = host(&said)
        .load(&[
            Source::new("s/b.rhai", "print('b');\non_method('two', #{ mode: 'single' }, |d, r| 2);"),
            Source::new("s/a.rhai", "on_boot(|d| 1);\n  on_method('one', |d, r| r);"),
        ])
        .unwrap();
    let seen: Vec<_> =
        bundle.registrations().iter().map(|r| (r.hook, r.args.len(), r.place.label(), r.handler.is_some())).collect();
    let expected = [
        ("on_method", 3, "s/b.rhai:2:1".to_owned(), true),
        ("on_boot", 1, "s/a.rhai:1:1".to_owned(), true),
        ("on_method", 2, "s/a.rhai:2:3".to_owned(), true),
    ];
    assert_eq!(seen, expected);
    assert_eq!(said.lines(), ["load: b"]);
    assert_eq!(bundle.registrations()[2].handler.as_ref().unwrap().parameters(), Some(2));
    assert_eq!(call(&bundle, 2, json!([null, { "a": 1 }])).await.unwrap(), json!({ "a": 1 }));
}

#[tokio::test]
async fn top_level_variables_are_seen_as_at_load_and_copied_per_call() {
    let bundle = load(
        "let count = 10; const LIMIT = 3; let list = [1];
         fn twice(x) { x * 2 + global::LIMIT }
         on_method('a', |d, r| { count += 1; list.push(2); count + LIMIT + list.len() });
         on_method('b', |d, r| twice(count));
         on_method('c', |d, r| { let f = |x| x + count; [1, 2].map(f) });
         count = 20;",
    );
    for _ in 0..3 {
        assert_eq!(call(&bundle, 0, json!([null, null])).await.unwrap(), json!(20 + 1 + 3 + 2));
        assert_eq!(call(&bundle, 1, json!([null, null])).await.unwrap(), json!(43));
        assert_eq!(call(&bundle, 2, json!([null, null])).await.unwrap(), json!([21, 22]));
    }
}

#[tokio::test]
async fn library_files_are_modules() {
    let said = Said::default();
    let files = [
        Source::new("s/lib/base.rhai", "fn one() { 1 }"),
        Source::new("s/lib/more.rhai", "const TEN = 10;\nfn two() { lib::base::one() + 1 }\nfn bad(x) {\n  x.foo()\n}"),
        Source::new("s/a.rhai", "on_method('a', |d, r| lib::more::two());\non_method('b', |d, r| lib::more::bad(1));"),
    ];
    let bundle = host(&said).load(&files).unwrap_or_else(|found| panic!("{found}"));
    assert_eq!(call(&bundle, 0, json!([null, null])).await.unwrap(), json!(2));
    let error = call(&bundle, 1, json!([null, null])).await.unwrap_err();
    assert_eq!(error.place.as_ref().unwrap().label(), "s/lib/more.rhai:4:5", "{error:?}");
    assert!(error.diagnostic().to_string().contains("4 |   x.foo()"), "{}", error.diagnostic());
}

#[tokio::test]
async fn errors_point_at_the_innermost_place() {
    let bundle = load(
        "fn deep(x) {\n  let y = [x].map(|e| e.nope());\n  y\n}
         on_method('a', |d, r| deep(r));
         on_method('b', |d, r| { throw #{ status: 409, payload: 'busy' } });
         on_method('c', |d, r| 1 + r.missing);
         on_method('d', |d, r| unknown_function(1));
         on_method('e', |d, r| boom());
         on_method('f', |d, r| { try { throw 'x' } catch (e) { return e; } });
         on_method('g', |d, r| exit(5));
         on_method('h', |d, r| on_boot(|x| 1));",
    );
    let fails = async |index: usize| call(&bundle, index, json!([null, {}])).await.unwrap_err();
    let error = fails(0).await;
    assert_eq!(error.place.unwrap().label(), "scripts/a.rhai:2:25");
    let error = fails(1).await;
    let ErrorKind::Thrown(value) = &error.kind else { panic!("{error:?}") };
    assert_eq!(to_json(value), json!({ "status": 409, "payload": "busy" }));
    let error = fails(2).await;
    assert_eq!(error.message, "`+` does not work with an integer and ()");
    assert!(error.place.unwrap().label().starts_with("scripts/a.rhai:7:"));
    assert!(fails(3).await.message.contains("no function `unknown_function"));
    assert!(fails(4).await.message.contains("panic"));
    assert_eq!(call(&bundle, 5, json!([null, null])).await.unwrap(), json!("x"));
    assert_eq!(call(&bundle, 6, json!([null, null])).await.unwrap(), json!(5));
    assert!(fails(7).await.message.contains("belongs at the top level"));
    assert_eq!(call(&bundle, 5, json!([null, null])).await.unwrap(), json!("x"), "the lane goes on after a panic");
}

#[test]
fn what_cannot_be_loaded_says_where_and_how_to_mend_it() {
    for (text, place, message, help) in [
        ("let x = 1;\nlet y = x +;", "a.rhai:2:12", "", ""),
        ("let x = 1;\nif x = 1 { }", "a.rhai:2:6", "`=` does not compare", "`==`"),
        ("on_method('a', |d, r| missing);", "a.rhai:1:23", "unknown name `missing`", ""),
        ("let limit = 1;\nfn f() { limit }", "a.rhai:2:10", "unknown name `limit`", "global::"),
        ("import 'x' as y;", "a.rhai:1:1", "files cannot be imported", "lib::name"),
        ("let a = eval('1');", "a.rhai:1:9", "`eval` is switched off", ""),
        ("let a = Fn('eval');\na.call('1');", "a.rhai", "", ""),
        ("throw 'no';", "a.rhai:1:1", "no", ""),
        ("sleep(1);", "a.rhai:1:1", "`sleep` waits", ""),
        ("on_method();", "a.rhai:1:1", "no function `on_method", ""),
        ("let a = #{};\nlet f = || a.b;\na.f = f;\non_boot(f);", "", "holds itself", ""),
        ("loop { }", "a.rhai:1:", "did too much", ""),
        ("lib::no::f();", "a.rhai:1:", "", ""),
        ("let x = go;", "a.rhai:1:9", "`go` is a reserved word", ""),
    ] {
        let found = host(&Said::default()).load(&[Source::new("a.rhai", text)]).err();
        let shown = found.unwrap_or_else(|| panic!("loaded: {text}")).to_string();
        for part in [place, message, help] {
            assert!(shown.contains(part), "{text}\nwanted: {part}\n{shown}");
        }
    }
}

#[test]
fn every_broken_file_is_named() {
    let files =
        [Source::new("a.rhai", "let"), Source::new("lib/b.rhai", "fn"), Source::new("c.rhai", "on_boot(|d| 1)")];
    let found = host(&Said::default()).load(&files).unwrap_err();
    assert_eq!(found.0.len(), 2, "{found}");
}

#[test]
fn loads_a_folder_or_a_single_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("lib")).unwrap();
    std::fs::write(path("lib/tool.rhai"), "fn id(x) { x }").unwrap();
    std::fs::write(path("b.rhai"), "on_boot(|d| lib::tool::id(1));").unwrap();
    std::fs::write(path("a.rhai"), "on_boot(|d| 2);").unwrap();
    std::fs::write(path(".hidden.rhai"), "nonsense").unwrap();
    std::fs::write(path("notes.txt"), "nonsense").unwrap();
    let host = host(&Said::default());
    assert_eq!(host.load_path(folder.path()).unwrap().registrations().len(), 2);
    assert_eq!(host.load_path(&path("b.rhai")).unwrap().registrations().len(), 1);
    assert!(host.load_path(&path("nothing")).unwrap_err().to_string().contains("cannot read"));
    let empty = tempfile::tempdir().unwrap();
    assert!(host.load_path(empty.path()).unwrap_err().to_string().contains("no script found"));
}

#[tokio::test]
async fn context_and_print_belong_to_the_call() {
    let said = Said::default();
    let host = host(&said);
    let bundle = host
        .load(&[Source::new("a.rhai", "on_boot(|x| { print('hi ' + device_name()); [1].map(|n| device_name())[0] });")])
        .unwrap();
    let handler = bundle.registrations()[0].handler.clone().unwrap();
    for name in ["d1", "d2"] {
        let value = bundle.call(&handler, vec![Dynamic::UNIT], Device(name), Budget::handler()).await.unwrap();
        assert_eq!(to_json(&value), json!(name));
    }
    assert_eq!(said.lines(), ["d1: hi d1", "d2: hi d2"]);
}

#[tokio::test]
async fn a_script_runs_from_top_to_bottom_with_names_from_outside() {
    let host = host(&Said::default());
    let source =
        Source::new("fix.rhai", "let double = |x| x * factor;\nfn half(x) { x / 2 }\n[2, 4].map(double).map(half)");
    let script = host.script(&source, &[], &["factor"]).unwrap_or_else(|found| panic!("{found}"));
    let value = script.run(vec![("factor".into(), 3.into())], Rc::new(()), Budget::runner()).await.unwrap();
    assert_eq!(to_json(&value), json!([3, 6]));
    assert!(host.script(&source, &[], &[]).unwrap_err().to_string().contains("unknown name `factor`"));
    let failing = host.script(&Source::new("x.rhai", "let a = 1;\nlet b = a.c.d + 1;"), &[], &[]).unwrap();
    let error = failing.run(Vec::new(), Rc::new(()), Budget::runner()).await.unwrap_err();
    assert_eq!(error.place.unwrap().label(), "x.rhai:2:11");
}
