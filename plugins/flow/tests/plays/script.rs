//! `script`: Rhai as a step, from a file or in the playbook.

use runner::book::Body;
use runner::{Effect, RunOptions};

use super::stage::{Ran, World, options, read, run, run_script, world};

const FIX: &str = r#"
fn twice(n) { n * 2 }
let reply = invoke_method(device, "ping", #{ line: device.tags.line, n: twice(vars.n) });
print(`${device.id}: ${reply.status} ${before.reported.fw}`);
let seen = wait_until(device, |twin| twin.reported.calls == 1, #{ timeout: "5s" });
#{ calls: seen.reported.calls, n: vars.n }
"#;

const PLAY: &str = "vars: { n: 4 }\nsteps:\n  - get_twin:\n    register: before\n  - script: fix.rhai\n    register: fixed\n\
                    \x20 - log: ${{ fixed }}\n";

#[tokio::test(start_paused = true)]
async fn a_file_sees_what_the_step_sees_and_its_last_value_is_the_result() {
    let world = world(&["a"]);
    let ran = run(&world, &[("play.yaml", PLAY), ("fix.rhai", FIX)], &options()).await;
    assert_eq!(ran.result.exit, 0, "{:?}", ran.findings());
    assert_eq!(*world.calls.borrow(), ["a ping {\"line\":\"B\",\"n\":8}"]);
    assert_eq!(ran.said(), ["a: 200 1.9", "{\"calls\":1,\"n\":4}"]);
}

async fn inline(world: &std::rc::Rc<World>, code: &str, options: &RunOptions) -> Ran {
    let code: String = code.lines().map(|line| format!("      {line}\n")).collect();
    let text =
        format!("steps:\n  - set: {{ reads: true }}\n  - script: |\n{code}    register: it\n  - log: ${{{{ it }}}}\n");
    run(world, &[("play.yaml", &text)], options).await
}

#[tokio::test(start_paused = true)]
async fn code_in_the_playbook_and_its_places() {
    let one = world(&["a", "b"]);
    let ran = inline(&one, "let twin = get_twin(device);\nif reads { twin.reported.fw } else { () }", &options()).await;
    assert_eq!((ran.result.exit, ran.said()), (0, vec!["1.9".to_owned(), "1.9".to_owned()]), "{:?}", ran.findings());
    let broken = world(&["broken"]);
    let ran = inline(&broken, "// calls\nlet x = 1;\n  invoke_method(device, \"m\");", &options()).await;
    assert_eq!(ran.result.exit, 4);
    let found = &ran.findings()[0];
    assert!(found.starts_with("rejected: broken: answered 409\n --> play.yaml:6:9\n6 |         invoke_method(device, \"m\");\n  |         ^^^^"), "{found}");
    let ran = inline(&world(&["a"]), "let x = 5 / 0;\nx", &options()).await;
    assert!(ran.findings()[0].contains(" --> play.yaml:4:17\n4 |       let x = 5 / 0;"), "{:?}", ran.findings());
    let ran = inline(&world(&["a"]), "fail(\"too old\")", &options()).await;
    assert!(ran.findings()[0].starts_with("failed: a: too old\n --> play.yaml:4:7\n"), "{:?}", ran.findings());
}

#[tokio::test(start_paused = true)]
async fn a_script_catches_branches_and_stays_with_its_device() {
    let world = world(&["broken"]);
    let code = "let seen = [];\ntry { invoke_method(device, \"m\") } catch (err) { seen.push(err.status) }\n\
                let all = parallel([1, 2], |n| get_twin(device).reported.calls + n);\nseen.push(all[1].value);\n\
                try { get_twin(\"other\") } catch (err) { seen.push(err.message) }\nseen";
    let ran = inline(&world, code, &options()).await;
    assert_eq!(
        ran.said(),
        ["[409,3,\"`script` works on its own device, broken, not on other\"]"],
        "{:?}",
        ran.findings()
    );
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_runs_it_without_what_changes() {
    let world = world(&["a"]);
    let options = RunOptions { check: true, fail_on_change: true, ..options() };
    let ran = run(&world, &[("play.yaml", PLAY), ("fix.rhai", FIX)], &options).await;
    assert_eq!(ran.result.exit, 4, "something would change");
    assert!(world.calls.borrow().is_empty(), "nothing was sent");
    assert!(
        ran.steps().contains(&"a 1 skipped: would call ping {\"line\":\"B\",\"n\":8}".to_owned()),
        "{:?}",
        ran.steps()
    );
    let ran = inline(&world, "let r = invoke_method(device, \"m\");\nr.status + 1", &options).await;
    assert!(ran.steps().contains(&"a 1 skipped: would call m; the rest depends on it".to_owned()), "{:?}", ran.steps());
    let ran = inline(&world, "sleep(3600);\nget_twin(device).id", &options).await;
    assert_eq!((ran.result.exit, ran.said()), (0, vec!["a".to_owned()]), "a script that only reads is run");
}

#[tokio::test(start_paused = true)]
async fn a_name_without_a_value_is_said_by_name() {
    let text = "steps:\n  - get_twin:\n    when: false\n    register: before\n  - script: |\n      let x = before.id;\n      x\n";
    let ran = run(&world(&["a"]), &[("play.yaml", text)], &options()).await;
    let found = &ran.findings()[0];
    assert!(
        found.contains("`before` has no value: the step that registers it was skipped")
            && found.contains("play.yaml:6:15"),
        "{found}"
    );
}

#[tokio::test(start_paused = true)]
async fn once_on_the_runner_there_is_no_device() {
    let text = "steps:\n  - get_twin:\nafter:\n  - script: |\n      log(`${devices.len()} of ${run.size}`);\n      devices.map(|d| d.id)\n    register: ids\n  - log: ${{ ids }}\n";
    let ran = run(&world(&["a", "b"]), &[("play.yaml", text)], &options()).await;
    assert_eq!(ran.said(), ["2 of 2", "[\"a\",\"b\"]"], "{:?}", ran.findings());
}

#[test]
fn its_effect_is_what_it_calls() {
    let world = world(&["a"]);
    for (code, effect) in [
        ("get_twin(device)", Effect::Reads),
        ("invoke_method(device, 'm')", Effect::Changes),
        ("// invoke_method(device)\n      1", Effect::Reads),
    ] {
        let text = format!("steps:\n  - script: |\n      {code}\n");
        let book = read(&world, &[("play.yaml", &text)]).unwrap();
        let Body::Verb { effect: found, .. } = &book.plays[0].steps[0].body else { panic!("a verb") };
        assert_eq!(*found, effect, "{code}");
    }
}

fn refused(script: &str, file: &str) -> String {
    let text = format!("vars: {{ reason: x }}\nenv: [HOME]\nsteps:\n  - {script}\n  - get_twin:\n    register: late\n");
    read(&world(&["a"]), &[("play.yaml", &text), ("fix.rhai", file)]).err().unwrap_or_else(|| panic!("{script} {file}"))
}

#[test]
fn what_can_be_known_is_known_before_the_run() {
    for (script, file, parts) in [
        ("script: fix.rhi", "", vec!["unknown name `fix`", "play.yaml:4:13"]),
        ("script: nothere.rhai", "", vec!["no such file: nothere.rhai", "play.yaml:4:13"]),
        ("script:", "", vec!["`script` is a file or code"]),
        ("script: { file: fix.rhai, code: '1' }", "1", vec!["`script` is a file or code"]),
        ("script: { fil: fix.rhai }", "1", vec!["did you mean `file`?"]),
        ("script: fix.rhai", "let x = ;", vec!["--> fix.rhai:1:9"]),
        ("script: fix.rhai", "log(reasn)", vec!["unknown name `reasn`", "--> fix.rhai:1:5", "did you mean `reason`?"]),
        ("script: fix.rhai", "log(late)", vec!["only a later step registers it, at play.yaml:6"]),
        ("script: fix.rhai", "log(env.HOM)", vec!["`env.HOM` is not listed under `env:`"]),
        (
            "script: fix.rhai",
            "invoke_metod(device, 'm')",
            vec!["unknown function `invoke_metod`", "did you mean `invoke_method`?"],
        ),
        (
            "script: fix.rhai",
            "\ninvoke_method(device, 'm', (), #{ respose_timeout: 5 })",
            vec!["unknown key `respose_timeout`", "--> fix.rhai:2:35", "did you mean `response_timeout`?"],
        ),
        (
            "script: fix.rhai",
            "invoke_method(device, 'm', (), #{ response_timeout: 'soon' })",
            vec!["`response_timeout`: expected a whole number", "the text \"soon\""],
        ),
        ("script: fix.rhai", "invoke_method(device, 'm', (), #{ retries: 3 })", vec!["unknown key `retries`"]),
        (
            "script: fix.rhai",
            "wait_until(device, |t| true, #{ timout: 3 })",
            vec!["wait_until has no option `timout`", "did you mean `timeout`?"],
        ),
        (
            "script: fix.rhai",
            "invoke_method(device, 'm', 1, #{}, 5)",
            vec!["`invoke_method` takes 1 to 4 arguments, here are 5"],
        ),
        (
            "script: let x = nobody; x",
            "",
            vec!["unknown name `nobody`", "--> play.yaml:4:21\n4 |   - script: let x = nobody; x"],
        ),
        ("script: log(${{ reason }})", "", vec!["`${{ }}` cannot stand here"]),
    ] {
        let found = refused(script, file);
        for part in parts {
            assert!(found.contains(part), "{part}\nin\n{found}");
        }
    }
}

/// Ids that live as long as the test.
fn fleet(count: usize) -> Vec<&'static str> {
    (0..count).map(|n| &*Box::leak(format!("d{n}").into_boxed_str())).collect()
}

#[tokio::test(start_paused = true)]
async fn scripts_that_wait_go_round_together() {
    let world = world(&fleet(500));
    let code = "let looks = 0;\nwait_until(device, |twin| { looks += 1; looks > 20 }, #{ every: '2s', timeout: '2m' });\nlooks";
    let ran = inline(&world, code, &options()).await;
    assert_eq!(ran.result.exit, 0, "{:?}", ran.findings());
    // Twenty looks of 500 devices are 10,000 readings where each one polls.
    let (rounds, reads) = (world.rounds.get(), world.reads.get());
    assert!((20..80).contains(&rounds) && reads <= 10, "{rounds} rounds, {reads} readings");
}

#[tokio::test(start_paused = true)]
async fn branches_of_a_runner_script_that_wait_go_round_together() {
    let world = world(&fleet(300));
    let text = "let results = parallel(devices(), |d| { let looks = 0; wait_until(d.id, |twin| { looks += 1; looks > 10 }); looks }, \
                #{ forks: 300 });\nlog(results.filter(|r| r.ok and r.value == 11).len());";
    let ran = run_script(&world, text, &options()).await;
    assert_eq!((ran.result.exit, ran.said()), (0, vec!["300".to_owned()]), "{:?}", ran.findings());
    let (rounds, reads) = (world.rounds.get(), world.reads.get());
    assert!((10..40).contains(&rounds) && reads <= 10, "{rounds} rounds, {reads} readings");
}
