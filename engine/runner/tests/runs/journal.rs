//! Runs that are cut off at any line of their journal and resumed: the same outcomes, and no confirmed call twice.

use std::path::Path;
use std::rc::Rc;

use base::Clock;
use iotplay_runner::{Journal, Reporter, RunFolder, RunManifest, RunOptions};
use tempfile::TempDir;

use super::fake::{Events, Ran, Shared, book, options, runner, world};

/// A folder for runs, and the options of a run that is journaled in it.
pub(super) struct Kept {
    pub(super) folder: TempDir,
}

impl Kept {
    pub(super) fn new() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder") }
    }

    pub(super) fn run_folder(&self) -> RunFolder {
        RunFolder::new(self.folder.path(), "r1")
    }

    pub(super) fn journal(&self) -> std::path::PathBuf {
        self.run_folder().journal_path()
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

    /// Keeps only so many lines: what a process left that was killed then.
    pub(super) fn cut(&self, lines: usize) {
        let text = std::fs::read_to_string(self.journal()).expect("a journal");
        let kept: String = text.split_inclusive('\n').take(lines).collect();
        std::fs::write(self.journal(), kept).expect("a file can be written");
    }

    pub(super) fn lines(&self) -> usize {
        std::fs::read_to_string(self.journal()).expect("a journal").lines().count()
    }
}

pub(super) async fn run(world: &Shared, text: &str, options: &RunOptions) -> Ran {
    let events = Rc::new(Events::default());
    let reporters: Vec<Rc<dyn Reporter>> = vec![Rc::clone(&events) as _];
    let result = runner(world).run_book(&book(world, text), options, &reporters).await;
    Ran { result, events }
}

#[tokio::test(start_paused = true)]
async fn a_finished_run_resumed_from_its_last_line_but_one_sends_nothing() {
    let (kept, world) = (Kept::new(), world(["a", "b", "c"]));
    let text = "steps:\n  - invoke_method: { name: m }\n    register: reply\n  - get_twin:\n    register: after\n";
    let ran = run(&world, text, &kept.fresh()).await;
    assert_eq!((ran.result.exit, ran.result.counts.ok, ran.result.resume), (0, 3, None));
    println!("{}", std::fs::read_to_string(kept.journal()).unwrap());
    for cut in (1..kept.lines()).rev() {
        let before = std::fs::read_to_string(kept.journal()).unwrap();
        kept.cut(cut);
        let ran = run(&world, text, &kept.resumed(false)).await;
        println!("cut {cut}: {:?} {:?}", ran.result, ran.events.ends());
        std::fs::write(kept.journal(), before).unwrap();
    }
    let calls: Vec<usize> = world.borrow().devices.values().map(|fake| fake.calls).collect();
    println!("{calls:?}");
    assert!(Path::new(&kept.journal()).exists());
}
