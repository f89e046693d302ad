//! Twins from both sides.

use serde_json::{Value, json};
use wire::DeviceTopic;

use super::stage::{Device, hub};

#[tokio::test]
async fn the_service_writes_under_conditions() {
    let (hub, owner) = hub().await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    let fresh = owner.get("/twins/d").await;
    assert_eq!(fresh.header("etag"), Some("\"AAAAAAAAAAE=\""));
    assert_eq!((&fresh.json()["version"], &fresh.json()["etag"]), (&json!(2), &json!("AAAAAAAAAAE=")));
    assert!(fresh.json().get("tags").is_none());

    let body = json!({"tags": {"site": "delft"}, "properties": {"desired": {"a": {"b": 1}}}}).to_string();
    let patched = owner.send("PATCH", "/twins/d", &[("If-Match", "\"AAAAAAAAAAE=\"")], &body).await;
    assert_eq!((patched.status, patched.header("etag")), (200, Some("\"AAAAAAAAAAI=\"")));
    assert_eq!(patched.json()["properties"]["desired"]["$version"], 2);
    let stale = owner.send("PATCH", "/twins/d", &[("If-Match", "\"AAAAAAAAAAE=\"")], &body).await;
    assert_eq!((stale.status, stale.error().as_str()), (412, "PreconditionFailed"));
    // A fetched twin may be sent back as it is.
    let whole = owner.get("/twins/d").await.body;
    assert_eq!(owner.send("PUT", "/twins/d", &[("If-Match", "*")], &whole).await.status, 200);
    let replaced = owner.send("PUT", "/twins/d", &[], r#"{"tags":{"x":1}}"#).await.json();
    assert_eq!((&replaced["tags"], &replaced["properties"]["desired"]["a"]), (&json!({"x": 1}), &json!({"b": 1})));

    for (body, part) in [
        (json!({"tags": {"a.b": 1}}), "ArgumentInvalid"),
        (json!({"tags": {"t": "x".repeat(4_097)}}), "maximum 4096 bytes"),
        (json!({"tags": {"t": [null]}}), "Arrays cannot contain"),
        (json!({"properties": {"desired": {"n": 4_503_599_627_370_496_i64}}}), "out of bound"),
        (json!([]), "JSON object"),
    ] {
        let refused = owner.send("PATCH", "/twins/d", &[], &body.to_string()).await;
        assert_eq!((refused.status, refused.error().as_str()), (400, "ArgumentInvalid"), "{body}");
        assert!(refused.body.contains(part), "{body}: {refused:?}");
    }
    assert_eq!(owner.send("PATCH", "/twins/none", &[], "{}").await.error(), "DeviceNotFound");
    hub.stop().await;
}

#[tokio::test]
async fn a_device_hears_of_changes_in_order_and_reports() {
    let (hub, owner) = hub().await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    let mut device = Device::connect(&hub, "d").await.ok().unwrap();
    device.subscribe("$iothub/twin/PATCH/properties/desired/#").await;
    device.subscribe("$iothub/twin/res/#").await;
    let writes = (0..20).map(|index| {
        let (owner, body) = (owner.clone(), json!({"properties": {"desired": {"n": index}}}).to_string());
        tokio::spawn(async move { owner.send("PATCH", "/twins/d", &[], &body).await.status })
    });
    for write in writes.collect::<Vec<_>>() {
        assert_eq!(write.await.unwrap(), 200);
    }
    for version in 2..22 {
        let told = device.hear_publish().await.unwrap();
        let topic = told.topic.clone();
        assert_eq!(DeviceTopic::parse(&topic), Ok(DeviceTopic::Desired { version }));
        let body: Value = serde_json::from_slice(&told.payload).unwrap();
        assert_eq!(body["$version"], version);
    }
    device.publish(&DeviceTopic::TwinReported { rid: "r1", version: None }, r#"{"fw":"1.2","gone":null}"#).await;
    let answer = device.hear_publish().await.unwrap();
    assert_eq!(answer.topic, "$iothub/twin/res/204/?$rid=r1&$version=2");
    let reported = owner.get("/twins/d").await;
    assert_eq!(reported.json()["properties"]["reported"]["fw"], "1.2");
    assert_eq!(reported.header("etag"), Some("\"AAAAAAAAABU=\""), "twenty writes, and reports do not count");
    device.publish(&DeviceTopic::TwinGet { rid: "r2" }, "").await;
    let twin = device.hear_publish().await.unwrap();
    let twin: Value = serde_json::from_slice(&twin.payload).unwrap();
    assert_eq!((&twin["reported"], &twin["desired"]["$version"]), (&json!({"fw": "1.2", "$version": 2}), &json!(21)));
    hub.stop().await;
}

#[tokio::test]
async fn a_module_has_a_twin_of_its_own_over_mqtt() {
    let (hub, owner) = hub().await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    owner.send("PUT", "/devices/d/modules/m", &[], r#"{"deviceId":"d","moduleId":"m"}"#).await;
    let mut module = Device::connect(&hub, "d/m").await.ok().unwrap();
    module.subscribe("$iothub/twin/res/#").await;
    module.subscribe("$iothub/twin/PATCH/properties/desired/#").await;
    owner.send("PATCH", "/twins/d/modules/m", &[], r#"{"properties":{"desired":{"fps":25}}}"#).await;
    let told = module.hear_publish().await.unwrap();
    assert_eq!(told.topic, "$iothub/twin/PATCH/properties/desired/?$version=2");
    module.publish(&DeviceTopic::TwinReported { rid: "1", version: None }, r#"{"fps":24}"#).await;
    assert_eq!(module.hear_publish().await.unwrap().topic, "$iothub/twin/res/204/?$rid=1&$version=2");
    module.publish(&DeviceTopic::TwinGet { rid: "2" }, "").await;
    let twin = module.hear_publish().await.unwrap();
    assert_eq!(twin.topic, "$iothub/twin/res/200/?$rid=2");
    let twin: Value = serde_json::from_slice(&twin.payload).unwrap();
    assert_eq!((&twin["desired"]["fps"], &twin["reported"]["fps"]), (&json!(25), &json!(24)));
    assert_eq!(owner.get("/twins/d").await.json()["properties"]["reported"].get("fps"), None, "not its device's");
    hub.stop().await;
}

#[tokio::test]
async fn a_message_moves_the_time_of_last_activity() {
    let (hub, owner) = hub().await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    let mut device = Device::connect(&hub, "d").await.ok().unwrap();
    let before = owner.get("/devices/d").await.json();
    let events = DeviceTopic::Telemetry { identity: "d".parse().unwrap(), properties: wire::PropertyBag::default() };
    device.publish(&events, "21").await;
    device.say(&net::mqtt::Packet::PingReq).await;
    device.hear().await.expect("the answer to a ping, behind the message");
    let after = owner.get("/devices/d").await.json();
    // Both are RFC 3339 of one length: their texts compare as they do.
    assert!(after["lastActivityTime"].as_str() > before["lastActivityTime"].as_str(), "{before} {after}");
    assert_eq!(after["connectionStateUpdatedTime"], before["connectionStateUpdatedTime"]);
    assert_eq!(owner.get("/twins/d").await.json()["lastActivityTime"], after["lastActivityTime"]);
    hub.stop().await;
}
