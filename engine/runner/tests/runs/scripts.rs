//! Runner scripts: the same verbs as functions.

use std::rc::Rc;
use std::time::Duration;

use iotplay_runner::{Console, ConsoleOptions, ExtraVar, Reporter, RunEvent, RunOptions};
use serde_json::{Value, json};

use super::fake::{Paper, Reply, options, replies, runner, script, script_with, world};

#[tokio::test(start_paused = true)]
async fn verbs_are_functions_and_replies_are_values() {
    let world = world(["press-7"]);
    replies(&world, "press-7", [Reply::After(Duration::from_secs(20), json!({ "n": 4 }))]);
    let text = r#"
        let before = get_twin("press-7");
        let reply = invoke_method("press-7", "rebootDevice", #{ method_number: "42" }, #{ timeout: "60s" });
        print(`${reply.status} ${reply.payload.n} ${before.id}`);
        log("done");
    "#;
    let ran = script(&world, text).await;
    assert_eq!(ran.result.exit, 0, "{:?}", ran.events.failures());
    assert_eq!(ran.events.said(), ["200 4 press-7", "done"]);
    assert_eq!(ran.result.counts.ok, 1);
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_thrown_and_may_be_caught() {
    let world = world(["a"]);
    replies(&world, "a", [Reply::Status(409, json!({ "why": "busy" })), Reply::Offline]);
    let text = r#"
        try { ping("a", "x"); } catch (err) { print(`${err.class} ${err.status} ${err.payload.why} ${err.message}`); }
        try { ping(#{ id: "a" }, "x"); } catch (err) { print(err.class); }
        try { ping("nobody", "x"); } catch (err) { print(err.message); }
        let options = #{}; options.nme = "x";
        try { ping("a", "x", options); } catch (err) { print(err.message); }
    "#;
    let ran = script(&world, text).await;
    assert_eq!(ran.result.exit, 0, "{:?}", ran.events.failures());
    let said = ran.events.said();
    assert_eq!(said[..3], ["rejected 409 busy answered 409", "unreachable", "no such device: nobody"]);
    assert!(said[3].contains("nme"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn an_uncaught_error_has_its_place_and_its_code() {
    for (reply, exit, label) in [
        (Reply::Offline, 5, "unreachable"),
        (Reply::Lost, 4, "timeout"),
        (Reply::HubGone, 7, ""),
        (Reply::Status(500, Value::Null), 4, "rejected"),
    ] {
        let world = world(["a"]);
        replies(&world, "a", [reply]);
        let (out, err) = (Paper::default(), Paper::default());
        let console = Console::new(ConsoleOptions::default(), Box::new(out), Box::new(err.clone()));
        let reporters: Vec<Rc<dyn Reporter>> = vec![Rc::new(console)];
        let source = base::Source::new("fix.rhai", "let a = 1;\n  ping(\"a\", \"x\");\n");
        let result = runner(&world).run_script(source, &options(), &reporters).await;
        assert_eq!(result.exit, exit);
        let text = err.text();
        if !label.is_empty() {
            assert!(text.contains(&format!("\n{label}: a ")), "{text}");
            assert!(text.contains("--> fix.rhai:2:3\n2 |   ping(\"a\", \"x\");\n  |   ^^^^"), "{text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn codes_of_other_ends() {
    for (text, exit) in [
        ("let x = ;", 3),
        ("unknown_name", 3),
        ("throw \"no\"", 4),
        ("fail(\"too bad\")", 4),
        ("let x = 1 / 0;", 4),
        ("1 + 1", 0),
    ] {
        let world = world(["a"]);
        assert_eq!(script(&world, text).await.result.exit, exit, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_refuses_cannot_be_caught() {
    let world = world(["a"]);
    replies(&world, "a", [Reply::HubGone]);
    let ran = script(&world, "loop { try { ping(\"a\", \"x\"); } catch { } }").await;
    assert_eq!(ran.result.exit, 7);
}

#[tokio::test(start_paused = true)]
async fn waits_ask_a_closure() {
    let world = world(["a"]);
    let inner = Rc::clone(&world);
    let later = async move {
        tokio::time::sleep(Duration::from_secs(61)).await;
        inner.borrow_mut().devices.get_mut("a").unwrap().reported = json!({ "t": 2 });
        std::future::pending::<()>().await;
    };
    let text = r#"
        let before = get_twin("a");
        let twin = wait_until("a", |twin| twin.reported.t != before.reported.t, #{ timeout: "2m" });
        print(twin.reported.t);
        try { wait_until("a", |twin| twin.reported.t == 3, #{ timeout: 30, every: "10s" }); } catch (err) { print(`${err.class}: ${err.message}`); }
        let n = 0;
        print(wait_until("a", |twin| false, #{ timeout: 1, on_timeout: "continue" }) == ());
    "#;
    let ran = tokio::select! {
        ran = script(&world, text) => ran,
        () = later => unreachable!(),
    };
    assert_eq!(ran.result.exit, 0, "{:?}", ran.events.failures());
    assert_eq!(ran.events.said(), ["2", "timeout: did not get there within 30s; looked 4 times", "true"]);
    let ran = script(
        &world,
        "let n = get_twin(\"a\"); wait_until(|| get_twin(\"a\").version == 0); wait_until(\"a\", |t| 5)",
    )
    .await;
    assert_eq!(ran.result.exit, 4);
    assert!(ran.events.failures()[0].contains("not true or false"), "{:?}", ran.events.failures());
}

#[tokio::test(start_paused = true)]
async fn the_closure_of_a_wait_sees_and_changes_the_scripts_variables() {
    let world = world(["a"]);
    let text = r#"
        let looks = 0;
        let seen = [];
        wait_until(|| { looks += 1; seen.push(looks); looks >= 3 }, #{ every: "1s" });
        print(`${looks} ${seen}`);
        let limit = 5;
        wait_until("a", |twin| { looks += 1; looks >= limit });
        print(`${looks}`);
        // The branches of `parallel` go on having their own.
        let n = 0;
        let results = parallel([1, 2], |d| { let mine = 0; wait_until(|| { mine += 1; n += 1; mine == d }); `${mine} ${n}` });
        print(`${results[0].value}, ${results[1].value}, ${n}`);
        // A deep value is dropped where it can be.
        let deep = [];
        for i in 0..200 { deep = [deep]; }
        wait_until(|| { deep = [deep]; deep.len() == 1 });
        try { wait_until(|| { looks += 1; throw "no" }); } catch { print(`${looks}`); }
    "#;
    let ran = script(&world, text).await;
    assert_eq!(ran.result.exit, 0, "{:?}", ran.events.failures());
    assert_eq!(ran.events.said(), ["3 [1, 2, 3]", "5", "1 1, 2 2, 0", "6"]);
}

#[tokio::test(start_paused = true)]
async fn branches_run_beside_each_other_and_never_throw() {
    let world = world((0..20).map(|n| format!("d{n:02}")));
    for n in 0..20 {
        let reply = if n == 3 { Reply::Offline } else { Reply::After(Duration::from_secs(1), json!(n)) };
        replies(&world, &format!("d{n:02}"), [reply]);
    }
    let text = r#"
        let results = parallel(devices(), |d| ping(d.id, "x").payload, #{ forks: 5 });
        for r in results { if not r.ok { print(`${r.device} ${r.error.class}`); } }
        print(`${results.len()} ${results[7].device} ${results[7].value}`);
    "#;
    let started = tokio::time::Instant::now();
    let ran = script(&world, text).await;
    assert_eq!(ran.result.exit, 0, "{:?}", ran.events.failures());
    assert_eq!(ran.events.said(), ["d03 unreachable", "20 d07 7"]);
    assert_eq!(world.borrow().most_in_flight, 5);
    assert_eq!(started.elapsed().as_secs(), 4);
    assert_eq!((ran.result.counts.ok, ran.result.counts.unreachable), (19, 1));
}

#[tokio::test(start_paused = true)]
async fn devices_are_the_runs_own() {
    let world = world(["a", "b", "c"]);
    let text = "for d in devices() { ping(d.id, \"x\"); } print(devices(\"b\").len()); ping(\"c\", \"x\");";
    let limited = RunOptions { limit: vec!["a,b".into()], ..options() };
    let ran = script_with(&world, text, &limited).await;
    assert_eq!(ran.result.exit, 4);
    assert_eq!(world.borrow().order, ["a", "b"]);
    assert!(ran.events.failures()[0].contains("c is not among the devices of this run"), "{:?}", ran.events.failures());
    // A hub that is not local: never silently all of it.
    world.borrow_mut().local = false;
    let ran = script_with(&world, "try { devices() } catch {}", &options()).await;
    assert_eq!(ran.result.exit, 2);
    // And changing calls are asked about.
    let ran = script_with(&world, "invoke_method(\"a\", \"x\")", &options()).await;
    assert_eq!(ran.result.exit, 2);
    assert!(ran.events.failures()[0].contains("fix.rhai calls invoke_method on devices of fake.example"));
    let ran = script_with(&world, "invoke_method(\"a\", \"x\")", &RunOptions { yes: true, ..options() }).await;
    assert_eq!(ran.result.exit, 0, "{:?}", ran.events.failures());
}

#[tokio::test(start_paused = true)]
async fn check_prints_instead_of_calling_and_vars_come_from_outside() {
    let world = world(["a"]);
    let vars = vec![("who".to_owned(), ExtraVar::Text("a".into()))];
    let options = RunOptions { check: true, vars, fail_on_change: true, ..options() };
    let ran = script_with(&world, "let r = invoke_method(vars.who, \"x\"); print(r == ());", &options).await;
    assert_eq!(ran.result.exit, 4, "{:?}", ran.events.failures());
    assert_eq!(ran.events.said(), ["true"]);
    assert!(world.borrow().order.is_empty());
}

#[tokio::test(start_paused = true)]
async fn options_are_checked_like_parameters() {
    for (text, exit, expected) in [
        // What is written out is known before the run.
        ("invoke_method(\"a\", \"x\", (), #{ timeot: 3 })", 3, "unknown key `timeot`"),
        ("invoke_method(\"a\", 5, 5, 5, 5)", 3, "`invoke_method` takes 1 to 4 arguments, here are 5"),
        ("ping(\"a\")", 3, "`name` is missing"),
        ("wait_until(\"a\", |t| true, #{ timeot: 3 })", 3, "wait_until has no option `timeot`"),
        ("parallel(devices(), |d| 1, #{ fork: 3 })", 3, "parallel has no option `fork`"),
        ("get_twni(\"a\")", 3, "unknown function `get_twni`"),
        // The rest is known when it is reached.
        ("let o = #{}; o.timeot = 3; invoke_method(\"a\", \"x\", (), o)", 4, "timeot"),
        ("invoke_method(5)", 3, "`name` is missing"),
        ("invoke_method(5, \"x\")", 4, "wants a device first"),
        ("let o = #{}; o.timeot = 3; wait_until(\"a\", |t| true, o)", 4, "unknown option `timeot`"),
        ("ping(\"a\", \"x\", #{ offline: 3 })", 4, "`offline` in a script"),
        ("parallel(devices(), 3)", 4, "the second argument is a closure"),
    ] {
        let world = world(["a"]);
        let ran = script(&world, text).await;
        assert_eq!(ran.result.exit, exit, "{text}: {:?}", ran.events.failures());
        assert!(ran.events.failures()[0].contains(expected), "{text}: {:?}", ran.events.failures());
        assert!(world.borrow().order.is_empty(), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_of_a_script_is_a_step_in_events() {
    let world = world(["a"]);
    replies(&world, "a", [Reply::Lost]);
    let ran = script(&world, "ping(\"a\", \"x\", #{ retries: 2, delay: \"1s\" })").await;
    assert_eq!(ran.result.exit, 0);
    let events = ran.events.0.borrow();
    assert!(events.iter().any(|event| matches!(event, RunEvent::StepRetried { attempt: 1, .. })));
    assert!(
        events
            .iter()
            .any(|event| matches!(event, RunEvent::StepEnded { name, attempts: 2, .. } if &**name == "ping x"))
    );
}

#[tokio::test(start_paused = true)]
async fn an_interruption_ends_a_script() {
    let world = world(["a"]);
    replies(&world, "a", [Reply::Never]);
    let options = options();
    let cancel = options.cancel.clone();
    let stop = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        cancel.cancel();
    };
    let (ran, ()) =
        tokio::join!(script_with(&world, "try { ping(\"a\", \"x\"); } catch {} sleep(3600);", &options), stop);
    assert_eq!(ran.result.exit, 130);
}
