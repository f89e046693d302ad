//! A hub with a quota, with latency and with lags, as services see it.

use std::time::{Duration, SystemTime};

use base::Clock;
use serde_json::{Value, json};

use super::stage::{Device, Service, started};
use crate::{Delays, HubConfig, Quota, Tier};

/// One unit of S1 that refuses at once what is too much.
fn strict(change: impl FnOnce(&mut Quota)) -> HubConfig {
    let mut quota = Quota::new(Tier::S1, 1).unwrap();
    quota.queue = Duration::ZERO;
    change(&mut quota);
    HubConfig { quota: Some(quota), ..HubConfig::embedded() }
}

async fn query(owner: &Service) -> super::stage::Answer {
    owner.send("POST", "/devices/query", &[], r#"{"query":"SELECT * FROM devices"}"#).await
}

#[tokio::test]
async fn what_is_too_much_is_refused_in_the_shape_of_its_kind() {
    for retry_after in [false, true] {
        let (hub, owner) = started(strict(|quota| quota.retry_after = retry_after)).await;
        let devices: Vec<Value> = (0..98).map(|index| json!({ "id": format!("d{index}") })).collect();
        let bulk = |devices: &[Value]| Value::from(devices.to_vec()).to_string();
        assert_eq!(owner.send("POST", "/devices", &[], &bulk(&devices)).await.status, 200);
        assert_eq!(owner.get("/devices/d1").await.status, 200);
        assert_eq!(owner.get("/devices/d2").await.status, 200, "one moment is one of a hundred");
        let mut refused = owner.get("/devices/d3").await;
        // On a slow machine a minute's hundredth may have passed.
        for _ in 0..5 {
            if refused.status == 429 {
                break;
            }
            refused = owner.get("/devices/d3").await;
        }
        assert_eq!((refused.status, refused.error().as_str()), (429, "ThrottlingException"));
        assert_eq!(refused.reason, "Too Many Requests");
        let message = refused.json()["Message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("ErrorCode:ThrottlingException;More identity operations than"), "{message}");
        assert_eq!(refused.header("retry-after"), retry_after.then_some("1"));
        let mut again = owner.send("POST", "/devices", &[], &bulk(&devices)).await;
        for _ in 0..5 {
            if again.status == 429 {
                break;
            }
            again = owner.send("POST", "/devices", &[], &bulk(&devices)).await;
        }
        assert_eq!(again.error(), "ThrottlingException");
        assert_eq!(owner.get("/twins/d1").await.status, 200, "another kind");
        hub.stop().await;
    }
}

#[tokio::test]
async fn methods_pay_by_their_payload_and_are_refused_as_methods_are() {
    let (hub, owner) = started(strict(|_| {})).await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    let large = json!({"methodName": "m", "payload": "x".repeat(120 * 1024)}).to_string();
    let answers = [
        owner.send("POST", "/twins/d/methods", &[], &large).await,
        owner.send("POST", "/twins/d/methods", &[], &large).await,
        owner.send("POST", "/twins/d/methods", &[], &large).await,
        owner.send("POST", "/twins/d/methods", &[], &large).await,
    ];
    let refused = answers.iter().find(|answer| answer.status == 429).expect("31 calls each, 40 a second");
    assert_eq!(refused.error(), "ThrottlingException");
    let inside: Value = serde_json::from_str(refused.json()["Message"].as_str().unwrap()).unwrap();
    assert_eq!(inside["errorCode"], 429_001);
    assert_eq!(answers[0].error(), "DeviceNotOnline");
    hub.stop().await;
}

#[tokio::test]
async fn the_messages_of_a_day_end_with_403002_and_the_registry_goes_on() {
    let (clock, hand) = Clock::manual(SystemTime::now());
    let config = HubConfig { clock, ..strict(|quota| quota.messages = Some(2)) };
    let (hub, owner) = started(config).await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    assert_eq!(owner.get("/twins/d").await.status, 200);
    assert_eq!(query(&owner).await.status, 200);
    let refused = owner.get("/twins/d").await;
    assert_eq!((refused.status, refused.error().as_str()), (403, "IotHubQuotaExceeded"));
    assert_eq!(owner.get("/devices/d").await.status, 200);
    hand.advance(Duration::from_secs(86_400));
    let connection = hub.service_connection();
    let expiry = Clock::system().unix_seconds() + 2 * 86_400;
    let token = wire::sign("localhost", &connection.key, expiry, Some(&connection.policy));
    assert_eq!(owner.with_token(Some(token.expose())).get("/twins/d").await.status, 200, "a new day");
    hub.stop().await;
}

#[tokio::test]
async fn a_basic_hub_says_what_it_has_not() {
    let config = HubConfig { quota: Some(Quota::new(Tier::B1, 1).unwrap()), ..HubConfig::embedded() };
    let (hub, owner) = started(config).await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    for (method, path, body) in
        [("GET", "/twins/d", ""), ("PATCH", "/twins/d", "{}"), ("POST", "/twins/d/methods", r#"{"methodName":"m"}"#)]
    {
        let refused = owner.send(method, path, &[], body).await;
        assert_eq!((refused.status, refused.error().as_str()), (403, "OperationNotAvailableInCurrentTier"), "{path}");
    }
    assert_eq!(query(&owner).await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn queries_lag_and_twins_do_not() {
    let (clock, hand) = Clock::manual(SystemTime::now());
    let delays = Delays { query_lag: Duration::from_secs(2), ..Delays::default() };
    let (hub, owner) = started(HubConfig { clock, delays, ..HubConfig::embedded() }).await;
    let tag = async || query(&owner).await.json()[0]["tags"]["n"].clone();
    let write = async |n: u32| {
        let body = json!({"tags": {"n": n}}).to_string();
        assert_eq!(owner.send("PATCH", "/twins/d", &[], &body).await.json()["tags"]["n"], n);
        assert_eq!(owner.get("/twins/d").await.json()["tags"]["n"], n, "the twin itself is never old");
    };
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    assert_eq!(query(&owner).await.json(), json!([]), "not indexed yet");
    write(1).await;
    assert_eq!(query(&owner).await.json(), json!([]));
    hand.advance(Duration::from_secs(2));
    assert_eq!(tag().await, 1);
    write(2).await;
    hand.advance(Duration::from_secs(1));
    write(3).await;
    assert_eq!(tag().await, 1);
    hand.advance(Duration::from_secs(1));
    assert_eq!(tag().await, 3, "what followed shows together with the first");
    write(4).await;
    assert_eq!(tag().await, 3);
    let named = json!({"query": "SELECT * FROM devices WHERE deviceId = 'd' AND tags.n = 4"}).to_string();
    assert_eq!(owner.send("POST", "/devices/query", &[], &named).await.json(), json!([]));
    hand.advance(Duration::from_secs(2));
    assert_eq!(owner.send("POST", "/devices/query", &[], &named).await.json()[0]["tags"]["n"], 4);
    hub.stop().await;
}

#[tokio::test]
async fn the_connection_state_lags_in_twins_and_devices() {
    let (clock, hand) = Clock::manual(SystemTime::now());
    let delays = Delays { state_lag: Duration::from_secs(5), ..Delays::default() };
    let (hub, owner) = started(HubConfig { clock: clock.clone(), delays, ..HubConfig::embedded() }).await;
    let state = async || {
        let twin = owner.get("/twins/d").await.json()["connectionState"].clone();
        assert_eq!(owner.get("/devices/d").await.json()["connectionState"], twin);
        assert_eq!(query(&owner).await.json()[0]["connectionState"], twin);
        twin
    };
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    let mut device = Device::connect(&hub, "d").await.ok().unwrap();
    let came = clock.now();
    device.subscribe("$iothub/methods/POST/#").await;
    assert_eq!(state().await, "Disconnected");
    hand.advance(Duration::from_secs(4));
    let calling = tokio::spawn({
        let owner = owner.clone();
        async move { owner.send("POST", "/twins/d/methods", &[], r#"{"methodName":"m"}"#).await }
    });
    device.answer_method(200, "1").await;
    assert_eq!(calling.await.unwrap().status, 200, "calls go by the connection, not by its state");
    assert_eq!(state().await, "Disconnected");
    hand.advance(Duration::from_secs(1));
    assert_eq!(state().await, "Connected");
    let shown = owner.get("/devices/d").await.json()["connectionStateUpdatedTime"].clone();
    assert_eq!(shown, base::rfc3339_ticks(came), "late, but with the true time");
    hub.stop().await;
}

#[tokio::test]
async fn latency_is_for_those_who_may_call() {
    let delays = Delays { latency: "200ms".parse().unwrap(), ..Delays::default() };
    let (hub, owner) = started(HubConfig { delays, ..HubConfig::embedded() }).await;
    let start = std::time::Instant::now();
    assert_eq!(owner.get("/devices").await.status, 200);
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert_eq!(owner.with_token(None).get("/devices").await.status, 401);
    hub.stop().await;
}
