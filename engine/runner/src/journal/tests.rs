//! Journals cut anywhere, damaged, locked, many: what is read back.

use std::path::Path;
use std::sync::Arc;

use base::Clock;
use serde_json::json;

use super::read::lines;
use super::*;
use crate::{Class, Failure, Outcome};

fn line(record: Record) -> String {
    let record = Record { at: "2026-11-23T18:00:00.000Z".into(), ..record };
    serde_json::to_string(&record).unwrap() + "\n"
}

fn on(kind: Kind, device: &str, step: usize) -> Record {
    Record { device: Some(device.into()), step: Some(step), ..Record::new(kind) }
}

/// A journal with a line of every kind.
fn sample() -> String {
    let failure: Outcome =
        Failure { in_doubt: true, ..Failure::new(Class::Timeout, "did not \"answer\" in time: é") }.into();
    let value = Outcome::changed(json!({ "status": 200, "payload": { "x": [1, null, "y\n"] } }));
    let records = [
        Record::new(Kind::Session).text("0.1.0"),
        Record { value: Kept::of(&json!({ "tags": {} })), step: None, ..on(Kind::Target, "a", 0) },
        Record { step: None, ..on(Kind::Target, "b", 0) },
        Record {
            play: Some(0),
            size: Some(2),
            sizes: Some(vec![1, 1]),
            value: Kept::of(&json!({ "v": 1 })),
            ..Record::new(Kind::Play)
        },
        Record { size: Some(1), ..Record::new(Kind::Wave).wave(0) },
        Record { value: Kept::of(&json!({ "own": 2 })), step: None, ..on(Kind::Vars, "a", 0) },
        Record { value: Kept::of(&json!([1, 2])), ..on(Kind::List, "a", 0) },
        on(Kind::Enter, "a", 1),
        Record { attempt: 1, ..on(Kind::Call, "a", 2) },
        on(Kind::NotSent, "a", 2),
        Record { attempt: 1, ..on(Kind::Call, "a", 2) },
        Record { attempt: 1, ..on(Kind::Again, "a", 2) }.text("answered 500"),
        Record { attempt: 2, ..on(Kind::Call, "a", 2) },
        Record { attempt: 2, ..on(Kind::Step, "a", 2) }.outcome(&value, true, false),
        on(Kind::OnceBegun, "a", 3),
        on(Kind::Once, "a", 3).outcome(&value, true, false),
        Record { attempt: 1, blind: true, ..on(Kind::Step, "a", 4) }.outcome(&failure, false, false),
        on(Kind::Settled, "a", 4),
        Record {
            wave: Some(1),
            outcome: Some("timeout".into()),
            seconds: Some(1.5),
            step: None,
            ..on(Kind::Device, "a", 0)
        },
        Record::new(Kind::Soak).wave(0),
        Record::new(Kind::Verified).wave(0),
        Record::new(Kind::Paused).wave(0).text("wave 1 is done"),
        Record::new(Kind::Approved).wave(0),
        Record::new(Kind::Passed).wave(0),
        Record::new(Kind::Wave).wave(1),
        Record { attempt: 1, ..on(Kind::Call, "b", 2) },
        Record::new(Kind::Aborted).wave(1).text("too many"),
        Record { exit: Some(6), ..Record::new(Kind::PlayDone) },
        Record::end(None, 6, Some("aborted")),
    ];
    records.into_iter().map(line).collect()
}

#[test]
fn a_journal_cut_at_every_byte_opens_with_all_its_whole_lines() {
    let text = sample().into_bytes();
    for cut in 0..=text.len() {
        let (mut count, mut past, mut history) = (0, Past::default(), History::default());
        let whole = lines(&text[..cut], Path::new("journal.jsonl"), |record| {
            count += 1;
            history.take(&record);
            past.take(record);
        });
        let end = text[..cut].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        assert_eq!(whole.unwrap(), end, "cut at {cut}");
        assert_eq!(count, text[..cut].iter().filter(|byte| **byte == b'\n').count(), "cut at {cut}");
        assert!(past.play(0).is_none() || count >= 4);
        let _ = (history.state(false), history.counts(), history.in_doubt(false).len());
    }
}

#[test]
fn zeros_and_scraps_at_the_end_are_dropped_and_damage_in_the_middle_is_refused() {
    let text = sample();
    for scrap in ["\0\0\0\0", "\0\0\n\0\n", "{\"at\":\n", "\u{fffd}x"] {
        let mut count = 0;
        let whole = lines(format!("{text}{scrap}").as_bytes(), Path::new("j"), |_| count += 1).unwrap();
        assert_eq!((whole, count), (text.len(), text.lines().count()), "{scrap:?}");
    }
    let damaged = text.replacen("\"kind\":\"play\"", "\"kind\":\"pl?y\"", 1);
    let error = lines(damaged.as_bytes(), Path::new("j"), |_| {}).unwrap_err();
    assert!(error.to_string().contains("line 4"), "{error}");
}

#[test]
fn what_was_written_is_read_back() {
    let mut past = Past::default();
    lines(sample().as_bytes(), Path::new("j"), |record| past.take(record)).unwrap();
    assert!(past.over && !past.paused);
    let play = past.play(0).unwrap();
    assert_eq!((play.targets.len(), &play.sizes[..], play.vars["v"].as_i64()), (2, &[1, 1][..], Some(1)));
    assert!(play.device(Some("a")).is_none(), "of a device that has ended only its end is kept");
    assert_eq!(play.ends["a"].ended, crate::run::Ended::Timeout);
    let open = play.device(Some("b")).unwrap();
    assert!(open.step(2, 0).is_some_and(|step| step.call.is_some() && step.end.is_none()));
    assert!(play.once.contains_key(&3) && play.owners.is_empty());
    let wave = play.wave(0);
    assert!(wave.begun && wave.soak.is_some() && wave.verified && wave.approved && wave.passed);
    assert_eq!(play.wave(1).aborted.as_deref(), Some("too many"));
    assert_eq!(play.done, Some((6, None)));

    let mut history = History::default();
    lines(sample().as_bytes(), Path::new("j"), |record| history.take(&record)).unwrap();
    assert_eq!(history.state(false), RunState::Failed);
    let doubts = history.in_doubt(false);
    assert_eq!(doubts.len(), 1, "the one that was settled is none");
    assert_eq!((doubts[0].0.as_ref(), doubts[0].1.step), ("b", 2));
    assert!(history.in_doubt(true).is_empty(), "while a process is at work its calls are under way");
    let calls = &history.devices["a"].calls;
    assert_eq!((calls[0].attempts, calls[0].outcome.as_deref()), (2, Some("ok")));
}

#[test]
fn one_process_at_a_time_has_a_run() {
    let runs = tempfile::tempdir().unwrap();
    let folder = RunFolder::new(runs.path(), "20261123-180000-abcd");
    let manifest = RunManifest { run: folder.id(), ..RunManifest::default() };
    assert!(RunFolder::all(runs.path()).is_empty());
    let lock = folder.make(&manifest, &[]).unwrap();
    assert!(folder.is_running());
    assert!(matches!(folder.lock(), Err(JournalError::Locked(_))));
    drop(lock);
    assert!(!folder.is_running());
    assert!(folder.lock().is_ok());
    assert_eq!(RunFolder::find(runs.path(), "abcd").unwrap(), folder);
    assert!(matches!(RunFolder::find(runs.path(), "x"), Err(JournalError::Unknown(_))));
    #[cfg(unix)]
    {
        let mode = |path: &Path| {
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o777
        };
        folder.open_journal(None).unwrap();
        assert_eq!(mode(folder.path()), 0o700);
        assert_eq!(mode(&folder.journal_path()), 0o600);
        assert_eq!(mode(&folder.path().join("run.json")), 0o600);
    }
}

#[test]
fn old_runs_go_but_never_one_that_can_be_resumed_or_that_saved_something() {
    let runs = tempfile::tempdir().unwrap();
    let done: String = [Record::new(Kind::Session), Record::end(None, 0, None)].into_iter().map(line).collect();
    for number in 0..KEPT_RUNS + 4 {
        let folder = RunFolder::new(runs.path(), &format!("run-{number:04}"));
        drop(folder.make(&RunManifest { run: folder.id(), ..RunManifest::default() }, &[]).unwrap());
        std::fs::write(folder.journal_path(), &done).unwrap();
    }
    let of = |number: usize| RunFolder::new(runs.path(), &format!("run-{number:04}"));
    std::fs::write(of(0).journal_path(), line(Record::new(Kind::Session))).unwrap();
    std::fs::create_dir_all(of(1).files()).unwrap();
    std::fs::write(of(1).files().join("drift.csv"), "x").unwrap();
    let held = of(2).lock().unwrap();
    assert_eq!(tidy(runs.path()), 1);
    assert!(of(0).path().exists() && of(1).path().exists() && of(2).path().exists() && !of(3).path().exists());
    drop(held);
    assert_eq!(tidy(runs.path()), 1);
}

#[tokio::test(start_paused = true)]
async fn secrets_are_in_no_file_of_a_run() {
    let runs = tempfile::tempdir().unwrap();
    let vars = vec![KeptVar { name: "token".into(), text: Some("hunter2-hunter2".into()), ..KeptVar::default() }];
    let folder = RunFolder::new(runs.path(), "r1");
    let manifest = RunManifest { run: "r1".into(), vars, ..RunManifest::default() };
    let journal = Journal::new(folder.clone(), manifest, Vec::new(), Clock::system());
    journal.begin().unwrap();
    // A later play's secret: what is written already is written anew.
    base::Mask::process().add("hunter2-hunter2");
    journal.begin().unwrap();
    let secret = json!({ "deep": ["a hunter2-hunter2 b"] });
    let failed: Outcome = Failure { value: secret.clone(), ..Failure::new(Class::Failed, "no hunter2-hunter2") }.into();
    journal.append(on(Kind::Step, "a", 0).outcome(&Outcome::read(secret), true, false));
    journal.append(on(Kind::Step, "a", 1).outcome(&failed, true, false));
    journal.append(on(Kind::Step, "a", 2).outcome(&Outcome::read(json!("open")), true, true));
    journal.append(Record { device: Some(Arc::from("a")), ..Record::new(Kind::Device) }.text("said hunter2-hunter2"));
    journal.close().await.unwrap();
    let text = std::fs::read_to_string(folder.journal_path()).unwrap();
    assert!(!text.contains("hunter2") && !text.contains("open"), "{text}");
    assert_eq!(text.matches("\"withheld\":true").count(), 3, "{text}");
    let manifest = folder.manifest().unwrap();
    assert!(manifest.vars[0].withheld && manifest.vars[0].var().is_none());
}
