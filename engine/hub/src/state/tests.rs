//! The registry against a model: whatever order of creations, updates, deletions and twin writes, answers and contents agree.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Clock, Seed};
use proptest::prelude::*;
use serde_json::{Value, json};
use wire::{DeviceDocument, DeviceId, ErrorCode, Identity, IfMatch, Status};

use super::*;
use crate::auth::Hosts;
use crate::exchange::Exchange;

#[derive(Clone, Copy, Debug)]
enum Condition {
    None,
    Any,
    Current,
    Stale,
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, Condition, bool),
    Delete(u8, Condition),
    Tag(u8, Condition, u8),
}

/// What a device must be.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    enabled: bool,
    tag: Option<u8>,
    generation: String,
}

fn step() -> impl Strategy<Value = Step> {
    let condition =
        proptest::sample::select(vec![Condition::None, Condition::Any, Condition::Current, Condition::Stale]);
    (0..3_u8, 0..4_u8, condition, any::<bool>(), any::<u8>()).prop_map(|(kind, id, condition, on, tag)| match kind {
        0 => Step::Put(id, condition, on),
        1 => Step::Delete(id, condition),
        _ => Step::Tag(id, condition, tag),
    })
}

fn id(number: u8) -> DeviceId {
    format!("d{number}").parse().unwrap()
}

fn if_match(condition: Condition, current: Option<String>) -> Option<IfMatch> {
    match condition {
        Condition::None => None,
        Condition::Any => Some(IfMatch::Any),
        Condition::Current => Some(IfMatch::Tag(current.unwrap_or_else(|| "nothing".into()))),
        Condition::Stale => Some(IfMatch::Tag("stale".into())),
    }
}

/// The code that a change under a condition must meet; none when it must be made.
fn expected(exists: bool, condition: Condition) -> Option<ErrorCode> {
    match (exists, condition) {
        (false, _) => Some(ErrorCode::DEVICE_NOT_FOUND),
        (true, Condition::Stale) => Some(ErrorCode::PRECONDITION_FAILED),
        (true, _) => None,
    }
}

async fn follow(steps: Vec<Step>) {
    let hosts = Hosts::new("127.0.0.1".parse().unwrap(), &[]);
    let (state, workers) =
        HubState::open(None, hosts, Arc::new(Exchange::default()), Clock::system(), Seed(1)).unwrap();
    let running = tokio::spawn(workers.acknowledged.run());
    let mut model: BTreeMap<u8, Model> = BTreeMap::new();
    for step in steps {
        take(&state, &mut model, step).await;
        assert_eq!(state.counts().total, model.len());
        assert_eq!(state.counts().disabled, model.values().filter(|device| !device.enabled).count());
    }
    for (number, wanted) in &model {
        let identity = Identity::device(id(*number));
        let Document::Device(device) = state.identity(&identity).unwrap() else { panic!("a device") };
        let tags = state.twin(&identity).unwrap().document.get("tags").cloned();
        let tag = tags.as_ref().and_then(|tags| tags["t"].as_u64()).map(|tag| u8::try_from(tag).unwrap());
        let found = Model { enabled: device.status == Status::Enabled, tag, generation: device.generation_id };
        assert_eq!(&found, wanted);
    }
    assert_eq!(state.devices(None).len(), model.len());
    state.close();
    running.await.unwrap();
}

async fn take(state: &HubState, model: &mut BTreeMap<u8, Model>, step: Step) {
    let etag = |number| state.identity(&Identity::device(id(number))).ok().map(|document| document.etag().to_owned());
    match step {
        Step::Put(number, condition, enabled) => {
            let status = if enabled { Status::Enabled } else { Status::Disabled };
            let asked = Document::Device(DeviceDocument { status, ..DeviceDocument::new(id(number)) });
            let result = state.put_identity(asked, if_match(condition, etag(number))).await;
            let exists = model.contains_key(&number);
            let wanted = match condition {
                Condition::None => exists.then_some(ErrorCode::DEVICE_ALREADY_EXISTS),
                _ => expected(exists, condition),
            };
            assert_eq!(result.as_ref().err().map(|error| error.code), wanted);
            if let Ok(Document::Device(device)) = result {
                let generation = device.generation_id;
                let before =
                    model.entry(number).or_insert(Model { enabled, tag: None, generation: generation.clone() });
                before.enabled = enabled;
                assert_eq!(before.generation, generation, "an update keeps the generation");
            }
        }
        Step::Delete(number, condition) => {
            let condition_now = if_match(condition, etag(number));
            let result = state.delete_identity(&Identity::device(id(number)), condition_now).await;
            assert_eq!(result.err().map(|error| error.code), expected(model.contains_key(&number), condition));
            if !matches!(condition, Condition::Stale) {
                model.remove(&number);
            }
        }
        Step::Tag(number, condition, tag) => {
            let identity = Identity::device(id(number));
            let etag = state.twin(&identity).ok().map(|twin| twin.etag);
            let body: Value = json!({"tags": {"t": tag}});
            let result = state.write_twin(&identity, if_match(condition, etag), &body, TwinWrite::Patch).await;
            assert_eq!(result.err().map(|error| error.code), expected(model.contains_key(&number), condition));
            if let Some(device) = model.get_mut(&number).filter(|_| !matches!(condition, Condition::Stale)) {
                device.tag = Some(tag);
            }
        }
    }
}

proptest! {
    #[test]
    fn the_registry_follows_its_model(steps in proptest::collection::vec(step(), 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(follow(steps));
    }
}
