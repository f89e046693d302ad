//! Devices and modules over REST: the registry's rules as a client sees them.

use serde_json::{Value, json};

use super::stage::{Device, hub};

#[tokio::test]
async fn a_device_lives() {
    let (hub, owner) = hub().await;
    let created = owner.send("PUT", "/devices/d1", &[], r#"{"deviceId":"d1","authentication":{"type":"sas"}}"#).await;
    assert_eq!((created.status, created.reason.as_str()), (200, "OK"));
    let device = created.json();
    let etag = device["etag"].as_str().unwrap().to_owned();
    assert_eq!(created.header("etag"), Some(format!("\"{etag}\"").as_str()));
    assert_eq!(device["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap().len(), 44);
    let again = owner.send("PUT", "/devices/d1", &[], r#"{"deviceId":"d1"}"#).await;
    assert_eq!((again.status, again.error().as_str()), (409, "DeviceAlreadyExists"));
    let wrong = owner.send("PUT", "/devices/d2", &[], r#"{"deviceId":"d1"}"#).await;
    assert_eq!((wrong.status, wrong.error().as_str()), (400, "ArgumentInvalid"));

    let off = r#"{"deviceId":"d1","status":"disabled","statusReason":"why"}"#;
    for (condition, status) in
        [("\"stale\"", 412), ("stale", 412), (&format!("\"{etag}\""), 200), ("\"*\"", 200), ("*", 200)]
    {
        let answer = owner.send("PUT", "/devices/d1", &[("If-Match", condition)], off).await;
        assert_eq!(answer.status, status, "{condition}: {answer:?}");
    }
    let now = owner.get("/devices/d1").await.json();
    assert_eq!((&now["status"], &now["statusReason"]), (&json!("disabled"), &json!("why")));
    assert_eq!(now["authentication"], device["authentication"]);
    assert_eq!(now["generationId"], device["generationId"]);
    let missing = owner.send("PUT", "/devices/d2", &[("If-Match", "*")], r#"{"deviceId":"d2"}"#).await;
    assert_eq!((missing.status, missing.error().as_str()), (404, "DeviceNotFound"));
    let statistics = owner.get("/statistics/devices").await.json();
    assert_eq!(statistics, json!({"totalDeviceCount": 1, "enabledDeviceCount": 0, "disabledDeviceCount": 1}));

    assert_eq!(owner.send("DELETE", "/devices/d1", &[("If-Match", "\"stale\"")], "").await.status, 412);
    let gone = owner.send("DELETE", "/devices/d1", &[("If-Match", "\"*\"")], "").await;
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    assert_eq!(owner.send("DELETE", "/devices/d1", &[], "").await.status, 404);
    assert_eq!(owner.get("/twins/d1").await.status, 404);
    let anew = owner.send("PUT", "/devices/d1", &[], r#"{"deviceId":"d1"}"#).await.json();
    assert_ne!(anew["generationId"], device["generationId"]);
    hub.stop().await;
}

#[tokio::test]
async fn modules_live_with_their_device() {
    let (hub, owner) = hub().await;
    let body = r#"{"deviceId":"d","moduleId":"m","managedBy":"me"}"#;
    assert_eq!(owner.send("PUT", "/devices/d/modules/m", &[], body).await.error(), "DeviceNotFound");
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    let created = owner.send("PUT", "/devices/d/modules/m", &[], body).await;
    assert_eq!((created.status, &created.json()["managedBy"]), (200, &json!("me")));
    let again = owner.send("PUT", "/devices/d/modules/m", &[], body).await;
    assert_eq!((again.status, again.error().as_str()), (409, "ModuleAlreadyExistsOnDevice"));
    assert_eq!(owner.get("/devices/d/modules").await.json().as_array().unwrap().len(), 1);
    assert_eq!(owner.get("/twins/d/modules/m").await.json()["moduleId"], "m");
    assert_eq!(owner.get("/devices/d/modules/n").await.error(), "ModuleNotFound");
    for index in 0..49 {
        let body = format!(r#"{{"deviceId":"d","moduleId":"m{index}"}}"#);
        assert_eq!(owner.send("PUT", &format!("/devices/d/modules/m{index}"), &[], &body).await.status, 200);
    }
    let body = r#"{"deviceId":"d","moduleId":"more"}"#;
    let full = owner.send("PUT", "/devices/d/modules/more", &[], body).await;
    assert_eq!((full.status, full.error().as_str()), (413, "TooManyModulesOnDevice"));
    assert_eq!(owner.send("DELETE", "/devices/d/modules/m", &[("If-Match", "\"*\"")], "").await.status, 204);
    assert_eq!(owner.send("DELETE", "/devices/d", &[], "").await.status, 204);
    assert_eq!(owner.get("/twins/d/modules/m0").await.status, 404);
    hub.stop().await;
}

#[tokio::test]
async fn an_edge_device_is_born_with_its_modules() {
    let (hub, owner) = hub().await;
    let body = r#"{"deviceId":"e","capabilities":{"iotEdge":true}}"#;
    let device = owner.send("PUT", "/devices/e", &[], body).await.json();
    assert!(device["deviceScope"].as_str().unwrap().starts_with("ms-azure-iot-edge://e-"));
    let modules = owner.get("/devices/e/modules").await.json();
    let ids: Vec<&Value> = modules.as_array().unwrap().iter().map(|module| &module["moduleId"]).collect();
    assert_eq!(ids, ["$edgeAgent", "$edgeHub"]);
    assert_eq!(owner.get("/twins/e/modules/%24edgeAgent").await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn lists_are_clamped_and_take_a_slash() {
    let (hub, owner) = hub().await;
    for index in 0..5 {
        owner.send("PUT", &format!("/devices/d{index}"), &[], &format!(r#"{{"deviceId":"d{index}"}}"#)).await;
    }
    for (path, length) in
        [("/devices", 5), ("/devices/", 5), ("/devices?top=2", 2), ("/devices?top=0", 5), ("/devices?top=x", 5)]
    {
        let answer = owner.get(path).await;
        assert_eq!(answer.json().as_array().unwrap().len(), length, "{path}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn who_is_disabled_deleted_or_locked_out_is_cut_off() {
    let (hub, owner) = hub().await;
    let key = |byte: u8| wire::SasKey::from_bytes(vec![byte; 32]);
    let with_keys = format!(
        r#"{{"deviceId":"d","authentication":{{"symmetricKey":{{"primaryKey":"{}","secondaryKey":"{}"}}}}}}"#,
        key(1).expose(),
        key(2).expose()
    );
    for (method, condition, body) in
        [("PUT", "*", r#"{"deviceId":"d","status":"disabled"}"#), ("PUT", "*", with_keys.as_str()), ("DELETE", "*", "")]
    {
        owner.send("DELETE", "/devices/d", &[], "").await;
        owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
        let mut device = Device::connect(&hub, "d").await.ok().unwrap();
        assert_eq!(owner.get("/devices/d").await.json()["connectionState"], "Connected");
        assert_eq!(owner.get("/statistics/service").await.json()["connectedDeviceCount"], 1);
        owner.send(method, "/devices/d", &[("If-Match", condition)], body).await;
        assert!(device.hear().await.is_none(), "{method} {body}");
        let answer = Device::connect(&hub, "d").await.err();
        match (method, body.contains("disabled")) {
            ("PUT", true) => assert_eq!(answer, Some(Some(net::mqtt::ConnectReturnCode::NotAuthorized))),
            ("PUT", false) => assert_eq!(answer, None),
            _ => assert_eq!(answer, Some(None)),
        }
    }
    hub.stop().await;
}

#[tokio::test]
async fn bulk_changes_have_their_own_fates() {
    let (hub, owner) = hub().await;
    let send = async |body: Value| owner.send("POST", "/devices", &[], &body.to_string()).await;
    let made = send(json!([
        {"id": "a", "importMode": "create", "tags": {"site": "delft"}, "properties": {"desired": {"x": 1}}},
        {"id": "b", "status": "disabled"},
        {"id": "b", "moduleId": "m", "importMode": "create"},
    ]))
    .await;
    assert_eq!((made.status, made.json()), (200, json!({"isSuccessful": true, "errors": [], "warnings": []})));
    assert_eq!(owner.get("/twins/a").await.json()["tags"]["site"], "delft");
    assert_eq!(owner.get("/devices/b").await.json()["status"], "disabled");
    let mixed = send(json!([
        {"id": "a", "importMode": "create"},
        {"id": "b", "importMode": "Update", "status": "enabled"},
        {"id": "c", "importMode": "UpdateIfMatchETag", "eTag": "stale"},
        {"id": "d", "importMode": "Delete"},
        {"id": "e", "importMode": "create", "tags": {"bad.key": 1}},
    ]))
    .await;
    assert_eq!(mixed.status, 400);
    let outcome = mixed.json();
    assert_eq!(outcome["isSuccessful"], false);
    let errors: Vec<String> = outcome["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| format!("{} {}", error["deviceId"].as_str().unwrap(), error["errorCode"].as_str().unwrap()))
        .collect();
    assert_eq!(errors, ["a DeviceAlreadyExists", "c DeviceNotFound", "d DeviceNotFound", "e ArgumentInvalid"]);
    assert_eq!(owner.get("/devices/b").await.json()["status"], "enabled");
    assert_eq!(owner.get("/devices/e").await.status, 404);
    assert_eq!(send(json!([{"id": "x"}, {"id": "x"}])).await.error(), "DeviceDefinedMultipleTimes");
    let many: Vec<Value> = (0..101).map(|index| json!({"id": format!("n{index}")})).collect();
    assert_eq!(send(Value::Array(many)).await.error(), "TooManyDevices");
    assert_eq!(send(json!([{"id": "x", "importMode": "destroy"}])).await.error(), "ArgumentInvalid");
    let gone =
        send(json!([{"id": "a", "importMode": "Delete"}, {"id": "b", "importMode": "deleteIfMatchETag", "eTag": "*"}]))
            .await;
    assert_eq!(gone.status, 200);
    assert_eq!(owner.get("/devices").await.json(), json!([]));
    hub.stop().await;
}

#[tokio::test]
async fn every_way_to_log_in_and_edge_parents_are_kept_as_data() {
    let (hub, owner) = hub().await;
    let put = async |body: &Value| {
        let path = format!("/devices/{}", body["deviceId"].as_str().unwrap());
        owner.send("PUT", &path, &[], &body.to_string()).await
    };
    let print = "0123456789abcdefABCDEF0123456789abcdef01";
    for (authentication, status) in [
        (json!({"type": "certificateAuthority"}), 200),
        (json!({"type": "none"}), 200),
        (json!({"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": print}}), 200),
        (json!({"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": &print[1..]}}), 400),
        (json!({"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": format!("{}x", &print[1..])}}), 400),
        (json!({"type": "selfSigned"}), 400),
    ] {
        let answer = put(&json!({"deviceId": "d", "authentication": authentication})).await;
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 200 {
            let kept = owner.get("/devices/d").await.json()["authentication"].clone();
            assert_eq!(kept["type"], authentication["type"]);
            let given = &authentication["x509Thumbprint"]["primaryThumbprint"];
            assert_eq!(&kept["x509Thumbprint"]["primaryThumbprint"], given);
            assert_eq!(owner.get("/twins/d").await.json()["authenticationType"], authentication["type"]);
            owner.send("DELETE", "/devices/d", &[], "").await;
        }
    }
    let edge = put(&json!({"deviceId": "edge", "capabilities": {"iotEdge": true}})).await.json();
    let scope = edge["deviceScope"].as_str().unwrap();
    let leaf = put(&json!({"deviceId": "leaf", "deviceScope": scope, "parentScopes": [scope]})).await.json();
    assert_eq!((&leaf["deviceScope"], &leaf["parentScopes"]), (&json!(scope), &json!([scope])));
    assert_eq!(owner.get("/twins/leaf").await.json()["parentScopes"], json!([scope]));
    hub.stop().await;
}
