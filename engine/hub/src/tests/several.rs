//! Several hubs in one process: each with its own name, address, CA, keys and devices.

use super::stage::{Device, Service, started};
use crate::{Data, HubConfig, RunningHub};

async fn named(name: &str, bind: &str, folder: &std::path::Path) -> (RunningHub, Service) {
    let names = vec![format!("{name}.azure-devices.net")];
    let data = Data::Folder(folder.join(name));
    started(HubConfig { names, bind: bind.parse().unwrap(), data, ..HubConfig::embedded() }).await
}

#[tokio::test]
async fn two_named_hubs_know_nothing_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (north, at_north) = named("north", "127.0.0.1", folder.path()).await;
    let (south, at_south) = named("south", "127.0.0.2", folder.path()).await;
    assert_ne!(north.ca_pem(), south.ca_pem());
    assert_eq!(south.https().ip().to_string(), "127.0.0.2");
    at_north.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    assert_eq!(at_south.get("/devices/d").await.status, 404);
    assert!(Device::connect(&north, "d").await.is_ok());
    // Each has its own keys, and answers to its own name only.
    let (key, policy) = (north.service_connection().key, north.service_connection().policy);
    assert_eq!(at_south.signed("localhost", &key, &policy).get("/devices").await.status, 401);
    assert_eq!(at_north.signed("north.azure-devices.net", &key, &policy).get("/devices").await.status, 200);
    assert_eq!(at_north.signed("south.azure-devices.net", &key, &policy).get("/devices").await.status, 401);
    // One ends, the other stays.
    north.stop().await;
    assert_eq!(at_south.get("/devices").await.status, 200);
    south.stop().await;
}
