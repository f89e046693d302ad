//! A stage to run playbooks and scripts on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use base::{Clock, Seed, Source};
use iotplay_runner::book::{Book, read};
use iotplay_runner::{Registry, Reporter, RunEvent, RunOptions, RunResult, Runner};
use script::Expressions;
use serde_json::Value;

use super::deeds::Steps;
use super::together::Many;
use super::verbs::Fakes;
use super::world::FakeInventory;
pub(crate) use super::world::{Reply, Shared, replies, world};

/// Keeps all events.
#[derive(Default)]
pub(crate) struct Events(pub(crate) RefCell<Vec<RunEvent>>);

impl Reporter for Events {
    fn on(&self, event: &RunEvent) {
        self.0.borrow_mut().push(event.clone());
    }
}

impl Events {
    /// What `log` said, in order.
    pub(crate) fn said(&self) -> Vec<String> {
        let events = self.0.borrow();
        events
            .iter()
            .filter_map(|it| if let RunEvent::Said { text, .. } = it { Some(text.clone()) } else { None })
            .collect()
    }

    /// Device and outcome, by device.
    pub(crate) fn ends(&self) -> BTreeMap<String, &'static str> {
        let events = self.0.borrow();
        let ends = events.iter().filter_map(|it| match it {
            RunEvent::DeviceEnded { device, outcome, .. } => Some((device.to_string(), *outcome)),
            _ => None,
        });
        ends.collect()
    }

    /// Messages of failed steps, and of what stopped the run.
    pub(crate) fn failures(&self) -> Vec<String> {
        let events = self.0.borrow();
        let found = events.iter().filter_map(|it| match it {
            RunEvent::StepEnded { diagnostic: Some(found), .. } => Some(found.message.clone()),
            RunEvent::Stopped { diagnostic } => Some(diagnostic.message.clone()),
            _ => None,
        });
        found.collect()
    }

    /// What the run warned of.
    pub(crate) fn warned(&self) -> Vec<String> {
        let events = self.0.borrow();
        let warned =
            events.iter().filter_map(|it| if let RunEvent::Warned { text } = it { Some(text.clone()) } else { None });
        warned.collect()
    }

    /// One registered value of a device.
    pub(crate) fn registered(&self, id: &str, name: &str) -> Option<Value> {
        let events = self.0.borrow();
        events.iter().find_map(|it| match it {
            RunEvent::DeviceEnded { device, vars, .. } if &**device == id => vars.get(name).cloned(),
            _ => None,
        })
    }
}

/// A run that has ended.
pub(crate) struct Ran {
    pub(crate) result: RunResult,
    pub(crate) events: Rc<Events>,
}

pub(crate) fn registry(world: &Shared) -> Registry {
    Registry::new(&[&Fakes(Rc::clone(world)), &Many(Rc::clone(world)), &Steps])
}

pub(crate) fn book(world: &Shared, text: &str) -> Book {
    let expressions = Expressions::new(Clock::system());
    match read(Source::new("playbooks/test.yaml", text), &registry(world), &expressions, &["twin"]) {
        Ok(book) => book,
        Err(found) => panic!("{found}"),
    }
}

pub(crate) fn runner(world: &Shared) -> Runner {
    Runner::new(registry(world), Rc::new(FakeInventory(Rc::clone(world))), Expressions::new(Clock::system()))
}

pub(crate) fn options() -> RunOptions {
    RunOptions { seed: Seed(7), ..RunOptions::new("r1", std::env::temp_dir()) }
}

/// Runs a playbook with default options.
pub(crate) async fn run(world: &Shared, text: &str) -> Ran {
    run_with(world, text, &options()).await
}

pub(crate) async fn run_with(world: &Shared, text: &str, options: &RunOptions) -> Ran {
    let events = Rc::new(Events::default());
    let reporters: Vec<Rc<dyn Reporter>> = vec![Rc::clone(&events) as _];
    let result = runner(world).run_book(&book(world, text), options, &reporters).await;
    Ran { result, events }
}

/// Runs a script with default options.
pub(crate) async fn script(world: &Shared, text: &str) -> Ran {
    script_with(world, text, &options()).await
}

pub(crate) async fn script_with(world: &Shared, text: &str, options: &RunOptions) -> Ran {
    let events = Rc::new(Events::default());
    let reporters: Vec<Rc<dyn Reporter>> = vec![Rc::clone(&events) as _];
    let result = runner(world).run_script(Source::new("fix.rhai", text), options, &reporters).await;
    Ran { result, events }
}

/// A stream that a test can look at.
#[derive(Clone, Default)]
pub(crate) struct Paper(pub(crate) Arc<Mutex<Vec<u8>>>);

impl Paper {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("a fake device of the test").clone()).expect("text")
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("a fake device of the test").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
