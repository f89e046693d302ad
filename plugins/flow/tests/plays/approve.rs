//! `approve`: a person is asked once; without a yes the run ends in good order.

use std::cell::RefCell;
use std::rc::Rc;

use futures_util::FutureExt as _;
use runner::{Confirm, RunOptions};

use super::stage::{options, run, run_script, world};

const PLAY: &str = "steps:\n  - get_twin:\n  - approve: Go on with ${{ run.size }} devices?\n  - invoke_method: { name: m }\n\
                    after:\n  - log: after\n";

fn answering(answer: Option<&'static str>, asked: &Rc<RefCell<Vec<String>>>) -> Option<Confirm> {
    let asked = Rc::clone(asked);
    Some(Rc::new(move |question| {
        asked.borrow_mut().push(question.to_string());
        async move { answer.map(str::to_owned) }.boxed_local()
    }))
}

#[tokio::test(start_paused = true)]
async fn one_question_for_all_devices() {
    let (world, asked) = (world(&["a", "b", "c"]), Rc::default());
    let options = RunOptions { confirm: answering(Some("y"), &asked), ..options() };
    let ran = run(&world, &[("play.yaml", PLAY)], &options).await;
    assert_eq!(ran.result.exit, 0, "{:?}", ran.findings());
    assert_eq!(*asked.borrow(), ["Go on with 3 devices? Type y to go on:"]);
    assert_eq!(world.calls.borrow().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn no_yes_ends_the_run_and_says_how_it_goes_on() {
    for (confirm, why) in [
        (None, "There is no terminal to ask on"),
        (Some(Some("n")), "It was not approved"),
        (Some(None), "It was not approved"),
    ] {
        let (world, asked) = (world(&["a", "b", "c"]), Rc::default());
        let confirm = confirm.and_then(|answer| answering(answer, &asked));
        let ran = run(&world, &[("play.yaml", PLAY)], &RunOptions { confirm, yes: true, ..options() }).await;
        assert_eq!((ran.result.exit, ran.result.counts.skipped), (6, 3), "{:?}", ran.findings());
        assert!(world.calls.borrow().is_empty(), "nothing was sent");
        assert!(asked.borrow().len() <= 1, "asked once");
        let expected = format!("waiting: Go on with 3 devices? {why}\nhelp: to go on: iotplay resume r1 --approve\n");
        assert_eq!(ran.findings(), [expected]);
        assert_eq!(ran.result.reason.as_deref(), Some("not approved: Go on with 3 devices?"));
        assert_eq!(ran.said(), ["after"], "also after an abort");
    }
}

#[tokio::test(start_paused = true)]
async fn before_the_first_device_and_in_the_second_wave() {
    let play = "serial: [1, rest]\nbefore:\n  - approve:\nsteps:\n  - invoke_method: { name: m }\n";
    let one = world(&["a", "b"]);
    let ran = run(&one, &[("play.yaml", play)], &options()).await;
    assert_eq!((ran.result.exit, one.calls.borrow().len()), (6, 0), "{:?}", ran.findings());
    let play = "serial: [1, rest]\nsteps:\n  - invoke_method: { name: m }\n  - approve: More?\n    when: wave.index == 2\n  - invoke_method: { name: n }\n";
    let two = world(&["a", "b", "c"]);
    let ran = run(&two, &[("play.yaml", play)], &options()).await;
    assert_eq!(ran.result.exit, 6);
    assert_eq!(*two.calls.borrow(), ["a m", "a n", "b m"], "nobody starts another step, and c not even its first");
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_asks_nobody() {
    let world = world(&["a"]);
    let ran = run(&world, &[("play.yaml", PLAY)], &RunOptions { check: true, ..options() }).await;
    assert_eq!(ran.result.exit, 0);
    assert!(ran.steps().contains(&"a 1 skipped: would ask: Go on with 1 devices?".to_owned()), "{:?}", ran.steps());
}

#[tokio::test(start_paused = true)]
async fn a_runner_script_ends_where_it_is_not_approved() {
    let script = "invoke_method(\"a\", \"m\"); try { approve(\"More?\"); } catch {} invoke_method(\"a\", \"n\");";
    let one = world(&["a"]);
    let ran = run_script(&one, script, &options()).await;
    assert_eq!((ran.result.exit, ran.result.reason.as_deref()), (6, Some("not approved: More?")));
    assert_eq!(*one.calls.borrow(), ["a m"]);
    let (two, asked) = (world(&["a"]), Rc::default());
    let ran = run_script(&two, script, &RunOptions { confirm: answering(Some("y"), &asked), ..options() }).await;
    assert_eq!((ran.result.exit, two.calls.borrow().len()), (0, 2));
}
