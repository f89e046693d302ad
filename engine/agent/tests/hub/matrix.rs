//! R3: fourteen faults, seven things that a device does, all at work before, during and after the fault. Each ends exactly
//! once or is reported failed; nothing that was promised is lost; nothing comes twice without a mark.

use std::time::{Duration, SystemTime};

use base::{Clock, ManualClock};
use net::mqtt::{ConnAck, ConnectReturnCode, Connection, Limits, Packet};
use net::tls::{Authority, TlsAcceptor, server_config};
use serde_json::json;
use stage::Weather;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::scene::{DEVICES, MANY, Scene, Taken, callers};
use crate::stage::{Stage, eventually};
use hub::HubConfig;

/// Longer than any token of these devices.
const LONG: Duration = Duration::from_secs(2 * 3600);

/// Messages from the cloud come one by one, so that the fault falls among them.
const BETWEEN_MESSAGES: Duration = Duration::from_millis(50);

/// So many of them before the fault is over.
const EARLY: u64 = 30;

/// Rows at a time: more would be late for want of processors, and not for their fault.
static TURNS: Semaphore = Semaphore::const_new(3);

/// The fault of one row.
enum Fault {
    /// Devices lose their connection and do not get one while it lasts.
    Cut(Weather),
    /// Connections end; new ones are there at once.
    Blip(Weather),
    /// Connections stay and say nothing: deadlines end them.
    Silence(Weather),
    /// Everything arrives, later.
    Hardship(Weather),
    /// Somebody else answers: with a certificate that is out of date, or with this code.
    Stranger(Option<ConnectReturnCode>),
    /// The devices are disabled.
    Disabled,
    /// What the devices hold is out of date for the hub.
    Expired,
    /// Another hub that knows nothing of their sessions.
    Restart,
}

/// A server that lets nobody in.
async fn stranger(authority: &Authority, code: Option<ConnectReturnCode>) -> (std::net::SocketAddr, JoinHandle<()>) {
    let age = if code.is_none() { Duration::from_secs(3000 * 24 * 3600) } else { Duration::ZERO };
    let (clock, _) = Clock::manual(SystemTime::now() - age);
    let leaf = authority.issue(&["localhost".to_owned()], &clock).unwrap();
    let tls = TlsAcceptor::from(server_config(&leaf.chain_pem, leaf.key_pem.expose()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (Ok(stream), Some(code)) = (tls.accept(stream).await, code) else { continue };
            let mut connection = Connection::new(stream, Limits { max_packet: 4096 });
            let _ = connection.read().await;
            connection.queue(&Packet::ConnAck(ConnAck::new(code, false))).unwrap();
            // The other end may be gone.
            let _ = connection.close().await;
        }
    });
    (at, serving)
}

/// Messages to the device that takes them.
async fn send(stage: &Stage, numbers: std::ops::Range<u64>) {
    for number in numbers {
        stage.send_message("message", number).await;
        tokio::time::sleep(BETWEEN_MESSAGES).await;
    }
}

struct Row {
    name: &'static str,
    scene: Scene,
    authority: Authority,
    hub_clock: ManualClock,
    agent_clock: ManualClock,
    /// Another hub of the same name, which knows nothing of the sessions.
    next: Option<Stage>,
}

impl Row {
    async fn begin(name: &'static str, fault: &Fault) -> Self {
        let taken = Taken::default();
        let next = match fault {
            Fault::Restart => Some(Stage::with(HubConfig { log: taken.log(), ..HubConfig::embedded() }).await),
            _ => None,
        };
        let authority = Authority::generate(&Clock::system()).unwrap();
        let (hub_time, hub_clock) = Clock::manual(SystemTime::now());
        let (agent_time, agent_clock) = Clock::manual(SystemTime::now());
        let other = next.as_ref().map_or("", |next| next.hub.ca_pem());
        let roots = format!("{}{other}", authority.ca_pem);
        let scene = Scene::begin(taken, &roots, hub_time, agent_time).await;
        if let Some(next) = &next {
            for device in &scene.devices {
                next.adopt(device).await;
                next.desire(device.identity.device.as_str(), json!({"mark": "x"})).await;
            }
        }
        Self { name, scene, authority, hub_clock, agent_clock, next }
    }

    /// Lets the fault be, until it has shown, and takes it away.
    async fn suffer(&self, fault: &Fault, next: Option<&Stage>) {
        let Scene { line, stage, taken, ear, .. } = &self.scene;
        let refused = |event: &iotplay_agent::AgentEvent| matches!(event, iotplay_agent::AgentEvent::Refused { .. });
        match *fault {
            Fault::Cut(weather) => {
                line.set(weather);
                self.scene.all_down().await;
                let tries = line.taken();
                eventually("they try", async || line.taken() > tries + 3).await;
            }
            Fault::Blip(weather) => {
                let before = line.taken();
                line.set(weather);
                eventually("they come anew", async || line.taken() >= before + DEVICES.len() as u64).await;
            }
            Fault::Silence(weather) => {
                line.set(weather);
                self.scene.all_down().await;
            }
            Fault::Hardship(weather) => {
                line.set(weather);
                let before = taken.distinct();
                eventually("messages arrive", async || taken.distinct() > before + 3).await;
            }
            Fault::Stranger(code) => {
                let (at, serving) = stranger(&self.authority, code).await;
                line.lead_to(at);
                self.scene.all_down().await;
                let tries = line.taken();
                eventually("they try", async || line.taken() > tries + 3).await;
                line.lead_to(stage.hub.mqtt());
                serving.abort();
            }
            Fault::Disabled => {
                for id in DEVICES {
                    stage.set_status(id, "disabled").await;
                }
                line.set(Weather::Reset);
                eventually("they are refused", async || ear.count(refused) >= DEVICES.len()).await;
                for id in DEVICES {
                    stage.set_status(id, "enabled").await;
                }
            }
            Fault::Expired => {
                self.hub_clock.advance(LONG);
                line.set(Weather::Reset);
                eventually("they are refused", async || ear.count(refused) >= DEVICES.len()).await;
                self.agent_clock.advance(LONG);
            }
            Fault::Restart => {
                let before = line.taken();
                line.lead_to(next.expect("there is another hub").hub.mqtt());
                eventually("they come anew", async || line.taken() >= before + DEVICES.len() as u64).await;
            }
        }
        line.set(Weather::Fair);
    }

    /// The whole row.
    async fn run(self, fault: Fault) {
        let (name, Scene { stage, taken, .. }) = (self.name, &self.scene);
        let next = &self.next;
        eventually("work is under way", async || {
            let failed = self.scene.failures();
            assert_eq!(failed, Vec::<String>::new(), "{name}");
            taken.distinct() >= 5
        })
        .await;
        let (stop, stopped) = watch::channel(false);
        let wishes = async {
            for n in 1..=3 {
                stage.desire("desired", json!({"n": n})).await;
            }
            tokio::join!(self.suffer(&fault, next.as_ref()), send(stage, 0..EARLY));
            self.scene.all_up(name).await;
            let stage = next.as_ref().unwrap_or(stage);
            stage.desire("desired", json!({"n": 100})).await;
            send(stage, EARLY..MANY).await;
            self.settled(stage).await;
            stop.send_replace(true);
        };
        let (calls, ()) = tokio::join!(callers(stage, 0, stopped.clone()), wishes);
        self.judge(&calls).await;
        self.scene.agent.stop(Duration::ZERO).await;
        self.scene.stage.hub.stop().await;
        if let Some(next) = self.next {
            next.hub.stop().await;
        }
    }

    async fn settled(&self, stage: &Stage) {
        let (name, scene) = (self.name, &self.scene);
        eventually(&format!("{name}: every message arrives"), async || scene.taken.distinct() as u64 >= MANY).await;
        // Two hubs have every report together.
        eventually(&format!("{name}: every report arrives"), async || {
            let other = if std::ptr::eq(stage, &scene.stage) { 0 } else { scene.reported(&scene.stage).await };
            (scene.reported(stage).await + other) as u64 >= MANY
        })
        .await;
        // What another hub still has, it has not lost.
        eventually(&format!("{name}: every message from the cloud is handled"), async || {
            let other = if std::ptr::eq(stage, &scene.stage) { 0 } else { scene.stage.waiting("message").await };
            scene.handled_distinct() + other >= MANY && stage.waiting("message").await == 0
        })
        .await;
        stage.no_message_is_lost(name).await;
        scene.stage.no_message_is_lost(name).await;
        eventually(&format!("{name}: the last wish is told"), async || {
            scene.said("desired", "told ").last().is_some_and(|told| told.starts_with("100 "))
        })
        .await;
        let number = 1_000_000;
        let (status, answer) = stage.call("method", "count", json!(number)).await;
        assert_eq!((status, &answer["payload"]), (200, &json!(number)), "{name}: a call goes through: {answer}");
    }

    async fn judge(&self, calls: &[(u64, bool)]) {
        let (name, scene) = (self.name, &self.scene);
        scene.taken.check(MANY, name);
        let ran = scene.said("method", "ran ");
        for (number, answered) in calls {
            let times = ran.iter().filter(|line| **line == number.to_string()).count();
            assert!(times <= 1, "{name}: call {number} ran {times} times");
            assert!(!answered || times == 1, "{name}: call {number} was answered by nobody");
        }
        let handled = scene.handled();
        for number in 0..MANY {
            let unmarked = handled.iter().filter(|took| **took == (number, false)).count();
            assert!(unmarked <= 1, "{name}: message {number} came {unmarked} times without a mark: {handled:?}");
        }
        assert!(calls.iter().any(|(_, answered)| *answered), "{name}: some calls were answered");
        let told = scene.said("desired", "told ");
        // What is wished is told again on every connection; its version says that it is no other wish.
        let values =
            |told: &str| told.split_once(" v").map(|(value, version)| (value.to_owned(), version.to_owned())).unwrap();
        for pair in told.windows(2).map(|pair| (values(&pair[0]), values(&pair[1]))) {
            assert!(pair.0.0 != pair.1.0 || pair.0.1 == pair.1.1, "{name}: one wish with two versions: {told:?}");
        }
        for id in ["connect", "twin"] {
            let connects = scene.connects(id);
            eventually(&format!("{name}: {id} greets once for each connection"), async || {
                // A connection that was lost before its twin came greets nobody.
                (1..=connects).contains(&scene.said(id, "greeted ").len())
            })
            .await;
            assert!(scene.said(id, "greeted ").iter().all(|mark| mark == "x"), "{name}: {id} read its twin");
        }
        assert_eq!(scene.failures(), Vec::<String>::new(), "{name}: no send and no report failed");
    }
}

macro_rules! rows {
    ($($name:ident: $fault:expr;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                let fault = $fault;
                let _turn = TURNS.acquire().await.unwrap();
                Box::pin(Row::begin(stringify!($name), &fault).await.run(fault)).await;
            }
        )*
    };
}

rows! {
    a_line_that_refuses: Fault::Cut(Weather::Refuse);
    a_line_that_resets: Fault::Blip(Weather::Reset);
    a_line_that_closes: Fault::Blip(Weather::Close);
    a_line_that_swallows_everything: Fault::Silence(Weather::BlackHole);
    a_line_that_is_open_on_one_side: Fault::Silence(Weather::HalfOpen);
    a_line_that_is_late: Fault::Hardship(Weather::Latency(Duration::from_millis(100)));
    a_line_of_a_kilobyte_a_second: Fault::Hardship(Weather::Slow(1_000));
    a_line_of_single_bytes: Fault::Hardship(Weather::Slices);
    a_line_that_closes_in_the_handshake: Fault::Cut(Weather::CloseInHandshake);
    a_certificate_that_is_out_of_date: Fault::Stranger(None);
    a_token_that_is_out_of_date: Fault::Expired;
    a_hub_that_throttles_logins: Fault::Stranger(Some(ConnectReturnCode::ServiceUnavailable));
    a_hub_that_refuses_logins: Fault::Disabled;
    a_hub_that_lost_its_sessions: Fault::Restart;
}
