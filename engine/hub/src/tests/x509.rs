//! Devices that log in with certificates: by thumbprint and by authority, over both ports; and everything that must not pass.

use std::time::{Duration, UNIX_EPOCH};

use base::Clock;
use net::mqtt::ConnectReturnCode;
use net::tls::{Leaf, PeerCertificate, Signer, client_authority, issue_client};
use serde_json::json;
use wire::Identity;

use super::stage::{Device, Service, hub, started};
use crate::{Data, HubConfig, RunningHub};

const NO: Option<ConnectReturnCode> = Some(ConnectReturnCode::NotAuthorized);

fn itself(name: &str) -> Leaf {
    issue_client(name, Signer::Itself, &Clock::system()).unwrap()
}

fn signed(name: &str, authority: &Leaf) -> Leaf {
    issue_client(name, Signer::Authority(&authority.chain_pem, &authority.key_pem), &Clock::system()).unwrap()
}

fn prints(leaf: &Leaf) -> PeerCertificate {
    PeerCertificate::from_pem(&leaf.chain_pem).unwrap()
}

async fn register(owner: &Service, device: &str, authentication: serde_json::Value) {
    let body = json!({"deviceId": device, "authentication": authentication}).to_string();
    let answer = owner.send("PUT", &format!("/devices/{device}"), &[], &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn enter(owner: &Service, name: &str, certificate: &str) -> u16 {
    let body = json!({"properties": {"certificate": certificate}}).to_string();
    owner.send("PUT", &format!("/certificates/{name}"), &[], &body).await.status
}

async fn login(hub: &RunningHub, id: &str, password: &str, leaf: &Leaf) -> Result<(), Option<ConnectReturnCode>> {
    let identity: Identity = id.parse().unwrap();
    Device::connect_with(hub, &identity, password, Some((&leaf.chain_pem, leaf.key_pem.expose()))).await.map(drop)
}

#[tokio::test]
async fn a_thumbprint_of_either_kind_lets_its_certificate_in_and_no_other() {
    let (hub, owner) = hub().await;
    let (first, second, other) = (itself("whoever"), itself("d"), itself("d"));
    let authentication = json!({"type": "selfSigned", "x509Thumbprint": {
        "primaryThumbprint": prints(&first).sha1(), "secondaryThumbprint": prints(&second).sha256().to_lowercase()}});
    register(&owner, "d", authentication.clone()).await;
    assert_eq!(login(&hub, "d", "", &first).await, Ok(()));
    assert_eq!(login(&hub, "d", "", &second).await, Ok(()));
    assert_eq!(login(&hub, "d", "", &other).await, Err(NO));
    assert_eq!(login(&hub, "e", "", &first).await, Err(NO));
    // With neither, with a password instead, and with a password that counts before the certificate.
    let identity: Identity = "d".parse().unwrap();
    assert_eq!(Device::connect_with(&hub, &identity, "", None).await.err(), Some(NO));
    assert_eq!(login(&hub, "d", "SharedAccessSignature sr=a&sig=b&se=9", &first).await, Err(NO));
    // Disabled.
    let body = json!({"deviceId": "d", "status": "disabled", "authentication": authentication}).to_string();
    assert_eq!(owner.send("PUT", "/devices/d", &[("If-Match", "*")], &body).await.status, 200);
    assert_eq!(login(&hub, "d", "", &first).await, Err(NO));
    hub.stop().await;
}

#[tokio::test]
async fn a_certificate_out_of_its_time_is_no_proof() {
    let (hub, owner) = hub().await;
    let (past, _) = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_500_000_000));
    let (future, _) = Clock::manual(UNIX_EPOCH + Duration::from_secs(4_000_000_000));
    for (id, clock) in [("past", past), ("future", future)] {
        let leaf = issue_client(id, Signer::Itself, &clock).unwrap();
        let print = prints(&leaf).sha256();
        register(&owner, id, json!({"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": print}})).await;
        assert_eq!(login(&hub, id, "", &leaf).await, Err(NO), "{id}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn keys_and_certificates_do_not_stand_in_for_one_another() {
    let (hub, owner) = hub().await;
    register(&owner, "sas", json!({"type": "sas"})).await;
    assert_eq!(login(&hub, "sas", "", &itself("sas")).await, Err(NO));
    // A certificate beside a good password is not looked at.
    let identity: Identity = "sas".parse().unwrap();
    let token = Device::token(&hub, &identity);
    assert_eq!(login(&hub, "sas", &token, &itself("whoever")).await, Ok(()));
    assert!(Device::connect(&hub, "sas").await.is_ok());
    hub.stop().await;
}

#[tokio::test]
async fn an_authority_vouches_for_the_names_it_signed() {
    let folder = tempfile::tempdir().unwrap();
    let config = || HubConfig { data: Data::Folder(folder.path().to_owned()), ..HubConfig::embedded() };
    let (hub, owner) = started(config()).await;
    register(&owner, "d", json!({"type": "certificateAuthority"})).await;
    let (authority, stranger) = (client_authority("Plant 7", &Clock::system()).unwrap(), itself("d"));
    let unknown = client_authority("Plant 7", &Clock::system()).unwrap();
    let leaf = signed("d", &authority);
    assert_eq!(login(&hub, "d", "", &leaf).await, Err(NO), "no authority is known yet");
    assert_eq!(enter(&owner, "plant-7", &authority.chain_pem).await, 200);
    for (leaf, result) in
        [(&leaf, Ok(())), (&signed("e", &authority), Err(NO)), (&signed("d", &unknown), Err(NO)), (&stranger, Err(NO))]
    {
        assert_eq!(login(&hub, "d", "", leaf).await, result);
    }
    let shown = owner.get("/certificates/plant-7").await.json();
    assert_eq!((&shown["name"], &shown["properties"]["isVerified"]), (&json!("plant-7"), &json!(true)));
    assert_eq!(shown["properties"]["subject"], "CN=Plant 7");
    assert_eq!(shown["properties"]["thumbprint"], prints(&authority).sha256());
    assert_eq!(owner.get("/certificates").await.json()["value"].as_array().unwrap().len(), 1);
    // It outlives the hub, until it is removed.
    hub.stop().await;
    let (hub, owner) = started(config()).await;
    assert_eq!(login(&hub, "d", "", &leaf).await, Ok(()));
    assert_eq!(owner.send("DELETE", "/certificates/plant-7", &[], "").await.status, 204);
    assert_eq!(login(&hub, "d", "", &leaf).await, Err(NO));
    assert_eq!(owner.send("DELETE", "/certificates/plant-7", &[], "").await.status, 404);
    hub.stop().await;
}

#[tokio::test]
async fn what_is_no_authority_is_refused_with_the_reason() {
    let (hub, owner) = hub().await;
    let authority = client_authority("Plant", &Clock::system()).unwrap();
    let der: String = authority.chain_pem.lines().filter(|line| !line.starts_with("-----")).collect();
    assert_eq!(enter(&owner, "as-der", &der).await, 200);
    assert_eq!(owner.get("/certificates/as-der").await.json()["properties"]["thumbprint"], prints(&authority).sha256());
    let long = "x".repeat(70);
    for (name, certificate) in [
        ("a", "nonsense!"),
        ("a", "bm9uc2Vuc2U="),
        ("a", itself("d").chain_pem.as_str()),
        ("a", "-----BEGIN CERTIFICATE-----\nnonsense\n"),
        ("a%20b", authority.chain_pem.as_str()),
        (long.as_str(), authority.chain_pem.as_str()),
    ] {
        assert_eq!(enter(&owner, name, certificate).await, 400, "{name} {certificate}");
    }
    for number in 1..25 {
        assert_eq!(enter(&owner, &format!("c{number}"), &authority.chain_pem).await, 200);
    }
    assert_eq!(enter(&owner, "one-more", &authority.chain_pem).await, 400);
    assert_eq!(enter(&owner, "c1", &authority.chain_pem).await, 200, "replacing takes no place");
    assert_eq!(owner.with_token(None).get("/certificates").await.status, 401);
    hub.stop().await;
}
