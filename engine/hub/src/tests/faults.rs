//! Each fault on each operation of services, over real connections; and the route that asks for faults.

use std::time::{Duration, Instant};

use base::Source;
use serde_json::json;

use super::stage::{Device, Service, hub, started};
use crate::{FaultProfile, HubConfig};

async fn ask(owner: &Service, profile: &str) -> String {
    let answer = owner.send("POST", "/iotplay/faults", &[], profile).await;
    assert_eq!(answer.status, 200, "{profile}: {}", answer.body);
    answer.json()["faults"][0]["id"].as_str().unwrap().to_owned()
}

async fn clear(owner: &Service) {
    assert_eq!(owner.send("DELETE", "/iotplay/faults", &[], "").await.status, 204);
}

/// The status, or none when there is no answer.
async fn status(owner: &Service, method: &str, path: &str, body: &str) -> Option<u16> {
    let token = owner.token.as_deref().unwrap();
    let head = format!(
        "{method} {path}?api-version=2021-04-12 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: {token}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    owner.raw(head.as_bytes()).await.map(|answer| answer.status)
}

#[tokio::test]
async fn calls_of_services_with_each_fault() {
    let (hub, owner) = hub().await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    let query = r#"{"query":"SELECT * FROM devices"}"#;
    let get = |path| ("GET", path, "");
    for (fault, (method, path, body), wanted) in [
        ("rejects: { on: rest, status: 503 }", get("/devices/d"), Some(503)),
        ("rejects: { on: rest, status: 500 }", get("/twins/d"), Some(500)),
        ("rejects: { on: registry, status: 429 }", get("/devices/d"), Some(429)),
        ("rejects: { on: registry, status: 429 }", get("/twins/d"), Some(200)),
        ("rejects: { on: twin, status: 503 }", get("/twins/d"), Some(503)),
        ("rejects: { on: twin, status: 503 }", get("/devices/d"), Some(200)),
        ("rejects: { on: query, status: 503 }", ("POST", "/devices/query", query), Some(503)),
        ("rejects: { on: query, status: 503 }", get("/devices/d"), Some(200)),
        ("rejects: { on: methods, status: 429 }", ("POST", "/twins/d/methods", r#"{"methodName":"m"}"#), Some(429)),
        ("cuts: { on: rest, how: reset }", get("/devices/d"), None),
        ("cuts: { on: rest, how: close }", get("/devices/d"), None),
        ("cuts: { on: query }", ("POST", "/devices/query", query), None),
        ("drops_reply: { on: registry }", get("/devices/d"), None),
        ("answers_late: { on: rest, by: 50ms }", get("/devices/d"), Some(200)),
        ("rejects: { on: rest, status: 503, devices: e }", get("/devices/d"), Some(200)),
        ("rejects: { on: rest, status: 503, devices: d }", get("/devices/d"), Some(503)),
        ("rejects: { on: rest, status: 503, devices: d }", ("POST", "/devices/query", query), Some(200)),
    ] {
        ask(&owner, fault).await;
        let begun = Instant::now();
        assert_eq!(status(&owner, method, path, body).await, wanted, "{fault} {path}");
        assert!(!fault.contains("late") || begun.elapsed() >= Duration::from_millis(50));
        clear(&owner).await;
        assert_ne!(status(&owner, method, path, body).await, None, "sound again: {path}");
    }
    let metrics = owner.get("/iotplay/status").await.json();
    assert_eq!((&metrics["faults"]["active"], &metrics["faults"]["shown"]), (&json!(0), &json!(12)));
    hub.stop().await;
}

#[tokio::test]
async fn a_lost_answer_is_of_a_call_that_was_done() {
    let (hub, owner) = hub().await;
    for (fault, done) in
        [("drops_reply: { on: registry, times: 1 }", true), ("cuts: { on: registry, times: 1 }", false)]
    {
        ask(&owner, fault).await;
        let id = if done { "done" } else { "undone" };
        assert_eq!(
            status(&owner, "PUT", &format!("/devices/{id}"), &json!({ "deviceId": id }).to_string()).await,
            None
        );
        clear(&owner).await;
        let there = owner.get(&format!("/devices/{id}")).await.status;
        assert_eq!(there, if done { 200 } else { 404 }, "{fault}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn refusals_have_the_shape_of_their_kind_and_say_when_to_come_back() {
    let (hub, owner) = hub().await;
    ask(&owner, "rejects: { on: rest, status: 429, retry_after: 4500ms }").await;
    let refused = owner.get("/devices/d").await;
    assert_eq!((refused.status, refused.error().as_str()), (429, "ThrottlingException"));
    assert_eq!(refused.header("retry-after"), Some("5"));
    let refused = owner.send("POST", "/twins/d/methods", &[], r#"{"methodName":"m"}"#).await;
    let inside: serde_json::Value = serde_json::from_str(refused.json()["Message"].as_str().unwrap()).unwrap();
    assert_eq!(inside["errorCode"], 429_001);
    assert_eq!(owner.with_token(None).get("/devices/d").await.status, 401, "strangers meet nothing");
    hub.stop().await;
}

#[tokio::test]
async fn the_route_lists_refuses_and_clears() {
    let (hub, owner) = hub().await;
    let first = ask(&owner, "cuts: { share: 5%, after: 1h, for: 1m }").await;
    let second = ask(&owner, r#"{"rejects": {"on": "rest", "status": 503}}"#).await;
    let listed = owner.get("/iotplay/faults").await;
    assert_eq!(listed.status, 200, "no fault touches it");
    let listed = listed.json();
    assert_eq!(listed["faults"][0]["id"], first.as_str());
    assert!(listed["faults"][0]["beginsInSeconds"].as_f64().unwrap() > 3_500.0);
    assert_eq!(listed["faults"][1]["told"], "rest is refused with 503");
    let refused = owner.send("POST", "/iotplay/faults", &[], "cuts: { how: rest }\nslow: {}").await;
    assert_eq!(refused.status, 400);
    for words in ["profile:1:14", "reset, close or silence", "profile:2:7"] {
        assert!(refused.json()["Message"].as_str().unwrap().contains(words), "{words}: {}", refused.body);
    }
    assert_eq!(owner.send("DELETE", &format!("/iotplay/faults/{second}"), &[], "").await.status, 204);
    assert_eq!(owner.send("DELETE", &format!("/iotplay/faults/{second}"), &[], "").await.status, 400);
    assert_eq!(owner.send("DELETE", "/iotplay/faults/x", &[], "").await.status, 400);
    assert_eq!(owner.get("/iotplay/faults").await.json()["faults"].as_array().unwrap().len(), 1);
    assert_eq!(owner.with_token(None).get("/iotplay/faults").await.status, 401);
    hub.stop().await;
}

#[tokio::test]
async fn a_hub_whose_clock_is_wrong_refuses_good_tokens_and_can_be_mended() {
    let (hub, owner) = hub().await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    assert!(Device::connect(&hub, "d").await.is_ok());
    ask(&owner, "clock_skew: { by: 12h }").await;
    assert_eq!(owner.get("/devices/d").await.status, 401);
    assert!(Device::connect(&hub, "d").await.is_err());
    clear(&owner).await;
    assert_eq!(owner.get("/devices/d").await.status, 200);
    assert!(Device::connect(&hub, "d").await.is_ok());
    ask(&owner, "clock_skew: { by: -12h }").await;
    assert_eq!(owner.get("/devices/d").await.status, 200, "it has not expired");
    hub.stop().await;
}

#[tokio::test]
async fn a_profile_holds_from_the_start() {
    let profile = FaultProfile::parse(&Source::new("f", "rejects: { on: query, status: 503 }")).unwrap();
    let (hub, owner) = started(HubConfig { faults: Some(profile), ..HubConfig::embedded() }).await;
    let query = r#"{"query":"SELECT * FROM devices"}"#;
    assert_eq!(owner.send("POST", "/devices/query", &[], query).await.status, 503);
    assert_eq!(owner.get("/devices").await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn connections_are_cut_at_a_word() {
    let (hub, owner) = hub().await;
    for id in ["d", "e"] {
        owner.send("PUT", &format!("/devices/{id}"), &[], &json!({ "deviceId": id }).to_string()).await;
    }
    for how in ["reset", "close"] {
        let mut device = Device::connect(&hub, "d").await.ok().unwrap();
        let mut other = Device::connect(&hub, "e").await.ok().unwrap();
        ask(&owner, &format!("cuts: {{ devices: d, how: {how} }}")).await;
        assert!(device.hear().await.is_none(), "{how}");
        other.say(&net::mqtt::Packet::PingReq).await;
        assert!(other.hear().await.is_some(), "{how}");
    }
    hub.stop().await;
}
