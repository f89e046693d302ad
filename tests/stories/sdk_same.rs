//! Our agent against devices of the official SDKs: back ends of the official service SDKs drive all three through the same scenarios,
//! and what they see is what the table of docs/connection.md says.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stage::{Ended, LocalHub, Program, Sdk, eventually};

use crate::sdk_pair::PATIENCE;
use crate::stage_set::{Set, empty};

const DOCUMENT: &str = include_str!("../../docs/connection.md");

/// The table's heading; its columns are those of [`DEVICES`].
const HEADING: &str = "| scenario | Python SDK | Node SDK | agent | why |";

/// The device of the Python SDK, the one of the Node SDK, the agent.
const DEVICES: [&str; 3] = ["mirror-py", "mirror-js", "sim-1"];

/// What was seen of one device, by scenario.
type Seen = BTreeMap<String, String>;

/// A row of the document.
struct Row {
    cells: [String; 3],
    why: String,
}

fn table() -> BTreeMap<String, Row> {
    let rows = DOCUMENT.split_once(HEADING).expect("the table is there").1.trim_start().lines().skip(1);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let cells =
        |line: &str| -> Vec<String> { line.trim_matches('|').split('|').map(|it| it.trim().to_owned()).collect() };
    rows.map(|line| {
        let cells = cells(line);
        let [scenario, python, node, agent, why] = cells.as_slice() else { panic!("five cells: {line}") };
        let text = |cell: &str| if cell == "=" { python.clone() } else { cell.to_owned() };
        let seen = [python.as_str(), node, agent].map(|cell| text(cell).trim_matches('`').to_owned());
        (scenario.clone(), Row { cells: seen, why: why.clone() })
    })
    .collect()
}

/// The rows as they would have to stand in the document, for whoever has to mend it.
fn shown(seen: &[Seen; 3]) -> String {
    let rows = seen[0].keys().map(|scenario| {
        let cell = |at: usize| match seen[at].get(scenario) {
            Some(it) if at > 0 && Some(it) == seen[0].get(scenario) => "=".to_owned(),
            it => format!("`{}`", it.map_or("nothing", String::as_str)),
        };
        format!("| {scenario} | {} | {} | {} | |", cell(0), cell(1), cell(2))
    });
    rows.collect::<Vec<_>>().join("\n")
}

fn agrees(seen: &[Seen; 3]) {
    let table = table();
    for (scenario, row) in &table {
        for (at, device) in DEVICES.iter().enumerate() {
            let found = seen[at].get(scenario).map(String::as_str);
            assert_eq!(found, Some(row.cells[at].as_str()), "{scenario}, {device}; seen:\n{}", shown(seen));
        }
        let different = row.cells.iter().any(|cell| *cell != row.cells[0]);
        assert_eq!(different, !row.why.is_empty(), "{scenario}: a difference has a reason, and only a difference");
    }
    for of_one in seen {
        let missing: Vec<_> = of_one.keys().filter(|scenario| !table.contains_key(*scenario)).collect();
        assert!(missing.is_empty(), "not in docs/connection.md: {missing:?}\n{}", shown(seen));
    }
}

/// A hub, and the three devices on line.
struct Scene {
    set: Set,
    hub: LocalHub,
    python: Sdk,
    node: Sdk,
    devices: Vec<Program>,
}

fn scene() -> Option<Scene> {
    let set = empty().file("scripts/mirror.rhai", include_str!("sdk/mirror.rhai"));
    // Callers see what failed, not where: a place in a script would be in the table.
    let set = set.file("iotplay.yaml", "agent: { errors: terse }\n");
    let python = stage::python(set.iotplay.binary())?;
    let node = stage::node(set.iotplay.binary())?;
    let hub = LocalHub::for_sdks(&set.iotplay)?;
    for device in DEVICES {
        hub.device(&format!("{device}-away"));
    }
    let [of_python, of_node] = ["mirror-py", "mirror-js"].map(|id| hub.device(id));
    let mut devices = vec![
        python.program("mirror.py", hub.ca(), &[("DEVICE", &of_python)]),
        node.program("mirror.js", hub.ca(), &[("DEVICE", &of_node)]),
        set.iotplay.start(&["agent"]),
    ];
    devices.iter_mut().zip(["listening", "listening", "connected"]).for_each(|(device, word)| drop(device.line(word)));
    Some(Scene { set, hub, python, node, devices })
}

impl Scene {
    /// The scenarios that a service SDK plays by itself, with the three devices at once.
    fn driven(&self, sdk: &Sdk, program: &str) -> [Seen; 3] {
        let started = DEVICES.map(|device| {
            let (away, nobody) = (format!("{device}-away"), format!("{device}-nobody"));
            let service = self.hub.service();
            let variables = [("SERVICE", &*service), ("DEVICE_ID", device), ("AWAY", &away), ("NOBODY", &nobody)];
            sdk.program(program, self.hub.ca(), &variables)
        });
        started.map(|service| {
            let Ended { code, out, err } = service.end(PATIENCE * 3);
            assert_eq!(code, Some(0), "{out} {err}");
            out.lines().filter_map(|line| line.split_once(" | ")).map(|(at, it)| (at.into(), it.into())).collect()
        })
    }

    /// What the devices' `send` brought.
    fn message_of(&self, device: &str) -> String {
        let shown = self.set.iotplay.run(&["hub", "tail", "--output", "ndjson", "--device", device]);
        let last = shown.out.lines().last().unwrap_or_else(|| panic!("{device} has sent: {}", shown.err));
        let message: Value = serde_json::from_str(last).expect("a line is JSON");
        let system = |name: &str| message["systemProperties"][name].clone();
        let ids = json!([system("message-id"), system("correlation-id")]);
        let types = json!([system("content-type"), system("content-encoding")]);
        format!("{} {ids} {types} {}", message["body"], message["properties"])
    }

    fn twin(&self, device: &str) -> Value {
        let twin = self.set.iotplay.run(&["twin", "get", device]);
        serde_json::from_str(&twin.out).unwrap_or_else(|error| panic!("{error}: {}", twin.err))
    }

    fn send(&self, device: &str, text: &str, more: &[&str]) {
        let id = format!("{device}-{text}");
        let sent =
            self.set.iotplay.run(&[&["send", device, text, "--message-id", &id, "--ack", "full"], more].concat());
        assert_eq!(sent.code, Some(0), "{}", sent.err);
    }

    fn queue_is_empty(&self, device: &str) {
        let empty = || (self.twin(device)["cloudToDeviceMessageCount"] == 0).then_some(());
        eventually(PATIENCE, "no message is left", empty);
    }

    /// A message that is taken, one that is rejected, one that comes too late: as the device and the sender see them.
    fn messages(&mut self) -> [Seen; 3] {
        let mut seen = [(); 3].map(|()| Seen::new());
        let words = ["--content-type", "text/plain", "--content-encoding", "utf-8", "--correlation-id", "c+1"];
        for (device, seen) in DEVICES.iter().zip(&mut seen) {
            seen.insert("message to the cloud".into(), self.message_of(device));
            self.send(device, "hello", &[&words[..], &["--property", "line=B 2/é"]].concat());
            let got = eventually(PATIENCE, "the device has told of its message", || {
                let got = self.twin(device)["properties"]["reported"]["message"].clone();
                (!got.is_null()).then_some(got)
            });
            let parts = ["body", "correlation", "type", "encoding", "properties"].map(|part| got[part].to_string());
            assert_eq!(got["id"], format!("{device}-hello"));
            seen.insert("message from the cloud".into(), parts.join(" "));
            self.send(device, "unwanted", &[]);
        }
        DEVICES.iter().for_each(|device| self.queue_is_empty(device));
        self.devices.drain(..).for_each(Program::kill);
        for device in DEVICES {
            self.hub.program().line(&format!("{device}  disconnected"));
            self.send(device, "late", &["--ttl", "1s"]);
        }
        DEVICES.iter().for_each(|device| self.queue_is_empty(device));
        let told = self.feedback();
        for (device, seen) in DEVICES.iter().zip(&mut seen) {
            for (text, what) in [("hello", "taken"), ("unwanted", "rejected"), ("late", "expired")] {
                let start = format!("feedback {device}-{text} {device} ");
                let code = told.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or("none");
                seen.insert(format!("feedback, {what}"), code.to_owned());
            }
        }
        seen
    }

    /// Of nine messages. Node's service SDK reads feedback over AMQP only, which the hub does not have.
    fn feedback(&self) -> String {
        let variables = [("SERVICE", &*self.hub.service()), ("DEVICE_ID", "sim-1"), ("COUNT", "9")];
        let told = self.python.program("feedback.py", self.hub.ca(), &variables).end(PATIENCE);
        assert_eq!(told.code, Some(0), "{} {}", told.out, told.err);
        told.out
    }
}

fn all(of: fn(&Scene) -> (&Sdk, &'static str)) {
    let Some(mut scene) = scene() else { return };
    let (sdk, program) = of(&scene);
    let mut seen = scene.driven(sdk, program);
    for (all, more) in seen.iter_mut().zip(scene.messages()) {
        all.extend(more);
    }
    agrees(&seen);
}

#[test]
fn a_python_back_end_sees_of_our_agent_what_it_sees_of_their_devices() {
    all(|scene| (&scene.python, "same.py"));
}

#[test]
fn a_node_back_end_sees_of_our_agent_what_it_sees_of_their_devices() {
    all(|scene| (&scene.node, "same.js"));
}
