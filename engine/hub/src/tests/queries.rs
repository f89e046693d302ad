//! Queries over REST: rows, pages, refusals.

use serde_json::{Value, json};

use super::stage::{Service, hub};

async fn query(owner: &Service, text: &str, headers: &[(&str, &str)]) -> super::stage::Answer {
    owner.send("POST", "/devices/query", headers, &json!({ "query": text }).to_string()).await
}

fn ids(rows: &Value) -> Vec<String> {
    let id = |row: &Value| {
        let module = row.get("moduleId").and_then(Value::as_str).map(|module| format!("/{module}"));
        format!("{}{}", row["deviceId"].as_str().unwrap(), module.unwrap_or_default())
    };
    rows.as_array().unwrap().iter().map(id).collect()
}

/// Follows pages to the end.
async fn all(owner: &Service, text: &str, size: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut continuation: Option<String> = None;
    loop {
        let mut headers = vec![("x-ms-max-item-count", size)];
        headers.extend(continuation.as_deref().map(|token| ("x-ms-continuation", token)));
        let page = query(owner, text, &headers).await;
        assert_eq!((page.status, page.header("x-ms-item-type")), (200, Some("Twin")), "{page:?}");
        found.extend(ids(&page.json()));
        continuation = page.header("x-ms-continuation").map(str::to_owned);
        if continuation.is_none() {
            return found;
        }
        assert!(!continuation.as_deref().unwrap().is_empty());
    }
}

#[tokio::test]
async fn rows_by_page() {
    let (hub, owner) = hub().await;
    let items: Vec<Value> = (0..25)
        .map(|index| json!({"id": format!("d{index:02}"), "tags": {"odd": index % 2 == 1, "n": index}}))
        .chain((0..6).map(|index| json!({"id": format!("d{:02}", index / 3), "moduleId": format!("m{index}")})))
        .collect();
    assert_eq!(owner.send("POST", "/devices", &[], &Value::Array(items).to_string()).await.status, 200);
    for size in ["1", "7", "12", "25", "100", "1000"] {
        assert_eq!(all(&owner, "SELECT * FROM devices", size).await.len(), 25, "{size}");
        assert_eq!(all(&owner, "SELECT * FROM devices WHERE tags.odd = true AND tags.n > 3", size).await.len(), 10);
        assert_eq!(all(&owner, "SELECT TOP 9 * FROM devices", size).await.len(), 9, "{size}");
        let modules = all(&owner, "SELECT * FROM devices.modules", size).await;
        assert_eq!(modules, ["d00/m0", "d00/m1", "d00/m2", "d01/m3", "d01/m4", "d01/m5"], "{size}");
        let named = all(&owner, "SELECT * FROM devices WHERE deviceId IN ['d03','d01','none','d01']", size).await;
        assert_eq!(named, ["d01", "d03"], "{size}");
    }
    for (condition, count) in [
        ("status = 'enabled' AND connectionState = 'Disconnected'", 25),
        ("IS_DEFINED(tags.missing)", 0),
        ("properties.desired.$version = 1", 25),
        ("properties.desired.$metadata.$lastUpdated > '2020'", 25),
        ("authenticationType = 'sas' AND Version > 1", 25),
        ("capabilities.iotEdge = false", 25),
        ("STARTSWITH(deviceId, 'd1')", 10),
        ("tags.n IN [1, 2, 3]", 3),
        ("NOT (tags.n >= 5)", 5),
    ] {
        let found = all(&owner, &format!("SELECT * FROM devices WHERE {condition}"), "100").await;
        assert_eq!(found.len(), count, "{condition}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn columns_groups_and_their_item_types() {
    let (hub, owner) = hub().await;
    let items: Vec<Value> = (0..250)
        .map(|index| json!({"id": format!("d{index:03}"), "tags": {"site": index % 120, "n": index}}))
        .collect();
    for items in items.chunks(100) {
        assert_eq!(owner.send("POST", "/devices", &[], &Value::Array(items.to_vec()).to_string()).await.status, 200);
    }
    for (text, kind, rows) in [
        ("SELECT DeviceId, tags.n FROM devices WHERE tags.n = 7", "Raw", json!([{"deviceId": "d007", "n": 7}])),
        ("SELECT COUNT() AS n, AVG(tags.n) AS a FROM devices", "Raw", json!([{"n": 250, "a": 124.5}])),
        (
            "SELECT tags.site, COUNT() AS n FROM devices WHERE tags.site IN [3, 9] GROUP BY tags.site",
            "Raw",
            json!([{"site": 3, "n": 3}, {"site": 9, "n": 3}]),
        ),
        (
            "SELECT capabilities.iotEdge AS edge, properties.reported.$version v FROM devices WHERE deviceId = 'd001'",
            "Raw",
            json!([{"edge": false, "v": 1}]),
        ),
        ("SELECT * FROM devices WHERE deviceId = 'nobody'", "Twin", json!([])),
        ("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'j'", "DeviceJob", json!([])),
    ] {
        let answer = query(&owner, text, &[]).await;
        assert_eq!((answer.status, answer.header("x-ms-item-type")), (200, Some(kind)), "{text}: {answer:?}");
        assert_eq!(answer.json(), rows, "{text}");
    }
    let grouped = "SELECT tags.site, COUNT() AS n FROM devices GROUP BY tags.site";
    let first = query(&owner, grouped, &[]).await;
    let token = first.header("x-ms-continuation").unwrap();
    let second = query(&owner, grouped, &[("x-ms-continuation", token)]).await;
    assert_eq!(second.header("x-ms-continuation"), None);
    let sites: Vec<Value> =
        [first.json(), second.json()].iter().flat_map(|page| page.as_array().unwrap().clone()).collect();
    let expected: Vec<Value> = (0..120).map(|site| json!({"site": site, "n": if site < 10 { 3 } else { 2 }})).collect();
    assert_eq!(sites, expected);
    hub.stop().await;
}

#[tokio::test]
async fn pages_stay_when_devices_come_and_go() {
    let (hub, owner) = hub().await;
    let put = async |id: &str| {
        let body = json!({ "deviceId": id }).to_string();
        assert_eq!(owner.send("PUT", &format!("/devices/{id}"), &[], &body).await.status, 200);
    };
    for id in ["b", "d", "f", "h"] {
        put(id).await;
    }
    let text = "SELECT * FROM devices WHERE status = 'enabled'";
    let first = query(&owner, text, &[("x-ms-max-item-count", "2")]).await;
    assert_eq!(ids(&first.json()), ["b", "d"]);
    for id in ["a", "c", "e"] {
        put(id).await;
    }
    for id in ["d", "f"] {
        assert_eq!(owner.send("DELETE", &format!("/devices/{id}"), &[("If-Match", "*")], "").await.status, 204);
    }
    let token = first.header("x-ms-continuation").unwrap();
    let second = query(&owner, text, &[("x-ms-max-item-count", "2"), ("x-ms-continuation", token)]).await;
    assert_eq!(ids(&second.json()), ["e", "h"]);
    assert_eq!(second.header("x-ms-continuation"), None);
    let other = query(&owner, "SELECT * FROM devices", &[("x-ms-continuation", token)]).await;
    assert_eq!((other.status, other.error().as_str()), (400, "ArgumentInvalid"));
    hub.stop().await;
}

#[tokio::test]
async fn what_is_no_query_is_refused() {
    let (hub, owner) = hub().await;
    for (text, part) in [
        (
            "SELEKT",
            "SQL query parse failed due to following errors: \n\tLine 1:0 Unexpected input 'SELEKT', expected SELECT",
        ),
        ("SELECT * FROM devices GROUP BY status", "Line 1:7 SELECT * does not go with GROUP BY"),
        ("SELECT * FROM devices WHERE STARTS_WITH(a, 'b')", "Line 1:28 'STARTS_WITH' is not a function"),
    ] {
        let answer = query(&owner, text, &[]).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, "ArgumentInvalid"), "{text}");
        let message = answer.json()["Message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("ErrorCode:ArgumentInvalid;SQL query parse failed"), "{message}");
        assert!(message.contains(part), "{text}: {message}");
    }
    let alien = query(&owner, "SELECT * FROM devices", &[("x-ms-continuation", "abc")]).await;
    assert_eq!((alien.status, alien.error().as_str()), (400, "ArgumentInvalid"));
    hub.stop().await;
}
