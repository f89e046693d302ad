//! A hub by hand, for trying SDKs against it: `cargo run -p iotplay-hub --example hub -- [ADDRESS [MQTT-PORT HTTPS-PORT [FOLDER]]]`.
//! Prints the owner's connection string and the CA's file, then every event, until Ctrl-C. The product's own is `iotplay hub`.

use std::path::PathBuf;

use iotplay_hub::{Data, Hub, HubConfig, HubLog};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = std::env::temp_dir().join(format!("iotplay-hub-{}", std::process::id()));
    let mut config = HubConfig::new(Data::Memory);
    if let Some(address) = arguments.next() {
        config.bind = address.parse()?;
    }
    if let (Some(mqtt), Some(https)) = (arguments.next(), arguments.next()) {
        (config.mqtt_port, config.https_port) = (mqtt.parse()?, https.parse()?);
    }
    config.data = Data::Folder(arguments.next().map_or(folder, PathBuf::from));
    config.log = HubLog::new(|event| eprintln!("{event:?}"));
    let hub = Hub::start(config).await?;
    println!("{}", hub.service_connection().to_connection_string().expose());
    println!("{}", hub.ca_file().unwrap_or("".as_ref()).display());
    tokio::signal::ctrl_c().await?;
    hub.stop().await;
    Ok(())
}
