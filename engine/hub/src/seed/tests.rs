//! The file's mistakes with their places; what is made, what a second time changes, and what stays.

use base::Source;
use serde_json::json;

use super::{Seeded, Seeds};
use crate::tests::stage::{Device, started};
use crate::{Data, HubConfig};

fn parse(text: &str) -> Result<Seeds, String> {
    Seeds::parse(&Source::new("fleet.yaml", text)).map_err(|found| found.to_string())
}

const FLEET: &str = "
devices:
  - id: press-7
    tags: { line: B }
    desired: { interval: 30, nested: { a: 1.5 } }
    keys: { primary: MDEyMzQ1Njc4OWFiY2RlZg== }
    modules:
      - id: camera
        desired: { fps: 25 }
  - id: gateway
    edge: true
    modules:
      - id: $edgeAgent
        tags: { seen: true }
  - id: old
    status: disabled
    thumbprints: { primary: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA }
  - id: signed
    auth: certificateAuthority
  - prefix: sim-
    count: 1000
    from: 0
    tags: { line: sim }
";

#[tokio::test]
async fn a_fleet_is_made_once_and_then_kept_as_the_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let config = |text: &str| HubConfig {
        data: Data::Folder(folder.path().to_owned()),
        seeds: Some(parse(text).unwrap()),
        ..HubConfig::embedded()
    };
    let (hub, owner) = started(config(FLEET)).await;
    assert_eq!(hub.seeded(), Some(Seeded { made: 1_004, changed: 0, same: 0 }));
    let twin = owner.get("/twins/press-7").await.json();
    assert_eq!(twin["tags"], json!({"line": "B"}));
    assert_eq!(twin["properties"]["desired"]["nested"], json!({"a": 1.5}));
    assert_eq!(owner.get("/twins/press-7/modules/camera").await.json()["properties"]["desired"]["fps"], 25);
    assert_eq!(owner.get("/twins/gateway/modules/$edgeAgent").await.json()["tags"], json!({"seen": true}));
    let device = owner.get("/devices/press-7").await.json();
    assert_eq!(device["authentication"]["symmetricKey"]["secondaryKey"], "MDEyMzQ1Njc4OWFiY2RlZg==");
    assert_eq!(owner.get("/devices/old").await.json()["status"], "disabled");
    assert_eq!(owner.get("/devices/signed").await.json()["authentication"]["type"], "certificateAuthority");
    assert_eq!(owner.get("/twins/sim-999").await.json()["tags"], json!({"line": "sim"}));
    assert_eq!(owner.get("/devices/sim-1000").await.status, 404);
    assert!(Device::connect(&hub, "sim-0").await.is_ok());
    let key = hub.device_connection(&"sim-5".parse().unwrap()).unwrap().credential;
    owner.send("PATCH", "/twins/sim-5", &[], r#"{"tags":{"mine":1}}"#).await;
    let etag = owner.get("/twins/press-7").await.json()["etag"].clone();
    hub.stop().await;

    let (hub, owner) = started(config(FLEET)).await;
    assert_eq!(hub.seeded(), Some(Seeded { made: 0, changed: 0, same: 1_004 }));
    assert_eq!(owner.get("/twins/press-7").await.json()["etag"], etag);
    assert_eq!(owner.get("/twins/sim-5").await.json()["tags"], json!({"line": "sim", "mine": 1}));
    assert_eq!(hub.device_connection(&"sim-5".parse().unwrap()).unwrap().credential, key);
    hub.stop().await;

    let other = "devices: [{ id: press-7, tags: { line: C } }, { id: new }, { id: old, status: enabled }]";
    let (hub, owner) = started(config(other)).await;
    assert_eq!(hub.seeded(), Some(Seeded { made: 1, changed: 2, same: 0 }));
    let twin = owner.get("/twins/press-7").await.json();
    assert_eq!((&twin["tags"]["line"], &twin["properties"]["desired"]["interval"]), (&json!("C"), &json!(30)));
    assert_eq!(owner.get("/devices/sim-999").await.status, 200, "what the file does not name stays");
    hub.stop().await;
}

#[test]
fn mistakes_are_placed_and_all_told_at_once() {
    let text = "devices:\n  - id: a b\n  - { id: x, keys: { primary: no } }\n  - id: x\n  - prefix: sim-\n  - { id: z, desired: { a.b: 1 } }\n";
    let found = parse(text).unwrap_err();
    for part in [
        "fleet.yaml:2:9",
        "fleet.yaml:3:",
        "a key is base64",
        "fleet.yaml:4:",
        "named twice: in line 3",
        "fleet.yaml:5:",
        "`prefix` and `count`",
        "fleet.yaml:6:",
        "a.b",
    ] {
        assert!(found.contains(part), "{part} is not in {found}");
    }
    for (text, place) in [
        ("devices:\n  - id: x\n    tgs: {}\n", "fleet.yaml:3:5"),
        ("devices:\n  - id: x\n    status: Enabled\n", "fleet.yaml:3:13"),
        ("devices:\n  - id: x\n   tags: {}\n", "fleet.yaml:3:"),
        ("device: []\n", "fleet.yaml:1:"),
        ("", "fleet.yaml"),
        ("devices: [{ prefix: a, count: 2000000 }]", "more than 1000000 devices"),
        ("devices: [{ prefix: a, count: 2, keys: { primary: MDEyMzQ1Njc4OWFiY2RlZg== } }]", "cannot share keys"),
        ("devices: [{ id: a, thumbprints: { primary: 12 } }]", "40 or 64"),
        ("devices: [{ id: a, auth: none, keys: { primary: MDEyMzQ1Njc4OWFiY2RlZg== } }]", "does not go with"),
    ] {
        let found = parse(text).unwrap_err();
        assert!(found.contains(place), "{place} is not in {found}");
    }
}
