//! Direct methods from HTTP to MQTT and back.

use serde_json::{Value, json};

use super::stage::{Device, hub};

#[tokio::test]
async fn a_method_goes_out_and_its_answer_comes_back() {
    let (hub, owner) = hub().await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    let mut device = Device::connect(&hub, "d").await.ok().unwrap();
    device.subscribe("$iothub/methods/POST/#").await;
    for (payload, sent, status, answer, received) in [
        (Some(json!({"a": 1})), r#"{"a":1}"#, 200, r#"{"b":2}"#, json!({"b": 2})),
        (Some(json!("text")), "\"text\"", 404, "null", Value::Null),
        (Some(json!("")), "\"\"", 500, "[1]", json!([1])),
        (Some(Value::Null), "", -1, "", Value::Null),
        (None, "", 0, "\"x\"", json!("x")),
    ] {
        let mut body = json!({"methodName": "reboot", "responseTimeoutInSeconds": 30, "connectTimeoutInSeconds": 0});
        if let Some(payload) = payload {
            body["payload"] = payload;
        }
        let calling = tokio::spawn({
            let owner = owner.clone();
            async move { owner.send("POST", "/twins/d/methods", &[], &body.to_string()).await }
        });
        assert_eq!(device.answer_method(status, answer).await, ("reboot".to_owned(), sent.to_owned()));
        let reply = calling.await.unwrap();
        assert_eq!((reply.status, reply.json()), (200, json!({"status": status, "payload": received})));
    }
    hub.stop().await;
}

#[tokio::test]
async fn what_cannot_be_called_says_why() {
    let (hub, owner) = hub().await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    let call = async |path: &str, body: &str| owner.send("POST", path, &[], body).await;
    let offline = call("/twins/d/methods", r#"{"methodName":"m"}"#).await;
    assert_eq!((offline.status, offline.error().as_str()), (404, "DeviceNotOnline"));
    let inside: Value = serde_json::from_str(offline.json()["Message"].as_str().unwrap()).unwrap();
    assert_eq!((&inside["errorCode"], &inside["info"]["timeout"]), (&json!(404_103), &json!("00:00:00")));
    assert_eq!(call("/twins/none/methods", r#"{"methodName":"m"}"#).await.error(), "DeviceNotFound");
    assert_eq!(call("/twins/d/modules/none/methods", r#"{"methodName":"m"}"#).await.error(), "ModuleNotFound");
    for (body, name, text) in [
        ("{}", "ArgumentInvalid", "methodName is null or empty."),
        (r#"{"methodName":"m","responseTimeoutInSeconds":0}"#, "ArgumentInvalid", "must be within [5; 300]."),
        (r#"{"methodName":"m","connectTimeoutInSeconds":301}"#, "ArgumentInvalid", "must be within [0; 300]."),
        ("nonsense", "IotHubFormatError", "not a method call"),
    ] {
        let refused = call("/twins/d/methods", body).await;
        assert_eq!((refused.status, refused.error().as_str()), (400, name), "{body}");
        assert!(refused.body.contains(text), "{body}: {refused:?}");
    }
    owner.send("PUT", "/devices/d", &[("If-Match", "*")], r#"{"deviceId":"d","status":"disabled"}"#).await;
    assert_eq!(call("/twins/d/methods", r#"{"methodName":"m"}"#).await.error(), "DeviceNotFound");
    hub.stop().await;
}

#[tokio::test]
async fn a_call_in_flight_has_its_time_when_the_hub_stops() {
    let (hub, owner) = hub().await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    let mut device = Device::connect(&hub, "d").await.ok().unwrap();
    device.subscribe("$iothub/methods/POST/#").await;
    let calling = tokio::spawn({
        let owner = owner.clone();
        async move { owner.send("POST", "/twins/d/methods", &[], r#"{"methodName":"m"}"#).await }
    });
    let call = device.hear_publish().await.unwrap();
    let stopping = tokio::spawn(hub.stop());
    let wire::DeviceTopic::MethodRequest { rid, .. } = wire::DeviceTopic::parse(&call.topic).unwrap() else {
        panic!("{}", call.topic)
    };
    device.publish(&wire::DeviceTopic::MethodResponse { status: 200, rid }, "1").await;
    assert_eq!(calling.await.unwrap().json(), json!({"status": 200, "payload": 1}));
    stopping.await.unwrap();
    assert!(device.hear().await.is_none());
}
