//! A snapshot of a running, a stopped and a killed hub; what it brings back, and what is refused.

use std::path::{Path, PathBuf};

use base::Clock;
use serde_json::{Value, json};

use super::{Snapshot, SnapshotError, take_snapshot};
use crate::tests::stage::{Device, Service, started};
use crate::{Data, Hub, HubConfig, Restore, RunningHub};

fn config(folder: &Path) -> HubConfig {
    HubConfig { data: Data::Folder(folder.to_owned()), ..HubConfig::embedded() }
}

fn take(folder: &Path, file: &Path) -> Result<usize, SnapshotError> {
    take_snapshot(folder, file, false, &Clock::system())
}

fn restored(file: &Path) -> Option<Restore> {
    Some(Restore { snapshot: Snapshot::read(file).unwrap(), force: false })
}

/// A hub with a device, a module, a twin on both and a kept session.
async fn full(folder: &Path) -> (RunningHub, Service) {
    let (hub, owner) = started(config(folder)).await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    owner.send("PUT", "/devices/d/modules/m", &[], r#"{"deviceId":"d","moduleId":"m"}"#).await;
    owner.send("PATCH", "/twins/d", &[], r#"{"tags":{"a":1.5},"properties":{"desired":{"b":{"c":2}}}}"#).await;
    let mut device = Device::connect(&hub, "d").await.ok().unwrap();
    device.subscribe("$iothub/methods/POST/#").await;
    (hub, owner)
}

async fn same(hub: RunningHub, ca: &str, before: [&Value; 2]) {
    assert_eq!(hub.ca_pem(), ca);
    let owner = Service::of(&hub);
    let device = owner.get("/devices/d").await.json();
    assert_eq!(
        (&device["authentication"], &device["generationId"]),
        (&before[0]["authentication"], &before[0]["generationId"])
    );
    let twin = owner.get("/twins/d").await.json();
    for part in ["tags", "properties", "version", "etag", "deviceEtag"] {
        assert_eq!(twin[part], before[1][part], "{part}");
    }
    assert_eq!(owner.get("/devices/d/modules/m").await.status, 200);
    // The kept session takes methods without a new subscription.
    let mut device = Device::connect(&hub, "d").await.ok().unwrap();
    let call = tokio::spawn(async move { owner.send("POST", "/twins/d/methods", &[], r#"{"methodName":"m"}"#).await });
    device.answer_method(200, "1").await;
    assert_eq!(call.await.unwrap().status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn a_running_a_stopped_and_a_killed_hub_give_the_same_state_back() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { place.path().join(name) };
    let (hub, owner) = full(&path("one")).await;
    take(&path("one"), &path("running.json")).unwrap();
    let (device, twin) = (owner.get("/devices/d").await.json(), owner.get("/twins/d").await.json());
    std::fs::create_dir(path("killed")).unwrap();
    for file in std::fs::read_dir(path("one")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), path("killed").join(file.file_name())).unwrap();
    }
    let ca = hub.ca_pem().to_owned();
    hub.stop().await;
    take(&path("one"), &path("stopped.json")).unwrap();
    take(&path("killed"), &path("killed.json")).unwrap();
    #[cfg(unix)]
    {
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path("running.json")).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
    for from in ["running.json", "stopped.json", "killed.json"] {
        let memory = HubConfig { restore: restored(&path(from)), ..HubConfig::embedded() };
        same(Hub::start(memory).await.unwrap(), &ca, [&device, &twin]).await;
        let folder = path(&format!("{from}.restored"));
        let kept = HubConfig { restore: restored(&path(from)), ..config(&folder) };
        same(Hub::start(kept).await.unwrap(), &ca, [&device, &twin]).await;
        // It is the folder's own state from then on.
        same(Hub::start(config(&folder)).await.unwrap(), &ca, [&device, &twin]).await;
    }
}

#[tokio::test]
async fn nothing_is_overwritten_unless_it_is_said_and_nothing_bad_is_restored() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { place.path().join(name) };
    let error = take(&path("nowhere"), &path("file.json")).unwrap_err();
    assert!(matches!(error, SnapshotError::Nothing { .. }), "{error}");
    let (hub, _) = full(&path("one")).await;
    take(&path("one"), &path("file.json")).unwrap();
    let error = take(&path("one"), &path("file.json")).unwrap_err().to_string();
    assert!(error.contains("file.json") && error.contains("--force"), "{error}");
    take_snapshot(&path("one"), &path("file.json"), true, &Clock::system()).unwrap();
    let snapshot = Snapshot::read(&path("file.json")).unwrap();
    let error = snapshot.restore(&path("one"), true).unwrap_err().to_string();
    assert!(error.contains("already running"), "{error}");
    hub.stop().await;
    let error = snapshot.restore(&path("one"), false).unwrap_err().to_string();
    assert!(error.contains("hub.redb") && error.contains("--force"), "{error}");
    assert_eq!(snapshot.restore(&path("one"), true).unwrap(), 1);
    let bad = json!({"iotplay-hub-snapshot": 1, "twins": {"d": {}}}).to_string();
    let error = Snapshot::parse("bad.json", &bad).unwrap().restore(&path("one"), true).unwrap_err().to_string();
    assert!(error.contains("bad.json") && error.contains("`d` of `twins`"), "{error}");
    assert!(Hub::start(config(&path("one"))).await.is_ok(), "the old state is still there");
}

#[tokio::test]
async fn a_fixture_by_hand_needs_little() {
    let text = json!({"iotplay-hub-snapshot": 1, "identities": {"d": {"deviceId": "d", "authentication": {"symmetricKey": {
        "primaryKey": "MDEyMzQ1Njc4OWFiY2RlZg==", "secondaryKey": "MDEyMzQ1Njc4OWFiY2RlZg=="}}}}});
    let snapshot = Snapshot::parse("fixture.json", &text.to_string()).unwrap();
    let config = HubConfig { restore: Some(Restore { snapshot, force: false }), ..HubConfig::embedded() };
    let (hub, owner) = started(config).await;
    assert_eq!(owner.get("/twins/d").await.json()["version"], 2);
    assert!(Device::connect(&hub, "d").await.is_ok());
    hub.stop().await;
}

#[test]
fn a_text_that_is_no_snapshot_says_why() {
    for (text, why) in [
        ("", "EOF"),
        ("[]", "invalid type"),
        ("{}", "it has no `iotplay-hub-snapshot`"),
        (r#"{"iotplay-hub-snapshot": 2}"#, "its version is 2"),
        (r#"{"iotplay-hub-snapshot": 1, "twns": {}}"#, "`twns` is unknown"),
        (r#"{"iotplay-hub-snapshot": 1, "twins": []}"#, "`twins`"),
        (r#"{"iotplay-hub-snapshot": 1, "ca": {"certificate": ""}}"#, "`ca`"),
    ] {
        let error = Snapshot::parse("file.json", text).unwrap_err().to_string();
        assert!(error.contains("file.json") && error.contains(why) && error.contains("mend"), "{error}");
    }
}

#[tokio::test]
async fn a_snapshot_cut_anywhere_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let (hub, _) = full(&place.path().join("one")).await;
    let file = place.path().join("file.json");
    take(&place.path().join("one"), &file).unwrap();
    hub.stop().await;
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.trim_end();
    for length in 0..text.len() {
        let cut = Snapshot::parse("file.json", &text[..length]);
        assert!(matches!(cut, Err(SnapshotError::Damaged { .. })), "cut at {length}");
    }
    Snapshot::parse("file.json", text).unwrap();
}
