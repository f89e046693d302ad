//! From a file to cases: every mistake at its place, all of them at once.

use std::time::Duration;

use base::{Diagnostic, Diagnostics, Source, Span, did_you_mean, parse_duration, parse_time};
use script::Expressions;
use serde_json::{Map, Value};
use wire::Identity;

use super::case::{Case, CaseFile, Expect, Given, Input, Printed, Step, Words};
use super::expected::{Expected, code, refused};
use super::fakes::Fakes;
use super::tree::{Node, Tree};
use crate::config::SimConfig;
use crate::program::Ran;

/// A file of a thousand cases is within it.
const LARGEST: usize = 4 * 1024 * 1024;

/// When a case does not say when it is.
const NOON: &str = "2026-01-01T12:00:00Z";

/// The longest that a case lets pass.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

const INPUTS: [&str; 6] = ["method", "desired", "message", "start", "boot", "wait"];
const FILE: [&str; 3] = ["scripts", "given", "cases"];
const CASE: [&str; 11] =
    ["name", "given", "steps", "method", "payload", "desired", "message", "start", "boot", "wait", "for"];
const STEP: [&str; 9] = ["method", "payload", "desired", "message", "start", "boot", "wait", "for", "expect"];
const GIVEN: [&str; 10] = ["device", "state", "desired", "reported", "now", "boot_id", "reboot", "away", "run", "read"];
const EXPECT: [&str; 10] =
    ["status", "payload", "reported", "state", "sent", "printed", "error", "rebooted", "that", "exactly"];

/// Reads and checks.
pub(super) fn read(source: &Source, expressions: &Expressions) -> Result<CaseFile, Diagnostics> {
    if source.text().len() > LARGEST {
        return Err(Diagnostic::error(format!("{} is larger than 4 MiB", source.name())).into());
    }
    let tree = Tree::read(source)?;
    let mut reading = Reading { source, expressions, found: Diagnostics::default() };
    let file = reading.file(&tree);
    if reading.found.is_empty() { Ok(file) } else { Err(reading.found) }
}

struct Reading<'a> {
    source: &'a Source,
    expressions: &'a Expressions,
    found: Diagnostics,
}

/// The members of a map.
type Members<'t> = &'t [(String, Tree)];

fn member<'t>(members: Members<'t>, key: &str) -> Option<&'t Tree> {
    members.iter().find(|(name, _)| name == key).map(|(_, tree)| tree)
}

impl Reading<'_> {
    fn wrong(&mut self, at: Span, message: impl Into<String>, help: &str) {
        self.found.push(Diagnostic::error(message).at(self.source.place(at)).help(help));
    }

    /// A map with no keys but these.
    fn map<'t>(&mut self, tree: &'t Tree, what: &str, known: &[&str]) -> Members<'t> {
        let Node::Map(members) = &tree.node else {
            self.wrong(tree.at, format!("{what} is a map"), &format!("with: {}", known.join(", ")));
            return &[];
        };
        for (key, below) in members.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            let help = match did_you_mean(key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", known.join(", ")),
            };
            self.wrong(below.at, format!("`{key}` is no key of {what}"), &help);
        }
        members
    }

    fn file(&mut self, tree: &Tree) -> CaseFile {
        let members = self.map(tree, "a file of cases", &FILE);
        let scripts = member(members, "scripts").and_then(|tree| self.text(tree, "scripts"));
        let usual = Given::usual();
        let given = member(members, "given").map_or(usual.clone(), |tree| self.given(tree, usual));
        let mut cases: Vec<Case> = Vec::new();
        match member(members, "cases").map(|tree| (&tree.node, tree.at)) {
            Some((Node::List(items), _)) if !items.is_empty() => {
                for item in items {
                    let case = self.case(item, &given);
                    if cases.iter().any(|other| other.name == case.name) {
                        self.wrong(case.at, format!("there are two cases `{}`", case.name), "name one differently");
                    }
                    cases.push(case);
                }
            }
            found => self.wrong(
                found.map_or(tree.at, |(_, at)| at),
                "`cases` is a list of at least one case",
                "cases: [{ name: answers, method: rebootDevice, expect: { status: 200 } }]",
            ),
        }
        CaseFile { scripts, cases }
    }

    fn case(&mut self, tree: &Tree, given: &Given) -> Case {
        let known = [&CASE[..], &["expect"]].concat();
        let members = self.map(tree, "a case", &known);
        let at = member(members, "name").map_or(tree.at, |name| name.at);
        let name = member(members, "name").and_then(|tree| self.text(tree, "name")).unwrap_or_default();
        if name.is_empty() {
            self.wrong(tree.at, "a case needs a name", "name: answers with what it was asked");
        }
        let given = member(members, "given").map_or(given.clone(), |tree| self.given(tree, given.clone()));
        let steps = match member(members, "steps").map(|steps| (&steps.node, steps.at)) {
            None => vec![self.step(members, tree.at)],
            Some((Node::List(items), at)) if !items.is_empty() => {
                if let Some((key, below)) =
                    members.iter().find(|(key, _)| STEP.contains(&key.as_str()) && key != "payload")
                {
                    self.wrong(below.at, format!("a case with `steps` has no `{key}` of its own"), "");
                }
                let steps: Vec<Step> = items
                    .iter()
                    .map(|item| {
                        let members = self.map(item, "a step", &STEP);
                        self.step(members, item.at)
                    })
                    .collect();
                if let Some(late) = steps.iter().skip(1).find(|step| matches!(step.input, Input::Start | Input::Boot)) {
                    self.wrong(late.at, "`start` and `boot` are the first step or none", "");
                }
                let _ = at;
                steps
            }
            Some((_, at)) => {
                self.wrong(at, "`steps` is a list of steps", "");
                Vec::new()
            }
        };
        Case { name, source: self.source.clone(), at, given, steps }
    }

    fn step(&mut self, members: Members<'_>, at: Span) -> Step {
        let inputs: Vec<&str> = INPUTS.into_iter().filter(|input| member(members, input).is_some()).collect();
        let input = match inputs[..] {
            [only] => self.input(only, member(members, only).expect("it was just found"), members),
            _ => {
                let message = match inputs.is_empty() {
                    true => "nothing happens here".to_owned(),
                    false => format!("{} are two things: one a step", inputs.join(" and ")),
                };
                self.wrong(at, message, "one of method, desired, message, start, boot, wait; several go under `steps`");
                Input::Wait
            }
        };
        if let (Some(payload), false) = (member(members, "payload"), matches!(input, Input::Method { .. })) {
            self.wrong(payload.at, "`payload` goes with `method`", "");
        }
        let waits = member(members, if matches!(input, Input::Wait) { "wait" } else { "for" });
        let lasts = waits.map_or(Duration::ZERO, |tree| self.time(tree));
        let expect = member(members, "expect").map_or_else(Expect::default, |tree| self.expect(tree, &input));
        Step { at, input, lasts, expect }
    }

    fn input(&mut self, key: &str, tree: &Tree, members: Members<'_>) -> Input {
        match key {
            "method" => {
                let name = self.text(tree, "method").unwrap_or_default();
                Input::Method { name, payload: member(members, "payload").map(Tree::value) }
            }
            "message" => self.message(tree),
            "desired" => Input::Desired(self.object(tree, "desired")),
            "wait" => Input::Wait,
            _ => {
                if self.truth(tree, key) == Some(false) {
                    self.wrong(tree.at, format!("`{key}` is true, or not there"), "");
                }
                if key == "start" { Input::Start } else { Input::Boot }
            }
        }
    }

    fn given(&mut self, tree: &Tree, usual: Given) -> Given {
        let members = self.map(tree, "`given`", &GIVEN);
        let mut given = usual;
        if let Some(tree) = member(members, "device")
            && let Some(text) = self.text(tree, "device")
        {
            match text.parse() {
                Ok(id) => given.device = Identity::device(id),
                Err(error) => self.wrong(tree.at, format!("`device`: {error}"), ""),
            }
        }
        for (key, place) in
            [("state", &mut given.state), ("desired", &mut given.desired), ("reported", &mut given.reported)]
        {
            if let Some(tree) = member(members, key) {
                *place = self.object(tree, key);
            }
        }
        if let Some(tree) = member(members, "now") {
            match self.text(tree, "now").as_deref().and_then(parse_time) {
                Some(now) => given.now = now,
                None => self.wrong(tree.at, "`now` is a time", "now: 2026-11-23T13:27:42Z"),
            }
        }
        if let Some(tree) = member(members, "boot_id") {
            given.boot_id = self.text(tree, "boot_id").unwrap_or_default();
        }
        if let Some(tree) = member(members, "reboot") {
            given.reboot = self.time(tree);
        }
        if let Some(tree) = member(members, "away") {
            given.away = self.truth(tree, "away").unwrap_or_default();
        }
        if let Some(tree) = member(members, "run") {
            given.fakes.run = self.programs(tree);
        }
        if let Some(tree) = member(members, "read") {
            let files = self.object(tree, "read");
            given.fakes.read = files.into_iter().map(|(path, value)| (path, plain(&value))).collect();
        }
        given
    }

    fn message(&mut self, tree: &Tree) -> Input {
        let members = self.map(tree, "`message`", &["body", "properties"]);
        let body = member(members, "body").map_or(Value::String(String::new()), Tree::value);
        let properties = member(members, "properties").map_or_else(Map::new, |tree| self.object(tree, "properties"));
        Input::Message { properties: properties.into_iter().map(|(key, value)| (key, plain(&value))).collect(), body }
    }

    /// Programs that answer, as `{ program: "/usr/bin/uptime -p", out: up 3 days }`.
    fn programs(&mut self, tree: &Tree) -> Vec<(String, Ran)> {
        let Node::List(items) = &tree.node else {
            self.wrong(
                tree.at,
                "`run` is a list of programs",
                "run: [{ program: /usr/bin/uptime -p, out: up 3 days }]",
            );
            return Vec::new();
        };
        let mut programs = Vec::new();
        for item in items {
            let members = self.map(item, "a program", &["program", "code", "out", "err", "timed_out"]);
            let mut text = |key: &str| member(members, key).and_then(|tree| self.text(tree, key)).unwrap_or_default();
            let (program, out, err) = (text("program"), text("out"), text("err"));
            let code = member(members, "code").map_or(Some(0), |tree| tree.value().as_i64());
            let timed_out = member(members, "timed_out").and_then(|tree| self.truth(tree, "timed_out"));
            if !program.starts_with('/') {
                self.wrong(item.at, "a program is an absolute path and its arguments", "");
            }
            let Some(code) = code else {
                self.wrong(item.at, "`code` is a number", "");
                continue;
            };
            let ran = Ran { code, out, err, timed_out: timed_out.unwrap_or_default(), truncated: false };
            programs.push((program, ran));
        }
        programs
    }

    fn expect(&mut self, tree: &Tree, input: &Input) -> Expect {
        let members = self.map(tree, "`expect`", &EXPECT);
        for key in ["status", "payload"] {
            if let (Some(tree), false) = (member(members, key), matches!(input, Input::Method { .. })) {
                self.wrong(tree.at, format!("only a method is answered: no `{key}` here"), "");
            }
        }
        let words = |reading: &mut Self, key: &str| {
            let tree = member(members, key)?;
            reading.text(tree, key).map(|text| Words { text, at: tree.at })
        };
        Expect {
            status: self.expected(members, "status"),
            payload: self.expected(members, "payload"),
            reported: self.expected(members, "reported"),
            state: self.expected(members, "state"),
            sent: self.sent(members),
            printed: match member(members, "printed").map(|tree| &tree.node) {
                Some(Node::List(_)) => self.expected(members, "printed").map(Printed::Lines),
                Some(_) => words(self, "printed").map(Printed::Somewhere),
                None => None,
            },
            error: words(self, "error"),
            rebooted: member(members, "rebooted").and_then(|tree| Some((self.truth(tree, "rebooted")?, tree.at))),
            that: self.conditions(members),
            exactly: member(members, "exactly").and_then(|tree| self.truth(tree, "exactly")).unwrap_or_default(),
        }
    }

    fn sent(&mut self, members: Members<'_>) -> Option<Expected> {
        let tree = member(members, "sent")?;
        let Node::List(items) = &tree.node else {
            if !matches!(&tree.node, Node::Leaf(Value::String(text)) if code(text).is_some()) {
                self.wrong(tree.at, "`sent` is a list of messages", "sent: [{ body: { temperature: 21.5 } }]");
            }
            return self.expected(members, "sent");
        };
        for item in items {
            self.map(item, "a message", &["body", "properties"]);
        }
        self.expected(members, "sent")
    }

    fn conditions(&mut self, members: Members<'_>) -> Vec<(script::Expr, Span)> {
        let Some(tree) = member(members, "that") else { return Vec::new() };
        let one = std::slice::from_ref(tree);
        let items = if let Node::List(items) = &tree.node { items } else { one };
        let mut conditions = Vec::new();
        for item in items {
            let Some(text) = self.text(item, "that") else { continue };
            match self.expressions.compile(code(&text).unwrap_or(&text)) {
                Ok(expr) => conditions.push((expr, item.at)),
                Err(error) => self.found.push(refused(&error, self.source, item.at)),
            }
        }
        conditions
    }

    fn expected(&mut self, members: Members<'_>, key: &str) -> Option<Expected> {
        match Expected::of(member(members, key)?, self.source, self.expressions) {
            Ok(expected) => Some(expected),
            Err(finding) => {
                self.found.push(finding);
                None
            }
        }
    }

    fn text(&mut self, tree: &Tree, key: &str) -> Option<String> {
        match &tree.node {
            Node::Leaf(Value::String(text)) => Some(text.clone()),
            Node::Leaf(value @ Value::Number(_)) => Some(value.to_string()),
            _ => {
                self.wrong(tree.at, format!("`{key}` is a text"), "");
                None
            }
        }
    }

    fn truth(&mut self, tree: &Tree, key: &str) -> Option<bool> {
        if let Node::Leaf(Value::Bool(truth)) = tree.node {
            return Some(truth);
        }
        self.wrong(tree.at, format!("`{key}` is true or false"), "");
        None
    }

    fn object(&mut self, tree: &Tree, key: &str) -> Map<String, Value> {
        match tree.value() {
            Value::Object(members) => members,
            _ => {
                self.wrong(tree.at, format!("`{key}` is a map"), "");
                Map::new()
            }
        }
    }

    fn time(&mut self, tree: &Tree) -> Duration {
        let time = self.text(tree, "a time").map(|text| match text.parse::<u32>() {
            Ok(seconds) => Ok(Duration::from_secs(seconds.into())),
            Err(_) => parse_duration(&text).map_err(|error| error.to_string()),
        });
        match time {
            Some(Ok(time)) if time <= LONGEST => return time,
            Some(Ok(_)) => self.wrong(tree.at, "a case lasts a day at most", ""),
            Some(Err(why)) => self.wrong(tree.at, why, ""),
            None => {}
        }
        Duration::ZERO
    }
}

/// A text as it is, anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Given {
    /// A device of which nothing is said.
    fn usual() -> Self {
        let sim = SimConfig::default();
        Self {
            device: Identity::device("sim-1".parse().expect("an id")),
            state: Map::new(),
            desired: Map::new(),
            reported: Map::new(),
            now: parse_time(NOON).expect("a time"),
            boot_id: "boot-1".to_owned(),
            reboot: sim.reboot,
            away: sim.away,
            fakes: Fakes::default(),
        }
    }
}
