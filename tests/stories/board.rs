//! A real board: its agent restarts the machine by a command, which here only leaves a mark; this story is the machine.

use std::path::PathBuf;
use std::time::Duration;

use stage::{HubOptions, LocalHub, Program, eventually};

use crate::stage_set::{Set, empty};

const SCRIPT: &str = r#"
on_method("rebootDevice", |device, request| {
    print("Rebooting device");
    device.report(#{ asked: device.boot_id });
    device.reboot();
    reply(200, "going");
});
on_method("ping", |device, request| device.boot_id);
on_boot(|device| {
    print(`booted ${device.boot_id}`);
    device.report(#{ rebootTime: now(), bootId: device.boot_id });
    print(`told ${device.boot_id}`);
});
"#;

/// The command's last word decides whether the machine takes the agent with it.
const SETTINGS: &str = "agent:\n  reboot:\n    command: [/bin/sh, -c, \"touch ran; [ -e deadly ] && kill -9 $PPID; true\"]\n    boot_id: boot_id\n";

const PATIENCE: Duration = Duration::from_secs(60);

/// A board with its folder and its boots.
pub(crate) struct Board {
    pub(crate) set: Set,
    boots: u32,
}

impl Board {
    pub(crate) fn new() -> Self {
        let set = empty().file("scripts/board.rhai", SCRIPT).file("iotplay.yaml", SETTINGS).file("boot_id", "boot-1\n");
        Self { set, boots: 1 }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.set.path().join(name)
    }

    /// The next boot of the machine.
    pub(crate) fn boot(&mut self) -> String {
        self.boots += 1;
        let id = format!("boot-{}", self.boots);
        std::fs::write(self.at("boot_id"), format!("{id}\n")).expect("the boot id is written");
        id
    }

    pub(crate) fn start(&self) -> Program {
        self.set.iotplay.start(&["agent"])
    }

    pub(crate) fn up(&self) -> Program {
        let mut agent = self.start();
        agent.line("connected");
        agent
    }

    fn invoke(&self, method: &str) -> Program {
        self.set.iotplay.start(&["invoke", "sim-1", method, "--connect-timeout", "30s"])
    }

    fn reported(&self, name: &str) -> String {
        let twin = self.set.iotplay.run(&["twin", "get", "sim-1"]);
        let twin: serde_json::Value = serde_json::from_str(&twin.out).expect("a twin is JSON");
        twin["properties"]["reported"][name].as_str().unwrap_or_default().to_owned()
    }

    /// The agent runs undisturbed: this boot is told to the hub, once, and never again.
    pub(crate) fn settles(&self, boot: &str) {
        eventually(PATIENCE, "the boot is told", || (self.reported("bootId") == boot).then_some(()));
        eventually(PATIENCE, "the boot is greeted", || {
            let kept = std::fs::read_to_string(self.at(".iotplay/agent/sim-1.json")).ok()?;
            kept.contains(&format!("\"greeted\": \"{boot}\"")).then_some(())
        });
    }

    /// A start of the agent in a boot that was greeted.
    pub(crate) fn is_quiet(&self) {
        let agent = self.up();
        let ping = self.invoke("ping").end(PATIENCE);
        assert_eq!(ping.code, Some(0), "{}", ping.err);
        let ended = agent.signal("TERM");
        assert!(!ended.out.contains("booted"), "{}", ended.out);
    }
}

/// Where the agent is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Point {
    /// The handler runs.
    AtWork,
    /// The caller has its answer.
    Answered,
    /// The command runs: the machine is going down.
    GoingDown,
    /// The command has ended, the machine still runs.
    Commanded,
}

fn killed_at(point: Point, machine_restarts: bool) {
    let mut board = Board::new();
    let _hub = LocalHub::start(&board.set.iotplay, HubOptions::FreePorts);
    if point == Point::GoingDown {
        std::fs::write(board.at("deadly"), "").expect("the mark is written");
    }
    let mut agent = board.up();
    let call = board.invoke("rebootDevice");
    agent.line("Rebooting device");
    if point != Point::AtWork {
        let called = call.end(PATIENCE);
        assert_eq!(called.code, Some(0), "the answer comes before the machine goes down: {}", called.err);
        assert!(called.out.contains("going"), "{}", called.out);
    }
    if matches!(point, Point::GoingDown | Point::Commanded) {
        eventually(PATIENCE, "the command runs", || board.at("ran").exists().then_some(()));
        assert_eq!(board.reported("asked"), "boot-1", "what was reported before has arrived");
    }
    agent.kill();
    if machine_restarts {
        let boot = board.boot();
        let mut agent = board.up();
        agent.line(&format!("told {boot}"));
        board.settles(&boot);
        let ended = agent.signal("TERM");
        assert_eq!(ended.out.matches("booted").count(), 1, "{point:?}: {}", ended.out);
        assert!(!ended.err.contains("has not happened"), "{}", ended.err);
        assert!(!board.reported("rebootTime").is_empty());
    } else {
        let mut agent = board.up();
        if matches!(point, Point::GoingDown | Point::Commanded) {
            agent.line("has not happened: the machine is in the same boot");
        }
        agent.kill();
    }
    board.is_quiet();
}

#[test]
fn a_board_answers_then_restarts_and_tells_its_boot_once() {
    killed_at(Point::GoingDown, true);
}

#[test]
fn an_agent_killed_on_the_way_to_a_restart_tells_the_boot_once() {
    killed_at(Point::AtWork, true);
    killed_at(Point::Answered, true);
    killed_at(Point::Commanded, true);
}

#[test]
fn an_agent_killed_without_a_restart_says_that_none_happened_and_greets_nothing() {
    killed_at(Point::AtWork, false);
    killed_at(Point::Answered, false);
    killed_at(Point::GoingDown, false);
    killed_at(Point::Commanded, false);
}
