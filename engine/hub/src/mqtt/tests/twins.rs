//! Twin requests: who is answered, how, and in which order.

use super::stage::{DESIRED, Stage, TWIN_RESPONSES, identity};

#[tokio::test(start_paused = true)]
async fn a_twin_read_before_any_subscription_is_tolerated_and_not_answered() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    device.publish_acknowledged("$iothub/twin/GET/?$rid=early", b" ").await;
    device.hears_nothing().await;
    device.subscribe(&[TWIN_RESPONSES]).await;
    device.publish_acknowledged("$iothub/twin/GET/?$rid=0f8f-Z", b" ").await;
    let answer = device.receive_publish().await;
    assert_eq!(answer.topic, "$iothub/twin/res/200/?$rid=0f8f-Z");
    assert!(answer.payload.starts_with(br#"{"desired":{"for":"d","#));
}

#[tokio::test(start_paused = true)]
async fn a_patch_is_acknowledged_stored_then_answered() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    device.subscribe(&[TWIN_RESPONSES]).await;
    device.publish_acknowledged("$iothub/twin/PATCH/properties/reported/?$rid=1", br#"{"a":1}"#).await;
    assert_eq!(stage.hub.backing.patches.lock().unwrap().len(), 1, "durable before it is acknowledged");
    let answer = device.receive_publish().await;
    assert_eq!((answer.topic.as_str(), answer.payload.len()), ("$iothub/twin/res/204/?$rid=1&$version=2", 0));

    device.publish("$iothub/twin/PATCH/properties/reported/?$rid=2", b"[]").await;
    let refusal = device.receive_publish().await;
    assert_eq!(refusal.topic, "$iothub/twin/res/400/?$rid=2");
    let body: serde_json::Value = serde_json::from_slice(&refusal.payload).unwrap();
    assert_eq!((&body["errorCode"], &body["message"]), (&400_004.into(), &"it must be an object".into()));
}

#[tokio::test(start_paused = true)]
async fn notifications_come_in_order_and_only_to_subscribers() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    let mut module = stage.device("d/m").await;
    module.subscribe(&[DESIRED]).await;
    device.subscribe(&[DESIRED]).await;
    for version in 1..=100 {
        stage.exchange().desired(&identity("d"), version, &format!(r#"{{"$version":{version}}}"#).into());
    }
    for version in 1..=100 {
        let notified = device.receive_publish().await;
        assert_eq!(notified.topic, format!("$iothub/twin/PATCH/properties/desired/?$version={version}"));
        assert_eq!(notified.payload, format!(r#"{{"$version":{version}}}"#));
    }
    module.hears_nothing().await;
    device.unsubscribe(&[DESIRED]).await;
    stage.exchange().desired(&identity("d"), 101, &"{}".into());
    device.hears_nothing().await;
}
