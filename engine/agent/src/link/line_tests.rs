//! The line against a hub's end of a pipe, in paused time: keep-alive, acknowledgements, tokens, what a hub may send.

use std::collections::VecDeque;
use std::time::Duration;

use net::mqtt::{Connection, Incoming, Limits, Packet, PubAck, Publish, QoS, SubAck, SubscribeReasonCode, UnsubAck};
use tokio::io::{DuplexStream, duplex};
use tokio::time::{Instant, timeout};
use wire::{Identity, PropertyBag};

use super::line::{Line, Step};
use super::login::Valid;
use super::{Inbound, Outbound};
use crate::config::Patience;
use crate::outbox::Sending;

const LIMITS: Limits = Limits { max_packet: 400_000 };
const KEEP_ALIVE: Duration = Duration::from_secs(60);

fn pair(valid: Valid, early: Vec<Packet>) -> (Line<DuplexStream>, Connection<DuplexStream>) {
    let (near, far) = duplex(1_000_000);
    let identity = Identity::device("d".parse().unwrap());
    let line = Line::new(
        Connection::new(near, LIMITS),
        identity,
        (KEEP_ALIVE, Patience::default()),
        valid,
        VecDeque::from(early),
        0.5,
    );
    (line, Connection::new(far, LIMITS))
}

/// What the hub reads next while the line is alive.
async fn seen(line: &mut Line<DuplexStream>, hub: &mut Connection<DuplexStream>) -> Packet {
    tokio::select! {
        step = line.next() => panic!("{step:?}"),
        read = hub.read() => read.unwrap().unwrap().packet,
    }
}

fn publish(topic: &str, payload: &str) -> Packet {
    Packet::Publish(Publish::new(topic, QoS::AtMostOnce, payload))
}

async fn say(hub: &mut Connection<DuplexStream>, packet: &Packet) {
    hub.queue(packet).unwrap();
    hub.flush().await.unwrap();
}

fn message(ticket: u64) -> Outbound {
    let message = Sending { properties: PropertyBag::default(), body: b"x".to_vec(), again: false };
    Outbound::Message { message, ticket }
}

#[tokio::test(start_paused = true)]
async fn silence_is_pinged_and_a_missing_answer_ends_the_line() {
    let (mut line, mut hub) = pair(Valid::Always, vec![]);
    let started = Instant::now();
    assert_eq!(seen(&mut line, &mut hub).await, Packet::PingReq);
    assert_eq!(started.elapsed(), KEEP_ALIVE);
    say(&mut hub, &Packet::PingResp).await;
    assert_eq!(seen(&mut line, &mut hub).await, Packet::PingReq);
    assert_eq!(started.elapsed(), 2 * KEEP_ALIVE);
    let Step::Over(why) = line.next().await else { panic!() };
    assert_eq!((why.as_str(), started.elapsed()), ("the hub did not answer a ping", Duration::from_secs(150)));
}

#[tokio::test(start_paused = true)]
async fn sending_alone_does_not_keep_a_dead_line_up() {
    let (mut line, mut hub) = pair(Valid::Always, vec![]);
    let started = Instant::now();
    let over = async {
        loop {
            line.send(&Outbound::TwinGet { rid: "1".into() });
            if let Ok(Step::Over(why)) = timeout(Duration::from_secs(10), line.next()).await {
                return why;
            }
        }
    };
    let swallow = async { while let Ok(Some(Incoming { .. })) = hub.read().await {} };
    let why = tokio::select! { why = over => why, () = swallow => panic!() };
    assert_eq!((why.as_str(), started.elapsed()), ("the hub did not answer a ping", Duration::from_secs(90)));
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_find_their_tickets_and_have_a_deadline() {
    let (mut line, mut hub) = pair(Valid::Always, vec![]);
    for ticket in [7, 8] {
        line.send(&message(ticket));
    }
    let mut ids = Vec::new();
    for _ in 0..2 {
        let Packet::Publish(publish) = seen(&mut line, &mut hub).await else { panic!() };
        assert_eq!((publish.topic.as_str(), publish.qos), ("devices/d/messages/events/", QoS::AtLeastOnce));
        ids.push(publish.pkid);
    }
    say(&mut hub, &Packet::PubAck(PubAck::new(999))).await;
    say(&mut hub, &Packet::PubAck(PubAck::new(ids[1]))).await;
    let started = Instant::now();
    assert!(matches!(line.next().await, Step::Inbound(Inbound::Acknowledged(8))));
    let keep_up = async {
        loop {
            if hub.read().await.unwrap().unwrap().packet == Packet::PingReq {
                say(&mut hub, &Packet::PingResp).await;
            }
        }
    };
    let step = tokio::select! { step = line.next() => step, () = keep_up => panic!() };
    assert!(matches!(step, Step::Over(why) if why.contains("acknowledge")));
    assert_eq!(started.elapsed(), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn topics_become_words_and_nonsense_is_passed_over() {
    let early = vec![publish("$iothub/methods/POST/go/?$rid=1", "{}")];
    let (mut line, mut hub) = pair(Valid::Always, early);
    for (topic, payload) in [
        ("nonsense", ""),
        ("$iothub/twin/res/204/?$rid=5&$version=6", ""),
        ("$iothub/twin/PATCH/properties/desired/?$version=9", "{}"),
    ] {
        hub.queue(&publish(topic, payload)).unwrap();
    }
    let mut acknowledged = Publish::new("$iothub/methods/POST/b%20c/?$rid=a", QoS::AtLeastOnce, "");
    acknowledged.pkid = 77;
    say(&mut hub, &Packet::Publish(acknowledged)).await;
    let mut words = Vec::new();
    for _ in 0..4 {
        let Step::Inbound(inbound) = line.next().await else { panic!() };
        words.push(match inbound {
            Inbound::Method { rid, name, .. } => format!("{name} {rid}"),
            Inbound::Twin { rid, status, .. } => format!("{status} {rid}"),
            Inbound::Desired { version, .. } => format!("v{version}"),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(words, ["go 1", "204 5", "v9", "b c a"]);
    assert_eq!(seen(&mut line, &mut hub).await, Packet::PubAck(PubAck::new(77)));
    say(&mut hub, &Packet::PingReq).await;
    assert!(matches!(line.next().await, Step::Over(why) if why.contains("only a device sends")));
}

#[tokio::test(start_paused = true)]
async fn messages_are_asked_for_and_acknowledged_when_the_session_says_so() {
    let (mut line, mut hub) = pair(Valid::Always, vec![]);
    line.listen(true);
    let Packet::Subscribe(asked) = seen(&mut line, &mut hub).await else { panic!() };
    assert_eq!(asked.filters[0].path, "devices/d/messages/devicebound/#");
    assert_eq!(asked.filters[0].qos, QoS::AtLeastOnce);
    let mut message = Publish::new("devices/d/messages/devicebound/%24.mid=m1&a=b", QoS::AtLeastOnce, "hello");
    (message.pkid, message.dup) = (9, true);
    hub.queue(&Packet::SubAck(SubAck::new(asked.pkid, vec![SubscribeReasonCode::Failure]))).unwrap();
    say(&mut hub, &Packet::Publish(message)).await;
    assert!(matches!(line.next().await, Step::Inbound(Inbound::NotListening)));
    let Step::Inbound(Inbound::Message { id, again, properties, body }) = line.next().await else { panic!() };
    assert_eq!((id, again, properties.get("$.mid"), &body[..]), (Some(9), true, Some("m1"), &b"hello"[..]));
    line.listen(false);
    assert!(matches!(seen(&mut line, &mut hub).await, Packet::Unsubscribe(_)), "nothing was acknowledged by itself");
    line.acknowledge(9);
    assert_eq!(seen(&mut line, &mut hub).await, Packet::PubAck(PubAck::new(9)));
}

#[tokio::test(start_paused = true)]
async fn tokens_run_out_in_two_ways() {
    let started = Instant::now();
    let (mut line, _hub) = pair(Valid::Renewable(Duration::from_secs(40)), vec![]);
    let Step::Inbound(Inbound::Renew(within)) = line.next().await else { panic!() };
    assert_eq!((started.elapsed() + within).as_secs(), 38, "at the latest at 95 %");
    assert_eq!(started.elapsed().as_secs(), 33, "from 80 % to 87.5 %, spread");
    let started = Instant::now();
    let (mut line, _hub) = pair(Valid::Fixed(Duration::from_secs(40)), vec![]);
    assert!(matches!(line.next().await, Step::Expired));
    assert_eq!(started.elapsed().as_secs(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_sends_what_waits_and_then_the_packet() {
    let (mut line, mut hub) = pair(Valid::Always, vec![]);
    line.hush();
    let Packet::Unsubscribe(packet) = seen(&mut line, &mut hub).await else { panic!() };
    assert_eq!(packet.topics, ["$iothub/methods/POST/#"]);
    say(&mut hub, &Packet::UnsubAck(UnsubAck::new(packet.pkid))).await;
    assert!(matches!(line.next().await, Step::Inbound(Inbound::Hushed)));
    line.send(&Outbound::Reply { rid: "1".into(), status: 200, payload: b"1".to_vec(), ticket: None });
    line.leave().await;
    let Packet::Publish(reply) = hub.read().await.unwrap().unwrap().packet else { panic!() };
    assert_eq!(reply.topic, "$iothub/methods/res/200/?$rid=1");
    assert_eq!(hub.read().await.unwrap().unwrap().packet, Packet::Disconnect);
    assert!(hub.read().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_end_without_a_word_is_told() {
    let (mut line, hub) = pair(Valid::Always, vec![]);
    drop(hub);
    assert!(matches!(line.next().await, Step::Cut(why) if why == "the hub closed the connection"));
}
