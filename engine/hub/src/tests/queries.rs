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
async fn what_is_no_query_is_refused() {
    let (hub, owner) = hub().await;
    for (text, status, part) in [
        ("SELEKT", 400, "SQL query parse failed"),
        ("SELECT deviceId FROM devices", 501, "choosing columns"),
        ("SELECT * FROM devices GROUP BY status", 501, "GROUP BY"),
    ] {
        let answer = query(&owner, text, &[]).await;
        assert_eq!(answer.status, status, "{text}");
        assert!(answer.body.contains(part), "{text}: {answer:?}");
    }
    let alien = query(&owner, "SELECT * FROM devices", &[("x-ms-continuation", "abc")]).await;
    assert_eq!((alien.status, alien.error().as_str()), (400, "ArgumentInvalid"));
    hub.stop().await;
}
