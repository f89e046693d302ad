//! The provisioning service from the outside: enrolments over REST, registrations over MQTT and HTTPS, and who is turned away.

use base::Clock;
use net::mqtt::{ConnectReturnCode, Packet, Publish, QoS};
use net::tls::{Leaf, PeerCertificate, Signer, client_authority, issue_client};
use serde_json::{Value, json};
use wire::SasKey;

use super::stage::{Device, Registrar, Service, hub, registration_token, started};
use crate::{Data, HubConfig, RunningHub};

fn key(byte: u8) -> SasKey {
    SasKey::from_bytes(vec![byte; 32])
}

async fn enroll(owner: &Service, path: &str, body: Value) -> Value {
    let answer = owner.send("PUT", path, &[], &body.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn keyed(byte: u8) -> Value {
    json!({"type": "symmetricKey", "symmetricKey": {"primaryKey": key(byte).expose(), "secondaryKey": key(byte + 1).expose()}})
}

/// Registers with this key.
async fn register(hub: &RunningHub, id: &str, key: &SasKey, body: &str) -> (u16, Value) {
    let token = registration_token(hub, id, key);
    Registrar::connect(hub, &hub.id_scope(), id, &token, None).await.unwrap().register(body).await
}

async fn register_with(hub: &RunningHub, id: &str, leaf: &Leaf) -> (u16, Value) {
    let certificate = Some((leaf.chain_pem.as_str(), leaf.key_pem.expose()));
    Registrar::connect(hub, &hub.id_scope(), id, "", certificate).await.unwrap().register("").await
}

#[tokio::test]
async fn an_enrolled_device_is_made_at_the_hub_and_logs_in_there() {
    let (hub, owner) = hub().await;
    let body = json!({"registrationId": "reg-1", "deviceId": "press-1", "attestation": keyed(1),
        "initialTwin": {"tags": {"site": "s"}, "properties": {"desired": {"a": 1}}}});
    enroll(&owner, "/enrollments/reg-1", body).await;
    for (byte, payload) in [(1, r#"{"registrationId":"reg-1","payload":{"model":"x"}}"#), (2, "{\"payload\":null}")] {
        let (status, answer) = register(&hub, "reg-1", &key(byte), payload).await;
        assert_eq!(status, 200, "{answer}");
        let state = &answer["registrationState"];
        assert_eq!((&answer["status"], &state["deviceId"]), (&json!("assigned"), &json!("press-1")));
        assert_eq!(state["assignedHub"], format!("localhost:{}", hub.mqtt().port()));
        assert_eq!(state["substatus"], "initialAssignment");
        assert_eq!(state["payload"]["model"], if byte == 1 { json!("x") } else { Value::Null });
    }
    assert!(Device::connect(&hub, "press-1").await.is_ok(), "its keys are the enrolment's");
    let twin = owner.get("/twins/press-1").await.json();
    assert_eq!((&twin["tags"]["site"], &twin["properties"]["desired"]["a"]), (&json!("s"), &json!(1)));
    let shown = owner.get("/registrations/REG-1").await.json();
    assert_eq!((&shown["status"], &shown["deviceId"]), (&json!("assigned"), &json!("press-1")));
    hub.stop().await;
}

#[tokio::test]
async fn a_groups_devices_have_keys_derived_from_its_own() {
    let (hub, owner) = hub().await;
    enroll(&owner, "/enrollmentGroups/line-b", json!({"attestation": keyed(5)})).await;
    for (id, byte) in [("sim-1", 5), ("sim-2", 6)] {
        let (status, answer) = register(&hub, id, &key(byte).derived(id), "").await;
        assert_eq!((status, &answer["registrationState"]["deviceId"]), (200, &json!(id)), "{answer}");
        assert!(Device::connect(&hub, id).await.is_ok());
    }
    // The group's own key is nobody's, and another's derived key is another's.
    for wrong in [key(5), key(5).derived("sim-1"), key(9).derived("sim-3")] {
        assert_eq!(register(&hub, "sim-3", &wrong, "").await.0, 401);
    }
    let body = r#"{"query":"*"}"#;
    let of_group = owner.send("POST", "/registrations/line-b/query", &[], body).await;
    assert_eq!(of_group.json().as_array().unwrap().len(), 2, "{of_group:?}");
    hub.stop().await;
}

#[tokio::test]
async fn whoever_cannot_prove_it_hears_one_and_the_same() {
    let (hub, owner) = hub().await;
    enroll(&owner, "/enrollments/reg-1", json!({"attestation": keyed(1)})).await;
    enroll(&owner, "/enrollmentGroups/g", json!({"attestation": keyed(5)})).await;
    let scope = hub.id_scope();
    let good = registration_token(&hub, "reg-1", &key(1));
    let mut bodies = Vec::new();
    for (scope, id, password) in [
        (scope.as_str(), "reg-1", registration_token(&hub, "reg-1", &key(9))),
        (&scope, "reg-1", registration_token(&hub, "reg-2", &key(1))),
        // A device with an enrolment of its own cannot come through a group.
        (&scope, "reg-1", registration_token(&hub, "reg-1", &key(5).derived("reg-1"))),
        (&scope, "reg-2", registration_token(&hub, "reg-2", &key(1))),
        (&scope, "reg-1", String::new()),
        (&scope, "reg-1", "nonsense".to_owned()),
        ("0ne00000000", "reg-1", good.clone()),
    ] {
        let mut registrar = Registrar::connect(&hub, scope, id, &password, None).await.unwrap();
        let (status, mut answer) = registrar.register("").await;
        assert_eq!(status, 401, "{scope} {id} {password}");
        answer["trackingId"] = Value::Null;
        answer["timestampUtc"] = Value::Null;
        bodies.push(answer.to_string());
        // Nor does it learn of operations.
        assert_eq!(registrar.ask(Some("4.x"), " ").await.0, 401);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert!(owner.get("/registrations/reg-1").await.status == 404 && owner.get("/devices/reg-1").await.status == 404);
    let mut registrar = Registrar::connect(&hub, &scope, "reg-1", &good, None).await.unwrap();
    assert_eq!(registrar.ask(Some("4.x"), " ").await.0, 404);
    assert_eq!(registrar.register(r#"{"registrationId":"reg-2"}"#).await.0, 400);
    assert_eq!(registrar.register("nonsense").await.0, 400);
    assert_eq!(registrar.register("").await.0, 200);
    hub.stop().await;
}

#[tokio::test]
async fn certificates_prove_single_devices_and_groups() {
    let (hub, owner) = hub().await;
    let clock = Clock::system();
    let authority = client_authority("Plant", &clock).unwrap();
    let known = client_authority("Known", &clock).unwrap();
    let signed =
        |name: &str, by: &Leaf| issue_client(name, Signer::Authority(&by.chain_pem, &by.key_pem), &clock).unwrap();
    let own = issue_client("reg-1", Signer::Itself, &clock).unwrap();
    let single = json!({"type": "x509", "x509": {"clientCertificates": {"primary": {"certificate": own.chain_pem}}}});
    let made = enroll(&owner, "/enrollments/reg-1", json!({"attestation": single})).await;
    let info = &made["attestation"]["x509"]["clientCertificates"]["primary"]["info"];
    assert_eq!(info["sha256Thumbprint"], PeerCertificate::from_pem(&own.chain_pem).unwrap().sha256());
    let group =
        json!({"type": "x509", "x509": {"signingCertificates": {"primary": {"certificate": authority.chain_pem}}}});
    enroll(&owner, "/enrollmentGroups/plant", json!({"attestation": group})).await;
    enroll(&owner, "/certificates/known", json!({"properties": {"certificate": known.chain_pem}})).await;
    let by_name = json!({"type": "x509", "x509": {"caReferences": {"primary": "known"}}});
    enroll(&owner, "/enrollmentGroups/by-name", json!({"attestation": by_name})).await;
    for (id, leaf) in
        [("reg-1", own.clone()), ("sim-1", signed("sim-1", &authority)), ("sim-2", signed("sim-2", &known))]
    {
        let (status, answer) = register_with(&hub, id, &leaf).await;
        assert_eq!((status, &answer["status"]), (200, &json!("assigned")), "{answer}");
        let identity = id.parse().unwrap();
        let login = Device::connect_with(&hub, &identity, "", Some((&leaf.chain_pem, leaf.key_pem.expose()))).await;
        assert!(login.is_ok(), "{id}");
    }
    let other = issue_client("reg-1", Signer::Itself, &clock).unwrap();
    for (id, leaf) in [
        ("reg-1", other),
        ("reg-1", signed("reg-1", &authority)),
        ("sim-3", signed("sim-4", &authority)),
        ("sim-3", issue_client("sim-3", Signer::Itself, &clock).unwrap()),
    ] {
        assert_eq!(register_with(&hub, id, &leaf).await.0, 401, "{id}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_disabled_enrolment_and_an_unknown_hub_are_told_at_the_end() {
    let (hub, owner) = hub().await;
    enroll(&owner, "/enrollments/off", json!({"provisioningStatus": "disabled", "attestation": keyed(1)})).await;
    enroll(&owner, "/enrollments/lost", json!({"iotHubs": ["elsewhere.example"], "attestation": keyed(1)})).await;
    let (status, answer) = register(&hub, "off", &key(1), "").await;
    assert_eq!((status, &answer["status"]), (200, &json!("disabled")), "{answer}");
    let (status, answer) = register(&hub, "lost", &key(1), "").await;
    assert_eq!((status, &answer["status"]), (200, &json!("failed")));
    assert!(answer["registrationState"]["errorMessage"].as_str().unwrap().contains("elsewhere.example"), "{answer}");
    hub.stop().await;
}

#[tokio::test]
async fn a_device_moves_between_linked_hubs_with_its_twin_or_without() {
    let (first, _) = hub().await;
    let (second, service) = started(HubConfig { linked: vec![first.link()], ..HubConfig::embedded() }).await;
    let name = |hub: &RunningHub| format!("localhost:{}", hub.mqtt().port());
    let first_owner = Service::of(&first);
    let put = |hub: String, policy: Value| {
        let body = json!({"attestation": keyed(1), "iotHubs": [hub], "reprovisionPolicy": policy,
            "initialTwin": {"properties": {"desired": {"fresh": true}}}});
        let service = service.clone();
        async move { service.send("PUT", "/enrollments/d", &[], &body.to_string()).await }
    };
    assert_eq!(put(name(&first), json!({})).await.status, 200);
    let (_, answer) = register(&second, "d", &key(1), "").await;
    assert_eq!(answer["registrationState"]["assignedHub"], name(&first), "{answer}");
    assert_eq!(first_owner.get("/devices/d").await.status, 200);
    first_owner.send("PATCH", "/twins/d", &[], r#"{"tags":{"t":1}}"#).await;
    let moved = |hub: String, policy: Value| {
        let service = service.clone();
        let body = json!({"attestation": keyed(1), "iotHubs": [hub], "reprovisionPolicy": policy,
            "initialTwin": {"properties": {"desired": {"fresh": true}}}});
        async move { service.send("PUT", "/enrollments/d", &[("If-Match", "*")], &body.to_string()).await.status }
    };
    // Not allowed to move.
    assert_eq!(moved(name(&second), json!({"updateHubAssignment": false, "migrateDeviceData": true})).await, 200);
    let (_, answer) = register(&second, "d", &key(1), "").await;
    assert_eq!(answer["registrationState"]["assignedHub"], name(&first), "{answer}");
    // With its twin.
    assert_eq!(moved(name(&second), json!({"updateHubAssignment": true, "migrateDeviceData": true})).await, 200);
    let (_, answer) = register(&second, "d", &key(1), "").await;
    let state = &answer["registrationState"];
    assert_eq!((&state["assignedHub"], &state["substatus"]), (&json!(name(&second)), &json!("deviceDataMigrated")));
    assert_eq!(first_owner.get("/devices/d").await.status, 404);
    assert_eq!(service.get("/twins/d").await.json()["tags"]["t"], 1);
    // And without.
    assert_eq!(moved(name(&first), json!({"updateHubAssignment": true, "migrateDeviceData": false})).await, 200);
    let (_, answer) = register(&second, "d", &key(1), "").await;
    assert_eq!(answer["registrationState"]["substatus"], "deviceDataReset", "{answer}");
    let twin = first_owner.get("/twins/d").await.json();
    assert_eq!((&twin["tags"]["t"], &twin["properties"]["desired"]["fresh"]), (&Value::Null, &json!(true)));
    second.stop().await;
    first.stop().await;
}

#[tokio::test]
async fn a_group_spreads_its_devices_over_the_linked_hubs() {
    let (first, _) = hub().await;
    let (second, service) = started(HubConfig { linked: vec![first.link()], ..HubConfig::embedded() }).await;
    enroll(&service, "/enrollmentGroups/g", json!({"attestation": keyed(5), "allocationPolicy": "hashed"})).await;
    for number in 0..12 {
        let id = format!("sim-{number}");
        let (_, answer) = register(&second, &id, &key(5).derived(&id), "").await;
        let again = register(&second, &id, &key(5).derived(&id), "").await.1;
        assert_eq!(answer["registrationState"]["assignedHub"], again["registrationState"]["assignedHub"]);
    }
    let count = |owner: Service| async move { owner.get("/devices").await.json().as_array().unwrap().len() };
    let counts = (count(Service::of(&first)).await, count(service).await);
    assert!(counts.0 > 0 && counts.1 > 0 && counts.0 + counts.1 == 12, "{counts:?}");
    second.stop().await;
    first.stop().await;
}

#[tokio::test]
async fn enrolments_are_kept_hidden_and_guarded_by_their_version() {
    let folder = tempfile::tempdir().unwrap();
    let config = || HubConfig { data: Data::Folder(folder.path().to_owned()), ..HubConfig::embedded() };
    let (hub, owner) = started(config()).await;
    let scope = hub.id_scope();
    assert!(scope.starts_with("0ne") && scope.len() == 11, "{scope}");
    let made = enroll(&owner, "/enrollments/reg-1", json!({"attestation": {"type": "symmetricKey"}})).await;
    let first_key = made["attestation"]["symmetricKey"]["primaryKey"].as_str().unwrap().to_owned();
    assert_eq!(first_key.len(), 44, "made by the service");
    let shown = owner.get("/enrollments/reg-1").await.json();
    assert_eq!(shown["attestation"], json!({"type": "symmetricKey"}));
    let again = owner.send("PUT", "/enrollments/reg-1", &[], &shown.to_string()).await;
    assert_eq!((again.status, &again.json()["errorCode"]), (409, &json!(409_201)));
    for (etag, status) in [("\"bm8=\"", 412), (shown["etag"].as_str().unwrap(), 200)] {
        let answer = owner.send("PUT", "/enrollments/reg-1", &[("If-Match", etag)], &shown.to_string()).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    let attestation = owner.send("POST", "/enrollments/reg-1/attestationmechanism", &[], "").await.json();
    assert_eq!(attestation["symmetricKey"]["primaryKey"], first_key, "kept by an update without keys");
    register(&hub, "reg-1", &first_key.parse().unwrap(), "").await;
    hub.stop().await;
    let (hub, owner) = started(config()).await;
    assert_eq!(hub.id_scope(), scope);
    assert_eq!(owner.get("/registrations/reg-1").await.json()["status"], "assigned");
    assert_eq!(register(&hub, "reg-1", &first_key.parse().unwrap(), "").await.0, 200);
    let bulk = json!({"mode": "create", "enrollments": [{"registrationId": "b-1", "attestation": keyed(1)},
        {"registrationId": "reg-1", "attestation": keyed(1)}]});
    let answer = owner.send("POST", "/enrollments", &[], &bulk.to_string()).await.json();
    assert_eq!((&answer["isSuccessful"], &answer["errors"][0]["registrationId"]), (&json!(false), &json!("reg-1")));
    let size = [("x-ms-max-item-count", "1")];
    let page = owner.send("POST", "/enrollments/query", &size, r#"{"query":"*"}"#).await;
    let next = page.header("x-ms-continuation").unwrap().to_owned();
    let rest = owner.send("POST", "/enrollments/query", &[("x-ms-continuation", &next)], r#"{"query":"*"}"#).await;
    let ids = [page.json()[0]["registrationId"].clone(), rest.json()[0]["registrationId"].clone()];
    assert_eq!(ids, [json!("b-1"), json!("reg-1")]);
    assert_eq!(owner.send("DELETE", "/enrollments/reg-1", &[], "").await.status, 204);
    assert_eq!(owner.send("DELETE", "/registrations/reg-1", &[], "").await.status, 204);
    assert_eq!(owner.get("/enrollments/reg-1").await.status, 404);
    assert_eq!(owner.with_token(None).get("/enrollments/b-1").await.status, 401);
    hub.stop().await;
}

#[tokio::test]
async fn what_cannot_be_enrolled_is_refused_with_the_reason() {
    let (hub, owner) = hub().await;
    let x509 = |part: &str, certificate: &str| json!({"attestation": {"type": "x509", "x509": {part: {"primary": {"certificate": certificate}}}}});
    let leaf = issue_client("d", Signer::Itself, &Clock::system()).unwrap();
    for (path, body) in [
        ("/enrollments/a%20b", json!({})),
        ("/enrollments/a.", json!({})),
        ("/enrollments/a", json!({"registrationId": "b"})),
        ("/enrollments/a", json!({"attestation": {"type": "tpm"}})),
        ("/enrollments/a", json!({"allocationPolicy": "custom"})),
        ("/enrollments/a", json!({"attestation": {"symmetricKey": {"primaryKey": "YQ=="}}})),
        ("/enrollments/a", json!({"attestation": {"type": "x509"}})),
        ("/enrollments/a", x509("clientCertificates", "nonsense")),
        ("/enrollments/a", x509("signingCertificates", &leaf.chain_pem)),
        ("/enrollmentGroups/a", x509("clientCertificates", &leaf.chain_pem)),
        ("/enrollmentGroups/a", json!({"deviceId": "d"})),
    ] {
        assert_eq!(owner.send("PUT", path, &[], &body.to_string()).await.status, 400, "{path} {body}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_device_registers_over_https_too() {
    let (hub, owner) = hub().await;
    enroll(&owner, "/enrollments/reg-1", json!({"attestation": keyed(1)})).await;
    let path = format!("/{}/registrations/reg-1", hub.id_scope());
    let device = owner.with_token(Some(&registration_token(&hub, "reg-1", &key(1))));
    assert_eq!(device.send("POST", &path, &[], "").await.status, 404);
    let answer = device.send("PUT", &format!("{path}/register"), &[], r#"{"registrationId":"reg-1"}"#).await;
    assert_eq!((answer.status, answer.header("retry-after")), (202, Some("1")));
    let operation = answer.json()["operationId"].as_str().unwrap().to_owned();
    let answer = device.get(&format!("{path}/operations/{operation}")).await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("assigned")));
    assert_eq!(device.send("POST", &path, &[], "").await.json()["deviceId"], "reg-1");
    for stranger in
        [owner.with_token(None), owner.clone(), owner.with_token(Some(&registration_token(&hub, "reg-1", &key(3))))]
    {
        for (method, path) in [
            ("PUT", format!("{path}/register")),
            ("GET", format!("{path}/operations/{operation}")),
            ("POST", path.clone()),
        ] {
            let answer = stranger.send(method, &path, &[], if method == "PUT" { "{}" } else { "" }).await;
            assert_eq!((answer.status, &answer.json()["errorCode"]), (401, &json!(401_002)), "{method} {path}");
        }
    }
    hub.stop().await;
}

#[tokio::test]
async fn who_does_anything_else_on_a_registering_connection_is_dropped() {
    let (hub, owner) = hub().await;
    enroll(&owner, "/enrollments/reg-1", json!({"attestation": keyed(1)})).await;
    let (scope, token) = (hub.id_scope(), registration_token(&hub, "reg-1", &key(1)));
    for topic in
        ["devices/reg-1/messages/events/", "$iothub/twin/GET/?$rid=1", "$dps/registrations/PUT/iotdps-register/"]
    {
        let mut registrar = Registrar::connect(&hub, &scope, "reg-1", &token, None).await.unwrap();
        registrar.say(&Packet::Publish(Publish::new(topic, QoS::AtMostOnce, "{}"))).await;
        assert!(registrar.hear().await.is_none(), "{topic}");
    }
    // A user name that is somebody else's, or nobody's.
    let refused = Registrar::connect(&hub, "", "reg-1", &token, None).await.err();
    assert_eq!(refused, Some(ConnectReturnCode::NotAuthorized));
    // Open ones do not hold up the stop.
    let _open = Registrar::connect(&hub, &scope, "reg-1", &token, None).await.unwrap();
    tokio::time::timeout(std::time::Duration::from_secs(30), hub.stop()).await.expect("a stop within seconds");
}
