//! The outbox on the disk: what was promised is there again, whatever became of the file, and in its order.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::json;
use tokio::sync::oneshot;
use wire::{Identity, PropertyBag};

use super::{keep, open};
use crate::device::Device;
use crate::memory::Memory;
use crate::reports::{Reports, Taken};
use crate::tests::rig::{Rig, on_lane};

/// A device with its file, as after a start.
struct Life {
    device: Rc<Device>,
    keeper: Box<keep::Keeper>,
}

impl Life {
    async fn begin(path: &Path) -> Self {
        let rig = Rig::new("");
        let device = Device::new(Identity::device("d".parse().unwrap()), Rc::clone(&rig.lane), Memory::default());
        let keeper = open(&device, Some(path.to_owned())).await.unwrap().expect("a path was given");
        Self { device, keeper }
    }

    fn post(&self, body: &str) -> oneshot::Receiver<Taken> {
        self.device.outbox.message(PropertyBag::default(), body.into()).unwrap().0
    }

    /// A message that is safe.
    async fn keep(&self, body: &str) {
        assert_eq!(self.post(body).await, Ok(Taken::Later));
    }

    fn report(&self, patch: serde_json::Value) -> oneshot::Receiver<Taken> {
        self.device.outbox.report(serde_json::from_value(patch).unwrap()).unwrap()
    }

    /// Everything that waits, as it would go on the line.
    fn sendable(&self) -> Vec<String> {
        self.device.outbox.up(1);
        let text = |sent: super::Sending| String::from_utf8(sent.body).unwrap();
        let sent = (0..).map_while(|ticket| self.device.outbox.take_message(ticket)).map(text).collect();
        self.device.outbox.inner.borrow_mut().connection = 0;
        sent
    }
}

fn file(temp: &tempfile::TempDir) -> PathBuf {
    temp.path().join("deep/d.outbox")
}

/// A copy of the file at this moment: what a killed process leaves.
fn killed(path: &Path) -> (tempfile::TempDir, PathBuf) {
    let other = tempfile::tempdir().unwrap();
    let copy = other.path().join("d.outbox");
    fs::copy(path, &copy).unwrap();
    (other, copy)
}

#[tokio::test]
async fn what_was_promised_outlives_a_kill() {
    on_lane(async {
        let temp = tempfile::tempdir().unwrap();
        let life = Life::begin(&file(&temp)).await;
        for body in ["a", "b", "c"] {
            life.keep(body).await;
        }
        assert_eq!(life.report(json!({"n": 1, "deep": {"x": 1}})).await, Ok(Taken::Later));
        assert_eq!(life.report(json!({"deep": {"x": null, "y": 2}})).await, Ok(Taken::Later));
        let (_other, copy) = killed(&file(&temp));
        let next = Life::begin(&copy).await;
        assert_eq!(next.sendable(), ["a", "b", "c"]);
        let patch = next.device.outbox.reports(Reports::take).unwrap();
        let patch: serde_json::Value = serde_json::from_slice(&patch).unwrap();
        assert_eq!(patch, json!({"n": 1, "deep": {"x": null, "y": 2}}));
    })
    .await;
}

#[tokio::test]
async fn nothing_touches_the_disk_while_the_hub_takes_it() {
    on_lane(async {
        let temp = tempfile::tempdir().unwrap();
        let life = Life::begin(&file(&temp)).await;
        let empty = fs::read(file(&temp)).unwrap();
        life.device.outbox.up(1);
        let mut waiting = life.post("a");
        assert!(life.device.outbox.take_message(1).is_some());
        assert!(waiting.try_recv().is_err(), "the hub's word is waited for");
        assert!(life.device.outbox.message_taken(1));
        assert_eq!(waiting.await, Ok(Taken::Yes));
        life.keeper.close().await;
        assert_eq!(fs::read(file(&temp)).unwrap(), empty);
    })
    .await;
}

#[tokio::test]
async fn a_cut_writes_down_what_was_on_its_way_and_what_arrives_is_struck_out() {
    on_lane(async {
        let temp = tempfile::tempdir().unwrap();
        let life = Life::begin(&file(&temp)).await;
        life.device.outbox.up(1);
        let (first, second, report) = (life.post("a"), life.post("b"), life.report(json!({"n": 1})));
        assert!(life.device.outbox.take_message(1).is_some());
        assert!(life.device.outbox.reports(Reports::take).is_some());
        life.device.outbox.down();
        assert_eq!((first.await, second.await, report.await), (Ok(Taken::Later), Ok(Taken::Later), Ok(Taken::Later)));
        let (_other, copy) = killed(&file(&temp));
        assert_eq!(Life::begin(&copy).await.sendable(), ["a", "b"]);

        life.device.outbox.up(2);
        assert!(life.device.outbox.take_message(2).unwrap().again, "it may have arrived before");
        assert!(life.device.outbox.message_taken(2));
        assert!(life.device.outbox.reports(Reports::take).is_some());
        life.device.outbox.reports(|reports| reports.settle(&Taken::Yes));
        life.keeper.close().await;
        let (_other, copy) = killed(&file(&temp));
        let next = Life::begin(&copy).await;
        assert_eq!(next.sendable(), ["b"]);
        assert!(next.device.outbox.reports(Reports::take).is_none());
        next.keep("c").await;
        assert_eq!(next.sendable(), ["c"], "numbers go on, `b` is on the line");
    })
    .await;
}

#[tokio::test]
async fn a_file_cut_at_every_byte_gives_what_was_whole_and_goes_on() {
    on_lane(async {
        let temp = tempfile::tempdir().unwrap();
        let life = Life::begin(&file(&temp)).await;
        let mut ends = Vec::new();
        for body in ["one", "two", "three", "four"] {
            life.keep(body).await;
            ends.push(fs::metadata(file(&temp)).unwrap().len());
        }
        let whole = fs::read(file(&temp)).unwrap();
        let other = tempfile::tempdir().unwrap();
        for cut in 0..=whole.len() {
            let path = other.path().join(format!("{cut}.outbox"));
            fs::write(&path, &whole[..cut]).unwrap();
            let next = Life::begin(&path).await;
            let kept = ends.iter().filter(|end| **end <= cut as u64).count();
            assert_eq!(next.sendable(), &["one", "two", "three", "four"][..kept], "cut at {cut}");
            next.keep("after").await;
            let Life { device, keeper } = next;
            keeper.close().await;
            drop(device);
            let last = Life::begin(&path).await;
            assert_eq!(last.sendable().last().map(String::as_str), Some("after"), "cut at {cut}");
        }
    })
    .await;
}

#[tokio::test]
async fn damage_and_strangers_are_told_and_nothing_is_thrown_away() {
    on_lane(async {
        let temp = tempfile::tempdir().unwrap();
        let life = Life::begin(&file(&temp)).await;
        for body in ["one", "two", "three"] {
            life.keep(body).await;
        }
        let mut damaged = fs::read(file(&temp)).unwrap();
        let at = damaged.windows(3).position(|bytes| bytes == b"two").unwrap();
        damaged[at] = b'T';
        let other = tempfile::tempdir().unwrap();
        let path = other.path().join("d.outbox");
        fs::write(&path, &damaged).unwrap();
        assert_eq!(Life::begin(&path).await.sendable(), ["one"]);
        assert_eq!(fs::read(path.with_extension("outbox.damaged")).unwrap(), damaged);

        let rig = Rig::new("");
        let device = Device::new(Identity::device("d".parse().unwrap()), Rc::clone(&rig.lane), Memory::default());
        let second = open(&device, Some(file(&temp))).await.err().expect("it is in use").to_string();
        assert!(second.contains("in use by another process"), "{second}");
        let foreign = other.path().join("notes.outbox");
        fs::write(&foreign, "somebody's notes").unwrap();
        let refused = open(&device, Some(foreign.clone())).await.err().expect("it is no outbox").to_string();
        assert!(refused.contains("no outbox"), "{refused}");
        assert_eq!(fs::read(&foreign).unwrap(), b"somebody's notes");
    })
    .await;
}

#[tokio::test]
async fn the_file_stays_small_however_much_goes_through_it() {
    on_lane(async {
        let temp = tempfile::tempdir().unwrap();
        let life = Life::begin(&file(&temp)).await;
        let body = "x".repeat(10_000);
        for round in 0..200 {
            life.keep(&body).await;
            life.device.outbox.up(round + 1);
            assert!(life.device.outbox.take_message(round).is_some());
            assert!(life.device.outbox.message_taken(round));
            life.device.outbox.down();
        }
        life.keep("last").await;
        assert!(fs::metadata(file(&temp)).unwrap().len() < 400_000, "2 MB went through");
        let (_other, copy) = killed(&file(&temp));
        assert_eq!(Life::begin(&copy).await.sendable(), ["last"]);
    })
    .await;
}

#[tokio::test]
async fn a_disk_that_refuses_is_told_to_the_sender() {
    on_lane(async {
        let temp = tempfile::tempdir().unwrap();
        let life = Life::begin(&file(&temp)).await;
        life.keep("safe").await;
        life.device.outbox.break_disk();
        let Ok(Taken::Refused(why)) = life.post("lost").await else { panic!("nothing was promised") };
        assert!(why.contains("cannot be kept") && why.contains("d.outbox"), "{why}");
        assert!(matches!(life.report(json!({"n": 1})).await, Ok(Taken::Refused(_))));
        assert_eq!(life.sendable(), ["safe"]);
    })
    .await;
}
