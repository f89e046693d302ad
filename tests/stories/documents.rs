//! Every YAML and Rhai block of the README and the documents: what its fence says it is, it is. ```` ```yaml play run sim=4 ````
//! is a playbook that runs on four simulated devices of the hub in the process.

use std::path::{Path, PathBuf};

use stage::Ended;

use crate::stage_set::{Set, empty};

/// A fenced block of a document.
struct Block {
    /// `docs/playbooks.md:12`.
    place: String,
    language: String,
    kind: String,
    /// The words behind the kind: `run`, `sim=4`, `as=NAME`, `with=NAME`.
    words: Vec<String>,
    text: String,
}

impl Block {
    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|it| it == word)
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

fn documents() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("docs")).expect("the folder is there");
    let mut found: Vec<_> = entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    found.retain(|path| path.extension().is_some_and(|it| it == "md"));
    found.push(root().join("README.md"));
    found.sort();
    found
}

fn blocks() -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    for path in documents() {
        let text = std::fs::read_to_string(&path).expect("a document can be read");
        let name = path.strip_prefix(root()).expect("it is in the repository").display().to_string();
        let mut open: Option<Block> = None;
        for (index, line) in text.lines().enumerate() {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(info)) => {
                    let mut words = info.split_whitespace().map(str::to_owned);
                    open = Some(Block {
                        place: format!("{name}:{}", index + 1),
                        language: words.next().unwrap_or_default(),
                        kind: words.next().unwrap_or_default(),
                        words: words.collect(),
                        text: String::new(),
                    });
                }
                (Some(_), Some(_)) => found.extend(open.take()),
                (Some(block), None) => block.text = format!("{}{line}\n", block.text),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{name}: a fence is never closed");
    }
    found.retain(|block| ["yaml", "rhai"].contains(&block.language.as_str()));
    found
}

/// A folder with the repository's handlers and plugins, and the files that other blocks give.
fn folder(block: &Block, all: &[Block]) -> Set {
    let mut set = empty();
    for entry in std::fs::read_dir(root().join("scripts")).expect("the folder is there") {
        let path = entry.expect("an entry can be read").path();
        let name = format!("scripts/{}", path.file_name().expect("a file has a name").to_string_lossy());
        set = set.file(&name, &std::fs::read_to_string(&path).expect("a script can be read"));
    }
    if let Some(wanted) = block.value("with") {
        let given = all.iter().find(|other| other.value("as") == Some(wanted));
        set = set.file(wanted, &given.unwrap_or_else(|| panic!("{}: no block is {wanted}", block.place)).text);
    }
    set
}

fn fine(block: &Block, ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}\n{}\n{}\n{}", block.place, block.text, ended.out, ended.err);
}

fn play(block: &Block, name: &str, all: &[Block]) {
    let set = folder(block, all).file(name, &block.text);
    let checked = set.iotplay.run(&["check", name]);
    fine(block, &checked);
    assert!(!checked.err.contains("warning:"), "{}: {}", block.place, checked.err);
    if block.has("run") {
        let sim = block.value("sim").unwrap_or("1");
        let reboot = block.value("reboot").unwrap_or("100ms");
        fine(block, &set.iotplay.run(&["run", name, "--sim", sim, "--sim-reboot", reboot]));
    }
}

#[test]
fn every_block_is_what_its_fence_says() {
    let all = blocks();
    assert!(all.len() > 10, "the documents have blocks");
    for block in &all {
        match (block.language.as_str(), block.kind.as_str()) {
            ("yaml", "play") => play(block, "play.yaml", &all),
            ("rhai", "script" | "handler") => play(block, "block.rhai", &all),
            ("yaml", "steps") => {
                let included =
                    all.iter().any(|other| other.value("with").is_some_and(|it| Some(it) == block.value("as")));
                assert!(included, "{}: no play includes these steps", block.place);
            }
            ("yaml", "settings") => {
                let set = empty().file("iotplay.yaml", &block.text);
                let ended = set.iotplay.run(&["--hub", "nobody", "devices", "list"]);
                // The file is understood; only this hub is not in it.
                assert!(ended.code == Some(2) && ended.err.contains("nobody"), "{}: {}", block.place, ended.err);
            }
            ("yaml", "seed") => {
                let set = empty().file("seed.yaml", &block.text);
                let ports = ["hub", "--mqtt-port", "0", "--https-port", "0", "--seed", "seed.yaml"];
                let mut hub = set.iotplay.start(&ports);
                hub.line("HTTPS");
                assert_eq!(hub.signal("INT").code, Some(0), "{}", block.place);
            }
            ("yaml", "cases") => {
                let set = folder(block, &all).file("block.test.yaml", &block.text);
                std::fs::rename(set.path().join("block.test.yaml"), set.path().join("scripts/block.test.yaml"))
                    .expect("a file can be moved");
                fine(block, &set.iotplay.run(&["test", "scripts/block.test.yaml"]));
            }
            ("yaml", "faults") => {
                let set = empty().file("faults.yaml", &block.text);
                let run = ["run", "reboot.yaml", "--sim", "200", "--sim-faults", "faults.yaml", "--check"];
                let ended = set.iotplay.run(&run);
                assert!(!matches!(ended.code, Some(1..=3)), "{}: {}", block.place, ended.err);
            }
            (language, kind) => panic!("{}: ```{language} {kind}: say what it is", block.place),
        }
    }
}

/// What an editor is told accepts every playbook that is shown or shipped.
#[test]
fn the_schema_accepts_every_playbook() {
    let set = empty();
    let printed = set.iotplay.run(&["schema"]);
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    let schema: serde_json::Value = serde_json::from_str(&printed.out).expect("a schema is JSON");
    let schema = jsonschema::validator_for(&schema).expect("a good schema");
    let shipped = std::fs::read_dir(root().join("playbooks")).expect("the folder is there");
    let shipped = shipped.map(|entry| entry.expect("an entry can be read").path()).filter(|path| path.is_file());
    let shipped = shipped.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).expect("a playbook")));
    let shown = blocks().into_iter().filter(|block| block.language == "yaml" && block.kind == "play");
    let shown = shown.map(|block| (block.place, block.text));
    let mut seen = 0;
    for (name, text) in shipped.chain(shown).filter(|(name, _)| !name.ends_with(".rhai")) {
        let value: serde_json::Value = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found: Vec<_> =
            schema.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(found.is_empty(), "{name}: {found:#?}");
        seen += 1;
    }
    assert!(seen > 10);
}
