//! The official Node SDKs, device and service, against the local hub. Their service client speaks to port 443 only, so the hub
//! has an address of its own; where that is not allowed, a word to `https.request` leads it to any port.

use stage::{HubOptions, LocalHub};

use crate::sdk_pair::{self, Language, PATIENCE};
use crate::stage_set::empty;

const NODE: Language = Language {
    sdk: stage::node,
    ending: "js",
    reboot: "2",
    from_service: "method_number",
    from_playbook: r#"{"method_number":"42"}"#,
    from_job: r#"{"why":"job"}"#,
    of_registry: &["patched c 3 2", "merged {\"b\":2}", "groups disabled 1,enabled 3"],
    of_jobs: &["all wrong,later,calls,twins", "some twins", "again DeviceAlreadyExistsError", "unknown Error"],
};

sdk_pair::stories!(NODE);

#[test]
fn their_service_reaches_a_hub_on_any_port_with_a_word_to_https() {
    let set = empty();
    let Some(node) = stage::node(set.iotplay.binary()) else { return };
    let hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent", "--sim-reboot", "200ms"]);
    agent.line("connected");
    let variables = [("SERVICE", hub.service()), ("DEVICE_ID", "sim-1".to_owned())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let service = node.program("service.js", hub.ca(), &variables).end(PATIENCE);
    assert_eq!(service.code, Some(0), "{} {}", service.out, service.err);
    assert!(service.out.contains("reply 200"), "{}", service.out);
}
