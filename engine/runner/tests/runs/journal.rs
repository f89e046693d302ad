//! Runs that are cut off at any line of their journal and resumed: the same outcomes, and no confirmed call twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;

use base::Clock;
use iotplay_runner::{Journal, Reporter, RunFolder, RunManifest, RunOptions};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::fake::{Events, Ran, Reply, Shared, book, options, runner, world};
use super::playbooks::playbook;

/// A folder for runs, and the options of a run that is journaled in it.
pub(super) struct Kept {
    pub(super) folder: TempDir,
}

impl Kept {
    pub(super) fn new() -> Self {
        // In memory where there is such a place: what is tried here is not the disk.
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
        Self { folder: folder.expect("a temporary folder") }
    }

    pub(super) fn run_folder(&self) -> RunFolder {
        RunFolder::new(self.folder.path(), "r1")
    }

    pub(super) fn path(&self) -> PathBuf {
        self.run_folder().journal_path()
    }

    pub(super) fn text(&self) -> String {
        std::fs::read_to_string(self.path()).expect("a journal")
    }

    pub(super) fn write(&self, text: &str) {
        std::fs::write(self.path(), text).expect("a file can be written");
    }

    pub(super) fn fresh(&self) -> RunOptions {
        let manifest = RunManifest { run: "r1".into(), ..RunManifest::default() };
        let journal = Journal::new(self.run_folder(), manifest, Vec::new(), Clock::system());
        RunOptions { journal: Some(Rc::new(journal)), ..options() }
    }

    pub(super) fn resumed(&self, approve: bool) -> RunOptions {
        let folder = self.run_folder();
        let lock = folder.lock().expect("nobody else has it");
        let journal = Journal::resume(folder, lock, approve, Clock::system()).expect("a journal");
        RunOptions { journal: Some(Rc::new(journal)), ..options() }
    }
}

pub(super) async fn run(world: &Shared, text: &str, options: &RunOptions) -> Ran {
    let events = Rc::new(Events::default());
    let reporters: Vec<Rc<dyn Reporter>> = vec![Rc::clone(&events) as _];
    let result = runner(world).run_book(&book(world, text), options, &reporters).await;
    Ran { result, events }
}

/// Lines as values.
pub(super) fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// A world whose replies depend on nothing but the call: `NAME-2` fails twice, `oN-2` is offline twice.
pub(super) fn fleet() -> Shared {
    let world = world((0..4).map(|n| format!("d{n}")));
    let seen: std::cell::RefCell<BTreeMap<(String, String), u64>> = std::cell::RefCell::default();
    for fake in world.borrow_mut().devices.values_mut() {
        fake.reported = json!({ "items": [1, 2] });
    }
    world.borrow_mut().decide = Some(Rc::new(move |device, name, payload| {
        let number = name.rsplit('-').next().and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
        if name.starts_with('o') && !name.starts_with("once") {
            let mut seen = seen.borrow_mut();
            let tries = seen.entry((device.to_owned(), name.to_owned())).or_default();
            *tries += 1;
            return if *tries <= number { Reply::Offline } else { Reply::Status(200, json!(1)) };
        }
        let attempt = payload.as_u64().unwrap_or(1);
        if name.starts_with('c') && attempt <= number {
            Reply::Status(500, json!(attempt))
        } else {
            Reply::Status(200, json!(name))
        }
    }));
    world
}

/// Whom a line is about: device, step, run, and of a script what it did; the runner's own device is null.
fn place(line: &Value) -> (String, u64, u64) {
    let deed = line["deed"].as_str().unwrap_or_default();
    (format!("{} {deed}", line["device"]), line["step"].as_u64().unwrap_or(0), line["n"].as_u64().unwrap_or(0))
}

/// Calls without an end in these lines.
pub(super) fn open_calls(lines: &[Value]) -> BTreeSet<(String, u64, u64)> {
    let mut open = BTreeSet::new();
    for line in lines {
        match line["kind"].as_str() {
            Some("call") => drop(open.insert(place(line))),
            Some("step" | "again" | "not_sent") => drop(open.remove(&place(line))),
            _ => {}
        }
    }
    open
}

/// Runs it whole, then cut at each of these lines; checks what the property says. Gives how many cuts had a call in doubt.
async fn cut_and_resume(text: &str, every: usize) -> usize {
    let kept = Kept::new();
    let whole = run(&fleet(), text, &kept.fresh()).await;
    let journal = kept.text();
    let all: Vec<&str> = journal.split_inclusive('\n').collect();
    let mut doubted = 0;
    for cut in (1..all.len()).filter(|cut| cut % every == 0 || *cut + 1 == all.len()) {
        let before: String = all[..cut].concat();
        kept.write(&before);
        let before = lines(&before);
        let world = fleet();
        let again = run(&world, text, &kept.resumed(false)).await;
        let open = open_calls(&before);
        // Everything that is written down has an end now.
        let after = lines(&kept.text());
        let left = open_calls(&after);
        assert!(left.is_empty(), "cut {cut} of\n{text}\nleft open: {left:?}\n{}", kept.text());
        twice(&after, cut, text, &kept.text());
        let ended = after.iter().filter(|line| line["kind"] == "device");
        let mut devices: BTreeMap<String, Vec<String>> = BTreeMap::new();
        ended.for_each(|line| devices.entry(line["device"].to_string()).or_default().push(line["outcome"].to_string()));
        assert!(devices.values().all(|ends| ends.len() == 1), "cut {cut}: {devices:?}\n{text}\n{}", kept.text());
        if open.is_empty() {
            assert_eq!(again.result.exit, whole.result.exit, "cut {cut} of\n{text}\n{}", kept.text());
            assert_eq!(again.result.counts, whole.result.counts, "cut {cut} of\n{text}\n{}", kept.text());
            values(&whole, &again, cut, text);
        } else {
            doubted += 1;
        }
    }
    doubted
}

/// No call is written down twice but after a failed attempt, or when it had not been sent.
pub(super) fn twice(lines: &[Value], cut: usize, text: &str, journal: &str) {
    let mut called = BTreeSet::new();
    for line in lines {
        match line["kind"].as_str() {
            Some("call") => assert!(called.insert(place(line)), "cut {cut}: called twice: {line}\n{text}\n{journal}"),
            Some("again" | "not_sent") => drop(called.remove(&place(line))),
            _ => {}
        }
    }
}

/// What the devices that ended after the cut have registered.
fn values(whole: &Ran, again: &Ran, cut: usize, text: &str) {
    let vars = |ran: &Ran| {
        let events = ran.events.0.borrow();
        let ends = events.iter().filter_map(|event| match event {
            iotplay_runner::RunEvent::DeviceEnded { device, vars, .. } => Some((device.to_string(), (**vars).clone())),
            _ => None,
        });
        ends.collect::<BTreeMap<_, _>>()
    };
    let (whole, again) = (vars(whole), vars(again));
    for (device, vars) in &again {
        // A device that had ended before the cut has its values only where `after` asks for them.
        if !vars.as_object().is_some_and(serde_json::Map::is_empty) {
            assert_eq!(Some(vars), whole.get(device), "cut {cut}: {device}\n{text}");
        }
    }
}

pub(super) fn lane(work: impl Future<Output = usize>) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(work)
}

/// What the gate has time for; `PROPTEST_CASES` for more.
const CASES: u32 = 6;

pub(super) fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(), max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default()
    })]
    #[test]
    fn a_run_cut_at_any_line_comes_to_the_same_end_and_calls_nothing_twice(text in playbook(), every in 1usize..6) {
        lane(cut_and_resume(&text, every));
    }
}
