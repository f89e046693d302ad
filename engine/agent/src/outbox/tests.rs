//! The outbox without a line: in memory here, on the disk in `keep_tests`.

use std::time::Duration;

use serde_json::json;
use wire::PropertyBag;

use super::{Bounds, Full, Outbox, Reply, Wish};
use crate::reports::{Reports, Taken};

const FEW: Bounds = Bounds { messages: 20, bytes: 1 << 20 };

fn reply(connection: u64, rid: &str) -> Reply {
    Reply { connection, rid: rid.into(), status: 200, payload: Vec::new(), acknowledged: None }
}

fn bag() -> PropertyBag {
    PropertyBag::default()
}

#[test]
fn replies_die_with_their_connection() {
    let outbox = Outbox::new(FEW);
    assert!(!outbox.reply(reply(1, "a")), "nothing is up");
    outbox.up(1);
    assert!(outbox.reply(reply(1, "a")) && outbox.reply(reply(1, "b")));
    assert_eq!(outbox.take_reply().unwrap().rid, "a");
    assert_eq!(outbox.down().replies, 1);
    outbox.up(2);
    assert!(outbox.take_reply().is_none());
    assert!(!outbox.reply(reply(1, "late")), "its call belongs to another connection");
}

#[test]
fn messages_are_kept_in_order_until_acknowledged() {
    let outbox = Outbox::new(FEW);
    let (mut early, _) = outbox.message(bag(), b"0".to_vec()).unwrap();
    assert_eq!(early.try_recv(), Ok(Taken::Later), "nobody waits for a line that is not there");
    outbox.up(1);
    let (mut second, _) = outbox.message(bag(), b"1".to_vec()).unwrap();
    assert_eq!(outbox.take_message(10).unwrap().body, b"0");
    assert!(!outbox.take_message(11).unwrap().again);
    assert!(outbox.take_message(12).is_none());
    assert!(outbox.message_taken(10) && !outbox.message_taken(10));
    outbox.down();
    assert_eq!(second.try_recv(), Ok(Taken::Later));
    outbox.up(2);
    let again = outbox.take_message(13).unwrap();
    assert_eq!((again.body.as_slice(), again.again), (&b"1"[..], true));
    assert!(outbox.message_taken(13));
    assert!(outbox.take_message(14).is_none());
}

#[test]
fn the_oldest_that_nobody_waits_for_make_room() {
    let outbox = Outbox::new(FEW);
    for number in 0..30_u8 {
        let (_, dropped) = outbox.message(bag(), vec![number]).unwrap();
        assert_eq!(dropped, u64::from(number >= 20));
    }
    assert_eq!((outbox.told_dropped(), outbox.told_dropped()), (10, 0));
    outbox.up(1);
    let sent: Vec<_> = (0..).map_while(|ticket| outbox.take_message(ticket)).map(|sent| sent.body[0]).collect();
    assert_eq!(sent, (10..26).collect::<Vec<u8>>(), "in order, as many as go on the line at once");
    // Those on the line stay; of the others the oldest goes.
    assert_eq!(outbox.message(bag(), vec![30]).unwrap().1, 1);
    (0..16).for_each(|ticket| assert!(outbox.message_taken(ticket)));
    let rest: Vec<_> = (100..).map_while(|ticket| outbox.take_message(ticket)).map(|sent| sent.body[0]).collect();
    assert_eq!(rest, [27, 28, 29, 30]);
}

#[test]
fn large_messages_make_room_by_their_bytes() {
    let outbox = Outbox::new(Bounds { messages: 1000, bytes: 100_000 });
    for number in 0..10 {
        outbox.message(bag(), vec![number; 30_000]).unwrap();
    }
    outbox.up(1);
    let sent: Vec<_> = (0..).map_while(|ticket| outbox.take_message(ticket)).map(|sent| sent.body[0]).collect();
    assert_eq!((sent, outbox.told_dropped()), (vec![7, 8, 9], 7));
    outbox.down();
    assert!(outbox.message(bag(), vec![0; 200_000]).is_ok(), "an empty outbox takes anything that a message may be");
}

#[test]
fn a_sender_that_is_faster_than_its_line_notices() {
    let outbox = Outbox::new(FEW);
    outbox.up(1);
    let waiting: Vec<_> = (0..20).map(|_| outbox.message(bag(), Vec::new()).unwrap()).collect();
    assert_eq!(outbox.message(bag(), Vec::new()).unwrap_err(), Full);
    assert_eq!(waiting.len(), 20);
}

#[test]
fn a_message_that_costs_each_connection_is_given_up() {
    let outbox = Outbox::new(FEW);
    outbox.up(1);
    let (mut poison, _) = outbox.message(bag(), b"bad".to_vec()).unwrap();
    for connection in 2..=5 {
        assert!(outbox.take_message(connection).is_some());
        assert!(outbox.down().poison.is_empty());
        outbox.up(connection);
    }
    assert!(outbox.take_message(99).is_some());
    assert_eq!(outbox.down().poison, [3]);
    assert_eq!(poison.try_recv(), Ok(Taken::Later), "nobody was kept waiting beyond the first loss");
    outbox.up(9);
    assert!(outbox.take_message(100).is_none());
}

#[test]
fn a_wish_waits_for_replies_and_a_restart_outranks_a_reconnect() {
    let outbox = Outbox::new(FEW);
    outbox.up(1);
    outbox.reply(reply(1, "a"));
    outbox.wish(Wish::Away("away", Duration::from_secs(1)));
    outbox.wish(Wish::Reconnect);
    assert_eq!(outbox.take_wish(), None);
    outbox.take_reply();
    assert_eq!(outbox.take_wish(), Some(Wish::Away("away", Duration::from_secs(1))));
    assert_eq!(outbox.take_wish(), None);
}

#[test]
fn a_report_without_a_line_is_for_later() {
    let outbox = Outbox::new(FEW);
    let patch = serde_json::from_value(json!({"a": 1})).unwrap();
    assert_eq!(outbox.report(patch).unwrap().try_recv(), Ok(Taken::Later));
    outbox.up(1);
    assert_eq!(outbox.reports(Reports::take), Some(br#"{"a":1}"#.to_vec()));
}

#[test]
fn ids_differ_within_a_life_and_between_lives() {
    let (one, two) = (Outbox::new(FEW), Outbox::new(FEW));
    let ids = [one.message_id(|| 7), one.message_id(|| 9), two.message_id(|| 8)];
    assert_eq!(ids, ["0000000000000007-1", "0000000000000007-2", "0000000000000008-1"]);
}
