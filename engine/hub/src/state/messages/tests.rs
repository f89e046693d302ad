//! The queue's rules by property, and the state's changes on a clock of the test's own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base::{Clock, ManualClock, Seed};
use proptest::prelude::*;
use serde_json::json;
use wire::limits::{C2D_DELIVERIES, C2D_PENDING, FEEDBACK_DELIVERIES, FEEDBACK_LOCK, FEEDBACK_TTL};
use wire::{Ack, CloudMessage, DeviceId, ErrorCode, Identity, MessageEnd};

use super::queue::{Expiry, Pending, Queue};
use crate::auth::Hosts;
use crate::exchange::Exchange;
use crate::seam::{Backing, Delivery};
use crate::state::{Document, HubState};

const NOW: SystemTime = UNIX_EPOCH;
const SECOND: Duration = Duration::from_secs(1);

fn pending(sequence: u64, seconds: u64) -> Pending {
    let message = Arc::new(CloudMessage::default());
    Pending { sequence, message, enqueued: NOW, expires: NOW + SECOND * seconds as u32, deliveries: 0, held: false }
}

#[test]
fn only_what_nobody_holds_is_taken_and_in_order() {
    let mut queue = Queue::default();
    (1..=3).for_each(|sequence| queue.push(pending(sequence, 60)));
    let numbers = |queue: &mut Queue, room| -> Vec<u64> {
        queue.take(room, NOW).sent.iter().map(|pending| pending.sequence).collect()
    };
    assert_eq!(numbers(&mut queue, 2), [1, 2]);
    assert_eq!(numbers(&mut queue, 2), [3]);
    assert_eq!(numbers(&mut queue, 2), [0; 0]);
    queue.remove(2).unwrap();
    queue.release();
    assert_eq!(numbers(&mut queue, 9), [1, 3]);
    assert_eq!(queue.expire(1, NOW + SECOND * 60), Expiry::Later, "its holder may still acknowledge it");
    queue.release();
    assert!(matches!(queue.expire(1, NOW + SECOND * 60), Expiry::Expired(_)));
    assert_eq!(queue.expire(1, NOW), Expiry::Gone);
    assert_eq!(queue.expire(3, NOW), Expiry::Later);
    assert_eq!(queue.purge().len(), 1);
    assert_eq!(queue.len(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Push,
    Take(usize),
    Acknowledge(usize),
    Lose,
    Wait(u64),
    Purge,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Push),
        4 => (0_usize..5).prop_map(Step::Take),
        2 => (0_usize..5).prop_map(Step::Acknowledge),
        2 => Just(Step::Lose),
        1 => (0_u64..20).prop_map(Step::Wait),
        1 => Just(Step::Purge),
    ];
    proptest::collection::vec(step, 0..120)
}

proptest! {
    /// Whatever happens: a message ends exactly once, is never sent after its end or its time, never more often than allowed,
    /// never twice to one connection, and always as repeated when it was sent before.
    #[test]
    fn a_message_has_one_end(steps in steps()) {
        let mut queue = Queue::default();
        let (mut now, mut next) = (NOW, 0);
        let mut sent: BTreeMap<u64, u32> = BTreeMap::new();
        let mut ended: BTreeMap<u64, MessageEnd> = BTreeMap::new();
        let mut held: Vec<u64> = Vec::new();
        for step in steps {
            match step {
                Step::Push if queue.is_full() => prop_assert_eq!(queue.len(), C2D_PENDING),
                Step::Push => {
                    next += 1;
                    queue.push(Pending { expires: now + SECOND * 30, ..pending(next, 0) });
                }
                Step::Take(room) => {
                    let taken = queue.take(room, now);
                    prop_assert!(taken.sent.len() <= room);
                    for message in taken.sent {
                        let times = sent.entry(message.sequence).or_default();
                        *times += 1;
                        prop_assert_eq!(message.deliveries, *times);
                        prop_assert!(*times <= C2D_DELIVERIES && message.expires > now);
                        prop_assert!(!held.contains(&message.sequence) && !ended.contains_key(&message.sequence));
                        held.push(message.sequence);
                    }
                    for (message, end) in taken.ended {
                        prop_assert!(ended.insert(message.sequence, end).is_none());
                        let late = message.expires <= now;
                        prop_assert_eq!(end == MessageEnd::Expired, late);
                    }
                }
                Step::Acknowledge(place) if place < held.len() => {
                    let sequence = held.remove(place);
                    prop_assert!(queue.remove(sequence).is_some());
                    prop_assert!(ended.insert(sequence, MessageEnd::Success).is_none());
                }
                Step::Acknowledge(_) => {}
                Step::Lose => {
                    queue.release();
                    held.clear();
                }
                Step::Wait(seconds) => now += SECOND * seconds as u32,
                Step::Purge => {
                    for message in queue.purge() {
                        prop_assert!(!held.contains(&message.sequence));
                        prop_assert!(ended.insert(message.sequence, MessageEnd::Purged).is_none());
                    }
                }
            }
            prop_assert_eq!(queue.len() as u64, next - ended.len() as u64, "none is lost");
        }
    }
}

struct Scene {
    state: HubState,
    hand: ManualClock,
    device: DeviceId,
}

/// A hub with the device `d`.
async fn scene() -> Scene {
    let (clock, hand) = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let hosts = Hosts::new("127.0.0.1".parse().unwrap(), &[]);
    let (state, workers) = HubState::open(None, hosts, Arc::new(Exchange::default()), clock, Seed(1)).unwrap();
    tokio::spawn(workers.acknowledged.run());
    let device = serde_json::from_value(json!({"deviceId": "d"})).unwrap();
    state.put_identity(Document::Device(device), None).await.unwrap();
    Scene { state, hand, device: "d".parse().unwrap() }
}

impl Scene {
    async fn send(&self, id: &str, seconds: u64, ack: Ack) -> Result<(), ErrorCode> {
        let message = CloudMessage { message_id: id.to_owned(), ack, ..CloudMessage::default() };
        let message = message.living(self.state.clock().now(), Some(SECOND * seconds as u32));
        self.state.send_message(&self.device, message).await.map(|_| ()).map_err(|error| error.code)
    }

    fn identity(&self) -> Identity {
        Identity::device(self.device.clone())
    }

    async fn take(&self) -> Vec<Delivery> {
        self.state.take_messages(&self.identity(), 16, false).await
    }

    /// Ids and ends of the next batch of feedback, which is done with.
    async fn feedback(&self) -> Vec<(String, MessageEnd)> {
        let Some(batch) = self.state.read_feedback().await.unwrap() else { return Vec::new() };
        self.state.complete_feedback(&batch.lock).await.unwrap();
        batch.records.into_iter().map(|record| (record.original_message_id, record.status_code)).collect()
    }

    fn waiting(&self) -> u64 {
        let Document::Device(device) = self.state.identity(&self.identity()).unwrap() else { panic!("a device") };
        device.cloud_to_device_message_count.into()
    }
}

fn told(list: &[(&str, MessageEnd)]) -> Vec<(String, MessageEnd)> {
    list.iter().map(|(id, end)| ((*id).to_owned(), *end)).collect()
}

#[tokio::test]
async fn the_fifty_first_message_is_refused_and_unknown_devices_have_none() {
    let scene = scene().await;
    for number in 0..C2D_PENDING {
        scene.send(&number.to_string(), 60, Ack::None).await.unwrap();
    }
    assert_eq!(scene.send("one too many", 60, Ack::None).await, Err(ErrorCode::QUEUE_DEPTH_EXCEEDED));
    assert_eq!(scene.waiting(), 50);
    let nobody = scene.state.send_message(&"nobody".parse().unwrap(), CloudMessage::default()).await;
    assert_eq!(nobody.unwrap_err().code, ErrorCode::DEVICE_NOT_FOUND);
    assert_eq!(scene.state.purge_messages(&scene.device).await.unwrap(), 50);
    assert_eq!((scene.waiting(), scene.feedback().await), (0, Vec::new()));
}

#[tokio::test]
async fn what_nobody_fetches_expires_and_its_sender_is_told() {
    let scene = scene().await;
    scene.send("short", 5, Ack::Full).await.unwrap();
    scene.send("quiet", 5, Ack::Positive).await.unwrap();
    scene.send("long", 50, Ack::Negative).await.unwrap();
    assert!(!scene.state.expire_messages().await);
    scene.hand.advance(SECOND * 5);
    scene.state.expire_messages().await;
    assert_eq!(scene.waiting(), 1);
    assert_eq!(scene.feedback().await, told(&[("short", MessageEnd::Expired)]));
    // What a connection has is left alone until nobody can acknowledge it any more.
    assert_eq!(scene.take().await.len(), 1);
    scene.hand.advance(SECOND * 50);
    scene.state.expire_messages().await;
    assert_eq!(scene.waiting(), 1);
    scene.state.set_connected(&scene.identity(), false);
    scene.hand.advance(SECOND * 60);
    scene.state.expire_messages().await;
    assert_eq!((scene.waiting(), scene.feedback().await), (0, told(&[("long", MessageEnd::Expired)])));
}

#[tokio::test]
async fn ten_connections_that_never_acknowledge_are_enough() {
    let scene = scene().await;
    scene.send("lost", 3_600, Ack::Negative).await.unwrap();
    for round in 0..C2D_DELIVERIES {
        scene.state.set_connected(&scene.identity(), true);
        let taken = scene.take().await;
        assert_eq!(taken.iter().map(|one| one.again).collect::<Vec<_>>(), [round > 0]);
        assert_eq!(scene.take().await, [], "it is under way already");
    }
    scene.state.set_connected(&scene.identity(), true);
    assert_eq!(scene.take().await, []);
    assert_eq!(scene.feedback().await, told(&[("lost", MessageEnd::DeliveryCountExceeded)]));
}

#[tokio::test]
async fn feedback_is_read_under_a_lock() {
    let scene = scene().await;
    for id in ["a", "b"] {
        scene.send(id, 60, Ack::Positive).await.unwrap();
    }
    // With quality 0 what was sent is done with.
    let sent = scene.state.take_messages(&scene.identity(), 16, true).await;
    assert_eq!((sent.len(), scene.waiting()), (2, 0));
    let first = scene.state.read_feedback().await.unwrap().unwrap();
    assert_eq!(first.records.len(), 2);
    assert_eq!(scene.state.read_feedback().await.unwrap(), None, "somebody has it");
    scene.state.abandon_feedback(&first.lock).unwrap();
    assert_eq!(scene.state.abandon_feedback(&first.lock).unwrap_err().code, ErrorCode::MESSAGE_LOCK_LOST);
    let second = scene.state.read_feedback().await.unwrap().unwrap();
    scene.hand.advance(FEEDBACK_LOCK);
    for lock in [second.lock.as_str(), "", "nonsense", "0000000000000000"] {
        let late = scene.state.complete_feedback(lock).await;
        assert_eq!(late.unwrap_err().code, ErrorCode::MESSAGE_LOCK_LOST, "{lock}");
    }
    assert_eq!(scene.feedback().await, told(&[("a", MessageEnd::Success), ("b", MessageEnd::Success)]));
    assert_eq!(scene.state.read_feedback().await.unwrap(), None);
}

#[tokio::test]
async fn feedback_that_nobody_is_done_with_goes() {
    let scene = scene().await;
    let lose = async |id: &str| {
        scene.send(id, 1, Ack::Full).await.unwrap();
        scene.hand.advance(SECOND);
        scene.state.expire_messages().await;
    };
    lose("read too often").await;
    for _ in 0..FEEDBACK_DELIVERIES {
        assert!(scene.state.read_feedback().await.unwrap().is_some());
        scene.hand.advance(FEEDBACK_LOCK);
    }
    assert_eq!(scene.state.read_feedback().await.unwrap(), None);
    lose("too old").await;
    scene.hand.advance(FEEDBACK_TTL);
    assert_eq!(scene.state.read_feedback().await.unwrap(), None);
    assert_eq!(scene.state.inner().mail.feedback.len(), 0);
}

#[tokio::test]
async fn a_device_made_anew_has_none_of_the_old_ones_messages() {
    let scene = scene().await;
    scene.send("old", 60, Ack::Full).await.unwrap();
    scene.state.delete_identity(&scene.identity(), None).await.unwrap();
    assert!(scene.state.inner().mail.expiries.is_empty());
    let device = serde_json::from_value(json!({"deviceId": "d", "cloudToDeviceMessageCount": 7})).unwrap();
    scene.state.put_identity(Document::Device(device), None).await.unwrap();
    assert_eq!((scene.waiting(), scene.take().await), (0, Vec::new()));
}
