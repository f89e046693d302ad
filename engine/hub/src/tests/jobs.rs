//! Jobs over REST, with devices that answer, stay away or come late.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::stage::{Answer, Device, Service, hub, started};
use crate::{Data, HubConfig, RunningHub};

const METHODS: &str = "$iothub/methods/POST/#";
/// Far beyond what a job on a busy machine takes.
const PATIENCE: Duration = Duration::from_secs(60);

async fn devices(owner: &Service, count: usize) {
    let items: Vec<Value> = (0..count).map(|index| json!({"id": format!("d{index}"), "tags": {"n": index}})).collect();
    assert_eq!(owner.send("POST", "/devices", &[], &Value::Array(items).to_string()).await.status, 200);
}

fn twin_job(condition: &str) -> Value {
    let patch = json!({"etag": "*", "tags": {"job": true}, "properties": {"desired": {"level": 3}}});
    json!({"type": "scheduleUpdateTwin", "updateTwin": patch, "queryCondition": condition})
}

fn method_job(condition: &str) -> Value {
    let call = json!({"methodName": "reboot", "payload": {"a": 1}, "responseTimeoutInSeconds": 30});
    json!({"type": "scheduleDeviceMethod", "cloudToDeviceMethod": call, "queryCondition": condition})
}

async fn put(owner: &Service, id: &str, job: &Value) -> Answer {
    owner.send("PUT", &format!("/jobs/v2/{id}"), &[], &job.to_string()).await
}

async fn job(owner: &Service, id: &str) -> Value {
    owner.get(&format!("/jobs/v2/{id}")).await.json()
}

/// The job once it is as far as that.
async fn until(owner: &Service, id: &str, reached: impl Fn(&Value) -> bool) -> Value {
    let wait = async {
        loop {
            let job = job(owner, id).await;
            if reached(&job) {
                return job;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the job comes that far")
}

async fn over(owner: &Service, id: &str) -> Value {
    until(owner, id, |job| ["completed", "failed", "cancelled"].contains(&job["status"].as_str().unwrap())).await
}

fn statistics(count: usize, failed: usize, succeeded: usize, running: usize, pending: usize) -> Value {
    json!({"deviceCount": count, "failedCount": failed, "succeededCount": succeeded, "runningCount": running,
        "pendingCount": pending})
}

#[tokio::test]
async fn twins_are_updated_as_the_condition_says() {
    let (hub, owner) = hub().await;
    devices(&owner, 5).await;
    owner.send("PUT", "/devices/d1/modules/m", &[], r#"{"deviceId":"d1","moduleId":"m"}"#).await;
    for (id, condition, twins) in [
        ("all", "*", vec!["d0", "d1", "d2", "d3", "d4"]),
        ("some", "tags.n IN [1, 3]", vec!["d1", "d3"]),
        ("modules", "FROM devices.modules WHERE moduleId = 'm'", vec!["d1/modules/m"]),
        ("none", "deviceId = 'nobody'", vec![]),
    ] {
        let taken = put(&owner, id, &twin_job(condition)).await;
        assert_eq!((taken.status, &taken.json()["jobId"]), (200, &json!(id)), "{taken:?}");
        let done = over(&owner, id).await;
        assert_eq!(done["status"], "completed", "{done}");
        assert_eq!(done["deviceJobStatistics"], statistics(twins.len(), 0, twins.len(), 0, 0));
        for twin in twins {
            let twin = owner.get(&format!("/twins/{twin}")).await.json();
            assert_eq!((&twin["tags"]["job"], &twin["properties"]["desired"]["level"]), (&json!(true), &json!(3)));
        }
    }
    hub.stop().await;
}

#[tokio::test]
async fn methods_reach_who_is_there_and_who_comes_later() {
    let (hub, owner) = hub().await;
    devices(&owner, 3).await;
    let mut here = Device::connect(&hub, "d0").await.ok().unwrap();
    here.subscribe(METHODS).await;
    // Connected, but it takes no methods yet.
    let mut late = Device::connect(&hub, "d1").await.ok().unwrap();
    assert_eq!(put(&owner, "j", &method_job("tags.n < 3")).await.status, 200);
    assert_eq!(here.answer_method(200, r#"{"back":1}"#).await, ("reboot".to_owned(), r#"{"a":1}"#.to_owned()));
    let one = until(&owner, "j", |job| job["deviceJobStatistics"]["succeededCount"] == 1).await;
    assert_eq!((&one["status"], &one["deviceJobStatistics"]), (&json!("running"), &statistics(3, 0, 1, 0, 2)));
    late.subscribe(METHODS).await;
    late.answer_method(500, "").await;
    let two = until(&owner, "j", |job| job["deviceJobStatistics"]["succeededCount"] == 2).await;
    assert_eq!((&two["status"], &two["deviceJobStatistics"]), (&json!("running"), &statistics(3, 0, 2, 0, 1)));
    // A second one has to wait for its place, and is told so.
    let full = put(&owner, "k", &twin_job("*")).await;
    assert_eq!((full.status, full.error().as_str()), (429, "ThrottlingMaxActiveJobCountExceeded"));
    let mut last = Device::connect(&hub, "d2").await.ok().unwrap();
    last.subscribe(METHODS).await;
    last.answer_method(-1, "[]").await;
    let done = over(&owner, "j").await;
    assert_eq!((&done["status"], &done["deviceJobStatistics"]), (&json!("completed"), &statistics(3, 0, 3, 0, 0)));
    hub.stop().await;
}

#[tokio::test]
async fn a_job_is_called_off() {
    let (hub, owner) = hub().await;
    devices(&owner, 2).await;
    let mut device = Device::connect(&hub, "d0").await.ok().unwrap();
    device.subscribe(METHODS).await;
    put(&owner, "j", &method_job("*")).await;
    device.hear_publish().await.unwrap();
    let cancelled = owner.send("POST", "/jobs/v2/j/cancel", &[], "").await;
    assert_eq!((cancelled.status, &cancelled.json()["status"]), (200, &json!("cancelled")));
    assert_eq!(cancelled.json()["deviceJobStatistics"], statistics(2, 0, 0, 0, 0));
    let again = owner.send("POST", "/jobs/v2/j/cancel", &[], "").await.json();
    assert_eq!(again, cancelled.json());
    // Its place is free.
    let mut later = twin_job("*");
    later["startTime"] = json!("2999-01-01T00:00:00Z");
    assert_eq!(put(&owner, "far", &later).await.error(), "ArgumentInvalid");
    let tomorrow = std::time::SystemTime::now() + Duration::from_secs(86_400);
    later["startTime"] = json!(base::rfc3339_millis(tomorrow));
    assert_eq!(put(&owner, "k", &later).await.json()["status"], "scheduled");
    // One that waits for its time takes no place.
    assert_eq!(put(&owner, "l", &twin_job("*")).await.status, 200);
    assert_eq!(over(&owner, "l").await["status"], "completed");
    let cancelled = owner.send("POST", "/jobs/v2/k/cancel", &[], "").await.json();
    assert_eq!((&cancelled["status"], cancelled.get("deviceJobStatistics")), (&json!("cancelled"), None));
    hub.stop().await;
}

#[tokio::test]
async fn refusals_by_table() {
    let (hub, owner) = hub().await;
    put(&owner, "j", &twin_job("*")).await;
    over(&owner, "j").await;
    let mut wrong = twin_job("*");
    wrong["type"] = json!("scheduleTwinUpdate");
    let twice = put(&owner, "j", &twin_job("*")).await;
    assert_eq!((twice.status, twice.error().as_str()), (409, "JobAlreadyExists"));
    let wrong = put(&owner, "w", &wrong).await;
    assert_eq!((wrong.status, wrong.error().as_str()), (400, "GenericBadRequest"));
    assert!(wrong.body.contains("ErrorCode:GenericBadRequest;BadRequest"), "{wrong:?}");
    for (method, path) in [("GET", "/jobs/v2/none"), ("POST", "/jobs/v2/none/cancel"), ("GET", "/jobs/v2/%20")] {
        let unknown = owner.send(method, path, &[], "").await;
        assert_eq!((unknown.status, unknown.error().as_str()), (404, "JobNotFound"), "{path}");
    }
    let name = put(&owner, "a%20b", &twin_job("*")).await;
    assert_eq!((name.status, name.error().as_str()), (400, "ArgumentInvalid"));
    for (id, condition) in [("s", "SELECT * FROM devices"), ("t", "tags.n ="), ("u", "FROM nowhere")] {
        assert_eq!(put(&owner, id, &twin_job(condition)).await.status, 200);
        let failed = over(&owner, id).await;
        assert_eq!(failed["status"], "failed", "{failed}");
        for field in ["failureReason", "statusMessage"] {
            assert!(failed[field].as_str().unwrap().contains("SQL query parse failed"), "{failed}");
        }
    }
    hub.stop().await;
}

#[tokio::test]
async fn one_bad_twin_does_not_stop_the_others() {
    let (hub, owner) = hub().await;
    devices(&owner, 3).await;
    let etag = owner.get("/twins/d1").await.json()["etag"].clone();
    owner.send("PATCH", "/twins/d0", &[], r#"{"tags":{"x":1}}"#).await;
    let mut asked = twin_job("*");
    asked["updateTwin"]["etag"] = etag;
    put(&owner, "etag", &asked).await;
    assert_eq!(over(&owner, "etag").await["deviceJobStatistics"], statistics(3, 1, 2, 0, 0));
    asked["updateTwin"] = json!({"tags": {"text": "x".repeat(5_000)}});
    put(&owner, "large", &asked).await;
    assert_eq!(over(&owner, "large").await["deviceJobStatistics"], statistics(3, 3, 0, 0, 0));
    hub.stop().await;
}

#[tokio::test]
async fn lists_go_page_by_page() {
    let (hub, owner) = hub().await;
    for index in 0..5 {
        let condition = if index % 2 == 0 { "*" } else { "bad ==" };
        put(&owner, &format!("j{index}"), &twin_job(condition)).await;
        over(&owner, &format!("j{index}")).await;
    }
    for (filter, size, ids) in [
        ("", "2", vec!["j4", "j3", "j2", "j1", "j0"]),
        ("?jobStatus=completed", "2", vec!["j4", "j2", "j0"]),
        ("?jobStatus=failed&jobType=scheduleUpdateTwin", "1", vec!["j3", "j1"]),
        ("?jobType=scheduleDeviceMethod", "100", vec![]),
    ] {
        let (mut found, mut token) = (Vec::new(), None::<String>);
        loop {
            let mut headers = vec![("x-ms-max-item-count", size)];
            headers.extend(token.as_deref().map(|token| ("x-ms-continuation", token)));
            let page = owner.send("GET", &format!("/jobs/v2/query{filter}"), &headers, "").await;
            assert_eq!((page.status, page.header("x-ms-item-type")), (200, Some("JobResponse")), "{page:?}");
            let jobs = page.json();
            found.extend(jobs.as_array().unwrap().iter().map(|job| job["jobId"].as_str().unwrap().to_owned()));
            token = page.header("x-ms-continuation").map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        assert_eq!(found, ids, "{filter}");
    }
    assert_eq!(owner.get("/jobs/v2/query?jobStatus=odd").await.error(), "ArgumentInvalid");
    hub.stop().await;
}

/// All rows of `devices.jobs` that a condition takes, in pages of two.
async fn rows(owner: &Service, condition: &str) -> Vec<Value> {
    let body = json!({"query": format!("SELECT * FROM devices.jobs{condition}")}).to_string();
    let (mut found, mut token) = (Vec::new(), None::<String>);
    loop {
        let mut headers = vec![("x-ms-max-item-count", "2")];
        headers.extend(token.as_deref().map(|token| ("x-ms-continuation", token)));
        let page = owner.send("POST", "/devices/query", &headers, &body).await;
        assert_eq!((page.status, page.header("x-ms-item-type")), (200, Some("DeviceJob")), "{page:?}");
        found.extend(page.json().as_array().unwrap().iter().cloned());
        token = page.header("x-ms-continuation").map(str::to_owned);
        if token.is_none() {
            return found;
        }
    }
}

#[tokio::test]
async fn queries_show_device_by_device() {
    let (hub, owner) = hub().await;
    devices(&owner, 3).await;
    owner.send("PUT", "/devices/d1/modules/m", &[], r#"{"deviceId":"d1","moduleId":"m"}"#).await;
    owner.send("PUT", "/devices/d2", &[("If-Match", "*")], r#"{"deviceId":"d2","status":"disabled"}"#).await;
    put(&owner, "twins", &twin_job("*")).await;
    over(&owner, "twins").await;
    put(&owner, "modules", &twin_job("FROM devices.modules")).await;
    over(&owner, "modules").await;
    let mut device = Device::connect(&hub, "d0").await.ok().unwrap();
    device.subscribe(METHODS).await;
    put(&owner, "calls", &method_job("*")).await;
    device.answer_method(418, r#"{"tea":true}"#).await;
    until(&owner, "calls", |job| job["deviceJobStatistics"] == statistics(3, 1, 1, 0, 1)).await;

    let all = rows(&owner, "").await;
    let names = |rows: &[Value]| {
        let name = |row: &Value| format!("{} {} {}", row["jobId"], row["deviceId"], row["status"]).replace('"', "");
        rows.iter().map(name).collect::<Vec<_>>()
    };
    let calls = ["calls d0 completed", "calls d1 pending", "calls d2 failed"];
    let twins = ["twins d0 completed", "twins d1 completed", "twins d2 completed"];
    assert_eq!(names(&all), [twins.as_slice(), &["modules d1 completed"], &calls].concat());
    assert_eq!(all[3]["moduleId"], "m");
    assert_eq!((&all[0]["jobType"], all[0].get("error")), (&json!("scheduleUpdateTwin"), None));
    assert_eq!(all[4]["outcome"], json!({"deviceMethodResponse": {"status": 418, "payload": {"tea": true}}}));
    assert_eq!((all[5].get("outcome"), all[5].get("endTimeUtc")), (None, None));
    assert_eq!(all[6]["error"]["code"], "DeviceNotFound");
    for field in ["startTimeUtc", "endTimeUtc", "createdDateTimeUtc", "lastUpdatedDateTimeUtc"] {
        assert!(all[4][field].as_str().unwrap().ends_with('Z'), "{field}");
    }
    for (condition, expected) in [
        (" WHERE devices.jobs.jobId = 'calls'", calls.as_slice()),
        (" WHERE jobType = 'scheduleDeviceMethod' AND status = 'failed'", &calls[2..]),
        (" WHERE devices.jobs.createdTimeUtc > '2999'", &[]),
        (" WHERE deviceId = 'd1' AND NOT IS_DEFINED(moduleId)", &[twins[1], calls[1]]),
    ] {
        assert_eq!(names(&rows(&owner, condition).await), expected, "{condition}");
    }
    owner.send("POST", "/jobs/v2/calls/cancel", &[], "").await;
    let cancelled = ["calls d0 completed", "calls d1 canceled", "calls d2 failed"];
    assert_eq!(names(&rows(&owner, " WHERE jobId = 'calls'").await), cancelled);
    hub.stop().await;
}

async fn in_folder(folder: &Path) -> (RunningHub, Service) {
    started(HubConfig { data: Data::Folder(folder.to_owned()), active_jobs: 2, ..HubConfig::embedded() }).await
}

/// What a killed process leaves: the files as they are now, while it still runs.
fn copy(folder: &Path) -> tempfile::TempDir {
    let killed = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), killed.path().join(file.file_name())).unwrap();
    }
    killed
}

#[tokio::test]
async fn a_job_goes_on_after_a_kill_and_calls_nobody_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, owner) = in_folder(folder.path()).await;
    devices(&owner, 4).await;
    put(&owner, "done", &twin_job("*")).await;
    let done = over(&owner, "done").await;
    let mut answered = Device::connect(&hub, "d0").await.ok().unwrap();
    answered.subscribe(METHODS).await;
    let mut called = Device::connect(&hub, "d1").await.ok().unwrap();
    called.subscribe(METHODS).await;
    put(&owner, "j", &method_job("*")).await;
    called.hear_publish().await.unwrap();
    answered.answer_method(200, "[1]").await;
    let before = until(&owner, "j", |job| job["deviceJobStatistics"] == statistics(4, 0, 1, 1, 2)).await;
    let killed = copy(folder.path());
    drop((answered, called));
    hub.stop().await;

    let (hub, owner) = in_folder(killed.path()).await;
    assert_eq!(job(&owner, "done").await, done);
    let after = job(&owner, "j").await;
    assert_eq!((&after["status"], &after["startTime"]), (&json!("running"), &before["startTime"]));
    // Whoever had the call then is not called again: nobody knows whether it arrived.
    assert_eq!(after["deviceJobStatistics"], statistics(4, 1, 1, 0, 2));
    for id in ["d0", "d1"] {
        let mut device = Device::connect(&hub, id).await.ok().unwrap();
        device.subscribe(METHODS).await;
        tokio::spawn(async move { assert!(device.hear_publish().await.is_none(), "called twice") });
    }
    for id in ["d2", "d3"] {
        let mut device = Device::connect(&hub, id).await.ok().unwrap();
        device.subscribe(METHODS).await;
        device.answer_method(200, "null").await;
    }
    let end = over(&owner, "j").await;
    assert_eq!((&end["status"], &end["deviceJobStatistics"]), (&json!("completed"), &statistics(4, 1, 3, 0, 0)));
    hub.stop().await;
    let (hub, owner) = in_folder(killed.path()).await;
    assert_eq!(job(&owner, "j").await, end);
    hub.stop().await;
}

#[tokio::test]
async fn a_stop_gives_calls_their_time_and_keeps_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, owner) = in_folder(folder.path()).await;
    devices(&owner, 2).await;
    let mut device = Device::connect(&hub, "d0").await.ok().unwrap();
    device.subscribe(METHODS).await;
    put(&owner, "j", &method_job("*")).await;
    let call = device.hear_publish().await.unwrap();
    let stopping = tokio::spawn(hub.stop());
    let wire::DeviceTopic::MethodRequest { rid, .. } = wire::DeviceTopic::parse(&call.topic).unwrap() else {
        panic!("{}", call.topic)
    };
    device.publish(&wire::DeviceTopic::MethodResponse { status: 200, rid }, "1").await;
    stopping.await.unwrap();
    let (hub, owner) = in_folder(folder.path()).await;
    assert_eq!(job(&owner, "j").await["deviceJobStatistics"], statistics(2, 0, 1, 0, 1));
    hub.stop().await;
}

#[tokio::test]
async fn a_policy_without_service_connect_is_refused() {
    let (hub, owner) = hub().await;
    let policies = hub.state().auth().policies();
    let reader = policies.find("registryReadWrite").unwrap();
    let reader = owner.signed("localhost", &reader.primary, reader.name);
    for (method, path) in
        [("PUT", "/jobs/v2/j"), ("GET", "/jobs/v2/j"), ("POST", "/jobs/v2/j/cancel"), ("GET", "/jobs/v2/query")]
    {
        assert_eq!(reader.send(method, path, &[], "").await.status, 401, "{method} {path}");
    }
    hub.stop().await;
}
