//! Every playbook and script of the repository loads, and every playbook runs.

use std::path::{Path, PathBuf};

use crate::stage_set::empty;
use stage::Iotplay;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

fn files(folder: &str, extension: &str) -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir(root().join(folder))
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry can be read").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| format!("{folder}/{}", path.file_name().expect("a file has a name").to_string_lossy()))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{folder} holds no .{extension}");
    found
}

#[test]
fn every_playbook_and_script_loads() {
    let here = Iotplay::new(env!("CARGO_BIN_EXE_iotplay"), &root());
    for file in files("playbooks", "yaml").iter().chain(&files("scripts", "rhai")) {
        let checked = here.run(&["check", file]);
        assert_eq!(checked.code, Some(0), "{file}: {}", checked.err);
    }
}

#[test]
fn every_playbook_runs_on_a_simulated_device() {
    // A copy: runs keep what playbooks save.
    let set = empty();
    for folder in ["playbooks", "scripts", "plugins/reboot"] {
        let copy = set.path().join(folder);
        std::fs::create_dir_all(&copy).expect("a folder can be made");
        for entry in std::fs::read_dir(root().join(folder)).expect("the folder is there") {
            let path = entry.expect("an entry can be read").path();
            if path.is_file() {
                std::fs::copy(&path, copy.join(path.file_name().expect("a file has a name")))
                    .expect("a file can be copied");
            }
        }
    }
    for file in files("playbooks", "yaml") {
        let ended = set.iotplay.run(&["run", &file, "--sim-reboot", "500ms"]);
        assert_eq!(ended.code, Some(0), "{file}: {}", ended.err);
    }
}

#[test]
fn readme_shows_the_two_commands_of_a_newcomer() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for command in ["cargo run --release -- run reboot.yaml", "cargo test --workspace"] {
        assert!(readme.contains(&format!("```sh\n{command}\n```")), "{command}");
    }
}
