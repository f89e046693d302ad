//! Steps as the language page has them: names, loops, blocks, registers, retries.

use std::time::Duration;

use iotplay_runner::{ExtraVar, RunOptions};
use serde_json::{Value, json};

use super::fake::{Reply, options, replies, run, run_with, world};

/// Runs a play on one device `d` and gives what `log` said.
async fn said(text: &str) -> Vec<String> {
    let world = world(["d"]);
    let ran = run(&world, text).await;
    assert_eq!(ran.result.exit, 0, "{:?}", ran.events.failures());
    ran.events.said()
}

#[tokio::test(start_paused = true)]
async fn names_in_scope() {
    let text = "vars: { a: 1, b: '${{ a + 1 }}', who: '${{ device.id }}' }\nsteps:\n  - vars: { c: '${{ b + 1 }}' }\n    log: ${{ a }} ${{ vars.b }} ${{ c }} ${{ who }} ${{ device.status }} ${{ run.id }} ${{ wave.index }} ${{ attempt }}\n";
    assert_eq!(said(text).await, ["1 2 3 d enabled r1 1 1"]);
}

/// Runs a play on one device `d` and gives what failed.
async fn failures(text: &str) -> Vec<String> {
    let ran = run(&world(["d"]), text).await;
    assert_eq!(ran.result.exit, 4);
    ran.events.failures()
}

#[tokio::test(start_paused = true)]
async fn changed_tells_whether_the_step_that_registered_changed_something() {
    let call = |beside: &str| format!("  - invoke_method: {{ name: m }}\n    register: r\n{beside}");
    let ping = "  - get_twin:\n    register: r\n";
    let log = "  - log: ${{ changed(r) }}\n";
    for (steps, expected) in [
        (call(""), "true"),
        (ping.to_owned(), "false"),
        (call("    changed_when: false\n"), "false"),
        (format!("{ping}    changed_when: result.id == 'd'\n"), "true"),
        (call("    loop: [1, 2]\n    changed_when: item == 2\n"), "true"),
        (call("    loop: [1, 2]\n    changed_when: item == 3\n"), "false"),
        (call("    run_once: true\n"), "true"),
        (call("    no_log: true\n"), "true"),
        (call("    failed_when: changed(result)\n    ignore_errors: true\n"), "false"),
        (format!("{ping}    failed_when: changed(result)\n"), "false"),
        ("  - block:\n      - get_twin:\n      - log: x\n    register: r\n".to_owned(), "false"),
        ("  - block:\n      - invoke_method: { name: m }\n      - log: x\n    register: r\n".to_owned(), "true"),
        (
            "  - block:\n      - invoke_method: { name: m }\n      - fail: x\n    rescue:\n      - log: x\n    register: r\n"
                .to_owned(),
            "true",
        ),
    ] {
        let text = format!("steps:\n{steps}{log}");
        assert_eq!(said(&text).await.last().map(String::as_str), Some(expected), "{text}");
    }
    let text = "steps:\n  - invoke_method: { name: m }\n    register: r\n  - get_twin:\n    when: changed(r)\n    register: s\n  - log: ${{ changed(s) }}\n";
    assert_eq!(said(text).await, ["false"]);
}

#[tokio::test(start_paused = true)]
async fn changed_is_about_whole_registered_values() {
    let hidden = "steps:\n  - get_twin:\n    register: r\n  - set: { s: '${{ r }}' }\n  - log: ${{ [r.reported].map(|x| x.changed()) }}\n";
    assert!(failures(hidden).await[0].contains("what a step registered"), "{:?}", failures(hidden).await);
    let skipped =
        "steps:\n  - invoke_method: { name: m }\n    when: false\n    register: r\n  - log: ${{ changed(r) }}\n";
    assert!(failures(skipped).await[0].contains("`r` has no value"), "{:?}", failures(skipped).await);
}

#[tokio::test(start_paused = true)]
async fn extra_vars_take_the_type_of_their_default() {
    let world = world(["d"]);
    let text = "vars: { n: 1 }\nrequired: [url]\nsteps:\n  - log: ${{ n + 1 }} ${{ url }}\n";
    let with = |vars: &[(&str, &str)]| RunOptions {
        vars: vars.iter().map(|(name, value)| ((*name).to_owned(), ExtraVar::Text((*value).to_owned()))).collect(),
        ..options()
    };
    let ran = run_with(&world, text, &with(&[("n", "41"), ("url", "http://x")])).await;
    assert_eq!(ran.events.said(), ["42 http://x"]);
    for wrong in [vec![("n", "x"), ("url", "u")], vec![("m", "1"), ("url", "u")], vec![("n", "1")]] {
        assert_eq!(run_with(&world, text, &with(&wrong)).await.result.exit, 2, "{wrong:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn when_and_missing_names() {
    assert_eq!(
        said("steps:\n  - when: device.id == 'x'\n    log: no\n  - when: ()\n    log: no\n  - log: yes\n").await,
        ["yes"]
    );
    let world = world(["d"]);
    let ran = run(
        &world,
        "steps:\n  - when: false\n    ping: { name: p }\n    register: pong\n  - log: ${{ pong.status }}\n",
    )
    .await;
    assert_eq!(ran.result.exit, 4);
    assert!(ran.events.failures()[0].contains("`pong` has no value"), "{:?}", ran.events.failures());
    let ran = run(&world, "steps:\n  - when: 1\n    log: no\n").await;
    assert_eq!(ran.result.exit, 4, "a number is no condition");
}

#[tokio::test(start_paused = true)]
async fn loops_register_arrays_and_go_on_after_failures() {
    let text = "steps:\n  - loop: [1, 2, 3]\n    when: item != 2\n    set: { last: '${{ item }}' }\n    register: all\n  - log: ${{ last }} ${{ all }}\n";
    assert_eq!(said(text).await, [r#"3 [{"last":1},null,{"last":3}]"#]);
    let world = world(["d"]);
    replies(&world, "d", [Reply::Status(500, Value::Null)]);
    let ran = run(&world, "steps:\n  - loop: [a, b]\n    invoke_method: { name: '${{ item }}' }\n  - log: no\n").await;
    assert_eq!((ran.result.exit, world.borrow().devices["d"].calls), (4, 2));
    assert!(ran.events.said().is_empty());
}

#[tokio::test(start_paused = true)]
async fn ignored_failures_are_registered() {
    let world = world(["d"]);
    replies(&world, "d", [Reply::Status(409, json!({ "busy": true }))]);
    let text = "steps:\n  - invoke_method: { name: m }\n    ignore_errors: true\n    register: reply\n  - log: ${{ reply.failed }} ${{ reply.error.class }} ${{ reply.error.status }} ${{ reply.error.payload.busy }}\n";
    let ran = run(&world, text).await;
    assert_eq!(ran.result.exit, 0);
    assert_eq!(ran.events.said(), ["true rejected 409 true"]);
}

#[tokio::test(start_paused = true)]
async fn failed_when_and_changed_when_judge_replies() {
    for (status, condition, exit) in
        [(404, "result.status != 404", 0), (404, "result.status == 404", 4), (200, "result.payload == 'bad'", 4)]
    {
        let world = world(["d"]);
        replies(&world, "d", [Reply::Status(status, json!("bad"))]);
        let ran =
            run(&world, &format!("steps:\n  - invoke_method: {{ name: m }}\n    failed_when: {condition}\n")).await;
        assert_eq!(ran.result.exit, exit, "{condition}");
    }
}

#[tokio::test(start_paused = true)]
async fn retries_until_delay_and_backoff() {
    let world = world(["d"]);
    replies(&world, "d", [1, 2, 3].map(|n| Reply::Status(200, json!(n))));
    let started = tokio::time::Instant::now();
    let text = "steps:\n  - ping: { name: p }\n    until: result.payload == 3\n    retries: 5\n    delay: 10s\n    backoff: 2\n    register: pong\n  - log: ${{ pong.payload }}\n";
    let ran = run(&world, text).await;
    assert_eq!(ran.events.said(), ["3"]);
    assert_eq!(started.elapsed().as_secs(), 30);
    // Never true: the last value is in the message.
    let ran =
        run(&world, "steps:\n  - ping: { name: p }\n    until: result.status == 500\n    retries: 1\n    delay: 1s\n")
            .await;
    assert_eq!(ran.result.exit, 4);
    let failures = ran.events.failures();
    assert!(failures[0].contains("`until` is false: result.status == 500 (left 200, right 500)"), "{failures:?}");
    // A block is repeated as a whole.
    replies(&world, "d", [Reply::Status(200, Value::Null), Reply::Status(500, Value::Null)]);
    world.borrow_mut().order.clear();
    let ran =
        run(&world, "steps:\n  - retries: 1\n    block:\n      - ping: { name: a }\n      - ping: { name: b }\n").await;
    assert_eq!((ran.result.exit, world.borrow().order.len()), (0, 4), "{:?}", ran.events.failures());
}

#[tokio::test(start_paused = true)]
async fn blocks_rescue_and_always() {
    let world = world(["d"]);
    replies(&world, "d", [Reply::Status(500, json!("why"))]);
    let text = "steps:\n  - block:\n      - name: Call\n        invoke_method: { name: m }\n      - log: not reached\n    rescue:\n      - log: ${{ error.class }} ${{ error.step }} ${{ error.payload }} ${{ error.at }}\n    always:\n      - log: always\n    register: block\n  - log: on\n";
    let ran = run(&world, text).await;
    assert_eq!(ran.result.exit, 0, "{:?}", ran.events.failures());
    assert_eq!(ran.events.said(), ["rejected Call why playbooks/test.yaml:4:9", "always", "on"]);
    // A rescue that fails fails the device, and `always` still runs.
    replies(&world, "d", [Reply::Status(500, Value::Null)]);
    let text = "steps:\n  - block:\n      - invoke_method: { name: m }\n    rescue:\n      - fail: gave up\n    always:\n      - log: always\n";
    let ran = run(&world, text).await;
    assert_eq!((ran.result.exit, ran.events.said()), (4, vec!["always".to_owned()]));
    // The value of a block is its last step's.
    assert_eq!(
        said("steps:\n  - block:\n      - ping: { name: p }\n    register: it\n  - log: ${{ it.status }}\n").await,
        ["200"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_block_has_a_deadline() {
    let world = world(["d"]);
    let ran = run(
        &world,
        "steps:\n  - timeout: 5s\n    block:\n      - sleep: 3s\n      - sleep: 3s\n    rescue:\n      - log: no\n",
    )
    .await;
    assert_eq!((ran.result.exit, ran.events.ends()["d"]), (4, "timeout"));
}

#[tokio::test(start_paused = true)]
async fn tags_choose_steps() {
    let text = "steps:\n  - { log: a, tags: [a] }\n  - { log: b, tags: [b] }\n  - { log: always, tags: [always] }\n  - { log: never, tags: [never, n] }\n  - tags: [a]\n    block:\n      - log: inner\n";
    for (tags, skip, expected) in [
        (vec![], vec![], "a b always inner"),
        (vec!["a"], vec![], "a always inner"),
        (vec!["n"], vec![], "always never"),
        (vec![], vec!["a"], "b always"),
    ] {
        let world = world(["d"]);
        let list = |tags: Vec<&str>| tags.into_iter().map(str::to_owned).collect();
        let options = RunOptions { tags: list(tags), skip_tags: list(skip), ..options() };
        assert_eq!(run_with(&world, text, &options).await.events.said().join(" "), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn once_per_run_and_so_many_at_once() {
    let world = world((0..20).map(|n| format!("d{n:02}")));
    for n in 0..20 {
        replies(&world, &format!("d{n:02}"), [Reply::After(Duration::from_secs(1), json!(n))]);
    }
    let text = "steps:\n  - run_once: true\n    ping: { name: p }\n    register: first\n  - throttle: 3\n    ping: { name: p }\n  - log: ${{ first.payload }}\n";
    let ran = run(&world, text).await;
    assert_eq!(ran.result.exit, 0, "{:?}", ran.events.failures());
    assert_eq!(world.borrow().order.len(), 21);
    assert_eq!(world.borrow().most_in_flight, 3);
    assert_eq!(ran.events.said(), vec!["0"; 20]);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_does_not_count_the_time_in_a_queue() {
    let minute = Duration::from_secs(60);
    for (steps, works, exit) in [
        ("  - invoke_method: { name: m }\n    timeout: 2s\n", 1, 0),
        ("  - invoke_method: { name: m }\n    timeout: 2s\n", 3, 4),
        ("  - block:\n      - invoke_method: { name: m }\n    timeout: 2s\n", 1, 0),
        ("  - block:\n      - invoke_method: { name: m }\n    timeout: 2s\n", 3, 4),
        ("  - invoke_method: { name: m }\n    timeout: 2s\n    offline: { wait: 1h }\n", 1, 0),
    ] {
        let world = world(["a"]);
        replies(&world, "a", [Reply::Queued(minute, Duration::from_secs(works))]);
        let ran = run(&world, &format!("steps:\n{steps}")).await;
        assert_eq!(ran.result.exit, exit, "{steps} {works} {:?}", ran.events.failures());
    }
}

#[tokio::test(start_paused = true)]
async fn nor_the_time_until_a_throttle_or_a_fork_lets_it_go_on() {
    for text in [
        "steps:\n  - block:\n      - invoke_method: { name: m }\n        throttle: 1\n    timeout: 2s\n",
        "forks: 1\nsteps:\n  - block:\n      - sleep: 100ms\n      - invoke_method: { name: m }\n    timeout: 2s\n",
    ] {
        let world = world((0..10).map(|n| format!("d{n}")));
        for n in 0..10 {
            replies(&world, &format!("d{n}"), [Reply::After(Duration::from_secs(1), json!(n))]);
        }
        let ran = run(&world, text).await;
        assert_eq!((ran.result.exit, ran.result.counts.ok), (0, 10), "{text} {:?}", ran.events.failures());
    }
}

#[tokio::test(start_paused = true)]
async fn facts_are_read_when_named_and_anew_for_each_step() {
    let world = world(["d"]);
    let ran = run(&world, "steps:\n  - noop:\n  - log: ${{ twin.reported.n ?? 0 }}\n  - when: twin.version == 0\n    log: ${{ twin.version }}\n").await;
    assert_eq!(ran.result.exit, 0, "{:?}", ran.events.failures());
    assert_eq!(ran.events.said(), ["0", "0"]);
    assert_eq!(world.borrow().reads, 2);
}

#[tokio::test(start_paused = true)]
async fn before_after_and_no_log() {
    let world = world(["a", "b"]);
    let text = "before:\n  - log: first\nsteps:\n  - ping: { name: p }\n    no_log: true\n    register: quiet\n  - ping: { name: p }\n    register: loud\nafter:\n  - log: ${{ devices.len() }} ${{ devices[0].vars }}\n";
    let ran = run(&world, text).await;
    assert_eq!(ran.result.exit, 0, "{:?}", ran.events.failures());
    let said = ran.events.said();
    assert_eq!(said[0], "first");
    assert!(said[1].starts_with("2 {\"loud\":"), "{said:?}");
    assert_eq!(ran.events.registered("a", "quiet"), None);
}

#[tokio::test(start_paused = true)]
async fn secrets_and_environment() {
    let world = world(["a"]);
    let env = |name: &str| match name {
        "TOKEN" => Some("s3cr3t-value".to_owned()),
        "SHORT" => Some("abc".to_owned()),
        "SITE" => Some("43".to_owned()),
        _ => None,
    };
    let options = RunOptions { env: std::rc::Rc::new(env), ..options() };
    let text = "env: [SITE, NONE]\nsecrets: { token: { env: TOKEN } }\nsteps:\n  - log: ${{ env.SITE }} ${{ env.NONE ?? 'none' }} ${{ secret.token }}\n";
    let ran = run_with(&world, text, &options).await;
    assert_eq!(ran.result.exit, 0, "{:?}", ran.events.failures());
    assert_eq!(base::Mask::process().apply(&ran.events.said()[0]), "43 none ***");
    for wrong in ["SHORT", "MISSING"] {
        let ran = run_with(&world, &text.replace("TOKEN", wrong), &options).await;
        assert_eq!(ran.result.exit, 2, "{wrong}");
    }
}
