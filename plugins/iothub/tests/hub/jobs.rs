//! `via: job`: whole playbooks against the local hub's jobs, device by device as without it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use base::{Clock, Source};
use runner::book::read;
use runner::{Registry, Reporter, RunEvent, RunOptions, RunResult, Runner};
use script::Expressions;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use wire::{DeviceDocument, DeviceJobStatus, JobId, JobStatus};

use crate::device::{Answer, Device};
use crate::stage::{Stage, check, done, failed, id, on_stage};

/// Outcome, error, registered values.
type End = (&'static str, Option<String>, Value);

/// Keeps what the tests look at.
#[derive(Default)]
struct Heard {
    ends: RefCell<BTreeMap<String, End>>,
    warned: RefCell<Vec<String>>,
    together: RefCell<Vec<(usize, usize, String)>>,
}

impl Reporter for Heard {
    fn on(&self, event: &RunEvent) {
        match event {
            RunEvent::DeviceEnded { device, outcome, error, vars, .. } => {
                self.ends.borrow_mut().insert(device.to_string(), (outcome, error.clone(), Value::clone(vars)));
            }
            RunEvent::Warned { text } => self.warned.borrow_mut().push(text.clone()),
            RunEvent::StepProgress { progress: runner::Progress::Together { done, of, by }, .. } => {
                self.together.borrow_mut().push((*done, *of, by.clone()));
            }
            _ => {}
        }
    }
}

impl Heard {
    fn outcomes(&self) -> Vec<String> {
        let ends = self.ends.borrow();
        ends.iter().map(|(device, (outcome, ..))| format!("{device} {outcome}")).collect()
    }

    fn error(&self, device: &str) -> String {
        self.ends.borrow()[device].1.clone().unwrap_or_default()
    }

    fn registered(&self, device: &str, name: &str) -> Value {
        self.ends.borrow()[device].2[name].clone()
    }

    /// The names of the jobs that were followed, each once.
    fn jobs(&self) -> Vec<JobId> {
        let together = self.together.borrow();
        let mut jobs: Vec<&str> = together.iter().filter_map(|(_, _, by)| by.strip_prefix("job ")).collect();
        jobs.sort_unstable();
        jobs.dedup();
        jobs.into_iter().map(|id| id.parse().unwrap()).collect()
    }
}

async fn play(stage: &Stage, text: &str, run: &str, cancel: &CancellationToken) -> (RunResult, Rc<Heard>) {
    let expressions = Expressions::new(Clock::system());
    let registry = Registry::new(&[&stage.plugin]);
    let book =
        read(Source::new("t.yaml", text), &registry, &expressions, &["twin"]).unwrap_or_else(|found| panic!("{found}"));
    let options = RunOptions { cancel: cancel.clone(), ..RunOptions::new(run, std::env::temp_dir()) };
    let heard = Rc::new(Heard::default());
    let reporters: [Rc<dyn Reporter>; 1] = [Rc::clone(&heard) as _];
    let result = Runner::new(registry, stage.inventory(), expressions).run_book(&book, &options, &reporters).await;
    (result, heard)
}

async fn played(stage: &Stage, text: &str, run: &str) -> (RunResult, Rc<Heard>) {
    play(stage, text, run, &CancellationToken::new()).await
}

/// Counts the calls that reach a device.
async fn counted(stage: &Stage, device: &str, answer: Answer, calls: &Rc<Cell<usize>>) -> Device {
    let calls = Rc::clone(calls);
    let answers = move |_: &str| {
        calls.set(calls.get() + 1);
        answer
    };
    stage.connected(device, answers).await
}

const CALL: &str = "
steps:
  - invoke_method: { name: m, payload: { n: 1 }, response_timeout: 5s, VIA }
    timeout: 8s
    register: reply
";

#[test]
fn every_outcome_is_that_of_a_direct_call() {
    on_stage(|stage| async move {
        let calls = Rc::new(Cell::new(0));
        let mut devices = Vec::new();
        for (device, answer) in
            [("a", Answer::Echo(200)), ("b", Answer::Echo(299)), ("c", Answer::Echo(409)), ("mute", Answer::Silent)]
        {
            devices.push(counted(&stage, device, answer, &calls).await);
        }
        stage.add("away").await;
        let (direct, alone) = played(&stage, &CALL.replace(", VIA", ""), "direct").await;
        assert_eq!(calls.replace(0), 4);
        let (result, together) = played(&stage, &CALL.replace("VIA", "via: job"), "r").await;
        assert_eq!((result.exit, result.counts), (direct.exit, direct.counts));
        assert_eq!(together.outcomes(), ["a ok", "away unreachable", "b ok", "c rejected", "mute timeout"]);
        assert_eq!(together.outcomes(), alone.outcomes());
        for device in ["a", "b", "away", "c", "mute"] {
            assert_eq!(together.error(device), alone.error(device));
            assert_eq!(together.registered(device, "reply"), alone.registered(device, "reply"));
        }
        assert_eq!(calls.get(), 4, "each called once");
        // The hub has seen one job, for all of them.
        let jobs = together.jobs();
        assert_eq!(jobs.len(), 1);
        assert!(jobs[0].as_str().starts_with("iotplay-r-w1-s1-"), "{}", jobs[0]);
        let job = stage.client.job(&jobs[0]).await.unwrap();
        let counts = job.device_job_statistics.unwrap();
        assert_eq!(
            (job.status, counts.device_count, counts.succeeded_count, counts.failed_count),
            (JobStatus::Completed, 5, 3, 2)
        );
        assert_eq!(job.max_execution_time_in_seconds, Some(8));
        assert_eq!(together.together.borrow().last().map(|(done, of, _)| (*done, *of)), Some((5, 5)));
    });
}

#[test]
fn one_job_for_those_who_ask_for_the_same() {
    on_stage(|stage| async move {
        let mut devices = Vec::new();
        for device in ["a", "b", "c"] {
            devices.push(stage.connected(device, |_| Answer::Echo(200)).await);
        }
        let text = "steps:\n  - invoke_method: { name: m, payload: \"${{ device.id == 'c' }}\", via: job }\n    register: reply\n";
        let (result, heard) = played(&stage, text, "r").await;
        assert_eq!(result.exit, 0);
        assert_eq!(heard.registered("c", "reply"), json!({"status": 200, "payload": true, "lost": false}));
        assert_eq!(heard.registered("b", "reply"), json!({"status": 200, "payload": false, "lost": false}));
        let mut sizes = Vec::new();
        for job in heard.jobs() {
            sizes.push(stage.client.job(&job).await.unwrap().device_job_statistics.unwrap().device_count);
        }
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 2]);
    });
}

#[test]
fn a_run_that_is_gone_on_with_calls_nobody_twice() {
    on_stage(|stage| async move {
        let calls = Rc::new(Cell::new(0));
        let mut devices = Vec::new();
        for device in ["a", "b"] {
            devices.push(counted(&stage, device, Answer::Echo(200), &calls).await);
        }
        let text =
            "targets: { devices: [WHOM] }\nsteps:\n  - invoke_method: { name: m, via: job }\n    register: reply\n";
        let (first, _) = played(&stage, &text.replace("WHOM", "a, b"), "same").await;
        let (again, heard) = played(&stage, &text.replace("WHOM", "a, b"), "same").await;
        assert_eq!((first.exit, again.exit, calls.get()), (0, 0, 2));
        assert_eq!(heard.registered("b", "reply")["status"], 200);
        // With fewer or other devices the job is still known, and only whom it had not is called.
        devices.push(counted(&stage, "c", Answer::Echo(200), &calls).await);
        let (result, heard) = played(&stage, &text.replace("WHOM", "b, c"), "same").await;
        assert_eq!((result.exit, calls.get(), heard.jobs().len()), (0, 3, 2));
        assert_eq!(heard.outcomes(), ["b ok", "c ok"]);
        // Another run is another matter.
        let (_, _) = played(&stage, &text.replace("WHOM", "a"), "other").await;
        assert_eq!(calls.get(), 4);
    });
}

#[test]
fn a_stop_calls_the_job_off_and_who_had_no_turn_gets_it_later() {
    on_stage(|stage| async move {
        let calls = Rc::new(Cell::new(0));
        let _here = counted(&stage, "here", Answer::Silent, &calls).await;
        stage.add("away").await;
        let cancel = CancellationToken::new();
        let text = "steps:\n  - invoke_method: { name: m, response_timeout: 60s, via: job }\n";
        let stop = async {
            while calls.get() == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            cancel.cancel();
        };
        let ((result, heard), ()) = tokio::join!(play(&stage, text, "same", &cancel), stop);
        assert_eq!(result.exit, 130);
        let warned = heard.warned.borrow().clone();
        let id: JobId = warned[0].split(' ').nth(2).unwrap().parse().unwrap();
        if !warned[0].contains("was called off") {
            // A hub that is too busy to answer in the second that a stop has: that is said, and done here.
            assert!(warned[0].contains("could not be called off"), "{warned:?}");
            if stage.client.job(&id).await.unwrap().status != JobStatus::Cancelled {
                stage.client.cancel_job(&id).await.unwrap();
            }
        }
        let job = &stage.client.job(&id).await.unwrap();
        assert_eq!(job.status, JobStatus::Cancelled);
        let rows = stage.client.job_rows(&job.job_id.parse().unwrap()).await.unwrap();
        assert!(rows.iter().all(|row| row.status == DeviceJobStatus::Canceled));
        // The same run again: who had its call is in doubt and is not called again, who had none is.
        let connection = stage.hub.device_connection(&"away".parse().unwrap()).unwrap();
        let count = Rc::clone(&calls);
        let answer = move |_: &str| {
            count.set(count.get() + 10);
            Answer::Echo(200)
        };
        let _back = Device::connect(&connection, stage.hub.ca_pem(), answer).await;
        let (_, heard) = played(&stage, text, "same").await;
        assert_eq!((heard.outcomes(), calls.get()), (vec!["away ok".to_owned(), "here timeout".to_owned()], 11));
    });
}

#[test]
fn twins_are_patched_where_they_differ_in_as_many_jobs_as_their_ids_need() {
    on_stage(|stage| async move {
        let long = "x".repeat(100);
        let devices: Vec<DeviceDocument> =
            (0..100).map(|n| DeviceDocument::new(id(&format!("{long}{n:03}")))).collect();
        for device in &devices {
            stage.client.create_device(device).await.unwrap();
        }
        stage.add("it's").await;
        let text = "steps:\n  - patch_twin: { tags: { line: B }, desired: { a: { b: 1 }, gone: null }, via: job }\n    register: twin_after\n";
        let before = format!(
            "targets: {{ devices: [{long}007] }}\nsteps:\n  - patch_twin: {{ tags: {{ line: B }}, desired: {{ a: {{ b: 1 }} }} }}\n"
        );
        assert_eq!(played(&stage, &before, "before").await.0.exit, 0);
        let (result, heard) = played(&stage, text, "r").await;
        assert_eq!((result.exit, result.counts.ok), (0, 101));
        let twin = heard.registered("it's", "twin_after");
        assert_eq!((&twin["tags"], &twin["desired"]), (&json!({"line": "B"}), &json!({"a": {"b": 1}})));
        let mut count = 0;
        assert_eq!(heard.jobs().len(), 2, "101 ids of 103 letters are two conditions");
        for job in heard.jobs() {
            count += stage.client.job(&job).await.unwrap().device_job_statistics.unwrap().succeeded_count;
        }
        assert_eq!(count, 100, "one had it all already");
        // Nothing is left to do: no job.
        let (result, heard) = played(&stage, text, "later").await;
        assert_eq!((result.exit, heard.jobs().len()), (0, 0));
        assert_eq!(heard.registered("it's", "twin_after")["version"], twin["version"]);
    });
}

#[test]
fn what_a_job_cannot_do_is_said_before() {
    let plugin = iotplay_iothub::IotHub::without_hub();
    for (yaml, says) in [
        ("invoke_method: { name: x, via: jobs }", "job"),
        ("invoke_method: { name: x, via: job, connect_timeout: 10s }", "`timeout:` beside invoke_method"),
        ("patch_twin: { tags: { a: 1 }, via: job, if_match: true }", "takes no `if_match`"),
    ] {
        let found = check(&plugin, yaml).err().unwrap_or_else(|| panic!("{yaml} passed"));
        assert!(found.contains(says), "{yaml}\n{found}");
    }
    for yaml in [
        "invoke_method: { name: x, via: job, accept: [2xx, lost], idempotent: true, response_timeout: 10s }",
        "invoke_method: { name: x, via: call, connect_timeout: 10s }",
        "patch_twin: { tags: { a: 1 }, via: job }",
    ] {
        check(&plugin, yaml).unwrap_or_else(|found| panic!("{yaml}\n{found}"));
    }
}

#[test]
fn rehearsals_say_which_job_there_would_be_and_scripts_have_one_each() {
    on_stage(|stage| async move {
        let _device = stage.connected("d", |_| Answer::Echo(200)).await;
        let call = "invoke_method: { name: m, payload: 1, via: job }";
        assert_eq!(stage.preview(call, "d").await, "would call m 1, in a job for the wave");
        let patch = "patch_twin: { tags: { a: 1 }, via: job }";
        let rehearsed = stage.rehearse(patch, "d").await;
        assert_eq!(
            rehearsed,
            runner::Outcome::Skipped(runner::Skip::Check("tags.a: none -> 1, in a job for the wave".into()))
        );
        assert_eq!(done(stage.run(call, "d").await), (json!({"status": 200, "payload": 1, "lost": false}), true));
        let (twin, changed) = done(stage.run(patch, "d").await);
        assert_eq!((&twin["tags"], changed), (&json!({"a": 1}), true));
        assert!(!done(stage.run(patch, "d").await).1);
        let gone = failed(stage.run("invoke_method: { name: m, via: job }", "nobody").await);
        assert_eq!(gone.message, "is not known to the hub (404001 DeviceNotFound)");
    });
}
