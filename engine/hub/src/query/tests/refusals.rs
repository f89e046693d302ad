//! What is no query: the place and the words of each refusal.

use wire::limits::QUERY_CHARS;

use crate::query::Query;

const TABLE: [(&str, &str); 54] = [
    ("", "Line 1:0 Unexpected end of query, expected SELECT"),
    ("FROM devices", "Line 1:0 Unexpected input 'FROM', expected SELECT"),
    ("SELECT", "Line 1:6 Unexpected end of query, expected * or a column"),
    ("SELECT * ", "Line 1:9 Unexpected end of query, expected FROM"),
    ("SELECT *, a FROM devices", "Line 1:8 Unexpected input ',', expected FROM"),
    ("SELECT a, FROM devices", "Line 1:10 Unexpected input 'FROM', expected * or a column"),
    ("SELECT a AS FROM devices", "Line 1:12 'FROM' is a word of the language: write [[FROM]]"),
    ("SELECT DISTINCT FROM things", "Line 1:21 Unexpected input 'things', expected devices"),
    ("SELECT * FROM things", "Line 1:14 Unexpected input 'things', expected devices"),
    ("SELECT * FROM devices.twins", "Line 1:22 Unexpected input 'twins', expected modules or jobs"),
    ("SELECT * FROM devices extra", "Line 1:22 Unexpected input 'extra', expected the end of the query"),
    (
        "SELECT * FROM devices ORDER BY a",
        "Line 1:22 Unexpected input 'ORDER', expected the end of the query (the language of IoT Hub has no ORDER)",
    ),
    (
        "SELECT * FROM devices WHERE a LIKE 'x'",
        "Line 1:30 Unexpected input 'LIKE', expected the end of the query (the language of IoT Hub has no LIKE)",
    ),
    ("SELECT TOP x * FROM devices", "Line 1:11 Unexpected input 'x', expected a number"),
    ("SELECT TOP 1.5 * FROM devices", "Line 1:11 Unexpected input '1.5', expected a whole number"),
    ("SELECT * FROM devices WHERE", "Line 1:27 Unexpected end of query, expected a field, a constant or '('"),
    ("SELECT * FROM devices\nWHERE a = ;", "Line 2:10 Unexpected character at input ';'"),
    ("SELECT * FROM devices WHERE é = 1", "Line 1:28 Unexpected character at input 'é'"),
    ("SELECT * FROM devices WHERE 'é' 1", "Line 1:32 Unexpected input '1', expected the end of the query"),
    ("SELECT * FROM devices WHERE a = 'x", "Line 1:32 string without its closing '"),
    (r"SELECT * FROM devices WHERE a = '\q'", r#"Line 1:33 unknown escape in a string: \' \" \\ and \u0000 are known"#),
    (r"SELECT * FROM devices WHERE a = '\u+12f'", r"Line 1:33 `\u` needs the four hexadecimal digits of a character"),
    (r"SELECT * FROM devices WHERE a = '\ud800'", r"Line 1:33 `\u` needs the four hexadecimal digits of a character"),
    ("SELECT * FROM devices WHERE [[a = 1", "Line 1:28 `[[` without its `]]`"),
    ("SELECT * FROM devices WHERE [[]] = 1", "Line 1:28 `[[]]` names nothing"),
    ("SELECT * FROM devices /* all", "Line 1:22 comment without its end `*/`"),
    ("SELECT * FROM devices WHERE 1x = 1", "Line 1:28 `1x` is not a number"),
    ("SELECT * FROM devices WHERE 0xg = 1", "Line 1:28 `0xg` is not a number"),
    ("SELECT * FROM devices WHERE a IN ('x')", "Line 1:33 Unexpected input '(', expected '['"),
    ("SELECT * FROM devices WHERE a IN [b]", "Line 1:34 Unexpected input 'b', expected a constant"),
    ("SELECT * FROM devices WHERE a IN [-'x']", "Line 1:35 Unexpected input ''x'', expected a number"),
    ("SELECT * FROM devices WHERE a IN [1 2]", "Line 1:36 Unexpected input '2', expected ','"),
    ("SELECT * FROM devices WHERE (a = 1", "Line 1:34 Unexpected end of query, expected ')'"),
    ("SELECT * FROM devices WHERE a = 1 AND", "Line 1:37 Unexpected end of query, expected a field, a constant or '('"),
    ("SELECT * FROM devices WHERE a = 1 = 2", "Line 1:34 Unexpected input '=', expected the end of the query"),
    ("SELECT * FROM devices WHERE tags.group.name = 1", "Line 1:33 'group' is a word of the language: write [[group]]"),
    ("SELECT * FROM devices WHERE tags. = 1", "Line 1:34 Unexpected input '=', expected a name after the dot"),
    ("SELECT * FROM devices WHERE tags[a] = 1", "Line 1:33 Unexpected input 'a', expected a whole number"),
    (
        "SELECT * FROM devices WHERE STARTS_WITH(a, 'b')",
        "Line 1:28 'STARTS_WITH' is not a function, did you mean STARTSWITH?",
    ),
    ("SELECT * FROM devices WHERE is_defined(a, b)", "Line 1:28 IS_DEFINED takes 1 argument(s), not 2"),
    ("SELECT * FROM devices WHERE SUBSTRING(a)", "Line 1:28 SUBSTRING takes 2 to 3 argument(s), not 1"),
    ("SELECT * FROM devices WHERE CONCAT('a') = 'a'", "Line 1:28 CONCAT takes 2 or more argument(s), not 1"),
    ("SELECT * FROM devices WHERE COUNT() > 1", "Line 1:28 'COUNT' is not a function"),
    (
        "SELECT LOWER(a) FROM devices",
        "Line 1:7 LOWER(..) is no aggregate; SELECT takes fields and COUNT, AVG, SUM, MIN, MAX",
    ),
    ("SELECT SUM() FROM devices", "Line 1:11 Unexpected input ')', expected a field to aggregate"),
    ("SELECT AVG(*) FROM devices", "Line 1:11 Unexpected input '*', expected a field to aggregate"),
    ("SELECT tags.a, tags.b.a FROM devices", "Line 1:15 the column name 'a' is given twice: use AS"),
    (
        "SELECT status, COUNT() AS n FROM devices",
        "Line 1:7 the column 'status' is neither an aggregate nor in GROUP BY",
    ),
    ("SELECT * FROM devices GROUP BY status", "Line 1:7 SELECT * does not go with GROUP BY: name the columns"),
    ("SELECT status FROM devices GROUP status", "Line 1:33 Unexpected input 'status', expected BY"),
    (
        "SELECT status FROM devices GROUP BY status WHERE a = 1",
        "Line 1:43 Unexpected input 'WHERE', expected the end of the query",
    ),
    (
        "SELECT COUNT() AS n FROM devices.modules GROUP BY status",
        "Line 1:41 GROUP BY works on devices only, not on devices.modules",
    ),
    ("SELECT jobId FROM devices.jobs", "Line 1:7 devices.jobs answers whole rows only: SELECT * FROM devices.jobs"),
    ("SELECT COUNT() FROM devices.jobs", "Line 1:7 devices.jobs answers whole rows only: SELECT * FROM devices.jobs"),
];

#[test]
fn refusals_say_where_and_what() {
    for (text, expected) in TABLE {
        let error = Query::parse(text).expect_err(text).to_string();
        assert_eq!(error, format!("SQL query parse failed due to following errors: \n\t{expected}"), "{text}");
    }
}

#[test]
fn what_is_too_much() {
    let where_ = |condition: String| format!("SELECT * FROM devices WHERE {condition}");
    let columns: Vec<String> = (0..101).map(|n| format!("a{n}")).collect();
    let nine = ["a", "b", "c", "d", "e", "f", "g", "h", "i"].join(", ");
    for (text, part) in [
        (where_(format!("{}a{}", "(".repeat(2_000), ")".repeat(2_000))), "nested deeper than 64 levels"),
        (where_(format!("{} a", "NOT ".repeat(2_000))), "nested deeper than 64 levels"),
        (where_(format!("{}a", "-".repeat(8_000))), "nested deeper than 64 levels"),
        (where_(format!("{}a{}", "ABS(".repeat(1_000), ")".repeat(1_000))), "nested deeper than 64 levels"),
        (where_(format!("a = '{}'", "x".repeat(QUERY_CHARS))), "longer than 8192 characters"),
        (format!("SELECT {} FROM devices", columns.join(", ")), "more than 100 columns"),
        (format!("SELECT a FROM devices GROUP BY {nine}"), "more than 8 elements of GROUP BY"),
    ] {
        let error = Query::parse(&text).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    // As long as allowed, counted in characters, and as deep as the text goes without nesting.
    let padding = |text: String| format!("{text}{}", "é".repeat(QUERY_CHARS - text.chars().count() - 2) + "*/");
    assert!(Query::parse(&padding("SELECT * FROM devices /*".into())).is_ok());
    for link in ["1+", "a AND ", "a OR ", "2*"] {
        let long = where_(format!("{}1", link.repeat(7_000 / link.len())));
        let query = Query::parse(&long).unwrap();
        assert!(!query.condition.unwrap().passes(&super::device::device()));
    }
}
