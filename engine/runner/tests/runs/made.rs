//! Verbs made of other verbs: script plugins in a play.

use std::rc::Rc;

use base::{Clock, Source};
use iotplay_runner::book::read;
use iotplay_runner::{Effect, Plugin as _, Registry, Reporter, Runner, ScriptPlugin};
use script::Expressions;
use serde_json::json;

use super::fake::{Events, Ran, Reply, options, registry, replies, world};
use super::verbs::Fakes;
use super::world::{FakeInventory, Shared};

const MANIFEST: &str = r#"
name: twice
verbs:
  call_twice:
    about: calls a method twice
    script: twice.rhai
    main: method
    parameters:
      method: { type: text }
      pause: { type: duration, default: 5s }
  peek:
    about: looks only
    effect: reads
    script: peek.rhai
"#;

const TWICE: &str = r#"
let first = invoke_method(device, parameters.method, #{ from: device.id });
print("first is " + first.status);
sleep(parameters.pause);
let second = invoke_method(device.id, parameters.method, ());
let seen = wait_until(device, |twin| twin.reported.n == 1, #{ timeout: "10s" });
#{ first: first.status, second: second.status, n: seen.reported.n }
"#;

fn load(world: &Shared, manifest: &str, script: &str) -> Result<(Registry, ScriptPlugin), String> {
    let script = script.to_owned();
    let read = |name: &str| match name {
        "twice.rhai" => Ok(Source::new("twice/twice.rhai", script.as_str())),
        "peek.rhai" => Ok(Source::new("twice/peek.rhai", "invoke_method(device, \"x\", ())")),
        _ => Err(std::io::Error::other("no such file")),
    };
    let plugin =
        ScriptPlugin::load(&Source::new("twice/plugin.yaml", manifest), &read, &registry(world), &Clock::system())
            .map_err(|found| found.to_string())?;
    Ok((Registry::new(&[&Fakes(Rc::clone(world)), &plugin]), plugin))
}

async fn run(world: &Shared, script: &str, text: &str) -> Result<Ran, String> {
    let (registry, _) = load(world, MANIFEST, script)?;
    let expressions = Expressions::new(Clock::system());
    let book =
        read(Source::new("t.yaml", text), &registry, &expressions, &["twin"]).map_err(|found| found.to_string())?;
    let runner = Runner::new(registry, Rc::new(FakeInventory(Rc::clone(world))), expressions);
    let events = Rc::new(Events::default());
    let reporters: Vec<Rc<dyn Reporter>> = vec![Rc::clone(&events) as _];
    let result = runner.run_book(&book, &options(), &reporters).await;
    Ok(Ran { result, events })
}

#[tokio::test(start_paused = true)]
async fn a_script_is_a_verb() {
    let world = world(["press-7"]);
    world.borrow_mut().devices.get_mut("press-7").expect("it is there").reported = json!({ "n": 1 });
    let text = "steps:\n  - call_twice: ping\n    register: it\n  - log: ${{ it }}\n";
    let ran = run(&world, TWICE, text).await.unwrap();
    assert_eq!(ran.events.failures(), Vec::<String>::new());
    assert_eq!(ran.events.said(), ["first is 200", r#"{"first":200,"n":1,"second":200}"#]);
    assert_eq!(world.borrow().devices["press-7"].calls, 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_verb_inside_throws_fails_the_verb() {
    let world = world(["press-7"]);
    replies(&world, "press-7", [Reply::Status(200, json!(1)), Reply::Offline]);
    let ran = run(&world, TWICE, "steps:\n  - call_twice: { method: ping, pause: 1 }\n").await.unwrap();
    assert_eq!((ran.result.exit, ran.events.ends()["press-7"]), (5, "unreachable"));
    let text = format!("{:?}", ran.events.0.borrow());
    assert!(text.contains("last seen yesterday; in twice/twice.rhai:5:14"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_script_may_catch_and_wait_in_vain() {
    let world = world(["press-7"]);
    replies(&world, "press-7", [Reply::Status(409, json!("busy"))]);
    let script = r#"
        try { invoke_method(device, "x", ()); } catch (err) { print(err.class + " " + err.status); }
        wait_until(device, |twin| twin.reported.n == 2, #{ timeout: "3s" });
    "#;
    let ran = run(&world, script, "steps:\n  - call_twice: x\n").await.unwrap();
    assert_eq!(ran.events.said(), ["rejected 409"]);
    assert_eq!((ran.result.exit, ran.events.ends()["press-7"]), (4, "timeout"));
}

#[tokio::test(start_paused = true)]
async fn a_verb_stays_with_its_device_and_its_effect() {
    let world = world(["press-7", "press-8"]);
    let ran = run(&world, "get_twin(\"press-9\")", "steps:\n  - call_twice: x\n").await.unwrap();
    assert!(ran.events.failures()[0].contains("works on its own device"), "{:?}", ran.events.failures());
    let ran = run(&world, TWICE, "steps:\n  - peek:\n").await.unwrap();
    assert!(ran.events.failures()[0].contains("declared `reads`"), "{:?}", ran.events.failures());
    assert_eq!(world.borrow().devices["press-7"].calls, 0);
}

#[tokio::test]
async fn parameters_are_checked_at_load() {
    let world = world(["press-7"]);
    let said = |text: &'static str| {
        let world = Rc::clone(&world);
        async move { run(&world, TWICE, text).await.err().expect("it must not run") }
    };
    let found = said("steps:\n  - call_twice: { metod: x, pause: soon }\n").await;
    for part in ["unknown key `metod`", "did you mean `method`?", "`pause`: expected a duration", "`method` is missing"]
    {
        assert!(found.contains(part), "{part} in {found}");
    }
    let broken = run(&world, "let x = ;", "steps:\n  - call_twice: x\n").await.err().expect("it must not run");
    assert!(broken.contains("twice/twice.rhai:1:9"), "{broken}");
}

#[test]
fn manifests_that_are_wrong_are_refused() {
    let world = world(["a"]);
    for (manifest, said) in [
        ("name: x\nverbs: { a: { about: y } }\n", "`script` is missing"),
        ("name: x\nverbs: { get_twin: { about: y, script: peek.rhai } }\n", "there is a verb `get_twin` already"),
        ("name: x\nverbs: { a: { about: y, script: none.rhai } }\n", "cannot read none.rhai"),
        ("name: x\nverbs: { a: { about: y, script: peek.rhai, main: z } }\n", "`main` of a is `z`"),
        (
            "name: x\nverbs: { a: { about: y, script: peek.rhai, parameters: { p: { type: number, default: x } } } }\n",
            "the default of `p` of a is not a number",
        ),
    ] {
        let found = load(&world, manifest, TWICE).err().expect("it is wrong");
        assert!(found.contains(said), "{said} in {found}");
    }
}

/// The plugin that the repository ships.
#[test]
fn the_model_to_copy_loads() {
    let world = world(["a"]);
    let manifest = Source::new("plugins/reboot/plugin.yaml", include_str!("../../../../plugins/reboot/plugin.yaml"));
    let script = include_str!("../../../../plugins/reboot/reboot.rhai");
    let read = |_: &str| Ok(Source::new("plugins/reboot/reboot.rhai", script));
    let plugin = ScriptPlugin::load(&manifest, &read, &registry(&world), &Clock::system()).unwrap();
    let verb = &plugin.actions()[0];
    assert_eq!((verb.name(), verb.main(), verb.effect()), ("reboot", Some("reason"), Effect::Changes));
    assert_eq!(verb.schema()["properties"]["deadline"]["default"], "5m");
}
