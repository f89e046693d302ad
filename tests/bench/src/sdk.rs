//! The official Python pair on the same hub: calls a second one at a time, and a device's memory. Informative; no ratio.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::error::{Result, other};
use crate::report::{Figure, Series};
use crate::subject::LocalHub;

/// Device and service in two processes; prints one JSON object.
const PROGRAM: &str = include_str!("sdk_pair.py");

/// Runs the pair `repeats` times. The interpreter must have azure-iot-device, azure-iot-hub and six.
pub(crate) async fn python_pair(iotplay: &Path, python: &Path, repeats: usize) -> Result<Vec<Figure>> {
    let address = "127.83.7.3";
    let hub = LocalHub::start_at(iotplay, address)?;
    let connection = hub.devices(&["python".to_owned()]).await?.remove(0);
    let device = connection.to_connection_string().expose().replace(&connection.host.to_string(), address);
    let program = hub.folder().join("pair.py");
    std::fs::write(&program, PROGRAM)?;
    let mut rate = Series::new("/s");
    let mut memory = Series::new("MiB");
    for _ in 0..repeats {
        let ca = &hub.ca;
        let output = Command::new(python)
            .arg(&program)
            .env("DEVICE", &device)
            .env("SERVICE", &hub.service)
            .env("SSL_CERT_FILE", ca)
            .env("REQUESTS_CA_BUNDLE", ca)
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let answer: Value = said
            .lines()
            .last()
            .and_then(|line| serde_json::from_str(line).ok())
            .ok_or_else(|| other(format!("the pair said: {said} {}", String::from_utf8_lossy(&output.stderr))))?;
        rate.push(answer["calls_per_second"].as_f64().unwrap_or(f64::NAN));
        memory.push(answer["device_mib"].as_f64().unwrap_or(f64::NAN));
    }
    Ok(vec![
        Figure::new("SDKr", "official Python pair, methods a second, one at a time", rate, None),
        Figure::new("SDKm", "official Python device, resident", memory, None),
    ])
}
