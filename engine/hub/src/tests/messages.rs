//! Cloud-to-device messages through the whole hub: sent over our own route, delivered over MQTT, told of over REST.

use net::mqtt::QoS;
use serde_json::{Value, json};

use super::stage::{Device, Service, hub, started};
use crate::{Data, HubConfig};

const BOUND: &str = "devices/d/messages/devicebound/#";
const SEND: &str = "/iotplay/devices/d/messages";
const FEEDBACK: &str = "/messages/serviceBound/feedback";

async fn send(owner: &Service, id: &str, ack: &str) -> Value {
    let body = json!({"messageId": id, "ack": ack, "properties": {"k": "v w"}, "body": "MjE="}).to_string();
    let sent = owner.send("POST", SEND, &[], &body).await;
    assert_eq!(sent.status, 201, "{sent:?}");
    sent.json()
}

async fn waiting(owner: &Service) -> Value {
    owner.get("/devices/d").await.json()["cloudToDeviceMessageCount"].clone()
}

#[tokio::test]
async fn a_message_goes_all_the_way_and_its_sender_reads_so() {
    let (hub, owner) = hub().await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    let sent = send(&owner, "m/1", "full").await;
    assert_eq!(sent["messageId"], "m/1");
    assert!(sent["expiryTimeUtc"].as_str() > sent["enqueuedTimeUtc"].as_str());
    assert_eq!(owner.get(FEEDBACK).await.status, 204);
    assert_eq!(waiting(&owner).await, 1);
    let query = r#"{"query":"SELECT cloudToDeviceMessageCount AS n FROM devices WHERE cloudToDeviceMessageCount > 0"}"#;
    assert_eq!(owner.send("POST", "/devices/query", &[], query).await.json(), json!([{"n": 1}]));

    let mut device = Device::connect(&hub, "d").await.ok().unwrap();
    device.subscribe_at(BOUND, QoS::AtLeastOnce).await;
    let got = device.hear_publish().await.unwrap();
    let bag = "%24.mid=m%2F1&%24.to=%2Fdevices%2Fd%2Fmessages%2FdeviceBound&iothub-ack=full&k=v%20w";
    assert_eq!(got.topic, format!("devices/d/messages/devicebound/{bag}"));
    assert_eq!((&got.payload[..], got.dup, got.qos), (&b"21"[..], false, QoS::AtLeastOnce));
    assert_eq!(waiting(&owner).await, 1, "it waits for its acknowledgement");
    device.acknowledge(&got).await;
    assert_eq!(waiting(&owner).await, 0);

    let told = owner.get(FEEDBACK).await;
    assert_eq!(told.header("content-type"), Some("application/vnd.microsoft.iothub.feedback.json"));
    let record = &told.json()[0];
    assert_eq!((&record["originalMessageId"], &record["statusCode"]), (&json!("m/1"), &json!("Success")));
    assert_eq!(record["deviceGenerationId"], owner.get("/devices/d").await.json()["generationId"]);
    let lock = told.header("etag").unwrap().trim_matches('"').to_owned();
    let path = format!("{FEEDBACK}/{lock}");
    assert_eq!(owner.send("POST", &format!("{path}/abandon"), &[], "").await.status, 204);
    let again = owner.get(FEEDBACK).await;
    let lock = again.header("etag").unwrap().trim_matches('"').to_owned();
    let path = format!("{FEEDBACK}/{lock}");
    assert_eq!(owner.send("DELETE", &path, &[], "").await.status, 204);
    let late = owner.send("DELETE", &path, &[], "").await;
    assert_eq!((late.status, late.error().as_str()), (412, "DeviceMessageLockLost"));
    hub.stop().await;
}

#[tokio::test]
async fn what_was_taken_survives_and_comes_as_repeated_when_it_may_have_arrived() {
    let folder = tempfile::tempdir().unwrap();
    let config = || HubConfig { data: Data::Folder(folder.path().to_owned()), ..HubConfig::embedded() };
    let (hub, owner) = started(config()).await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    let mut device = Device::connect(&hub, "d").await.ok().unwrap();
    device.subscribe_at(BOUND, QoS::AtLeastOnce).await;
    send(&owner, "acknowledged", "full").await;
    let got = device.hear_publish().await.unwrap();
    device.acknowledge(&got).await;
    send(&owner, "sent", "full").await;
    let first = device.hear_publish().await.unwrap();
    drop(device);
    while owner.get("/devices/d").await.json()["connectionState"] != "Disconnected" {
        tokio::task::yield_now().await;
    }
    send(&owner, "waits", "none").await;
    // What a killed process leaves.
    let killed = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), killed.path().join(file.file_name())).unwrap();
    }
    hub.stop().await;
    for folder in [folder.path(), killed.path()] {
        let (hub, owner) = started(HubConfig { data: Data::Folder(folder.to_owned()), ..config() }).await;
        assert_eq!(waiting(&owner).await, 2);
        let mut device = Device::connect(&hub, "d").await.ok().unwrap();
        let again = device.hear_publish().await.unwrap();
        assert!(again.topic.contains("%24.mid=sent") && again.dup, "{again:?}");
        assert_eq!(again.pkid, first.pkid, "its identifier is the same");
        let next = device.hear_publish().await.unwrap();
        assert!(next.topic.contains("%24.mid=waits") && !next.dup, "{next:?}");
        let told = owner.get(FEEDBACK).await.json();
        assert_eq!(told.as_array().unwrap().len(), 1);
        assert_eq!(told[0]["originalMessageId"], "acknowledged");
        hub.stop().await;
    }
}

#[tokio::test]
async fn refusals_and_the_purge() {
    let (hub, owner) = hub().await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    for (path, body, status, error) in [
        ("/iotplay/devices/e/messages", "{}", 404, "DeviceNotFound"),
        (SEND, "{", 400, "IotHubFormatError"),
        (SEND, r#"{"bodi":""}"#, 400, "IotHubFormatError"),
        (SEND, r#"{"body":"***"}"#, 400, "IotHubFormatError"),
        (SEND, r#"{"ack":"maybe"}"#, 400, "IotHubFormatError"),
        (SEND, r#"{"expiryTimeUtc":"soon"}"#, 400, "IotHubFormatError"),
        (SEND, r#"{"properties":{"$.mid":"x"}}"#, 400, "ArgumentInvalid"),
    ] {
        let refused = owner.send("POST", path, &[], body).await;
        assert_eq!((refused.status, refused.error().as_str()), (status, error), "{path} {body}");
    }
    let large = json!({"body": "QUFB".repeat(22_000)}).to_string();
    assert_eq!(owner.send("POST", SEND, &[], &large).await.error(), "MessageTooLarge");
    assert_eq!(owner.with_token(None).send("POST", SEND, &[], "{}").await.status, 401);
    assert_eq!(owner.send("PUT", SEND, &[], "{}").await.status, 405);
    for _ in 0..50 {
        send(&owner, "m", "negative").await;
    }
    let full = owner.send("POST", SEND, &[], "{}").await;
    assert_eq!((full.status, full.error().as_str()), (403, "DeviceMaximumQueueDepthExceeded"));
    let purged = owner.send("DELETE", "/devices/d/commands", &[], "").await;
    assert_eq!((purged.status, &purged.json()["totalMessagesPurged"]), (200, &json!(50)));
    let told = owner.get(FEEDBACK).await.json();
    assert!(told.as_array().unwrap().iter().all(|record| record["statusCode"] == "Purged"));
    assert_eq!(owner.send("DELETE", "/devices/e/commands", &[], "").await.error(), "DeviceNotFound");
    hub.stop().await;
}
