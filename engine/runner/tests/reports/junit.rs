//! What CI servers read.

use std::collections::BTreeMap;

use iotplay_runner::{Counts, Outcome, RunEvent};
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;

use super::stream::{Stream, failure, mixed};

/// An element: its name, attributes, children and own text.
#[derive(Debug, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) children: Vec<Element>,
    pub(crate) text: String,
}

impl Element {
    pub(crate) fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    pub(crate) fn of(&self, attribute: &str) -> &str {
        self.attributes.get(attribute).map_or("", String::as_str)
    }

    fn number(&self, attribute: &str) -> usize {
        self.of(attribute).parse().unwrap_or_else(|_| panic!("{attribute} of {self:?}"))
    }
}

/// Reads a document strictly; panics when it is not well-formed.
pub(crate) fn parse(xml: &str) -> Element {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error} in {xml}")) {
            Event::Start(start) => open.push(element(&start)),
            Event::Empty(start) => open.last_mut().expect("an open element").children.push(element(&start)),
            Event::End(_) => {
                let done = open.pop().expect("an open element");
                open.last_mut().expect("an open element").children.push(done);
            }
            Event::Text(text) => open.last_mut().expect("an open element").text.push_str(&text),
            Event::GeneralRef(name) => {
                let known = match name.resolve_char_ref().expect("a character") {
                    Some(c) => c.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&name).expect("a known name").to_owned(),
                };
                open.last_mut().expect("an open element").text.push_str(&known);
            }
            Event::Decl(_) => {}
            Event::Eof => break,
            other => panic!("{other:?} has no place in a report"),
        }
    }
    assert_eq!(open.len(), 1, "every element is closed");
    let mut root = open.pop().expect("an open element");
    assert_eq!(root.children.len(), 1);
    root.children.pop().expect("one root")
}

fn element(start: &quick_xml::events::BytesStart<'_>) -> Element {
    let attributes = start.attributes().map(|attribute| {
        let attribute = attribute.expect("an attribute");
        let value = attribute.normalized_value(quick_xml::XmlVersion::Explicit1_0).expect("a value").into_owned();
        (attribute.key.as_ref().to_owned(), value)
    });
    let name = start.name().as_ref().to_owned();
    Element { name, attributes: attributes.collect(), ..Element::default() }
}

#[test]
fn a_suite_is_a_play_and_a_case_a_device() {
    let root = parse(&mixed().papers().junit);
    assert_eq!((root.number("tests"), root.number("failures"), root.number("errors")), (6, 2, 0));
    let [suite] = &root.children[..] else { panic!("one play") };
    assert_eq!((suite.of("name"), suite.of("timestamp")), ("Reboot", "2026-11-23T13:27:42"));
    assert_eq!((suite.number("tests"), suite.number("failures"), suite.number("skipped")), (6, 2, 1));
    let properties: Vec<_> =
        suite.children[0].children.iter().map(|property| (property.of("name"), property.of("value"))).collect();
    assert_eq!(properties, [("run", "r1"), ("hub", "fake.example"), ("exit", "4"), ("waves", "2"), ("steps", "3")]);
    let case = |id: &str| suite.all("testcase").find(|case| case.of("name") == id).unwrap();
    assert_eq!(case("good").of("time"), "2.500");
    assert_eq!(case("good").children.len(), 1, "its log only: {:?}", case("good"));
    let log = &case("saved").all("system-out").next().unwrap().text;
    assert_eq!(log, "wave 2, waited 0.700 s\nrescued: Ask (1.250 s) answered 409\nok: Collect (1.250 s) 200 fine");
    assert_eq!(case("off").all("skipped").next().unwrap().of("message"), "not connected; the rest is skipped too");
}

#[test]
fn a_failure_names_class_step_reason_place_help_and_attempts() {
    let root = parse(&mixed().papers().junit);
    let late = root.children[0].all("testcase").find(|case| case.of("name") == "late").unwrap();
    let failure = late.all("failure").next().unwrap();
    assert_eq!((failure.of("type"), failure.of("message")), ("timeout", "Ask: did not answer in time"));
    assert_eq!(
        failure.text,
        "Ask: did not answer in time\nat: reboot.yaml:2:5\nhelp: look at it\nreply: {\"lost\":true}\nattempts: 2"
    );
    let again = late.all("rerunFailure").next().unwrap();
    assert_eq!((again.of("type"), again.of("message")), ("retried", "Ask: attempt 1: is busy"));
    let flaky = root.children[0].all("testcase").find(|case| case.of("name") == "again").unwrap();
    assert_eq!(flaky.all("flakyFailure").next().unwrap().of("message"), "Ask: attempt 1: answered 503");
    assert_eq!(flaky.all("failure").count(), 0);
}

#[test]
fn a_run_that_ended_early_is_red() {
    let mut run = Stream::begin(&["Ask"], 1, 1);
    run.ended("a", 1, "skipped", Some("not reached"));
    run.end(Counts { skipped: 1, ..Counts::default() }, 6, Some("`before` failed: no way"));
    let root = parse(&run.papers().junit);
    assert_eq!((root.number("tests"), root.number("failures"), root.number("errors")), (2, 0, 1));
    let error = root.children[1].all("testcase").next().unwrap().all("error").next().unwrap();
    assert_eq!((error.of("type"), error.of("message")), ("exit 6", "`before` failed: no way"));
    // A step that was under way when the run was interrupted.
    let mut run = Stream::begin(&["Ask"], 1, 1);
    run.device("a", 1).begins("a", 0, "Ask").ended("a", 1, "skipped", Some("interrupted"));
    run.end(Counts { skipped: 1, ..Counts::default() }, 130, Some("interrupted"));
    let root = parse(&run.papers().junit);
    assert!(
        root.children[0]
            .all("testcase")
            .next()
            .unwrap()
            .all("system-out")
            .next()
            .unwrap()
            .text
            .contains("stopped: Ask")
    );
}

#[test]
fn nothing_was_sent_is_red_too() {
    let mut run = Stream(Stream::begin(&[], 0, 0).0.into_iter().take(1).collect());
    let diagnostic = Box::new(base::Diagnostic::error("no such device: b").help("did you mean `a`?"));
    run.tell(RunEvent::Stopped { diagnostic });
    run.tell(RunEvent::RunEnded { counts: Counts::default(), took: std::time::Duration::ZERO, exit: 2, reason: None });
    let root = parse(&run.papers().junit);
    assert_eq!((root.number("tests"), root.number("errors")), (1, 1));
    let error = root.children[0].all("testcase").next().unwrap().all("error").next().unwrap();
    assert_eq!(error.text, "error: no such device: b\nhelp: did you mean `a`?");
}

#[test]
fn what_no_log_hides_and_secrets_are_nowhere() {
    base::Mask::process().add("hunter2-hunter2");
    base::Mask::process().add("quo\"ted-secret");
    let mut run = Stream::begin(&["Ask"], 2, 1);
    run.device("a", 1);
    run.ends("a", 0, "Ask", failure(iotplay_runner::Class::Rejected, "told hunter2-hunter2"), |_| {});
    run.ended("a", 1, "rejected", Some("told hunter2-hunter2"));
    run.device("b", 1).ends("b", 0, "Ask", Outcome::read(Value::from("invisible-value")), |event| {
        if let RunEvent::StepEnded { hidden, summary, .. } = event {
            (*hidden, *summary) = (true, "invisible-summary".into());
        }
    });
    run.ended("b", 1, "ok", None);
    run.device("c", 1).step("c", 0, "Ask", Outcome::read(Value::from("x quo\"ted-secret x"))).ended("c", 1, "ok", None);
    run.end(Counts { ok: 2, failed: 1, ..Counts::default() }, 4, Some("hunter2-hunter2"));
    let papers = run.papers();
    for paper in [&papers.junit, &papers.html, &papers.summary] {
        for secret in ["hunter2-hunter2", "invisible", "ted-secret"] {
            assert!(!paper.contains(secret), "{secret} in {paper}");
        }
    }
    assert!(papers.junit.contains("told ***") && papers.junit.contains("(no_log)"), "{}", papers.junit);
}
