//! What survives: a stop, and the sudden death of the process (its folder, copied while it ran).

use std::path::Path;

use serde_json::json;

use super::stage::{Device, Service, started};
use crate::{Data, Hub, HubConfig, RunningHub, find};

async fn in_folder(folder: &Path) -> (RunningHub, Service) {
    started(HubConfig { data: Data::Folder(folder.to_owned()), ..HubConfig::embedded() }).await
}

#[tokio::test]
async fn everything_answered_survives() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, owner) = in_folder(folder.path()).await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    owner.send("PUT", "/devices/d/modules/m", &[], r#"{"deviceId":"d","moduleId":"m"}"#).await;
    owner.send("PUT", "/devices/gone", &[], r#"{"deviceId":"gone"}"#).await;
    owner.send("DELETE", "/devices/gone", &[], "").await;
    owner.send("PATCH", "/twins/d", &[], r#"{"tags":{"a":1},"properties":{"desired":{"b":2}}}"#).await;
    owner.send("PATCH", "/twins/d/modules/m", &[], r#"{"tags":{"c":3}}"#).await;
    let mut device = Device::connect(&hub, "d").await.ok().unwrap();
    device.subscribe("$iothub/methods/POST/#").await;
    device.subscribe("$iothub/twin/res/#").await;
    let report = wire::DeviceTopic::TwinReported { rid: "1", version: None };
    device.publish(&report, r#"{"fw":"1"}"#).await;
    assert_eq!(device.hear_publish().await.unwrap().topic, "$iothub/twin/res/204/?$rid=1&$version=2");
    let twin = owner.get("/twins/d").await.json();
    let (ca, connection) = (hub.ca_pem().to_owned(), hub.service_connection().key);
    // What a killed process leaves: the files as they are now, while it still runs.
    let killed = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), killed.path().join(file.file_name())).unwrap();
    }
    assert_eq!(find(folder.path()).unwrap().https, hub.https());
    assert!(find(killed.path()).is_none());
    hub.stop().await;
    assert!(find(folder.path()).is_none());

    for folder in [folder.path(), killed.path()] {
        let (hub, owner) = in_folder(folder).await;
        assert_eq!((hub.ca_pem(), &hub.service_connection().key), (ca.as_str(), &connection));
        let again = owner.get("/twins/d").await.json();
        for part in ["tags", "properties", "version", "etag", "deviceEtag"] {
            assert_eq!(again[part], twin[part], "{part}");
        }
        assert_eq!(owner.get("/twins/d/modules/m").await.json()["tags"], json!({"c": 3}));
        assert_eq!(owner.get("/devices/gone").await.status, 404);
        // The kept session still takes methods: the device does not subscribe again.
        let mut device = Device::connect(&hub, "d").await.ok().unwrap();
        let calling =
            tokio::spawn(
                async move { owner.send("POST", "/twins/d/methods", &[], r#"{"methodName":"m"}"#).await.status },
            );
        device.answer_method(200, "1").await;
        assert_eq!(calling.await.unwrap(), 200);
        hub.stop().await;
    }
}

#[tokio::test]
async fn a_damaged_or_locked_folder_is_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let config = || HubConfig { data: Data::Folder(folder.path().to_owned()), ..HubConfig::embedded() };
    let (hub, _) = in_folder(folder.path()).await;
    let error = Hub::start(config()).await.unwrap_err().to_string();
    assert!(error.contains("already running in") && error.contains("--data"), "{error}");
    hub.stop().await;
    std::fs::write(folder.path().join("hub.redb"), "scribble").unwrap();
    let error = Hub::start(config()).await.unwrap_err().to_string();
    assert!(error.contains("hub.redb") && error.contains("mend: move that file away"), "{error}");
}

/// The store cut at many places: the hub starts with what was committed, or says what is wrong; it never panics or hangs.
#[tokio::test]
async fn a_store_cut_anywhere_never_brings_it_down() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, owner) = in_folder(folder.path()).await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    hub.stop().await;
    let whole = std::fs::read(folder.path().join("hub.redb")).unwrap();
    let steps = 24;
    for step in 0..steps {
        let cut = &whole[..whole.len() * step / steps];
        std::fs::write(folder.path().join("hub.redb"), cut).unwrap();
        let config = HubConfig { data: Data::Folder(folder.path().to_owned()), ..HubConfig::embedded() };
        match Hub::start(config).await {
            Ok(hub) => hub.stop().await,
            Err(error) => assert!(error.to_string().contains("hub.redb"), "{error}"),
        }
    }
}

#[tokio::test]
async fn a_hub_that_is_dropped_stops_and_frees_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let config = || HubConfig { data: Data::Folder(folder.path().to_owned()), ..HubConfig::embedded() };
    drop(Hub::start(config()).await.unwrap());
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    let hub = loop {
        match Hub::start(config()).await {
            Ok(hub) => break hub,
            Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
        }
    };
    hub.stop().await;
}

#[tokio::test]
async fn connection_times_outlive_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, owner) = in_folder(folder.path()).await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    let device = Device::connect(&hub, "d").await.ok().unwrap();
    let connected = owner.get("/devices/d").await.json();
    assert_eq!(connected["connectionState"], "Connected");
    assert_ne!(connected["lastActivityTime"], base::NEVER);
    hub.stop().await;
    drop(device);
    let (hub, owner) = in_folder(folder.path()).await;
    let again = owner.get("/devices/d").await.json();
    assert_eq!(again["connectionState"], "Disconnected");
    for time in ["lastActivityTime", "connectionStateUpdatedTime"] {
        assert!(again[time].as_str() >= connected[time].as_str(), "{time}: {again} after {connected}");
        assert_ne!(again[time], base::NEVER);
    }
    hub.stop().await;
}
