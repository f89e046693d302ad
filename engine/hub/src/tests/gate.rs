//! Before any handler: who may, which paths and methods there are, which requests are too large; and that no bytes bring the hub down.

use proptest::prelude::*;
use wire::SasKey;

use super::stage::hub;

#[tokio::test]
async fn without_a_valid_token_everything_is_one_and_the_same_401() {
    let (hub, owner) = hub().await;
    let other = SasKey::generate(&mut base::Seed(1).rng());
    let key = hub.service_connection().key;
    let strangers = [
        owner.with_token(None),
        owner.with_token(Some("Bearer abc")),
        owner.with_token(Some("nonsense")),
        owner.signed("localhost", &other, "iothubowner"),
        owner.signed("localhost", &other, "nobody"),
        owner.signed("elsewhere.azure-devices.net", &key, "iothubowner"),
    ];
    for stranger in strangers {
        for target in ["/devices/d?api-version=2021-04-12", "/devices/d", "/no/such/path", "/twins/d/methods"] {
            let answer = stranger.send_to("GET", target, &[], "").await;
            assert_eq!((answer.status, answer.reason.as_str()), (401, "Unauthorized"), "{target}");
            assert_eq!(answer.error(), "IotHubUnauthorizedAccess");
            assert_eq!(answer.json()["Message"], "ErrorCode:IotHubUnauthorizedAccess;Unauthorized");
        }
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_narrow_token_reaches_its_device_only() {
    let (hub, owner) = hub().await;
    let key = hub.service_connection().key;
    for device in ["a", "b"] {
        owner.send("PUT", &format!("/devices/{device}"), &[], &format!(r#"{{"deviceId":"{device}"}}"#)).await;
    }
    let narrow = owner.signed("localhost/devices/a", &key, "iothubowner");
    assert_eq!(narrow.get("/devices/a").await.status, 200);
    assert_eq!(narrow.get("/devices/b").await.status, 401);
    assert_eq!(narrow.get("/devices").await.status, 401);
    assert_eq!(narrow.get("/twins/a").await.status, 401);
    assert_eq!(owner.signed("127.0.0.1:8443", &key, "iothubowner").get("/devices/b").await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn paths_methods_versions_and_sizes() {
    let (hub, owner) = hub().await;
    for (method, target, status, part) in [
        ("GET", "/nowhere?api-version=2021-04-12", 404, "No HTTP resource was found"),
        ("GET", "/devices/a/b/c?api-version=2021-04-12", 404, "No HTTP resource was found"),
        ("DELETE", "/twins/d?api-version=2021-04-12", 405, "does not support http method 'DELETE'"),
        ("PATCH", "/devices?api-version=2021-04-12", 405, "does not support http method 'PATCH'"),
        ("GET", "/devices", 400, "ErrorCode:InvalidProtocolVersion;"),
        ("GET", "/devices?api-version=soon", 400, "ErrorCode:InvalidProtocolVersion;"),
        ("GET", "/devices/d?api-version=2021-04-12", 404, "ErrorCode:DeviceNotFound;d"),
        ("GET", "/devices/query?api-version=2021-04-12", 404, "ErrorCode:DeviceNotFound;query"),
        ("GET", "/configurations?api-version=2021-04-12", 501, "not supported by this local hub"),
        ("GET", "/digitaltwins/d?api-version=2021-04-12", 501, "Digital twins"),
    ] {
        let answer = owner.send_to(method, target, &[], "").await;
        assert_eq!(answer.status, status, "{method} {target}: {answer:?}");
        assert!(answer.json()["Message"].as_str().unwrap().contains(part), "{method} {target}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
        assert!(answer.header("x-ms-request-id").is_some());
        assert_eq!(answer.header("iotplay-mqtt-endpoint"), Some(format!("localhost:{}", hub.mqtt().port()).as_str()));
    }
    let head = owner.send_to("HEAD", "/devices?api-version=2021-04-12", &[], "").await;
    assert_eq!((head.status, head.body.as_str()), (405, ""));
    let large = owner.send("PUT", "/devices/d", &[], &"x".repeat(70_000)).await;
    assert_eq!((large.status, large.error().as_str()), (413, "MessageTooLarge"));
    let head = "PUT /devices/d?api-version=2021-04-12 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n";
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let token = owner.token.as_deref().unwrap();
    let chunked = format!("{head}Connection: close\r\nAuthorization: {token}\r\n\r\n{chunk}{chunk}0\r\n\r\n");
    let chunked = owner.raw(chunked.as_bytes()).await.unwrap();
    assert_eq!((chunked.status, chunked.error().as_str()), (413, "MessageTooLarge"));
    let broken = owner.send("PUT", "/devices/d", &[], "{").await;
    assert_eq!((broken.status, broken.error().as_str()), (400, "IotHubFormatError"));
    hub.stop().await;
}

#[tokio::test]
async fn each_policy_may_what_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let data = crate::Data::Folder(folder.path().to_owned());
    let config = crate::HubConfig { data, ..crate::HubConfig::embedded() };
    let (hub, owner) = super::stage::started(config).await;
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    // (method, path, body), and who may: service, device, registryRead, registryReadWrite.
    let query = r#"{"query":"SELECT * FROM devices"}"#;
    for (method, path, body, who) in [
        ("GET", "/devices/d", "", [false, false, true, true]),
        ("GET", "/devices", "", [false, false, true, true]),
        ("GET", "/statistics/devices", "", [false, false, true, true]),
        ("PUT", "/devices/d", r#"{"deviceId":"d"}"#, [false, false, false, true]),
        ("POST", "/devices", "[]", [false, false, false, true]),
        ("GET", "/twins/d", "", [true, false, false, false]),
        ("PATCH", "/twins/d", "{}", [true, false, false, false]),
        ("POST", "/devices/query", query, [true, false, false, false]),
        ("POST", "/twins/d/methods", r#"{"methodName":"m"}"#, [true, false, false, false]),
    ] {
        for (policy, may) in ["service", "device", "registryRead", "registryReadWrite"].into_iter().zip(who) {
            let policy = hub.state().auth().policies().find(policy).unwrap().clone();
            let answer = owner.signed("localhost", &policy.secondary, policy.name).send(method, path, &[], body).await;
            assert_eq!(answer.status != 401, may, "{} {method} {path}: {answer:?}", policy.name);
        }
    }
    hub.stop().await;
}

/// Requests that are none, through a real socket; the hub must answer the next good one.
#[test]
fn no_bytes_bring_it_down() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (hub, owner) = runtime.block_on(hub());
    let token = owner.token.clone().unwrap();
    let target = "[ -~]{0,60}";
    proptest!(ProptestConfig::with_cases(12), |(
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        target in target,
        method in "[A-Z]{1,8}",
        body in "[ -~]{0,80}",
    )| {
        runtime.block_on(owner.throw(&noise));
        let request = format!(
            "{method} /{target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: {token}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        runtime.block_on(owner.throw(request.as_bytes()));
        for path in ["/devices/d", "/twins/d", "/jobs/v2/j", "/twins/d/methods", "/devices/query", "/devices"] {
            for method in ["PUT", "PATCH", "POST"] {
                runtime.block_on(owner.send(method, path, &[("If-Match", "*")], &body));
            }
        }
        prop_assert_eq!(runtime.block_on(owner.get("/devices")).status, 200);
    });
    runtime.block_on(hub.stop());
}
