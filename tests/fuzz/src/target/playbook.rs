//! What users write for the runner: playbooks in YAML, and scripts over the same verbs.

use base::{Clock, Source};
use flow::Flow;
use iothub::IotHub;
use runner::{Registry, book, check_script};
use script::Expressions;

use super::target::{MEMORY, Target};
use crate::grammar::{Rule, text};

const BOOK: &[Rule] = &[
    ("start", &["<play>", "<play>", "- <inplay>- <inplay>"]),
    ("play", &["name: <s>\n<keys>steps:\n<steps><tail>", "- invoke_method: <s>\n", "steps:\n<steps>"]),
    ("inplay", &["name: <s>\n  steps:\n<steps>"]),
    ("keys", &["<key><keys>", "<key>", ""]),
    (
        "key",
        &[
            "vars: { a: <v>, b: \"${{ <expr> }}\" }\n",
            "required: [<s>]\n",
            "env: [HOME]\n",
            "secrets: { token: { env: T } }\n",
            "forks: <n>\n",
            "targets: <s>\n",
            "targets: { query: tags.a = '<s>', order: random }\n",
            "serial: [<n>, <n>%, rest]\n",
            "rollout: { rate: <n>/s, ramp: { base: <n>/s, factor: <n> } }\n",
            "abort_if: { failed: <n>%, min_sample: <n>, action: pause }\n",
            "between_waves:\n  soak: <d>\n  gate: <expr>\n",
            "window: <s>\n",
            "timeout: <d>\n",
            "<s>: <v>\n",
        ],
    ),
    ("steps", &["<step><steps>", "<step>", "  - log: x\n"]),
    (
        "step",
        &[
            "  - invoke_method: { name: <s>, payload: <v>, response_timeout: <d> }\n<opts>",
            "  - get_twin:\n    register: <s>\n",
            "  - patch_twin: { desired: <v> }\n<opts>",
            "  - wait_until: { that: <expr>, every: <d> }\n<opts>",
            "  - assert: <expr>\n",
            "  - set: { <s>: \"${{ <expr> }}\" }\n",
            "  - log: \"${{ <expr> }} <s>\"\n<opts>",
            "  - sleep: <d>\n",
            "  - fail: <s>\n",
            "  - query: <s>\n",
            "  - <s>: <v>\n<opts>",
            "  - block:\n    - log: <s>\n    rescue:\n    - log: ${{ error.message }}\n",
            "  - script: |\n      log(<expr>);\n",
            "  - save: { to: <s>, value: <v> }\n",
            "  - log: <s>\n",
        ],
    ),
    ("opts", &["<opt><opts>", "<opt>", "", ""]),
    (
        "opt",
        &[
            "    when: <expr>\n",
            "    retries: <n>\n",
            "    register: <s>\n",
            "    loop: [a, <v>]\n",
            "    failed_when: <expr>\n",
            "    timeout: <d>\n",
            "    tags: <s>\n",
            "    run_once: true\n",
            "    offline: { wait: <d> }\n",
            "    <s>: <v>\n",
        ],
    ),
    ("tail", &["after:\n  - log: \"${{ devices.len() }}\"\n", "success_if: run.ok > <n>\n", "", ""]),
    (
        "expr",
        &[
            "<expr> and not <expr>",
            "<expr> == <expr>",
            "twin.reported.a[0].b ?? <n>",
            "before.reported.x != '<s>'",
            "device.id",
            "a.b.c",
            "wave.failed == 0",
            "[1, 2].len() > <n>",
            "1",
        ],
    ),
    (
        "s",
        &[
            "a",
            "reboot",
            "'it''s'",
            "\"x ${{ a }}\"",
            "é",
            "yes",
            "~",
            "&x y",
            "*x",
            "!t z",
            "@b",
            "`c`",
            "{{ j }}",
            "0x1F",
            "name",
        ],
    ),
    ("v", &["<n>", "<s>", "[<v>, <v>]", "{ <s>: <v> }", "${{ <expr> }}", "|\n      text\n", "null", "1"]),
    ("n", &["0", "1", "-1", "5%", "1e9", "99999999999999999999", "1.5", ".nan", "3"]),
    ("d", &["5s", "1h30m", "0", "-1s", "1.5", "9999999999999h", "x", "2s"]),
];

const BOOK_WORDS: &[&[u8]] = &[
    b"\n",
    b"  ",
    b"- ",
    b": ",
    b"${{",
    b"}}",
    b"&a ",
    b"*a",
    b"!!",
    b"|\n",
    b">-\n",
    b"#",
    b"---\n",
    b"? ",
    b"<<: ",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\t",
    b"when: ",
    b"block:\n",
];
const SCRIPT_WORDS: &[&[u8]] = &[
    b"{",
    b"}",
    b"(",
    b")",
    b";",
    b"|x| ",
    b"#{",
    b"`",
    b"${",
    b"/*",
    b"//",
    b"fn f() ",
    b"loop ",
    b"let a = ",
    b"for i in ",
    b"\"\"",
    b"..",
    b"?.",
];

/// The verbs of the product, without a hub behind them.
fn registry() -> Registry {
    Registry::new(&[&IotHub::without_hub(), &Flow])
}

pub(super) fn books() -> Target {
    Target {
        name: "playbook",
        what: "playbooks, read and checked with all verbs; findings are printed",
        make: |random| text(BOOK, "start", random).into_bytes(),
        words: BOOK_WORDS,
        memory: MEMORY,
        prepare: || {
            let (registry, expressions) = (registry(), Expressions::new(Clock::system()));
            Box::new(move |input| {
                let source = Source::new("book.yaml", input.text());
                // Whatever a book includes is not there: nothing of this machine is read.
                let find = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
                match book::read_from(source, &registry, &expressions, &["twin"], &find) {
                    Ok(_) => Ok(true),
                    Err(found) => {
                        let _ = found.to_string();
                        Ok(false)
                    }
                }
            })
        },
    }
}

pub(super) fn scripts() -> Target {
    Target {
        name: "runscript",
        what: "scripts for `iotplay run`, compiled and checked with all verbs",
        make: |random| text(super::script::SCRIPT, "block", random).into_bytes(),
        words: SCRIPT_WORDS,
        memory: MEMORY,
        prepare: || {
            let (registry, clock) = (registry(), Clock::system());
            Box::new(move |input| match check_script(&Source::new("a.rhai", input.text()).into(), &registry, &clock) {
                Ok(()) => Ok(true),
                Err(found) => {
                    let _ = found.to_string();
                    Ok(false)
                }
            })
        },
    }
}
