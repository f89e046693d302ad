//! Jobs under a clock that the tests turn: start times, places, deadlines, calls at once.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base::{Clock, ManualClock, Seed};
use bytes::Bytes;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use wire::{DeviceDocument, DeviceFilter, ErrorCode, Identity, IfMatch, JobDocument, JobId, JobRequest, JobStatus};

use super::JobRunner;
use crate::auth::Hosts;
use crate::exchange::Exchange;
use crate::link::{Answer, Ending, Link};
use crate::quota::{Latency, Quota, Quotas, Tier};
use crate::seam::HubLog;
use crate::state::{Document, HubState};

/// Longer than whatever is to be done at once; the clock stands still but for such sleeps.
const MOMENT: Duration = Duration::from_millis(50);

struct Stage {
    state: Arc<HubState>,
    exchange: Arc<Exchange>,
    hand: ManualClock,
    now: SystemTime,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Stage {
    async fn new(devices: usize, places: usize) -> Self {
        Self::within(devices, places, None).await
    }

    /// With the limits of a tier.
    async fn within(devices: usize, places: usize, quota: Option<Quota>) -> Self {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let (clock, hand) = Clock::manual(now);
        let hosts = Hosts::new("127.0.0.1".parse().unwrap(), &[]);
        let exchange = Arc::new(Exchange::default());
        let quotas = Arc::new(Quotas::new(quota, Latency::default(), &clock, Seed(1)));
        let (state, workers) = HubState::open(None, hosts, Arc::clone(&exchange), clock, Seed(1)).unwrap();
        let state = Arc::new(state.with_active_jobs(places));
        let acknowledged = tokio::spawn(workers.acknowledged.run());
        for index in 0..devices {
            let device = DeviceDocument::new(format!("d{index:04}").parse().unwrap());
            state.put_identity(Document::Device(device), None).await.unwrap();
        }
        let stop = CancellationToken::new();
        let runner = JobRunner::new(Arc::clone(&state), Arc::clone(&exchange), quotas, HubLog::none());
        let running = tokio::spawn(runner.run(stop.clone(), Duration::from_secs(5)));
        Self { state, exchange, hand, now, stop, tasks: vec![acknowledged, running] }
    }

    /// A job that calls a method of all devices, beginning in so many seconds and taking so many at most.
    async fn method(&self, id: &str, start: u64, most: u64) -> Result<JobDocument, ErrorCode> {
        let start = self.now + Duration::from_secs(start);
        let body = json!({"type": "scheduleDeviceMethod", "cloudToDeviceMethod": {"methodName": "m"},
            "queryCondition": "*", "startTime": base::rfc3339_millis(start), "maxExecutionTimeInSeconds": most});
        self.create(id, &body.to_string()).await
    }

    async fn create(&self, id: &str, body: &str) -> Result<JobDocument, ErrorCode> {
        let id: JobId = id.parse().unwrap();
        let request = JobRequest::from_json(&id, body.as_bytes()).unwrap();
        let taken = self.state.create_job(id, request).await.map_err(|error| error.code);
        sleep(MOMENT).await;
        taken
    }

    fn status(&self, id: &str) -> JobStatus {
        self.job(id).unwrap().status
    }

    fn job(&self, id: &str) -> Result<JobDocument, ErrorCode> {
        self.state.job(&id.parse().unwrap()).map_err(|error| error.code)
    }

    /// Failed, succeeded, running, pending.
    fn counts(&self, id: &str) -> [usize; 4] {
        let count = self.job(id).unwrap().device_job_statistics.unwrap();
        [count.failed_count, count.succeeded_count, count.running_count, count.pending_count]
    }

    /// A device connects and takes methods.
    fn connect(&self, index: usize) -> Arc<Link> {
        let link = Arc::new(Link::default());
        let identity: Identity = format!("d{index:04}").parse().unwrap();
        self.exchange.attach(&identity, &link, || ());
        link.subscribe(&[DeviceFilter::Methods]);
        self.exchange.subscribed(&identity);
        link
    }

    async fn row(&self, job: &str, device: &str) -> serde_json::Value {
        let text = format!("SELECT * FROM devices.jobs WHERE jobId = '{job}' AND deviceId = '{device}'");
        let query = crate::query::Query::parse(&text).unwrap();
        let page = self.state.query(&query, &Default::default(), 100).await;
        serde_json::from_slice::<serde_json::Value>(&page.rows).unwrap()[0].clone()
    }

    async fn end(self) {
        self.stop.cancel();
        let [acknowledged, running] = self.tasks.try_into().unwrap();
        running.await.unwrap();
        self.state.close();
        acknowledged.await.unwrap();
    }
}

/// Answers the first call that the device got.
fn answer(link: &Link) {
    link.answer("1", Answer::Reply { status: 200, payload: Bytes::from_static(b"1") });
}

#[tokio::test(start_paused = true)]
async fn who_never_comes_has_failed_when_the_time_is_over() {
    let stage = Stage::new(3, 1).await;
    stage.method("j", 0, 100).await.unwrap();
    let here = stage.connect(0);
    sleep(MOMENT).await;
    answer(&here);
    sleep(Duration::from_secs(99)).await;
    assert_eq!((stage.status("j"), stage.counts("j")), (JobStatus::Running, [0, 1, 0, 2]));
    // The last one comes so late that its answer is not awaited.
    let _late = stage.connect(1);
    sleep(MOMENT).await;
    assert_eq!(stage.counts("j"), [0, 1, 1, 1]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!((stage.status("j"), stage.counts("j")), (JobStatus::Completed, [2, 1, 0, 0]));
    assert_eq!(stage.row("j", "d0001").await["error"]["code"], "GatewayTimeout");
    let absent = stage.row("j", "d0002").await;
    assert_eq!(
        absent["error"],
        json!({"code": "DeviceNotOnline", "description": "Timed out waiting for device to connect."})
    );
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_device_that_does_not_answer_or_goes_fails_alone() {
    let stage = Stage::new(3, 1).await;
    let links: Vec<_> = (0..3).map(|index| stage.connect(index)).collect();
    stage.method("j", 0, 3600).await.unwrap();
    answer(&links[0]);
    links[1].end(Ending::Disconnected);
    sleep(MOMENT).await;
    assert_eq!(stage.counts("j"), [1, 1, 1, 0]);
    sleep(Duration::from_secs(30)).await;
    assert_eq!((stage.status("j"), stage.counts("j")), (JobStatus::Completed, [2, 1, 0, 0]));
    assert_eq!(stage.row("j", "d0001").await["error"]["code"], "DeviceConnectionClosedRemotely");
    assert_eq!(stage.row("j", "d0002").await["error"]["code"], "GatewayTimeout");
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn jobs_begin_when_it_is_time_and_there_is_a_place() {
    use JobStatus::{Completed, Queued, Running, Scheduled};
    let stage = Stage::new(1, 1).await;
    assert_eq!(stage.method("later", 100, 50).await.unwrap().status, Scheduled);
    assert_eq!(stage.method("then", 101, 50).await.unwrap().status, Scheduled);
    assert_eq!(stage.method("now", 0, 50).await.unwrap().status, Queued);
    assert_eq!(stage.method("more", 0, 50).await.unwrap_err(), ErrorCode::TOO_MANY_ACTIVE_JOBS);
    let all = |stage: &Stage| ["later", "then", "now"].map(|id| stage.status(id));
    assert_eq!(all(&stage), [Scheduled, Scheduled, Running]);
    sleep(Duration::from_secs(99)).await;
    assert_eq!(all(&stage), [Scheduled, Scheduled, Completed]);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(all(&stage), [Running, Queued, Completed]);
    sleep(Duration::from_secs(50)).await;
    assert_eq!(all(&stage), [Completed, Running, Completed]);
    sleep(Duration::from_secs(50)).await;
    assert_eq!(all(&stage), [Completed, Completed, Completed]);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_planned_job_that_is_called_off_never_begins() {
    let stage = Stage::new(1, 1).await;
    stage.method("later", 100, 50).await.unwrap();
    stage.state.cancel_job(&"later".parse().unwrap()).await.unwrap();
    sleep(Duration::from_secs(200)).await;
    assert_eq!(
        (stage.status("later"), stage.job("later").unwrap().device_job_statistics),
        (JobStatus::Cancelled, None)
    );
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn many_devices_are_called_so_many_at_once() {
    let stage = Stage::new(5_000, 1).await;
    let links: Vec<_> = (0..4_990).map(|index| stage.connect(index)).collect();
    stage.method("j", 0, 3600).await.unwrap();
    assert_eq!(stage.counts("j"), [0, 0, 4_096, 904]);
    let called = links.iter().filter(|link| link.waiting() > 0).count();
    assert_eq!(called, 4_096);
    // Everyone called answers, then those who had to wait, then those who come.
    for _ in 0..2 {
        links.iter().for_each(|link| answer(link));
        sleep(MOMENT).await;
    }
    assert_eq!(stage.counts("j"), [0, 4_990, 0, 10]);
    for index in 4_990..5_000 {
        let link = stage.connect(index);
        sleep(MOMENT).await;
        answer(&link);
    }
    sleep(MOMENT).await;
    assert_eq!((stage.status("j"), stage.counts("j")), (JobStatus::Completed, [0, 5_000, 0, 0]));
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn deleted_and_disabled_devices_have_had_their_turn() {
    let stage = Stage::new(3, 1).await;
    stage.method("j", 100, 50).await.unwrap();
    stage.method("k", 0, 50).await.unwrap();
    let disabled = DeviceDocument { status: wire::Status::Disabled, ..DeviceDocument::new("d0000".parse().unwrap()) };
    stage.state.put_identity(Document::Device(disabled), Some(IfMatch::Any)).await.unwrap();
    stage.state.delete_identity(&"d0001".parse().unwrap(), None).await.unwrap();
    sleep(Duration::from_secs(101)).await;
    // The later job's devices are those of its beginning.
    assert_eq!((stage.counts("j"), stage.counts("k")), ([1, 0, 0, 1], [3, 0, 0, 0]));
    assert_eq!(stage.row("j", "d0000").await["error"]["code"], "DeviceNotFound");
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn jobs_are_forgotten_after_thirty_days() {
    let stage = Stage::new(2, 1).await;
    let update = r#"{"type":"scheduleUpdateTwin","updateTwin":{"tags":{"a":1}},"queryCondition":"*"}"#;
    stage.create("old", update).await.unwrap();
    assert_eq!(stage.status("old"), JobStatus::Completed);
    stage.hand.advance(Duration::from_secs(30 * 86_400));
    stage.create("new", update).await.unwrap();
    assert!(stage.job("old").is_ok());
    stage.hand.advance(Duration::from_secs(1));
    stage.create("newer", update).await.unwrap();
    assert_eq!(stage.job("old").unwrap_err(), ErrorCode::JOB_NOT_FOUND);
    assert!(stage.job("new").is_ok());
    // The name is free again.
    stage.create("old", update).await.unwrap();
    stage.end().await;
}

fn s1(change: impl FnOnce(&mut Quota)) -> Option<Quota> {
    let mut quota = Quota::new(Tier::S1, 1).unwrap();
    change(&mut quota);
    Some(quota)
}

#[tokio::test(start_paused = true)]
async fn a_tier_lets_ten_devices_a_second_have_their_turn_and_none_fails_of_it() {
    for queue in [0, 5] {
        let stage = Stage::within(60, 1, s1(|quota| quota.queue = Duration::from_secs(queue))).await;
        let links: Vec<_> = (0..40).map(|index| stage.connect(index)).collect();
        stage.method("j", 0, 3600).await.unwrap();
        let called = || links.iter().filter(|link| link.waiting() > 0).count();
        assert_eq!(called(), 10, "a second's worth at once");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(called(), 20);
        sleep(Duration::from_secs(2)).await;
        assert_eq!((called(), stage.counts("j")), (40, [0, 0, 40, 20]), "who is away takes nobody's turn");
        links.iter().for_each(|link| answer(link));
        sleep(Duration::from_secs(1)).await;
        let late: Vec<_> = (40..60).map(|index| stage.connect(index)).collect();
        sleep(MOMENT).await;
        assert_eq!(late.iter().filter(|link| link.waiting() > 0).count(), 10, "rest fills the bucket");
        sleep(Duration::from_secs(1)).await;
        late.iter().for_each(|link| answer(link));
        sleep(MOMENT).await;
        assert_eq!((stage.status("j"), stage.counts("j")), (JobStatus::Completed, [0, 60, 0, 0]));
        stage.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn twins_go_at_the_tiers_rate_and_what_comes_too_late_says_so() {
    let stage = Stage::within(100, 1, s1(|_| {})).await;
    let update = |most: u64| {
        let patch = json!({"tags": {"a": most}});
        json!({"type": "scheduleUpdateTwin", "updateTwin": patch, "queryCondition": "*",
            "maxExecutionTimeInSeconds": most})
        .to_string()
    };
    stage.create("j", &update(3600)).await.unwrap();
    assert_eq!(stage.counts("j"), [0, 10, 0, 90]);
    sleep(Duration::from_secs(4)).await;
    assert_eq!(stage.counts("j"), [0, 50, 0, 50]);
    sleep(Duration::from_secs(5)).await;
    assert_eq!((stage.status("j"), stage.counts("j")), (JobStatus::Completed, [0, 100, 0, 0]));
    stage.create("short", &update(2)).await.unwrap();
    sleep(Duration::from_secs(3)).await;
    let [failed, succeeded, running, pending] = stage.counts("short");
    assert_eq!((failed + succeeded, running, pending), (100, 0, 0));
    assert!((20..=31).contains(&succeeded), "{succeeded} in 2 s at 10 a second");
    assert_eq!(stage.row("short", "d0099").await["error"]["code"], "GenericTimeout");
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_waits_for_the_messages_of_the_next_day() {
    let stage = Stage::within(3, 1, s1(|quota| quota.messages = Some(2))).await;
    let update = r#"{"type":"scheduleUpdateTwin","updateTwin":{"tags":{"a":1}},"queryCondition":"*","maxExecutionTimeInSeconds":172800}"#;
    stage.create("j", update).await.unwrap();
    sleep(Duration::from_secs(600)).await;
    assert_eq!((stage.status("j"), stage.counts("j")), (JobStatus::Running, [0, 2, 0, 1]));
    stage.hand.advance(Duration::from_secs(86_400));
    sleep(Duration::from_secs(61)).await;
    assert_eq!((stage.status("j"), stage.counts("j")), (JobStatus::Completed, [0, 3, 0, 0]));
    stage.end().await;
}
