//! A hub without TLS and a device that speaks MQTT to it over an in-memory stream.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base::{Clock, ManualClock, Seed};
use net::mqtt::{
    ConnAck, Connect, ConnectReturnCode, Connection, Limits, Packet, Publish, QoS, Subscribe, SubscribeFilter,
    SubscribeReasonCode, Unsubscribe,
};
use tokio::io::DuplexStream;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use wire::{HubError, Identity, MethodCall, MethodReply, Username};

use super::fake::{Fake, PASSWORD};
use crate::exchange::Exchange;
use crate::faults::{FaultProfile, Faults, Faulty, Strain};
use crate::mqtt::door::{Entered, greet};
use crate::mqtt::listener::Mqtt;
use crate::mqtt::settings::MqttSettings;
use crate::quota::Quotas;
use crate::seam::{HubEvent, HubLog, Telemetry};

pub(super) const METHODS: &str = "$iothub/methods/POST/#";
pub(super) const TWIN_RESPONSES: &str = "$iothub/twin/res/#";
pub(super) const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";
pub(super) const EVENTS: &str = "devices/d/messages/events/";

pub(super) struct Stage {
    pub(super) hub: Arc<Mqtt<Fake>>,
    pub(super) hand: ManualClock,
    events: Arc<Mutex<Vec<HubEvent>>>,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::with_quotas(Quotas::none())
    }

    pub(super) fn with_quotas(quotas: Quotas) -> Self {
        let events = Arc::<Mutex<Vec<HubEvent>>>::default();
        let heard = Arc::clone(&events);
        let log = HubLog::new(move |event| heard.lock().unwrap().push(event));
        let (clock, hand) = Clock::manual(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let settings = MqttSettings::default();
        let faults = Arc::new(Faults::new(Arc::new(Five), log.clone(), Seed(7), true));
        let both = (Arc::new(quotas), faults);
        let hub = Mqtt::new(Arc::default(), Arc::default(), both, log, clock, Seed(7), settings);
        Self { hub, hand, events }
    }

    pub(super) fn exchange(&self) -> &Arc<Exchange> {
        &self.hub.exchange
    }

    /// A stream that nothing was said on yet.
    pub(super) fn dial(&self) -> Device {
        self.dial_through(256 * 1024)
    }

    /// The same, over a stream that holds `bytes` at most.
    pub(super) fn dial_through(&self, bytes: usize) -> Device {
        let (near, far) = tokio::io::duplex(bytes);
        let hub = Arc::clone(&self.hub);
        tokio::spawn(async move {
            let deadline = Instant::now() + hub.settings.connect_deadline;
            let strain = Arc::<Strain>::default();
            let far = Faulty::new(far, Arc::clone(&strain), |_| {});
            if let Some(Entered::Session(session)) = greet(&hub, far, strain, None, None, deadline).await {
                session.run(None).await;
            }
        });
        Device { connection: Connection::new(near, Limits { max_packet: 1024 * 1024 }), next_id: 0 }
    }

    /// A device that is let in, with clean=0.
    pub(super) async fn device(&self, id: &str) -> Device {
        let mut device = self.dial();
        assert_eq!(device.hello(&connect(id)).await.code, ConnectReturnCode::Success);
        device
    }

    /// Puts faults in place and lets those that begin now begin.
    pub(super) fn break_with(&self, profile: &str) {
        let profile = FaultProfile::parse(&base::Source::new("faults.yaml", profile)).unwrap();
        self.hub.faults.place(&profile).unwrap();
        self.hub.faults.turn(self.exchange());
    }

    /// Lets faults begin and end from here on.
    pub(super) fn keep_time(&self) {
        let (faults, exchange) = (Arc::clone(&self.hub.faults), Arc::clone(self.exchange()));
        tokio::spawn(faults.run(exchange, CancellationToken::new()));
    }

    /// What faults have shown, in order.
    pub(super) fn shown(&self) -> Vec<String> {
        let pick = |event: &HubEvent| match event {
            HubEvent::FaultShown { kind, what, .. } => Some(format!("{kind}: {what}")),
            HubEvent::FaultAsked { said, .. } => Some(said.clone()),
            _ => None,
        };
        self.events.lock().unwrap().iter().filter_map(pick).collect()
    }

    pub(super) fn telemetry(&self) -> Vec<Telemetry> {
        let pick = |event: &HubEvent| match event {
            HubEvent::Telemetry(telemetry) => Some(Telemetry::clone(telemetry)),
            _ => None,
        };
        self.events.lock().unwrap().iter().filter_map(pick).collect()
    }

    /// Why connections ended, in order.
    pub(super) fn endings(&self) -> Vec<String> {
        let pick = |event: &HubEvent| match event {
            HubEvent::Disconnected { why, .. } => Some(why.clone()),
            _ => None,
        };
        self.events.lock().unwrap().iter().filter_map(pick).collect()
    }

    pub(super) fn refusals(&self) -> Vec<String> {
        let pick = |event: &HubEvent| match event {
            HubEvent::Refused { reason, .. } => Some(reason.clone()),
            _ => None,
        };
        self.events.lock().unwrap().iter().filter_map(pick).collect()
    }

    /// A method call under way.
    pub(super) fn call(&self, id: &str, payload: &str, connect: u64) -> tokio::task::JoinHandle<Outcome> {
        let (exchange, identity) = (Arc::clone(self.exchange()), identity(id));
        let call = MethodCall {
            name: "reboot".to_owned(),
            payload: (!payload.is_empty()).then(|| serde_json::from_str(payload).unwrap()),
            response_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(connect),
        };
        tokio::spawn(async move { exchange.call(&identity, &call).await })
    }
}

/// The devices that lots are drawn from: `a` to `e`.
pub(super) struct Five;

impl crate::faults::Registered for Five {
    fn total(&self) -> usize {
        5
    }

    fn ids(&self) -> Vec<wire::DeviceId> {
        ["a", "b", "c", "d", "e"].map(|id| id.parse().unwrap()).into()
    }
}

pub(super) type Outcome = Result<MethodReply, HubError>;

pub(super) fn identity(id: &str) -> Identity {
    id.parse().unwrap()
}

/// What an SDK sends: clean=0, keep-alive 60.
pub(super) fn connect(id: &str) -> Connect {
    let mut connect = Connect::new(id);
    connect.clean_session = false;
    connect.keep_alive = 60;
    connect.set_login(Username::new("localhost", identity(id)).to_string(), PASSWORD);
    connect
}

/// Lets everything that can run, run.
pub(super) async fn settle() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

pub(super) struct Device {
    pub(super) connection: Connection<DuplexStream>,
    next_id: u16,
}

impl Device {
    pub(super) async fn hello(&mut self, connect: &Connect) -> ConnAck {
        self.send(&Packet::Connect(connect.clone())).await;
        match self.receive().await {
            Packet::ConnAck(answer) => answer,
            other => panic!("{other:?} instead of CONNACK"),
        }
    }

    pub(super) async fn send(&mut self, packet: &Packet) {
        self.connection.queue(packet).unwrap();
        self.connection.flush().await.unwrap();
    }

    pub(super) async fn receive(&mut self) -> Packet {
        let read = timeout(Duration::from_secs(30), self.connection.read()).await.expect("a packet within 30 s");
        read.expect("an open connection").expect("a packet").packet
    }

    pub(super) async fn receive_publish(&mut self) -> Publish {
        match self.receive().await {
            Packet::Publish(publish) => publish,
            other => panic!("{other:?} instead of a publish"),
        }
    }

    pub(super) async fn hears_nothing(&mut self) {
        let heard = timeout(Duration::from_millis(100), self.connection.read()).await;
        assert!(heard.is_err(), "{heard:?}");
    }

    /// Reads to the end of the connection; how long it took.
    pub(super) async fn until_closed(&mut self) -> Duration {
        let start = Instant::now();
        let end = timeout(Duration::from_secs(4000), async { while let Ok(Some(_)) = self.connection.read().await {} });
        end.await.expect("the hub closes");
        start.elapsed()
    }

    pub(super) async fn subscribe(&mut self, filters: &[&str]) -> Vec<SubscribeReasonCode> {
        self.next_id += 1;
        let pkid = self.next_id;
        let filters = filters.iter().map(|path| SubscribeFilter::new((*path).to_owned(), QoS::AtLeastOnce)).collect();
        self.send(&Packet::Subscribe(Subscribe { pkid, filters })).await;
        match self.receive().await {
            Packet::SubAck(answer) if answer.pkid == pkid => answer.return_codes,
            other => panic!("{other:?} instead of SUBACK {pkid}"),
        }
    }

    pub(super) async fn unsubscribe(&mut self, filters: &[&str]) {
        self.next_id += 1;
        let pkid = self.next_id;
        let topics = filters.iter().map(|filter| (*filter).to_owned()).collect();
        self.send(&Packet::Unsubscribe(Unsubscribe { pkid, topics })).await;
        assert!(matches!(self.receive().await, Packet::UnsubAck(answer) if answer.pkid == pkid));
    }

    pub(super) async fn publish(&mut self, topic: &str, payload: &[u8]) {
        self.connection.queue_publish(topic, payload).unwrap();
        self.connection.flush().await.unwrap();
    }

    /// Publishes with quality 1; whatever comes first must be its acknowledgement.
    pub(super) async fn publish_acknowledged(&mut self, topic: &str, payload: &[u8]) {
        self.next_id += 1;
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload);
        publish.pkid = self.next_id;
        self.send(&Packet::Publish(publish)).await;
        match self.receive().await {
            Packet::PubAck(answer) => assert_eq!(answer.pkid, self.next_id),
            other => panic!("{other:?} instead of PUBACK"),
        }
    }

    /// Pings and waits for the answer: everything sent before was handled.
    pub(super) async fn ping(&mut self) {
        self.send(&Packet::PingReq).await;
        assert_eq!(self.receive().await, Packet::PingResp);
    }
}
