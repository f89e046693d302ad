//! Jobs on the disk: whatever was done to them, a hub that starts again knows what the one before it knew.

use std::path::Path;
use std::sync::Arc;

use base::{Clock, Seed};
use proptest::prelude::*;
use wire::{DeviceDocument, HubError, Identity, JobId, JobRequest, MethodReply};

use super::{DeviceEnd, JobEnd, JobFilter};
use crate::auth::Hosts;
use crate::data_dir::DataDir;
use crate::exchange::Exchange;
use crate::state::{Document, HubState};

const DEVICES: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    Create,
    Begin,
    Called(usize),
    Unmark(usize),
    Reply(usize, i32),
    Refuse(usize),
    Update(usize),
    End(u8),
    Cancel,
}

fn step() -> impl Strategy<Value = (u8, Step)> {
    let kinds = (0..9_u8, 0..DEVICES, any::<i32>(), 0..2_u8);
    let step = kinds.prop_map(|(kind, place, status, end)| match kind {
        0 => Step::Create,
        1 => Step::Begin,
        2 => Step::Called(place),
        3 => Step::Unmark(place),
        4 => Step::Reply(place, status),
        5 => Step::Refuse(place),
        6 => Step::Update(place),
        7 => Step::End(end),
        _ => Step::Cancel,
    });
    (0..3_u8, step)
}

fn identity(index: usize) -> Identity {
    format!("d{index}").parse().unwrap()
}

fn request(id: &JobId, number: u8) -> JobRequest {
    let body = if number == 0 {
        r#"{"type":"scheduleUpdateTwin","updateTwin":{"tags":{"a":1}},"queryCondition":"*"}"#
    } else {
        r#"{"type":"scheduleDeviceMethod","cloudToDeviceMethod":{"methodName":"m"},"queryCondition":"*"}"#
    };
    JobRequest::from_json(id, body.as_bytes()).unwrap()
}

async fn take(state: &HubState, number: u8, step: Step) {
    let id: JobId = format!("j{number}").parse().unwrap();
    match step {
        Step::Create => drop(state.create_job(id.clone(), request(&id, number)).await),
        Step::Begin => drop(state.begin_job(&id, (0..DEVICES).map(identity).collect()).await.unwrap()),
        Step::Called(place) => drop(state.mark_called(&id, &[place]).await.unwrap()),
        Step::Unmark(place) => state.unmark_called(&id, &[place]).await.unwrap(),
        Step::Reply(place, status) => {
            let reply = MethodReply { status, payload: serde_json::from_str("[1, 2.50]").ok() };
            state.end_devices(&id, vec![(place, DeviceEnd::Replied(reply))]).await.unwrap();
        }
        Step::Refuse(place) => {
            state.end_devices(&id, vec![(place, DeviceEnd::Refused(HubError::invalid("no")))]).await.unwrap();
        }
        Step::Update(place) => state.update_job_twins(&id, &[(place, identity(place))]).await.unwrap(),
        Step::End(0) => state.end_job(&id, JobEnd::Completed).await.unwrap(),
        Step::End(_) => state.end_job(&id, JobEnd::Failed("why".into())).await.unwrap(),
        Step::Cancel => drop(state.cancel_job(&id).await),
    }
}

/// Everything that can be seen of jobs.
fn seen(state: &HubState) -> Vec<serde_json::Value> {
    let jobs = state.jobs(&JobFilter::default(), None, 100).jobs;
    let jobs = jobs.into_iter().map(|job| serde_json::to_value(job).unwrap());
    jobs.chain(state.inner().jobs.rows(None, 1_000).map(|(_, row)| row)).collect()
}

async fn open<T>(folder: &Path, use_it: impl AsyncFnOnce(&HubState) -> T) -> T {
    let data_dir = DataDir::open(folder).unwrap();
    let hosts = Hosts::new("127.0.0.1".parse().unwrap(), &[]);
    let exchange = Arc::new(Exchange::default());
    let (state, workers) = HubState::open(Some(&data_dir), hosts, exchange, Clock::system(), Seed(1)).unwrap();
    let state = state.with_active_jobs(10);
    let acknowledged = tokio::spawn(workers.acknowledged.run());
    let result = use_it(&state).await;
    state.close();
    acknowledged.await.unwrap();
    workers.writer.unwrap().join().unwrap();
    result
}

async fn follow(steps: Vec<(u8, Step)>) {
    let folder = tempfile::tempdir().unwrap();
    let before = open(folder.path(), async |state| {
        for index in 0..DEVICES {
            let device = DeviceDocument::new(identity(index).device);
            state.put_identity(Document::Device(device), None).await.unwrap();
        }
        for (number, step) in steps {
            take(state, number, step).await;
        }
        seen(state)
    })
    .await;
    // Calls that were under way have failed in between; all else is as it was, and stays so.
    let after = open(folder.path(), async |state| seen(state)).await;
    let again = open(folder.path(), async |state| seen(state)).await;
    assert_eq!(after, again);
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        let count = |job: &serde_json::Value| job["deviceJobStatistics"].clone();
        if before["status"] == "running" && before.get("jobType").is_some() {
            assert_eq!((&after["status"], &after["error"]["code"]), (&"failed".into(), &"ServerError".into()));
        } else if count(before)["runningCount"].as_u64().unwrap_or(0) > 0 {
            assert_eq!(count(after)["runningCount"], 0);
        } else {
            assert_eq!(before, after);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_hub_that_starts_again_knows_its_jobs(steps in proptest::collection::vec(step(), 0..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(follow(steps));
    }
}
