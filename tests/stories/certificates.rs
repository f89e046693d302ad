//! Devices with certificates instead of keys: made with our commands, used by our agent and by both official SDKs, over both
//! ports; and turned away when the certificate is another's.

use std::path::Path;
use std::time::Duration;

use stage::{LocalHub, Sdk};

use crate::stage_set::{Set, empty};

const PATIENCE: Duration = Duration::from_secs(60);

/// The words that must lead to success, and what they print.
fn good(set: &Set, words: &[&str]) -> String {
    let ended = set.iotplay.run(words);
    assert_eq!(ended.code, Some(0), "{words:?}: {}", ended.err);
    ended.out
}

/// `self-1` with a certificate of its own, `signed-1` with one of an authority that the hub believes, `wrong-1` with another's.
fn three_devices(set: &Set) {
    let thumbprint = good(set, &["hub", "cert", "self-1"]);
    assert_eq!(thumbprint.len(), 64, "{thumbprint}");
    let added = good(set, &["devices", "add", "self-1", "--cert", "self-1.pem"]);
    assert!(added.ends_with(";DeviceId=self-1;x509=true"), "{added}");
    good(set, &["hub", "ca", "new", "plant"]);
    good(set, &["hub", "ca", "add", "plant.pem"]);
    assert!(good(set, &["hub", "ca", "list"]).contains("CN=plant"));
    good(set, &["hub", "cert", "signed-1", "--sign-cert", "plant.pem", "--sign-key", "plant-key.pem"]);
    good(set, &["devices", "add", "signed-1", "--ca-signed"]);
    good(set, &["hub", "cert", "wrong-1"]);
    good(set, &["devices", "add", "wrong-1", "--cert", "self-1.pem"]);
}

fn device_of(sdk: &Sdk, set: &Set, hub: &LocalHub, file: &str, id: &str, websocket: bool) -> stage::Program {
    let path = |name: String| set.iotplay.folder().join(name).display().to_string();
    let (certificate, key) = (path(format!("{id}.pem")), path(format!("{id}-key.pem")));
    let host = hub.endpoint().mqtt.ip().to_string();
    let mut variables = vec![("HOST", host.as_str()), ("DEVICE_ID", id), ("CERT", &certificate), ("KEY", &key)];
    if websocket {
        variables.push(("WEBSOCKET", "1"));
    }
    sdk.program(file, hub.ca(), &variables)
}

fn an_sdk_logs_in(sdk: fn(&Path) -> Option<Sdk>, file: &str) {
    let set = empty();
    let Some(sdk) = sdk(set.iotplay.binary()) else { return };
    let Some(hub) = LocalHub::for_sdks(&set.iotplay) else { return };
    three_devices(&set);
    let by_443 = hub.endpoint().https.port() == 443;
    for (id, websocket) in [("self-1", false), ("signed-1", false), ("self-1", true)] {
        if websocket && !by_443 {
            continue;
        }
        let mut device = device_of(&sdk, &set, &hub, file, id, websocket);
        device.line("connected");
        let answer = good(&set, &["invoke", id, "hello", "\"you\"", "--connect-timeout", "30s"]);
        assert!(answer.contains("heard"), "{answer}");
        device.line("done");
    }
    let wrong = device_of(&sdk, &set, &hub, file, "wrong-1", false).end(PATIENCE);
    assert_eq!(wrong.code, Some(3), "{} {}", wrong.out, wrong.err);
    assert!(wrong.out.contains("CredentialError") || wrong.out.contains("UnauthorizedError"), "{}", wrong.out);
}

#[test]
fn a_python_device_logs_in_with_its_certificate() {
    an_sdk_logs_in(stage::python, "certified.py");
}

#[test]
fn a_node_device_logs_in_with_its_certificate() {
    an_sdk_logs_in(stage::node, "certified.js");
}

#[test]
fn our_agent_logs_in_with_its_certificate_until_its_authority_is_believed_no_more() {
    let set = empty();
    let mut hub = LocalHub::start(&set.iotplay, stage::HubOptions::FreePorts);
    three_devices(&set);
    let agent = |id: &str| {
        let host = hub.endpoint().mqtt.port();
        let connection = format!("HostName=localhost:{host};DeviceId={id};x509=true");
        let (certificate, key) = (format!("{id}.pem"), format!("{id}-key.pem"));
        set.iotplay.start(&[
            "agent",
            "--device-connection",
            &connection,
            "--cert-file",
            &certificate,
            "--key-file",
            &key,
            "--sim-reboot",
            "200ms",
        ])
    };
    for id in ["self-1", "signed-1"] {
        let mut running = agent(id);
        running.line("connected");
        good(&set, &["invoke", id, "rebootDevice", "{}"]);
        assert_eq!(running.signal("TERM").code, Some(0));
    }
    good(&set, &["hub", "ca", "remove", "plant"]);
    let (mut without_authority, mut with_anothers) = (agent("signed-1"), agent("wrong-1"));
    without_authority.line("refused");
    with_anothers.line("is wrong-1 registered for this certificate");
    hub.program().line("no certificate authority");
    hub.program().line("has neither of its thumbprints");
    // Nothing is overwritten.
    assert_eq!(set.iotplay.run(&["hub", "cert", "self-1"]).code, Some(2));
}
