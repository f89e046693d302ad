//! No key comes out of the binary, whatever goes wrong; only `devices add` and `hub env` print one, which is what they are for.

use stage::{HubOptions, LocalHub};

use crate::stage_set::{empty, key, with_wrong_key};

#[test]
fn no_output_holds_a_key() {
    let set = empty();
    let mut hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let service = hub.service();
    let device = hub.device("press-7");
    let secrets = [key(&service), key(&device)];
    let mut agent = set.iotplay.with("IOTHUB_DEVICE_CONNECTION_STRING", &device).start(&["--log", "trace", "agent"]);
    agent.line("connected");
    let wrong = with_wrong_key(&service);
    let cases: [&[&str]; 9] = [
        &["--log", "trace", "run", "reboot.yaml", "--sim-reboot", "100ms", "--output", "ndjson"],
        &["--log", "trace", "invoke", "press-7", "nothing"],
        &["--log", "trace", "twin", "get", "press-7"],
        &["--log", "trace", "devices", "list"],
        &["--log", "trace", "devices", "show", "press-7"],
        &["--hub", &service, "devices", "lst"],
        &["--hub", &format!("{service};Bogus=1"), "devices", "list"],
        &["--hub", &wrong, "devices", "list"],
        &["--hub", &device, "devices", "list"],
    ];
    for case in cases {
        let ended = set.iotplay.run(case);
        for secret in secrets.iter().chain([&key(&wrong)]) {
            assert!(
                !ended.out.contains(secret) && !ended.err.contains(secret),
                "{case:?}\n{}\n{}",
                ended.out,
                ended.err
            );
        }
    }
    let ended = agent.signal("TERM");
    for secret in secrets {
        assert!(!ended.out.contains(secret) && !ended.err.contains(secret), "{}", ended.err);
        assert_eq!(hub.program().count(secret), 0);
    }
}
