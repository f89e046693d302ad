//! The client's calls and the inventory.

use std::collections::BTreeSet;

use iotplay_iothub::Statistics;
use runner::{Ask, InventoryError, Registry, Selection, Work};
use serde_json::json;
use wire::{DeviceDocument, ErrorCode, HubSize, Identity, IfMatch, MethodCall, Status, Tier};

use crate::device::Answer;
use crate::stage::{id, on_stage};

#[test]
fn devices_are_made_changed_counted_and_removed() {
    on_stage(|stage| async move {
        let client = &stage.client;
        let created = client.create_device(&DeviceDocument::new(id("press-7"))).await.unwrap();
        assert!(created.device.authentication.symmetric_key.primary_key.is_some());
        let endpoint = created.endpoint.expect("a local hub says where devices connect");
        assert_eq!(endpoint.port_or(8883), stage.hub.mqtt().port());
        let twice = client.create_device(&DeviceDocument::new(id("press-7"))).await.unwrap_err();
        assert_eq!(twice.code(), Some(ErrorCode::DEVICE_ALREADY_EXISTS));

        let mut device = client.device(&id("press-7")).await.unwrap();
        assert_eq!(device, created.device);
        device.status = Status::Disabled;
        let stale = client.update_device(&device, IfMatch::Tag("bm90".into())).await.unwrap_err();
        assert_eq!(stale.code(), Some(ErrorCode::PRECONDITION_FAILED));
        let on = IfMatch::Tag(device.etag.clone());
        assert_eq!(client.update_device(&device, on).await.unwrap().status, Status::Disabled);

        stage.add("odd $%#'s".replace(' ', "_").as_str()).await;
        assert_eq!(client.statistics().await.unwrap(), Statistics { total: 2, enabled: 1, disabled: 1 });
        assert_eq!(client.connected().await.unwrap(), 0);
        client.delete_device(&id("odd_$%#'s"), IfMatch::Any).await.unwrap();
        client.delete_device(&id("press-7"), IfMatch::Any).await.unwrap();
        let gone = client.device(&id("press-7")).await.unwrap_err();
        assert_eq!(gone.code(), Some(ErrorCode::DEVICE_NOT_FOUND));
        assert!(!gone.is_hub());
    });
}

#[test]
fn twins_are_read_and_patched_at_their_version() {
    on_stage(|stage| async move {
        stage.add("d").await;
        let who: Identity = "d".parse().unwrap();
        let twin = stage.client.twin(&who).await.unwrap();
        assert_eq!(twin["deviceId"], "d");
        let patch = json!({ "tags": { "building": "43" }, "properties": { "desired": { "a": { "b": 1 } } } });
        let patched = stage.client.patch_twin(&who, &patch, &IfMatch::Any).await.unwrap();
        assert_eq!(patched["tags"], json!({ "building": "43" }));
        assert_eq!(patched["properties"]["desired"]["a"], json!({ "b": 1 }));
        let old = IfMatch::Tag(twin["etag"].as_str().unwrap().to_owned());
        let stale = stage.client.patch_twin(&who, &patch, &old).await.unwrap_err();
        assert_eq!(stale.code(), Some(ErrorCode::PRECONDITION_FAILED));
        let bad = json!({ "tags": { "a.b": 1 } });
        let refused = stage.client.patch_twin(&who, &bad, &IfMatch::Any).await.unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::ARGUMENT_INVALID));
        assert!(refused.to_string().contains("a.b"), "{refused}");
    });
}

#[test]
fn queries_come_in_pages() {
    on_stage(|stage| async move {
        for number in 0..230 {
            stage.add(&format!("d-{number:03}")).await;
        }
        let mut pages = stage.client.query_twins(None);
        let mut sizes = Vec::new();
        while let Some(page) = pages.next().await.unwrap() {
            sizes.push(page.len());
        }
        assert_eq!(sizes, [100, 100, 30]);
        assert_eq!(stage.client.query_twins(None).collect(150).await.unwrap().len(), 150);
        let some = stage.client.query_twins(Some("deviceId IN ['d-001', 'd-229', 'x']")).collect(10).await.unwrap();
        let ids: BTreeSet<_> = some.iter().map(|row| row["deviceId"].as_str().unwrap()).collect();
        assert_eq!(ids, BTreeSet::from(["d-001", "d-229"]));
        let bad = stage.client.query("SELECT * FROM nowhere").collect(10).await.unwrap_err();
        assert_eq!(bad.code().map(ErrorCode::http_status), Some(400));
        assert_eq!(stage.inventory().select(&Selection::All).await.unwrap().len(), 230);
    });
}

#[test]
fn methods_reach_devices_and_modules_answers_come_back_as_they_are() {
    on_stage(|stage| async move {
        let _device = stage.connected("d", |_| Answer::Echo(200)).await;
        assert_eq!(stage.client.connected().await.unwrap(), 1);
        let mut call = MethodCall::new("echo");
        for payload in [None, Some(r#"{"a":[1,2.50,"é"]}"#), Some("\"text\""), Some("0")] {
            call.payload = payload.map(|text| serde_json::value::RawValue::from_string(text.to_owned()).unwrap());
            let reply = stage.client.invoke(&"d".parse().unwrap(), &call).await.unwrap();
            assert_eq!((reply.status, reply.payload.as_ref().map(|payload| payload.get())), (200, payload));
        }
        let nobody = stage.client.invoke(&"x".parse().unwrap(), &call).await.unwrap_err();
        assert_eq!(nobody.code(), Some(ErrorCode::DEVICE_NOT_FOUND));
        stage.add("away").await;
        let away = stage.client.invoke(&"away".parse().unwrap(), &call).await.unwrap_err();
        assert_eq!(away.code(), Some(ErrorCode::DEVICE_NOT_ONLINE));
    });
}

#[test]
fn the_inventory_knows_its_devices() {
    on_stage(|stage| async move {
        for device in ["press-1", "press-2", "oven"] {
            stage.add(device).await;
        }
        let patch = json!({ "tags": { "line": "B" } });
        stage.client.patch_twin(&"press-2".parse().unwrap(), &patch, &IfMatch::Any).await.unwrap();
        let inventory = stage.inventory();
        assert!(inventory.hub().local);
        assert_eq!(inventory.count().await.unwrap(), 3);
        let ids = async |selection: Selection| {
            let targets = inventory.select(&selection).await.unwrap();
            targets.iter().map(|target| target.id.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ids(Selection::All).await, "oven press-1 press-2");
        assert_eq!(ids(Selection::Query("tags.line = 'B'".into())).await, "press-2");
        assert_eq!(ids(Selection::Ids(vec!["press-2".into(), "oven".into()])).await, "press-2 oven");

        let targets = inventory.select(&Selection::Ids(vec!["press-2".into()])).await.unwrap();
        let attributes = json!({ "tags": { "line": "B" }, "status": "enabled", "connection_state": "Disconnected" });
        assert_eq!(*targets[0].attributes, attributes);

        let unknown = inventory.select(&Selection::Ids(vec!["pres-1".into(), "oven".into(), "a b".into()])).await;
        let Err(InventoryError::Unknown(unknown)) = unknown else { panic!("{unknown:?}") };
        assert_eq!(unknown, [("pres-1".to_owned(), Some("press-1".to_owned())), ("a b".to_owned(), None)]);
        let bad = inventory.select(&Selection::Query("tags.line == == 'B'".into())).await;
        assert!(matches!(bad, Err(InventoryError::Query(_))), "{bad:?}");
    });
}

#[test]
fn what_a_play_costs_under_a_known_tier() {
    on_stage(|stage| async move {
        let inventory = stage.inventory();
        let work = |name: &str, gathered, count| Work { name: name.into(), gathered, count };
        let calls = work("invoke_method", false, 1_000);
        assert_eq!(inventory.estimate(std::slice::from_ref(&calls)), None, "nothing is known");
        stage.client.expect_size(HubSize::new(Tier::S1, 1).unwrap());
        for (work, seconds) in [
            (vec![calls.clone()], 24),
            (vec![calls.clone(), work("twin", false, 2_000), work("wait_until", false, 2_000)], 39),
            (vec![calls, work("get_twin", false, 10), work("log", false, 1_000_000)], 24),
            (vec![work("patch_twin", false, 1_000)], 19),
            (vec![work("patch_twin", true, 1_000), work("own", false, 9)], 99),
            (vec![work("set_device_status", false, 100)], 89),
            (vec![], 0),
        ] {
            assert_eq!(inventory.estimate(&work).unwrap().least.as_secs(), seconds, "{work:?}");
        }
        // Every verb of the plugin is on the list.
        for (_, action) in Registry::new(&[&stage.plugin]).iter() {
            let work = [work(action.name(), false, 1_000_000)];
            assert!(!inventory.estimate(&work).unwrap().least.is_zero(), "{}", action.name());
        }
    });
}

#[test]
fn facts_are_twins_read_directly() {
    on_stage(|stage| async move {
        stage.add("d").await;
        let inventory = stage.inventory();
        assert_eq!(inventory.fact_names(), ["twin"]);
        let fact = inventory.fact("d", "twin").await.unwrap();
        assert!(fact.direct);
        assert_eq!(fact.value["id"], "d");
        assert_eq!(fact.value["reported"], json!({}));
        let asks = ["d", "gone"].map(|id| Ask { device: id.into(), seen: None, direct: false });
        let facts = inventory.facts(&asks, "twin").await.unwrap();
        assert_eq!(facts["d"].as_ref().unwrap(), &fact);
        assert_eq!(facts["gone"], None, "looked at in vain");
        let patch = json!({ "tags": { "t": 1 } });
        stage.client.patch_twin(&"d".parse().unwrap(), &patch, &IfMatch::Any).await.unwrap();
        assert!(inventory.fact("d", "twin").await.unwrap().version > fact.version);
        assert!(matches!(inventory.fact("dd", "twin").await, Err(InventoryError::Unknown(_))));
    });
}

/// The kernel's word for it.
const ESTABLISHED: &str = "01";

/// Open connections to a port of this machine, as the kernel lists them; those that only linger are none.
fn connections_to(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let peer = format!(":{port:04X}");
    let open = |line: &&str| {
        let mut words = line.split_whitespace().skip(2);
        words.next().is_some_and(|at| at.ends_with(&peer)) && words.next() == Some(ESTABLISHED)
    };
    table.lines().filter(open).count()
}

#[test]
fn calls_in_flight_share_one_connection_to_a_local_hub() {
    on_stage(|stage| async move {
        stage.client.statistics().await.unwrap();
        let calls = (0..300).map(|_| stage.client.statistics());
        let answers = futures_util::future::join_all(calls).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(connections_to(stage.hub.https().port()), 1);
    });
}
