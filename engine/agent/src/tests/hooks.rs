//! Restarts, timers, hooks, reloads and what is remembered.

use std::fs;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::rig::{Rig, habits, load, on_lane};
use crate::config::{Board, SimConfig};
use crate::fleet::renew_all;
use crate::lane::Habits;
use crate::link::fake::Did;
use crate::link::{Inbound, Outbound};
use crate::memory::MemoryFolder;

const REBOOT: &str = include_str!("../../../../scripts/reboot.rhai");

#[tokio::test(start_paused = true)]
async fn the_default_script_does_what_the_tutorial_does() {
    on_lane(async {
        let mut rig = Rig::up(REBOOT, json!({})).await;
        let first_boot = rig.device().memory().boot_id.clone();
        let started = Instant::now();
        rig.call("rebootDevice", "\"{\\\"method_number\\\":\\\"42\\\"}\"");
        rig.settle().await;
        assert_eq!(rig.said(), ["Rebooting device"]);
        assert_eq!(rig.take_report().await, json!({"rebootTime": "2026-11-23T13:27:42.118Z"}));
        assert_eq!(started.elapsed(), Duration::from_secs(20));
        assert_eq!(rig.reply().await, ("1".into(), 200, json!({"Response": "This is the response from the device"})));
        assert_eq!(rig.said(), ["Device rebooted, rebootTime reported"]);
        assert_ne!(rig.device().memory().boot_id, first_boot);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_second_restart_meanwhile_is_refused_and_one_that_is_cut_short_leaves_no_trace() {
    on_lane(async {
        let text =
            "on_method('go', #{ work: request_time() }, |device, request| device.reboot()); fn request_time() { 10 }";
        let text = text.replace("request_time() }", "10 }").replace(" fn request_10 }", "");
        let text = text.split(" fn ").next().unwrap();
        let mut rig = Rig::up(text, json!({})).await;
        let first = rig.call("go", "");
        let (status, payload) = rig.ask("go", "").await;
        assert_eq!((status, payload), (409, json!({"error": "a restart is under way"})));
        let (rid, status, _) = rig.reply().await;
        assert_eq!((rid, status), (first, 504), "its own deadline is shorter than the restart");
        rig.call("go", "");
        sleep(Duration::from_secs(5)).await;
        assert!(rig.device().rebooting.get(), "free for the next one");
    })
    .await;
}

fn away() -> Habits {
    Habits { sim: SimConfig { reboot: Duration::from_secs(30), away: true }, ..habits() }
}

#[tokio::test(start_paused = true)]
async fn away_the_reply_leaves_first_and_the_boot_comes_later() {
    on_lane(async {
        let text = format!("{REBOOT}\non_start(|device| {{ print('start'); device.every('t', 10, |device| print('tick')); }});\non_method('slow', |device, request| sleep(1000));");
        let mut rig = Rig::with(&text, away());
        rig.connect(1, json!({})).await;
        assert_eq!(rig.said(), ["start"]);
        let slow = rig.call("slow", "");
        let rid = rig.call("rebootDevice", "");
        let Did::Sent(Outbound::Reply { rid: answered, status: 200, ticket: Some(ticket), .. }) = rig.did().await else { panic!() };
        assert_eq!(answered, rid);
        rig.silent().await;
        rig.say(Inbound::Acknowledged(ticket));
        assert_eq!(rig.reply().await, (slow, 503, json!({"error": "the device restarted"})));
        assert_eq!(rig.did().await, Did::Reconnect("the device restarts".into(), Duration::from_secs(30)));
        rig.cut();
        assert_eq!(rig.said(), ["Rebooting device"]);
        sleep(Duration::from_secs(29)).await;
        assert!(rig.said().is_empty(), "not even a tick");
        sleep(Duration::from_secs(2)).await;
        assert_eq!(rig.said(), ["start", "Device rebooted, rebootTime reported"], "a report without a line is for later");
        rig.say(Inbound::Up);
        assert!(matches!(rig.did().await, Did::Sent(Outbound::TwinGet { .. })));
        assert_eq!(rig.take_report().await["rebootTime"], "2026-11-23T13:27:42.118Z");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn away_goes_without_the_hubs_word_after_a_while() {
    on_lane(async {
        let mut rig = Rig::with(REBOOT, away());
        rig.connect(1, json!({})).await;
        rig.call("rebootDevice", "");
        let started = Instant::now();
        rig.reply().await;
        assert!(matches!(rig.did().await, Did::Reconnect(..)));
        assert_eq!(started.elapsed(), Duration::from_secs(5));
    })
    .await;
}

fn board(folder: &std::path::Path, script: &str) -> Habits {
    let boot_id = folder.join("boot_id");
    if !boot_id.exists() {
        fs::write(&boot_id, "boot-1\n").unwrap();
    }
    let command = ["sh", "-c", script].map(ToOwned::to_owned).to_vec();
    Habits { board: Some(Board { command, boot_id }), memory: Some(MemoryFolder::new(folder)), ..habits() }
}

/// Until something outside of the lane has happened; time is not paused there.
async fn eventually(what: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !what() {
        assert!(std::time::Instant::now() < deadline, "it never happens");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_board_answers_marks_and_runs_its_command_and_greets_each_boot_once() {
    on_lane(async {
        let temp = tempfile::tempdir().unwrap();
        let marker = temp.path().join("sim-1.json");
        let ran = temp.path().join("ran");
        let script = format!("cp {} {}", marker.display(), ran.display());

        let mut rig = Rig::with(REBOOT, board(temp.path(), &script));
        rig.connect(1, json!({})).await;
        rig.call("rebootDevice", "");
        let Did::Sent(Outbound::Reply { status: 200, ticket: Some(ticket), .. }) = rig.did().await else { panic!() };
        assert!(!ran.exists(), "the answer comes first");
        rig.say(Inbound::Acknowledged(ticket));
        eventually(|| ran.exists() && fs::read_to_string(&ran).unwrap().contains("asked")).await;
        drop(rig);

        fs::write(temp.path().join("boot_id"), "boot-2\n").unwrap();
        let mut rig = Rig::with(REBOOT, board(temp.path(), &script));
        rig.connect(1, json!({})).await;
        rig.take_report().await;
        eventually(|| fs::read_to_string(&marker).unwrap().contains("\"greeted\": \"boot-2\"")).await;
        assert_eq!(rig.said(), ["Device rebooted, rebootTime reported"]);
        drop(rig);

        let mut rig = Rig::with(REBOOT, board(temp.path(), &script));
        rig.connect(1, json!({})).await;
        rig.silent().await;
        assert!(rig.said().is_empty(), "the agent restarted, not the machine");
    })
    .await;
}

#[tokio::test]
async fn a_boards_command_that_fails_is_told() {
    on_lane(async {
        let temp = tempfile::tempdir().unwrap();
        let mut rig = Rig::with(REBOOT, board(temp.path(), "echo not allowed >&2; exit 4"));
        rig.connect(1, json!({})).await;
        rig.call("rebootDevice", "");
        let Did::Sent(Outbound::Reply { ticket: Some(ticket), .. }) = rig.did().await else { panic!() };
        rig.say(Inbound::Acknowledged(ticket));
        let device = rig.device();
        eventually(|| !device.rebooting.get()).await;
        rig.settle().await;
        let faults = rig.faults();
        assert!(faults.iter().any(|fault| fault.contains("exit status: 4: not allowed")), "{faults:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn timers_tick_by_name_and_end_with_their_scripts() {
    on_lane(async {
        let text = r#"
            on_start(|device| {
                device.every("t", "10s", |device| print("tick"));
                device.every("slow", 10, |device| { print("slow"); sleep(25); });
            });
            on_method("again", |device, request| device.every("t", 20, |device| print("tock")));
            on_method("fast", |device, request| device.every("t", 0.01, |device| print("x")));
        "#;
        let mut rig = Rig::up(text, json!({})).await;
        sleep(Duration::from_secs(41)).await;
        assert_eq!(rig.said().iter().filter(|line| *line == "tick").count(), 4);
        assert_eq!(rig.ask("again", "").await.0, 200);
        sleep(Duration::from_secs(41)).await;
        let said = rig.said();
        assert_eq!(
            (said.iter().filter(|line| *line == "tock").count(), said.contains(&"tick".to_owned())),
            (2, false),
            "{said:?}"
        );
        assert!(rig.ask("fast", "").await.1["error"].as_str().unwrap().contains("at least 100ms"));
        rig.lane.scripts.swap(load("on_start(|device| print('new'));").unwrap());
        renew_all(&rig.lane).await;
        sleep(Duration::from_secs(100)).await;
        assert_eq!(rig.said(), ["new"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reload_lets_calls_finish_and_state_stay() {
    on_lane(async {
        let old = "on_method('go', |device, request| { device.state.n = 1; sleep(10); device.every('t', 10, |device| 1); 'old' });";
        let new = "on_method('go', |device, request| { device.state.n += 1; device.state.n }); on_desired('x', |device, value, version| print(`x ${value}`));";
        let mut rig = Rig::up(old, json!({"x": 7})).await;
        let running = rig.call("go", "");
        rig.settle().await;
        rig.lane.scripts.swap(load(new).unwrap());
        renew_all(&rig.lane).await;
        rig.settle().await;
        assert_eq!(rig.said(), ["x 7"], "current values go to the new handlers");
        assert_eq!(rig.ask("go", "").await, (200, json!(2)));
        let (rid, status, payload) = rig.reply().await;
        assert_eq!((rid, status), (running, 500));
        assert!(payload["error"].as_str().unwrap().contains("were replaced"), "{payload}");
    })
    .await;
}

#[tokio::test]
async fn state_survives_the_agent_with_a_folder() {
    on_lane(async {
        let temp = tempfile::tempdir().unwrap();
        let with = || Habits { memory: Some(MemoryFolder::new(temp.path())), ..habits() };
        let text = "on_method('go', |device, request| { device.state.n = (device.state.n ?? 0) + 1; device.state.n });";
        for expected in 1..4 {
            let mut rig = Rig::with(text, with());
            rig.connect(1, json!({})).await;
            assert_eq!(rig.ask("go", "").await, (200, json!(expected)));
            rig.lane.stop.cancel();
            (&mut rig.session).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_simulated_device_does_not_boot_by_being_started() {
    on_lane(async {
        let temp = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let with = Habits { memory: Some(MemoryFolder::new(temp.path())), ..habits() };
            let mut rig = Rig::with(REBOOT, with);
            rig.connect(1, json!({})).await;
            rig.silent().await;
            assert!(rig.said().is_empty());
            rig.lane.stop.cancel();
            (&mut rig.session).await.unwrap();
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_between_calls_and_at_the_latest_in_time() {
    on_lane(async {
        let text = "on_method('go', |device, request| { sleep(request.payload); 1 });";
        let mut rig = Rig::up(text, json!({})).await;
        rig.say(Inbound::Renew(Duration::from_secs(100)));
        assert_eq!(rig.did().await, Did::Hush);
        rig.call("go", "0");
        assert_eq!(rig.reply().await.1, 200, "a call that was on its way");
        rig.say(Inbound::Hushed);
        assert_eq!(rig.did().await, Did::Reconnect("the token is renewed".into(), Duration::ZERO));
        rig.cut();
        rig.connect(1, json!({})).await;

        rig.call("go", "30");
        rig.settle().await;
        rig.say(Inbound::Renew(Duration::from_secs(100)));
        let started = Instant::now();
        assert_eq!(rig.reply().await.1, 200);
        assert_eq!(rig.did().await, Did::Hush);
        assert!(matches!(rig.did().await, Did::Reconnect(..)));
        assert_eq!(started.elapsed(), Duration::from_secs(35), "a hub that does not agree is left");
        rig.cut();
        rig.connect(1, json!({})).await;

        rig.call("go", "300");
        rig.settle().await;
        rig.say(Inbound::Renew(Duration::from_secs(100)));
        let started = Instant::now();
        assert!(matches!(rig.did().await, Did::Reconnect(..)));
        assert_eq!(started.elapsed(), Duration::from_secs(100));
    })
    .await;
}
