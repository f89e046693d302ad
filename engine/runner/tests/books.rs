//! Playbooks through the public door: what fails says exactly what its `.txt` says; what is good comes out as typed.

mod verbs;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use base::{Clock, Diagnostics, Source};
use iotplay_runner::book::{
    AbortAction, Body, Book, Failing, Node, NodeKind, Offline, Order, Rollout, SecretFrom, Size, Template, extra_vars,
    parse_extra, read, read_yaml, schema,
};
use iotplay_runner::{Class, Selection};
use proptest::prelude::*;
use script::Expressions;
use serde_json::json;

fn book(name: &str, text: &str) -> Result<Book, Diagnostics> {
    static EXPRESSIONS: LazyLock<Expressions> = LazyLock::new(|| Expressions::new(Clock::system()));
    read(Source::new(name, text), &verbs::registry(), &EXPRESSIONS, &["twin"])
}

fn failing() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/failing");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is in the repository")
        .map(|entry| entry.expect("a folder that can be listed").path())
        .filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        .collect();
    files.sort();
    files
}

/// `IOTPLAY_WRITE_EXPECTED=1` writes what is said now; read the difference before keeping it.
#[test]
fn every_failing_playbook_says_what_is_expected() {
    let mut wrong = Vec::new();
    for file in failing() {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let said = match book(&name, &text) {
            Ok(book) => format!("no error, {} warnings\n\n{}", book.warnings.len(), Diagnostics(book.warnings)),
            Err(found) => found.to_string(),
        };
        let expected = file.with_extension("txt");
        if std::env::var_os("IOTPLAY_WRITE_EXPECTED").is_some() {
            std::fs::write(&expected, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_default();
        if expected != said {
            wrong.push(format!("== {name}\n-- expected\n{expected}\n-- said\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const FLEET: &str = r#"
name: Canary reboot
vars: { reason: kernel-update, deadline: 10m, all: "${{ reason }} now" }
required: [url]
env: [HOME]
secrets: { token: { file: t.txt } }
targets: { query: tags.building = '43', order: random }
serial: [1, 5%, rest]
forks: 200
rollout: { rate: 30/s, ramp: { base: 5/s, factor: 2, after_success: 50 } }
abort_if: { failed: 3%, unreachable: 10, min_sample: 30, action: pause }
between_waves:
  soak: 15m
  verify: [ { invoke_method: { name: ping } } ]
  gate: wave.failed == 0 && wave.unreachable <= 2
steps:
  - get_twin:
    register: before
    tags: inventory
  - name: Reboot ${{ device.id }}
    offline: { wait: 2h }
    when: twin.tags.line == 'B' and not before.done
    block:
      - invoke_method: { name: rebootDevice, payload: { reason: "${{ reason }}", n: 42 }, response_timeout: 60s, accept: any }
        retries: 2
        delay: 1.5
        backoff: 2
      - wait_until: { that: twin.reported.rebootTime != before.reported.rebootTime, every: 5s }
        timeout: ${{ deadline }}
        failed_when: twin.reported.boot.state == "failed"
        register: after
    rescue:
      - log: "${{ error.message }}: ${{ secret.token }} ${{ env.HOME }} ${{ url }}"
        ignore_errors: true
    always:
      - set: { seen: "${{ after.reported.rebootTime ?? before.reported.boot }}" }
  - log: ${{ seen }} ${{ item }}
    loop: [a, "${{ twin.tags.line }}"]
    throttle: 3
    run_once: true
    no_log: true
after:
  - log: "${{ devices.len() }} devices"
success_if: run.ok > run.failed
timeout: 1h
"#;

#[test]
fn a_whole_fleet_comes_out_as_typed() {
    let book = book("playbooks/canary.yaml", FLEET).unwrap();
    let play = &book.plays[0];
    assert_eq!((&*play.name, play.forks, play.timeout), ("Canary reboot", Some(200), Some(Duration::from_secs(3600))));
    assert_eq!(play.serial, [Size::Count(1), Size::Percent(5.0), Size::Rest]);
    let targets = play.targets.as_ref().unwrap();
    assert_eq!(targets.which, Selection::Query("tags.building = '43'".into()));
    assert_eq!(targets.order, Order::Random);
    assert_eq!(play.rollout, Some(Rollout { rate: 30.0, ramp: Some((5.0, 2.0, 50)) }));
    let budget = play.abort_if.as_ref().unwrap();
    assert_eq!(
        budget.limits,
        [(Failing::Failed, Size::Percent(3.0)), (Failing::Class(Class::Unreachable), Size::Count(10))]
    );
    assert_eq!((budget.min_sample, budget.action), (30, AbortAction::Pause));
    assert_eq!(play.secrets["token"], SecretFrom::File("playbooks/t.txt".into()));
    assert_eq!(play.vars["deadline"].constant(), Some(&json!("10m")));
    assert!(play.vars["all"].constant().is_none());
    let names: Vec<_> = book.steps.iter().map(|(name, _)| &**name).collect();
    assert_eq!(
        names,
        [
            "get_twin",
            "Reboot ${{ device.id }}",
            "invoke_method",
            "wait_until",
            "log",
            "set",
            "log",
            "invoke_method",
            "log"
        ]
    );
}

#[test]
fn steps_say_what_the_runner_needs() {
    let book = book("playbooks/canary.yaml", FLEET).unwrap();
    let steps = &book.plays[0].steps;
    assert_eq!(
        steps[0].shows.iter().map(|it| &**it).collect::<Vec<_>>(),
        ["done", "reported.rebootTime", "reported.boot"]
    );
    assert_eq!(steps[1].offline, Offline::Wait(Duration::from_secs(7200)));
    let Body::Block { block, rescue, always } = &steps[1].body else { panic!("a block") };
    assert_eq!((block.len(), rescue.len(), always.len()), (2, 1, 1));
    let retries = &block[0].retries;
    assert_eq!(
        (retries.retries, retries.delay, retries.backoff),
        (Some(2), Some(Duration::from_millis(1500)), Some(2.0))
    );
    assert!(block[1].timeout.as_ref().unwrap().template().is_some());
    assert_eq!(steps[2].facts.iter().map(|it| &**it).collect::<Vec<_>>(), ["twin"], "the loop names it");
    assert!(steps[1].facts.is_empty(), "conditions are read when they are judged");
    assert!(steps[2].run_once && steps[2].no_log && steps[2].throttle == Some(3));
    let place = book.source.position(steps[2].span.start);
    assert_eq!(place, (37, 5));
}

#[test]
fn other_words_and_several_plays() {
    let text =
        "- hosts: all\n  tasks: [ { get_twin: , if: true } ]\n- name: b\n  hosts: a, b\n  steps: [ { get_twin: } ]\n";
    let book = book("two.yaml", text).unwrap();
    assert_eq!(book.plays[0].targets.as_ref().unwrap().which, Selection::All);
    assert!(book.plays[0].steps[0].when.is_some());
    assert_eq!(&*book.plays[0].name, "two");
    assert_eq!(book.plays[1].targets.as_ref().unwrap().which, Selection::Ids(vec!["a".into(), "b".into()]));
    assert_eq!(book.plays[1].steps[0].index, 1);
}

#[test]
fn anchors_and_merge_keys_work() {
    let text = "steps:\n  - &call\n    invoke_method: { name: ping }\n    retries: 2\n  - <<: *call\n    retries: 3\n";
    let book = book("a.yaml", text).unwrap();
    let tries: Vec<_> = book.plays[0].steps.iter().map(|step| step.retries.retries).collect();
    assert_eq!(tries, [Some(2), Some(3)]);
}

fn extra(arguments: &[&str]) -> Result<Vec<serde_json::Map<String, serde_json::Value>>, String> {
    let text = "vars: { n: 1, yes: true, list: [a], name: x, wait: 10m, map: { a: 1 } }\nrequired: [url]\nsteps: [ { get_twin: } ]\n";
    let book = book("e.yaml", text).expect("a good playbook");
    let read = |name: &str| match name {
        "vars.yaml" => Ok("n: 7\nurl: u\n".to_owned()),
        _ => Err(std::io::Error::other("no such file")),
    };
    let mut given = Vec::new();
    for argument in arguments {
        given.extend(parse_extra(argument, &read).map_err(|found| found.to_string())?);
    }
    let vars = extra_vars(&book, &given).map_err(|found| found.to_string())?;
    let constant = |template: &Template| template.constant().cloned().expect("no template here");
    Ok(vars.iter().map(|vars| vars.iter().map(|(name, it)| (name.to_string(), constant(it))).collect()).collect())
}

#[test]
fn extra_variables_take_the_type_of_the_default() {
    let vars =
        &extra(&["url=http://x=y", "n=5", "yes=false", "list=[b, c]", "name=5", "wait=3", "map={a: 2}"]).unwrap()[0];
    assert_eq!(
        serde_json::Value::Object(vars.clone()),
        json!({ "n": 5, "yes": false, "list": ["b", "c"], "name": "5", "wait": "3", "map": { "a": 2 }, "url": "http://x=y" })
    );
    let vars = &extra(&["@vars.yaml", r#"{"n": "text", "name": null}"#]).unwrap()[0];
    assert_eq!((&vars["n"], &vars["name"], &vars["url"]), (&json!("text"), &json!(null), &json!("u")));
}

#[test]
fn extra_variables_that_do_not_fit_are_refused() {
    for (arguments, said) in [
        (vec!["url=u", "n=many"], "error: -e n=many: expected a number, as its default is\n"),
        (vec!["url=u", "nmae=x"], "error: -e nmae: e.yaml has no variable of this name\nhelp: did you mean `name`?\n"),
        (vec![], "error: the play \"e\" requires `url`\nhelp: add -e url=..\n"),
        (
            vec!["url"],
            "error: -e url: expected name=value, {..} or @file\nhelp: -e deadline=5m   or   -e '{ deadline: 5m }'   or   -e @vars.yaml\n",
        ),
        (vec!["@none"], "error: -e @none: cannot read none: no such file\n"),
    ] {
        assert_eq!(extra(&arguments).unwrap_err(), said, "{arguments:?}");
    }
}

fn spans_are_valid(node: &Node, text: &str) {
    let valid = |span: base::Span| text.get(span.start..span.end).is_some();
    assert!(valid(node.span), "{:?} in {text:?}", node.span);
    match &node.kind {
        NodeKind::List(items) => items.iter().for_each(|item| spans_are_valid(item, text)),
        NodeKind::Map(entries) => entries.iter().for_each(|(key, item)| {
            assert!(valid(key.span));
            spans_are_valid(item, text);
        }),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_makes_it_panic(text in r#"([a-cé:\-\[\]{}"'|>!&*#%@$ \n]|steps:\n  - |get_twin:|\$\{\{ | \}\}|when: |\n    ){0,30}"#) {
        let mut found = Diagnostics::default();
        if let Ok(node) = read_yaml(&Source::new("x", text.as_str()), &mut found) {
            spans_are_valid(&node, &text);
        }
        let said = match book("x", &text) {
            Ok(book) => Diagnostics(book.warnings).to_string(),
            Err(found) => {
                prop_assert!(found.has_errors());
                found.to_string()
            }
        };
        let _ = said;
    }

    #[test]
    fn scalars_come_back(value in "[ -~é\n\t]{0,30}") {
        let quoted = serde_json::to_string(&value).expect("a text");
        let text = format!("key: {quoted}\nlist: [{quoted}]\n");
        let node = read_yaml(&Source::new("x", text.as_str()), &mut Diagnostics::default()).expect("JSON is YAML");
        prop_assert_eq!(node.to_json(), json!({ "key": value, "list": [value] }));
        prop_assert_eq!(&text[node.get("key").expect("it is there").span.start..][..quoted.len()], quoted);
    }

    #[test]
    fn templates_keep_what_is_literal(value in "[ a-c{}'\"$]{0,20}") {
        prop_assume!(!value.contains("${{"));
        let text = format!("steps:\n  - log: {}\n", serde_json::to_string(&format!("{value}$${{{{ a }}}}")).expect("a text"));
        prop_assume!(!value.ends_with('$'));
        prop_assert!(book("x", &text).is_ok(), "{}", text);
    }
}

/// Every `$ref` of a schema leads somewhere.
fn references(value: &serde_json::Value, root: &serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            if let Some(target) = map.get("$ref").and_then(|it| it.as_str()) {
                assert!(root.pointer(target.trim_start_matches('#')).is_some(), "{target}");
            }
            map.values().for_each(|value| references(value, root));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|value| references(value, root)),
        _ => {}
    }
}

#[test]
fn the_schema_knows_every_verb_and_key() {
    let schema = schema(&verbs::registry());
    references(&schema, &schema);
    let step = &schema["$defs"]["step"]["properties"];
    for key in ["invoke_method", "wait_until", "when", "offline", "rescue"] {
        assert!(step.get(key).is_some(), "{key}");
    }
    assert!(schema["$defs"]["play"]["properties"].get("window").is_some());
}

fn valid(schema: &jsonschema::Validator, text: &str) -> bool {
    let node = read_yaml(&Source::new("x", text), &mut Diagnostics::default()).expect("YAML that can be read");
    schema.is_valid(&node.to_json())
}

/// What only the reader can tell: names, expressions, places of keys in time, YAML itself.
const BEYOND_A_SCHEMA: &[&str] = &[
    "bomb",
    "duplicate",
    "expressions",
    "missing_files",
    "names",
    "tab",
    "trap_",
    "two_documents",
    "unclosed_quote",
    "doubts",
    "changed",
];

#[test]
fn the_schema_refuses_what_a_schema_can_refuse() {
    let schema = jsonschema::validator_for(&schema(&verbs::registry())).expect("a good schema");
    let mut accepted = Vec::new();
    for file in failing() {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let beyond = BEYOND_A_SCHEMA.iter().any(|known| name.starts_with(known));
        if !beyond && valid(&schema, &text) {
            accepted.push(name);
        }
    }
    assert!(accepted.is_empty(), "{accepted:?}");
}

#[test]
fn the_schema_refuses_each_mistake_by_itself() {
    let schema = jsonschema::validator_for(&schema(&verbs::registry())).expect("a good schema");
    for good in [
        FLEET,
        "- hosts: all\n  tasks: [ { get_twin: , if: true } ]\n- name: b\n  hosts: a, b\n  steps: [ { get_twin: } ]\n",
        "window: { days: mon-fri, from: 22:00, to: 06:00, tz: UTC }\nconcurrency: { group: a }\nsteps: [ { wait_until: twin.x } ]\n",
        "serial: 5\nabort_if: { failed: 3, per_wave: true }\nbetween_waves: { gate: { that: wave.ok > 1, approve: true } }\nsteps: [ { log: { text: 5 } } ]\n",
    ] {
        let node = read_yaml(&Source::new("x", good), &mut Diagnostics::default()).unwrap().to_json();
        let found: Vec<_> =
            schema.iter_errors(&node).map(|error| format!("{} at {}", error, error.instance_path())).collect();
        assert!(found.is_empty(), "{good}\n{found:#?}");
    }
    for bad in [
        "nmae: x\nsteps: [ { get_twin: } ]\n",
        "name: x\n",
        "steps: [ { get_twin: } ]\ntasks: [ { get_twin: } ]\n",
        "steps: [ { name: x } ]\n",
        "steps: [ { get_twin: , log: x } ]\n",
        "steps: [ { get_twin: , retries: -1 } ]\n",
        "steps: [ { get_twin: , offline: skp } ]\n",
        "steps: [ { get_twin: , offline: { wiat: 2h } } ]\n",
        "steps: [ { get_twin: , rescue: [ { log: x } ] } ]\n",
        "steps: [ { get_twin: , register: a-b } ]\n",
        "steps: [ { invoke_method: { nam: x } } ]\n",
        "steps: [ { log: } ]\n",
        "steps: [ { log: { txt: x } } ]\n",
        "serial: [0]\nsteps: [ { get_twin: } ]\n",
        "rollout: { rate: fast }\nsteps: [ { get_twin: } ]\n",
        "abort_if: { faild: 3 }\nsteps: [ { get_twin: } ]\n",
        "between_waves: { verify: [ { lgo: x } ] }\nsteps: [ { get_twin: } ]\n",
        "window: { from: 22:00 }\nsteps: [ { get_twin: } ]\n",
        "concurrency: { group: a/b }\nsteps: [ { get_twin: } ]\n",
        "targets: { device: [a] }\nsteps: [ { get_twin: } ]\n",
        "secrets: { a: { envi: A } }\nsteps: [ { get_twin: } ]\n",
        "timeout: soon\nsteps: [ { get_twin: } ]\n",
        "[]\n",
    ] {
        assert!(!valid(&schema, bad), "{bad}");
    }
}
