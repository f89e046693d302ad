//! Runs that stop for now and are gone on with: calls in doubt, secrets, approvals, waves, and how often the disk is waited for.

use std::rc::Rc;
use std::time::Duration;

use iotplay_runner::{Resume, RunOptions};
use serde_json::{Value, json};

use super::fake::{Reply, replies, world};
use super::journal::{Kept, lines, run};

/// The journal up to and with the first line that has all of these words.
fn cut_behind(kept: &Kept, words: &[&str]) {
    let text = kept.text();
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let found = all.iter().position(|line| words.iter().all(|word| line.contains(word)));
    let at = found.unwrap_or_else(|| panic!("no line with {words:?} in\n{text}"));
    kept.write(&all[..=at].concat());
}

fn calls(world: &super::fake::Shared, id: &str) -> usize {
    world.borrow().devices[id].calls
}

const CALL: &[&str] = &["\"kind\":\"call\"", "\"device\":\"a\""];

#[tokio::test(start_paused = true)]
async fn a_call_in_doubt_is_named_and_not_repeated() {
    let (kept, first) = (Kept::new(), world(["a"]));
    let text = "steps:\n  - name: Reboot\n    invoke_method: { name: m }\n    retries: 3\n  - log: done\n";
    run(&first, text, &kept.fresh()).await;
    cut_behind(&kept, CALL);
    let again = world(["a"]);
    let ran = run(&again, text, &kept.resumed(false)).await;
    assert_eq!((calls(&again, "a"), ran.result.exit, ran.result.resume), (0, 4, None));
    let reason = ran.result.reason.expect("a reason");
    assert!(reason.contains("1 call is in doubt") && reason.contains("a `Reboot`"), "{reason}");
    assert_eq!(ran.events.ends()["a"], "timeout");
    let history = kept.run_folder().history().expect("a journal");
    assert_eq!(history.in_doubt(false).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_in_doubt_that_does_no_harm_is_sent_again() {
    let (kept, first) = (Kept::new(), world(["a"]));
    let text = "steps:\n  - harmless: { name: m }\n    when: twin.version == 0\n";
    run(&first, text, &kept.fresh()).await;
    cut_behind(&kept, CALL);
    let again = world(["a"]);
    // Its `when` was true: what it would be now does not matter.
    again.borrow_mut().devices.values_mut().for_each(|fake| fake.version = 9);
    let ran = run(&again, text, &kept.resumed(false)).await;
    assert_eq!((calls(&again, "a"), ran.result.exit), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_in_doubt_may_be_accepted_or_rescued() {
    let (kept, first) = (Kept::new(), world(["a"]));
    let text = "steps:\n  - accepting: { name: m }\n    register: reply\n  - block:\n      - invoke_method: { name: n }\n    \
                rescue:\n      - log: \"${{ error.class }} ${{ reply.lost }}\"\n";
    run(&first, text, &kept.fresh()).await;
    cut_behind(&kept, CALL);
    let again = world(["a"]);
    let ran = run(&again, text, &kept.resumed(false)).await;
    assert_eq!((calls(&again, "a"), ran.result.exit), (1, 0), "only the second one");
    cut_behind(&kept, &["\"kind\":\"call\"", "\"step\":2"]);
    let third = world(["a"]);
    let ran = run(&third, text, &kept.resumed(false)).await;
    assert_eq!((calls(&third, "a"), ran.result.exit, ran.events.said()), (0, 0, vec!["timeout true".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_wait_behind_it_tells_what_became_of_a_call_in_doubt() {
    let text = "steps:\n  - invoke_method: { name: m }\n  - log: between\n  - wait_until: twin.reported.boot == 2\n    timeout: 1m\n";
    for (boot, exit, doubts) in [(2, 0, 0), (1, 4, 1)] {
        let (kept, first) = (Kept::new(), world(["a"]));
        first.borrow_mut().devices.values_mut().for_each(|fake| fake.reported = json!({ "boot": 2 }));
        run(&first, text, &kept.fresh()).await;
        cut_behind(&kept, CALL);
        let again = world(["a"]);
        again.borrow_mut().devices.values_mut().for_each(|fake| fake.reported = json!({ "boot": boot }));
        let ran = run(&again, text, &kept.resumed(false)).await;
        assert_eq!((calls(&again, "a"), ran.result.exit), (0, exit), "boot {boot}");
        assert_eq!(kept.run_folder().history().expect("a journal").in_doubt(false).len(), doubts, "boot {boot}");
        assert_eq!(ran.result.reason.is_some_and(|reason| reason.contains("in doubt")), doubts == 1);
        // Killed once more between the call and the wait: it is still in doubt.
        cut_behind(&kept, &["\"kind\":\"step\"", "\"step\":1"]);
        let third = world(["a"]);
        third.borrow_mut().devices.values_mut().for_each(|fake| fake.reported = json!({ "boot": boot }));
        let ran = run(&third, text, &kept.resumed(false)).await;
        assert_eq!((calls(&third, "a"), ran.result.exit), (0, exit), "boot {boot}, again");
    }
}

#[tokio::test(start_paused = true)]
async fn what_stood_between_waves_is_not_repeated() {
    let text = "serial: [1, rest]\nbetween_waves: { soak: 10m, verify: [ { ping: { name: v } } ], gate: \"wave.ok == 1\" }\n\
                steps:\n  - invoke_method: { name: m }\n";
    let (kept, first) = (Kept::new(), world(["a", "b", "c"]));
    run(&first, text, &kept.fresh()).await;
    cut_behind(&kept, &["\"kind\":\"verified\""]);
    // As if the soak had begun an hour ago.
    kept.write(&kept.text().replace("\"at\":\"20", "\"at\":\"19"));
    let again = world(["a", "b", "c"]);
    let started = tokio::time::Instant::now();
    let ran = run(&again, text, &kept.resumed(false)).await;
    assert_eq!((ran.result.exit, ran.result.counts.ok), (0, 3));
    assert_eq!((calls(&again, "a"), calls(&again, "b")), (0, 1), "neither its step nor its verify");
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_nobody_gave_is_given_by_resume() {
    let text = "serial: [1, rest]\nbetween_waves: { gate: { approve: true } }\nsteps:\n  - invoke_method: { name: m }\nafter:\n  - log: after\n";
    let (kept, world) = (Kept::new(), world(["a", "b"]));
    let ran = run(&world, text, &kept.fresh()).await;
    assert_eq!((ran.result.exit, ran.result.resume), (6, Some(Resume::Approve)));
    assert!(ran.events.said().is_empty(), "`after` is for the end");
    let asked = run(&world, text, &kept.resumed(false)).await;
    assert_eq!((asked.result.exit, asked.result.resume), (6, Some(Resume::Approve)), "{:?}", asked.result);
    let ran = run(&world, text, &kept.resumed(true)).await;
    assert_eq!((ran.result.exit, ran.result.counts.ok, ran.result.resume), (0, 2, None));
    assert_eq!((calls(&world, "a"), calls(&world, "b")), (1, 1));
    assert_eq!(ran.events.said(), ["after"]);
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_pauses_holds_the_rest_until_a_yes() {
    let text = "forks: 1\nabort_if: { failed: 1, action: pause }\nsteps:\n  - invoke_method: { name: m }\n";
    let (kept, world) = (Kept::new(), world(["a", "b", "c"]));
    replies(&world, "a", [Reply::Status(500, Value::Null)]);
    let ran = run(&world, text, &kept.fresh()).await;
    assert_eq!((ran.result.exit, ran.result.resume), (6, Some(Resume::Approve)));
    let called = calls(&world, "b") + calls(&world, "c");
    assert!(called < 2, "the rest is held");
    let ran = run(&world, text, &kept.resumed(true)).await;
    assert_eq!((ran.result.exit, ran.result.counts.ok, ran.result.counts.failed), (4, 2, 1), "{:?}", ran.result);
    assert_eq!((calls(&world, "a"), calls(&world, "b"), calls(&world, "c")), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_run_and_one_whose_hub_went_away_can_be_resumed() {
    let text = "forks: 1\nsteps:\n  - invoke_method: { name: m }\n";
    for gone in [false, true] {
        let (kept, world) = (Kept::new(), world(["a", "b", "c"]));
        replies(&world, "b", [if gone { Reply::HubGone } else { Reply::After(Duration::from_secs(60), Value::Null) }]);
        let options = kept.fresh();
        let stop = options.cancel.clone();
        let interrupt = async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            if !gone {
                stop.cancel();
            }
        };
        let (ran, ()) = tokio::join!(run(&world, text, &options), interrupt);
        assert_eq!((ran.result.exit, ran.result.resume), (if gone { 7 } else { 130 }, Some(Resume::Plain)));
        let ran = run(&world, text, &kept.resumed(false)).await;
        // The call that the interruption cut off is in doubt; the one that the hub refused is known not to be.
        let (failed, calls_of_b) = if gone { (0, 2) } else { (1, 1) };
        assert_eq!((ran.result.counts.ok, ran.result.counts.failed), (3 - failed, failed), "{:?}", ran.result);
        assert_eq!((calls(&world, "a"), calls(&world, "b"), calls(&world, "c")), (1, calls_of_b, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_withheld_fails_the_device_that_needs_it() {
    let text = "secrets: [TOKEN]\nsteps:\n  - ping: { name: p }\n    no_log: true\n    register: pong\n  \
                - invoke_method: { name: m }\n  - log: \"${{ pong.status }}\"\n";
    let env = |options: RunOptions| RunOptions {
        env: Rc::new(|name| (name == "TOKEN").then(|| "a-secret-of-this-test".to_owned())),
        ..options
    };
    let (kept, first) = (Kept::new(), world(["a", "b"]));
    run(&first, text, &env(kept.fresh())).await;
    cut_behind(&kept, &["\"kind\":\"step\"", "\"device\":\"a\"", "\"step\":1"]);
    let again = world(["a", "b"]);
    let ran = run(&again, text, &env(kept.resumed(false))).await;
    assert_eq!(ran.result.exit, 4);
    let why = ran.events.failures().concat();
    assert!(why.contains("`pong` is not in the journal"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_was_set_from_a_secret_is_set_anew() {
    let text = "secrets: [TOKEN]\nsteps:\n  - set: { url: \"x-${{ secret.TOKEN }}\" }\n  \
                - invoke_method: { name: m, payload: \"${{ url }}\" }\n  - invoke_method: { name: n, payload: \"${{ url }}\" }\n";
    let env = |options: RunOptions| RunOptions {
        env: Rc::new(|name| (name == "TOKEN").then(|| "another-secret-of-this-test".to_owned())),
        ..options
    };
    let (kept, first) = (Kept::new(), world(["a"]));
    run(&first, text, &env(kept.fresh())).await;
    assert!(!kept.text().contains("another-secret"), "{}", kept.text());
    cut_behind(&kept, &["\"kind\":\"step\"", "\"step\":1"]);
    let again = world(["a"]);
    let ran = run(&again, text, &env(kept.resumed(false))).await;
    assert_eq!((ran.result.exit, calls(&again, "a")), (0, 1), "{:?}", ran.events.failures());
    assert_eq!(again.borrow().sent[0].2, "\"x-another-secret-of-this-test\"");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_calls_wait_for_the_disk_a_few_times() {
    let (kept, world) = (Kept::new(), world((0..1_000).map(|n| format!("d{n:04}"))));
    let options = RunOptions { forks: Some(100), ..kept.fresh() };
    let ran = run(&world, "steps:\n  - invoke_method: { name: m }\n", &options).await;
    assert_eq!(ran.result.counts.ok, 1_000);
    let syncs = options.journal.expect("a journal").syncs();
    assert!(syncs <= 30, "{syncs} flushes for 1,000 calls with 100 forks");
    let sent = lines(&kept.text()).iter().filter(|line| line["kind"] == "call").count();
    assert_eq!(sent, 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_be_written_down_is_not_begun() {
    let (kept, world) = (Kept::new(), world(["a"]));
    std::fs::write(kept.run_folder().path(), "a file where the folder should be").expect("a file");
    let ran = run(&world, "steps:\n  - invoke_method: { name: m }\n", &kept.fresh()).await;
    assert_eq!((ran.result.exit, calls(&world, "a")), (2, 0));
    assert!(ran.events.failures()[0].contains("Nothing was sent"), "{:?}", ran.events.failures());
}
