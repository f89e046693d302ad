//! The reports of a resumed run are those of one that was never interrupted, but for times and a mark.

use std::path::Path;
use std::rc::Rc;

use base::Clock;
use iotplay_runner::{ReportFile, ReportKind, Reporter, Reports, RunOptions};
use serde_json::json;

use super::fake::{Reply, Shared, book, runner, world};
use super::journal::Kept;

/// Waves and verify, retries, a loop, a rescue, what is ignored, hidden or skipped, a failure, two plays. No call that may not be repeated.
const PLAYS: &str = "
- name: First
  serial: [1, rest]
  abort_if: { failed: 90%, min_sample: 50 }
  between_waves: { verify: [ { ping: { name: verify } } ] }
  before: [ { log: begins } ]
  steps:
    - ping: { name: plain }
    - harmless: { name: again, payload: '${{ attempt }}' }
      retries: 2
      delay: 1s
    - ping: { name: looped, payload: '${{ item }}' }
      loop: [1, 2]
      register: all
    - ping: { name: hidden }
      no_log: true
    - ping: { name: never }
      when: device.id == 'x'
    - block:
        - harmless: { name: bad }
      rescue:
        - log: rescued
    - harmless: { name: bad }
      ignore_errors: true
    - block:
        - fail: no
          when: device.id == 'c'
      retries: 1
  after: [ { log: '${{ devices.len() }}' } ]
- name: Second
  steps:
    - get_twin:
    - ping: { name: last, payload: '${{ item }}' }
      loop: '${{ [twin.version, 7] }}'
";

fn fresh() -> Shared {
    let world = world(["a", "b", "c", "d"]);
    world.borrow_mut().decide = Some(Rc::new(|_, method, payload| match method {
        "again" if payload.as_i64() < Some(2) => Reply::Status(503, json!("later")),
        "bad" => Reply::Status(409, json!({ "why": "bad" })),
        _ => Reply::Status(200, json!({ "of": method, "payload": payload })),
    }));
    world
}

/// Runs with a JUnit report; gives its lines without times, sorted by test case.
async fn junit(options: &RunOptions, folder: &Path) -> (u8, Vec<String>, String) {
    let path = folder.join("junit.xml");
    let file = ReportFile { kind: ReportKind::Junit, path: path.clone() };
    let reports = Reports::new(vec![file], None, Clock::system()).expect("a folder that can be written");
    let world = fresh();
    let reporters: Vec<Rc<dyn Reporter>> = vec![Rc::new(reports)];
    let result = runner(&world).run_book(&book(&world, PLAYS), options, &reporters).await;
    let text = std::fs::read_to_string(&path).expect("a report");
    let mut cases: Vec<String> = text.split("<testcase").map(untimed).collect();
    cases.sort();
    (result.exit, cases, text)
}

/// Numbers with a point are times here.
fn untimed(case: &str) -> String {
    let case = case.replace(", before the interruption", "");
    let mut out = String::new();
    for word in case.split_inclusive([' ', '"', '(', '\n']) {
        let timed = word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit());
        let date = word.starts_with("20") && word.contains('T');
        out.push_str(if timed || date { "T" } else { word });
    }
    // Of waves and of the whole, a cut run says other times only.
    out.split("</testcase>").next().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn reports_of_a_resumed_run_are_whole_wherever_it_was_cut() {
    let kept = Kept::new();
    let (exit, expected, _) = junit(&kept.fresh(), kept.folder.path()).await;
    let whole = kept.text();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    assert!(lines.len() > 100, "{}", lines.len());
    for cut in (6..lines.len() - 1).step_by(3) {
        kept.write(&lines[..cut].concat());
        let (code, cases, text) = junit(&kept.resumed(false), kept.folder.path()).await;
        assert_eq!(code, exit, "cut at {cut}");
        for (got, wanted) in cases.iter().zip(&expected) {
            assert_eq!(got, wanted, "cut at {cut}: {}", lines[cut - 1]);
        }
        assert_eq!(cases.len(), expected.len(), "cut at {cut}");
        let steps = lines[..cut].iter().filter(|line| line.contains("\"kind\":\"step\"")).count();
        assert!(steps < 6 || text.contains(", before the interruption"), "cut at {cut}");
    }
}
