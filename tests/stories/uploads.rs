//! Files that devices upload: with both official SDKs unchanged, by key and by certificate; with our own agent; fetched by people;
//! and through a hub that is killed meanwhile.

use std::path::Path;
use std::time::Duration;

use base::Seed;
use rand::Rng;
use serde_json::Value;
use stage::{HubOptions, LocalHub, Sdk, eventually};

use crate::stage_set::{Set, empty};

const PATIENCE: Duration = Duration::from_secs(90);
/// Larger than one block of any client here.
const LARGE: usize = 9_000_000;
/// Files of the killed hub, and how often it is.
const FILES: usize = 12;
const KILLS: usize = 4;

fn good(set: &Set, words: &[&str]) -> String {
    let ended = set.iotplay.run(words);
    assert_eq!(ended.code, Some(0), "{words:?}: {}", ended.err);
    ended.out
}

/// A hub on port 443, which the SDKs' HTTPS side has built in.
fn on_443(set: &Set) -> Option<LocalHub> {
    let hub = LocalHub::for_sdks(&set.iotplay)?;
    if hub.endpoint().https.port() != 443 {
        assert!(std::env::var_os("CI").is_none(), "port 443 cannot be listened on");
        eprintln!("SKIPPED: port 443 cannot be listened on");
        return None;
    }
    Some(hub)
}

fn sdk_uploads(sdk: fn(&Path) -> Option<Sdk>, program: &str, by_certificate: bool, says: &[&str]) {
    let set = empty();
    let Some(sdk) = sdk(set.iotplay.binary()) else { return };
    let Some(hub) = on_443(&set) else { return };
    let large = LARGE.to_string();
    let host = hub.endpoint().https.ip().to_string();
    let path = |name: &str| set.path().join(name).display().to_string();
    let (certificate, key) = (path("press-1.pem"), path("press-1-key.pem"));
    let mut variables = vec![("LARGE", large.as_str())];
    let connection = if by_certificate {
        good(&set, &["hub", "cert", "press-1"]);
        variables.extend([("HOST", host.as_str()), ("DEVICE_ID", "press-1"), ("CERT", &certificate), ("KEY", &key)]);
        good(&set, &["devices", "add", "press-1", "--cert", "press-1.pem"])
    } else {
        hub.device("press-1")
    };
    if !by_certificate || program.ends_with(".js") {
        variables.push(("DEVICE", &connection));
    }
    let ended = sdk.program(program, hub.ca(), &variables).end(PATIENCE);
    assert_eq!(ended.code, Some(0), "{} {}", ended.out, ended.err);
    for line in says {
        assert!(ended.out.contains(line), "{line}: {}", ended.out);
    }
    // What a person finds is what the program sent.
    good(&set, &["hub", "uploads", "--get", "press-1/picture.bin", "-o", "picture.bin"]);
    let picture = std::fs::read(set.path().join("picture.bin")).expect("the SDK's picture is there");
    assert_eq!(picture.len(), LARGE);
    let listed = good(&set, &["hub", "uploads", "--device", "press-1", "--output", "ndjson"]);
    let ends: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let statuses: Vec<&str> = ends.iter().map(|end| end["status"].as_str().expect("each has a status")).collect();
    assert_eq!(statuses, ["completed", "completed", "failed"], "{listed}");
    assert_eq!(
        (&ends[1]["blobSizeInBytes"], &ends[2]["statusDescription"]),
        (&LARGE.into(), &"the camera is broken".into())
    );
}

const PYTHON: &[&str] = &[
    "sent press-1/logs/today's log.txt 9 True",
    "again 409 BlobAlreadyExists",
    "back 9000000 True",
    "too late",
    "done",
];
const NODE: &[&str] = &["sent press-1/logs/today.txt 9", "seen 9 BlockBlob B", "sent picture.bin 9000000", "done"];

#[test]
fn a_python_device_uploads_files() {
    sdk_uploads(stage::python, "upload.py", false, PYTHON);
}

#[test]
fn a_python_device_with_a_certificate_uploads_files() {
    sdk_uploads(stage::python, "upload.py", true, PYTHON);
}

#[test]
fn a_node_device_uploads_files() {
    sdk_uploads(stage::node, "upload.js", false, NODE);
}

#[test]
fn a_node_device_with_a_certificate_uploads_files() {
    sdk_uploads(stage::node, "upload.js", true, NODE);
}

const HANDLERS: &str = r#"
on_method("upload", |device, request| device.upload(request.param("as", "a.bin"), request.param("file", "")));
on_method("bytes", |device, request| device.upload("note.txt", "hello".to_blob()));
on_method("fill", |device, request| {
    for number in 0..request.param("files", 1) {
        loop {
            try {
                device.upload(`f-${number}`, request.param("file", ""));
                break;
            } catch (error) { print(`again: ${error}`); sleep(1); }
        }
        print(`uploaded f-${number}`);
    }
});
"#;

/// A folder whose agent may upload `big.bin` and nothing else; the file's path and content.
fn with_big_file(bytes: usize) -> (Set, String, Vec<u8>) {
    let mut rng = Seed(7).rng();
    let content: Vec<u8> = (0..bytes).map(|_| rng.random()).collect();
    let set = empty();
    let path = set.path().canonicalize().expect("the folder is there").join("big.bin").display().to_string();
    std::fs::write(&path, &content).expect("the file is written");
    let settings = format!("agent:\n  upload: [{}]\n", serde_json::to_string(&path).expect("text is JSON"));
    let set = set.file("iotplay.yaml", &settings).file("scripts/upload.rhai", HANDLERS);
    (set, path, content)
}

#[test]
fn our_device_uploads_what_was_granted_and_nothing_else() {
    let (set, path, content) = with_big_file(LARGE);
    let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent"]);
    agent.line("connected");
    let call = |file: &str| {
        let payload = serde_json::json!({ "file": file, "as": "pictures/a b.bin" }).to_string();
        set.iotplay.run(&["invoke", "sim-1", "upload", &payload])
    };
    let uploaded = call(&path);
    assert_eq!(uploaded.code, Some(0), "{}", uploaded.err);
    assert!(uploaded.out.contains("sim-1/pictures/a b.bin") && uploaded.out.contains("9000000"), "{}", uploaded.out);
    good(&set, &["hub", "uploads", "--get", "sim-1/pictures/a b.bin", "-o", "got.bin"]);
    assert_eq!(std::fs::read(set.path().join("got.bin")).unwrap(), content);
    let bytes = good(&set, &["invoke", "sim-1", "bytes"]);
    assert!(bytes.contains("sim-1/note.txt") && bytes.contains('5'), "{bytes}");
    let noted = good(&set, &["hub", "uploads", "--get", "sim-1/note.txt", "-o", "-"]);
    assert_eq!((noted.as_str(), set.path().join("-").exists()), ("hello", false), "stdout, and no file of that name");
    let refused = call("/etc/passwd");
    assert_ne!(refused.code, Some(0));
    assert!(format!("{}{}", refused.out, refused.err).contains("/etc/passwd"), "{} {}", refused.out, refused.err);
    // What is there already is not overwritten by accident, and what is not there is said.
    let again = set.iotplay.run(&["hub", "uploads", "--get", "sim-1/note.txt", "-o", "got.bin"]);
    assert_eq!(again.code, Some(2), "{}", again.err);
    good(&set, &["hub", "uploads", "--remove", "sim-1/note.txt"]);
    let gone = set.iotplay.run(&["hub", "uploads", "--get", "sim-1/note.txt", "-o", "note.txt"]);
    assert_ne!(gone.code, Some(0));
    assert!(!set.path().join("note.txt").exists());
}

#[test]
fn a_hub_that_is_killed_while_files_come_has_every_one_that_it_acknowledged_and_no_half() {
    let (set, path, content) = with_big_file(LARGE);
    let mut hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent"]);
    agent.line("connected");
    let payload = serde_json::json!({ "file": path, "files": FILES }).to_string();
    let mut filling = set.iotplay.start(&["invoke", "sim-1", "fill", &payload, "--response-timeout", "300s"]);
    let seed = Seed::from_os();
    println!("seed {}", seed.0);
    let mut rng = seed.rng();
    for kill in 0..KILLS {
        agent.line(&format!("uploaded f-{}", 2 * kill));
        std::thread::sleep(Duration::from_millis(rng.random_range(0..300)));
        hub.kill_and_restart();
    }
    agent.line(&format!("uploaded f-{}", FILES - 1));
    // The call went with the first hub; the handler did not.
    let _ = filling.ends_within(Duration::ZERO);
    hub.kill_and_restart();
    for number in 0..FILES {
        let (name, file) = (format!("sim-1/f-{number}"), format!("f-{number}"));
        good(&set, &["hub", "uploads", "--get", &name, "-o", &file]);
        assert_eq!(std::fs::read(set.path().join(&file)).unwrap(), content, "{name}, seed {}", seed.0);
    }
    // Nothing without a name, but blocks of uploads that the device gave up for new ones.
    let contents = || {
        let entries = std::fs::read_dir(hub.data().join("files")).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|it| it == "blob")).count()
    };
    eventually(PATIENCE, "old contents are removed", || (contents() == FILES).then_some(()));
}
