//! What the hub is told in text: queries and seeds.

use base::Source;
use hub::Seeds;
use serde_json::{Value, json};

use super::target::{MEMORY, Target};
use crate::grammar::{Rule, text};

const QUERY: &[Rule] = &[
    ("start", &["SELECT <top><columns> FROM <from><where><group>", "SELECT * FROM devices WHERE <cond>"]),
    ("top", &["TOP <int> ", "", ""]),
    ("columns", &["*", "<column>, <columns>", "<column>"]),
    ("column", &["<aggregate>", "<path> AS <name>", "<path> <name>", "<path>"]),
    ("aggregate", &["COUNT(<path>)", "AVG(<path>) AS a", "SUM(<path>)", "MIN(<path>)", "MAX(<path>)", "COUNT()"]),
    ("from", &["devices.modules", "devices.jobs", "devices"]),
    ("where", &[" WHERE <cond>", ""]),
    ("group", &[" GROUP BY <path>, <path>", " GROUP BY <path>", "", ""]),
    (
        "cond",
        &[
            "(<cond>)",
            "<cond> AND <cond>",
            "<cond> OR <cond>",
            "NOT <cond>",
            "<expr> IN [<list>]",
            "<expr> NIN [<list>]",
            "IS_DEFINED(<path>)",
            "IS_<type>(<expr>)",
            "STARTSWITH(<expr>, <expr>)",
            "<expr> <op> <expr>",
            "<path> = 1",
        ],
    ),
    ("type", &["NULL", "BOOL", "NUMBER", "STRING", "ARRAY", "OBJECT", "PRIMITIVE"]),
    ("op", &["=", "!=", "<>", "<", ">", "<=", ">=", "="]),
    (
        "expr",
        &[
            "<expr> + <expr>",
            "<expr> - <expr>",
            "<expr> * <expr>",
            "<expr> / <expr>",
            "<expr> % <expr>",
            "-<expr>",
            "(<expr>)",
            "SUBSTRING(<expr>, <expr>, <expr>)",
            "CONCAT(<expr>, <expr>)",
            "POWER(<expr>, <expr>)",
            "INDEX_OF(<expr>, <expr>)",
            "LENGTH(<expr>)",
            "EXP(<expr>)",
            "SQRT(<expr>)",
            "AS_NUMBER(<expr>)",
            "<path>",
            "<value>",
            "<value>",
        ],
    ),
    ("list", &["<value>, <list>", "<value>"]),
    (
        "value",
        &[
            "<int>",
            "'text'",
            "\"t\\u00e9x\\\"t\"",
            "1.5e3",
            "-0x1F",
            "true",
            "null",
            "undefined",
            "[1, 'a']",
            "''",
            "1",
        ],
    ),
    ("int", &["0", "1", "-1", "100", "9223372036854775807", "1e400", "7"]),
    (
        "path",
        &[
            "deviceId",
            "tags.site",
            "tags.list[0].x",
            "tags.[[a-b]].c",
            "properties.reported.n",
            "properties.desired.$version",
            "devices.tags.deep.er",
            "[[group]]",
            "lastActivityTime",
            "tags",
            "x",
        ],
    ),
    ("name", &["a", "[[the name]]", "select", "a"]),
];

const SEEDS: &[Rule] = &[
    ("start", &["devices:\n<devices>", "devices:\n<devices>", "devices: []\n"]),
    ("devices", &["<device><devices>", "<device>", "<device>"]),
    (
        "device",
        &[
            "  - id: <id>\n<field>",
            "  - { prefix: <id>, count: <n>, from: <n> }\n",
            "  - id: <id>\n<field><field>",
            "  - id: x\n",
        ],
    ),
    (
        "field",
        &[
            "    tags: { line: <id> }\n",
            "    desired: { n: <n>, nested: { a: [1, null] } }\n",
            "    keys: { primary: MDEyMzQ1Njc4OWFiY2RlZg== }\n",
            "    status: disabled\n",
            "    edge: true\n",
            "    auth: certificateAuthority\n",
            "    modules:\n      - id: <id>\n",
            "    thumbprints: { primary: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA }\n",
            "    <id>: <n>\n",
        ],
    ),
    ("id", &["a", "press-7", "\"\"", "'a b'", "é", "$edgeAgent", "&anchor b", "*anchor", "!!str c", "~", "d"]),
    ("n", &["1", "0", "-1", "20000", "99999999999999999999", "1.5", ".inf", "3"]),
];

const QUERY_WORDS: &[&[u8]] = &[
    b" AND ",
    b" OR ",
    b"NOT ",
    b"(",
    b")",
    b"'",
    b"\"",
    b"[[",
    b"]]",
    b"/*",
    b"*/",
    b" IN ",
    b"COUNT()",
    b"GROUP BY ",
    b"\\u",
    b"--",
];
const SEED_WORDS: &[&[u8]] = &[
    b"\n", b"  ", b"- ", b": ", b"{", b"}", b"[", b"&a ", b"*a", b"!!", b"|\n", b">\n", b"#", b"---\n", b"? ", b"<<: ",
];

pub(super) fn queries() -> Target {
    Target {
        name: "query",
        what: "the query language: read, printed, read again, answered over rows in pages",
        make: |random| text(QUERY, "start", random).into_bytes(),
        words: QUERY_WORDS,
        memory: MEMORY,
        prepare: || {
            let rows = rows();
            Box::new(move |input| hub::query(&input.text(), &rows))
        },
    }
}

fn rows() -> Vec<Value> {
    let row = |n: usize| {
        let site = ["delft", "gent"][n % 2];
        json!({
            "deviceId": format!("d{n}"), "status": "enabled", "lastActivityTime": "2026-11-23T13:27:42.1180000Z", "version": n,
            "tags": {"site": site, "list": [1, {"x": n}], "a-b": {"c": true}, "deep": {"er": 1.5}, "text": "12.50"},
            "properties": {"desired": {"$version": n}, "reported": {"n": n, "big": 1e300, "e": "é😀"}},
        })
    };
    (0..7).map(row).collect()
}

pub(super) fn seeds() -> Target {
    Target {
        name: "seeds",
        what: "the devices that a hub begins with, in YAML",
        make: |random| text(SEEDS, "start", random).into_bytes(),
        words: SEED_WORDS,
        // A count of a million is a million ids, and a million is allowed: a hundred bytes each.
        memory: 2 * MEMORY,
        prepare: || {
            Box::new(|input| match Seeds::parse(&Source::new("fleet.yaml", input.text())) {
                Ok(_) => Ok(true),
                Err(found) => {
                    // What is said must be sayable.
                    let _ = found.to_string();
                    Ok(false)
                }
            })
        },
    }
}
